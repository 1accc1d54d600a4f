"""How a hub stands with the log: what it has appended and not heard yet, and who else takes part.

A server says every `BEAT` that it is alive. One that was not heard for `LEASE_BEATS` beats of one's own is taken for
dead. That compares what stands in the log and no clocks: who was asleep itself hears its own beats late too.
"""

from __future__ import annotations

from collections import deque

from netlab.chat.entries import Alive, Down, Entry
from netlab.chat.outbox import Outbox
from netlab.chat.store import Append, Relink
from netlab.units import MS, Ns, S

BEAT: Ns = 1 * S
"""How often a server says that it is alive, ns."""

LEASE_BEATS = 5
"""Beats after which a server that says nothing is taken for dead."""

PATIENCE: Ns = 200 * MS
PATIENCE_MOST: Ns = 1 * S
"""How long what was appended may take to be heard before the broker is taken for gone, ns: `LAGS` times what it took
lately, within these bounds. A busy broker is slow, and not gone."""

LAGS = 8

LATE: Ns = 50 * MS
"""A timer later than this tells of this process and not of the broker, ns."""


class Standing:
    """The hub and its log.

    Args:
        clustered: the log is a broker's, and may be slow, gone, and shared.

    Attributes:
        server: what this server is called in the log.
        epoch: of the log.
        position: of the latest batch heard.
        heard: entries heard in all, since the log began.
        size: bytes heard in all.
        servers: those that take part, each with this server's beats heard since it was.
        degraded: the log can't be reached.
        lag: how long the entries of this server took lately to be heard, smoothed, ns.
    """

    def __init__(self, outbox: Outbox, epoch: str, *, clustered: bool) -> None:
        self.server = ""
        self.epoch = epoch
        self.position = self.heard = self.size = 0
        self.servers: dict[str, int] = {} if clustered else {"": 0}
        self.clustered = clustered
        self.degraded = clustered
        self.lag: Ns = PATIENCE_MOST // LAGS if clustered else 0
        self._outbox = outbox
        self._names = {""}
        self._unheard: deque[Ns] = deque()
        self._patience_at: Ns | None = None
        self._beat_at: Ns | None = None

    @property
    def deadline(self) -> Ns | None:
        """When to beat, or to lose patience, absolute ns."""
        if self._patience_at is None or self._beat_at is None:
            return self._beat_at if self._patience_at is None else self._patience_at
        return min(self._patience_at, self._beat_at)

    @property
    def patience(self) -> Ns:
        """How long an entry may take to be heard."""
        return min(max(PATIENCE, LAGS * self.lag), PATIENCE_MOST)

    def append(self, entry: Entry, now: Ns) -> None:
        """Add to the log."""
        if self.clustered:
            self._unheard.append(now)
            if self._patience_at is None:
                self._patience_at = now + self.patience
        self._outbox.add(Append(self.server, entry))

    def heard_of(self, server: str, entries: int, size: int, now: Ns) -> None:
        """A batch of somebody's is heard."""
        self.size += size
        if server in self.servers:
            self.servers[server] = 0
        if server == self.server:
            lag = now - self._unheard[0] if self._unheard else self.lag
            self.lag += (lag - self.lag) // LAGS
            for _ in range(min(entries, len(self._unheard))):
                self._unheard.popleft()
            self._patience_at = self._unheard[0] + self.patience if self._unheard else None

    def beaten(self, now: Ns) -> None:
        """A beat of this server is heard: who has been silent for too many of them is taken for dead."""
        for server in self.servers:
            if server != self.server:
                self.servers[server] += 1
                if self.servers[server] >= LEASE_BEATS and self.servers[server] % LEASE_BEATS == 0:
                    self.append(Down(server), now)

    def is_mine(self, server: str) -> bool:
        """Whether this is what this server is called, or was."""
        return server in self._names

    def begin(self, server: str, now: Ns) -> None:
        """Take part under this name; what was appended under the one before is not waited for any more."""
        self.server = server
        self._names.add(server)
        self._unheard.clear()
        self._patience_at = None
        self._beat_at = now + BEAT

    def lose(self) -> None:
        """The log can't be reached."""
        self.degraded = True
        self._unheard.clear()
        self._patience_at = self._beat_at = None

    def time_passed(self, now: Ns) -> bool:
        """Beat where it is time; true where the patience with the broker is over."""
        if self._patience_at is not None and now >= self._patience_at:
            if now - self._patience_at < LATE or now - self._unheard[0] > 3 * self.patience:
                self._outbox.add(Relink())
                return True
            self._patience_at = (
                now + self.patience // 2
            )  # this process itself was late: what came meanwhile is still unread
        if self._beat_at is not None and now >= self._beat_at:
            self._beat_at = now + BEAT
            self.append(Alive(), now)
        return False
