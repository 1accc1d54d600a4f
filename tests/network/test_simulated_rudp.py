"""The chat over rudp, unchanged, on the virtual clock: nothing is lost, doubled or out of order.

`NETLAB_SEEDS=1000` (or any number) with `--slow` runs so many seeds.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from netlab.chat.client_events import Changed
from netlab.chat.limits import ChatLimits
from netlab.network import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Simulation
from netlab.network.virtual_loop import run, virtual_loop
from netlab.transports import Chat, HubShell, connect, serve
from netlab.units import S

ROUGH = "loss=30% duplicate=10% reorder=20% corrupt=1% corrupt_checksum=fix delay=20ms"
DARK = "loss=100% delay=20ms"
PEOPLE = ("ann", "bob", "cem", "dan")
EACH = 500
UNDER_WAY = 50
SEEDS = int(os.environ.get("NETLAB_SEEDS", "3"))


class World:
    """A server and people, each on a link of their own."""

    def __init__(self, seed: int, link: str) -> None:
        self.seed = seed
        self.simulation: Simulation = seeded_simulation(seed)
        self.server = self.simulation.host("server")
        self.hosts = {name: self.simulation.host(name) for name in PEOPLE}
        for host in self.hosts.values():
            self.simulation.connect(host, self.server, parse_link(link))

    def relink(self, name: str, link: str) -> None:
        """From now on one person's link is like that, both ways."""
        for direction in (f"{name}>server", f"server>{name}"):
            self.simulation.channels[direction].configure(parse_link(link))

    async def _serve(self, over: asyncio.Event) -> None:
        limits = ChatLimits(history=10_000)
        hub = HubShell(limits=limits, entropy=seeded_entropy(self.seed, "hub"), wall_clock=lambda: 1_700_000_000 * S)
        async with serve("rudp://0.0.0.0:9002", hub=hub):
            await over.wait()

    def run(self, person: Callable[[Chat, str], Awaitable[Any]], *, reconnect: bool = True) -> list[Any]:
        """Have everybody do something in a chat; what came of it."""

        async def one(name: str) -> Any:
            entropy = seeded_entropy(self.seed, name)
            async with connect("rudp://server:9002", name=name, reconnect=reconnect, entropy=entropy) as chat:
                await chat.join("lobby")
                return await person(chat, name)

        async def main() -> list[Any]:
            loop, over = virtual_loop(), asyncio.Event()
            serving = loop.spawn(self.server, self._serve(over))
            done = await asyncio.gather(*(loop.spawn(host, one(name)) for name, host in self.hosts.items()))
            over.set()
            await serving
            return list(done)

        return run(self.simulation, main(), until=10_000 * S)


class Heard(msgspec.Struct):
    """What one person heard, and how what they said ended."""

    texts: list[str] = []
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    counters: Counter[str] = msgspec.field(default_factory=Counter)
    figures: dict[str, int] = {}
    missing: int = 0
    number: int = 0
    statuses: list[str] = []


def everybody_talks(world: World, each: int = EACH) -> list[Heard]:
    together = asyncio.Barrier(len(PEOPLE))

    async def person(chat: Chat, name: str) -> Heard:
        heard = Heard()
        everything = asyncio.Event()

        @chat.on("say")
        def hear(text: str) -> None:
            heard.texts.append(text)
            if len(heard.texts) == each * len(PEOPLE):
                everything.set()

        await together.wait()
        slots = asyncio.Semaphore(UNDER_WAY)

        async def say(number: int) -> None:
            heard.outcomes[(await chat.emit("say", f"{name} {number}", to="lobby")).status] += 1
            slots.release()

        async with asyncio.TaskGroup() as group:
            for number in range(each):
                await slots.acquire()
                group.create_task(say(number))
        await everything.wait()
        heard.counters, heard.figures, heard.missing = chat.counters, chat.figures, chat.missing
        await together.wait()
        return heard

    return world.run(person)


def check(heard: list[Heard], each: int = EACH) -> None:
    """Nothing lost, doubled or out of order, for anybody, and one order for all."""
    for one in heard:
        assert one.outcomes == {"ok": each}
        assert one.missing == 0
        assert one.texts == heard[0].texts
    for name in PEOPLE:
        numbers = [int(text.split()[1]) for text in heard[0].texts if text.startswith(f"{name} ")]
        assert numbers == list(range(each))


@pytest.mark.parametrize("seed", range(3))
def test_2000_messages_over_a_rough_network(seed: int) -> None:
    heard = everybody_talks(World(seed, ROUGH))
    check(heard)
    assert all(one.figures["retransmissions"] > 10 for one in heard)
    assert sum(one.counters["malformed_crc"] for one in heard) > 5


@pytest.mark.slow
@pytest.mark.timeout(24 * 3600)
def test_2000_messages_over_many_rough_networks() -> None:
    for seed in range(3, 3 + SEEDS):
        check(everybody_talks(World(seed, ROUGH)))


def test_over_a_perfect_link_nothing_is_sent_twice() -> None:
    heard = everybody_talks(World(1, "delay=20ms"), 100)
    check(heard, 100)
    assert all(one.figures["retransmissions"] == 0 for one in heard)


def test_one_seed_is_one_capture() -> None:
    captures = []
    for seed in (7, 7, 8):
        world, recording = World(seed, ROUGH), Recording()
        world.simulation.tap("server", recording)
        everybody_talks(world, 20)
        captures.append(recording.pcapng())
    assert captures[0] == captures[1] != captures[2]


def test_a_blackout_of_five_seconds_is_survived() -> None:
    """Everybody's link carries nothing for five seconds while they talk; no session is even cut."""
    world = World(3, "loss=2% delay=20ms rate=1mbit")
    for name in PEOPLE:
        world.simulation.call_at(2 * S, lambda name: world.relink(name, DARK), name)
        world.simulation.call_at(7 * S, lambda name: world.relink(name, "loss=2% delay=20ms rate=1mbit"), name)
    heard = everybody_talks(world)
    check(heard)
    assert world.simulation.now > 7 * S
    assert all(one.figures["retransmissions"] > 2 for one in heard)


@pytest.mark.parametrize("when", [0, 3, 14])
def test_a_blackout_for_ever_ends_in_an_error_that_names_what_is_unacknowledged(when: int) -> None:
    """Within 35 s of the first message that is not acknowledged, however long it was silent before."""
    world = World(5, "delay=20ms")
    together = asyncio.Barrier(len(PEOPLE))

    async def person(chat: Chat, name: str) -> tuple[str, int, str] | None:
        await together.wait()
        await asyncio.sleep(when)
        if name != "ann":
            return None
        world.relink("ann", DARK)
        began = world.simulation.now
        outcome = await chat.emit("say", "into the dark", to="lobby")
        took = world.simulation.now - began
        async for event in chat.events():
            if isinstance(event, Changed) and event.status == "ended":
                return event.detail, took, outcome.status
        return None

    detail, took, status = world.run(person, reconnect=False)[0]
    assert status == "unknown"
    assert 30 * S <= took <= 35 * S
    assert detail.startswith("no acknowledgement for 30s: ")
    assert "from byte " in detail
    assert "of stream 0 on are unacknowledged" in detail


def test_a_session_survives_a_blackout_that_its_connection_does_not() -> None:
    """Forty seconds: the connection is given up, another one is made, and nothing is lost or done twice."""
    world = World(6, "loss=2% delay=20ms rate=200kbit")
    world.simulation.call_at(2 * S, lambda name: world.relink(name, DARK), "ann")
    world.simulation.call_at(42 * S, lambda name: world.relink(name, "loss=2% delay=20ms rate=200kbit"), "ann")
    heard = everybody_talks(world)
    check(heard)
    assert world.simulation.now > 42 * S
    assert heard[0].counters["dead_peer"] == 1
