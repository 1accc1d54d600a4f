"""Packets that gather before a slot and come out of it in a burst."""

from __future__ import annotations

import math

from netlab.network.link_config import Slot
from netlab.units import Ns

VARIATES = 2
"""Of a packet: one for itself, one for its copy should it be duplicated. Only one that makes a slot looks at it."""


class Slots:
    """When packets come out, in the order in which they would without slots.

    Source: tc-netem(8), `slot`, and what the kernel's netem_dequeue does: a packet that finds the latest slot past
    makes one; a slot that is full makes the next.
    """

    def __init__(self, config: Slot) -> None:
        self._config = config
        self._next: Ns = -1
        self._packets_left: float = 0
        self._bytes_left: float = 0

    def out(self, due: Ns, size: int, dice: float) -> Ns:
        """When a packet comes out that is due then.

        Args:
            dice: its variate, uniform in [0, 1).
        """
        if self._next < due:
            self._make(due, dice)
        out = self._next
        self._packets_left -= 1
        self._bytes_left -= size
        if self._packets_left <= 0 or self._bytes_left <= 0:
            self._make(out, dice)
        return out

    def _make(self, now: Ns, dice: float) -> None:
        config = self._config
        self._next = now + config.minimum + int(dice * (config.maximum - config.minimum + 1))
        self._packets_left = config.packets or math.inf
        self._bytes_left = config.bytes or math.inf
