"""Loss, corruption, duplication and reordering: each a small machine with a stream of dice of its own.

Every impairment takes the same number of variates for every packet, also for those that another impairment has lost.
So changing one probability, or forcing one packet's fate, leaves all other draws as they were: of two runs with 1 % and
2 % loss, the second loses all that the first lost, and more.

*Correlation* means that with this probability a packet's variate is that of the packet before. The probability of the
event stays what it is, and the events' autocorrelation is exactly this. (netem instead averages the two variates, which
moves them towards 1/2: with 25 % correlation a loss of 1 % becomes a tenth of that.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from netlab.network.link_config import (
    Corrupt,
    FourStateLoss,
    GilbertElliott,
    ListedLoss,
    Loss,
    PeriodicLoss,
    RandomLoss,
    Reorder,
    TraceLoss,
)


class Rng(Protocol):
    """A stream of dice."""

    def random(self) -> float:
        """The next variate, uniform in [0, 1)."""


Stream: TypeAlias = Callable[[str], Rng]
"""`stream(name)`: the dice of that name, always the same for one seed."""


class Dice:
    """One named stream, of which every packet has `per_packet` variates.

    They are a packet's own, whenever the impairment that uses them is switched on: `catch_up` passes over those of the
    packets that went by before.
    """

    __slots__ = ("last", "packets", "per_packet", "random")

    def __init__(self, rng: Rng, per_packet: int) -> None:
        self.random = rng.random
        self.per_packet = per_packet
        self.packets = 0
        self.last: float | None = None
        """The latest variate of a `Chance`, for its correlation."""

    def catch_up(self, packets: int) -> None:
        """Stand where `packets` packets have taken theirs."""
        for _ in range((packets - self.packets) * self.per_packet):
            self.random()
        self.packets = packets


class Chance:
    """An event that happens to each packet with a probability, with a correlation. Two variates a packet."""

    __slots__ = ("_correlation", "_dice", "_random", "_rate")

    VARIATES = 2

    def __init__(self, rate: float, correlation: float, dice: Dice) -> None:
        self._rate = rate
        self._correlation = correlation
        self._dice = dice
        self._random = dice.random

    def happens(self) -> bool:
        """Does it happen to the next packet?"""
        repeat, fresh = self._random(), self._random()
        if self._correlation:
            dice = self._dice
            if repeat >= self._correlation or dice.last is None:
                dice.last = fresh
            return dice.last < self._rate
        return fresh < self._rate


class _Bursts:
    """Gilbert-Elliott. Two variates a packet."""

    def __init__(self, config: GilbertElliott, dice: Dice) -> None:
        self._config = config
        self._random = dice.random
        self._bad = False

    def happens(self) -> bool:
        # A packet is lost or not in the state that it finds; then the state may change. As in netem.
        change, loss = self._random(), self._random()
        config = self._config
        if self._bad:
            self._bad = change >= config.r
            return loss < config.loss_bad
        self._bad = change < config.p
        return loss < config.loss_good


class _FourStates:
    """netem's `loss state`. Two variates a packet, of which one is used."""

    def __init__(self, config: FourStateLoss, dice: Dice) -> None:
        self._config = config
        self._random = dice.random
        self._state = 1

    def happens(self) -> bool:
        u, _ = self._random(), self._random()
        c = self._config
        match self._state:
            case 1:
                self._state = 4 if u < c.p14 else 3 if u < c.p14 + c.p13 else 1
            case 2:
                self._state = 3 if u < c.p23 else 2
            case 3:
                self._state = 2 if u < c.p32 else 1 if u < c.p32 + c.p31 else 3
            case _:
                self._state = 1
        return self._state in (3, 4)


class _Listed:
    """Packets by their number: no dice."""

    def __init__(self, lost: Callable[[int], bool], passed: int) -> None:
        self._lost = lost
        self._number = passed

    def happens(self) -> bool:
        self._number += 1
        return self._lost(self._number)


class Happening(Protocol):
    """Something that happens to packets."""

    def happens(self) -> bool:
        """Does it happen to the next packet?"""


def loss_machine(config: Loss, dice: Dice) -> Happening:
    """What a configured loss does, from packet `dice.packets + 1` on."""
    match config:
        case RandomLoss(rate, correlation):
            return Chance(rate, correlation, dice)
        case GilbertElliott():
            return _Bursts(config, dice)
        case FourStateLoss():
            return _FourStates(config, dice)
        case PeriodicLoss(every):
            return _Listed(lambda number: number % every == 0, dice.packets)
        case ListedLoss(packets):
            listed = frozenset(packets)
            return _Listed(lambda number: number in listed, dice.packets)
        case TraceLoss(fates):
            return _Listed(lambda number: fates[(number - 1) % len(fates)] == "1", dice.packets)


class Corruption(msgspec.Struct, frozen=True):
    """Damage to one packet: byte `at`, counted from 0 at its network layer, is changed by `mask` (exclusive or).

    Attributes:
        fix_udp_checksum: what applies it makes the UDP checksum fit again.
    """

    at: int
    mask: int
    fix_udp_checksum: bool = False

    def apply(self, data: bytes) -> bytes:
        """The damaged bytes.

        >>> Corruption(1, 0x80).apply(bytes(3)).hex()
        '008000'
        """
        return data[: self.at] + bytes([data[self.at] ^ self.mask]) + data[self.at + 1 :]


class Corrupter:
    """Where a packet is damaged, if it is. Four variates a packet."""

    VARIATES = Chance.VARIATES + 2

    def __init__(self, config: Corrupt, dice: Dice) -> None:
        self._config = config
        self._random = dice.random
        self._chance = Chance(config.rate, config.correlation, dice)

    def damage(self, size: int) -> Corruption | None:
        """The damage to a packet of so many bytes, at least 1."""
        hit, where, what = self._chance.happens(), self._random(), self._random()
        if not hit:
            return None
        mask = 1 << int(what * 8) if self._config.unit == "bit" else 1 + int(what * 255)
        return Corruption(int(where * size), mask, self._config.fix_udp_checksum)


class Reorderer:
    """Which packets skip the delay. Two variates a packet."""

    VARIATES = Chance.VARIATES

    def __init__(self, config: Reorder, dice: Dice) -> None:
        self._gap = config.gap
        self._since = 0
        self._chance = Chance(config.rate, config.correlation, dice)

    def skips(self) -> bool:
        """Does the next packet skip?"""
        hit = self._chance.happens()
        self._since += 1
        if not hit or self._since < self._gap:
            return False
        self._since = 0
        return True
