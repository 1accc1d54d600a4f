"""Queues before a slow link: drop-tail, RED and CoDel.

`push` takes an item in or names the reason why not; `pull` gives the next to send, at the time at which the link is
free, and drops what is to be dropped then. Items are tuples that begin with the packet, its size and when it came.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, Protocol, TypeAlias

from netlab.network.link_config import CoDel, DropTail, Queue, Red
from netlab.units import Ns

Item: TypeAlias = tuple[Any, int, Ns, Any]
"""(packet, size in bytes, when it came, what the link keeps beside it)."""

VARIATES = 2
"""Of a packet: one for itself, one for its copy should it be duplicated. Only RED looks at them."""


class QueueMachine(Protocol):
    """A queue."""

    items: deque[Item]
    bytes: int
    drops_late: bool
    """Whether `pull` drops too."""

    def push(self, item: Item, now: Ns, dice: float) -> str | None:
        """Take in an item; or tell why it is dropped.

        Args:
            dice: the item's variate, uniform in [0, 1).
        """

    def pull(self, now: Ns, dropped: list[Item]) -> Item | None:
        """The next item, or None; what is dropped on the way is added to `dropped`."""


class DropTailQueue:
    """First in, first out; what does not fit is dropped."""

    drops_late = False

    def __init__(self, config: Queue) -> None:
        self.items: deque[Item] = deque()
        self.bytes = 0
        self._limit = config.limit
        self._counts_bytes = config.unit == "bytes"

    def push(self, item: Item, now: Ns, dice: float) -> str | None:
        if (self.bytes + item[1] if self._counts_bytes else len(self.items) + 1) > self._limit:
            return "queue_full"
        self.items.append(item)
        self.bytes += item[1]
        return None

    def pull(self, now: Ns, dropped: list[Item]) -> Item | None:
        if not self.items:
            return None
        item = self.items.popleft()
        self.bytes -= item[1]
        return item


class RedQueue(DropTailQueue):
    """Random early detection.

    Args:
        packet_time: how long the link takes for a typical packet, ns: while the queue is empty the average sinks as if
            so many packets had found it empty.

    Source: Floyd and Jacobson 1993, section 4; names as in its figure 2.
    """

    def __init__(self, config: Red, packet_time: Ns) -> None:
        super().__init__(config)
        self._config = config
        self._packet_time = max(1, packet_time)
        self.avg = 0.0
        """The average length, in the configured unit."""
        self._count = -1  # packets since the last drop, while the average is between the thresholds
        self._empty_since: Ns | None = 0

    def push(self, item: Item, now: Ns, dice: float) -> str | None:
        c = self._config
        if self.items:
            length = self.bytes if self._counts_bytes else len(self.items)
            self.avg += c.weight * (length - self.avg)
        elif self._empty_since is not None:
            self.avg *= (1 - c.weight) ** ((now - self._empty_since) / self._packet_time)
            self._empty_since = now
        if c.minimum <= self.avg < c.maximum:
            self._count += 1
            p_b = c.probability * (self.avg - c.minimum) / (c.maximum - c.minimum)
            left = 1 - self._count * p_b
            if left <= 0 or dice < p_b / left:  # p_a
                self._count = 0
                return "red"
        elif self.avg >= c.maximum:
            self._count = 0
            return "red"
        else:
            self._count = -1
        reason = super().push(item, now, dice)
        if reason is None:
            self._empty_since = None
        return reason

    def pull(self, now: Ns, dropped: list[Item]) -> Item | None:
        item = super().pull(now, dropped)
        if item is not None and not self.items:
            self._empty_since = now
        return item


class CoDelQueue(DropTailQueue):
    """Controlled delay. Source: RFC 8289 section 5, whose names these are; `None` stands for its time 0."""

    drops_late = True

    def __init__(self, config: CoDel) -> None:
        super().__init__(config)
        self._config = config
        self.count = 0
        """Drops since this dropping state began."""
        self._lastcount = 0
        self._dropping = False
        self._first_above_time: Ns | None = None
        self._drop_next: Ns = 0

    def _dodequeue(self, now: Ns) -> tuple[Item | None, bool]:
        item = super().pull(now, [])
        if item is None:
            self._first_above_time = None
        elif now - item[2] < self._config.target or self.bytes <= self._config.mtu:
            self._first_above_time = None  # went below: stays below for at least an interval
        elif self._first_above_time is None:
            self._first_above_time = now + self._config.interval
        else:
            return item, now >= self._first_above_time
        return item, False

    def control_law(self, t: Ns) -> Ns:
        """When the next drop is due: the interval shrinks with the square root of the number of drops."""
        return t + round(self._config.interval / math.sqrt(self.count))

    def pull(self, now: Ns, dropped: list[Item]) -> Item | None:
        item, ok_to_drop = self._dodequeue(now)
        if self._dropping:
            if not ok_to_drop:
                self._dropping = False
            while self._dropping and now >= self._drop_next:
                assert item is not None
                dropped.append(item)
                self.count += 1
                item, ok_to_drop = self._dodequeue(now)
                if ok_to_drop:
                    self._drop_next = self.control_law(self._drop_next)
                else:
                    self._dropping = False
        elif ok_to_drop:
            assert item is not None
            dropped.append(item)
            item, _ = self._dodequeue(now)
            self._dropping = True
            # If the queue went above the target soon after it was below, the rate of drops that controlled it then is
            # a good one to begin with.
            delta = self.count - self._lastcount
            soon = now - self._drop_next < 16 * self._config.interval
            self.count = delta if delta > 1 and soon else 1
            self._drop_next = self.control_law(now)
            self._lastcount = self.count
        return item


def queue_machine(config: Queue, packet_time: Ns) -> QueueMachine:
    """An empty queue. `packet_time` as in `RedQueue`."""
    match config:
        case DropTail():
            return DropTailQueue(config)
        case Red():
            return RedQueue(config, packet_time)
        case CoDel():
            return CoDelQueue(config)
