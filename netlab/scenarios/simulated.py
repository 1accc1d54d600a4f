"""A scenario on the virtual clock: what is sent, by whom, and what came of it.

client1 --+                                        perfect links on the clients' side, so that all
client2 --+-- gateway ======= link ======= server  share the one link of the scenario
client3 --+
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from netlab.network.hosts import Host
from netlab.network.link_config import Fate, LinkConfig
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import BadNetwork, Simulation, Tap, Watcher
from netlab.network.virtual_loop import run as run_loop
from netlab.network.virtual_loop import virtual_loop
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp import TcpConfig
from netlab.protocols.trace import Trace
from netlab.scenarios.flows.flow import Flow
from netlab.scenarios.scenario import Scenario
from netlab.scenarios.worlds import POINTS, Ran
from netlab.units import MS, Ns, S

SERVER, GATEWAY, CLIENT = "server", "gateway", "client"
THERE, BACK = f"{GATEWAY}>{SERVER}", f"{SERVER}>{GATEWAY}"
"""The directions of the scenario's link."""

EPOCH: Ns = 1_700_000_000 * S
"""Wall clock of a simulated hub when the virtual clock is 0, ns."""

_LOOK_EVERY: Ns = 50 * MS
"""How often a flow looks whether the link is empty, ns."""


def run(
    scenario: Scenario,
    *,
    seed: int,
    tap: Tap | None = None,
    points: Sequence[str] = POINTS,
    watcher: Watcher | None = None,
    fates: Mapping[str, Sequence[Fate]] | None = None,
    trace: Trace | None = None,
) -> Ran:
    """Run a scenario from a seed. The arguments are those of `worlds.run`.

    Raises:
        BadNetwork: a point or a direction is none.
    """
    simulation = seeded_simulation(seed)
    simulation.trace = trace
    server, gateway = simulation.host(SERVER), simulation.host(GATEWAY)
    simulation.connect(gateway, server, *scenario.directions)
    clients: list[Host] = []
    places: list[_Place] = []
    for number, kind in enumerate(scenario.flows):
        own = [simulation.host(f"{CLIENT}{len(clients) + k + 1}") for k in range(kind.clients)]
        clients += own
        for host in own:
            simulation.connect(host, gateway, LinkConfig())
        places.append(_Place(simulation, own, server, number, f"{seed}/flow{number}"))
    for direction, forced in (fates or {}).items():
        _force(simulation, direction, forced)
    if tap is not None:
        for point in points:
            simulation.tap(point, tap)
    if watcher is not None:
        for direction in (THERE, BACK):
            simulation.watch(direction, watcher)
    flows = run_loop(simulation, _all(scenario, places))
    ended = simulation.now
    simulation.run()  # goodbyes that are on their way
    return Ran(
        world="simulation",
        seed=seed,
        scenario=scenario,
        seconds=ended / S,
        flows=[flow.summary() for flow in flows],
        links={name: simulation.channels[name].link.account for name in (THERE, BACK)},
    )


async def _all(scenario: Scenario, places: list[_Place]) -> list[Flow]:
    flows = [kind.flow(place) for kind, place in zip(scenario.flows, places, strict=True)]
    await asyncio.gather(*[flow.run() for flow in flows])
    return flows


def _force(simulation: Simulation, direction: str, fates: Sequence[Fate]) -> None:
    channel = simulation.channels.get(direction)
    if channel is None:
        raise BadNetwork(f"{direction!r} is no direction of a link: they are {', '.join(simulation.channels)}")
    channel.configure(msgspec.structs.replace(channel.link.config, fates=tuple(fates)))


class _Place:
    """As `flows.flow.Place`: simulated hosts."""

    def __init__(self, simulation: Simulation, clients: list[Host], server: Host, number: int, seed: str) -> None:
        self.clients: Sequence[str] = [host.name for host in clients]
        self._simulation = simulation
        self._server = server
        self._number = number
        self._seed = seed

    def wall_clock(self) -> Ns:
        return EPOCH

    def on_server(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return virtual_loop().spawn(self._server, work)

    def on_client(self, client: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return virtual_loop().spawn(self._simulation.hosts[client], work)

    def listen(self, port: int) -> tuple[str, int]:
        return "0.0.0.0", port + self._number

    def across(self, address: tuple[str, int], transport: str) -> tuple[str, int]:
        return SERVER, address[1]

    def use_tcp(self, port: int, config: TcpConfig, control: Callable[..., CongestionControl]) -> None:
        for name in self.clients:
            tcp = self._simulation.hosts[name].tcp
            tcp.config, tcp.control = config, control
        self._server.tcp.of_port[port + self._number] = config, control

    @property
    def trace(self) -> Trace | None:
        return self._simulation.trace

    def dice(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}")

    def entropy(self, who: str) -> Callable[[int], bytes]:
        return seeded_entropy(self._seed, who)

    async def settled(self) -> None:
        links = [self._simulation.channels[name].link for name in (THERE, BACK)]
        held = True  # what was sent a moment ago is not there yet
        while held:
            await asyncio.sleep(_LOOK_EVERY / S)
            held = any(link.account.held for link in links)
            held = held or any(host.unacknowledged for host in self._simulation.hosts.values())
