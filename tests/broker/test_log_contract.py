"""What every log that a hub can use keeps to: in memory, simulated, and in a real Redis. The people are the clients'
own machines; what they hear and are told is all that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netlab.chat import messages as m
from netlab.chat import standing

from .live import Live
from .redis_server import redis_server
from .simulated import Cluster
from .test_cluster_model import Person, person_of

World = Cluster | Live
Begin = Callable[..., World]

MEMORY = "in memory"
SHARED = ["simulated", pytest.param("in Redis", marks=pytest.mark.slow)]
"""Logs that several servers share, and that may fail."""


@pytest.fixture
def begin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Makes the world: so many servers; one, where the log is in its memory."""
    if request.param != "simulated":  # on a busy machine all is slow, and not gone
        monkeypatch.setattr(standing, "PATIENCE", standing.PATIENCE_MOST)
    made: list[Live] = []

    def live(*args: Any, **options: Any) -> Live:
        made.append(Live(*args, **options))
        return made[-1]

    if request.param == "simulated":
        yield Cluster
    elif request.param == MEMORY:
        yield lambda servers, **options: live(1, **options)
        for world in made:
            world.end()
    else:
        with redis_server(tmp_path) as redis:
            yield lambda servers, **options: live(servers, redis, **options)
            for world in made:
                world.end()


over_every_log = pytest.mark.parametrize("begin", [MEMORY, *SHARED], indirect=True)
over_shared_logs = pytest.mark.parametrize("begin", SHARED, indirect=True)


def in_tea(world: World, *names: str) -> list[Person]:
    """In one room, on each server in turn."""
    people = []
    for at, name in enumerate(names):
        people.append(person := person_of(world, name, "tea", at=at))
        world.until(lambda person=person: is_in(person))
    return people


def is_in(person: Person) -> bool:
    return "tea" in person.machine.rooms


def numbered(person: Person) -> list[tuple[int, Any]]:
    """Number and text of all in the room that has a number: joins, leaves, what was said."""
    return [
        (event.rooms["tea"], tuple(event.args) if isinstance(event, m.Message) else event.name)
        for event in person.happened
        if "tea" in getattr(event, "rooms", {})
    ]


def heard(person: Person) -> list[tuple[Any, ...]]:
    """What was said, with a number or without."""
    return [tuple(event.args) for event in person.happened if isinstance(event, m.Message)]


def ended(person: Person, *statuses: str) -> bool:
    """All that was asked has ended, as one of these."""
    done = person.outcomes.keys() == person.asked.keys()
    assert not done or {outcome.status for outcome in person.outcomes.values()} <= {*statuses}
    return done


def say_and_hear(world: World, speaker: Person, people: list[Person]) -> None:
    """What is said is stored, and everybody hears it: all before it has come then."""
    speaker.emit("tea")
    text, ref = (speaker.machine.name, speaker.said), len(speaker.asked)
    world.until(lambda: ref in speaker.outcomes and all(text in heard(one) for one in people))
    assert speaker.outcomes[ref].status == "ok"


def restored(person: Person) -> bool:
    """It was told that the log was gone, and that it is back."""
    return "degraded" in person.changes and person.changes[-1] == "restored"


def one_order(people: list[Person]) -> None:
    """From where each came in, all numbers without a hole, each once, and the same behind each for all."""
    logs = [numbered(person) for person in people]
    for log in logs:
        numbers = [number for number, _ in log]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        shared = min(len(log), len(logs[-1]))
        assert log[-shared:] == logs[-1][-shared:]
    for person in people:
        assert len(set(heard(person))) == len(heard(person)), "each is shown once"
        assert not [event for event in person.happened if isinstance(event, m.Gap)]


@over_every_log
def test_what_is_appended_is_heard_by_all_in_one_order_and_that_of_each_author(begin: Begin) -> None:
    world = begin(3)
    people = in_tea(world, "ann", "bob", "cat")
    for _ in range(20):
        for person in people:
            person.emit("tea")
    for person in people:
        world.until(lambda person=person: ended(person, "ok") and len(heard(person)) == 60)
    one_order(people)
    for person in people:
        texts = heard(person)
        assert texts == heard(people[0])
        assert [n for name, n in texts if name == person.machine.name] == list(range(1, 21))
        said = dict(map(reversed, numbered(person)))
        told = {ref - 1: outcome.rooms["tea"] for ref, outcome in person.outcomes.items()}
        assert all(said[person.machine.name, n] == told[n] for n in range(1, 21)), "its author is told its number"


@over_every_log
def test_who_comes_and_goes_is_told_once_to_all(begin: Begin) -> None:
    world = begin(2)
    ann, bob = in_tea(world, "ann", "bob")
    cat = person_of(world, "cat", "tea", at=1)
    world.until(lambda: is_in(cat))
    cat.ask(m.Leave(0, "tea"))
    world.until(lambda: ended(cat, "ok"))
    say_and_hear(world, bob, [ann, bob])
    for one in (ann, bob):
        assert [what for _, what in numbered(one)[-3:]] == ["cat", "cat", ("bob", 1)]
    one_order([ann, bob])


@over_every_log
def test_a_name_is_given_once_where_several_ask_at_once(begin: Begin) -> None:
    world = begin(2)
    asked = [person_of(world, "ann", at=at) for at in (0, 1)]
    world.until(lambda: all("ended" in one.changes or one.machine.sid for one in asked))
    assert sorted("ended" in one.changes for one in asked) == [False, True]


@pytest.mark.parametrize("keep", [1_000, 5])
@over_shared_logs
def test_a_server_that_begins_later_knows_what_the_others_know(begin: Begin, keep: int) -> None:
    """From the log, or from a snapshot."""
    world = begin(1, keep=keep)
    [ann] = in_tea(world, "ann")
    for _ in range(12):
        say_and_hear(world, ann, [ann])
    server = world.start()
    world.until(lambda: not server.hub.degraded and server.hub.position >= world.servers[0].hub.position)
    bob = person_of(world, "bob", "tea", at=1)
    world.until(lambda: is_in(bob))
    assert numbered(bob)[0] == (numbered(ann)[0][0] + 13, "bob"), "it counts on from there"
    bob.ask(m.Who(0, "tea"))
    world.until(lambda: ended(bob, "ok"))
    assert [row["name"] for row in bob.outcomes[2].data["members"]] == ["ann", "bob"]


@over_shared_logs
def test_a_server_that_could_not_reach_it_hears_on_from_where_it_was(begin: Begin) -> None:
    world = begin(2)
    ann, bob = in_tea(world, "ann", "bob")
    world.leave_out(world.servers[1])
    world.until(lambda: "degraded" in bob.changes)
    for _ in range(20):
        say_and_hear(world, ann, [ann])
    assert not heard(bob)
    world.let_in(world.servers[1])
    world.until(lambda: restored(bob))
    say_and_hear(world, bob, [ann, bob])
    assert heard(bob) == heard(ann)
    assert "degraded" not in ann.changes
    one_order([ann, bob])


@over_shared_logs
def test_beyond_what_it_keeps_the_gap_is_told_exactly(begin: Begin) -> None:
    world = begin(2, keep=10, history=8)
    ann, bob = in_tea(world, "ann", "bob")
    say_and_hear(world, ann, [ann, bob])
    world.leave_out(world.servers[1])
    world.until(lambda: "degraded" in bob.changes)
    for _ in range(60):
        say_and_hear(world, ann, [ann])
    world.let_in(world.servers[1])
    world.until(lambda: restored(bob))
    say_and_hear(world, bob, [ann, bob])
    [gap] = [event for event in bob.happened if isinstance(event, m.Gap)]
    assert gap.room == "tea"
    assert gap.last is not None
    told = [number for number, _ in numbered(bob)]
    whole = sorted([*told, *range(gap.first, gap.last + 1)])
    assert whole == list(range(told[0], told[-1] + 1)), "what is kept is told, what is not is in the gap"
    assert gap.last >= gap.first
    assert set(numbered(bob)) <= set(numbered(ann)) | {numbered(bob)[0]}


@over_shared_logs
def test_while_it_is_gone_nothing_is_called_stored_and_after_that_all_goes_on(begin: Begin) -> None:
    world = begin(2)
    ann, bob, amy = in_tea(world, "ann", "bob", "amy")
    say_and_hear(world, ann, [ann, amy, bob])
    world.kill()
    world.until(lambda: all(one.changes[-1:] == ["degraded"] for one in (ann, amy, bob)))
    ann.emit("tea")
    world.until(lambda: ended(ann, "ok", "unknown") and ("ann", 2) in heard(amy))
    assert (ann.outcomes[3].status, ann.outcomes[3].code, ann.outcomes[3].rooms) == ("unknown", "broker_gone", {})
    said = [event for event in amy.happened if isinstance(event, m.Message)][-1]
    assert (said.rooms, said.unnumbered) == ({}, ["tea"])
    amy.ask(m.Join(0, "pub"))
    amy.ask(m.Leave(0, "tea"))
    world.until(lambda: ended(amy, "ok", "failed"))
    assert {amy.outcomes[2].code, amy.outcomes[3].code} == {"broker_gone"}
    dan = person_of(world, "dan", at=0)
    world.until(lambda: "ended" in dan.changes)
    assert "broker_gone" in [getattr(event, "code", "") for event in dan.happened]
    world.restart()
    world.until(lambda: all(restored(one) for one in (ann, amy, bob)))
    say_and_hear(world, bob, [ann, amy, bob])
    assert ("ann", 2) not in heard(bob), "it was not stored, and is not said to have been"
    assert heard(ann) == heard(amy) == [("ann", 1), ("ann", 2), ("bob", 1)]
    one_order([ann, amy, bob])


@over_shared_logs
def test_while_it_is_gone_what_surely_reaches_nobody_has_failed(begin: Begin) -> None:
    world = begin(2)
    ann, bob, amy = in_tea(world, "ann", "bob", "amy")
    world.kill()
    world.until(lambda: all(one.changes[-1:] == ["degraded"] for one in (ann, amy, bob)))
    for to in ([bob.machine.sid], [amy.machine.sid], [bob.machine.sid, amy.machine.sid]):
        ann.emit(*to)
    world.until(lambda: len(ann.outcomes) == 4 and len(heard(amy)) == 2)
    told = [(ann.outcomes[ref].status, ann.outcomes[ref].code) for ref in (2, 3, 4)]
    assert told == [("failed", "broker_gone"), ("unknown", "broker_gone"), ("unknown", "broker_gone")]
    world.restart()
    world.until(lambda: all(restored(one) for one in (ann, amy, bob)))
    say_and_hear(world, ann, [ann, amy, bob])
    assert heard(amy) == [("ann", 2), ("ann", 3), ("ann", 4)]
    assert heard(bob) == [("ann", 4)]


@over_shared_logs
def test_one_that_is_stopped_stalls_nobody_and_nothing_comes_twice(begin: Begin) -> None:
    world = begin(2)
    ann, bob, amy = in_tea(world, "ann", "bob", "amy")
    say_and_hear(world, ann, [ann, amy, bob])
    world.stop()
    for n in (2, 3):  # the first is under way when it is noticed, the second is said after that
        ann.emit("tea")
        world.until(lambda n=n: len(ann.outcomes) == n + 1 and ("ann", n) in heard(amy))
        assert ann.outcomes[n + 1].status == "unknown"
        assert ("ann", n) not in heard(bob)
    assert [e.unnumbered for e in amy.happened if isinstance(e, m.Message)] == [[], ["tea"], ["tea"]]
    world.go_on()
    world.until(lambda: restored(ann) and restored(amy))  # where nobody said anything it may not have been noticed
    say_and_hear(world, ann, [ann, amy, bob])
    say_and_hear(world, bob, [ann, amy, bob])
    assert heard(ann) == heard(amy)
    assert ("ann", 3) not in heard(bob)
    for one in (ann, amy, bob):
        assert not one.machine.rooms["tea"].missing
        assert len(set(heard(one))) == len(heard(one)), "what came without a number does not come again"


@over_shared_logs
def test_one_that_has_forgotten_everything_is_followed_by_another(begin: Begin) -> None:
    world = begin(2)
    ann, bob = people = in_tea(world, "ann", "bob")
    say_and_hear(world, ann, people)
    epoch = world.servers[0].hub.epoch
    world.forget()
    world.until(lambda: all(restored(one) for one in people))
    for one in people:
        [gap] = [event for event in one.happened if isinstance(event, m.Gap) and event.room == "tea"]
        assert gap.last is None
        assert gap.epoch not in ("", epoch)
    say_and_hear(world, bob, people)
    assert numbered(ann)[-1] == numbered(bob)[-1]
    ann.ask(m.Who(0, "tea"))
    world.until(lambda: len(ann.outcomes) == len(ann.asked))
    assert [row["name"] for row in ann.outcomes[3].data["members"]] == ["ann", "bob"]
