"""Who is in which room, and what is said there, in the order of the log.

Whatever changes or fills a room is appended to the log first, and is carried out when it is heard, on every server
alike: the member enters, the message gets its number and goes to those who are members now, the one who asked is told.
While the log can't be reached (`degraded`), what people say goes to those on this server without a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

from netlab.chat import messages as m
from netlab.chat.entries import Answered, Entered, Entry, Exited, Said
from netlab.chat.hub_events import Send
from netlab.chat.limits import ChatLimits
from netlab.chat.names import canonical
from netlab.chat.operations import Refusal, check_emit, check_join, room_of
from netlab.chat.outbox import Outbox
from netlab.chat.questions import Questions
from netlab.chat.rooms import History, Room, missed
from netlab.chat.sessions import Session
from netlab.chat.standing import Standing
from netlab.units import MS, Ns

UNKNOWN = "the broker does not answer: it may have been stored or not"
UNSTORED = "the broker can't be reached: only people on this server heard it"
UNHEARD = "the broker can't be reached, and on this server is nobody to hear it"
NOT_NOW = "the broker can't be reached: try again when it is there"


class Membership:
    """The rooms of a hub.

    Args:
        standing: how the hub stands with the log.
        wall_offset: wall clock less `now`, ns: what to add to `now` for the time of day.
    """

    def __init__(self, outbox: Outbox, limits: ChatLimits, standing: Standing, wall_offset: Ns) -> None:
        self.rooms: dict[str, Room] = {}
        """Every room by name, the sessions' own among them."""
        self.public = 0
        """Rooms that are not a session's own."""
        self._outbox = outbox
        self._limits = limits
        self._standing = standing
        self._wall_offset = wall_offset
        self._history = History(per_room=limits.history, total_bytes=limits.history_bytes)
        self._unheard: dict[tuple[str, int], tuple[Session, m.Operation]] = {}
        self._expected: Counter[str] = Counter()
        self._questions = Questions(limits)

    @property
    def deadline(self) -> Ns | None:
        """When the next question expires, absolute ns."""
        return self._questions.deadline

    @property
    def history_bytes(self) -> int:
        """Bytes kept for those who resume."""
        return self._history.bytes

    def time(self, now: Ns) -> int:
        """The time of day, ms since 1970."""
        return (now + self._wall_offset) // MS

    # What sessions do

    def emit(self, session: Session, emit: m.Emit, now: Ns) -> None:
        """Have an event numbered; while that can't be, say it without, to those who are here.

        Raises:
            Refusal: as `check_emit`; `broker_gone` where nobody is, so that it surely reaches nobody.
        """
        targets = check_emit(session, emit, self.rooms, self._limits)
        if self._standing.degraded:
            if not self._say_unnumbered(session, emit, targets, now):
                raise Refusal("broker_gone", UNHEARD)
            self._end_unknown(session, emit.op, UNSTORED)
            return
        said = Said(
            session.sid, emit.op, self.time(now), targets, emit.event, emit.args, emit.skip_self, emit.answer_ms
        )
        self._append(session, emit, said, now)

    def join(self, session: Session, join: m.Join, now: Ns) -> None:
        """Have a join numbered. What the session asks for next waits until it is done.

        Raises:
            Refusal: as `check_join`, and `broker_gone`.
        """
        name = check_join(session, join, self.rooms, self.public, self._expected, self._limits)
        if name in session.rooms:
            room = self.rooms[name]
            self._outbox.finish(session, m.Result(join.op, "ok", rooms={name: room.last}, epoch=room.epoch))
            return
        if self._standing.degraded:
            raise Refusal("broker_gone", NOT_NOW)
        self._expected[name] += 1
        session.moving = True
        self._append(session, join, Entered(session.sid, join.op, name, self.time(now)), now)

    def leave(self, session: Session, leave: m.Leave, now: Ns) -> None:
        """Have a leave numbered. What the session asks for next waits until it is done.

        Raises:
            Refusal: `not_in_room`, `broker_gone`.
        """
        name = room_of(session, leave.room)
        if name == session.sid:
            raise Refusal("not_in_room", "a session stays in its own room")
        if self._standing.degraded:
            raise Refusal("broker_gone", NOT_NOW)
        session.moving = True
        self._append(session, leave, Exited(session.sid, leave.op, name, self.time(now)), now)

    def replay(self, session: Session, conn: int, seen: Mapping[str, int]) -> None:
        """Say again what the session has missed; and what nobody remembers any more, as gaps. Who has seen a higher
        number than there is has seen what the log has lost, and is told where it goes on."""
        for name in session.rooms:
            room = self.rooms[name]
            if seen.get(name, 0) > room.last:
                self._outbox.send(conn, m.Gap(name, seen[name] + 1, None, room.epoch, room.last))
        from_here = {name: max(seen.get(name, 0), joined_at) for name, joined_at in session.rooms.items()}
        gaps, entries = missed(from_here, self.rooms, session.sid)
        for gap in gaps:
            self._outbox.send(conn, m.Gap(*gap))
        for entry in entries:
            self._outbox.add(Send((conn,), entry.message_id, entry.data))

    def answer(self, session: Session, answer: m.Answer, sessions: Mapping[str, Session], now: Ns) -> None:
        """Take an answer to a question; the asker is told when it is the last. One that can't be taken is counted: an
        answer is not answered."""
        if not self._questions.awaits(answer.ask, session.sid):
            self._outbox.counters["unexpected_answer"] += 1
        elif self._standing.degraded:
            self.answered(Answered(session.sid, answer.ask, answer.args), sessions)
        else:
            self._standing.append(Answered(session.sid, answer.ask, answer.args), now)

    def expire(self, now: Ns, sessions: Mapping[str, Session]) -> None:
        """Tell the askers whose time is over what was answered."""
        self._tell_answers(self._questions.expired(now), sessions)

    def connection_changed(self, session: Session) -> None:
        """The session got or lost its connection."""
        for name in session.rooms:
            self.rooms[name].changed()

    # What the log says

    def open_own(self, session: Session) -> None:
        """Give a new session the room of its own."""
        own = self.rooms[session.sid] = Room(session.sid, self._standing.epoch, self._standing.heard, own=True)
        own.members[session.sid] = session
        session.rooms[session.sid] = 0

    def said(self, session: Session, said: Said, now: Ns) -> None:
        """An event gets its numbers, and goes to the members."""
        operation = self._heard(session, said.op)
        rooms = [self.rooms[name] for name in said.to if name in self.rooms]
        if len(rooms) < len(said.to) or not all(room.own or room.name in session.rooms for room in rooms):
            self._finish(session, operation, m.Result(said.op, "failed", code="not_in_room", detail="it has ended"))
            return
        numbers = _next_numbers(rooms)
        event = m.Message(
            rooms=numbers,
            sid=said.sid,
            name=session.name,
            op=said.op,
            time=said.time,
            event=said.event,
            args=said.args,
            ask=self._ask(session, said, rooms, now) if said.answer_ms else 0,
        )
        self._broadcast(rooms, event, session if said.skip_self else None)
        self._finish(session, operation, m.Result(said.op, "ok", rooms=numbers))

    def entered(self, session: Session, entered: Entered) -> None:
        """A session becomes a member."""
        operation = self._heard(session, entered.op)
        name = entered.room
        if isinstance(operation, m.Join):
            self._no_longer_expected(name)
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name, self._standing.epoch, self._standing.heard, own=False)
            self.public += 1
        elif name in session.rooms or room.own:
            self._finish(session, operation, m.Result(entered.op, "ok", rooms={name: room.last}, epoch=room.epoch))
            return
        numbers = _next_numbers([room])
        room.members[session.sid] = session
        room.changed()
        session.rooms[name] = room.last - 1
        if isinstance(operation, m.Join) and operation.seen is not None and session.conn is not None:
            if operation.epoch != room.epoch:
                self._outbox.send(session.conn, m.Gap(name, operation.seen + 1, None))
            elif operation.seen + 1 < room.last:
                self._outbox.send(session.conn, m.Gap(name, operation.seen + 1, room.last - 1))
        joined = m.Joined(rooms=numbers, sid=session.sid, name=session.name, time=entered.time)
        self._broadcast([room], joined, None)
        self._finish(session, operation, m.Result(entered.op, "ok", rooms=numbers, epoch=room.epoch))

    def exited(self, session: Session, exited: Exited) -> None:
        """A session is a member no longer; it hears so only by the answer."""
        operation = self._heard(session, exited.op)
        if exited.room not in session.rooms or exited.room == session.sid:
            self._finish(session, operation, m.Result(exited.op, "failed", code="not_in_room", detail="left before"))
            return
        numbers = self._leave(session, exited.room, "left", exited.time)
        self._finish(session, operation, m.Result(exited.op, "ok", rooms=numbers))

    def end(self, session: Session, reason: Literal["quit", "lost"], time: int) -> None:
        """The session is over: take it out of its rooms, and tell the others."""
        for name in list(session.rooms):
            self._leave(session, name, reason, time)
        self.forget(session)

    def forget(self, session: Session) -> None:
        """What a session still waited for, nobody waits for any more."""
        for op in session.pending:
            _, operation = self._unheard.pop((session.sid, op), (session, None))
            if isinstance(operation, m.Join):
                self._no_longer_expected(canonical(operation.room) or "")
        session.pending.clear()
        session.held.clear()
        session.moving = False

    def answered(self, answered: Answered, sessions: Mapping[str, Session]) -> None:
        """An answer to a question."""
        try:
            finished = self._questions.answer(answered.ask, answered.sid, answered.args)
        except Refusal as refusal:
            self._outbox.counters[refusal.code] += 1
            return
        if finished is not None:
            self._tell_answers([finished], sessions)

    # Without the log

    def degrade(self, now: Ns) -> list[Session]:
        """The log can't be reached: nobody knows of what was appended and not heard whether it is in it. What people
        said goes to those who are here; the sessions whose turn it is again come back."""
        unheard, self._unheard = self._unheard, {}
        self._expected.clear()
        for session, operation in unheard.values():
            session.moving = False
            session.pending.discard(operation.op)
            if isinstance(operation, m.Emit):
                targets = tuple(name for name in dict.fromkeys(operation.to) if name in self.rooms)
                self._say_unnumbered(session, operation, targets, now)
            self._end_unknown(session, operation.op, UNKNOWN)
        return list(dict.fromkeys(session for session, _ in unheard.values()))

    def _say_unnumbered(self, session: Session, emit: m.Emit, targets: tuple[str, ...], now: Ns) -> bool:
        """Whether anybody hears it."""
        event = m.Message(
            rooms={},
            sid=session.sid,
            name=session.name,
            op=emit.op,
            time=self.time(now),
            event=emit.event,
            args=emit.args,
            unnumbered=list(targets),
        )
        skip = session.conn if emit.skip_self else None
        here = dict.fromkeys(conn for name in targets for conn in self.rooms[name].recipients)
        recipients = tuple(conn for conn in here if conn != skip)
        if recipients:
            self._outbox.counters["unnumbered"] += 1
            self._outbox.add(Send(recipients, self._outbox.next_message_id(), m.encode_json(event)))
        return bool(recipients)

    def _end_unknown(self, session: Session, op: int, why: str) -> None:
        self._outbox.counters["unknown"] += 1
        self._outbox.finish(session, m.Result(op, "unknown", code="broker_gone", detail=why))

    # Rooms as a snapshot has them

    def replace(self, rooms: Iterable[Room]) -> None:
        """Go on with these rooms, whose members are filled in already. Members here are told what they missed."""
        before, self.rooms = self.rooms, {}
        for room in rooms:
            old = before.pop(room.name, None)
            if old is not None and (old.epoch, old.last) == (room.epoch, room.last):
                old.members = room.members
                old.changed()
                self.rooms[room.name] = old
                continue
            self.rooms[room.name] = room
            if old is not None:
                self._history.drop(old)
                self._tell_gap(old, room)
        for room in before.values():
            self._history.drop(room)
        self.public = sum(not room.own for room in self.rooms.values())

    def _tell_gap(self, old: Room, new: Room) -> None:
        if new.epoch == old.epoch:
            gap = m.Gap(old.name, old.last + 1, new.last)
        else:
            gap = m.Gap(old.name, old.last + 1, None, new.epoch, new.last)
        if new.recipients:
            self._outbox.add(Send(new.recipients, self._outbox.next_message_id(), m.encode_json(gap)))

    # Within

    def _append(self, session: Session, operation: m.Join | m.Leave | m.Emit, entry: Entry, now: Ns) -> None:
        self._unheard[session.sid, operation.op] = session, operation
        session.pending.add(operation.op)
        self._standing.append(entry, now)

    def _heard(self, session: Session, op: int) -> m.Operation | None:
        """The operation of this server that an entry comes of, if it still waits."""
        session.pending.discard(op)
        _, operation = self._unheard.pop((session.sid, op), (session, None))
        if isinstance(operation, m.Join | m.Leave):
            session.moving = False
        return operation

    def _finish(self, session: Session, operation: m.Operation | None, result: m.Result) -> None:
        if operation is not None:
            self._outbox.finish(session, result)
        else:  # its session may resume here one day, and ask
            session.last_op = max(session.last_op, result.op)
            session.remember(result.op, result)

    def _no_longer_expected(self, name: str) -> None:
        self._expected[name] -= 1
        if self._expected[name] <= 0:
            del self._expected[name]

    def _ask(self, session: Session, said: Said, rooms: Iterable[Room], now: Ns) -> int:
        asked = {sid for room in rooms for sid, member in room.members.items() if member.here}
        if said.skip_self:
            asked.discard(session.sid)
        session.asking += 1
        number = self._standing.heard
        self._questions.ask(number, session.sid, said.op, asked, said.answer_ms * MS, now)
        return number

    def _tell_answers(self, finished: Iterable[tuple[str, m.Answers]], sessions: Mapping[str, Session]) -> None:
        for asker, answers in finished:
            session = sessions.get(asker)
            if session is not None:
                session.asking -= 1
                data = m.encode_json(answers)
                session.remember(answers.op, data)  # who asks again, after a cut, is told these
                self._outbox.tell(session, data, loose=False)

    def _broadcast(self, rooms: list[Room], event: m.RoomEvent, skip: Session | None) -> None:
        """Say it to the members of the rooms, once to each, and keep it for those who are cut off."""
        if len(rooms) == 1:
            recipients = rooms[0].recipients
        else:
            recipients = tuple(dict.fromkeys(conn for room in rooms for conn in room.recipients))
        data, message_id = m.encode_json(event), self._outbox.next_message_id()
        self._history.add(rooms, message_id, data, event.rooms, skip.sid if skip else None)
        skip_conn = skip.conn if skip else None
        self._outbox.counters["messages_out"] += len(recipients) - (skip is not None and skip_conn in recipients)
        if recipients:
            self._outbox.add(Send(recipients, message_id, data, skip_conn))

    def _leave(self, session: Session, name: str, reason: Literal["left", "quit", "lost"], time: int) -> dict[str, int]:
        """Take the session out of the room, and tell the others; the number of that. None where the room ends."""
        room = self.rooms[name]
        del room.members[session.sid], session.rooms[name]
        room.changed()
        if not room.members:
            del self.rooms[name]
            self._history.drop(room)
            self.public -= not room.own
            return {}
        numbers = _next_numbers([room])
        left = m.Left(rooms=numbers, sid=session.sid, name=session.name, time=time, reason=reason)
        self._broadcast([room], left, None)
        return numbers


def _next_numbers(rooms: Iterable[Room]) -> dict[str, int]:
    numbers = {}
    for room in rooms:
        room.last += 1
        numbers[room.name] = room.last
    return numbers
