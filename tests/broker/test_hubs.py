"""Hubs that share a simulated log: the cases that everything else stands on, one by one."""

from __future__ import annotations

from typing import Any

import pytest

from netlab.chat import messages as m
from netlab.chat.entries import Batch, Gone, Said, encode_batch
from netlab.units import MS, S

from .simulated import WINDOW, Cluster
from .test_cluster_model import Person, person_of


def texts(person: Person) -> list[Any]:
    return [event.args[1] for event in person.happened if isinstance(event, m.Message)]


def lefts(person: Person) -> list[m.Left]:
    return [event for event in person.happened if isinstance(event, m.Left)]


def two() -> tuple[Cluster, Person, Person]:
    """Ann on the first server, Bob on the second, in one room."""
    cluster = Cluster(2)
    ann, bob = person_of(cluster, "ann", "tea", at=0), person_of(cluster, "bob", "tea", at=1)
    cluster.run(1 * S)
    return cluster, ann, bob


def test_what_was_under_way_when_the_log_stopped_is_heard_once_whether_it_was_stored_or_not() -> None:
    cluster, ann, bob = two()
    cluster.stop()
    ann.emit("tea")
    cluster.run(2 * S)
    [said] = [event for event in ann.happened if isinstance(event, m.Message)]
    assert (said.rooms, said.unnumbered) == ({}, ["tea"])
    assert ann.outcomes[2].status == "unknown"
    assert not texts(bob)
    cluster.go_on()
    cluster.run(2 * S)
    assert texts(ann) == texts(bob) == [1], "it was stored after all"
    assert ann.machine.rooms["tea"].last == bob.machine.rooms["tea"].last
    assert not ann.machine.rooms["tea"].missing
    assert ann.changes[-2:] == ["degraded", "restored"]


def test_what_was_done_on_one_server_is_not_done_again_on_the_next() -> None:
    for moment in range(0, 40, 2):
        cluster, ann, bob = two()
        ann.emit("tea")
        cluster.run(moment * MS)
        ann.cut()
        cluster.run(5 * S)
        assert ann.server is cluster.servers[1], "it went on there"
        assert ann.outcomes[2].status == "ok", moment
        assert texts(bob) == texts(ann) == [1], moment


def test_what_a_server_says_late_for_a_session_that_has_gone_elsewhere_is_void() -> None:
    cluster, ann, bob = two()
    author = cluster.servers[0].hub._standing.server
    ann.cut()
    cluster.run(5 * S)
    assert ann.server is cluster.servers[1]
    late = Said(ann.machine.sid, 99, 0, ("tea",), "say", ["ann", "late"])
    cluster.add(cluster.epoch, encode_batch(Batch(author, [late, Gone(ann.machine.sid, "lost", 0)])))
    cluster.run(1 * S)
    assert texts(bob) == []
    assert not lefts(bob)


def test_those_of_a_dead_server_are_lost_after_their_window_and_that_is_told_once() -> None:
    cluster, ann, bob = two()
    cluster.start()
    cluster.run(1 * S)
    cat = person_of(cluster, "cat", "tea", at=2)
    cluster.run(1 * S)
    ann.step_aside()
    cluster.crash(cluster.servers[0])
    cluster.run(WINDOW)
    assert not lefts(bob), "a cut is not a leave"
    cluster.run(10 * S)
    for one in (bob, cat):
        assert [(left.name, left.reason) for left in lefts(one)] == [("ann", "lost")]


def test_a_server_that_was_taken_for_dead_takes_part_again_with_its_people() -> None:
    cluster, ann, bob = two()
    before = cluster.servers[0].hub._standing.server
    cluster.servers[0].mute = True
    cluster.run(8 * S)
    cluster.servers[0].mute = False
    cluster.run(5 * S)
    assert cluster.servers[0].hub._standing.server != before
    ann.emit("tea")
    cluster.run(1 * S)
    assert texts(bob) == [1]
    assert not lefts(bob)
    assert not cluster.servers[0].hub.degraded


def test_what_is_asked_as_soon_as_the_log_is_back_is_answered() -> None:
    """Also by a session that its server has to claim first, because the others took it for dead."""
    cluster, ann, bob = two()
    cluster.leave_out(cluster.servers[0])
    cluster.run(10 * S)
    cluster.let_in(cluster.servers[0])
    cluster.until(lambda: "restored" in ann.changes)
    ann.emit("tea")
    ann.ask(m.Leave(0, "tea"))
    cluster.run(5 * S)
    assert [outcome.status for outcome in ann.outcomes.values()] == ["ok", "ok", "ok"]
    assert texts(bob) == [1]


def test_who_came_back_while_the_log_was_stopped_is_here_for_all_servers() -> None:
    cluster, ann, bob = two()
    ann.choice = 1  # to the same server
    ann.cut()
    cluster.stop()  # while the cut is on its way there: it is heard when she is back
    ann.step_aside()
    cluster.until(lambda: cluster.servers[0].hub.degraded)
    cluster.people.append(ann)
    cluster.until(lambda: "resumed" in ann.changes)
    cluster.go_on()
    cluster.run(2 * S)
    for one in (ann, bob):
        one.ask(m.Who(0, "tea"))
        cluster.run(1 * S)
        assert [row["here"] for row in one.outcomes[2].data["members"]] == [True, True]


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("meanwhile", ["nothing", "cut", "join"])
def test_a_leave_of_which_nobody_can_tell_is_settled_when_the_log_is_back(meanwhile: str, stored: bool) -> None:
    cluster, ann, bob = two()
    cluster.servers[0].mute = not stored
    leave = len(ann.asked) + 1
    ann.ask(m.Leave(0, "tea"))
    cluster.run(1 * MS)
    cluster.stop()
    cluster.until(lambda: leave in ann.outcomes)
    assert ann.outcomes[leave].status == "unknown"
    if meanwhile == "cut":
        ann.cut()
    elif meanwhile == "join":
        ann.ask(m.Join(0, "tea"))
        cluster.until(lambda: leave + 1 in ann.outcomes)
        assert ann.outcomes[leave + 1].status == "ok"
    cluster.servers[0].mute = False
    cluster.go_on()
    cluster.run(10 * S)
    expected = {"bob", "ann"} if meanwhile == "join" else {"bob"}
    bob.ask(m.Who(0, "tea"))
    cluster.run(1 * S)
    assert {row["name"] for row in bob.outcomes[len(bob.asked)].data["members"]} == expected
    assert ("tea" in ann.machine.rooms) == (meanwhile == "join")
    assert len(lefts(bob)) == (stored or meanwhile != "join")
    bob.emit("tea")
    cluster.run(1 * S)
    assert texts(ann) == ([1] if meanwhile == "join" else [])


@pytest.mark.parametrize("lost", [m.Join, m.Leave])
def test_a_move_that_the_log_lost_after_it_was_told_is_made_again_when_its_client_resumes(lost: type) -> None:
    cluster, ann, bob = two()
    if lost is m.Join:
        ann.ask(m.Leave(0, "tea"))
        cluster.run(900 * MS)
    before = cluster.last
    ann.ask(lost(0, "tea"))
    cluster.until(lambda: ann.outcomes.get(len(ann.asked)))
    cluster.kill()
    cluster.crash(cluster.servers[0])  # the other one may know of it, the next one does not
    cluster.crash(cluster.servers[1])
    cluster.restart(loses=cluster.last - before)
    cluster.start()
    cluster.run(10 * S)
    bob.ask(m.Who(0, "tea"))
    bob.emit("tea")
    cluster.run(1 * S)
    expected = {"ann", "bob"} if lost is m.Join else {"bob"}
    assert {row["name"] for row in bob.outcomes[2].data["members"]} == expected
    assert ("tea" in ann.machine.rooms) == (lost is m.Join) == bool(texts(ann))


def test_who_was_turned_away_while_the_log_took_that_they_were_back_is_lost_after_their_window() -> None:
    cluster, ann, bob = two()
    for there in (1, 0):
        ann.cut()
        cluster.run(5 * S)
        assert ann.server is cluster.servers[there]
    ann.cut()
    cluster.stop()  # the claim of the other server waits in it
    cluster.until(lambda: cluster.servers[1].hub.degraded)
    assert ann.server is cluster.servers[1]
    ann.step_aside()
    ann.cut()
    cluster.go_on()
    cluster.run(WINDOW + 10 * S)
    assert [(left.name, left.reason) for left in lefts(bob)] == [("ann", "lost")]
    again = person_of(cluster, "ann", at=1)
    cluster.run(1 * S)
    assert again.machine.sid


def test_messages_to_two_rooms_are_all_or_none_and_in_one_order() -> None:
    cluster, ann, bob = two()
    for one in (ann, bob):
        one.ask(m.Join(0, "pub"))
    cluster.run(1 * S)
    for _ in range(20):
        ann.emit("tea", "pub")
        bob.emit("pub", "tea")
    cluster.run(2 * S)
    heard = [
        [(event.sid, event.op, event.rooms) for event in one.happened if isinstance(event, m.Message)]
        for one in (ann, bob)
    ]
    assert heard[0] == heard[1]
    assert len(heard[0]) == 40


def test_an_asker_that_goes_to_another_server_is_told_the_answers_there() -> None:
    cluster, ann, bob = two()
    ann.ask(m.Emit(0, "ask", ["tea"], ["ann", 1], True, 5_000))
    cluster.run(100 * MS)
    [asked] = [event for event in bob.happened if isinstance(event, m.Message)]
    ann.cut()
    cluster.run(2 * S)
    assert ann.server is cluster.servers[1]
    bob.answer(asked.ask, "yes")
    cluster.run(1 * S)
    assert ann.outcomes[2].data.answers == {bob.machine.sid: ["yes"]}
