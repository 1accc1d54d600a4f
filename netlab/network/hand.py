"""A hand on one host's line: packets pass across a link, or wait until somebody says what becomes of each.

      arrive      not held: across the link, as everywhere
    ---------->                                              ---------->  Delivered, Dropped
                  held: waits for `decide`

No clock and no dice of its own. What is decided by hand does not cross the link as well: who lets a packet pass sees it
come.
"""

from __future__ import annotations

from collections import OrderedDict
from heapq import heappop, heappush
from typing import Generic, Literal, TypeAlias, TypeVar

from netlab.network.impairments import Corruption, Stream
from netlab.network.link import FORCED_DAMAGE, Configure, Delivered, Dropped, Link, Output
from netlab.network.link_config import LinkConfig
from netlab.units import Ns

P = TypeVar("P")

Decision: TypeAlias = Literal["pass", "drop", "corrupt", "delay"]


class Hand(Generic[P]):
    """One direction of a host's line, with a hand on it.

    Args:
        stream: dice for the link, as for `Link`.
        most: packets that may wait; past it they are dropped, as by a full queue.

    Attributes:
        is_held: whether what comes waits.
    """

    def __init__(self, stream: Stream, *, name: str, most: int) -> None:
        self.is_held = False
        self._link: Link[P] = Link(LinkConfig(), stream, name=name)
        self._most = most
        self._waiting: OrderedDict[int, tuple[P, int]] = OrderedDict()
        self._delayed: list[tuple[Ns, int, P]] = []  # a heap
        self._pushed = 0

    @property
    def waiting(self) -> list[int]:
        """The numbers of those that wait, the longest first."""
        return list(self._waiting)

    @property
    def deadline(self) -> Ns | None:
        """When to call `fire`, absolute ns."""
        times = [at for at in (self._link.deadline, self._delayed[0][0] if self._delayed else None) if at is not None]
        return min(times, default=None)

    def arrive(self, number: int, packet: P, size: int, now: Ns) -> list[Output[P]]:
        """A packet comes; `number` names it while it waits. Of `size` bytes."""
        if not self.is_held:
            return self._link.arrive(packet, size, now)
        if len(self._waiting) >= self._most:
            return [Dropped(packet, now, "queue_full")]
        self._waiting[number] = packet, size
        return []

    def decide(self, number: int, what: Decision, now: Ns, delay: Ns = 0) -> list[Output[P]]:
        """What becomes of a packet that waits.

        Args:
            delay: for `delay`: for how much longer it waits before it passes, ns.

        Raises:
            KeyError: it does not wait.
        """
        packet, size = self._waiting.pop(number)
        match what:
            case "pass":
                return [Delivered(packet, now)]
            case "drop":
                return [Dropped(packet, now, "fate")]
            case "corrupt":
                return [Delivered(packet, now, Corruption(size - 1, FORCED_DAMAGE))]
            case "delay":
                self._pushed += 1
                heappush(self._delayed, (now + delay, self._pushed, packet))
                return []

    def configure(self, config: LinkConfig, now: Ns) -> list[Output[P]]:
        """From now on the link is like this."""
        return self._link.handle(Configure(config), now)

    def fire(self, now: Ns) -> list[Output[P]]:
        """Whatever is due by now."""
        outputs = self._link.fire(now)
        while self._delayed and self._delayed[0][0] <= now:
            at, _, packet = heappop(self._delayed)
            outputs.append(Delivered(packet, at))
        return outputs
