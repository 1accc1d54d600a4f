"""How long a packet is on its way: constant, or with jitter of some distribution.

A normal variate stands behind every distribution, and the correlation is that of these variates from packet to packet:
so it leaves the distribution as it is. For `normal` the delays' own correlation is exactly this, for `uniform` nearly,
for those with a long tail it is less. (netem averages uniform variates instead, which narrows what comes out.)

Every packet takes four uniform variates: two for itself and two for its copy, should it be duplicated.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from netlab.network.impairments import Dice
from netlab.network.link_config import Delay
from netlab.units import Ns

VARIATES = 4

_PARETO_SHAPE = 3.0
"""netem's: the heaviest whole number with a finite variance."""
_PARETO_MEAN = _PARETO_SHAPE / (_PARETO_SHAPE - 1)
_PARETO_DEVIATION = math.sqrt(_PARETO_SHAPE / (_PARETO_SHAPE - 2)) / (_PARETO_SHAPE - 1)
_SQRT2 = math.sqrt(2)
_PARETO_SHARE = 0.75
"""Of Pareto in netem's mix; the rest is normal."""
_MIX_DEVIATION = 0.937754
"""Of that mix before it is scaled: both parts come from one variate, and so are correlated. A test integrates it."""


def normal(u: float, v: float) -> float:
    """A standard normal variate from two uniform ones in [0, 1): Box and Muller 1958."""
    return math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)


def uniform_score(z: float) -> float:
    """A variate uniform in (-1, 1) from a normal one."""
    return math.erf(z / _SQRT2)


def pareto_score(z: float) -> float:
    """A Pareto variate of shape 3, moved and scaled to mean 0 and standard deviation 1, from a normal one.

    >>> round(pareto_score(-9.0), 3), round(pareto_score(3.0), 3)  # its smallest value, and its long tail
    (-0.577, 8.716)
    """
    above = 0.5 * math.erfc(z / _SQRT2)  # probability of a larger one
    return float(above ** (-1 / _PARETO_SHAPE) - _PARETO_MEAN) / _PARETO_DEVIATION


def mixed_score(z: float) -> float:
    """netem's `paretonormal`, a quarter normal and three quarters Pareto, scaled to standard deviation 1."""
    return ((1 - _PARETO_SHARE) * z + _PARETO_SHARE * pareto_score(z)) / _MIX_DEVIATION


SCORES: dict[str, Callable[[float], float]] = {
    "uniform": uniform_score,
    "normal": lambda z: z,
    "pareto": pareto_score,
    "paretonormal": mixed_score,
}


class Delays:
    """The delay of each packet and of its copy."""

    def __init__(self, config: Delay, dice: Dice) -> None:
        self._config = config
        self._random = dice.random
        self._score = SCORES[config.distribution]
        self._rest = math.sqrt(1 - config.correlation**2)
        self._z: float | None = None

    def take(self) -> tuple[Ns, Ns]:
        """The next packet's delay and, should it be duplicated, its copy's."""
        random = self._random
        z, other = normal(random(), random()), normal(random(), random())
        correlation = self._config.correlation
        if correlation:
            if self._z is not None:
                z = correlation * self._z + self._rest * z
                other = correlation * self._z + self._rest * other
            self._z = z
        return self._delay(z), self._delay(other)

    def _delay(self, z: float) -> Ns:
        return max(0, self._config.mean + round(self._config.jitter * self._score(z)))
