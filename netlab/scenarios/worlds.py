"""The worlds that a scenario can run in, by name; what comes of it has the same form in all."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict, Unpack, cast

import msgspec

from netlab.errors import NetlabError
from netlab.network.link import Account
from netlab.network.link_config import Fate
from netlab.network.simulator import Tap, Watcher
from netlab.protocols.trace import Trace
from netlab.scenarios.flows.flow import Summary
from netlab.scenarios.scenario import Scenario

WORLDS = {
    "simulation": "netlab.scenarios.simulated",
    "loopback": "netlab.scenarios.loopback",
}
"""The module of each: its `run(scenario, *, seed)` makes a `Place` for each flow (see `flows.flow`), runs them, and
gives what came of it. A new world is a new module, and a line here."""

POINTS = ("gateway", "gateway>server", "server>gateway", "server")
"""Where a capture of a scenario looks: both ends of its link, and both directions."""


class CannotRun(NetlabError):
    """This world can't do what the scenario, or who runs it, asks for."""


class Looking(TypedDict, total=False):
    """What only a simulation can do: look everywhere, and force the fates of packets.

    Attributes:
        tap: sees the frames at `points`: hosts (`client1`, `gateway`, `server`), or directions (`gateway>server`).
        watcher: is told what became of each packet on the scenario's link.
        fates: what happens to single packets, whatever the dice say, by direction of a link.
        trace: takes what the hosts' TCP, and bulk flows over rudp, decide.
    """

    tap: Tap | None
    points: Sequence[str]
    watcher: Watcher | None
    fates: Mapping[str, Sequence[Fate]]
    trace: Trace | None


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a scenario. In a simulation the same seed gives the same, byte for byte as JSON.

    Attributes:
        seconds: how long it took, in the world's time.
        flows: in the scenario's order.
        links: both directions of the link.
    """

    world: str
    seed: int
    scenario: Scenario
    seconds: float
    flows: list[Summary]
    links: dict[str, Account]


def run(scenario: Scenario, *, seed: int, world: str = "simulation", **looking: Unpack[Looking]) -> Ran:
    """Run a scenario from a seed, in one of `WORLDS`.

    Raises:
        CannotRun: there is no such world, or it can't do that.
        BadNetwork: a point or a direction is none.
    """
    if world not in WORLDS:
        raise CannotRun(f"there is no world {world!r}: write one of {', '.join(WORLDS)}")
    if looking and world != "simulation":
        raise CannotRun(f"in the world {world} nobody can look at the link, or force the fates of packets")
    its_run = cast("Callable[..., Ran]", importlib.import_module(WORLDS[world]).run)
    return its_run(scenario, seed=seed, **looking)
