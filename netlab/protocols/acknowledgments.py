"""The receiver's half of reliable datagrams: which packets came, and when the sender is told of them."""

from __future__ import annotations

from netlab.packets.segment import ACK_DELAY_UNIT, FIN, MAX_RANGES, MOST_SETTLED, PROMPT, Segment, widen
from netlab.protocols.loss_recovery import ACK_DELAY
from netlab.units import MS, Ns

ACK_EVERY = 2
ACK_SELDOM = 8
"""Segments that one acknowledgement tells of: two at first ("SHOULD send an ACK frame after receiving at least two
ack-eliciting packets", RFC 9000 §13.2.2), eight once `ACK_OFTEN_FOR` have come and nothing is missing; but only where
they come so quickly that two would make more than one acknowledgement in `ACK_PAUSE`: what one acknowledgement frees
goes out together, and a burst loses more in a queue that is nearly full."""

ACK_OFTEN_FOR = 100
ACK_PAUSE: Ns = 1 * MS

KEPT_RANGES = 256
"""Ranges of packet numbers that are remembered at most; the oldest is forgotten first."""

LONGEST_RANGE = 1 << 20
"""A range is cut at its old end once it is this long, in packets."""


class Acknowledgments:
    """What is to be acknowledged, and when.

    Attributes:
        arrivals: what came.
        waiting: segments that came and were not told of.
        due: an acknowledgement is to go now.
        deadline: when one is due at the latest, absolute ns; None where nothing waits.
    """

    def __init__(self, now: Ns) -> None:
        self.arrivals = Arrivals()
        self.waiting = 0
        self.due = False
        self.deadline: Ns | None = None
        self._largest_at = now  # when the largest packet number came
        self._told_at = now

    def arrived(self, segment: Segment, now: Ns, segments_in: int) -> None:
        """A segment that is to be acknowledged came, as one of `segments_in`."""
        arrivals = self.arrivals
        number = widen(segment.number, arrivals.largest if arrivals.ranges else segment.number)
        in_order = arrivals.add(number)
        arrivals.settle(number - segment.settled if segment.settled < MOST_SETTLED else arrivals.ranges[0][0])
        if number == arrivals.largest:
            self._largest_at = now
        self.waiting += 1
        missing = len(arrivals.ranges) > 1
        often = missing or segments_in < ACK_OFTEN_FOR or now >= self._told_at + ACK_PAUSE
        if not in_order or segment.flags & (PROMPT | FIN) or self.waiting >= (ACK_EVERY if often else ACK_SELDOM):
            self.due = True
        elif self.deadline is None:
            self.deadline = now + ACK_DELAY

    def time_passed(self, now: Ns) -> None:
        """It is `now`."""
        if self.deadline is not None and now >= self.deadline:
            self.due = True

    def take(self, room: int, now: Ns) -> tuple[tuple[int, ...], int]:
        """The ranges that a segment tells of which goes now, and the ack delay in its units; none where more of them
        are to be told than it has room for."""
        if min(len(self.arrivals.ranges), MAX_RANGES) > room:
            return (), 0
        self.waiting, self.due, self.deadline, self._told_at = 0, False, None, now
        return self.arrivals.newest(), min((now - self._largest_at) // ACK_DELAY_UNIT, 0xFFFF)


class Arrivals:
    """Which packet numbers came, as ranges.

    Attributes:
        ranges: each its first and last number, rising, with gaps between.
    """

    def __init__(self) -> None:
        self.ranges: list[list[int]] = []

    @property
    def largest(self) -> int:
        """The largest number that came; one must have."""
        return self.ranges[-1][1]

    def add(self, number: int) -> bool | None:
        """Note a number: True where it follows the largest, False where something is out of order, None where it came
        before."""
        ranges = self.ranges
        if not ranges:
            ranges.append([number, number])
            return True
        last = ranges[-1]
        if number == last[1] + 1:
            last[1] = number
            return True
        if number > last[1]:
            ranges.append([number, number])
            if len(ranges) > KEPT_RANGES:
                del ranges[0]
            return False
        return self._fill(number)

    def _fill(self, number: int) -> bool | None:
        ranges = self.ranges
        at = len(ranges) - 1
        while at >= 0 and number < ranges[at][0]:
            at -= 1
        if at >= 0 and number <= ranges[at][1]:
            return None
        joins_below = at >= 0 and ranges[at][1] == number - 1
        joins_above = ranges[at + 1][0] == number + 1
        if joins_below and joins_above:
            ranges[at][1] = ranges.pop(at + 1)[1]
        elif joins_below:
            ranges[at][1] = number
        elif joins_above:
            ranges[at + 1][0] = number
        else:
            ranges.insert(at + 1, [number, number])
            if len(ranges) > KEPT_RANGES:
                del ranges[0]
        return False

    def settle(self, oldest: int) -> None:
        """Of numbers below `oldest` nothing need be told any more. A range is kept whole, so that the next
        acknowledgement names it as the last one did: only a very long one is cut."""
        ranges = self.ranges
        while len(ranges) > 1 and ranges[0][1] < oldest:
            del ranges[0]
        if ranges and ranges[0][1] - ranges[0][0] > LONGEST_RANGE:
            ranges[0][0] = max(ranges[0][0], min(oldest, ranges[0][1]))

    def newest(self, most: int = MAX_RANGES) -> tuple[int, ...]:
        """The newest ranges as an acknowledgement names them: 32 bits, the newest first."""
        if len(self.ranges) == 1:
            first, last = self.ranges[0]
            return first & 0xFFFFFFFF, last & 0xFFFFFFFF
        return tuple([edge & 0xFFFFFFFF for edges in self.ranges[: -most - 1 : -1] for edge in edges])
