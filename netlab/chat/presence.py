"""Who is here: the people of all servers, each on one of them, and the servers themselves, as the log tells it.

A session begins, resumes, is cut and ends by entries of the log, so that a name is given once and a leave is told once
over all servers. Of a server that is dead the sessions are cut; they may resume on any other, and where nobody does
within the resume window, the first of the living servers says that they are gone.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from netlab.chat import messages as m
from netlab.chat.entries import Came, Claimed, Cut, Gone, Up
from netlab.chat.limits import ChatLimits
from netlab.chat.membership import NOT_NOW, Membership
from netlab.chat.names import canonical
from netlab.chat.operations import Refusal
from netlab.chat.outbox import Outbox
from netlab.chat.sessions import Connection, Session
from netlab.chat.standing import Standing
from netlab.chat.tokens import TOKEN_BYTES, base64url
from netlab.units import Ns, S

LOOK_AGAIN: Ns = 1 * S
"""How long after the end of a resume window it is looked again whether somebody has told the end, ns."""


class Presence:
    """The sessions of all servers, and how they come and go.

    Args:
        dismiss: closes a connection for a reason, and forgets it.
    """

    def __init__(
        self,
        outbox: Outbox,
        limits: ChatLimits,
        standing: Standing,
        membership: Membership,
        entropy: Callable[[int], bytes],
        dismiss: Callable[[int, str, str], None],
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.names: dict[str, Session] = {}
        self.cut_off: OrderedDict[str, Ns] = OrderedDict()
        """Sids of those who are cut, each with the end of its resume window."""
        self.arrived: list[Connection] = []
        """Connections that have a session now, and said something before they had."""
        self._outbox = outbox
        self._limits = limits
        self._standing = standing
        self._membership = membership
        self._entropy = entropy
        self._dismiss = dismiss
        self._arriving: dict[str, tuple[Connection, m.Hello, str]] = {}  # sid -> who waits for its entry, its secret

    # What happens on this server

    def come(self, connection: Connection, hello: m.Hello, now: Ns) -> None:
        """A hello for a new session, which begins when the log says so.

        Raises:
            Refusal: `bad_name`, `name_taken` or `broker_gone`.
        """
        name = canonical(hello.name)
        if name is None:
            raise Refusal("bad_name", "1 to 32 letters, digits, _ . or -")
        taken = self.names.get(name)
        if taken is not None and taken.ended is None:
            raise Refusal("name_taken", f"{name} is taken, choose another name")
        if self._standing.degraded:
            raise Refusal("broker_gone", NOT_NOW)
        sid, secret = base64url(self._entropy(TOKEN_BYTES)), base64url(self._entropy(TOKEN_BYTES))
        self._wait(sid, connection, hello, secret)
        self._standing.append(Came(sid, name, digest_of(secret), connection.reliable), now)

    def resumable(self, resume: m.Resume | None) -> Session | None:
        """The session that this secret resumes, on whichever server it is."""
        session = self.sessions.get(resume.sid) if resume is not None else None
        if session is None or resume is None or session.ended is not None:
            return None
        return session if hmac.compare_digest(session.digest, digest_of(resume.secret)) else None

    def claim(self, session: Session, connection: Connection, hello: m.Hello, now: Ns) -> None:
        """A hello resumes a session. On its own server it does at once; from another it comes when the log says so.

        Raises:
            Refusal: `broker_gone`.
        """
        assert hello.resume is not None
        if self._standing.is_mine(session.home):
            self.resume(session, connection, hello.resume.seen, now)
            if not self._standing.degraded:
                self._standing.append(Claimed(session.sid), now)
            return
        if self._standing.degraded:
            raise Refusal("broker_gone", NOT_NOW)
        self._wait(session.sid, connection, hello, hello.resume.secret)
        self._standing.append(Claimed(session.sid), now)

    def resume(self, session: Session, connection: Connection, seen: dict[str, int], now: Ns) -> None:
        """The session has this connection now."""
        if session.conn is not None:
            self._dismiss(session.conn, "resumed_elsewhere", "")
        connection.resumed = True
        self._attach(session, connection, now)
        self.cut_off.pop(session.sid, None)
        self._outbox.counters["resumed"] += 1
        self.welcome(session, connection.conn, resumed=True)
        if session.reliable:  # best effort: what was missed was missed
            self._membership.replay(session, connection.conn, seen)

    def cut(self, session: Session, now: Ns) -> None:
        """The session has lost its connection; it is still a member of its rooms until its resume window has passed."""
        session.conn = None
        self.cut_off[session.sid] = now + self._limits.resume_window
        self._outbox.counters["cuts"] += 1
        self._membership.connection_changed(session)
        if not self._standing.degraded:
            self._standing.append(Cut(session.sid), now)

    def end(self, session: Session, reason: Literal["quit", "lost"], now: Ns) -> None:
        """The session is over: for the others when the log says so, which may be later, if it can't be reached now."""
        session.conn, session.ended = None, reason
        self.cut_off.pop(session.sid, None)
        self._membership.connection_changed(session)
        if not self._standing.degraded:
            self._standing.append(Gone(session.sid, reason, self._membership.time(now)), now)

    def expire(self, now: Ns) -> None:
        """Say that those are gone whose resume window is over: the session's own server says so, and of a dead one the
        first of those that live."""
        due = []
        for sid, at in self.cut_off.items():
            if at > now:
                break
            due.append(sid)
        for sid in due:
            del self.cut_off[sid]
            session, server = self.sessions[sid], self._standing.server
            if self._standing.is_mine(session.home):
                self.end(session, "lost", now)
            elif session.home not in self._standing.servers:
                if not self._standing.degraded and server == min(self._standing.servers):
                    self._standing.append(Gone(sid, "lost", self._membership.time(now)), now)
                self.cut_off[sid] = now + LOOK_AGAIN
                self.cut_off.move_to_end(sid, last=False)

    def degrade(self) -> None:
        """The log can't be reached: who waits at the door is turned away."""
        arriving, self._arriving = self._arriving, {}
        for connection, _, _ in arriving.values():
            connection.expected = False
            self._dismiss(connection.conn, "broker_gone", NOT_NOW)

    def welcome(self, session: Session, conn: int, *, resumed: bool) -> None:
        """Tell a client its session."""
        rooms = list(session.rooms) if resumed else []
        self.say_welcome(conn, session.sid, session.name, session.secret, resumed=resumed, rooms=rooms)

    def say_welcome(
        self, conn: int, sid: str, name: str, secret: str, *, resumed: bool = False, rooms: Sequence[str] = ()
    ) -> None:
        """The same for one without a session."""
        limits = self._limits
        rate = m.Rate(limits.message_rate, limits.message_burst, limits.byte_rate) if limits.message_rate else None
        self._outbox.send(
            conn,
            m.Welcome(
                sid=sid,
                name=name,
                secret=secret,
                max_message=limits.message,
                resumed=resumed,
                rooms=list(rooms),
                degraded=self._standing.degraded,
                rate=rate,
            ),
        )

    # What the log says

    def came(self, came: Came, author: str, now: Ns) -> None:
        """A session begins, if nobody has its name."""
        connection, _, secret = self._arrived(came.sid, author)
        if came.name in self.names or came.sid in self.sessions:
            if connection is not None:
                self._dismiss(connection.conn, "name_taken", f"{came.name} is taken, choose another name")
            return
        session = Session(came.sid, came.name, came.digest, author, reliable=came.reliable)
        self.sessions[session.sid] = self.names[session.name] = session
        self._membership.open_own(session)
        if author != self._standing.server:
            return
        session.secret = secret
        self._outbox.counters["sessions_opened"] += 1
        if connection is None:  # it went while the log was asked
            self.end(session, "quit", now)
            return
        self._attach(session, connection, now)
        self.welcome(session, connection.conn, resumed=False)

    def claimed(self, claimed: Claimed, author: str, now: Ns) -> None:
        """A session goes on, perhaps on another server than before."""
        session = self.sessions.get(claimed.sid)
        if session is not None and session.home == author and author == self._standing.server:
            session.here = True  # it resumed here already; where it is gone again, that comes next
            return
        connection, hello, secret = self._arrived(claimed.sid, author)
        if session is None:
            if connection is not None and hello is not None:  # it has ended meanwhile
                try:
                    self.come(connection, hello, now)
                except Refusal as refusal:
                    self._dismiss(connection.conn, refusal.code, refusal.detail)
            return
        if session.conn is not None and session.home != author and author != self._standing.server:
            self._dismiss(session.conn, "resumed_elsewhere", "")
            session.conn = None
            self._membership.connection_changed(session)
        session.home, session.here, session.ended = author, True, None
        self.cut_off.pop(session.sid, None)
        if author == self._standing.server and session.conn is not None:
            return  # its server has claimed it again, and what it asked for since then comes next
        self._membership.forget(session)  # what is still on its way from where it was is void
        if author != self._standing.server:
            return
        session.secret = secret
        if connection is None or hello is None or hello.resume is None:
            self.cut(session, now)
        else:
            self.resume(session, connection, hello.resume.seen, now)

    def was_cut(self, session: Session) -> None:
        """A session has lost its connection, as the log says: where it is back already, that comes next."""
        session.here = False

    def gone(self, session: Session, reason: Literal["quit", "lost"], time: int) -> None:
        """A session is over, for everybody."""
        del self.sessions[session.sid], self.names[session.name]
        self.cut_off.pop(session.sid, None)
        if session.conn is not None:  # another server said so while this one was taken for dead
            self._dismiss(session.conn, "unknown_session", "it was taken for lost")
            session.conn = None
        session.ended = reason
        self._membership.end(session, reason, time)

    def up(self, up: Up, author: str) -> None:
        """A server takes part, perhaps under a new name."""
        servers = self._standing.servers
        servers[author] = 0
        if servers.pop(up.instead_of, None) is not None:
            for session in self.sessions.values():
                if session.home == up.instead_of:
                    session.home = author

    def down(self, server: str, now: Ns) -> None:
        """A server is dead: its sessions are cut."""
        self._standing.servers.pop(server, None)
        for session in self.sessions.values():
            if session.home == server:
                session.here = False
                if session.conn is None:
                    self.cut_off.pop(session.sid, None)
                    self.cut_off[session.sid] = now + self._limits.resume_window

    def reclaim(self, now: Ns) -> None:
        """This server takes part (again): say what the others could not be told, or took for the contrary."""
        server = self._standing.server
        for session in self.sessions.values():
            if self._standing.is_mine(session.home) and session.ended is not None:
                self._standing.append(Gone(session.sid, session.ended, self._membership.time(now)), now)
            elif session.conn is not None and not (session.home == server and session.here):
                self._standing.append(Claimed(session.sid), now)
            elif session.conn is None and session.home == server:
                if not session.secret:  # its client was turned away before the log said that it came
                    self.end(session, "quit", now)
                    continue
                self.cut_off.setdefault(session.sid, now + self._limits.resume_window)
                if session.here:
                    self._standing.append(Cut(session.sid), now)

    def give_up(self, session: Session, why: str) -> None:
        """What the log knows of a session is not what its client knows: it must come anew."""
        self._membership.forget(session)
        if session.conn is not None:
            self._dismiss(session.conn, "unknown_session", why)
            session.conn = None
        session.ended = "lost"

    # Within

    def _wait(self, sid: str, connection: Connection, hello: m.Hello, secret: str) -> None:
        connection.expected = True
        earlier = self._arriving.pop(sid, None)
        self._arriving[sid] = connection, hello, secret
        if earlier is not None:
            self._dismiss(earlier[0].conn, "resumed_elsewhere", "")

    def _arrived(self, sid: str, author: str) -> tuple[Connection | None, m.Hello | None, str]:
        """Who waits on this server for this entry; no connection where it is gone by now."""
        if author != self._standing.server or sid not in self._arriving:
            return None, None, ""
        connection, hello, secret = self._arriving.pop(sid)
        connection.expected = False
        return None if connection.gone else connection, hello, secret

    def _attach(self, session: Session, connection: Connection, now: Ns) -> None:
        session.conn, connection.session = connection.conn, session
        session.admit(self._limits, now)
        self._membership.connection_changed(session)
        if connection.held:
            self.arrived.append(connection)


def digest_of(secret: str) -> str:
    """What a secret is known by, beyond the server that gave it.

    >>> len(digest_of("secret"))
    43
    """
    return base64url(hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest())
