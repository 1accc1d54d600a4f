"""A scenario in real time on this machine: real sockets, and netlab's link emulated by a proxy between them.

    client1 --+
    client2 --+-- proxy: the scenario's link, a door for each flow's server -- server
    client3 --+

The proxy carries datagrams only: why is told in `network.proxy`. Delays are those of the link and of a busy machine.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from netlab.network.impairments import Rng
from netlab.network.proxy import TO_CLIENT, TO_SERVER, UdpProxy
from netlab.network.seeds import seeded_entropy, seeded_streams
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp import TcpConfig
from netlab.protocols.trace import Trace
from netlab.scenarios.scenario import Scenario
from netlab.scenarios.simulated import BACK, THERE
from netlab.scenarios.worlds import CannotRun, Ran
from netlab.units import MS, Ns, S

LOCAL = "127.0.0.1"
DATAGRAMS = ("udp", "rudp")
"""The transports that a proxy can carry."""

_LOOK_EVERY: Ns = 100 * MS
_NAMES = {TO_SERVER: THERE, TO_CLIENT: BACK}


def run(scenario: Scenario, *, seed: int) -> Ran:
    """Run a scenario; it takes as long as it says. The seed fixes the link's dice: they are those of a simulation."""
    return asyncio.run(_run(scenario, seed))


async def _run(scenario: Scenario, seed: int) -> Ran:
    streams = seeded_streams(seed)

    def stream(name: str) -> Rng:
        direction, _, purpose = name.rpartition("/")
        return streams(f"{_NAMES[direction]}/{purpose}")

    there, back = scenario.directions
    began = time.monotonic_ns()
    nobody = (LOCAL, 9)  # each flow's server has a door of its own
    with UdpProxy((LOCAL, 0), nobody, stream, to_server=there, to_client=back) as proxy:
        flows, clients = [], 0
        for number, kind in enumerate(scenario.flows):
            names = [f"client{clients + k + 1}" for k in range(kind.clients)]
            clients += kind.clients
            flows.append(kind.flow(_Place(proxy, names, f"{seed}/flow{number}")))
        await asyncio.gather(*[flow.run() for flow in flows])
        ended = time.monotonic_ns()
        await _emptied(proxy)  # of goodbyes
        return Ran(
            world="loopback",
            seed=seed,
            scenario=scenario,
            seconds=(ended - began) / S,
            flows=[flow.summary() for flow in flows],
            links={_NAMES[direction]: account for direction, account in proxy.accounts.items()},
        )


class _Place:
    """As `flows.flow.Place`: one process on one machine."""

    def __init__(self, proxy: UdpProxy, clients: Sequence[str], seed: str) -> None:
        self.clients = clients
        self._proxy = proxy
        self._seed = seed

    def wall_clock(self) -> Ns:
        return time.time_ns()

    def on_server(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work)

    def on_client(self, client: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=client)

    def listen(self, port: int) -> tuple[str, int]:
        return LOCAL, 0

    def across(self, address: tuple[str, int], transport: str) -> tuple[str, int]:
        if transport not in DATAGRAMS:
            raise CannotRun(
                f"in the world loopback a proxy is the link, and would end a connection over {transport} and begin "
                "another, so that neither end sees a segment lost: run it in a simulation"
            )
        return self._proxy.also((LOCAL, 0), address)

    def use_tcp(self, port: int, config: TcpConfig, control: Callable[..., CongestionControl]) -> None:
        raise CannotRun("in the world loopback TCP is the kernel's: run it in a simulation")

    @property
    def trace(self) -> Trace | None:
        return None

    def dice(self, purpose: str) -> random.Random:
        return random.Random(f"{self._seed}/{purpose}")

    def entropy(self, who: str) -> Callable[[int], bytes]:
        return seeded_entropy(self._seed, who)

    async def settled(self) -> None:
        await _emptied(self._proxy)


async def _emptied(proxy: UdpProxy) -> None:
    held = True  # what was sent a moment ago is not there yet
    while held:
        await asyncio.sleep(_LOOK_EVERY / S)
        held = any(account.held for account in proxy.accounts.values())
