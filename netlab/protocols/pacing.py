"""Many datagrams to one peer go out in bursts with pauses: a receive buffer holds few (92 of 1200 B in Linux's
default)."""

from __future__ import annotations

from collections import deque

from netlab.units import MIB, MS, Ns, S

BURST = 32
"""Datagrams sent at once."""

PAUSE: Ns = 5 * MS
"""From one burst to the next, ns: 6,400 datagrams of 1200 B a second are 61 Mbit/s."""

WAITING = 1 * MIB
"""Bytes that may wait for their turn; what comes above is dropped, whole."""


class Pacer:
    """At most `BURST` datagrams in each `PAUSE`; the rest waits in order."""

    __slots__ = ("_burst_at", "_left", "_queue", "_queued_bytes")

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._left = BURST
        self._burst_at: Ns | None = None

    @property
    def deadline(self) -> Ns | None:
        """When the next burst may go, absolute ns; None where nothing waits."""
        return self._burst_at + PAUSE if self._queue and self._burst_at is not None else None

    def add(self, datagrams: list[bytes], now: Ns) -> tuple[list[bytes], int]:
        """Those that go now, and how many were dropped because too much waits."""
        dropped = 0
        if self._queue or len(datagrams) > self._fill(now):
            for datagram in datagrams:
                if self._queued_bytes + len(datagram) > WAITING:
                    dropped += 1
                else:
                    self._queue.append(datagram)
                    self._queued_bytes += len(datagram)
            return self.due(now), dropped
        self._left -= len(datagrams)
        return datagrams, 0

    def due(self, now: Ns) -> list[bytes]:
        """What waited and goes now."""
        going = [self._queue.popleft() for _ in range(min(self._fill(now), len(self._queue)))]
        self._left -= len(going)
        self._queued_bytes -= sum(map(len, going))
        return going

    def _fill(self, now: Ns) -> int:
        if self._burst_at is None or now >= self._burst_at + PAUSE:
            self._left, self._burst_at = BURST, now
        return self._left


SLACK: Ns = 5 * MS
"""Time that is made up for at most, ns: timers are late by some milliseconds, and a rate that forgot what it missed
meanwhile would be a lower one."""


class Pace:
    """Sends at a rate instead of in bursts (RFC 9002 §7.7).

    Attributes:
        next_at: when the next packet may go, absolute ns.
    """

    __slots__ = ("next_at",)

    def __init__(self) -> None:
        self.next_at: Ns = 0

    def sent(self, size: int, rate_bit_s: int, now: Ns) -> None:
        """A packet goes at this rate. Time in which nothing went is made up for by `SLACK` at most, or ten packets."""
        gap = size * 8 * S // rate_bit_s
        self.next_at = max(self.next_at, now - max(SLACK, 10 * gap)) + gap
