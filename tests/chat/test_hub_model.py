"""A model of the hub: people come, go, are cut off and come back, in any order, and a simple account of it all agrees.

The account knows only what the hub confirmed: the number that a message got in each room, who was a member then, and
who asked not to hear it. The store answers late, one event at a time, so that everything can happen in between.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from netlab.chat import messages as m
from netlab.chat.limits import ChatLimits
from netlab.units import MS, S

from .desk import Desk, Person

ROOMS = ["tea", "pub", "inn"]
WINDOW = 10 * S


class Stay:
    """One person's time in one room, from its own join on. The epoch is known when the answer to the join is."""

    def __init__(self, room: str, since: int, epoch: str | None = None) -> None:
        self.room = room
        self.since = since
        self.epoch = epoch
        self.told: dict[int, Any] = {}
        self.gaps: set[int] = set()


class Member(Person):
    """A person with a memory of what it was told, as an honest client has one."""

    def __init__(self, desk: Desk, name: str, *, reliable: bool) -> None:
        super().__init__(desk, name, reliable=reliable)
        self.state = "new"
        self.seen: dict[str, int] = {}
        self.stays: list[Stay] = []
        self.now_in: dict[str, Stay] = {}
        self.results: dict[int, m.Result] = {}
        self.asked: dict[int, Any] = {}

    def waits_for(self, kind: type[Any], room: str) -> bool:
        waiting = (operation for op, operation in self.asked.items() if op not in self.results)
        return any(isinstance(operation, kind) and operation.room == room for operation in waiting)

    def enter(self, room: str, since: int) -> None:
        self.now_in[room] = Stay(room, since)
        self.stays.append(self.now_in[room])
        self.seen[room] = since - 1

    def send(self, kind: type[Any], *args: Any, **kwargs: Any) -> int:
        self.op += 1
        operation = kind(self.op, *args, **kwargs)
        self.asked[self.op] = operation
        if self.state == "open":
            self.say(operation)
        return self.op


class HubModel(RuleBasedStateMachine):
    """See the module."""

    members = Bundle("members")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(ChatLimits(message_rate=0, history=6, history_bytes=2_500, resume_window=WINDOW), delayed=True)
        self.people: list[Member] = []
        self.names = iter(f"n{k}" for k in range(10_000))

    # What may happen

    @precondition(lambda self: sum(member.state != "gone" for member in self.people) < 4)
    @rule(target=members, reliable=st.sampled_from([True, True, True, False]), rooms=st.sets(st.sampled_from(ROOMS)))
    def arrive(self, reliable: bool, rooms: set[str]) -> Member:
        member = Member(self.desk, next(self.names), reliable=reliable)
        self.desk.store_all()
        member.hello()
        self.desk.store_all()
        member.welcomed()
        member.state = "open"
        self.people.append(member)
        member.now_in[member.sid] = Stay(member.sid, 1, "")
        member.stays.append(member.now_in[member.sid])
        for room in sorted(rooms):
            member.send(m.Join, room)
        return member

    @rule(member=members, room=st.sampled_from(ROOMS))
    def join(self, member: Member, room: str) -> None:
        if not member.waits_for(m.Leave, room):  # seen numbers have no epoch: a client waits until it is out
            member.send(m.Join, room)

    @rule(member=members, room=st.sampled_from(ROOMS))
    def leave(self, member: Member, room: str) -> None:
        member.send(m.Leave, room)

    @rule(
        member=members,
        rooms=st.lists(st.sampled_from(ROOMS), min_size=1, max_size=3, unique=True),
        skip_self=st.booleans(),
        size=st.sampled_from([1, 1, 300]),
    )
    def emit(self, member: Member, rooms: list[str], skip_self: bool, size: int) -> None:
        op = member.op + 1
        member.send(m.Emit, "say", rooms, [member.name, op, "x" * size], skip_self)

    @rule(member=members, to=members)
    def whisper(self, member: Member, to: Member) -> None:
        member.send(m.Emit, "say", [to.sid], [member.name, member.op + 1, ""])

    @rule(member=members)
    def repeat_the_latest(self, member: Member) -> None:
        """Over udp a join or leave is repeated; over tcp after a cut."""
        if (
            member.state == "open"
            and member.op
            and (member.reliable or not isinstance(member.asked[member.op], m.Emit))
        ):
            member.say(member.asked[member.op])

    @precondition(lambda self: self.desk.pending)
    @rule(count=st.integers(1, 6))
    def store(self, count: int) -> None:
        for _ in range(min(count, len(self.desk.pending))):
            self.desk.store_next()

    @rule(member=members)
    def cut(self, member: Member) -> None:
        if member.state == "open":
            self.listen()
            member.cut()
            member.state = "cut" if member.reliable else "gone"

    @rule(member=members, loses=st.integers(0, 3))
    def cut_that_loses_what_was_on_its_way(self, member: Member, loses: int) -> None:
        """The last things told never arrived: they are asked for at the return."""
        if member.state != "open" or not member.reliable:
            return
        unread = self.desk.told[member.conn][self.desk._read[member.conn] :]
        kept = len(unread) - min(loses, len(unread))
        self.take(member, unread[:kept])
        self.desk._read[member.conn] += len(unread)
        member.cut()
        member.state = "cut"

    @rule(member=members)
    def come_back(self, member: Member) -> None:
        if member.state != "cut":
            return
        told = member.resume(dict(member.seen))
        assert isinstance(told[0], m.Welcome)
        assert told[0].resumed
        member.state = "open"
        self.take(member, told)
        for op, operation in member.asked.items():
            if op not in member.results:
                member.say(operation)

    @rule(member=consumes(members), polite=st.booleans())
    def go(self, member: Member, polite: bool) -> None:
        if member.state != "open":
            return
        self.listen()
        member.quit() if polite or member.reliable else member.cut()
        member.state = "gone"

    @rule(duration=st.sampled_from([100 * MS, 3 * S, WINDOW]))
    def time_passes(self, duration: int) -> None:
        self.listen()
        cut_at = self.desk.hub._presence.cut_off.copy()
        self.desk.wait(duration)
        for member in self.people:
            if member.state == "cut" and cut_at[member.sid] <= self.desk.now:
                member.state = "gone"

    # What must be so

    @invariant()
    def listen(self) -> None:
        for member in self.people:
            if member.state == "open":
                self.take(member, member.heard())

    def take(self, member: Member, told: list[Any]) -> None:
        for message in told:
            match message:
                case m.Message() | m.Joined() | m.Left():
                    self.take_event(member, message)
                case m.Gap(room=room, first=first, last=last):
                    assert last is not None
                    if room not in member.now_in:  # its join was done during a cut: the answer is still to come
                        member.enter(room, first)
                    assert first == member.seen.get(room, 0) + 1, "a gap begins behind what was seen"
                    member.now_in[room].gaps.update(range(first, last + 1))
                    member.seen[room] = last
                case m.Result():
                    self.take_result(member, message)
                case m.Welcome() | m.Answers():
                    pass
                case _:
                    raise AssertionError(message)

    def take_event(self, member: Member, event: m.RoomEvent) -> None:
        what = event.args[:2] if isinstance(event, m.Message) else (type(event).__name__, event.name)
        if isinstance(event, m.Joined) and event.sid == member.sid:
            [(room, number)] = event.rooms.items()
            member.enter(room, number)
        in_these = [room for room in event.rooms if room in member.now_in]
        assert in_these, f"{member.name} was told {event} and is in none of its rooms"
        for room in in_these:
            number, stay = event.rooms[room], member.now_in[room]
            assert number not in stay.told, "once"
            assert number > member.seen.get(room, 0), "in order"
            stay.told[number] = (what, event.rooms)
            member.seen[room] = number
        if isinstance(event, m.Message) and event.sid == member.sid:
            assert not member.asked[event.op].skip_self

    def take_result(self, member: Member, result: m.Result) -> None:
        before = member.results.get(result.op)
        if before is not None:
            assert (before.status, before.rooms) == (result.status, result.rooms), "answered again, the same"
            return
        member.results[result.op] = result
        operation = member.asked[result.op]
        joins = (op for op, asked in member.asked.items() if isinstance(asked, m.Join) and asked.room == operation.room)
        if isinstance(operation, m.Leave) and result.status == "ok" and set(joins) <= set(member.results):
            member.now_in.pop(operation.room, None)
            member.seen.pop(operation.room, None)
        if isinstance(operation, m.Join) and result.status == "ok":
            for stay in member.stays:  # the answer to a join that did nothing has no stay of its own
                if stay.epoch is None and result.rooms == {stay.room: stay.since}:
                    stay.epoch = result.epoch
                    break

    @invariant()
    def nobody_is_in_a_room_without_the_hub_knowing(self) -> None:
        hub = self.desk.hub
        for name, room in hub._membership.rooms.items():
            assert room.members or room.own, f"{name} is empty and kept"
            for sid, session in room.members.items():
                assert hub._sessions[sid] is session
                assert name in session.rooms
        assert hub._membership._history.bytes == sum(
            len(entry.data) for entry, _ in hub._membership._history._entries.values()
        )
        kept = {id(entry) for room in hub._membership.rooms.values() for entry in room.history}
        assert kept == {id(entry) for entry, _ in hub._membership._history._entries.values()}, (
            "nothing is kept for rooms that ended"
        )
        assert hub._membership._history.bytes <= hub.limits.history_bytes

    def teardown(self) -> None:
        self.desk.store_all()
        for member in self.people:  # those who were cut come back for what they missed
            if member.state == "cut":
                self.come_back(member)
        self.desk.store_all()
        self.listen()
        self.everything_arrived()
        for member in self.people:
            if member.state == "open":
                member.quit()
        self.desk.store_all()
        self.desk.wait(60 * S)
        self.desk.store_all()
        self.desk.assert_empty()

    def everything_arrived(self) -> None:
        """Who is still there has heard, or been told a gap for, every number since its join."""
        for member in self.people:
            if member.state != "open":
                continue
            session = self.desk.hub._sessions[member.sid]
            for room in session.rooms:
                stay = member.now_in[room]
                last = self.desk.hub._membership.rooms[room].last
                mine = {
                    result.rooms[room]
                    for op, result in member.results.items()
                    if getattr(member.asked[op], "skip_self", False) and room in result.rooms
                }
                missing = set(range(stay.since, last + 1)) - set(stay.told) - stay.gaps - mine
                assert not missing, f"{member.name} misses {missing} of {room}"
                assert not stay.told.keys() & stay.gaps, "told, and called missing"
            assert session.rooms.keys() == member.now_in.keys()
            for op, result in member.results.items():
                assert result.status in ("ok", "failed"), op
            assert set(member.results) == set(member.asked), "every operation is answered"
        order: dict[tuple[str, str | None, int], Any] = {}
        for member in self.people:
            for stay in member.stays:
                for number, what in stay.told.items():
                    if stay.epoch is not None:
                        assert order.setdefault((stay.room, stay.epoch, number), what) == what, "one order for all"


TestHubModel = HubModel.TestCase
TestHubModel.settings = settings(max_examples=150, stateful_step_count=40)
