"""The hub: sessions, rooms and one total order in each room. Pure: it never waits, reads no clock and opens nothing.

Read `messages` first: what is said. A shell (`transports.hub_shell`) numbers connections, hands in what they receive,
and carries out what comes back:

    Opened Received Closed Backlogged Relieved Stored TimerFired  ->  Send Admit Close Store Forget Report Dropped

An operation that concerns a room is first stored: `Store` goes out, `Stored` comes back with its number, and only
then is it carried out, so that a room has one order wherever it is kept.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from netlab.chat import messages as m
from netlab.chat.bucket import Bucket
from netlab.chat.hub_events import (
    Admit,
    Backlogged,
    Close,
    Closed,
    Dropped,
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
from netlab.chat.names import canonical
from netlab.chat.operations import Refusal, check_emit, check_join, find, page_of_members, page_of_rooms, room_of
from netlab.chat.questions import Questions
from netlab.chat.rooms import History, Room, missed
from netlab.chat.sessions import Connection, Doorway, Session
from netlab.chat.store import Forget, Store, Stored
from netlab.units import MS, Ns


class _Storing(msgspec.Struct, frozen=True):
    """An event that waits for its numbers, and the operation it comes of (none where a session ended)."""

    session: Session
    operation: m.Join | m.Leave | m.Emit | None
    event: m.RoomEvent
    rooms: list[Room]


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
        self.counters: Counter[str] = Counter()
        self._entropy = entropy
        self._token = token.encode()
        self._wall_offset = wall_offset
        self._message_id = int.from_bytes(entropy(4), "big")
        self._connections: dict[int, Connection] = {}
        self._doorway = Doorway(self.limits)
        self._sessions: dict[str, Session] = {}
        self._names: dict[str, Session] = {}
        self._rooms: dict[str, Room] = {}
        self._public_rooms = 0
        self._history = History(per_room=self.limits.history, total_bytes=self.limits.history_bytes)
        self._storing: dict[int, _Storing] = {}
        self._next_ref = 0
        self._questions = Questions(self.limits)
        self._cut_off: OrderedDict[str, Ns] = OrderedDict()  # sid -> when its resume window ends
        self._backlogged: OrderedDict[int, Ns] = OrderedDict()  # conn -> when it is cut
        self._out: list[Output] = []

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns. Plain data: asking changes nothing."""
        candidates = (
            self._doorway.deadline,
            self._questions.deadline,
            next(iter(self._cut_off.values()), None),
            next(iter(self._backlogged.values()), None),
        )
        return min((at for at in candidates if at is not None), default=None)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        self._out = []
        match event:
            case Received(conn, data):
                self._received(conn, data, now)
            case Stored():
                self._stored(event, now)
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
        return self._out

    def report(self, op: int, counters: dict[str, Any]) -> bytes:
        """The answer to `Stats`, with the transports' `counters` beside the hub's own."""
        data = {
            "sessions": len(self._sessions),
            "connections": len(self._connections),
            "cut_off": len(self._cut_off),
            "rooms": self._public_rooms,
            "history_bytes": self._history.bytes,
            "hub": dict(sorted(self.counters.items())),
            "transports": counters,
        }
        return m.encode_json(m.Result(op, "ok", data=data))

    def next_message_id(self) -> int:
        """The number of the hub's next message: 32 bits, rising by one from a random start."""
        self._message_id = (self._message_id + 1) % 2**32
        return self._message_id

    # Connections and sessions

    def _opened(self, event: Opened, now: Ns) -> None:
        if len(self._connections) >= self.limits.connections:
            self._refuse(event.conn, "server_full")
            return
        self._connections[event.conn] = Connection(event.conn, event.peer, reliable=event.reliable)
        if event.validated:
            self._out.append(Admit(event.conn))
        else:
            self._doorway.arrive(event.conn)
            self._turn_doorway(now)

    def _turn_doorway(self, now: Ns) -> None:
        admitted, evicted = self._doorway.turn(now)
        for conn in evicted:
            self._drop_connection(conn)
            self._refuse(conn, "hello_timeout")
        self._out.extend(Admit(conn) for conn in admitted if conn in self._connections)

    def _refuse(self, conn: int, code: str, detail: str = "") -> None:
        """Close a connection that this hub has forgotten, or never knew."""
        self.counters[code] += 1
        self._out.append(Close(conn, m.Goodbye(code, detail)))

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
        self.counters["cuts"] += 1
        self._membership_changed(session)

    def _membership_changed(self, session: Session) -> None:
        for name in session.rooms:
            self._rooms[name].changed()

    def _end(self, session: Session, reason: Literal["quit", "lost"], now: Ns) -> None:
        session.conn, session.ended = None, reason
        session.held.clear()
        del self._sessions[session.sid], self._names[session.name]
        self._cut_off.pop(session.sid, None)
        for name in session.rooms:
            room = self._leave_room(session, name)
            if room is not None and not room.own:
                self._store(session, None, (name,), self._left(session, reason, now))
        session.rooms = {}

    def _leave_room(self, session: Session, name: str) -> Room | None:
        """Take the session out of the room; None where the room ended with it."""
        room = self._rooms[name]
        del room.members[session.sid]
        room.changed()
        if not room.empty:
            return room
        self._remove_room(room)
        return None

    def _remove_room(self, room: Room) -> None:
        del self._rooms[room.name]
        self._history.drop(room)
        self._public_rooms -= not room.own
        self._out.append(Forget(room.name))

    def _hello(self, connection: Connection, hello: m.Hello, now: Ns) -> None:
        if connection.session is not None:  # over udp a hello is repeated until its welcome arrives
            self._welcome(connection.session, connection.conn, resumed=connection.resumed)
            return
        code, detail, session = self._admit_session(connection, hello, now)
        if code:
            self._drop_connection(connection.conn)
            self._refuse(connection.conn, code, detail)
            self._turn_doorway(now)
            return
        self._doorway.depart(connection.conn)
        self._turn_doorway(now)
        connection.session = session
        connection.anonymous = session is None

    def _admit_session(self, connection: Connection, hello: m.Hello, now: Ns) -> tuple[str, str, Session | None]:
        """The refusal's code and detail, or the session that is now this connection's (None for an anonymous one)."""
        if self._token and not hmac.compare_digest(hello.token.encode("utf-8", "replace"), self._token):
            return "bad_token", "present the server's token with --token", None
        resumable = self._resumable(hello.resume)
        if resumable is not None and hello.resume is not None:
            connection.resumed = True
            self._resume(resumable, connection.conn, hello.resume.seen)
            return "", "", resumable
        if not hello.name:
            self._out.append(Send((connection.conn,), self.next_message_id(), self._welcome_data("", "", "", False)))
            return "", "", None
        name = canonical(hello.name)
        if name is None:
            return "bad_name", "1 to 32 letters, digits, _ . or -", None
        if name in self._names:
            return "name_taken", f"{name} is taken, choose another name", None
        return "", "", self._new_session(connection, name, now)

    def _resumable(self, resume: m.Resume | None) -> Session | None:
        session = self._sessions.get(resume.sid) if resume is not None else None
        if session is None or resume is None:
            return None
        same = hmac.compare_digest(session.secret.encode(), resume.secret.encode("utf-8", "replace"))
        return session if same else None

    def _new_session(self, connection: Connection, name: str, now: Ns) -> Session:
        session = Session(self._token_text(), self._token_text(), name, connection.conn, reliable=connection.reliable)
        if self.limits.message_rate:
            session.messages = Bucket(self.limits.message_rate, self.limits.message_burst, now)
            largest = max(self.limits.byte_rate, self.limits.message) + ENVELOPE  # one message always fits
            session.bytes = Bucket(self.limits.byte_rate, largest, now)
        self._sessions[session.sid] = self._names[name] = session
        own = self._rooms[session.sid] = Room(session.sid, own=True)
        own.members[session.sid] = session
        session.rooms[session.sid] = 0
        self.counters["sessions_opened"] += 1
        self._welcome(session, connection.conn, resumed=False)
        return session

    def _token_text(self) -> str:
        return urlsafe_b64encode(self._entropy(16)).rstrip(b"=").decode("ascii")

    def _resume(self, session: Session, conn: int, seen: dict[str, int]) -> None:
        if session.conn is not None:
            self._drop_connection(session.conn)
            self._refuse(session.conn, "resumed_elsewhere")
        session.conn = conn
        self._cut_off.pop(session.sid, None)
        self._membership_changed(session)
        self.counters["resumed"] += 1
        self._welcome(session, conn, resumed=True)
        if not session.reliable:
            return  # best effort: what was missed was missed
        from_here = {name: max(seen.get(name, 0), joined_at) for name, joined_at in session.rooms.items()}
        gaps, entries = missed(from_here, self._rooms, session.sid)
        for gap in gaps:
            self._send((conn,), m.Gap(*gap))
        for entry in entries:
            self._out.append(Send((conn,), entry.message_id, entry.data))

    def _welcome(self, session: Session, conn: int, *, resumed: bool) -> None:
        data = self._welcome_data(session.sid, session.name, session.secret, resumed)
        self._out.append(Send((conn,), self.next_message_id(), data))

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
        self.counters["messages_in"] += 1
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
            self._out.append(Report(conn, message.op))
        elif connection.anonymous and not isinstance(message, m.Answer):
            self._send((conn,), m.Result(message.op, "failed", code="anonymous", detail="say hello with a name"))
        else:
            self._drop_connection(conn)
            self._refuse(conn, "hello_first")
            self._turn_doorway(now)

    def _malformed(self, connection: Connection, detail: str, now: Ns) -> None:
        """Counted, and told to the sender, unless it sends too many of them."""
        self._drop(connection.conn, "malformed")
        session = connection.session
        if session is None or session.messages is None or not session.messages.take(1, now):
            self._send((connection.conn,), m.Goodbye("malformed", detail[:200]))

    def _drop(self, conn: int, reason: str) -> None:
        self.counters[reason] += 1
        self._out.append(Dropped(conn, reason))

    def _from_session(self, session: Session, message: m.ClientMessage, size: int, now: Ns) -> None:
        if isinstance(message, m.Answer):
            self._answer(session, message)
            return
        assert not isinstance(message, m.Hello)
        op = message.op
        best_effort = not session.reliable and isinstance(message, m.Emit)
        if op in session.results and not best_effort:  # asked again: done already, so only answered again
            self.counters["repeated_operations"] += 1
            self._to(session, session.results[op])
            return
        if not best_effort and op in session.pending:
            return  # its result comes when it is stored
        if session.reliable:
            if op <= session.last_op and not isinstance(message, m.Stats):  # whose answer is not kept
                self._fail(session, op, "stale_operation", f"operation {op} was taken before")
                return
            session.last_op = max(op, session.last_op)
        elif op in session.results:
            self.counters["duplicates_in"] += 1
        try:
            self._police(session, size, now)
        except Refusal as refusal:
            self._fail(session, op, refusal.code, refusal.detail)
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

    def _operate(self, session: Session, message: m.Operation, now: Ns) -> None:
        try:
            self._try(session, message, now)
        except Refusal as refusal:
            self._fail(session, message.op, refusal.code, refusal.detail)

    def _try(self, session: Session, message: m.Operation, now: Ns) -> None:
        match message:
            case m.Emit():
                self._emit(session, message, now)
            case m.Join():
                self._join(session, message, now)
            case m.Leave():
                self._leave(session, message, now)
            case m.Who():
                data = page_of_members(self._rooms[room_of(session, message.room)], message.after)
                self._finish(session, m.Result(message.op, "ok", data=data))
            case m.Rooms():
                data = page_of_rooms(self._rooms.values(), message.after)
                self._finish(session, m.Result(message.op, "ok", data=data))
            case m.Find():
                data = find(session, message.name, self._names)
                self._finish(session, m.Result(message.op, "ok", data=data))
            case m.Stats() if session.conn is not None:
                self._out.append(Report(session.conn, message.op))

    def _emit(self, session: Session, emit: m.Emit, now: Ns) -> None:
        targets = check_emit(session, emit, self._rooms, self.limits)
        event = m.Message(
            rooms={},
            sid=session.sid,
            name=session.name,
            op=emit.op,
            time=self._time(now),
            event=emit.event,
            args=emit.args,
        )
        self._store(session, emit, targets, event)

    def _join(self, session: Session, join: m.Join, now: Ns) -> None:
        name = check_join(session, join, self._rooms, self._public_rooms, self.limits)
        room = self._rooms.get(name)
        if room is None:
            room = self._rooms[name] = Room(name, own=False)
            self._public_rooms += 1
        elif name in session.rooms:
            self._finish(session, m.Result(join.op, "ok", rooms={name: room.last}, epoch=room.epoch))
            return
        room.expected += 1
        session.joining = True
        joined = m.Joined(rooms={}, sid=session.sid, name=session.name, time=self._time(now))
        self._store(session, join, (name,), joined)

    def _leave(self, session: Session, leave: m.Leave, now: Ns) -> None:
        name = room_of(session, leave.room)
        if name == session.sid:
            raise Refusal("not_in_room", "a session stays in its own room")
        del session.rooms[name]
        if self._leave_room(session, name) is None:
            self._finish(session, m.Result(leave.op, "ok"))
        else:
            self._store(session, leave, (name,), self._left(session, "left", now))

    def _left(self, session: Session, reason: Literal["left", "quit", "lost"], now: Ns) -> m.Left:
        return m.Left(rooms={}, sid=session.sid, name=session.name, time=self._time(now), reason=reason)

    def _time(self, now: Ns) -> int:
        """The time of day, ms since 1970."""
        return (now + self._wall_offset) // MS

    def _answer(self, session: Session, answer: m.Answer) -> None:
        finished = self._questions.answer(answer.ask, session.sid, answer.args)
        if finished is not None:
            self._tell_answers(*finished)

    def _tell_answers(self, asker: str, answers: m.Answers) -> None:
        session = self._sessions.get(asker)
        if session is not None:
            session.asking -= 1
            data = m.encode_json(answers)
            session.remember(answers.op, data)  # who asks again, after a cut, is told these
            self._to(session, data, loose=False)

    # What the store has numbered

    def _store(
        self, session: Session, operation: m.Join | m.Leave | m.Emit | None, rooms: tuple[str, ...], event: m.RoomEvent
    ) -> None:
        self._next_ref += 1
        self._storing[self._next_ref] = _Storing(session, operation, event, [self._rooms[name] for name in rooms])
        if operation is not None:
            session.pending.add(operation.op)
        self._out.append(Store(self._next_ref, rooms, event))

    def _stored(self, stored: Stored, now: Ns) -> None:
        storing = self._storing.pop(stored.ref)
        session, operation, event = storing.session, storing.operation, storing.event
        # A room may have ended meanwhile, and another of its name begun: these numbers are not of that one.
        rooms = [room for room in storing.rooms if self._rooms.get(room.name) is room]
        epoch = ""
        if operation is not None:
            session.pending.discard(operation.op)
        if isinstance(operation, m.Join):
            epoch = stored.epoch
            self._enter(session, rooms[0], operation, stored)
        for room in rooms:
            room.last = stored.numbers[room.name]
        ask, skip, skip_sid = 0, None, ""
        if isinstance(operation, m.Emit):
            if operation.skip_self:
                skip, skip_sid = session.conn, session.sid
            if operation.answer_ms:
                ask = self._ask(session, operation, rooms, now)
        if isinstance(event, m.Message):
            event = msgspec.structs.replace(event, rooms=stored.numbers, ask=ask)
        else:
            event = msgspec.structs.replace(event, rooms=stored.numbers)
        self._broadcast(rooms, event, skip, skip_sid=skip_sid)
        if operation is not None:
            self._finish(session, m.Result(operation.op, "ok", rooms=stored.numbers, epoch=epoch))
        if isinstance(operation, m.Join):
            self._joined(session, rooms[0], now)

    def _enter(self, session: Session, room: Room, join: m.Join, stored: Stored) -> None:
        """Make the session a member, and tell it what it missed."""
        number = stored.numbers[room.name]
        room.expected -= 1
        room.epoch = stored.epoch
        room.members[session.sid] = session
        room.changed()
        session.rooms[room.name] = number - 1
        if join.seen is not None and session.conn is not None:
            if join.epoch != stored.epoch:
                self._send((session.conn,), m.Gap(room.name, join.seen + 1, None))
            elif join.seen + 1 < number:
                self._send((session.conn,), m.Gap(room.name, join.seen + 1, number - 1))

    def _joined(self, session: Session, room: Room, now: Ns) -> None:
        """Its join is told. Where the session ended meanwhile its leave follows; else what it asked for since then."""
        session.joining = False
        if session.ended is not None:
            del session.rooms[room.name]
            if self._leave_room(session, room.name) is not None:
                self._store(session, None, (room.name,), self._left(session, session.ended, now))
        while session.held and not session.joining:
            operation = session.held.popleft()
            session.pending.discard(operation.op)
            self._operate(session, operation, now)

    def _ask(self, session: Session, emit: m.Emit, rooms: list[Room], now: Ns) -> int:
        asked = {sid for room in rooms for sid, member in room.members.items() if member.conn is not None}
        if emit.skip_self:
            asked.discard(session.sid)
        session.asking += 1
        return self._questions.ask(session.sid, emit.op, asked, emit.answer_ms * MS, now)

    def _broadcast(self, rooms: list[Room], event: m.RoomEvent, skip: int | None, *, skip_sid: str) -> None:
        if not rooms:
            return  # the last member left while it was being stored
        data = m.encode_json(event)
        if len(rooms) == 1:
            recipients = rooms[0].recipients
        else:
            recipients = tuple(dict.fromkeys(conn for room in rooms for conn in room.recipients))
        message_id = self.next_message_id()
        self._history.add(rooms, message_id, data, event.rooms, skip_sid)
        self.counters["messages_out"] += len(recipients) - (skip in recipients if skip is not None else 0)
        if recipients:
            self._out.append(Send(recipients, message_id, data, skip))

    def _finish(self, session: Session, result: m.Result) -> None:
        data = m.encode_json(result)
        session.remember(result.op, data)
        self._to(session, data)

    def _fail(self, session: Session, op: int, code: str, detail: str) -> None:
        self.counters[code] += 1
        self._finish(session, m.Result(op, "failed", code=code, detail=detail))

    def _to(self, session: Session, data: bytes, *, loose: bool = True) -> None:
        if session.conn is not None:
            self._out.append(Send((session.conn,), self.next_message_id(), data, None, loose))

    def _send(self, recipients: tuple[int, ...], message: m.HubMessage) -> None:
        self._out.append(Send(recipients, self.next_message_id(), m.encode_json(message)))

    # Time

    def _time_passed(self, now: Ns) -> None:
        self._turn_doorway(now)
        for conn in _due(self._backlogged, now):
            connection = self._drop_connection(conn)
            self._refuse(conn, "slow_consumer", f"over {self.limits.backlog_soft} B waited too long")
            if connection is not None and connection.session is not None:
                self._cut(connection.session, now)
        for sid in _due(self._cut_off, now):
            self._end(self._sessions[sid], "lost", now)
        for asker, answers in self._questions.expired(now):
            self._tell_answers(asker, answers)


def _due(deadlines: OrderedDict[Any, Ns], now: Ns) -> list[Any]:
    """The keys at the front whose time has come."""
    due = []
    for key, at in deadlines.items():
        if at > now:
            break
        due.append(key)
    return due
