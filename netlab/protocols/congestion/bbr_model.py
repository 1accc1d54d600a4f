"""What BBR knows of the path: its rate, its length, how much it takes, and what losses say of these for a while.

Sections are of draft-ietf-ccwg-bbr, as `bbr` says.
"""

from __future__ import annotations

from netlab.protocols.congestion.control import Ack, RateSample
from netlab.units import Ns, S

MIN_RTT_FILTER: Ns = 10 * S
"""For how long the shortest round trip counts (§5.5.7.2)."""

_BITS = 8 * S  # bits a second times ns, over this, are bytes


class PathModel:
    """Volumes in bytes, rates in bits a second; None is infinite or not yet known.

    Attributes:
        delivered: bytes delivered so far.
        bw: the rate to go by: `max_bw`, bounded by what losses lately said.
        min_rtt: the shortest round trip of the last 10 s, ns.
        inflight_longterm: what the path takes without losing too much; a probe that lost too much set it.
        inflight_shortterm: what it lately took, where there was loss since the last probe.
        inflight_latest: the most that one round trip of this round delivered.
        extra_acked: how much more than expected acknowledgements bring at once.
        round_start: this acknowledgement ended a round trip.
        loss_round_start: it ended a round in which losses are counted.
    """

    def __init__(self, mss: int) -> None:
        self.mss = mss
        self.delivered = 0
        self.bw = 0
        self.min_rtt: Ns | None = None
        self.min_rtt_at: Ns = 0
        self.inflight_longterm: int | None = None
        self.inflight_shortterm: int | None = None
        self.inflight_latest = 0
        self.extra_acked = 0
        self.round_start = False
        self.round_count = 0
        self.loss_round_start = False
        self._max_bw = [0, 0]  # of the previous cycle of probes and of this one
        self._bw_shortterm: int | None = None
        self._bw_latest = 0
        self._next_round = 0  # delivered, when what was sent at its beginning comes back
        self._loss_round_end = 0
        self._lost_in_round = False
        self._undo: tuple[int | None, int | None, int | None] | None = None
        self._extra_since: Ns = 0
        self._extra_delivered = 0
        self._extra: list[tuple[int, int]] = []  # (round, extra), falling: the first is the largest

    @property
    def max_bw(self) -> int:
        return max(self._max_bw)

    @property
    def least_cwnd(self) -> int:
        """Four segments: two on their way, and the acknowledgement of two (§2.8)."""
        return 4 * self.mss

    def bdp(self, percent: int, *, longterm: bool = False) -> int:
        """So much of what the path holds; 0 before anything is known."""
        return (self.max_bw if longterm else self.bw) * (self.min_rtt or 0) * percent // (100 * _BITS)

    def with_headroom(self) -> int | None:
        """`inflight_longterm` less 15 %, for others (§5.3.3.9)."""
        limit = self.inflight_longterm
        return None if limit is None else max(limit - max(self.mss, limit * 15 // 100), self.least_cwnd)

    # Round trips, counted in data (§5.5.1)

    def start_round(self) -> None:
        self._next_round = self.delivered

    def update(self, ack: Ack, rate: RateSample | None, *, adapt: bool, cwnd: int, now: Ns) -> bool:
        """Take in an acknowledgement's sample; `adapt`: not probing, so losses bound the short term. Whether a round
        trip is over."""
        self.round_start = self.loss_round_start = False
        if rate is None:
            return False
        bit_s = rate.bit_s
        self._bw_latest = max(self._bw_latest, bit_s)
        self.inflight_latest = max(self.inflight_latest, rate.delivered)
        if rate.prior_delivered >= self._loss_round_end:
            self._loss_round_end = self.delivered
            self.loss_round_start = True
        if rate.prior_delivered >= self._next_round:
            self._next_round = self.delivered
            self.round_count += 1
            self.round_start = True
        if bit_s >= self.max_bw or not rate.app_limited:  # §5.5.5
            self._max_bw[1] = max(self._max_bw[1], bit_s)
        if self.loss_round_start:
            if adapt and self._lost_in_round:
                self._adapt_to_loss(cwnd)
            self._lost_in_round = False
        self._bound_bw()
        return self.round_start

    def advance(self, rate: RateSample | None) -> None:
        """At the end of an acknowledgement (§5.5.10.3)."""
        if self.loss_round_start and rate is not None:
            self._bw_latest, self.inflight_latest = rate.bit_s, rate.delivered
        self._bound_bw()

    def advance_max_bw(self) -> None:
        """A cycle of probes is over: the one before the last is forgotten (§5.5.6)."""
        if self._max_bw[1]:
            self._max_bw = [self._max_bw[1], 0]

    def _bound_bw(self) -> None:
        self.bw = self.max_bw if self._bw_shortterm is None else min(self.max_bw, self._bw_shortterm)

    # Losses (§5.5.10)

    def note_loss(self) -> bool:
        """Something was lost. Whether it is the first in this round."""
        first = not self._lost_in_round
        if first:
            self._loss_round_end = self.delivered
            self._undo = self._bw_shortterm, self.inflight_shortterm, self.inflight_longterm
        self._lost_in_round = True
        return first

    def _adapt_to_loss(self, cwnd: int) -> None:
        """Down to what was lately delivered, but not by more than three tenths a round."""
        bw = self.max_bw if self._bw_shortterm is None else self._bw_shortterm
        inflight = cwnd if self.inflight_shortterm is None else self.inflight_shortterm
        self._bw_shortterm = max(self._bw_latest, bw * 7 // 10)
        self.inflight_shortterm = max(self.inflight_latest, inflight * 7 // 10)

    def reset_short_term(self) -> None:
        self._bw_shortterm = self.inflight_shortterm = None
        self._bound_bw()

    def reset_signals(self) -> None:
        self._lost_in_round = False
        self._bw_latest = self.inflight_latest = 0

    def undo(self) -> None:
        """The loss was none: no bound is lower than before it (§5.5.11.2)."""
        self._lost_in_round = False
        if self._undo is not None:
            bw, short, long = self._undo
            self._bw_shortterm = _larger(self._bw_shortterm, bw)
            self.inflight_shortterm = _larger(self.inflight_shortterm, short)
            self.inflight_longterm = _larger(self.inflight_longterm, long)
            self._undo = None
            self._bound_bw()

    # The shortest round trip (§5.3.4.3)

    def min_rtt_expired(self, now: Ns) -> bool:
        return self.min_rtt is not None and now > self.min_rtt_at + MIN_RTT_FILTER

    def update_min_rtt(self, rtt: Ns, now: Ns) -> None:
        if self.min_rtt is None or rtt < self.min_rtt or self.min_rtt_expired(now):
            self.min_rtt, self.min_rtt_at = rtt, now

    # Acknowledgements that come together (§5.5.9)

    def restart_aggregation(self, now: Ns) -> None:
        self._extra_since = now

    def update_aggregation(self, newly_delivered: int, cwnd: int, rounds: int, now: Ns) -> None:
        """`extra_acked` over the last so many rounds."""
        expected = self.bw * (now - self._extra_since) // _BITS
        if self._extra_delivered <= expected:
            self._extra_delivered = expected = 0
            self._extra_since = now
        self._extra_delivered += newly_delivered
        extra = min(self._extra_delivered - expected, cwnd)
        waiting = self._extra
        while waiting and waiting[-1][1] <= extra:
            waiting.pop()
        waiting.append((self.round_count, extra))
        while waiting[0][0] <= self.round_count - rounds:
            waiting.pop(0)
        self.extra_acked = waiting[0][1]


def _larger(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
