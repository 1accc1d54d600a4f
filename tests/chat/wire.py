"""A hub and its clients on wires that lose, double, delay and cut, in pure code on one virtual clock.

A wire here carries whole chat messages. Over a *reliable* wire they keep their order, and a cut loses whatever is on
its way, in both directions; over a datagram wire each message has its own luck.
"""

from __future__ import annotations

import heapq
import itertools
import random
from typing import Any

from netlab.chat import messages as m
from netlab.chat.client import ChatClient
from netlab.chat.client_events import (
    Ask,
    Changed,
    Connected,
    Dial,
    Disconnected,
    Done,
    Event,
    Hangup,
    Happened,
    Outcome,
    Output,
    Received,
    Start,
    TimerFired,
    Transmit,
)
from netlab.chat.hub import Hub
from netlab.chat.hub_events import Admit, Close, Closed, Dropped, Opened, Report, Send
from netlab.chat.hub_events import Received as HubReceived
from netlab.chat.hub_events import TimerFired as HubTimer
from netlab.chat.limits import ChatLimits
from netlab.chat.store import Append, MemoryLog
from netlab.units import MS, Ns, S

from .desk import START, seeded_entropy


class Client:
    """A client machine at one end of a wire, and all that it told its user."""

    def __init__(self, world: World, name: str, *, reliable: bool, redial_for: Ns) -> None:
        self.world = world
        self.machine = ChatClient(name, reliable=reliable, redial_for=redial_for)
        self.reliable = reliable
        self.conn: int | None = None
        self.outcomes: dict[int, Outcome] = {}
        self.happened: list[Any] = []
        self.changes: list[Changed] = []
        self.up_at = self.down_at = 0  # when the latest message of each direction arrives: order is kept
        self._ref = 0

    def step(self, event: Event) -> list[Output]:
        outputs = self.machine.handle(event, self.world.now)
        for output in outputs:
            match output:
                case Transmit(data):
                    self.world.send_up(self, data)
                case Dial():
                    self.world.dial(self)
                case Hangup():
                    self.world.drop(self, tell_client=False)
                case Done(ref, outcome):
                    assert ref not in self.outcomes, "an operation ends once"
                    self.outcomes[ref] = outcome
                case Happened(event=happened):
                    self.happened.append(happened)
                case Changed():
                    self.changes.append(output)
        return outputs

    def ask(self, operation: m.Operation) -> int:
        self._ref += 1
        self.step(Ask(self._ref, operation))
        return self._ref

    def emit(self, text: Any, *rooms: str, **kwargs: Any) -> int:
        return self.ask(m.Emit(0, "say", list(rooms), [text], **kwargs))

    def texts(self) -> list[Any]:
        return [event.args[0] for event in self.happened if isinstance(event, m.Message)]

    def gaps(self) -> list[m.Gap]:
        return [event for event in self.happened if isinstance(event, m.Gap)]


class World:
    """Everything, on one clock.

    Args:
        delay: of a message one way.
        loss, duplication, jitter: of wires that are not reliable.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        limits: ChatLimits | None = None,
        delay: Ns = 10 * MS,
        loss: float = 0.0,
        duplication: float = 0.0,
        jitter: Ns = 0,
    ) -> None:
        self.rng = random.Random(seed)
        self.limits = limits
        self.delay, self.loss, self.duplication, self.jitter = delay, loss, duplication, jitter
        self.now: Ns = START
        self.clients: list[Client] = []
        self.down = False
        """The server does not listen."""
        self._ends: dict[int, Client] = {}
        self._heap: list[tuple[Ns, int, Any]] = []
        self._tie = itertools.count()
        self._conn = 0
        self._generation = 0
        self.restart_server()

    def restart_server(self) -> None:
        """A new hub, that knows nothing; all connections are gone."""
        for conn, client in list(self._ends.items()):
            del self._ends[conn]
            if client.conn == conn:
                client.conn = None
                client.step(Disconnected("the server is gone"))
        self._generation += 1
        self.hub = Hub(seeded_entropy(100 + self._generation), limits=self.limits)
        self.log = MemoryLog()

    def client(self, name: str, *rooms: str, reliable: bool = True, redial_for: Ns = 120 * S) -> Client:
        client = Client(self, name, reliable=reliable, redial_for=redial_for)
        self.clients.append(client)
        client.step(Start())
        for room in rooms:
            client.ask(m.Join(0, room))
        return client

    def at(self, delay: Ns, action: Any) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._tie), action))

    def dial(self, client: Client) -> None:
        def arrive() -> None:
            if self.down:
                client.step(Disconnected("nobody listens"))
                return
            self._conn += 1
            client.conn = conn = self._conn
            client.up_at = client.down_at = self.now
            self._ends[conn] = client
            self._hub(Opened(conn, client.reliable, not client.reliable))
            client.step(Connected())

        self.at(self.delay, arrive)

    def drop(self, client: Client, *, tell_client: bool = True, said: bool = False) -> None:
        """The connection breaks, with all that is on its way in both directions."""
        conn, client.conn = client.conn, None
        if conn is None:
            return
        del self._ends[conn]
        self._hub(Closed(conn, said))
        if tell_client:
            client.step(Disconnected("cut"))

    def send_up(self, client: Client, data: bytes) -> None:
        conn = client.conn
        assert conn is not None, "sent without a connection"

        def arrive() -> None:
            if conn in self._ends:
                self._hub(HubReceived(conn, data))

        self._carry(client, "up_at", arrive)

    def _send_down(self, conn: int, data: bytes) -> None:
        client = self._ends.get(conn)
        if client is None:
            return

        def arrive() -> None:
            if client.conn == conn:
                client.step(Received(data))

        self._carry(client, "down_at", arrive)

    def _carry(self, client: Client, way: str, arrive: Any) -> None:
        if client.reliable:
            at = max(getattr(client, way), self.now + self.delay)
            setattr(client, way, at)
            self.at(at - self.now, arrive)
            return
        copies = 0 if self.rng.random() < self.loss else 2 if self.rng.random() < self.duplication else 1
        for _ in range(copies):
            self.at(self.delay + round(self.rng.random() * self.jitter), arrive)

    def _hub(self, event: Any) -> None:
        for output in self.hub.handle(event, self.now):
            match output:
                case Send(recipients, _, data, skip):
                    for conn in recipients:
                        if conn != skip:
                            self._send_down(conn, data)
                case Append():
                    self._hub(self.log.append(output))
                case Close(conn, reason):
                    client = self._ends.pop(conn, None)
                    if client is not None:
                        data = m.encode_json(reason)
                        self.at(self.delay, lambda c=client, n=conn, d=data: self._goodbye(c, n, d))
                case Report(conn, op):
                    self._send_down(conn, self.hub.report(op, {}))
                case Admit() | Dropped():
                    pass

    def _goodbye(self, client: Client, conn: int, data: bytes) -> None:
        if client.conn == conn:
            client.step(Received(data))
            if client.conn == conn:
                client.conn = None
                client.step(Disconnected("closed"))

    def run(self, duration: Ns) -> None:
        """Let so much time pass."""
        until = self.now + duration
        while True:
            times = [self._heap[0][0]] if self._heap else []
            times += [at for at in (self.hub.deadline, *(c.machine.deadline for c in self.clients)) if at is not None]
            at = min(times, default=until + 1)
            if at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            if self._heap and self._heap[0][0] <= self.now:
                heapq.heappop(self._heap)[2]()
            for client in self.clients:
                if client.machine.deadline is not None and client.machine.deadline <= self.now:
                    client.step(TimerFired())
                    deadline = client.machine.deadline
                    assert deadline is None or deadline > self.now, "the timer would fire for ever"
            if self.hub.deadline is not None and self.hub.deadline <= self.now:
                self._hub(HubTimer())
