"""The hub: sessions, rooms and one total order in each room. Pure: it never waits, reads no clock and opens nothing.

Read `messages` first: what is said; then this file, and `membership` for what happens in rooms. A shell
(`transports.hub_shell`) numbers connections, hands in what they receive, and carries out what comes back:

    Opened Received Closed Backlogged Relieved Stored TimerFired  ->  Send Admit Close Store Forget Report Dropped

An operation that concerns a room is first stored: `Store` goes out, `Stored` comes back with its number, and only
then is it carried out, so that a room has one order wherever it is kept.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from netlab.chat import messages as m
from netlab.chat.bucket import Bucket
from netlab.chat.hub_events import (
    Admit,
    Backlogged,
    Closed,
    Event,
    Opened,
    Output,
    Received,
    Relieved,
    Report,
    Send,
    TimerFired,
)
from netlab.chat.limits import ENVELOPE, ChatLimits
from netlab.chat.membership import Membership
from netlab.chat.names import canonical
from netlab.chat.operations import Refusal, find, page_of_members, page_of_rooms, room_of
from netlab.chat.outbox import Outbox
from netlab.chat.sessions import Connection, Doorway, Session
from netlab.chat.store import Stored
from netlab.chat.tokens import TOKEN_BYTES, base64url
from netlab.units import Ns


class Hub:
    """Everything the server of a chat knows and decides.

    Args:
        entropy: `entropy(n)` gives n bytes that can't be guessed: sids, secrets, the first message id.
        limits: what is allowed.
        token: what a client must present, or empty.
        wall_offset: wall clock less `now`, ns: what to add to `now` for the time of day.
    """

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        *,
        limits: ChatLimits | None = None,
        token: str = "",
        wall_offset: Ns = 0,
    ) -> None:
        self.limits = limits or ChatLimits()
        self._outbox = Outbox(entropy)
        self.counters = self._outbox.counters
        self.next_message_id = self._outbox.next_message_id
        self._entropy = entropy
        self._token = token.encode()
        self._connections: dict[int, Connection] = {}
        self._doorway = Doorway(self.limits)
        self._sessions: dict[str, Session] = {}
        self._names: dict[str, Session] = {}
        self._membership = Membership(self._outbox, self.limits, wall_offset)
        self._cut_off: OrderedDict[str, Ns] = OrderedDict()  # sid -> when its resume window ends
        self._backlogged: OrderedDict[int, Ns] = OrderedDict()  # conn -> when it is cut

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns. Plain data: asking changes nothing."""
        candidates = (
            self._doorway.deadline,
            self._membership.deadline,
            next(iter(self._cut_off.values()), None),
            next(iter(self._backlogged.values()), None),
        )
        return min((at for at in candidates if at is not None), default=None)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        match event:
            case Received(conn, data):
                self._received(conn, data, now)
            case Stored():
                self._go_on(self._membership.stored(event, now), now)
            case Opened():
                self._opened(event, now)
            case Closed(conn, said):
                self._closed(conn, said=said, now=now)
            case Backlogged(conn) if conn in self._connections:
                self._backlogged.setdefault(conn, now + self.limits.backlog_soft_for)
            case Relieved(conn):
                self._backlogged.pop(conn, None)
            case TimerFired():
                self._time_passed(now)
        return self._outbox.take()

    def report(self, op: int, counters: dict[str, Any]) -> bytes:
        """The answer to `Stats`, with the transports' `counters` beside the hub's own."""
        data = {
            "sessions": len(self._sessions),
            "connections": len(self._connections),
            "cut_off": len(self._cut_off),
            "rooms": self._membership.public,
            "history_bytes": self._membership.history_bytes,
            "hub": dict(sorted(self.counters.items())),
            "transports": counters,
        }
        return m.encode_json(m.Result(op, "ok", data=data))

    # Connections and sessions

    def _opened(self, event: Opened, now: Ns) -> None:
        if len(self._connections) >= self.limits.connections:
            self._outbox.refuse(event.conn, "server_full")
            return
        self._connections[event.conn] = Connection(event.conn, reliable=event.reliable)
        if event.validated:
            self._outbox.add(Admit(event.conn))
        else:
            self._doorway.arrive(event.conn)
            self._turn_doorway(now)

    def _turn_doorway(self, now: Ns) -> None:
        admitted, evicted = self._doorway.turn(now)
        for conn in evicted:
            self._drop_connection(conn)
            self._outbox.refuse(conn, "hello_timeout")
        for conn in admitted:
            if conn in self._connections:
                self._outbox.add(Admit(conn))

    def _drop_connection(self, conn: int) -> Connection | None:
        connection = self._connections.pop(conn, None)
        self._doorway.depart(conn)
        self._backlogged.pop(conn, None)
        return connection

    def _closed(self, conn: int, *, said: bool, now: Ns) -> None:
        connection = self._drop_connection(conn)
        if connection is None:
            return
        self._turn_doorway(now)
        session = connection.session
        if session is None:
            return
        if said or not session.reliable:
            self._end(session, "quit" if said else "lost", now)
        else:
            self._cut(session, now)

    def _cut(self, session: Session, now: Ns) -> None:
        """The session has lost its connection; it is still a member of its rooms until its resume window has passed."""
        session.conn = None
        self._cut_off[session.sid] = now + self.limits.resume_window
        self._outbox.counters["cuts"] += 1
        self._membership.connection_changed(session)

    def _end(self, session: Session, reason: Literal["quit", "lost"], now: Ns) -> None:
        del self._sessions[session.sid], self._names[session.name]
        self._cut_off.pop(session.sid, None)
        self._membership.end(session, reason, now)

    def _hello(self, connection: Connection, hello: m.Hello, now: Ns) -> None:
        if connection.session is not None:  # over udp a hello is repeated until its welcome arrives
            self._welcome(connection.session, connection.conn, resumed=connection.resumed)
            return
        try:
            session = self._admit_session(connection, hello, now)
        except Refusal as refusal:
            self._drop_connection(connection.conn)
            self._outbox.refuse(connection.conn, refusal.code, refusal.detail)
            self._turn_doorway(now)
            return
        self._doorway.depart(connection.conn)
        self._turn_doorway(now)
        connection.session = session
        connection.anonymous = session is None

    def _admit_session(self, connection: Connection, hello: m.Hello, now: Ns) -> Session | None:
        """The session that is now this connection's; None for an anonymous one.

        Raises:
            Refusal: `bad_token`, `bad_name` or `name_taken`.
        """
        if self._token and not hmac.compare_digest(hello.token.encode("utf-8", "replace"), self._token):
            raise Refusal("bad_token", "present the server's token with --token")
        resumable = self._resumable(hello.resume)
        if resumable is not None and hello.resume is not None:
            connection.resumed = True
            self._resume(resumable, connection.conn, hello.resume.seen)
            return resumable
        if not hello.name:
            self._outbox.add(
                Send((connection.conn,), self._outbox.next_message_id(), self._welcome_data("", "", "", False))
            )
            return None
        name = canonical(hello.name)
        if name is None:
            raise Refusal("bad_name", "1 to 32 letters, digits, _ . or -")
        if name in self._names:
            raise Refusal("name_taken", f"{name} is taken, choose another name")
        return self._new_session(connection, name, now)

    def _resumable(self, resume: m.Resume | None) -> Session | None:
        session = self._sessions.get(resume.sid) if resume is not None else None
        if session is None or resume is None:
            return None
        same = hmac.compare_digest(session.secret.encode(), resume.secret.encode("utf-8", "replace"))
        return session if same else None

    def _new_session(self, connection: Connection, name: str, now: Ns) -> Session:
        sid, secret = base64url(self._entropy(TOKEN_BYTES)), base64url(self._entropy(TOKEN_BYTES))
        session = Session(sid, secret, name, connection.conn, reliable=connection.reliable)
        if self.limits.message_rate:
            session.messages = Bucket(self.limits.message_rate, self.limits.message_burst, now)
            session.answers = Bucket(self.limits.message_rate, self.limits.message_burst, now)
            largest = max(self.limits.byte_rate, self.limits.message) + ENVELOPE  # one message always fits
            session.bytes = Bucket(self.limits.byte_rate, largest, now)
        self._sessions[session.sid] = self._names[name] = session
        self._membership.open_own(session)
        self._outbox.counters["sessions_opened"] += 1
        self._welcome(session, connection.conn, resumed=False)
        return session

    def _resume(self, session: Session, conn: int, seen: dict[str, int]) -> None:
        if session.conn is not None:
            self._drop_connection(session.conn)
            self._outbox.refuse(session.conn, "resumed_elsewhere")
        session.conn = conn
        self._cut_off.pop(session.sid, None)
        self._membership.connection_changed(session)
        self._outbox.counters["resumed"] += 1
        self._welcome(session, conn, resumed=True)
        if session.reliable:  # best effort: what was missed was missed
            self._membership.replay(session, conn, seen)

    def _welcome(self, session: Session, conn: int, *, resumed: bool) -> None:
        data = self._welcome_data(session.sid, session.name, session.secret, resumed)
        self._outbox.add(Send((conn,), self._outbox.next_message_id(), data))

    def _welcome_data(self, sid: str, name: str, secret: str, resumed: bool) -> bytes:
        limits = self.limits
        rate = m.Rate(limits.message_rate, limits.message_burst, limits.byte_rate) if limits.message_rate else None
        return m.encode_json(
            m.Welcome(sid=sid, name=name, secret=secret, max_message=limits.message, resumed=resumed, rate=rate)
        )

    # What clients ask for

    def _received(self, conn: int, data: bytes, now: Ns) -> None:
        connection = self._connections.get(conn)
        if connection is None:
            return  # closed by us, and bytes were still on their way
        self._outbox.counters["messages_in"] += 1
        try:
            message = m.decode_client_message(data)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            self._malformed(connection, str(error), now)
            return
        if isinstance(message, m.Hello):
            self._hello(connection, message, now)
        elif connection.session is not None:
            self._from_session(connection.session, message, len(data), now)
        elif connection.anonymous and isinstance(message, m.Stats):
            self._outbox.add(Report(conn, message.op))
        elif connection.anonymous and not isinstance(message, m.Answer):
            self._outbox.send(conn, m.Result(message.op, "failed", code="anonymous", detail="say hello with a name"))
        else:
            self._drop_connection(conn)
            self._outbox.refuse(conn, "hello_first")
            self._turn_doorway(now)

    def _malformed(self, connection: Connection, detail: str, now: Ns) -> None:
        """Counted, and told to the sender, unless it sends too many of them."""
        self._outbox.drop(connection.conn, "malformed")
        session = connection.session
        if session is None or session.messages is None or not session.messages.take(1, now):
            self._outbox.send(connection.conn, m.Goodbye("malformed", detail[:200]))

    def _from_session(self, session: Session, message: m.ClientMessage, size: int, now: Ns) -> None:
        if isinstance(message, m.Answer):
            if session.answers is not None and session.answers.take(1, now):
                self._outbox.counters["rate_limited"] += 1  # an answer is not answered: its asker goes without
            else:
                self._membership.answer(session, message, self._sessions)
            return
        assert not isinstance(message, m.Hello)
        op = message.op
        best_effort = not session.reliable and isinstance(message, m.Emit)
        if op in session.results and not best_effort:  # asked again: done already, so only answered again
            self._outbox.counters["repeated_operations"] += 1
            self._outbox.tell(session, session.results[op])
            return
        if not best_effort and op in session.pending:
            return  # its result comes when it is stored
        if session.reliable:
            if op <= session.last_op and not isinstance(message, m.Stats):  # whose answer is not kept
                self._outbox.fail(session, op, "stale_operation", f"operation {op} was taken before")
                return
            session.last_op = max(op, session.last_op)
        elif op in session.results:
            self._outbox.counters["duplicates_in"] += 1
        try:
            self._police(session, size, now)
        except Refusal as refusal:
            self._outbox.fail(session, op, refusal.code, refusal.detail)
            return
        if session.joining:  # what comes next may depend on it: a client need not wait for one to send the next
            session.pending.add(op)
            session.held.append(message)
        else:
            self._operate(session, message, now)

    def _police(self, session: Session, size: int, now: Ns) -> None:
        if session.messages is None or session.bytes is None:
            return
        if session.messages.take(1, now):
            rate, burst = self.limits.message_rate, self.limits.message_burst
            raise Refusal("rate_limited", f"at most {rate} messages a second, {burst} at once")
        if session.bytes.take(size, now):
            raise Refusal("rate_limited", f"at most {self.limits.byte_rate} bytes a second")

    def _go_on(self, session: Session, now: Ns) -> None:
        """What was held back while a join was being stored."""
        while session.held and not session.joining:
            operation = session.held.popleft()
            session.pending.discard(operation.op)
            self._operate(session, operation, now)

    def _operate(self, session: Session, message: m.Operation, now: Ns) -> None:
        try:
            self._try(session, message, now)
        except Refusal as refusal:
            self._outbox.fail(session, message.op, refusal.code, refusal.detail)

    def _try(self, session: Session, message: m.Operation, now: Ns) -> None:
        match message:
            case m.Emit():
                self._membership.emit(session, message, now)
            case m.Join():
                self._membership.join(session, message, now)
            case m.Leave():
                self._membership.leave(session, message, now)
            case m.Who():
                data = page_of_members(self._membership.rooms[room_of(session, message.room)], message.after)
                self._outbox.finish(session, m.Result(message.op, "ok", data=data))
            case m.Rooms():
                data = page_of_rooms(self._membership.rooms.values(), message.after)
                self._outbox.finish(session, m.Result(message.op, "ok", data=data))
            case m.Find():
                data = find(session, message.name, self._names)
                self._outbox.finish(session, m.Result(message.op, "ok", data=data))
            case m.Stats() if session.conn is not None:
                self._outbox.add(Report(session.conn, message.op))

    # Time

    def _time_passed(self, now: Ns) -> None:
        self._turn_doorway(now)
        for conn in _due(self._backlogged, now):
            connection = self._drop_connection(conn)
            self._outbox.refuse(conn, "slow_consumer", f"over {self.limits.backlog_soft} B waited too long")
            if connection is not None and connection.session is not None:
                self._cut(connection.session, now)
        for sid in _due(self._cut_off, now):
            self._end(self._sessions[sid], "lost", now)
        self._membership.expire(now, self._sessions)


def _due(deadlines: OrderedDict[Any, Ns], now: Ns) -> list[Any]:
    """The keys at the front whose time has come."""
    due = []
    for key, at in deadlines.items():
        if at > now:
            break
        due.append(key)
    return due
