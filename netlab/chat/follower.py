"""A hub's way along the log: each entry is carried out when it is heard; the hub takes part, is cut off and comes back.

Every server carries out the same entries in the same order (`entries`): nothing here depends on what this one alone
knows, but for whom it tells.
"""

from __future__ import annotations

from collections.abc import Callable

from netlab.chat import messages as m
from netlab.chat import snapshot
from netlab.chat.entries import (
    Alive,
    Answered,
    Came,
    Claimed,
    Cut,
    Down,
    Entered,
    Entry,
    Exited,
    Gone,
    Said,
    Up,
)
from netlab.chat.limits import ChatLimits
from netlab.chat.membership import Membership
from netlab.chat.outbox import Outbox
from netlab.chat.presence import Presence
from netlab.chat.sessions import Session
from netlab.chat.standing import Standing
from netlab.chat.store import Heard, Loaded, Save
from netlab.chat.tokens import base64url
from netlab.units import MIB, Ns

NAME_BYTES = 6
"""Of a server, and of a log: they must differ; nobody gains by guessing one."""

SNAPSHOT_BYTES = 8 * MIB
"""Bytes of the log after which another snapshot is kept, however few batches they are."""


class Follower:
    """What becomes of a hub's sessions and rooms by the log.

    Args:
        keep: a snapshot is kept every so many batches of the log; None for none.
        go_on: carries out what a session asked for while its join or leave was on its way through the log.
        say_to_all: tells every client on this server.
    """

    def __init__(
        self,
        outbox: Outbox,
        limits: ChatLimits,
        standing: Standing,
        membership: Membership,
        presence: Presence,
        entropy: Callable[[int], bytes],
        *,
        keep: int | None,
        go_on: Callable[[Session, Ns], None],
        say_to_all: Callable[[m.HubMessage], None],
    ) -> None:
        self._outbox = outbox
        self._limits = limits
        self._standing = standing
        self._membership = membership
        self._presence = presence
        self._entropy = entropy
        self._keep = keep
        self._go_on = go_on
        self._say_to_all = say_to_all

    def heard(self, heard: Heard, now: Ns) -> None:
        """The log says this next."""
        standing = self._standing
        standing.position = heard.position
        part_before = standing.size // SNAPSHOT_BYTES
        if standing.clustered:
            standing.heard_of(heard.server, len(heard.entries), heard.size, now)
        for entry in heard.entries:
            standing.heard += 1
            if heard.server in standing.servers or isinstance(entry, Up):
                self._carry_out(entry, heard.server, now)
            else:
                self._outbox.counters["void_entries"] += 1
        if self._keep and heard.server == standing.server:
            due = standing.size // SNAPSHOT_BYTES > part_before or standing.position % self._keep == 0
            if due:
                self._outbox.add(Save(standing.position, self.snapshot()))

    def snapshot(self) -> bytes:
        """What is known here."""
        return snapshot.snapshot(self._standing, self._presence, self._membership)

    def load(self, loaded: Loaded, now: Ns) -> None:
        """Know what another has kept, and go on behind it."""
        window_ends = now + self._limits.resume_window
        if not snapshot.restore(loaded, self._standing, self._presence, self._membership, window_ends):
            self._outbox.counters["malformed_snapshots"] += 1

    def take_part(self, now: Ns) -> None:
        """Say so, under a name that nobody had."""
        before = self._standing.server
        self._standing.begin(new_name(self._entropy), now)
        self._standing.append(Up(before), now)

    def degrade(self, detail: str, now: Ns) -> None:
        """The log can't be reached."""
        if self._standing.degraded:
            self._standing.lose()
            return
        self._standing.lose()
        self._outbox.counters["degraded"] += 1
        self._say_to_all(m.Degraded(detail))
        self._presence.degrade()
        for session in self._membership.degrade(now):
            self._go_on(session, now)

    def _restore(self, now: Ns) -> None:
        """This server's word is heard (again)."""
        self._standing.degraded = False
        self._say_to_all(m.Restored())
        self._presence.reclaim(now)

    def _carry_out(self, entry: Entry, author: str, now: Ns) -> None:
        match entry:
            case Came():
                self._presence.came(entry, author, now)
            case Claimed():
                self._presence.claimed(entry, author, now)
            case Alive():
                if author == self._standing.server:
                    self._standing.beaten(now)
            case Down(server):
                self._presence.down(server, now)
                if server == self._standing.server:  # the others have not heard this one for too long
                    self.degrade("the other servers took this one for dead", now)
                    self.take_part(now)
            case Up():
                self._presence.up(entry, author)
                if author == self._standing.server:
                    self._restore(now)
            case _:
                session = self._presence.sessions.get(entry.sid)
                lost = isinstance(entry, Gone) and session is not None and session.home not in self._standing.servers
                if session is None or not (session.home == author or lost or isinstance(entry, Answered)):
                    self._outbox.counters["void_entries"] += 1
                else:
                    self._of_session(session, entry, now)

    def _of_session(self, session: Session, entry: Said | Entered | Exited | Answered | Gone | Cut, now: Ns) -> None:
        match entry:
            case Said():
                self._membership.said(session, entry, now)
            case Entered():
                self._membership.entered(session, entry)
                self._go_on(session, now)
            case Exited():
                self._membership.exited(session, entry)
                self._go_on(session, now)
            case Answered():
                self._membership.answered(entry, self._presence.sessions)
            case Gone(reason=reason, time=time):
                self._presence.gone(session, reason, time)
            case Cut():
                self._presence.was_cut(session)


def new_name(entropy: Callable[[int], bytes]) -> str:
    """Of a server, or of a log.

    >>> new_name(bytes)
    'AAAAAAAA'
    """
    return base64url(entropy(NAME_BYTES))
