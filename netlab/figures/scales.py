"""Units that fit what is shown: times as ms or s, sizes as B, kB or MB."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from netlab.units import MS, US, Ns, S


class Unit(msgspec.Struct, frozen=True):
    """So many of the smallest unit are one of this."""

    name: str
    size: int

    def of(self, value: float) -> float:
        """The value in this unit."""
        return value / self.size

    def say(self, value: float, digits: int = 4) -> str:
        """As people write it: `12.5 ms`, and never `1e+03 ms`.

        >>> Unit("µs", US).say(1_234_567, 3), Unit("ms", MS).say(12_500_000), Unit("µs", US).say(0)
        ('1235 µs', '12.5 ms', '0 µs')
        """
        shown = self.of(value)
        return f"{shown:.0f} {self.name}" if abs(shown) >= 10 ** (digits - 1) else f"{shown:.{digits}g} {self.name}"


def time_unit(longest: Ns) -> Unit:
    """For times up to this one, ns."""
    return Unit("s", S) if longest >= 2 * S else Unit("ms", MS) if longest >= 2 * MS else Unit("µs", US)


def size_unit(largest: float) -> Unit:
    """For sizes up to this one, bytes."""
    return Unit("MB", 10**6) if largest >= 2e6 else Unit("kB", 1000) if largest >= 2000 else Unit("B", 1)


def rate_unit(largest: float) -> Unit:
    """For rates up to this one, bits a second."""
    return Unit("Mbit/s", 10**6) if largest >= 1e6 else Unit("kbit/s", 1000) if largest >= 1000 else Unit("bit/s", 1)


def median(values: Sequence[int]) -> int:
    """The one in the middle; of an even number the lower one."""
    return sorted(values)[(len(values) - 1) // 2]
