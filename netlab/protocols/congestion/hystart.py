"""HyStart++: leave slow start when the round-trip time rises, before the queue overflows.

Rounds are counted in data: one is over when all that was on its way at its beginning is acknowledged. If the shortest
round trip of a round is clearly longer than that of the round before, a queue is building up. To be sure, growth goes
on at a quarter of the pace for five rounds (conservative slow start): if the round trips shorten again it was noise.

Source: RFC 9406 §4.2 and §4.3. Taught in notebook 09.
"""

from __future__ import annotations

from netlab.protocols.congestion.control import Ack
from netlab.units import MS, Ns

MIN_RTT_THRESH: Ns = 4 * MS
MAX_RTT_THRESH: Ns = 16 * MS
MIN_RTT_DIVISOR = 8
N_RTT_SAMPLE = 8
CSS_GROWTH_DIVISOR = 4
CSS_ROUNDS = 5
LIMIT = 8
"""L of RFC 9406 §4.3 for a sender that does not pace: segments that one acknowledgement may add."""


class HyStart:
    """Watches the round trips of the first slow start.

    Attributes:
        conservative: in conservative slow start: growth is to be divided by `CSS_GROWTH_DIVISOR`.
        done: slow start is over.
    """

    __slots__ = ("_baseline", "_current", "_last", "_round_end", "_rounds", "_samples", "done")

    def __init__(self) -> None:
        self.done = False
        self._round_end: int | None = None  # bytes delivered when the round is over: windowEnd
        self._last: Ns | None = None  # lastRoundMinRTT; None is its infinity
        self._current: Ns | None = None  # currentRoundMinRTT
        self._samples = 0  # rttSampleCount
        self._baseline: Ns | None = None  # cssBaselineMinRtt, in conservative slow start
        self._rounds = 0  # of conservative slow start; a part of one counts

    @property
    def conservative(self) -> bool:
        return self._baseline is not None

    def on_ack(self, ack: Ack) -> None:
        """An acknowledgement of the first slow start."""
        if self._round_end is None:
            self._round_end = _all_sent(ack)
        if ack.rtt is not None:
            self._current = ack.rtt if self._current is None else min(self._current, ack.rtt)
            self._samples += 1
        if self._samples >= N_RTT_SAMPLE and self._current is not None:
            self._judge(self._current)
        if ack.delivered >= self._round_end:
            self._round_end = _all_sent(ack)
            self._last, self._current, self._samples = self._current, None, 0
            if self._baseline is not None:
                self._rounds += 1
                self.done = self._rounds > CSS_ROUNDS

    def _judge(self, shortest: Ns) -> None:
        if self._baseline is not None:
            if shortest < self._baseline:  # the exit was spurious: resume slow start
                self._baseline = None
                self._rounds = 0
        elif self._last is not None and shortest >= self._last + threshold(self._last):
            self._baseline = shortest
            self._rounds = 1


def _all_sent(ack: Ack) -> int:
    """Bytes delivered when all is that is on its way after this acknowledgement."""
    return ack.delivered + max(1, ack.flight_size - ack.newly_delivered - ack.newly_lost)


def threshold(last: Ns) -> Ns:
    """How much longer than in the last round the shortest round trip has to be (RttThresh), ns.

    >>> [threshold(rtt * MS) / MS for rtt in (8, 80, 800)]
    [4.0, 10.0, 16.0]
    """
    return max(MIN_RTT_THRESH, min(last // MIN_RTT_DIVISOR, MAX_RTT_THRESH))
