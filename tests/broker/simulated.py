"""Several hubs and one simulated log, on one clock: what the property tests of a chat of several servers run.

The log is a list. What a server appends reaches it after a while, and each server hears it after a while of its own. A
server may be cut off from the log (what it has sent may still arrive, or not), killed, or the log's end may be lost.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Any

from netlab.chat import messages as m
from netlab.chat.client_events import TimerFired as ClientTimer
from netlab.chat.entries import Batch, decode_batch, encode_batch
from netlab.chat.hub import Hub
from netlab.chat.hub_events import Admit, Close, Closed, Dropped, Event, Opened, Received, Report, Send, TimerFired
from netlab.chat.limits import ChatLimits
from netlab.chat.snapshot import EMPTY
from netlab.chat.store import Append, Heard, Linked, Loaded, Lost, Relink, Save
from netlab.units import MS, Ns, S

START: Ns = 1_000 * S
WINDOW: Ns = 20 * S
PATIENCE: Ns = 60 * S


class Server:
    """One hub, and what its shell and its connection to the log would do."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        self.number = number
        self.hub = Hub(
            random.Random(f"{cluster.seed}/{number}").randbytes,
            limits=ChatLimits(message_rate=0, resume_window=WINDOW, history=cluster.history),
            keep=cluster.keep,
        )
        self.alive = True
        self.mute = False
        """What it appends does not arrive, though it hears."""
        self.away = False
        """It can't reach the log; others can."""
        self.linked = 0
        """Rises with every link; what an earlier one brings is not heard."""
        self.up = False
        self.ends: dict[int, Any] = {}
        self.scheduled = 0
        self.last_read: bytes | None = None
        self.appended_at = self.read_at = START
        self.cluster.at(0, self.link)

    @property
    def deadline(self) -> Ns | None:
        return self.hub.deadline if self.alive else None

    def step(self, event: Event) -> None:
        if not self.alive:
            return
        for output in self.hub.handle(event, self.cluster.now):
            match output:
                case Send(recipients, _, data, skip):
                    for conn in recipients:
                        if conn != skip:
                            self.ends[conn].received(conn, data)
                case Append():
                    self._append(output)
                case Save(position, snapshot):
                    self.cluster.save(position, snapshot)
                case Close(conn, reason):
                    self.cluster.closed(self, conn, reason)
                case Relink():
                    self.cut_off("silent")
                case Admit() | Report() | Dropped():
                    pass

    def _append(self, request: Append) -> None:
        if not self.up or self.mute:
            return
        data = encode_batch(Batch(request.server, [request.entry]))
        epoch, stuck = self.hub.epoch, self.cluster.stuck
        self.appended_at = max(self.appended_at, self.cluster.now + self.cluster.delay())
        self.cluster.at(
            self.appended_at - self.cluster.now,
            lambda: self.cluster.stopped.append((epoch, data)) if stuck() else self.cluster.add(epoch, data),
        )

    def cut_off(self, why: str) -> None:
        """The connection to the log is gone; another is made when the log can be reached."""
        self.linked += 1
        self.up = False
        self.step(Lost(why))
        self.cluster.at(300 * MS, self.link)

    def link(self) -> None:
        if not self.alive or self.up:
            return
        if self.cluster.stuck() or self.away:
            self.cluster.at(300 * MS, self.link)
            return
        cluster, hub = self.cluster, self.hub
        here = cluster.batches.get(hub.position)
        changed = self.last_read is not None and here is not None and here != self.last_read
        if cluster.epoch == hub.epoch and (hub.position > cluster.last or changed):
            cluster.begin(hub.position, hub.snapshot())
        if cluster.epoch != hub.epoch or hub.position + 1 < cluster.first:
            position, snapshot = cluster.snapshots[0]
            self.last_read = None
            self.step(Loaded(cluster.epoch, position, snapshot))
        self.up = True
        self.linked += 1
        self.read_at, self.scheduled = cluster.now, hub.position
        self.step(Linked())
        self.catch_up()

    def catch_up(self) -> None:
        """Hear what is in the log, each batch after a delay, in order."""
        if not self.up or not self.alive:
            return
        link, cluster = self.linked, self.cluster

        def hear(position: int) -> None:
            if link != self.linked or not self.alive or cluster.stuck() or position != self.hub.position + 1:
                return
            if cluster.epoch != self.hub.epoch or position < cluster.first:
                self.cut_off("another log")
                return
            data = cluster.batches[position]
            self.last_read = data
            batch = decode_batch(data)
            assert batch is not None
            self.step(Heard(position, batch.server, batch.entries, len(data)))

        for position in range(self.scheduled + 1, cluster.last + 1):
            self.read_at = max(self.read_at, cluster.now + cluster.delay())
            cluster.at(self.read_at - cluster.now, lambda p=position: hear(p))
        self.scheduled = max(self.scheduled, cluster.last)


class Cluster:
    """Servers, their log and a clock.

    Args:
        keep: a snapshot every so many batches.
        history: what the hubs keep of each room.
    """

    def __init__(self, servers: int, *, seed: int = 1, keep: int = 1_000, history: int = 256) -> None:
        self.seed, self.keep, self.history = seed, keep, history
        self.rng = random.Random(seed)
        self.now: Ns = START
        self.epoch = "first"
        self.batches: dict[int, bytes] = {}
        self.first, self.last = 1, 0
        self.snapshots: list[tuple[int, bytes]] = [(0, EMPTY)]
        self.stopped: list[tuple[str, bytes]] = []
        self.is_stopped = self.is_gone = False
        self.servers: list[Server] = []
        self.people: list[Any] = []
        self._heap: list[tuple[Ns, int, Any]] = []
        self._tie = itertools.count()
        self._conn = 0
        for _ in range(servers):
            self.start()
        self.run(1 * S)

    def start(self) -> Server:
        server = Server(self, len(self.servers))
        self.servers.append(server)
        return server

    def stuck(self) -> bool:
        return self.is_stopped or self.is_gone

    def delay(self) -> Ns:
        return round(self.rng.random() * 20 * MS)

    def at(self, delay: Ns, action: Any) -> None:
        heapq.heappush(self._heap, (self.now + delay, next(self._tie), action))

    # The log

    def add(self, epoch: str, data: bytes) -> None:
        if self.is_gone:
            return  # it was on its way
        if epoch == self.epoch:
            self.last += 1
            self.batches[self.last] = data
            for server in self.servers:
                server.catch_up()

    def save(self, position: int, snapshot: bytes) -> None:
        if position > self.snapshots[-1][0] and not self.stuck():
            self.snapshots = [*self.snapshots, (position, snapshot)][-3:]
            self.first = self.snapshots[0][0] + 1

    def begin(self, position: int, snapshot: bytes) -> None:
        """Somebody finds that the log has lost its end."""
        self.epoch += "'"
        self.batches.clear()
        self.first, self.last = position + 1, position
        self.snapshots = [(position, snapshot)]
        for server in self.servers:
            if server.up:
                server.cut_off("another log")

    # What may happen to it

    def stop(self) -> None:
        """It answers nobody; what comes meanwhile waits in it."""
        self.is_stopped = True

    def go_on(self) -> None:
        self.is_stopped = False
        stopped, self.stopped = self.stopped, []
        for epoch, data in stopped:
            self.add(epoch, data)

    def kill(self) -> None:
        """It is gone, and with it what was on its way to it."""
        self.is_gone = True
        self.stopped.clear()
        for server in self.servers:
            if server.alive and server.up:
                server.cut_off("gone")

    def restart(self, *, loses: int = 0) -> None:
        """It is there again; without its last batches, if it does not keep its promises."""
        self.is_gone = False
        for _ in range(min(loses, self.last - self.first + 1)):
            del self.batches[self.last]
            self.last -= 1

    def forget(self) -> None:
        """It loses all that it keeps."""
        self.kill()
        self.restart(loses=self.last)

    def leave_out(self, server: Server) -> None:
        """That server can't reach it, until it is let in again."""
        server.away = True
        server.cut_off("out of reach")

    def let_in(self, server: Server) -> None:
        server.away = False

    # Connections

    def connect(self, server: Server, end: Any) -> int:
        """`end.received(conn, data)` and `end.closed(conn, reason)` are called."""
        self._conn += 1
        server.ends[self._conn] = end
        server.step(Opened(self._conn, True, True))
        return self._conn

    def closed(self, server: Server, conn: int, reason: m.Goodbye) -> None:
        if (end := server.ends.pop(conn, None)) is not None:
            end.closed(conn, reason)

    def say(self, server: Server, conn: int, data: bytes) -> None:
        if conn in server.ends:
            server.step(Received(conn, data))

    def cut(self, server: Server, conn: int, *, said: bool = False) -> None:
        if server.ends.pop(conn, None) is not None:
            server.step(Closed(conn, said))

    def crash(self, server: Server) -> None:
        """kill -9: its connections are cut, and what it has not sent to the log is lost."""
        server.alive = server.up = False
        for conn in list(server.ends):
            self.closed(server, conn, m.Goodbye("crashed"))

    # The clock

    def until(self, condition: Callable[[], Any]) -> None:
        """Let time pass until it holds."""
        patience = self.now + PATIENCE
        while not condition():
            assert self.now < patience, "it does not come to that"
            self.run(10 * MS)

    def run(self, duration: Ns) -> None:
        """Let so much time pass: what arrives, and the timers of servers and people."""
        until = self.now + duration
        while True:
            timed = [*(server for server in self.servers if server.alive), *self.people]
            times = [at for one in timed if (at := one.deadline) is not None]
            if self._heap:
                times.append(self._heap[0][0])
            at = min(times, default=until + 1)
            if at > until:
                self.now = until
                return
            self.now = max(self.now, at)
            if self._heap and self._heap[0][0] <= self.now:
                heapq.heappop(self._heap)[2]()
            for one in timed:
                if one.deadline is not None and one.deadline <= self.now:
                    one.step(TimerFired() if isinstance(one, Server) else ClientTimer())
                    assert one.deadline is None or one.deadline > self.now, "the timer would fire for ever"
