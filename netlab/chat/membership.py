"""Who is in which room, and what is said there, in the store's order.

Whatever changes or fills a room is stored first: `Store` goes out, and when `Stored` comes back with the number it is
carried out: the member enters, the message goes to those who are members now, the one who asked is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from netlab.chat import messages as m
from netlab.chat.hub_events import Send
from netlab.chat.limits import ChatLimits
from netlab.chat.operations import Refusal, check_emit, check_join, room_of
from netlab.chat.outbox import Outbox
from netlab.chat.questions import Questions
from netlab.chat.rooms import History, Room, missed
from netlab.chat.sessions import Session
from netlab.chat.store import Forget, Store, Stored
from netlab.units import MS, Ns


class _Storing(msgspec.Struct, frozen=True):
    """An event that waits for its numbers, and the operation it comes of (none where a session ended)."""

    session: Session
    operation: m.Join | m.Leave | m.Emit | None
    event: m.RoomEvent
    rooms: list[Room]


class Membership:
    """The rooms of a hub.

    Args:
        wall_offset: wall clock less `now`, ns: what to add to `now` for the time of day.
    """

    def __init__(self, outbox: Outbox, limits: ChatLimits, wall_offset: Ns) -> None:
        self.rooms: dict[str, Room] = {}
        """Every room by name, the sessions' own among them."""
        self.public = 0
        """Rooms that are not a session's own."""
        self._outbox = outbox
        self._limits = limits
        self._wall_offset = wall_offset
        self._history = History(per_room=limits.history, total_bytes=limits.history_bytes)
        self._storing: dict[int, _Storing] = {}
        self._last_ref = 0
        self._questions = Questions(limits)

    @property
    def deadline(self) -> Ns | None:
        """When the next question expires, absolute ns."""
        return self._questions.deadline

    @property
    def history_bytes(self) -> int:
        """Bytes kept for those who resume."""
        return self._history.bytes

    # What sessions do

    def open_own(self, session: Session) -> None:
        """Give a new session the room of its own."""
        own = self.rooms[session.sid] = Room(session.sid, own=True)
        own.members[session.sid] = session
        session.rooms[session.sid] = 0

    def connection_changed(self, session: Session) -> None:
        """The session got or lost its connection."""
        for name in session.rooms:
            self.rooms[name].changed()

    def end(self, session: Session, reason: Literal["quit", "lost"], now: Ns) -> None:
        """The session is over: take it out of its rooms, and have the others told."""
        session.conn, session.ended = None, reason
        session.held.clear()
        for name in session.rooms:
            room = self._take_out(session, name)
            if room is not None and not room.own:
                self._store(session, None, (name,), self._left(session, reason, now))
        session.rooms = {}

    def emit(self, session: Session, emit: m.Emit, now: Ns) -> None:
        """Have an event numbered.

        Raises:
            Refusal: as `check_emit`.
        """
        targets = check_emit(session, emit, self.rooms, self._limits)
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

    def join(self, session: Session, join: m.Join, now: Ns) -> None:
        """Have a join numbered. What the session asks for next waits until it is done.

        Raises:
            Refusal: as `check_join`.
        """
        name = check_join(session, join, self.rooms, self.public, self._limits)
        room = self.rooms.get(name)
        if room is None:
            room = self.rooms[name] = Room(name, own=False)
            self.public += 1
        elif name in session.rooms:
            self._outbox.finish(session, m.Result(join.op, "ok", rooms={name: room.last}, epoch=room.epoch))
            return
        room.expected += 1
        session.joining = True
        joined = m.Joined(rooms={}, sid=session.sid, name=session.name, time=self._time(now))
        self._store(session, join, (name,), joined)

    def leave(self, session: Session, leave: m.Leave, now: Ns) -> None:
        """Take the session out of a room, and have that numbered for the others.

        Raises:
            Refusal: `not_in_room`.
        """
        name = room_of(session, leave.room)
        if name == session.sid:
            raise Refusal("not_in_room", "a session stays in its own room")
        del session.rooms[name]
        if self._take_out(session, name) is None:
            self._outbox.finish(session, m.Result(leave.op, "ok"))
        else:
            self._store(session, leave, (name,), self._left(session, "left", now))

    def replay(self, session: Session, conn: int, seen: Mapping[str, int]) -> None:
        """Say again what the session has missed; and what nobody remembers any more, as gaps."""
        from_here = {name: max(seen.get(name, 0), joined_at) for name, joined_at in session.rooms.items()}
        gaps, entries = missed(from_here, self.rooms, session.sid)
        for gap in gaps:
            self._outbox.send(conn, m.Gap(*gap))
        for entry in entries:
            self._outbox.add(Send((conn,), entry.message_id, entry.data))

    def answer(self, session: Session, answer: m.Answer, sessions: Mapping[str, Session]) -> None:
        """Take an answer to a question; the asker is told when it is the last. One that can't be taken is counted: an
        answer is not answered."""
        try:
            finished = self._questions.answer(answer.ask, session.sid, answer.args)
        except Refusal as refusal:
            self._outbox.counters[refusal.code] += 1
            return
        if finished is not None:
            self._tell_answers([finished], sessions)

    def expire(self, now: Ns, sessions: Mapping[str, Session]) -> None:
        """Tell the askers whose time is over what was answered."""
        self._tell_answers(self._questions.expired(now), sessions)

    # What the store has numbered

    def stored(self, stored: Stored, now: Ns) -> Session:
        """Carry out what is numbered now; the session it came from is given back."""
        storing = self._storing.pop(stored.ref)
        session, operation = storing.session, storing.operation
        # A room may have ended meanwhile, and another of its name begun: these numbers are not of that one.
        rooms = [room for room in storing.rooms if self.rooms.get(room.name) is room]
        for room in rooms:
            room.last = stored.numbers[room.name]
        match operation:
            case m.Join():
                self._enter(session, rooms[0], operation, stored)
            case m.Emit(answer_ms=answer_ms) if answer_ms:
                event = msgspec.structs.replace(storing.event, ask=self._ask(session, operation, rooms, now))
                storing = msgspec.structs.replace(storing, event=event)
        skip_self = isinstance(operation, m.Emit) and operation.skip_self
        self._broadcast(
            rooms, msgspec.structs.replace(storing.event, rooms=stored.numbers), session if skip_self else None
        )
        if operation is not None:
            session.pending.discard(operation.op)
            epoch = stored.epoch if isinstance(operation, m.Join) else ""
            self._outbox.finish(session, m.Result(operation.op, "ok", rooms=stored.numbers, epoch=epoch))
        if isinstance(operation, m.Join):
            session.joining = False
            self._leave_again(session, rooms[0], now)
        return session

    def _store(
        self, session: Session, operation: m.Join | m.Leave | m.Emit | None, rooms: tuple[str, ...], event: m.RoomEvent
    ) -> None:
        self._last_ref += 1
        self._storing[self._last_ref] = _Storing(session, operation, event, [self.rooms[name] for name in rooms])
        if operation is not None:
            session.pending.add(operation.op)
        self._outbox.add(Store(self._last_ref, rooms, event))

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
                self._outbox.send(session.conn, m.Gap(room.name, join.seen + 1, None))
            elif join.seen + 1 < number:
                self._outbox.send(session.conn, m.Gap(room.name, join.seen + 1, number - 1))

    def _leave_again(self, session: Session, room: Room, now: Ns) -> None:
        """Where the session ended while its join was being stored, its leave follows the join."""
        if session.ended is not None:
            del session.rooms[room.name]
            if self._take_out(session, room.name) is not None:
                self._store(session, None, (room.name,), self._left(session, session.ended, now))

    def _ask(self, session: Session, emit: m.Emit, rooms: Iterable[Room], now: Ns) -> int:
        asked = {sid for room in rooms for sid, member in room.members.items() if member.conn is not None}
        if emit.skip_self:
            asked.discard(session.sid)
        session.asking += 1
        return self._questions.ask(session.sid, emit.op, asked, emit.answer_ms * MS, now)

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
        if not rooms:
            return  # the last member left while it was being stored
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

    def _take_out(self, session: Session, name: str) -> Room | None:
        """Take the session out of the room; None where the room ended with it."""
        room = self.rooms[name]
        del room.members[session.sid]
        room.changed()
        if not room.empty:
            return room
        del self.rooms[name]
        self._history.drop(room)
        self.public -= not room.own
        self._outbox.add(Forget(name))
        return None

    def _left(self, session: Session, reason: Literal["left", "quit", "lost"], now: Ns) -> m.Left:
        return m.Left(rooms={}, sid=session.sid, name=session.name, time=self._time(now), reason=reason)

    def _time(self, now: Ns) -> int:
        """The time of day, ms since 1970."""
        return (now + self._wall_offset) // MS
