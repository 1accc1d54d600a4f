"""A network that stands still for some seconds presses together what was said evenly: nobody is refused for that."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from netlab.network import parse_link
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.virtual_loop import run, virtual_loop
from netlab.transports import HubShell, connect, serve
from netlab.units import S

TEXTS = 600


@pytest.mark.parametrize("direction", ["ann>server", "server>ann"])
@pytest.mark.parametrize("still", [1, 2, 4])
@pytest.mark.parametrize("over", ["tcp://server:9000", "rudp://server:9002"])
def test_who_has_much_to_say_through_a_stall_is_not_refused(over: str, still: int, direction: str) -> None:
    """The hub allows 50 a second and 100 at once; what is held back by a stall comes at once."""
    simulation = seeded_simulation(1)
    server, ann = simulation.host("server"), simulation.host("ann")
    simulation.connect(ann, server, parse_link("delay=20ms"))
    outcomes: Counter[str] = Counter()
    refused = -1
    took = 0.0

    async def host(all_said: asyncio.Event) -> None:
        nonlocal refused
        hub = HubShell(entropy=seeded_entropy("1", "hub"), wall_clock=lambda: 0)
        async with serve(over.replace("server", "0.0.0.0"), hub=hub):
            await all_said.wait()
        refused = hub.counters.get("rate_limited", 0)

    async def talk() -> None:
        nonlocal took
        async with connect(over, name="ann", entropy=seeded_entropy("1", "ann")) as chat:
            await chat.join("lobby")
            began = virtual_loop().time()
            said = [chat.emit("say", str(number), to="lobby") for number in range(TEXTS)]
            for outcome in await asyncio.gather(*said):
                outcomes[outcome.status + outcome.code] += 1
            took = virtual_loop().time() - began

    async def stall() -> None:
        for _ in range(3):
            await asyncio.sleep(1.5)
            simulation.channels[direction].configure(parse_link("loss=100% delay=20ms"))
            await asyncio.sleep(still)
            simulation.channels[direction].configure(parse_link("delay=20ms"))

    async def everybody() -> None:
        loop, all_said = virtual_loop(), asyncio.Event()
        serving = loop.spawn(server, host(all_said))
        await asyncio.gather(loop.spawn(ann, talk()), stall())
        all_said.set()
        await serving

    run(simulation, everybody(), until=200 * S)
    assert outcomes == {"ok": TEXTS}
    assert refused == 0
    # at 90 % of the rate, and standing still as long as the network did, with TCP's backed-off timer behind it
    assert took < TEXTS / 45 + 3 * 2.5 * still
