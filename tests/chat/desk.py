"""A hub with its store, its clock and its people in one place: what the tests of the hub talk to.

`Desk` carries out what the hub puts out, as a shell would, and keeps what each connection was told. It complains when
the hub speaks to a connection that is not there any more: a shell would drop that silently.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from netlab.chat import messages as m
from netlab.chat.hub import Hub
from netlab.chat.hub_events import (
    Admit,
    Close,
    Closed,
    Dropped,
    Event,
    Opened,
    Output,
    Received,
    Report,
    Send,
    TimerFired,
)
from netlab.chat.limits import ChatLimits
from netlab.chat.store import Append, MemoryLog
from netlab.units import Ns, S

START: Ns = 1_000 * S


def seeded_entropy(seed: int) -> Callable[[int], bytes]:
    """`entropy(n)` that repeats."""
    return random.Random(seed).randbytes


class Person:
    """One client as the hub sees it: a connection and the numbers of its operations. Knows nothing it was not told."""

    def __init__(self, desk: Desk, name: str, *, reliable: bool = True) -> None:
        self.desk = desk
        self.name = name
        self.reliable = reliable
        self.sid = self.secret = ""
        self.op = 0
        self.conn = -1

    def hello(self, *, resume: m.Resume | None = None, token: str = "") -> Person:
        self.conn = self.desk.open(reliable=self.reliable)
        self.desk.say(self.conn, m.Hello(name=self.name, resume=resume, token=token))
        self.welcomed()
        return self

    def welcomed(self) -> None:
        for message in self.desk.told[self.conn]:
            if isinstance(message, m.Welcome):
                self.sid, self.secret = message.sid, message.secret

    def resume(self, seen: dict[str, int] | None = None) -> list[Any]:
        """Come back on a new connection; what it is told at once."""
        self.hello(resume=m.Resume(self.sid, self.secret, seen or {}))
        return self.heard()

    def say(self, message: m.ClientMessage | bytes) -> None:
        self.desk.say(self.conn, message)

    def do(self, kind: type[Any], *args: Any, **kwargs: Any) -> Any:
        """An operation with the next number; its result, or None where none came (yet)."""
        self.op += 1
        before = len(self.desk.told[self.conn])
        self.say(kind(self.op, *args, **kwargs))
        for message in self.desk.told[self.conn][before:]:
            if isinstance(message, m.Result) and message.op == self.op:
                return message
        return None

    def join(self, *rooms: str) -> Person:
        for room in rooms:
            result = self.do(m.Join, room)
            assert result is not None
            assert result.status == "ok", result
        return self

    def emit(self, text: Any, *to: str, **kwargs: Any) -> Any:
        return self.do(m.Emit, "say", list(to), [text], **kwargs)

    def heard(self) -> list[Any]:
        """What it was told since the last time it was asked."""
        return self.desk.heard(self.conn)

    def texts(self) -> list[Any]:
        return [message.args[0] for message in self.heard() if isinstance(message, m.Message)]

    def cut(self) -> Person:
        self.desk.do(Closed(self.conn, said=False))
        return self

    def quit(self) -> None:
        self.desk.do(Closed(self.conn, said=True))


class Desk:
    """A hub, its store and a clock that stands still until `wait`.

    Args:
        delayed: what is to be stored waits until `store_next` or `store_all`, as with a broker.
    """

    def __init__(
        self, limits: ChatLimits | None = None, *, token: str = "", delayed: bool = False, seed: int = 1
    ) -> None:
        self.hub = Hub(seeded_entropy(seed), limits=limits, token=token)
        self.log = MemoryLog()
        self.delayed = delayed
        self.now: Ns = START
        self.told: dict[int, list[Any]] = defaultdict(list)
        self.message_ids: dict[int, list[int]] = defaultdict(list)
        self.closed: dict[int, m.Goodbye] = {}
        self.admitted: list[int] = []
        self.pending: deque[Append] = deque()
        self.reports: list[Report] = []
        self.dropped: list[Dropped] = []
        self._here: set[int] = set()
        self._read: dict[int, int] = defaultdict(int)
        self._conn = 0

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.hub.counters)

    def do(self, event: Event) -> list[Output]:
        if isinstance(event, Opened):
            self._here.add(event.conn)
        if isinstance(event, Closed):
            self._here.discard(event.conn)
        outputs = self.hub.handle(event, self.now)
        for output in outputs:
            self._carry_out(output)
        return outputs

    def _carry_out(self, output: Output) -> None:
        match output:
            case Send(recipients, message_id, data, skip):
                assert len(set(recipients)) == len(recipients), "one copy to each"
                message = m.decode_hub_message(data)
                for conn in recipients:
                    if conn != skip:
                        assert conn in self._here, f"{message} for connection {conn}, which is gone"
                        self.told[conn].append(message)
                        self.message_ids[conn].append(message_id)
            case Append():
                self.pending.append(output)
                if not self.delayed:
                    self.store_all()
            case Close(conn, reason):
                assert conn in self._here, f"connection {conn} closed twice"
                self._here.discard(conn)
                self.closed[conn] = reason
            case Admit(conn):
                assert conn in self._here
                self.admitted.append(conn)
            case Report():
                self.reports.append(output)
            case Dropped():
                self.dropped.append(output)

    def store_next(self) -> None:
        """The log says what was appended first of what waits."""
        self.do(self.log.append(self.pending.popleft()))

    def store_all(self) -> None:
        while self.pending:
            self.store_next()

    def open(self, *, reliable: bool = True, validated: bool = False) -> int:
        self._conn += 1
        self.do(Opened(self._conn, reliable, validated))
        return self._conn

    def say(self, conn: int, message: m.ClientMessage | bytes) -> None:
        data = message if isinstance(message, bytes) else m.encode_json(message)
        self.do(Received(conn, data))

    def person(self, name: str, *rooms: str, reliable: bool = True) -> Person:
        person = Person(self, name, reliable=reliable).hello()
        assert person.conn not in self.closed, self.closed[person.conn]
        return person.join(*rooms)

    def heard(self, conn: int) -> list[Any]:
        at = self._read[conn]
        self._read[conn] = len(self.told[conn])
        return self.told[conn][at:]

    def hush(self) -> None:
        """Forget what was told until now."""
        for conn, told in self.told.items():
            self._read[conn] = len(told)

    def wait(self, duration: Ns) -> None:
        """Time passes; the timer fires whenever the hub asked for it."""
        until = self.now + duration
        while (at := self.hub.deadline) is not None and at <= until:
            assert at >= self.now or self.now > START, "a deadline in the past"
            self.now = max(self.now, at)
            self.do(TimerFired())
            assert self.hub.deadline is None or self.hub.deadline > self.now, "the timer would fire for ever"
        self.now = until

    def stats(self) -> dict[str, Any]:
        """What `netlab stats` shows of the hub."""
        result = m.decode_hub_message(self.hub.report(1, {}))
        assert isinstance(result, m.Result)
        data: dict[str, Any] = result.data
        return data

    def assert_empty(self) -> None:
        """Everybody has left: nothing is kept."""
        stats = self.stats()
        kept = {key: stats[key] for key in ("sessions", "connections", "cut_off", "rooms", "history_bytes")}
        assert not any(kept.values()), kept
        hub = self.hub
        for leak in (
            hub._connections,
            hub._sessions,
            hub._presence.names,
            hub._presence.cut_off,
            hub._presence._arriving,
            hub._membership.rooms,
            hub._membership._unheard,
            hub._membership._expected,
        ):
            assert not leak, leak
        assert not hub._backlogged
        assert not hub._membership._history._entries
