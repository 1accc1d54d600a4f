"""The hub: connections, and what comes over them. Pure: it never waits, reads no clock and opens nothing.

Read `messages` first: what is said; then this file, `presence` for who is there, `membership` for what happens in rooms
and `follower` for what the log says. A shell (`transports.hub_shell`) numbers connections, hands in what they receive,
and carries out what comes back:

    Opened Received Closed Backlogged Relieved TimerFired     ->  Send Admit Close Report Dropped
    Heard Linked Loaded Lost, from the log (`store`)          ->  Append Save Relink

Whatever concerns others is appended to the log first, and done when it is heard (`entries`), so that a room has one
order wherever it is kept, and however many servers share it.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from netlab.chat import messages as m
from netlab.chat.follower import Follower, new_name
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
from netlab.chat.limits import ENVELOPE, WINDOW, ChatLimits
from netlab.chat.membership import Membership
from netlab.chat.operations import Refusal, find, page_of_members, page_of_rooms, room_of
from netlab.chat.outbox import Outbox
from netlab.chat.presence import Presence
from netlab.chat.sessions import Connection, Doorway, Session
from netlab.chat.standing import Standing
from netlab.chat.store import Heard, Linked, Loaded, Lost
from netlab.units import MS, Ns


class Hub:
    """Everything the server of a chat knows and decides.

    Args:
        entropy: `entropy(n)` gives n bytes that can't be guessed: sids, secrets, the first message id.
        limits: what is allowed.
        token: what a client must present, or empty.
        wall_offset: wall clock less `now`, ns: what to add to `now` for the time of day.
        keep: with a broker: a snapshot is kept every so many batches of the log. Without one (None), the log is in
            this process.
    """

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        *,
        limits: ChatLimits | None = None,
        token: str = "",
        wall_offset: Ns = 0,
        keep: int | None = None,
    ) -> None:
        self.limits = limits or ChatLimits()
        self._outbox = Outbox(entropy)
        self.counters = self._outbox.counters
        self.next_message_id = self._outbox.next_message_id
        self._token = token.encode()
        self._connections: dict[int, Connection] = {}
        self._doorway = Doorway(self.limits)
        self._standing = Standing(self._outbox, new_name(entropy), clustered=keep is not None)
        self._membership = Membership(self._outbox, self.limits, self._standing, wall_offset)
        self._presence = Presence(self._outbox, self.limits, self._standing, self._membership, entropy, self._dismiss)
        self._sessions = self._presence.sessions
        self._backlogged: OrderedDict[int, Ns] = OrderedDict()  # conn -> when it is cut
        self._follower = Follower(
            self._outbox,
            self.limits,
            self._standing,
            self._membership,
            self._presence,
            entropy,
            keep=keep,
            go_on=self._go_on,
            say_to_all=self._say_to_all,
        )

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns. Plain data: asking changes nothing."""
        candidates = (
            self._doorway.deadline,
            self._membership.deadline,
            self._standing.deadline,
            next(iter(self._presence.cut_off.values()), None),
            next(iter(self._backlogged.values()), None),
        )
        return min((at for at in candidates if at is not None), default=None)

    @property
    def degraded(self) -> bool:
        """The log can't be reached: nothing is stored."""
        return self._standing.degraded

    @property
    def position(self) -> int:
        """Of the latest batch of the log that is heard."""
        return self._standing.position

    @property
    def epoch(self) -> str:
        """Of the log."""
        return self._standing.epoch

    def snapshot(self) -> bytes:
        """What is known at `position`: a hub that loads it, and hears on from there, knows as much."""
        return self._follower.snapshot()

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        match event:
            case Received(conn, data):
                self._received(conn, data, now)
            case Heard():
                self._heard(event, now)
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
            case Linked():
                self._follower.take_part(now)
            case Loaded():
                self._follower.load(event, now)
            case Lost(detail):
                self._follower.degrade(detail, now)
        return self._outbox.take()

    def report(self, op: int, counters: dict[str, Any]) -> bytes:
        """The answer to `Stats`, with the transports' `counters` beside the hub's own."""
        here = [session for session in self._sessions.values() if session.home == self._standing.server]
        data = {
            "sessions": len(here),
            "connections": len(self._connections),
            "cut_off": sum(session.conn is None for session in here),
            "rooms": self._membership.public,
            "history_bytes": self._membership.history_bytes,
            "hub": dict(sorted(self.counters.items())),
            "transports": counters,
        }
        if self._standing.clustered:
            data["broker"] = {
                "state": "degraded" if self._standing.degraded else "ok",
                "lag_ms": self._standing.lag // MS,
                "position": self._standing.position,
                "servers": len(self._standing.servers),
                "sessions": len(self._sessions),
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
        if connection is not None:
            connection.gone = True
        self._doorway.depart(conn)
        self._backlogged.pop(conn, None)
        return connection

    def _dismiss(self, conn: int, code: str, detail: str) -> None:
        """Close a connection; what becomes of its session is known already."""
        if self._drop_connection(conn) is not None:
            self._outbox.refuse(conn, code, detail)

    def _closed(self, conn: int, *, said: bool, now: Ns) -> None:
        connection = self._drop_connection(conn)
        if connection is None:
            return
        self._turn_doorway(now)
        session = connection.session
        if session is None or session.conn != conn:
            return
        if said or not session.reliable:
            self._presence.end(session, "quit" if said else "lost", now)
        else:
            self._presence.cut(session, now)

    def _hello(self, connection: Connection, hello: m.Hello, now: Ns) -> None:
        if connection.session is not None:  # over udp a hello is repeated until its welcome arrives
            self._presence.welcome(connection.session, connection.conn, resumed=connection.resumed)
            return
        self._doorway.depart(connection.conn)
        try:
            self._admit_session(connection, hello, now)
        except Refusal as refusal:
            self._dismiss(connection.conn, refusal.code, refusal.detail)
        self._turn_doorway(now)

    def _admit_session(self, connection: Connection, hello: m.Hello, now: Ns) -> None:
        """Begin a session for a connection, or go on with one; an anonymous one has none.

        Raises:
            Refusal: `bad_token`, `bad_name`, `name_taken` or `broker_gone`.
        """
        if self._token and not hmac.compare_digest(hello.token.encode("utf-8", "replace"), self._token):
            raise Refusal("bad_token", "present the server's token with --token")
        session = self._presence.resumable(hello.resume)
        if session is not None:
            self._presence.claim(session, connection, hello, now)
        elif hello.name:
            self._presence.come(connection, hello, now)
        else:
            connection.anonymous = True
            self._presence.say_welcome(connection.conn, "", "", "")

    # What clients ask for

    def _received(self, conn: int, data: bytes, now: Ns) -> None:
        connection = self._connections.get(conn)
        if connection is None:
            return  # closed by us, and bytes were still on their way
        if connection.expected:
            self._hold(connection, data)
            return
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

    def _hold(self, connection: Connection, data: bytes) -> None:
        """What is said behind a hello waits until the session stands."""
        connection.held.append(data)
        if len(connection.held) > WINDOW or sum(map(len, connection.held)) > self.limits.message + ENVELOPE:
            self._dismiss(connection.conn, "rate_limited", "wait for the welcome before saying so much")

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
                self._membership.answer(session, message, self._sessions, now)
            return
        assert not isinstance(message, m.Hello)
        op = message.op
        best_effort = not session.reliable and isinstance(message, m.Emit)
        if op in session.results and not best_effort:  # asked again: done already, so only answered again
            self._outbox.counters["repeated_operations"] += 1
            self._outbox.again(session, op)
            return
        if not best_effort and op in session.pending:
            return  # its result comes when the log says it
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
        if session.moving:  # what comes next may depend on it: a client need not wait for one to send the next
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
        """What was held back while a join or leave was on its way through the log."""
        while session.held and not session.moving:
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
                data = find(session, message.name, self._presence.names)
                self._outbox.finish(session, m.Result(message.op, "ok", data=data))
            case m.Stats() if session.conn is not None:
                self._outbox.add(Report(session.conn, message.op))

    # What the log says

    def _heard(self, heard: Heard, now: Ns) -> None:
        self._follower.heard(heard, now)
        while self._presence.arrived:
            connection = self._presence.arrived.pop()
            held, connection.held = connection.held, []
            for data in held:
                self._received(connection.conn, data, now)

    def _say_to_all(self, message: m.HubMessage) -> None:
        conns = tuple(conn for conn, connection in self._connections.items() if connection.session is not None)
        if conns:
            self._outbox.add(Send(conns, self._outbox.next_message_id(), m.encode_json(message)))

    # Time

    def _time_passed(self, now: Ns) -> None:
        self._turn_doorway(now)
        for conn in _due(self._backlogged, now):
            connection = self._drop_connection(conn)
            self._outbox.refuse(conn, "slow_consumer", f"over {self.limits.backlog_soft} B waited too long")
            if connection is not None and connection.session is not None:
                self._presence.cut(connection.session, now)
        self._presence.expire(now)
        self._membership.expire(now, self._sessions)
        if self._standing.time_passed(now):
            self._follower.degrade("it does not answer in time", now)


def _due(deadlines: OrderedDict[Any, Ns], now: Ns) -> list[Any]:
    """The keys at the front whose time has come."""
    due = []
    for key, at in deadlines.items():
        if at > now:
            break
        due.append(key)
    return due
