"""The client's machine, alone and on a wire to a hub."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import msgspec
import pytest

from netlab.chat import messages as m
from netlab.chat.client import ChatClient
from netlab.chat.client_events import (
    Ask,
    Changed,
    Connected,
    CookieArrived,
    Dial,
    Disconnected,
    Done,
    Hangup,
    Happened,
    Leave,
    Outcome,
    Output,
    Received,
    Reply,
    Start,
    TimerFired,
    Transmit,
)
from netlab.chat.limits import ENVELOPE, WINDOW, ChatLimits
from netlab.chat.room_view import RoomView
from netlab.errors import MessageTooBig
from netlab.packets.limits import MAX_MESSAGE
from netlab.protocols.connection import WIRE_MESSAGE
from netlab.units import MS, Ns, S

from .wire import Client, World

T0: Ns = 50 * S


class Alone:
    """A client machine and a hand-made hub: what it sends is looked at, what it hears is made up."""

    def __init__(self, *, reliable: bool = True, rate: m.Rate | None = None, redial_for: Ns = 120 * S) -> None:
        self.machine = ChatClient("ann", reliable=reliable, redial_for=redial_for)
        self.now = T0
        self.rate = rate
        self.ref = 0

    def step(self, event: Any) -> list[Output]:
        return self.machine.handle(event, self.now)

    def hear(self, message: m.HubMessage | bytes) -> list[Output]:
        return self.step(Received(message if isinstance(message, bytes) else m.encode_json(message)))

    def welcome(self, *, resumed: bool = False, secret: str = "secret") -> list[Output]:
        return self.hear(
            m.Welcome(sid="SID", name="ann", secret=secret, max_message=MAX_MESSAGE, resumed=resumed, rate=self.rate)
        )

    def opened(self, *rooms: str) -> Alone:
        assert self.step(Start()) == [Dial()]
        self.step(Connected())
        assert self.welcome() == [Changed("open")]
        for room in rooms:
            self.ask(m.Join(0, room))
            op = self.machine._next_op
            self.hear(m.Joined(rooms={room: 1}, sid="SID", name="ann", time=0))
            self.hear(m.Result(op, "ok", rooms={room: 1}, epoch="E"))
        return self

    def ask(self, operation: m.Operation) -> list[Output]:
        self.ref += 1
        return self.step(Ask(self.ref, operation))

    def wait(self, duration: Ns) -> list[tuple[int, Output]]:
        """Time passes; what came of it, each with the ms after the start."""
        until = self.now + duration
        happened: list[tuple[int, Output]] = []
        while (at := self.machine.deadline) is not None and at <= until:
            self.now = max(at, self.now)
            happened += [((self.now - T0) // MS, output) for output in self.step(TimerFired())]
        self.now = until
        return happened


def sent(outputs: list[Output]) -> list[Any]:
    return [m.decode_client_message(output.data) for output in outputs if isinstance(output, Transmit)]


def done(outputs: list[Output]) -> list[tuple[int, str, str]]:
    return [(o.ref, o.outcome.status, o.outcome.code) for o in outputs if isinstance(o, Done)]


EMIT = m.Emit(0, "say", ["tea"], ["hi"])


# Outcomes


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        (m.Result(1, "ok", rooms={"tea": 7}), Outcome("ok", rooms={"tea": 7})),
        (m.Result(1, "failed", code="too_big", detail="d"), Outcome("failed", code="too_big", detail="d")),
        (m.Result(1, "ok", data=[1]), Outcome("ok", data=[1])),
    ],
)
def test_what_the_hub_says_of_an_operation_is_its_outcome(result: m.Result, outcome: Outcome) -> None:
    alone = Alone().opened()
    assert sent(alone.ask(EMIT)) == [m.Emit(1, "say", ["tea"], ["hi"])]
    assert not alone.machine.idle
    assert alone.hear(result) == [Done(1, outcome)]
    assert alone.machine.idle
    assert alone.hear(result) == [], "said twice, ended once"


def test_a_hub_that_no_longer_knows_leaves_it_unknown() -> None:
    """`failed` means surely not done; of an operation of long ago the hub can't say that."""
    alone = Alone().opened()
    alone.ask(EMIT)
    assert done(alone.hear(m.Result(1, "failed", code="stale_operation"))) == [(1, "unknown", "stale_operation")]


def test_before_the_welcome_operations_wait_and_then_go_in_order() -> None:
    alone = Alone()
    alone.step(Start())
    assert alone.ask(m.Join(0, "tea")) == alone.ask(EMIT) == []
    alone.step(Connected())
    assert [type(message) for message in sent(alone.welcome())] == [m.Join, m.Emit]


def test_at_the_end_what_was_sent_is_unknown_and_what_was_not_has_failed() -> None:
    alone = Alone(rate=m.Rate(10, 2, 10**6)).opened()
    alone.ask(EMIT)
    alone.ask(EMIT)  # the pace holds it back
    assert done(alone.step(Leave())) == [(1, "unknown", ""), (2, "failed", "")]
    assert done(alone.ask(EMIT)) == [(3, "failed", "")]
    assert alone.step(Leave()) == []
    assert alone.machine.deadline is None


def test_too_big_raises_to_the_caller_and_the_client_goes_on() -> None:
    alone = Alone().opened()
    with pytest.raises(MessageTooBig, match="262145 B") as caught:
        alone.ask(m.Emit(0, "say", ["tea"], ["x" * (MAX_MESSAGE + 1)]))
    assert caught.value.code == "too_big"
    assert sent(alone.ask(m.Emit(0, "say", ["tea"], ["x" * MAX_MESSAGE])))[0].op == 1


@pytest.mark.parametrize(
    "operation",
    [
        m.Emit(0, "e" * MAX_MESSAGE, ["tea"], ["x"]),
        m.Emit(0, "say", [f"room-{n}" for n in range(1000)], ["x" * MAX_MESSAGE]),
        m.Join(0, "x" * (MAX_MESSAGE + ENVELOPE)),
        m.Find(0, "x" * (MAX_MESSAGE + ENVELOPE)),
    ],
    ids=["event", "rooms", "room", "name"],
)
def test_nothing_is_sent_that_the_wire_does_not_take(operation: m.Operation) -> None:
    alone = Alone().opened()
    with pytest.raises(MessageTooBig):
        alone.ask(operation)
    assert alone.machine.idle
    assert sent(alone.ask(EMIT))[0].op == 1


@pytest.mark.parametrize(
    "operation",
    [
        m.Join(0, "\ud800"),
        m.Leave(0, "\udfff"),
        m.Emit(0, "\ud800", ["tea"], []),
        m.Emit(0, "say", ["\ud800"], []),
        m.Emit(0, "say", ["tea"], ["\ud800"]),
        m.Emit(0, "say", ["tea"], [object()]),
        m.Emit(0, "say", ["tea"], [{1: {2: {(): 3}}}]),
    ],
)
def test_what_json_can_not_say_raises_to_the_caller_and_the_client_goes_on(operation: m.Operation) -> None:
    alone = Alone().opened()
    with pytest.raises((UnicodeEncodeError, TypeError)):
        alone.ask(operation)
    assert alone.machine.idle, "it is not tried again"
    assert sent(alone.ask(EMIT)) == [m.Emit(1, "say", ["tea"], ["hi"])]


# Hello


def test_hello_with_a_cookie_and_over_udp_until_it_is_answered() -> None:
    alone = Alone(reliable=False)
    alone.step(Start())
    assert sent(alone.step(Connected())) == [m.Hello(name="ann")]
    assert sent(alone.step(CookieArrived("c"))) == [m.Hello(name="ann", cookie="c")]
    repeats = alone.wait(14_999 * MS)
    assert [at for at, _ in repeats] == list(range(250, 15_000, 250))
    assert {message.cookie for message in sent([output for _, output in repeats])} == {"c"}
    end = [output for _, output in alone.wait(1 * S)]
    assert end[0] == Hangup()
    assert end[1].status == "ended"
    assert alone.wait(1000 * S) == []


def test_over_tcp_hello_is_said_once_and_awaited_as_long() -> None:
    alone = Alone()
    alone.step(Start())
    alone.step(Connected())
    assert [type(output) for _, output in alone.wait(15 * S)] == [Hangup, Changed]
    assert alone.step(CookieArrived("late")) == []


@pytest.mark.parametrize("code", ["name_taken", "bad_name", "bad_token"])
def test_who_is_not_taken_does_not_try_again(code: str) -> None:
    alone = Alone()
    alone.step(Start())
    alone.step(Connected())
    assert alone.hear(m.Goodbye(code, "why")) == [Hangup(), Changed("ended", code, "why")]
    assert alone.step(Disconnected("late")) == []
    assert alone.wait(500 * S) == []


def test_name_taken_after_a_restart_of_the_server_ends_it_too() -> None:
    alone = Alone().opened()
    alone.step(Disconnected("cut"))
    alone.wait(250 * MS)
    alone.step(Connected())
    assert alone.hear(m.Goodbye("name_taken", ""))[-1].status == "ended"


def test_who_was_never_in_does_not_redial() -> None:
    alone = Alone()
    alone.step(Start())
    assert alone.step(Disconnected("nobody listens")) == [Changed("ended", "", "nobody listens")]


def test_a_client_that_is_ended_while_it_dials_says_nothing_more() -> None:
    alone = Alone()
    alone.step(Start())
    assert alone.step(Leave()) == [Changed("ended", "", "left")]
    assert alone.step(Connected()) == []
    assert alone.welcome() == []
    assert alone.step(Disconnected("")) == []
    assert alone.machine.deadline is None


# Cuts


def test_redial_backs_off_and_gives_up_when_the_window_is_over() -> None:
    alone = Alone(redial_for=20 * S).opened()
    assert alone.step(Disconnected("cut")) == [Changed("reconnecting", "", "cut")]
    dials = []
    while alone.machine.deadline is not None:
        dials += [at for at, output in alone.wait(alone.machine.deadline - alone.now) if output == Dial()]
        ended = alone.step(Disconnected("refused"))
    assert dials == [250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 22_750]
    assert [output.status for output in ended] == ["ended"]


def test_the_back_off_starts_anew_after_a_welcome() -> None:
    alone = Alone().opened()
    for _ in range(2):
        start = (alone.now - T0) // MS
        alone.step(Disconnected("cut"))
        assert alone.wait(250 * MS) == [(start + 250, Dial())]
        alone.step(Disconnected("refused"))
        assert alone.wait(500 * MS) == [(start + 750, Dial())]
        alone.step(Connected())
        assert alone.welcome(resumed=True) == [Changed("resumed")]


def test_without_redial_a_cut_is_the_end() -> None:
    alone = Alone(redial_for=0).opened()
    alone.ask(EMIT)
    assert done(alone.step(Disconnected("cut"))) == [(1, "unknown", "")]
    assert alone.wait(500 * S) == []


def test_a_second_word_about_the_same_cut_changes_nothing() -> None:
    alone = Alone().opened()
    alone.step(Disconnected("cut"))
    deadline = alone.machine.deadline
    assert alone.step(Disconnected("cut, again")) == []
    assert alone.machine.deadline == deadline


@pytest.mark.parametrize("code", ["slow_consumer", "server_full", "unknown_session", "dead_peer", "hello_timeout"])
def test_a_goodbye_that_is_not_for_good_is_a_cut(code: str) -> None:
    alone = Alone().opened()
    assert alone.hear(m.Goodbye(code, "d")) == [Hangup(), Changed("reconnecting", code, "d")]
    assert alone.wait(250 * MS)[0][1] == Dial()


@pytest.mark.parametrize("code", ["server_closed", "resumed_elsewhere"])
def test_a_goodbye_for_good(code: str) -> None:
    alone = Alone().opened()
    assert alone.hear(m.Goodbye(code, "d")) == [Hangup(), Changed("ended", code, "d")]


def test_after_a_cut_hello_resumes_with_what_was_seen_and_everything_under_way_is_sent_again() -> None:
    alone = Alone().opened("tea")
    alone.hear(m.Message(rooms={"tea": 2}, sid="B", name="bob", op=1, time=0, event="say", args=["x"]))
    operations = sent(alone.ask(EMIT)) + sent(alone.ask(m.Who(0, "tea"))) + sent(alone.ask(m.Leave(0, "tea")))
    alone.step(Disconnected("cut"))
    assert alone.ask(EMIT) == []
    alone.wait(250 * MS)
    [hello] = sent(alone.step(Connected()))
    assert hello.resume == m.Resume("SID", "secret", {"SID": 0, "tea": 2})
    outputs = alone.welcome(resumed=True)
    assert outputs[0] == Changed("resumed")
    assert sent(outputs) == [*operations, m.Emit(5, "say", ["tea"], ["hi"])]


def test_a_resume_to_the_full_window_keeps_to_the_pace() -> None:
    """The hub's bucket is not larger because a connection was cut."""
    world = World(limits=ChatLimits(message_rate=10, message_burst=40), delay=100 * MS)
    ann = world.client("ann", "tea")
    world.run(20 * S)
    refs = [ann.emit(n, "tea") for n in range(200)]
    for _ in range(4):
        world.run(50 * MS)  # shorter than the way: all that was sent is lost
        world.drop(ann)
        world.run(3 * S)
        world.drop(ann)
    world.run(60 * S)
    assert {ann.outcomes[ref].status for ref in refs} == {"ok"}
    assert world.hub.counters["rate_limited"] == 0


def test_a_question_whose_answers_were_lost_in_a_cut_is_answered_after_it() -> None:
    world = World()
    ann, bob = world.client("ann", "tea"), world.client("bob", "tea")
    world.run(1 * S)
    ref = ann.emit("?", "tea", skip_self=True, answer_ms=5_000)
    world.run(100 * MS)
    question = bob.happened[-1]
    assert ref not in ann.outcomes
    world.drop(ann)
    bob.step(Reply(m.Answer(question.ask, ["b"])))
    world.run(2 * S)
    assert ann.outcomes[ref].data.answers == {bob.machine.sid: ["b"]}


# A new session after the old one is lost


def test_after_a_restart_emits_are_unknown_and_rooms_are_rejoined_with_what_was_seen() -> None:
    alone = Alone().opened("tea")
    alone.hear(m.Message(rooms={"tea": 5}, sid="B", name="bob", op=1, time=0, event="say", args=["x"]))
    alone.ask(EMIT)
    alone.ask(m.Join(0, "pub"))
    alone.step(Disconnected("cut"))
    alone.ask(EMIT)
    alone.wait(250 * MS)
    alone.step(Connected())
    outputs = alone.welcome(resumed=False, secret="new")
    assert outputs[0] == Changed("restarted")
    assert done(outputs) == [(2, "unknown", "")]
    assert sent(outputs) == [
        m.Join(3, "pub"),
        m.Join(4, "tea", 5, "E"),
        m.Emit(5, "say", ["tea"], ["hi"]),
    ]


def test_a_room_left_while_the_server_restarts_is_not_joined_again() -> None:
    world = World()
    ann = world.client("ann", "tea", "pub")
    world.run(1 * S)
    world.restart_server()
    ref = ann.ask(m.Leave(0, "tea"))
    world.run(5 * S)
    assert ann.outcomes[ref].status == "ok"
    assert sorted(world.hub._membership.rooms) == sorted(["pub", ann.machine.sid])
    assert set(ann.machine.rooms) == {"pub", ann.machine.sid}


def test_a_restart_on_the_wire_tells_the_gap_and_goes_on() -> None:
    world = World()
    ann, bob = world.client("ann", "tea"), world.client("bob", "tea")
    world.run(1 * S)
    ann.emit("before", "tea")
    world.run(1 * S)
    world.restart_server()
    world.run(5 * S)
    ann.emit("after", "tea")
    world.run(1 * S)
    assert bob.texts() == ["before", "after"]
    assert [(gap.room, gap.first, gap.last) for gap in bob.gaps()] == [("tea", 4, None)]
    assert [change.status for change in bob.changes] == ["open", "reconnecting", "restarted"]
    assert bob.machine.missing == 0


@pytest.mark.parametrize("seed", range(10))
def test_restarts_before_the_rooms_are_joined_again_lose_no_room(seed: int) -> None:
    rng = random.Random(seed)
    world = World()
    ann = world.client("ann", "tea", "pub")
    world.run(1 * S)
    world.restart_server()
    for _ in range(5):
        world.run(rng.randrange(255, 320) * MS)
        world.restart_server()
    world.run(20 * S)
    assert set(ann.machine.rooms) == {"tea", "pub", ann.machine.sid}
    assert set(world.hub._membership.rooms) == set(ann.machine.rooms)


def test_a_leave_that_is_under_way_when_the_server_restarts_is_done() -> None:
    world = World()
    ann = world.client("ann", "\ufb01n", "pub")
    world.run(1 * S)
    ref = ann.ask(m.Leave(0, "\ufb01n"))
    world.run(2 * MS)
    world.restart_server()
    world.run(5 * S)
    assert ann.outcomes[ref].status == "ok"
    assert set(ann.machine.rooms) == set(world.hub._membership.rooms) == {"pub", ann.machine.sid}


def test_a_room_that_can_not_be_joined_again_is_told() -> None:
    world = World(limits=ChatLimits(members=1))
    ann = world.client("ann", "tea")
    world.run(1 * S)
    world.restart_server()
    world.client("bob", "tea")
    world.run(5 * S)
    assert ann.gaps() == [m.Gap("tea", 2, None)]
    assert ann.machine.counters["rooms_lost"] == 1
    assert set(ann.machine.rooms) == {ann.machine.sid}


def test_a_room_is_left_whatever_its_spelling() -> None:
    world = World()
    ann = world.client("ann", "\ufb01n")
    world.run(1 * S)
    assert "fin" in ann.machine.rooms
    ann.ask(m.Leave(0, "\ufb01n"))
    world.run(1 * S)
    assert set(ann.machine.rooms) == {ann.machine.sid}


# Pace and window


def test_at_most_a_window_is_under_way() -> None:
    alone = Alone().opened()
    assert sum(len(sent(alone.ask(EMIT))) for _ in range(WINDOW + 50)) == WINDOW
    assert len(sent(alone.hear(m.Result(1, "ok")))) == 1


@pytest.mark.parametrize(
    "rate", [ChatLimits(), ChatLimits(message_rate=5, message_burst=1), ChatLimits(byte_rate=5000)]
)
def test_a_client_keeps_to_the_rate_of_the_hub(rate: ChatLimits) -> None:
    world = World(limits=rate)
    ann, bob = world.client("ann", "tea"), world.client("bob", "tea")
    world.run(2 * S)
    refs = [ann.emit(f"{n:0500}", "tea") for n in range(150)]
    world.run(60 * S)
    assert [ann.outcomes[ref].status for ref in refs] == ["ok"] * 150
    assert len(bob.texts()) == 150
    assert world.hub.counters["rate_limited"] == 0


def test_a_message_larger_than_the_rate_of_bytes_goes_too() -> None:
    world = World(limits=ChatLimits(byte_rate=10_000))
    ann, bob = world.client("ann", "tea"), world.client("bob", "tea")
    world.run(1 * S)
    refs = [ann.emit("x" * MAX_MESSAGE, "tea") for _ in range(2)]
    world.run(60 * S)
    assert [ann.outcomes[ref].status for ref in refs] == ["ok", "ok"]
    assert len(bob.texts()) == 2


# Best effort


def test_over_udp_join_is_repeated_every_250_ms_for_15_s() -> None:
    alone = Alone(reliable=False).opened()
    alone.ask(m.Join(0, "tea"))
    happened = alone.wait(20 * S)
    assert [at for at, output in happened if isinstance(output, Transmit)] == list(range(250, 15_000, 250))
    assert [(at, done([output])) for at, output in happened if isinstance(output, Done)] == [
        (15_000, [(1, "unknown", "")])
    ]
    assert alone.machine.counters["repeats"] == 59


def test_over_udp_an_emit_is_sent_once_and_unknown_after_2_s() -> None:
    alone = Alone(reliable=False).opened()
    assert len(sent(alone.ask(EMIT))) == 1
    assert [(at, done([output])) for at, output in alone.wait(60 * S)] == [(2_000, [(1, "unknown", "")])]
    assert alone.hear(m.Result(1, "ok", rooms={"tea": 3})) == [], "too late: it has ended"


def test_what_the_counters_say_of_a_room() -> None:
    view = RoomView(10, "")
    view.begin(11)
    script = [
        # number, how, missing
        (11, "next", set()),
        (14, "next", {12, 13}),
        (13, "late", {12}),
        (13, "again", {12}),
        (14, "again", {12}),
        (9, "late", {12}),  # of an earlier stay: it was not here before
        (12, "late", set()),
        (15, "next", set()),
    ]
    for number, how, missing in script:
        assert (view.see(number), view.missing) == (how, missing), number


def test_what_comes_before_the_answer_to_a_join_in_any_order_is_neither_missing_nor_double() -> None:
    view = RoomView(3, "")  # 4 came first, while the join was under way
    assert [view.see(number) for number in (4, 3, 2, 3)] == ["next", "late", "late", "again"]
    view.begin(2)  # our own join, number 2
    assert (view.first, view.last, view.missing) == (2, 4, set())
    view = RoomView(3, "")
    view.see(4)
    view.begin(2)
    assert view.missing == {2, 3}
    view = RoomView(3, "")  # 4 was of an earlier stay: the answer says that this one begins at 8
    view.see(4)
    view.begin(8)
    assert (view.first, view.last, view.missing) == (8, 7, set())


def test_our_own_join_that_comes_late_after_we_left_an_empty_room_is_no_new_join() -> None:
    """Where nobody is left in a room, the leaving has no number. (Found by seed 1193 of the simulated chat.)"""
    alone = Alone(reliable=False).opened()
    alone.ask(m.Join(0, "tea"))
    alone.hear(m.Result(1, "ok", rooms={"tea": 1}, epoch="e"))
    alone.ask(m.Leave(0, "tea"))
    alone.hear(m.Result(2, "ok"))
    alone.hear(m.Joined(rooms={"tea": 1}, sid=alone.machine.sid, name=alone.machine.name, time=0))
    assert "tea" not in alone.machine.rooms
    alone.ask(m.Join(0, "tea"))  # others have made the room anew, and are in it
    alone.hear(m.Joined(rooms={"tea": 3}, sid=alone.machine.sid, name=alone.machine.name, time=0))
    alone.hear(m.Result(3, "ok", rooms={"tea": 3}, epoch="f"))
    assert alone.machine.missing == 0


def test_our_own_join_that_comes_late_after_we_left_is_no_new_join() -> None:
    alone = Alone(reliable=False).opened()
    alone.ask(m.Join(0, "tea"))
    alone.hear(m.Result(1, "ok", rooms={"tea": 2}, epoch="e"))
    alone.ask(m.Leave(0, "tea"))
    alone.hear(m.Result(2, "ok", rooms={"tea": 3}))
    joined = m.Joined(rooms={"tea": 2}, sid=alone.machine.sid, name=alone.machine.name, time=0)
    alone.hear(joined)
    assert "tea" not in alone.machine.rooms
    alone.ask(m.Join(0, "tea"))
    alone.hear(m.Result(3, "ok", rooms={"tea": 7}, epoch="e"))
    alone.hear(joined)
    alone.hear(msgspec.structs.replace(joined, rooms={"tea": 7}))
    view = alone.machine.rooms["tea"]
    assert (view.first, view.last, view.missing) == (7, 7, set())


@pytest.mark.parametrize(
    ("reliable", "shown", "counters"),
    [
        (False, [2, 2, 5, 4, 4, 6], {"events": 7, "duplicates": 2, "reordered": 1}),
        (True, [2, 5, 4, 6], {"events": 5, "duplicates": 2, "reordered": 1}),
    ],
    ids=["udp", "tcp"],
)
def test_duplicates_are_counted_and_over_udp_shown(reliable: bool, shown: list[int], counters: dict[str, int]) -> None:
    alone = Alone(reliable=reliable).opened("tea")  # its own join is the first event
    told = []
    for number in (2, 2, 5, 4, 4, 6):
        outputs = alone.hear(
            m.Message(rooms={"tea": number}, sid="B", name="bob", op=1, time=0, event="say", args=[number])
        )
        told += [output.event.args[0] for output in outputs if isinstance(output, Happened)]
    assert told == shown
    assert alone.machine.counters == counters
    assert alone.machine.missing == 1
    assert alone.machine.rooms["tea"].missing == {3}


def test_a_number_far_ahead_does_not_fill_the_memory() -> None:
    alone = Alone(reliable=False).opened("tea")
    for number in (10**9, 10**18, 2**63):
        alone.hear(m.Message(rooms={"tea": number}, sid="B", name="bob", op=1, time=0, event="say"))
    assert alone.machine.missing <= 3_000


def test_ones_own_number_said_to_all_but_oneself_is_not_missing() -> None:
    alone = Alone().opened("tea")
    alone.ask(m.Emit(0, "say", ["tea"], ["x"], skip_self=True))
    alone.hear(m.Result(2, "ok", rooms={"tea": 2}))
    alone.hear(m.Message(rooms={"tea": 3}, sid="B", name="bob", op=1, time=0, event="say"))
    assert alone.machine.missing == 0


def test_a_gap_is_told_and_not_missing_twice() -> None:
    alone = Alone().opened("tea")
    gap = m.Gap("tea", 2, 9)
    assert alone.hear(gap) == [Happened(gap)]
    alone.hear(m.Message(rooms={"tea": 10}, sid="B", name="bob", op=1, time=0, event="say"))
    assert alone.machine.missing == 0
    assert alone.machine.counters["gaps"] == 1


def test_a_gap_before_the_answer_to_the_join_is_not_missing_twice() -> None:
    """The join was done, and its answer lost; the history no longer holds what came after it."""
    alone = Alone().opened()
    alone.ask(m.Join(0, "tea"))
    alone.step(Disconnected("cut"))
    alone.wait(250 * MS)
    alone.step(Connected())
    alone.welcome(resumed=True)
    alone.hear(m.Gap("tea", 2, 9))
    alone.hear(m.Message(rooms={"tea": 10}, sid="B", name="bob", op=1, time=0, event="say"))
    alone.hear(m.Result(1, "ok", rooms={"tea": 2}, epoch="E"))
    assert alone.machine.missing == 0
    assert alone.machine.rooms["tea"].last == 10


def test_joined_left_and_joined_again_before_any_of_it_was_answered() -> None:
    alone = Alone().opened()
    for operation in (m.Join(0, "tea"), m.Leave(0, "tea"), m.Join(0, "tea")):
        alone.ask(operation)
    alone.hear(m.Joined(rooms={"tea": 5}, sid="SID", name="ann", time=0))  # replayed after a cut, before the answers
    alone.hear(m.Message(rooms={"tea": 6}, sid="B", name="bob", op=1, time=0, event="say", args=["x"]))
    alone.hear(m.Result(1, "ok", rooms={"tea": 3}, epoch="E"))
    alone.hear(m.Result(2, "ok", rooms={"tea": 4}))
    alone.hear(m.Result(3, "ok", rooms={"tea": 5}, epoch="E"))
    assert alone.machine.rooms["tea"].last == 6
    again = m.Message(rooms={"tea": 6}, sid="B", name="bob", op=1, time=0, event="say", args=["x"])
    assert alone.hear(again) == [], "seen"


def test_left_and_joined_again_without_waiting_begins_anew() -> None:
    world = World()
    ann = world.client("ann", "tea")
    world.run(1 * S)
    for n in range(5):
        ann.emit(n, "tea")
    for operation in (m.Leave(0, "tea"), m.Join(0, "tea"), m.Leave(0, "tea"), m.Join(0, "tea")):
        ann.ask(operation)
    ann.emit("new", "tea")  # number 2 of a new epoch
    world.run(1 * S)
    assert ann.texts() == [0, 1, 2, 3, 4, "new"]
    assert ann.machine.missing == 0
    assert {outcome.status for outcome in ann.outcomes.values()} == {"ok"}


def test_left_and_not_let_in_again() -> None:
    world = World(limits=ChatLimits(members=1))
    ann = world.client("ann", "tea", "pub")
    world.run(1 * S)
    ann.ask(m.Leave(0, "tea"))
    ann.ask(m.Join(0, "tea"))
    world.restart_server()  # both are under way
    bob = world.client("bob", "tea")
    world.run(5 * S)
    assert bob.machine.rooms.keys() == {"tea", bob.machine.sid}
    assert ann.machine.rooms.keys() == {"pub", ann.machine.sid}


# What a hub should not say


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 200_000,
        b'{"type":"emit"}',
        b'{"type":"message","rooms":{"tea":1.5}}',
        b"\xff",
        b'"\\ud800"',
        b'{"type":"message","rooms":{},"sid":"","name":"","op":1,"time":1,"event":"e","args":' + b"[" * 90_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_what_is_malformed_is_counted_and_the_client_goes_on(data: bytes) -> None:
    alone = Alone().opened()
    assert alone.hear(data) == []
    assert alone.machine.counters["malformed"] == 1
    alone.ask(EMIT)
    assert done(alone.hear(m.Result(1, "ok"))) == [(1, "ok", "")]


@pytest.mark.parametrize(
    "message",
    [
        m.Result(99, "ok", rooms={"x": 1}),
        m.Result(-1, "failed"),
        m.Answers(1, {}, 0),
        m.Gap("nowhere", 1, 2),
        m.Gap("tea", -(10**30), 10**30),
        m.Message(rooms={}, sid="", name="", op=0, time=0, event=""),
        m.Message(rooms={"tea": -5, "pub": 10**30}, sid="", name="", op=0, time=0, event=""),
        m.Joined(rooms={}, sid="SID", name="", time=0),
        m.Welcome(sid="other", name="other", secret="", max_message=-1, resumed=True),
        m.Welcome(sid="", name="", secret="", max_message=0, rate=m.Rate(0, 0, 0)),
    ],
    ids=lambda message: f"{type(message).__name__}",
)
def test_what_makes_no_sense_does_not_raise(message: m.HubMessage) -> None:
    for reliable in (True, False):
        alone = Alone(reliable=reliable)
        alone.step(Start())
        alone.hear(message)
        alone.step(Connected())
        alone.hear(message)
        alone = Alone(reliable=reliable).opened("tea")
        alone.hear(message)
        alone.hear(message)
        alone.wait(5 * S)


def test_a_rate_of_nothing_does_not_divide_by_it() -> None:
    alone = Alone(rate=m.Rate(0, 0, 0))
    alone.step(Start())
    alone.step(Connected())
    alone.welcome()
    alone.ask(EMIT)
    alone.wait(1 * S)


# On the wire: 200 cuts


def talk(world: World, clients: list[Client], *, cuts: int, seed: int) -> list[tuple[Client, int, str]]:
    """Everybody says numbered texts while connections are cut at random points."""
    rng = random.Random(seed)
    said: list[tuple[Client, int, str]] = []
    for n in range(cuts * 3):
        speaker = rng.choice(clients)
        text = f"{speaker.machine.name}-{n}"
        rooms = rng.choice([["tea"], ["pub"], ["tea", "pub"]])
        said.append((speaker, speaker.emit(text, *rooms, skip_self=rng.random() < 0.2), text))
        world.run(rng.randrange(0, 120) * MS)
        if n % 3 == 0:
            victim = rng.choice(clients)
            world.run(rng.randrange(0, 25) * MS)  # a message is 10 ms on its way: any point of it
            world.drop(victim)
    return said


@pytest.mark.parametrize("seed", range(5))
def test_200_cuts_resumed_in_time_lose_and_double_nothing(seed: int) -> None:
    world = World(seed=seed)
    clients = [world.client(name, "tea", "pub") for name in ("ann", "bob", "cat")]
    world.run(1 * S)
    said = talk(world, clients, cuts=200, seed=seed)
    world.run(60 * S)
    resumed = sum(change.status == "resumed" for client in clients for change in client.changes)
    assert resumed > 100, "the cuts were real"
    assert {speaker.outcomes[ref].status for speaker, ref, _ in said} == {"ok"}
    orders: dict[str, list[list[int]]] = {"tea": [], "pub": []}
    for client in clients:
        counts = Counter(client.texts())
        assert all(count == 1 for count in counts.values()), "duplicates 0"
        for speaker, _, text in said:
            assert text in counts or speaker is client, "lost 0"
        assert not client.gaps()
        assert client.machine.missing == 0
        for room, order in orders.items():
            order.append([e.rooms[room] for e in client.happened if not isinstance(e, m.Gap) and room in e.rooms])
    for numbers in (numbers for order in orders.values() for numbers in order):
        assert numbers == sorted(set(numbers)), "one order, the hub's"
    for client in clients:
        for speaker in clients:
            own = [int(t.split("-")[1]) for t in client.texts() if t.startswith(speaker.machine.name)]
            assert own == sorted(own), "one sender's in the order sent"


@pytest.mark.parametrize("seed", range(5))
def test_200_cuts_without_resume_are_at_most_once_and_in_flight_is_unknown(seed: int) -> None:
    rng = random.Random(seed)
    world = World(seed=seed)
    listener = world.client("listener", "tea")
    world.run(1 * S)
    outcomes: Counter[str] = Counter()
    for n in range(200):
        speaker = world.client(f"s{n}", "tea", redial_for=0)
        world.run(1 * S)
        refs = [speaker.emit(f"{n}-{k}", "tea") for k in range(3)]
        world.run(rng.randrange(0, 40) * MS)
        world.drop(speaker)
        world.run(10 * MS)
        counts = Counter(listener.texts())
        for k, ref in enumerate(refs):
            status = speaker.outcomes[ref].status
            outcomes[status] += 1
            assert counts[f"{n}-{k}"] <= 1
            if status == "ok":
                assert counts[f"{n}-{k}"] == 1
            if status == "failed":
                assert counts[f"{n}-{k}"] == 0
        world.clients.remove(speaker)
    assert outcomes["ok"] > 50
    assert outcomes["unknown"] > 50


@pytest.mark.parametrize("seed", range(3))
def test_cuts_beyond_the_window_and_restarts_are_told_as_gaps_and_nothing_is_told_twice(seed: int) -> None:
    """What is missing is in a gap; where the server forgot its numbers, the gap is open."""
    world = World(seed=seed, limits=ChatLimits(history=4, resume_window=2 * S))
    ann, bob = world.client("ann", "tea"), world.client("bob", "tea")
    world.run(1 * S)
    rng = random.Random(seed)
    for n in range(120):
        ann.emit(n, "tea")
        world.run(rng.randrange(0, 200) * MS)
        if n % 10 == 5:
            world.down = True
            world.drop(bob)
        if n % 10 == 9:
            world.down = False
        world.run(rng.choice([0, 1000]) * MS)
    world.down = False
    world.run(30 * S)
    assert bob.gaps(), "some were beyond"
    numbers = [n for e in bob.happened if not isinstance(e, m.Gap) for n in e.rooms.values()]
    covered = {n for gap in bob.gaps() for n in range(gap.first, (gap.last or 0) + 1)}
    assert all(gap.last is not None for gap in bob.gaps()), "the server never restarted"
    assert len(numbers) == len(set(numbers))
    assert not covered & set(numbers)
    first = min(numbers)
    assert covered | set(numbers) == set(range(first, max(numbers) + 1)), "the gaps cover exactly what is missing"


@pytest.mark.parametrize("seed", range(5))
def test_over_a_lossy_wire_membership_is_not_lost_and_messages_are_counted(seed: int) -> None:
    world = World(seed=seed, loss=0.3, duplication=0.1, jitter=30 * MS)
    ann, bob = (world.client(name, "tea", reliable=False) for name in ("ann", "bob"))
    world.run(16 * S)
    assert {o.status for c in (ann, bob) for o in c.outcomes.values()} == {"ok"}
    joined = len(bob.outcomes)
    refs = []
    for n in range(300):
        refs.append(ann.emit(n, "tea"))
        world.run(40 * MS)
    world.run(10 * S)
    statuses = Counter(ann.outcomes[ref].status for ref in refs)
    counts = Counter(bob.texts())
    assert joined == len(bob.outcomes) == 1
    assert set(statuses) == {"ok", "unknown"}
    assert 0.3 < len(counts) / 300 < 0.7, "0.7 up, 0.7 down"
    assert max(counts.values()) > 1, "what arrives twice is shown twice"
    # Each number of the room was seen or is missing: nothing is swallowed.
    view = bob.machine.rooms["tea"]
    seen = {e.rooms["tea"] for e in bob.happened if isinstance(e, m.Message)}
    start = min(n for e in bob.happened if isinstance(e, m.Joined | m.Message) for n in e.rooms.values())
    assert set(range(start, view.last + 1)) - view.missing >= seen
    assert not seen & view.missing
    assert world.hub.counters["duplicates_in"] > 0
    leave = bob.ask(m.Leave(0, "tea"))
    world.run(15 * S)
    assert bob.outcomes[leave].status == "ok"


@pytest.mark.parametrize("seed", range(40))
def test_what_comes_before_the_answer_to_a_join_is_not_counted_missing(seed: int) -> None:
    """Over udp the answer may come late, or only when the join was repeated."""
    world = World(seed=seed, loss=0.4, jitter=20 * MS)
    ann = world.client("ann", "tea")
    world.run(1 * S)
    bob = world.client("bob", "tea", reliable=False)
    for n in range(40):
        ann.emit(n, "tea")
        world.run(25 * MS)
    world.run(16 * S)
    ann.emit("last", "tea")
    world.run(1 * S)
    view = bob.machine.rooms["tea"]
    seen = {e.rooms["tea"] for e in bob.happened}
    assert not seen & view.missing, "seen and called missing"


def test_the_wire_limit_holds_for_the_largest_hello() -> None:
    """Who is in all rooms a client may have says so in each hello that resumes."""
    rooms = {f"{n:02}" + "\u00e9" * 30: 10**12 for n in range(32)}
    hello = m.Hello(name="x" * 32, token="t" * 200, resume=m.Resume("s" * 22, "s" * 22, rooms))
    assert len(m.encode_json(hello)) < WIRE_MESSAGE
