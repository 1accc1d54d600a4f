"""Sessions and connections. A session is a person's stay on the hub; a connection is how it is reached just now."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Literal

from netlab.chat.bucket import Bucket
from netlab.chat.limits import WINDOW, ChatLimits
from netlab.chat.messages import Operation
from netlab.units import Ns


class Session:
    """One stay. It outlives its connection for the resume window, and is known by its unguessable `sid`.

    Attributes:
        secret: what resumes the session; told to its client alone.
        conn: its connection, or None while it is cut off.
        reliable: its transport neither loses nor doubles. Where it does, what is said is best effort.
        rooms: the rooms it is in, each with the number at which it came.
        last_op: the highest operation number taken, where the transport keeps order.
        results: what was answered to the latest operations, as sent, for those that are asked again.
        pending: operations that were taken and are not answered yet.
        joining: one of its joins is being stored.
        held: what came meanwhile, in order.
        ended: how the session ended, once it has.
    """

    __slots__ = (
        "answers",
        "asking",
        "bytes",
        "conn",
        "ended",
        "held",
        "joining",
        "last_op",
        "messages",
        "name",
        "pending",
        "reliable",
        "results",
        "rooms",
        "secret",
        "sid",
    )

    def __init__(self, sid: str, secret: str, name: str, conn: int, *, reliable: bool) -> None:
        self.sid = sid
        self.secret = secret
        self.name = name
        self.conn: int | None = conn
        self.reliable = reliable
        self.rooms: dict[str, int] = {}
        self.last_op = 0
        self.results: OrderedDict[int, bytes] = OrderedDict()
        self.pending: set[int] = set()
        self.joining = False
        self.held: deque[Operation] = deque()
        self.ended: Literal["quit", "lost"] | None = None
        self.asking = 0
        self.messages: Bucket | None = None
        self.answers: Bucket | None = None
        self.bytes: Bucket | None = None

    def remember(self, op: int, result: bytes) -> None:
        """Keep the answer to an operation, and forget the one `2 * WINDOW` before it."""
        self.results[op] = result
        if len(self.results) > 2 * WINDOW:
            self.results.popitem(last=False)


class Connection:
    """One connection of a transport, numbered by the shell."""

    __slots__ = ("anonymous", "conn", "reliable", "resumed", "session")

    def __init__(self, conn: int, *, reliable: bool) -> None:
        self.conn = conn
        self.reliable = reliable
        self.session: Session | None = None
        self.anonymous = False
        self.resumed = False


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
