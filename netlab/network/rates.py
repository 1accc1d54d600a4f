"""How long a link takes to send: at a constant rate, or as a measured link could."""

from __future__ import annotations

from bisect import bisect_right
from typing import Protocol

from netlab.network.link_config import ConstantRate, Framing, Rate, TraceRate
from netlab.units import Ns, S

OPPORTUNITY = 1500
"""Bytes that a measured link can send at each time of its trace, mm-link(1)."""


class RateMachine(Protocol):
    """The sending end of a link, one packet after the other."""

    packet_time: Ns
    """How long a packet of 1500 bytes takes, on average, ns."""

    def finish(self, size: int, start: Ns, *, waited: bool) -> Ns:
        """When the last bit of a packet has gone.

        Args:
            size: bytes, without what the link adds.
            start: when the packet became the first, ns.
            waited: it was there before, so it takes what the one before it left of an opportunity.
        """


def framed_size(size: int, framing: Framing) -> int:
    """Bytes that the link sends for a packet of `size` bytes.

    >>> framed_size(100, Framing(overhead=8, cell_size=48, cell_overhead=5))  # AAL5 over ATM: three cells
    159
    """
    size = max(0, size + framing.overhead)
    if framing.cell_size:
        size = -(-size // framing.cell_size) * (framing.cell_size + framing.cell_overhead)
    return size


class _Constant:
    def __init__(self, config: ConstantRate) -> None:
        self._bit_s = config.bit_s
        self._framing = config.framing if config.framing != Framing() else None
        self.packet_time = self.finish(OPPORTUNITY, 0, waited=False)

    def finish(self, size: int, start: Ns, *, waited: bool) -> Ns:
        if self._framing is not None:
            size = framed_size(size, self._framing)
        return start - (-size * 8 * S // self._bit_s)  # rounded up: the rate is never exceeded


class _Trace:
    """Source: mm-link(1). Bytes are counted: small packets share an opportunity, a large one takes several; what
    nobody waits for is wasted."""

    def __init__(self, config: TraceRate, began: Ns) -> None:
        self._times = config.opportunities
        self._period = self._times[-1]
        self._framing = config.framing
        self._began = began
        self._next = 0  # the first opportunity that has not been looked at
        self._left = 0  # bytes left of the one before
        self.packet_time = max(1, self._period // len(self._times))

    def _at(self, number: int) -> Ns:
        turn, place = divmod(number, len(self._times))
        return self._began + turn * self._period + self._times[place]

    def finish(self, size: int, start: Ns, *, waited: bool) -> Ns:
        size = framed_size(size, self._framing)
        if not waited:
            self._left = 0
            turn, within = divmod(start - self._began, self._period)
            self._next = max(self._next, turn * len(self._times) + bisect_right(self._times, within))
        elif self._left >= size:
            self._left -= size
            return start
        size -= self._left
        needed = max(1, -(-size // OPPORTUNITY))
        self._next += needed
        self._left = needed * OPPORTUNITY - size
        return self._at(self._next - 1)


def rate_machine(config: Rate, began: Ns) -> RateMachine:
    """A link's sending end; a trace begins at `began`."""
    match config:
        case ConstantRate():
            return _Constant(config)
        case TraceRate():
            return _Trace(config, began)
