"""Sessions and connections. A session is a person's stay on the hub; a connection is how it is reached just now."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Literal

from netlab.chat.bucket import Bucket
from netlab.chat.limits import ENVELOPE, WINDOW, ChatLimits
from netlab.chat.messages import Operation, Result
from netlab.units import Ns


class Session:
    """One stay. It outlives its connection for the resume window, and is known by its unguessable `sid`.

    Attributes:
        digest: of its secret, which is told to its client alone and resumes the session.
        home: the server that it is on. Every server knows every session, and speaks to its own.
        conn: its connection here, or None while it is cut off or on another server.
        here: whether it has a connection, on whichever server.
        reliable: its transport neither loses nor doubles. Where it does, what is said is best effort.
        rooms: the rooms it is in, each with the number at which it came.
        last_op: the highest operation number taken, where the transport keeps order.
        results: what was answered to the latest operations, for those that are asked again: as sent, or (of a session
            on another server, for when it resumes here) not encoded yet.
        pending: operations that were taken and are not answered yet.
        moving: a join or leave of its is on its way through the log.
        held: what came meanwhile, in order.
        ended: how the session ended, once it has.
    """

    __slots__ = (
        "answers",
        "asking",
        "bytes",
        "conn",
        "digest",
        "ended",
        "held",
        "here",
        "home",
        "last_op",
        "messages",
        "moving",
        "name",
        "pending",
        "reliable",
        "results",
        "rooms",
        "secret",
        "sid",
    )

    def __init__(self, sid: str, name: str, digest: str, home: str, *, reliable: bool) -> None:
        self.sid = sid
        self.name = name
        self.digest = digest
        self.home = home
        self.conn: int | None = None
        self.here = True
        self.reliable = reliable
        self.secret = ""
        self.rooms: dict[str, int] = {}
        self.last_op = 0
        self.results: OrderedDict[int, bytes | Result] = OrderedDict()
        self.pending: set[int] = set()
        self.moving = False
        self.held: deque[Operation] = deque()
        self.ended: Literal["quit", "lost"] | None = None
        self.asking = 0
        self.messages: Bucket | None = None
        self.answers: Bucket | None = None
        self.bytes: Bucket | None = None

    def admit(self, limits: ChatLimits, now: Ns) -> None:
        """It speaks to this server from now on, which holds it to its rate."""
        if limits.message_rate and self.messages is None:
            self.messages = Bucket(limits.message_rate, limits.message_burst, now)
            self.answers = Bucket(limits.message_rate, limits.message_burst, now)
            largest = max(limits.byte_rate, limits.message) + ENVELOPE  # one message always fits
            self.bytes = Bucket(limits.byte_rate, largest, now)

    def remember(self, op: int, result: bytes | Result) -> None:
        """Keep the answer to an operation, and forget the one `2 * WINDOW` before it."""
        self.results[op] = result
        if len(self.results) > 2 * WINDOW:
            self.results.popitem(last=False)


class Connection:
    """One connection of a transport, numbered by the shell."""

    __slots__ = ("anonymous", "conn", "expected", "gone", "held", "reliable", "resumed", "session")

    def __init__(self, conn: int, *, reliable: bool) -> None:
        self.conn = conn
        self.reliable = reliable
        self.session: Session | None = None
        self.anonymous = False
        self.resumed = False
        self.expected = False
        """It has said hello, and waits for what the log says of it."""
        self.held: list[bytes] = []
        """What came meanwhile."""
        self.gone = False


class Doorway:
    """Which connections may speak: at most so many that have not said hello, the others wait outside.

    A storm of honest clients passes through, because each leaves as soon as it has said hello; a crowd of silent ones
    loses its oldest to those who wait.
    """

    def __init__(self, limits: ChatLimits) -> None:
        self._limits = limits
        self._silent: OrderedDict[int, Ns] = OrderedDict()  # conn -> when it was let in
        self._waiting: OrderedDict[int, None] = OrderedDict()

    @property
    def deadline(self) -> Ns | None:
        """When the oldest silent connection has had its time, absolute ns."""
        if not self._silent:
            return None
        patience = self._limits.half_open_grace if self._waiting else self._limits.hello_within
        return next(iter(self._silent.values())) + patience

    def arrive(self, conn: int) -> None:
        """A connection is there; `turn` says when it may speak."""
        self._waiting[conn] = None

    def depart(self, conn: int) -> None:
        """It said hello, or is gone."""
        self._silent.pop(conn, None)
        self._waiting.pop(conn, None)

    def turn(self, now: Ns) -> tuple[list[int], list[int]]:
        """Who may speak from now on, and which silent ones are to be closed."""
        admitted: list[int] = []
        evicted: list[int] = []
        while True:
            while self._waiting and len(self._silent) < self._limits.half_open:
                conn, _ = self._waiting.popitem(last=False)
                self._silent[conn] = now
                admitted.append(conn)
            if (at := self.deadline) is None or at > now:
                return admitted, evicted
            evicted.append(self._silent.popitem(last=False)[0])
