"""Dice and entropy from one seed, so that a run repeats byte for byte: what is injected into a simulation.

Every name has a stream of its own, so that what one part of a simulation draws moves nothing anywhere else. This is the
only file of the room with dice in it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from netlab.network.impairments import Rng, Stream
from netlab.network.simulator import Simulation


def seeded_streams(seed: int | str) -> Stream:
    """`stream(name)`: the dice of that name; the same for the same seed and name, in every process.

    >>> seeded_streams(7)("ann>server/loss").random() == seeded_streams(7)("ann>server/loss").random()
    True
    """

    def stream(name: str) -> Rng:
        return random.Random(f"{seed}/{name}")  # a str seeds through SHA-512, not through hash()

    return stream


def seeded_entropy(seed: int | str, name: str) -> Callable[[int], bytes]:
    """`entropy(n)` in a simulation. It can be guessed by everybody who knows the seed: never for the world."""
    return random.Random(f"{seed}/{name}/entropy").randbytes


def seeded_simulation(seed: int | str) -> Simulation:
    """An empty simulation of which everything random comes from the seed."""
    return Simulation(stream=seeded_streams(seed), entropy=lambda host: seeded_entropy(seed, host))
