"""A model of a chat of several servers: people, servers and the log come, go and fail in any order, and in the end
everybody agrees. The people are the clients' own machines; the log and the servers are simulated, the hubs are not."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from netlab.chat import messages as m
from netlab.chat.client import ChatClient
from netlab.chat.client_events import (
    Ask,
    Changed,
    Connected,
    Dial,
    Disconnected,
    Done,
    Event,
    Hangup,
    Happened,
    Leave,
    Outcome,
    Received,
    Reply,
    Start,
    Transmit,
)
from netlab.units import MS, Ns, S

from .simulated import Cluster, Server

ROOMS = ["tea", "pub"]


class Person:
    """A client's machine, which after a cut goes to whichever server lives."""

    def __init__(self, cluster: Cluster, name: str, choice: int) -> None:
        self.cluster = cluster
        self.machine = ChatClient(name, reliable=True)
        self.choice = choice
        self.server: Server | None = None
        self.conn: int | None = None
        self.happened: list[Any] = []
        self.outcomes: dict[int, Outcome] = {}
        self.asked: dict[int, m.Operation] = {}
        self.changes: list[str] = []
        self.down_at = cluster.now
        self.said = 0
        self.step(Start())

    def step(self, event: Event) -> None:
        for output in self.machine.handle(event, self.cluster.now):
            match output:
                case Transmit(data):
                    assert self.server is not None
                    assert self.conn is not None
                    self.cluster.at(1 * MS, lambda s=self.server, c=self.conn, d=data: self.cluster.say(s, c, d))
                case Dial():
                    self.cluster.at(5 * MS, self.dial)
                case Hangup():
                    self.hang_up()
                case Done(ref, outcome):
                    assert ref not in self.outcomes, "an operation ends once"
                    self.outcomes[ref] = outcome
                case Happened(event=happened):
                    self.happened.append(happened)
                case Changed(status=status):
                    self.changes.append(status)
                    self.happened.append(output)

    def dial(self) -> None:
        living = [server for server in self.cluster.servers if server.alive]
        self.choice += 1
        self.server = living[self.choice % len(living)]
        self.conn = self.cluster.connect(self.server, self)
        self.step(Connected())

    def hang_up(self, *, said: bool = False) -> None:
        if self.conn is not None and self.server is not None:
            conn, self.conn = self.conn, None
            self.cluster.cut(self.server, conn, said=said)

    def received(self, conn: int, data: bytes) -> None:
        self.down_at = max(self.down_at, self.cluster.now + 1 * MS)
        self.cluster.at(self.down_at - self.cluster.now, lambda: self.conn == conn and self.step(Received(data)))

    def closed(self, conn: int, reason: m.Goodbye) -> None:
        def tell() -> None:
            if self.conn == conn:
                if reason.code != "crashed":
                    self.step(Received(m.encode_json(reason)))
                if self.conn == conn:
                    self.conn = None
                    self.step(Disconnected(reason.code))

        self.cluster.at(2 * MS, tell)

    def cut(self) -> None:
        if self.conn is not None:
            self.hang_up()
            self.step(Disconnected("cut"))

    def step_aside(self) -> None:
        """It is cut, and does not come back."""
        self.cluster.people.remove(self)

    def answer(self, ask: int, *args: Any) -> None:
        self.step(Reply(m.Answer(ask, list(args))))

    def ask(self, operation: m.Operation) -> None:
        ref = len(self.asked) + 1
        self.asked[ref] = operation
        self.step(Ask(ref, operation))

    def emit(self, *rooms: str) -> None:
        self.said += 1
        self.ask(m.Emit(0, "say", list(rooms), [self.machine.name, self.said]))

    @property
    def deadline(self) -> Ns | None:
        return self.machine.deadline


def person_of(cluster: Cluster, name: str, *rooms: str, at: int = 0) -> Person:
    """Somebody who goes to that server first."""
    person = Person(cluster, name, at - 1)
    cluster.people.append(person)
    for room in rooms:
        person.ask(m.Join(0, room))
    return person


class ClusterModel(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster(2, keep=25, history=12)
        self.names = 0
        self.loses = 0
        for at in (0, 0, 1):
            self.arrive({"tea"}, at)
        self.cluster.run(1 * S)

    @property
    def people(self) -> list[Person]:
        return self.cluster.people

    @precondition(lambda self: len(self.people) < 5)
    @rule(rooms=st.sets(st.sampled_from(ROOMS)), at=st.integers(0, 2))
    def arrive(self, rooms: set[str], at: int) -> None:
        self.names += 1
        person_of(self.cluster, f"n{self.names}", *sorted(rooms), at=at)

    @precondition(lambda self: self.people)
    @rule(data=st.data(), room=st.sampled_from(ROOMS), times=st.integers(1, 4))
    def emit(self, data: st.DataObject, room: str, times: int) -> None:
        person = data.draw(st.sampled_from(self.people))
        for _ in range(times):
            person.emit(room)

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def whisper(self, data: st.DataObject) -> None:
        one, other = data.draw(st.sampled_from(self.people)), data.draw(st.sampled_from(self.people))
        if other.machine.sid:
            one.emit(other.machine.sid)

    @precondition(lambda self: self.people)
    @rule(data=st.data(), room=st.sampled_from(ROOMS), enter=st.booleans())
    def move(self, data: st.DataObject, room: str, enter: bool) -> None:
        person = data.draw(st.sampled_from(self.people))
        person.ask(m.Join(0, room) if enter else m.Leave(0, room))

    @precondition(lambda self: self.people)
    @rule(data=st.data())
    def cut(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.people)).cut()

    @precondition(lambda self: len(self.people) > 1)
    @rule(data=st.data())
    def quit(self, data: st.DataObject) -> None:
        person = data.draw(st.sampled_from(self.people))
        person.step(Leave())
        person.hang_up(said=True)
        self.people.remove(person)

    @rule(duration=st.sampled_from([3 * MS, 30 * MS, 400 * MS, 2 * S, 8 * S, 30 * S]))
    def time_passes(self, duration: Ns) -> None:
        self.cluster.run(duration)

    @rule(data=st.data())
    def a_server_crashes(self, data: st.DataObject) -> None:
        living = [server for server in self.cluster.servers if server.alive]
        if len(living) > 1:
            self.cluster.crash(data.draw(st.sampled_from(living)))

    @precondition(lambda self: sum(server.alive for server in self.cluster.servers) < 3)
    @rule()
    def a_server_starts(self) -> None:
        self.cluster.start()

    @rule(data=st.data())
    def a_server_is_cut_off(self, data: st.DataObject) -> None:
        up = [server for server in self.cluster.servers if server.alive and server.up]
        if up:
            data.draw(st.sampled_from(up)).cut_off("cut")

    @rule()
    def the_log_stops_or_goes_on(self) -> None:
        if self.cluster.is_stopped:
            self.cluster.go_on()
        elif not self.cluster.is_gone:
            self.cluster.stop()

    @precondition(lambda self: self.people and not self.cluster.stuck())
    @rule(data=st.data(), before=st.integers(0, 25), after=st.booleans())
    def something_fails_while_people_talk(self, data: st.DataObject, before: int, after: bool) -> None:
        for person in self.people:
            person.emit("tea")
        self.cluster.run(before * MS)
        person = data.draw(st.sampled_from(self.people))
        person.cut() if after else self.cluster.stop()
        self.cluster.run(600 * MS)

    @rule(loses=st.sampled_from([0, 0, 0, 3]))
    def the_log_is_killed_or_comes_back(self, loses: int) -> None:
        if self.cluster.is_gone:
            self.cluster.restart(loses=loses)
            self.loses += loses
        elif not self.cluster.is_stopped:
            self.cluster.kill()

    def teardown(self) -> None:
        if self.cluster.is_stopped:
            self.cluster.go_on()
        if self.cluster.is_gone:
            self.cluster.restart()
        self.cluster.run(150 * S)
        for person in self.people:
            for room in ROOMS:
                if room in person.machine.rooms:
                    person.emit(room)
        self.cluster.run(10 * S)
        self.everybody_agrees()
        for person in self.people:
            self.it_has_heard(person)
        self.one_order_for_all()

    def everybody_agrees(self) -> None:
        living = [server for server in self.cluster.servers if server.alive]
        while len({server.hub.position for server in living}) > 1:
            self.cluster.run(3 * MS)
        known = []
        for server in living:
            assert not server.hub.degraded
            state = json.loads(server.hub.snapshot())
            for someone in state["people"]:
                del someone["last_op"]
            state["people"].sort(key=lambda someone: someone["sid"])
            state["rooms"].sort(key=lambda room: room["name"])
            state["servers"].sort()
            known.append(state)
        assert all(state == known[0] for state in known[1:]), known
        here = {person.machine.sid: person for person in self.people if "ended" not in person.changes}
        assert {someone["sid"] for someone in known[0]["people"]} == set(here), "who is here, and nobody else"
        for someone in known[0]["people"]:
            person = here[someone["sid"]]
            assert someone["here"]
            assert set(someone["rooms"]) == set(person.machine.rooms), "the client knows its rooms"

    def it_has_heard(self, person: Person) -> None:
        if "ended" in person.changes:
            return
        hub = next(server for server in self.cluster.servers if server.alive).hub
        for name, view in person.machine.rooms.items():
            room = hub._membership.rooms[name]
            assert not view.missing, (person.machine.name, name, view.missing)
            assert view.last == room.last, (person.machine.name, name, view.last, room.last)
        texts = Counter(tuple(e.args) for e in person.happened if isinstance(e, m.Message))
        assert not [text for text, count in texts.items() if count > 1], "once"
        assert set(person.outcomes) == set(person.asked), "every operation ends"

    def one_order_for_all(self) -> None:
        """Within one log: the number of an event is the same for everybody, and so is that of its result."""
        if self.loses:
            return
        numbers: dict[tuple[Any, ...], dict[str, int]] = {}
        for person in self.people:
            for event in person.happened:
                if isinstance(event, m.Message) and event.rooms:
                    assert numbers.setdefault((event.sid, event.op), event.rooms) == event.rooms
        for person in self.people:
            here: set[tuple[str, str]] = set()
            for event in person.happened:
                if isinstance(event, Changed | m.Gap):
                    here.clear()
                elif isinstance(event, m.Joined):
                    for room in event.rooms:
                        if event.sid == person.machine.sid:  # what happened before it came, it did not hear
                            here = {(there, sid) for there, sid in here if there != room}
                        assert (room, event.sid) not in here, "a join is told once"
                        here.add((room, event.sid))
                elif isinstance(event, m.Left):
                    for room in event.rooms:
                        here.discard((room, event.sid))


TestClusterModel = ClusterModel.TestCase
# Not shrunk: it takes minutes, and the steps are printed anyway.
TestClusterModel.settings = settings(
    max_examples=40,
    phases=(Phase.generate,),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
