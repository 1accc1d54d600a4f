"""The hub by scripts: who says what, and what everybody is told."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.chat import messages as m
from netlab.chat.hub import Hub
from netlab.chat.hub_events import Backlogged, Closed, Received, Relieved
from netlab.chat.limits import ENVELOPE, ERRORS, WINDOW, ChatLimits
from netlab.packets.limits import MAX_MESSAGE
from netlab.protocols.connection import WIRE_MESSAGE
from netlab.units import KIB, MIB, MS, S

from .desk import Desk, Person

FREE = ChatLimits(message_rate=0)  # scripts that say more than 100 things at once


def brief(messages: list[Any]) -> list[str]:
    """What somebody was told, one short word a message."""
    words = []
    for message in messages:
        match message:
            case m.Message(rooms=rooms, name=name, args=args):
                words.append(f"{name}>{'+'.join(f'{room}#{n}' for room, n in rooms.items())}:{args[0]}")
            case m.Joined(rooms=rooms, name=name) | m.Left(rooms=rooms, name=name):
                room, number = next(iter(rooms.items()))
                sign = "+" if isinstance(message, m.Joined) else f"-{message.reason}-"
                words.append(f"{sign}{name}@{room}#{number}")
            case m.Result(op=op, status=status, code=code):
                words.append(f"{op}:{code or status}")
            case m.Gap(room=room, first=first, last=last):
                words.append(f"gap {room} {first}-{'?' if last is None else last}")
            case m.Welcome(name=name, resumed=resumed):
                words.append(f"{'back' if resumed else 'welcome'} {name}")
            case m.Answers(op=op, answers=answers, missing=missing):
                words.append(f"answers {op} {sorted(itertools.chain(*answers.values()))} missing {missing}")
            case m.Goodbye(code=code):
                words.append(f"bye {code}")
    return words


# Saying what goes to whom


def test_a_script_of_rooms() -> None:
    desk = Desk()
    ann, bob, cat = (desk.person(name) for name in ("ann", "bob", "cat"))
    desk.hush()
    both = "bob>tea#5+pub#3:d"
    script = [
        # who, does what,                                      what ann, bob and cat are told
        (lambda: ann.do(m.Join, "tea"), ["+ann@tea#1", "1:ok"], [], []),
        (lambda: bob.do(m.Join, "tea"), ["+bob@tea#2"], ["+bob@tea#2", "1:ok"], []),
        (lambda: bob.do(m.Join, "pub"), [], ["+bob@pub#1", "2:ok"], []),
        (lambda: cat.do(m.Join, "pub"), [], ["+cat@pub#2"], ["+cat@pub#2", "1:ok"]),
        (lambda: ann.emit("a", "tea"), ["ann>tea#3:a", "2:ok"], ["ann>tea#3:a"], []),
        (lambda: ann.emit("b", "tea", skip_self=True), ["3:ok"], ["ann>tea#4:b"], []),
        (lambda: cat.emit("c", "tea"), [], [], ["2:not_in_room"]),
        (lambda: bob.emit("d", "tea", "pub"), [both], [both, "3:ok"], [both]),
        (lambda: bob.emit("e", "tea", "tea"), ["bob>tea#6:e"], ["bob>tea#6:e", "4:ok"], []),
        (lambda: ann.do(m.Leave, "tea"), ["4:ok"], ["-left-ann@tea#7"], []),
        (lambda: ann.emit("f", "tea"), ["5:not_in_room"], [], []),
        (lambda: ann.do(m.Leave, "tea"), ["6:not_in_room"], [], []),
        (lambda: bob.emit("g"), [], ["5:no_recipient"], []),
        (lambda: bob.quit(), [], [], ["-quit-bob@pub#4"]),
        (lambda: ann.do(m.Join, "tea"), ["+ann@tea#1", "7:ok"], [], []),  # the room had ended: it begins anew
    ]  # fmt: skip
    for step, (act, *expected) in enumerate(script):
        act()
        assert [brief(person.heard()) for person in (ann, bob, cat)] == expected, f"step {step}"


def test_a_message_says_who_when_and_in_which_rooms() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    desk.now += 1_500 * MS
    ann.heard()
    ann.emit("hi", "tea")
    message, result = ann.heard()
    assert message == m.Message(
        rooms={"tea": 2}, sid=ann.sid, name="ann", op=2, time=desk.now // MS, event="say", args=["hi"]
    )
    assert result == m.Result(2, "ok", rooms={"tea": 2})


def test_what_goes_to_many_is_one_output_encoded_once() -> None:
    desk = Desk(FREE)
    people = [desk.person(f"p{n}", "tea") for n in range(20)]
    outputs = desk.do(Received(people[0].conn, b'{"type":"emit","op":2,"event":"e","to":["tea"]}'))
    assert len(outputs) == 1  # the Store; what comes of it was carried out by the desk
    assert len({desk.message_ids[p.conn][-1] for p in people[1:]}) == 1


def test_message_ids_rise_by_one_and_wrap_at_32_bits() -> None:
    hub = Hub(lambda n: (2**32 - 2).to_bytes(n, "big"))  # what it draws first is where they start
    assert [hub.next_message_id() for _ in range(3)] == [2**32 - 1, 0, 1]


def test_messages_out_counts_each_copy() -> None:
    desk = Desk()
    ann, _bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    before = desk.counters["messages_out"]
    ann.emit("to both", "tea")
    ann.emit("to one", "tea", skip_self=True)
    assert desk.counters["messages_out"] - before == 3


# sids: private messages


def test_a_private_message_goes_to_the_sid_alone() -> None:
    desk = Desk()
    ann, bob, _cat = desk.person("ann", "tea"), desk.person("bob", "tea"), desk.person("cat", "tea")
    found = ann.do(m.Find, "bob")
    assert found.data == {"sid": bob.sid, "name": "bob"}
    desk.hush()
    ann.emit("psst", found.data["sid"])
    assert brief(bob.heard()) == [f"ann>{bob.sid}#1:psst"]
    assert brief(ann.heard()) == ["3:ok"]
    assert brief(_cat.heard()) == []


def test_a_sid_is_not_joined_left_or_looked_into() -> None:
    desk = Desk()
    ann, bob = desk.person("ann"), desk.person("bob")
    assert bob.do(m.Join, ann.sid).code == "no_such_room"
    assert ann.do(m.Leave, ann.sid).code == "not_in_room"
    assert bob.do(m.Who, ann.sid).code == "not_in_room"
    assert ann.do(m.Join, ann.sid).status == "ok", "one is in one's own room already"
    assert ann.sid not in str(bob.do(m.Rooms).data), "a sid is told by its owner alone"


def test_a_sid_that_is_gone_is_refused_and_sids_are_not_guessed() -> None:
    desk = Desk()
    ann, bob = desk.person("ann"), desk.person("bob")
    bob.quit()
    assert ann.emit("x", bob.sid).code == "not_in_room"
    assert len({ann.sid, ann.secret, bob.sid, bob.secret}) == 4
    assert all(len(text) == 22 for text in (ann.sid, ann.secret))


def test_find_needs_a_shared_room() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "pub")
    assert ann.do(m.Find, "bob").code == "no_such_name"
    bob.join("tea")
    assert ann.do(m.Find, "bob").data["sid"] == bob.sid
    assert ann.do(m.Find, "nobody").code == "no_such_name"


# Names


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("ann", "ann"),
        ("A\u030asa", "\u00c5sa"),  # A and a ring: one letter
        ("\ufb01n", "fin"),  # a ligature
        ("\uff21\uff22", "AB"),  # full width
        ("a.b_c-1", "a.b_c-1"),
        ("\u0661", "\u0661"),  # an Arabic digit
        ("x" * 32, "x" * 32),
        ("\u00e9" * 32, "\u00e9" * 32),  # 64 B
        ("x" * 33, None),
        ("\u4e2d" * 22, None),  # 66 B
        ("two words", None),
        ("a\x1b[31m", None),
        ("\u202eann", None),  # bidi override
        ("a\u2028", None),
        ("a/b", None),
        ("\u00bd", None),  # NFKC makes it 1/2
        ("\ufdfa" * 2, None),  # 18 characters each, with spaces
        ("a" * 1_000_000, None),
    ],
)
def test_names_have_one_spelling(asked: str, got: str | None) -> None:
    desk = Desk()
    person = Person(desk, asked).hello()
    if got is None:
        assert desk.closed[person.conn].code == "bad_name"
        assert desk.counters["bad_name"] == 1
    else:
        assert brief(person.heard()) == [f"welcome {got}"]
        assert person.do(m.Join, asked).rooms == {got: 1}


def test_a_name_is_unique_and_free_again_after_its_session() -> None:
    desk = Desk()
    ann = desk.person("fin")
    second = Person(desk, "\ufb01n").hello()
    assert desk.closed[second.conn].code == "name_taken"
    ann.cut()
    third = Person(desk, "fin").hello()
    assert desk.closed[third.conn].code == "name_taken", "a cut is not a leave"
    desk.wait(120 * S)
    desk.person("fin").quit()
    desk.person("fin")


# Hello


def test_hello_twice_is_welcomed_twice_and_makes_one_session() -> None:
    desk = Desk()
    conn = desk.open(reliable=False, validated=True)
    for _ in range(3):
        desk.say(conn, m.Hello(name="ann"))
    welcomes = desk.heard(conn)
    assert len(welcomes) == 3
    assert welcomes[0] == welcomes[1] == welcomes[2]
    assert desk.stats()["sessions"] == 1


@pytest.mark.parametrize(
    "message",
    [m.Join(1, "tea"), m.Emit(1, "e", ["tea"]), m.Stats(1), m.Who(1, "tea"), m.Answer(1)],
    ids=lambda message: type(message).__name__,
)
def test_hello_comes_first(message: m.ClientMessage) -> None:
    desk = Desk()
    conn = desk.open()
    desk.say(conn, message)
    assert desk.closed[conn].code == "hello_first"
    assert desk.counters["hello_first"] == 1
    desk.say(conn, m.Hello(name="ann"))  # still on its way: the hub knows the connection no more
    assert desk.stats()["sessions"] == desk.stats()["connections"] == 0


def test_the_token() -> None:
    desk = Desk(token="pässword")
    for token in ("", "passwor", "password!", "p\u00e4sswor"):
        conn = Person(desk, "ann").hello(token=token).conn
        assert desk.closed[conn].code == "bad_token"
    ann = Person(desk, "ann").hello(token="pässword")
    assert brief(ann.heard()) == ["welcome ann"]
    looking = Person(desk, "").hello()
    assert desk.closed[looking.conn].code == "bad_token", "who only looks shows it too"
    assert desk.counters["bad_token"] == 5
    ann.cut()
    thief = desk.open()
    desk.say(thief, m.Hello(name="x", resume=m.Resume(ann.sid, ann.secret)))
    assert desk.closed[thief].code == "bad_token", "and who resumes"


def test_without_a_name_one_may_only_look() -> None:
    desk = Desk()
    conn = Person(desk, "").hello().conn
    desk.say(conn, m.Stats(1))
    assert desk.reports[-1].conn == conn
    desk.say(conn, m.Join(2, "tea"))
    desk.say(conn, m.Emit(3, "e", ["tea"]))
    desk.say(conn, m.Rooms(4))
    desk.say(conn, m.Answer(5))
    welcome, *results = desk.heard(conn)
    assert welcome.sid == welcome.secret == ""
    assert brief(results) == ["2:anonymous", "3:anonymous", "4:anonymous"]
    assert desk.closed[conn].code == "hello_first"
    assert desk.stats()["sessions"] == 0


def test_stats_tell_what_is_there() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea", "pub")
    desk.person("bob", "tea").cut()
    ann.do(m.Stats)
    data = m.decode_hub_message(desk.hub.report(9, {"tcp://x": {"drops": 1}}))
    assert isinstance(data, m.Result)
    assert data.data["sessions"] == 2
    assert data.data["connections"] == data.data["cut_off"] == 1
    assert data.data["rooms"] == 2
    assert data.data["history_bytes"] > 0
    assert data.data["transports"] == {"tcp://x": {"drops": 1}}
    assert data.data["hub"]["sessions_opened"] == 2


# Presence


def test_who_is_there_and_who_is_cut_off() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    bob.cut()
    rows = ann.do(m.Who, "tea").data
    assert rows == {
        "members": [
            {"name": "ann", "sid": ann.sid, "here": True},
            {"name": "bob", "sid": bob.sid, "here": False},
        ],
        "total": 2,
        "more": False,
    }
    assert ann.do(m.Who, "pub").code == "not_in_room"


def test_who_and_rooms_come_in_pages_that_fit_a_datagram() -> None:
    desk = Desk(ChatLimits(message_rate=0, rooms_per_client=200))
    people = [desk.person(f"person-{n:03}", "tea") for n in range(100)]
    people[0].join(*(f"room-{n:03}" for n in range(150)))
    names: list[str] = []
    while True:
        page = people[5].do(m.Who, "tea", names[-1] if names else "")
        assert len(m.encode_json(page)) < 1100
        names += [row["name"] for row in page.data["members"]]
        if not page.data["more"]:
            break
    assert names == [f"person-{n:03}" for n in range(100)]
    rooms: list[str] = []
    while True:
        page = people[5].do(m.Rooms, rooms[-1] if rooms else "")
        assert len(m.encode_json(page)) < 1100
        rooms += [row["room"] for row in page.data["rooms"]]
        if not page.data["more"]:
            break
    assert rooms == [*(f"room-{n:03}" for n in range(150)), "tea"]


# A cut, and what comes after


def test_resume_replays_exactly_what_was_missed() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea", "pub"), desk.person("bob", "tea", "pub")
    ann.emit("seen", "tea")
    bob.cut()
    ann.emit("1", "tea")
    ann.emit("both", "tea", "pub")
    ann.emit("quiet", "tea", skip_self=True)
    ann.emit("private", bob.sid)
    desk.hush()
    assert brief(bob.resume({"tea": 3, "pub": 2, bob.sid: 0})) == [
        "back bob",
        "ann>tea#4:1",
        "ann>tea#5+pub#3:both",
        "ann>tea#6:quiet",
        f"ann>{bob.sid}#1:private",
    ]
    assert brief(ann.heard()) == [], "neither the cut nor the return is told"
    ann.emit("again", "tea")
    assert brief(bob.heard()) == ["ann>tea#7:again"]


def test_resume_replays_with_the_message_id_it_first_had() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    bob.cut()
    ann.emit("x", "tea")
    first = desk.message_ids[ann.conn][-2]
    bob.resume({"tea": 2})
    assert desk.message_ids[bob.conn][-1] == first


def test_what_was_said_to_all_but_oneself_is_not_replayed_to_oneself() -> None:
    desk = Desk()
    ann, _bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    ann.emit("mine", "tea", skip_self=True)
    ann.cut()
    assert brief(ann.resume({"tea": 2})) == ["back ann"]


def test_nor_is_it_where_the_cut_came_while_it_was_being_stored() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    desk.delayed = True
    ann.emit("mine", "tea", skip_self=True)
    ann.cut()
    desk.store_all()
    assert bob.texts() == ["mine"]
    assert brief(ann.resume({"tea": 2})) == ["back ann"]


def test_seen_before_the_join_is_not_replayed() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    ann.emit("secret", "tea")
    bob = desk.person("bob", "tea")
    bob.cut()
    assert "secret" not in str(brief(bob.resume({"tea": 0}))), "who was not in the room then is not told it now"


@pytest.mark.parametrize("secret", ["", "wrong", "x" * 22, "\u00e4"])
def test_a_session_is_not_resumed_without_its_secret(secret: str) -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    ann.cut()
    thief = desk.open()
    desk.say(thief, m.Hello(name="eve", resume=m.Resume(ann.sid, secret, {})))
    assert brief(desk.heard(thief)) == ["welcome eve"]
    assert ann.resume()[0].resumed


def test_an_operation_that_is_asked_again_is_answered_again_and_not_done_again() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    emits = [m.Emit(op, "say", ["tea"], [op]) for op in range(2, 6)]
    for emit in emits[:2]:
        ann.say(emit)
    ann.cut()
    desk.hush()
    ann.resume({"tea": 99})
    for emit in emits:
        ann.say(emit)
    results = [message for message in ann.heard() if isinstance(message, m.Result)]
    assert [(result.op, result.status, result.rooms) for result in results] == [
        (2, "ok", {"tea": 3}),
        (3, "ok", {"tea": 4}),
        (4, "ok", {"tea": 5}),
        (5, "ok", {"tea": 6}),
    ]
    assert bob.texts() == [4, 5]
    assert desk.counters["repeated_operations"] == 2


def test_a_window_of_operations_asked_again_is_done_once() -> None:
    desk = Desk(FREE)
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    emits = [m.Emit(op, "say", ["tea"], [op]) for op in range(2, 2 + WINDOW)]
    for emit in emits:
        ann.say(emit)
    ann.cut()
    ann.resume()
    for emit in emits:
        ann.say(emit)
    results = [message.op for message in ann.heard() if isinstance(message, m.Result)]
    assert results == [emit.op for emit in emits]
    assert bob.texts() == [emit.op for emit in emits]


def test_an_operation_is_answered_once_where_it_is_asked_again_while_it_is_being_stored() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    desk.delayed = True
    emit = m.Emit(2, "say", ["tea"], ["once"])
    ann.say(emit)
    ann.cut()
    ann.resume({"tea": 2})
    ann.say(emit)
    ann.say(emit)
    desk.store_all()
    assert brief(ann.heard()) == ["ann>tea#3:once", "2:ok"]
    assert bob.texts() == ["once"]


@pytest.mark.parametrize("reliable", [True, False])
def test_a_join_or_leave_repeated_while_it_is_being_stored_is_done_once(reliable: bool) -> None:
    """Over udp they are repeated every 250 ms until they are answered."""
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", reliable=reliable)
    desk.hush()
    desk.delayed = True
    for _ in range(3):
        bob.say(m.Join(1, "tea"))
    desk.store_all()
    assert brief(ann.heard()) == ["+bob@tea#2"]
    assert brief(bob.heard()) == ["+bob@tea#2", "1:ok"]
    for _ in range(3):
        bob.say(m.Leave(2, "tea"))
    desk.store_all()
    assert brief(ann.heard()) == ["-left-bob@tea#3"]
    assert brief(bob.heard()) == ["2:ok"]
    bob.say(m.Leave(2, "tea"))
    assert brief(bob.heard()) == ["2:ok"]


def test_a_pipeline_does_the_same_whether_the_store_is_near_or_far() -> None:
    """A client need not wait for one operation before it sends the next."""

    def told(delayed: bool) -> tuple[list[str], list[str]]:
        desk = Desk()
        ann, bob = desk.person("ann", "tea"), desk.person("bob")
        desk.hush()
        desk.delayed = delayed
        for message in (
            m.Join(1, "tea"),
            m.Emit(2, "say", ["tea"], ["a"]),
            m.Join(3, "tea"),
            m.Who(4, "tea"),
            m.Leave(5, "tea"),
            m.Join(6, "tea"),
            m.Emit(7, "say", ["tea"], ["b"]),
            m.Emit(8, "say", ["pub"], ["c"]),
        ):
            bob.say(message)
        desk.store_all()
        results = [message for message in bob.heard() if isinstance(message, m.Result)]
        return brief(ann.heard()), sorted(brief(results))

    assert told(delayed=True) == told(delayed=False)


def test_rooms_a_client_may_have_are_counted_while_their_joins_are_being_stored() -> None:
    desk = Desk(ChatLimits(rooms_per_client=2, members=2))
    ann = desk.person("ann")
    desk.delayed = True
    for op in range(1, 5):
        ann.say(m.Join(op, f"room{op}"))
    desk.store_all()
    results = [(r.op, r.code or "ok") for r in ann.heard() if isinstance(r, m.Result)]
    assert results == [(1, "ok"), (2, "ok"), (3, "too_many_rooms"), (4, "too_many_rooms")]


def test_after_the_resume_window_the_leave_is_told_once() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea", "pub"), desk.person("bob", "tea", "pub")
    desk.hush()
    bob.cut()
    desk.wait(120 * S - 1)
    assert ann.heard() == []
    desk.wait(1)
    assert brief(ann.heard()) == ["-lost-bob@tea#3", "-lost-bob@pub#3"]
    assert bob.resume()[0].resumed is False
    desk.wait(300 * S)
    assert brief(ann.heard()) == []


def test_each_cut_has_its_own_window() -> None:
    desk = Desk()
    ann, bob, cat = desk.person("ann", "tea"), desk.person("bob", "tea"), desk.person("cat", "tea")
    desk.hush()
    bob.cut()
    desk.wait(60 * S)
    cat.cut()
    desk.wait(30 * S)
    bob.resume()
    bob.cut()
    desk.wait(90 * S)
    assert brief(ann.heard()) == ["-lost-cat@tea#4"]
    desk.wait(30 * S)
    assert brief(ann.heard()) == ["-lost-bob@tea#5"]


def test_a_second_connection_takes_the_session_over() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    desk.hush()
    old = bob.conn
    assert brief(bob.resume({"tea": 2})) == ["back bob"]
    assert desk.closed[old].code == "resumed_elsewhere"
    desk.do(Closed(old, said=False))  # the transport's word about the old one comes late
    desk.do(Closed(old, said=True))
    ann.emit("x", "tea")
    assert brief(bob.heard()) == ["ann>tea#3:x"]
    assert brief(ann.heard()) == ["ann>tea#3:x", "2:ok"]


def test_over_udp_a_cut_is_a_leave() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    bob = desk.person("bob", "tea", reliable=False)
    ann.heard()
    bob.cut()
    assert brief(ann.heard()) == ["-lost-bob@tea#3"]


def test_over_udp_a_repeated_hello_that_resumed_is_still_a_resume() -> None:
    desk = Desk()
    bob = desk.person("bob", "tea", reliable=False)
    hello = m.Hello(name="bob", resume=m.Resume(bob.sid, bob.secret))
    conn = desk.open(reliable=False, validated=True)
    desk.say(conn, hello)
    desk.say(conn, hello)  # the first welcome was lost
    assert brief(desk.heard(conn)) == ["back bob", "back bob"]


def test_over_udp_what_is_said_twice_is_shown_twice_and_counted() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea", reliable=False)
    bob = desk.person("bob", "tea")
    emit = m.Emit(2, "say", ["tea"], ["x"])
    ann.say(emit)
    ann.say(emit)
    assert bob.texts() == ["x", "x"]
    assert desk.counters["duplicates_in"] == 1


# Gaps


def test_beyond_the_history_the_gap_is_told_exactly() -> None:
    desk = Desk(ChatLimits(history=5, message_rate=0))
    ann, bob = desk.person("ann", "tea", "pub"), desk.person("bob", "tea", "pub")
    bob.cut()
    for n in range(8):
        ann.emit(n, "tea")
    assert brief(bob.resume({"tea": 2, "pub": 2})) == [
        "back bob",
        "gap tea 3-5",
        *(f"ann>tea#{n + 3}:{n}" for n in range(3, 8)),
    ]


def test_the_history_keeps_256_messages_a_room() -> None:
    desk = Desk(FREE)
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    bob.cut()
    for n in range(257):
        ann.emit(n, "tea")
    told = bob.resume({"tea": 2})
    assert brief(told[1:2]) == ["gap tea 3-3"]
    assert [message.args[0] for message in told[2:]] == list(range(1, 257))


@pytest.mark.parametrize("history", [0, 1])
def test_a_history_may_be_short_or_off(history: int) -> None:
    desk = Desk(ChatLimits(history=history))
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    bob.cut()
    ann.emit("a", "tea")
    ann.emit("b", "tea")
    expected = ["back bob", "gap tea 3-4"] if history == 0 else ["back bob", "gap tea 3-3", "ann>tea#4:b"]
    assert brief(bob.resume({"tea": 2})) == expected
    assert desk.stats()["history_bytes"] > 0 if history else desk.stats()["history_bytes"] == 0


def test_the_history_is_bounded_in_bytes_the_oldest_of_all_rooms_first() -> None:
    desk = Desk(ChatLimits(history_bytes=8 * KIB, message_rate=0))
    ann, bob = desk.person("ann", "tea", "pub", "inn"), desk.person("bob", "tea", "pub", "inn")
    bob.cut()
    ann.emit("t" * 2000, "tea")
    ann.emit("p" * 2000, "pub")
    ann.emit("tp" * 1000, "tea", "pub")
    ann.emit("i" * 2000, "inn", "tea")  # the first joins and messages go
    assert desk.stats()["history_bytes"] <= 8 * KIB
    told = bob.resume({"tea": 2, "pub": 2, "inn": 2})
    assert brief(told[1:2]) == ["gap tea 3-3"]
    assert [message.args[0][0] for message in told[2:]] == ["p", "t", "i"]


def test_one_message_larger_than_the_whole_history_is_a_gap() -> None:
    desk = Desk(ChatLimits(history_bytes=1000))
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    bob.cut()
    ann.emit("x" * 2000, "tea")
    assert desk.stats()["history_bytes"] == 0
    assert brief(bob.resume({"tea": 2})) == ["back bob", "gap tea 3-3"]


@given(
    history=st.integers(0, 4),
    history_bytes=st.integers(0, 3000),
    steps=st.lists(st.tuples(st.sets(st.sampled_from("abc"), min_size=1), st.integers(0, 900)), max_size=25),
    leaves=st.sets(st.integers(0, 25)),
)
@settings(max_examples=150)
def test_history_and_gap_together_cover_everything(
    history: int, history_bytes: int, steps: list[tuple[set[str], int]], leaves: set[int]
) -> None:
    """What is replayed and what the gaps cover is what was missed: nothing twice, nothing left out."""
    desk = Desk(ChatLimits(history=history, history_bytes=history_bytes, message_rate=0))
    ann, bob = desk.person("ann", *"abc"), desk.person("bob", *"abc")
    other = desk.person("other")
    bob.cut()
    expected: dict[str, set[int]] = {room: set() for room in "abc"}
    for n, (rooms, size) in enumerate(steps):
        result = ann.emit("x" * size, *sorted(rooms))
        for room, number in result.rooms.items():
            expected[room].add(number)
        if n in leaves:  # rooms that come and go share the bytes
            other.join("d")
            other.emit("y" * size, "d")
            other.do(m.Leave, "d")
    seen = {room: min(expected[room], default=3) - 1 for room in "abc"}
    got: dict[str, list[int]] = {room: [] for room in "abc"}
    for message in bob.resume(seen):
        if isinstance(message, m.Gap):
            assert message.last is not None
            got[message.room] += range(message.first, message.last + 1)
        elif isinstance(message, m.Message):
            for room, number in message.rooms.items():
                if number not in got[room]:
                    got[room].append(number)
    assert {room: sorted(numbers) for room, numbers in got.items()} == {
        room: sorted(numbers) for room, numbers in expected.items()
    }
    assert desk.stats()["history_bytes"] <= history_bytes
    for person in (ann, bob, other):
        person.quit()
    desk.assert_empty()


def test_who_rejoins_in_the_same_epoch_is_told_what_was_missed() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    bob = desk.person("bob")
    first = bob.do(m.Join, "tea")
    bob.cut()
    for n in range(3):
        ann.emit(n, "tea")
    desk.wait(120 * S)  # tea: 1 ann, 2 bob, 3 to 5 said, 6 bob lost
    bob.hello()
    bob.heard()
    bob.op = 0
    bob.do(m.Join, "tea", 2, first.epoch)
    assert brief(bob.heard()) == ["gap tea 3-6", "+bob@tea#7", "1:ok"]


def test_nothing_missed_is_no_gap() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    epoch = bob.do(m.Join, "tea").epoch
    bob.quit()
    cat = desk.person("cat")
    cat.heard()
    cat.do(m.Join, "tea", 3, epoch)
    assert brief(cat.heard()) == ["+cat@tea#4", "1:ok"]
    assert ann.do(m.Join, "tea").rooms == {"tea": 4}, "to join again does nothing, and tells where one is"


@pytest.mark.parametrize("epoch", ["", "other"])
def test_in_a_new_epoch_nobody_can_say_how_much_was_missed(epoch: str) -> None:
    desk = Desk()
    bob = desk.person("bob")
    bob.heard()
    bob.do(m.Join, "tea", 41, epoch)
    assert brief(bob.heard()) == ["gap tea 42-?", "+bob@tea#1", "1:ok"]


def test_each_epoch_of_a_room_has_a_name_of_its_own() -> None:
    desk = Desk()
    ann = desk.person("ann")
    epochs = set()
    for _ in range(3):
        epochs.add(ann.do(m.Join, "tea").epoch)
        ann.do(m.Leave, "tea")
    assert len(epochs) == 3


# A store that takes its time


def test_what_was_being_stored_for_a_room_that_ended_does_not_haunt_the_next_of_its_name() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    for n in range(5):
        ann.emit(n, "tea")
    desk.delayed = True
    ann.emit("old", "tea")
    ann.heard()
    ann.do(m.Leave, "tea")
    ann.do(m.Join, "tea")
    desk.store_all()
    assert brief(ann.heard()) == ["ann>tea#7:old", "7:ok", "8:ok", "+ann@tea#1", "9:ok"]
    ann.cut()
    assert brief(ann.resume({"tea": 1})) == ["back ann"]
    ann.cut()
    assert brief(ann.resume({"tea": 0})) == ["back ann", "+ann@tea#1"]
    ann.quit()
    desk.store_all()
    desk.assert_empty()


def test_a_session_that_ends_while_its_join_is_being_stored_leaves_no_trace_and_no_hole() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    bob = desk.person("bob")
    desk.hush()
    desk.delayed = True
    bob.do(m.Join, "tea")
    bob.do(m.Join, "pub")
    bob.quit()
    desk.store_all()
    desk.delayed = False
    ann.emit("x", "tea")
    numbers = [message.rooms["tea"] for message in ann.heard() if not isinstance(message, m.Result)]
    assert numbers == list(range(2, 2 + len(numbers))), "what has a number is told"
    assert [row["name"] for row in ann.do(m.Who, "tea").data["members"]] == ["ann"]
    ann.quit()
    desk.assert_empty()


def test_a_session_that_ends_while_its_emits_are_being_stored_has_said_them() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    ann.heard()
    desk.delayed = True
    bob.emit("a", "tea")
    bob.emit("b", ann.sid, answer_ms=1000)
    bob.quit()
    desk.store_all()
    assert brief(ann.heard()) == ["bob>tea#3:a", f"bob>{ann.sid}#1:b", "-quit-bob@tea#4"]
    desk.wait(60 * S)
    ann.quit()
    desk.store_all()
    desk.assert_empty()


def test_what_is_being_stored_when_everybody_leaves_is_forgotten() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    desk.delayed = True
    ann.emit("x", "tea", bob.sid)
    bob.quit()
    ann.quit()
    desk.store_all()
    desk.assert_empty()


# Questions


def test_answers_are_collected_until_everybody_has_answered() -> None:
    desk = Desk()
    ann, bob, cat = (desk.person(name, "tea") for name in ("ann", "bob", "cat"))
    desk.hush()
    ann.emit("?", "tea", skip_self=True, answer_ms=5_000)
    [question] = bob.heard()
    assert cat.heard() == [question]
    assert question.ask > 0
    assert brief(ann.heard()) == ["2:ok"]
    bob.say(m.Answer(question.ask, ["b"]))
    bob.say(m.Answer(question.ask, ["twice"]))
    assert ann.heard() == []
    cat.say(m.Answer(question.ask, ["c"]))
    assert ann.heard() == [m.Answers(2, {bob.sid: ["b"], cat.sid: ["c"]}, 0)]


def test_answers_end_with_their_time() -> None:
    desk = Desk()
    ann, bob, _cat = (desk.person(name, "tea") for name in ("ann", "bob", "cat"))
    desk.hush()
    ann.emit("?", "tea", skip_self=True, answer_ms=700)
    ask = bob.heard()[0].ask
    bob.say(m.Answer(ask, ["b"]))
    desk.wait(699 * MS)
    assert brief(ann.heard()) == ["2:ok"]
    desk.wait(1 * MS)
    assert brief(ann.heard()) == ["answers 2 ['b'] missing 1"]
    _cat.say(m.Answer(ask, ["late"]))
    assert ann.heard() == []


@pytest.mark.parametrize("answer_ms", [-5, 1, 30_000, 30_001, 2**70])
def test_no_question_waits_longer_than_the_hub_allows(answer_ms: int) -> None:
    desk = Desk()
    ann, _bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    ann.heard()
    ann.emit("?", "tea", answer_ms=answer_ms)
    desk.wait(30 * S)
    assert brief(ann.heard())[-1] == "answers 2 [] missing 2"


def test_a_question_to_nobody_is_answered_at_once() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    ann.heard()
    ann.emit("?", "tea", skip_self=True, answer_ms=5_000)
    desk.wait(1)
    assert brief(ann.heard()) == ["2:ok", "answers 2 [] missing 0"]


def test_only_who_was_asked_answers() -> None:
    desk = Desk()
    ann, bob, eve = desk.person("ann", "tea"), desk.person("bob", "tea"), desk.person("eve")
    ann.emit("?", "tea", answer_ms=1000)
    ask = bob.heard()[-1].ask
    ann.heard()
    for forged in (ask, ask + 1, 0, -1):
        eve.say(m.Answer(forged, ["forged"]))
    assert desk.counters["unexpected_answer"] == 4
    desk.wait(1 * S)
    assert brief(ann.heard()) == ["answers 2 [] missing 2"]


def test_a_flood_of_answers_is_counted_and_costs_no_operation() -> None:
    desk = Desk(ChatLimits(message_rate=10, message_burst=5))
    ann = desk.person("ann", "tea")
    for _ in range(20):
        ann.say(m.Answer(1, ["forged"]))
    assert desk.counters["unexpected_answer"] == 5
    assert desk.counters["rate_limited"] == 15
    ann.heard()
    ann.emit("say", "tea")
    assert brief(ann.heard())[-1].endswith(":ok")


def test_answers_that_came_during_a_cut_are_told_when_the_question_is_asked_again() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    question = m.Emit(2, "say", ["tea"], ["?"], skip_self=True, answer_ms=5_000)
    ann.say(question)
    ask = bob.heard()[-1].ask
    ann.cut()
    bob.say(m.Answer(ask, ["b"]))
    ann.resume({"tea": 3})
    ann.say(question)
    assert brief(ann.heard()) == ["answers 2 ['b'] missing 0"]
    assert bob.heard() == []


def test_answers_too_large_or_too_deep_stay_among_the_missing() -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    desk = Desk()
    ann, bob, cat = (desk.person(name, "tea") for name in ("ann", "bob", "cat"))
    ann.heard()
    ann.emit("?", "tea", skip_self=True, answer_ms=1000)
    ask = bob.heard()[-1].ask
    bob.say(m.Answer(ask, ["x" * (ENVELOPE + 1)]))
    cat.say(m.Answer(ask, deep))
    assert (desk.counters["too_big"], desk.counters["too_deep"]) == (1, 1)
    desk.wait(1 * S)
    assert brief(ann.heard())[-1] == "answers 2 [] missing 2"


def test_all_answers_together_fit_one_message_of_the_wire() -> None:
    desk = Desk(ChatLimits(message_rate=0, half_open=2000))
    ann = desk.person("ann", "tea")
    crowd = [desk.person(f"p{n}", "tea") for n in range(900)]
    ann.heard()
    ann.emit("?", "tea", skip_self=True, answer_ms=1000)
    for person in crowd:
        person.say(m.Answer(person.heard()[-1].ask, ["x" * 290]))
    desk.wait(1 * S)
    answers = ann.heard()[-1]
    assert len(answers.answers) + answers.missing == 900
    assert len(answers.answers) > 700
    assert len(m.encode_json(answers)) <= WIRE_MESSAGE


def test_an_event_that_is_allowed_in_fits_the_wire_on_its_way_out() -> None:
    """What the hub adds to an event (its numbers, the sender's name) must not make it too long to send."""
    rooms = [f"{n:02}" + "\u00e9" * 28 + "ab" for n in range(32)]
    desk = Desk(FREE)
    ann = desk.person("\u00e9" * 32, *rooms)
    for length in (1, 100, 400, 512, 513, 1000):
        for text in ("e" * length, "\x01" * length, "\U0001f600" * length):
            result = ann.do(m.Emit, text, rooms, ["x" * MAX_MESSAGE])
            told = ann.heard()
            if result.status == "ok":
                assert len(m.encode_json(told[-2])) <= WIRE_MESSAGE
            else:
                assert result.code == "too_big"
    assert ann.do(m.Emit, "e" * 100, rooms, ["x" * MAX_MESSAGE]).status == "ok"


# Limits: each with its error and its counter, and nobody else is bothered


def deep(levels: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(levels - 1):
        nested = [nested]
    return nested


OVER = [
    # limits, what is done before, what is over the limit, the error
    (ChatLimits(), [], m.Emit(9, "e", ["tea"], ["x" * (MAX_MESSAGE + 1)]), "too_big"),
    (ChatLimits(message=10), [], m.Emit(9, "e", ["tea"], ["x" * 11]), "too_big"),
    (ChatLimits(), [], m.Emit(9, "e" * 513, ["tea"]), "too_big"),
    (ChatLimits(rooms_per_client=3), [], m.Emit(9, "e", ["tea", "BYSID", "OWNSID", "1", "2"]), "not_in_room"),
    (ChatLimits(), [], m.Emit(9, "e", ["tea"], deep(33)), "too_deep"),
    (ChatLimits(), [], m.Emit(9, "e", ["tea"], [{"a": deep(31)}]), "too_deep"),
    (ChatLimits(), [], m.Emit(9, "", ["tea"]), "no_recipient"),
    (ChatLimits(), [], m.Emit(9, "e", []), "no_recipient"),
    (ChatLimits(), [], m.Emit(9, "e", ["elsewhere"]), "not_in_room"),
    (ChatLimits(answers_per_client=1), [m.Emit(8, "e", ["tea"], answer_ms=999)], m.Emit(9, "e", ["tea"], answer_ms=9),
     "too_many_answers"),
    (ChatLimits(), [], m.Join(9, "two words"), "bad_name"),
    (ChatLimits(), [], m.Join(9, "x" * 33), "bad_name"),
    (ChatLimits(rooms_per_client=1), [], m.Join(9, "pub"), "too_many_rooms"),
    (ChatLimits(rooms=2), [], m.Join(9, "pub"), "too_many_rooms"),
    (ChatLimits(members=1), [], m.Join(9, "corner"), "room_full"),
    (ChatLimits(), [], m.Leave(9, "pub"), "not_in_room"),
    (ChatLimits(), [], m.Who(9, "pub"), "not_in_room"),
    (ChatLimits(), [], m.Find(9, "nobody"), "no_such_name"),
    (ChatLimits(message_burst=2), [m.Emit(8, "e", ["tea"])], m.Emit(9, "e", ["tea"]), "rate_limited"),
    (ChatLimits(byte_rate=100, message=100), [m.Emit(8, "e", ["tea"], ["x" * 90])] * 1,
     m.Emit(9, "e", ["tea"], ["x" * 5000]), "rate_limited"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "before", "over", "code"), OVER, ids=lambda value: value if isinstance(value, str) else ""
)
def test_over_a_limit(limits: ChatLimits, before: list[Any], over: Any, code: str) -> None:
    assert code in ERRORS
    desk = Desk(limits)
    bystanders = [desk.person(name, "corner") for name in ("one", "two")[: limits.members]]
    bad = desk.person("bad", "tea")
    for message in before:
        bad.say(message)
    desk.hush()
    bad.say(over)
    [result] = bad.heard()
    assert (result.op, result.status, result.code) == (9, "failed", code)
    assert result.detail
    assert desk.counters[code] == 1
    assert bad.conn not in desk.closed, "the connection lives"
    for person in bystanders:
        assert person.heard() == []
    assert bystanders[0].emit("ok", "corner").status == "ok"


def test_at_a_limit_is_not_over_it() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    for args in (["x" * MAX_MESSAGE], [""], [], deep(32), [{"a": deep(30)}], [None, 1, -1.5, True, "\u2028\x1b]52;\r"]):
        assert ann.do(m.Emit, "e", ["tea"], args).status == "ok"
        assert bob.heard()[-1].args == args
    assert ann.do(m.Emit, "e" * 512, ["tea"]).status == "ok"


def test_rooms_and_members_to_the_limit() -> None:
    desk = Desk(ChatLimits(rooms_per_client=3, members=2, rooms=4, message_rate=0))
    ann, bob, cat = desk.person("ann", "a", "b", "c"), desk.person("bob", "a", "d"), desk.person("cat")
    assert ann.do(m.Join, "d").code == "too_many_rooms"
    assert ann.do(m.Join, "a").status == "ok", "again costs nothing"
    assert cat.do(m.Join, "a").code == "room_full"
    assert cat.do(m.Join, "e").code == "too_many_rooms"
    bob.do(m.Leave, "d")
    assert cat.do(m.Join, "e").status == "ok", "a room that ended makes place"
    bob.do(m.Leave, "a")
    assert cat.do(m.Join, "a").status == "ok"


@pytest.mark.parametrize("burst", [1, 100])
def test_the_rate_of_messages(burst: int) -> None:
    desk = Desk(ChatLimits(message_burst=burst))
    ann, bob = Person(desk, "ann").hello(), Person(desk, "bob").hello()
    results = [ann.do(m.Rooms).status for _ in range(burst + 5)]
    assert results == ["ok"] * burst + ["failed"] * 5
    desk.wait(1 * S // 50)
    assert ann.do(m.Rooms).status == "ok"
    assert ann.do(m.Rooms).code == "rate_limited"
    desk.wait(10 * S)
    assert [ann.do(m.Rooms).status for _ in range(burst + 1)] == ["ok"] * burst + ["failed"], "no more is saved up"
    assert bob.do(m.Rooms).status == "ok", "a rate is of one client"


def test_the_rate_of_bytes() -> None:
    desk = Desk()
    ann = desk.person("ann", "tea")
    results = [ann.emit("x" * 200 * KIB, "tea").status for _ in range(7)]
    assert results == ["ok"] * 5 + ["failed"] * 2
    desk.wait(1 * S)
    assert ann.emit("x" * 200 * KIB, "tea").status == "ok"


def test_a_rate_below_the_largest_message_still_lets_one_through() -> None:
    desk = Desk(ChatLimits(byte_rate=64 * KIB))
    ann = desk.person("ann", "tea")
    assert ann.emit("x" * MAX_MESSAGE, "tea").status == "ok"
    assert ann.emit("x", "tea").code == "rate_limited" or desk.now


def test_no_rate_limit() -> None:
    desk = Desk(FREE)
    ann = desk.person("ann", "tea")
    assert all(ann.emit("x" * 10_000, "tea").status == "ok" for _ in range(500))
    assert Person(desk, "bob").hello().heard()[0].rate is None


def test_an_operation_number_of_long_ago() -> None:
    desk = Desk(FREE)
    ann = desk.person("ann", "tea")
    ann.op = 300
    ann.emit("x", "tea")
    ann.heard()
    ann.say(m.Emit(7, "say", ["tea"], ["again?"]))
    assert brief(ann.heard()) == ["7:stale_operation"]
    assert desk.counters["stale_operation"] == 1


def test_stats_asked_again_are_told_again() -> None:
    desk = Desk()
    ann = desk.person("ann")
    ann.do(m.Stats)
    ann.cut()
    ann.resume()
    ann.say(m.Stats(1))
    assert [report.op for report in desk.reports] == [1, 1]
    assert "stale_operation" not in desk.counters


def test_the_server_is_full() -> None:
    desk = Desk(ChatLimits(connections=3))
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    silent = desk.open()
    over = desk.open()
    assert desk.closed[over].code == "server_full"
    assert desk.counters["server_full"] == 1
    assert silent in desk.admitted
    desk.do(Closed(over, said=False))
    desk.do(Closed(silent, said=False))
    desk.person("cat")
    ann.emit("x", "tea")
    assert bob.texts() == ["x"]


# The doorway


def test_who_says_nothing_is_shown_out_after_five_seconds() -> None:
    desk = Desk()
    ann = desk.person("ann")
    silent = desk.open()
    desk.wait(5 * S - 1)
    assert silent not in desk.closed
    desk.wait(1)
    assert desk.closed[silent].code == "hello_timeout"
    assert desk.counters["hello_timeout"] == 1
    assert ann.conn not in desk.closed
    assert desk.stats()["connections"] == 1


def test_a_crowd_of_silent_ones_loses_its_oldest_to_those_who_wait() -> None:
    desk = Desk()
    silent = [desk.open() for _ in range(128)]
    desk.wait(500 * MS)
    waiting = desk.open()
    assert waiting not in desk.admitted, "the kernel's backlog holds the rest"
    desk.wait(499 * MS)
    assert not desk.closed, "each has a second of grace"
    desk.wait(1 * MS)
    assert desk.closed[silent[0]].code == "hello_timeout"
    assert waiting in desk.admitted
    desk.say(waiting, m.Hello(name="honest"))
    assert brief(desk.heard(waiting)) == ["welcome honest"]


def test_places_at_the_door_go_in_order() -> None:
    desk = Desk(ChatLimits(half_open=2))
    conns = [desk.open() for _ in range(6)]
    assert desk.admitted == conns[:2]
    desk.say(conns[1], m.Hello(name="b"))
    assert desk.admitted == conns[:3]
    desk.do(Closed(conns[0], said=False))
    assert desk.admitted == conns[:4]
    desk.do(Closed(conns[4], said=False))  # it gave up waiting
    desk.say(conns[2], m.Join(1, "tea"))  # hello first: shown out
    assert desk.admitted == [*conns[:4], conns[5]]


def test_a_storm_of_a_thousand_honest_ones_all_get_in_although_others_say_nothing() -> None:
    desk = Desk()
    silent = [desk.open() for _ in range(128)]
    storm = [desk.open() for _ in range(1000)]
    said: set[int] = set()
    for _ in range(1000):
        for conn in [conn for conn in storm if conn in set(desk.admitted) - said]:
            desk.say(conn, m.Hello(name=f"n{conn}"))
            said.add(conn)
        if len(said) == len(storm):
            break
        desk.wait(10 * MS)
    assert said == set(storm)
    assert not set(storm) & set(desk.closed)
    assert desk.now - 1_000 * S <= 2 * S
    assert desk.stats()["sessions"] == 1000
    assert set(desk.closed) <= set(silent)


def test_who_has_shown_its_address_need_not_wait() -> None:
    desk = Desk(ChatLimits(half_open=1))
    desk.open()
    conn = desk.open(reliable=False, validated=True)
    assert conn in desk.admitted


# Slow consumers


def test_a_slow_consumer_is_cut_after_two_seconds() -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "tea"), desk.person("bob", "tea")
    desk.do(Backlogged(bob.conn))
    desk.wait(2 * S - 1)
    desk.do(Backlogged(bob.conn))  # said twice: the first counts
    assert bob.conn not in desk.closed
    desk.wait(1)
    assert desk.closed[bob.conn].code == "slow_consumer"
    assert desk.counters["slow_consumer"] == 1
    ann.heard()
    ann.emit("x", "tea")
    assert brief(ann.heard()) == ["ann>tea#3:x", "2:ok"], "it may resume: nobody is told"
    assert brief(bob.resume({"tea": 2})) == ["back bob", "ann>tea#3:x"]


def test_who_catches_up_in_time_stays() -> None:
    desk = Desk()
    bob = desk.person("bob", "tea")
    desk.do(Backlogged(bob.conn))
    desk.wait(1_999 * MS)
    desk.do(Relieved(bob.conn))
    desk.wait(60 * S)
    assert bob.conn not in desk.closed


def test_a_backlog_of_a_connection_that_is_gone_is_nothing() -> None:
    desk = Desk()
    bob = desk.person("bob")
    desk.do(Backlogged(bob.conn))
    bob.cut()
    desk.do(Backlogged(bob.conn))
    desk.do(Relieved(bob.conn))
    desk.wait(10 * S)
    assert not desk.closed


# What nobody should send


HOSTILE = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"\xff\xfe",
    b"[" * 200_000,
    b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":' + b'[{"a":' * 20_000,
    b'{"type":"join","op":1,"room":"\\ud800"}',
    b'{"type":"join","op":1,"room":"a\\udc00b"}',
    b'{"type":"emit","op":1,"event":"\\udfff","to":["tea"],"args":[]}',
    b'{"type":"emit","op":1,"event":"e","to":["\\ud800\\ud800"],"args":["\\ud800"]}',
    b'{"type":"join","op":1,"room":"\xed\xa0\x80"}',
    b'{"type":"unknown","op":1}',
    b'{"op":1}',
    b'{"type":"join"}',
    b'{"type":"join","op":"1","room":"tea"}',
    b'{"type":"join","op":1.5,"room":"tea"}',
    b'{"type":"join","op":true,"room":"tea"}',
    b'{"type":"join","op":null,"room":"tea"}',
    b'{"type":"join","op":1,"room":7}',
    b'{"type":"emit","op":1,"event":"e","to":"tea"}',
    b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":[1e999]}',
    b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":[NaN]}',
    b'{"type":"emit","op":1,"event":"e","to":["tea"],"args":[' + b"9" * 5_000 + b"]}",
    b'{"type":"answer","ask":[]}',
    b'{"type":"hello","name":"again","resume":7}',
    b'{"type":"hello","name":["ann"]}',
]
ODD = [  # well formed, and still odd
    b'{"type":"join","op":' + b"9" * 300 + b',"room":"big"}',
    b'{"type":"join","op":-1,"room":"negative"}',
    b'{"type":"join","op":0,"room":"zero"}',
    b'{"type":"join","op":1,"room":"gap","seen":' + b"9" * 300 + b',"epoch":"x"}',
    b'{"type":"join","op":2,"room":"gap2","seen":18446744073709551615,"epoch":"x"}',
    b'{"type":"join","op":3,"room":"gap3","seen":-5}',
    b'{"type":"emit","op":4,"event":"e","to":["tea"],"args":[' + b"9" * 4_000 + b"]}",
    b'{"type":"emit","op":5,"event":"e","to":["tea"],"answer_ms":-99999999999999999999}',
    b'{"type":"emit","op":6,"event":"e","to":["tea"],"answer_ms":99999999999999999999999}',
    b'{"type":"emit","op":7,"event":"e","to":["tea"],"args":[{"a":1,"a":2}]}',
    b'{"type":"who","op":8,"room":"tea","after":"\\u0000"}',
    b'{"type":"rooms","op":9,"after":"\xf4\x8f\xbf\xbf"}',
    b'{"type":"answer","ask":-1}',
    b'{"type":"hello","name":"somebody-else"}',
    b'{"type":"hello","name":"x","resume":{"sid":"x","secret":"y","seen":{"tea":-9}}}',
    b'  {"type":"stats","op":10}  ',
    b'{"type":"find","op":11,"name":"\\u202e"}',
]


@pytest.mark.parametrize("reliable", [True, False], ids=["tcp", "udp"])
@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:40]))
def test_what_is_malformed_is_counted_and_told_to_its_sender_alone(data: bytes, reliable: bool) -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "corner"), desk.person("bob", "corner")
    bad = desk.person("bad", "tea", reliable=reliable)
    desk.hush()
    bad.say(data)
    assert brief(bad.heard()) == ["bye malformed"]
    assert desk.counters["malformed"] == 1
    assert [dropped.reason for dropped in desk.dropped] == ["malformed"]
    assert bad.conn not in desk.closed
    assert ann.heard() == bob.heard() == []
    ann.emit("fine", "corner")
    assert bob.texts() == ["fine"]
    assert bad.emit("still here", "tea").status == "ok"


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: repr(data[:40]))
def test_what_is_malformed_before_hello_is_counted(data: bytes) -> None:
    desk = Desk()
    conn = desk.open()
    desk.say(conn, data)
    assert brief(desk.heard(conn)) == ["bye malformed"]
    desk.wait(5 * S)
    assert desk.closed[conn].code == "hello_timeout", "garbage is no hello"


@pytest.mark.parametrize("reliable", [True, False], ids=["tcp", "udp"])
def test_what_is_odd_disturbs_nobody(reliable: bool) -> None:
    for first, second in itertools.product(ODD, ODD):
        desk = Desk()
        ann, bob = desk.person("ann", "corner"), desk.person("bob", "corner")
        bad = desk.person("bad", "tea", reliable=reliable)
        desk.hush()
        bad.say(first)
        bad.say(second)
        desk.wait(40 * S)
        assert ann.heard() == bob.heard() == []
        assert "malformed" not in desk.counters, (first, second)


def test_a_flood_of_malformed_messages_is_not_answered_one_by_one() -> None:
    desk = Desk()
    bad = desk.person("bad")
    for _ in range(1000):
        bad.say(b"?")
    assert desk.counters["malformed"] == 1000
    assert len(bad.heard()) <= 1 + 100


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
fields = st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "join", "leave", "emit", "answer", "who", "rooms", "find", "stats"])},
    optional={
        key: good | json_values
        for key, good in {
            "op": st.integers(-2, 20),
            "room": st.sampled_from(["tea", "pub", "corner"]),
            "name": st.sampled_from(["ann", "bad", "x"]),
            "event": st.just("e"),
            "to": st.lists(st.sampled_from(["tea", "pub"]), max_size=3),
            "args": st.lists(json_values, max_size=2),
            "seen": st.integers(),
            "epoch": st.text(max_size=3),
            "ask": st.integers(0, 4),
            "answer_ms": st.integers(-5, 5000),
            "skip_self": st.booleans(),
            "after": st.text(max_size=2),
            "resume": st.fixed_dictionaries({"sid": st.text(), "secret": st.text()}),
            "token": st.text(max_size=3),
        }.items()
    },
)


@given(
    data=st.lists(fields.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30), max_size=12),
    reliable=st.booleans(),
    greets=st.booleans(),
    delayed=st.booleans(),
)
@settings(max_examples=300)
def test_no_bytes_of_a_peer_raise_or_reach_another_room(
    data: list[bytes], reliable: bool, greets: bool, delayed: bool
) -> None:
    desk = Desk()
    ann, bob = desk.person("ann", "corner"), desk.person("bob", "corner")
    if greets:
        bad = desk.person("bad", "tea", reliable=reliable)
    else:
        bad = Person(desk, "bad", reliable=reliable)
        bad.conn = desk.open(reliable=reliable)
    desk.hush()
    desk.delayed = delayed
    for message in data:
        bad.say(message)
    desk.store_all()
    desk.delayed = False
    desk.wait(1 * S)
    ann.emit("fine", "corner")
    assert "fine" in bob.texts()
    for event in ann.heard():
        assert not isinstance(event, m.Goodbye)
    desk.do(Closed(bad.conn, said=True))
    ann.quit()
    bob.quit()
    desk.wait(60 * S)
    desk.assert_empty()


def test_the_largest_of_everything_keeps_within_its_memory() -> None:
    """A room of large messages costs the history its bound and no more."""
    desk = Desk(FREE)
    ann = desk.person("ann", "tea")
    for _ in range(100):
        ann.emit("x" * MAX_MESSAGE, "tea")
        ann.heard()
        desk.told[ann.conn].clear()
        desk._read[ann.conn] = 0
    assert 15 * MIB < desk.stats()["history_bytes"] <= 16 * MIB
