"""BBR: measure how fast the path delivers and how long it is, and send at that rate with that much on its way.

    startup -> drain -> down -> cruise -> refill -> up      up finds out whether there is more, and down lets the queue
                         ^                          |       that this made drain again; in between it cruises
                         +--------------------------+

and, from any of them, about every 10 s `probe rtt`, unless the path showed itself empty by itself: less on its way for
200 ms, to see how long the path is without a queue.

A loss is no sign that the queue is full: it bounds the model only for a while (the short term, forgotten at the next
refill), unless more than 2 % of a probe were lost (the long term: so much is too much for this path).

This is version 3, as draft-ietf-ccwg-bbr describes it (the working group's editors' copy, commit 007dbe1); sections are
of that text. What is simpler here:
- a loss is judged when an acknowledgement tells of it, by that acknowledgement's rate sample, and not for each lost
  packet by that packet's own (§5.5.10.2): packets here are single segments, sent shortly after one another;
- in startup, acknowledgements that told of a loss are counted, and not the ranges that were lost (§5.3.1.3);
- there is no segmentation offload: what may be sent at once is a millisecond's worth (§5.6.3);
- an ECN echo counts as a loss (§3.7 asks for no less).

Random waits (§5.3.3.8.3) come from `random`, where it is given, or else from a fixed sequence: a run repeats.
Taught in notebook 09.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from netlab.protocols.congestion.bbr_model import PathModel
from netlab.protocols.congestion.bbr_states import GAINS, PROBE_BW, PROBING, State
from netlab.protocols.congestion.control import Ack, CongestionControl, RateSample
from netlab.protocols.congestion.reno import initial_window
from netlab.units import MS, Ns, S

PACING_MARGIN = 99
"""Percent of the estimated rate that is paced at, so that queues drain (§5.6.2)."""

PROBE_RTT_DURATION: Ns = 200 * MS
STARTUP_LOSS_EVENTS = 6
FULL_BW_ROUNDS = 3
DRAIN_ROUNDS = 3
RENO_ROUNDS = 63


class Bbr(CongestionControl):
    """BBRv3. All volumes in bytes, rates in bits a second.

    Args:
        random: gives numbers from 0 to 1, for how long to wait before probing again; None: a fixed sequence.
    """

    name: ClassVar[str] = "bbr"

    def __init__(self, *, mss: int, random: Callable[[], float] | None = None) -> None:
        self.mss = mss
        self.cwnd = initial_window(mss)
        self.ssthresh: int | None = None
        self.pacing_bit_s: int | None = None  # before the first round trip there is nothing to pace by
        self.model = PathModel(mss)
        self.state = State.STARTUP
        self.phase = self.state.value
        self._random = random
        self._waits = 0
        self._flight_size = 0  # after the latest acknowledgement
        self._prior_cwnd = 0
        self._recovering = False
        self._timed_out = False
        self._idle_restart = False
        self._full_bw_reached = False  # the pipe was filled once
        self._full_bw_now = False
        self._full_bw = 0
        self._full_bw_count = 0
        self._drain_round = 0
        self._loss_events = 0  # acknowledgements that told of a loss, in this round of startup
        # of the cycle of probes
        self._cycle_at: Ns = 0
        self._wait: Ns = 0
        self._rounds_since_up = 0
        self._feedback = False  # samples are of what the probe sent
        self._stopping = False  # the probe is over, its samples still come
        self._too_high = False  # the previous probe lost too much
        self._precautionary = False  # the previous probe stopped early because the one before lost too much
        self._up_rounds = 0
        self._up_acked = 0
        self._up_acked_per_segment: int | None = None
        # of probe_rtt
        self._probe_rtt_cwnd = self.cwnd
        self._probe_rtt_done_at: Ns | None = None
        self._probe_rtt_round_done = False
        self._limited_until = 0  # what was sent in probe_rtt tells nothing of the rate
        self._undo_state: State | None = None

    # What happens

    def on_sent(self, size: int, flight_size: int, now: Ns) -> None:
        if flight_size == 0 and self.model.delivered and not self._timed_out:  # restarting from idle (§5.4.1)
            self._idle_restart = True
            self.model.restart_aggregation(now)
            if self.state in PROBE_BW:
                self._pace(100)
            elif self.state is State.PROBE_RTT:
                self._check_probe_rtt_done(now)

    def on_ack(self, ack: Ack, now: Ns) -> None:
        model, rate = self.model, ack.rate
        self._flight_size = max(0, ack.flight_size - ack.newly_delivered - ack.newly_lost)
        self._recovering = ack.recovering
        self._timed_out = False
        model.delivered = ack.delivered
        if rate is not None and rate.prior_delivered < self._limited_until:
            rate = RateSample(
                rate.delivered, rate.interval, rate.prior_delivered, True, rate.flight_size, rate.lost
            )  # what probe_rtt held back
        if ack.newly_lost:
            self._note_loss()
            self._loss_events += 1
            if self._feedback and rate is not None and _too_much_lost(rate):
                self._probe_was_too_high(rate, now)
        if model.update(ack, rate, adapt=self.state not in PROBING, cwnd=self.cwnd, now=now):
            self._rounds_since_up += 1
        model.update_aggregation(ack.newly_delivered, self.cwnd, 10 if self._full_bw_reached else 1, now)
        if rate is not None:
            self._check_full_bw(rate)
        self._check_startup_done(rate)
        self._check_drain_done(now)
        if self._full_bw_reached:
            self._cycle(ack, rate, now)
        self._check_min_rtt(ack, now)
        model.advance(rate)
        self._set_pacing(ack)
        self._set_cwnd(ack)

    def on_loss(self, flight_size: int, now: Ns) -> None:
        self._save_cwnd()
        self._note_loss()
        self._recovering = True

    def on_recovered(self, now: Ns) -> None:
        self._recovering = False
        self._restore_cwnd()

    def on_rto(self, flight_size: int, now: Ns) -> None:
        self._save_cwnd()
        if flight_size:
            self._note_loss()
        self._recovering = self._timed_out = True
        self.cwnd = self.mss  # §5.6.4.4: nothing is on its way, one segment may be

    def on_undo(self, now: Ns) -> None:
        """§5.5.11.2."""
        self.model.undo()
        self._reset_full_bw(0)
        if self._undo_state is State.STARTUP and self.state is not State.STARTUP:
            self._full_bw_reached = False
            if self.state is not State.PROBE_RTT:
                self._enter(State.STARTUP)
        elif self._undo_state is State.UP and self.state not in (State.UP, State.REFILL, State.PROBE_RTT):
            self._start_refill()
        self._undo_state = None
        self._restore_cwnd()

    def on_mss(self, mss: int) -> None:
        if self.cwnd == initial_window(self.mss):
            self.cwnd = initial_window(mss)
        self.mss = self.model.mss = mss
        self.cwnd = max(self.cwnd, mss)

    def _note_loss(self) -> None:
        if self.model.note_loss():  # the first in this round
            self._save_cwnd()
            self._undo_state = None

    def _enter(self, state: State) -> None:
        self.state = state
        self.phase = state.value

    # Startup and drain (§5.3.1, §5.3.2)

    def _reset_full_bw(self, baseline: int) -> None:
        self._full_bw, self._full_bw_count, self._full_bw_now = baseline, 0, False

    def _check_full_bw(self, rate: RateSample) -> None:
        """Three rounds in which the rate grew by less than a quarter: the pipe is full (§5.3.1.2)."""
        if self._full_bw_now or not self.model.round_start or rate.app_limited:
            return
        if rate.bit_s * 4 >= self._full_bw * 5:
            self._reset_full_bw(rate.bit_s)
            return
        self._full_bw_count += 1
        self._full_bw_now = self._full_bw_count >= FULL_BW_ROUNDS
        self._full_bw_reached |= self._full_bw_now

    def _check_startup_done(self, rate: RateSample | None) -> None:
        model = self.model
        if model.loss_round_start:
            many = self._loss_events >= STARTUP_LOSS_EVENTS and rate is not None and _too_much_lost(rate)
            self._loss_events = 0
            if self.state is State.STARTUP and self._recovering and many:  # §5.3.1.3
                self._undo_state = State.STARTUP
                self._full_bw_reached = True
                model.inflight_longterm = max(model.bdp(100), model.inflight_latest)
        if self.state is State.STARTUP and self._full_bw_reached:
            self._enter(State.DRAIN)
            self._drain_round = model.round_count

    def _check_drain_done(self, now: Ns) -> None:
        if self.state is State.DRAIN and (
            self._flight_size <= self._inflight(100) or self.model.round_count > self._drain_round + DRAIN_ROUNDS
        ):
            self._start_down(now)

    # Probing for bandwidth (§5.3.3)

    def _cycle(self, ack: Ack, rate: RateSample | None, now: Ns) -> None:
        if self._adapt_long_term(ack, rate):
            return
        if self.state in (State.DOWN, State.CRUISE):
            if now > self._cycle_at + self._wait or self._rounds_since_up >= self._reno_rounds():
                self._start_refill()
            elif self.state is State.DOWN and self._may_cruise():
                self._enter(State.CRUISE)
        elif self.state is State.REFILL:
            if self.model.round_start:  # the pipe is full again: now more
                self._feedback = True
                self._start_up(rate)
        elif self.state is State.UP and self._time_to_go_down(ack, rate):
            self._too_high = False
            self._start_down(now)

    def _reno_rounds(self) -> int:
        """Probe no less often than Reno would lose: a round trip for each segment of the window (§5.3.3.8.2)."""
        return min(min(self.model.bdp(100), self.cwnd) // self.mss, RENO_ROUNDS)

    def _may_cruise(self) -> bool:
        room = self.model.with_headroom()
        return (room is None or self._flight_size <= room) and self._flight_size <= self._inflight(100, longterm=True)

    def _time_to_go_down(self, ack: Ack, rate: RateSample | None) -> bool:
        limit = self.model.inflight_longterm
        if self._too_high and limit is not None and self._flight_size >= limit:
            self._precautionary = True
            return True
        if ack.cwnd_limited and limit is not None and self.cwnd >= limit:
            self._reset_full_bw(0 if rate is None else rate.bit_s)  # it is the limit that holds the rate
            return False
        return self._full_bw_now

    def _start_down(self, now: Ns) -> None:
        self.model.reset_signals()
        self._up_acked_per_segment = None
        self._rounds_since_up, self._wait = self._pick_wait()
        self._cycle_at = now
        self._stopping = True
        self.model.start_round()
        self._enter(State.DOWN)

    def _start_refill(self) -> None:
        self.model.reset_short_term()
        self._up_rounds = self._up_acked = 0
        self._precautionary = self._stopping = False
        self.model.start_round()
        self._enter(State.REFILL)

    def _start_up(self, rate: RateSample | None) -> None:
        self.model.start_round()
        self._reset_full_bw(0 if rate is None else rate.bit_s)
        self._enter(State.UP)
        self._raise_slope()

    def _pick_wait(self) -> tuple[int, Ns]:
        """0 or 1 rounds that count as waited for already, and 2 to 3 s (§5.3.3.8.3)."""
        self._waits += 1
        if self._random is not None:
            return int(self._random() * 2) & 1, 2 * S + round(self._random() * S)
        return self._waits & 1, 2 * S + self._waits * 618_033_989 % S  # the golden ratio spreads them evenly

    def _raise_slope(self) -> None:
        """The bound rises by 1, 2, 4, 8, ... segments in the rounds of one probe (§5.3.3.5)."""
        self._up_acked_per_segment = max(self.cwnd >> self._up_rounds, self.mss)
        self._up_rounds = min(self._up_rounds + 1, 30)

    def _adapt_long_term(self, ack: Ack, rate: RateSample | None) -> bool:
        """What the probe's samples say of how much the path takes. Whether it changed the state."""
        model = self.model
        if self._stopping and model.round_start:  # the last samples of the probe have come
            self._stopping = self._feedback = False
            if self.state in PROBE_BW:
                if rate is not None and not rate.app_limited:
                    model.advance_max_bw()
                if self._precautionary and not self._too_high:
                    self._start_refill()
                    return True
        if rate is None or _too_much_lost(rate) or model.inflight_longterm is None:
            return False
        model.inflight_longterm = max(model.inflight_longterm, rate.flight_size)
        if self.state is State.UP and ack.cwnd_limited and self.cwnd >= model.inflight_longterm:
            step = self._up_acked_per_segment or self.cwnd
            self._up_acked += ack.newly_delivered
            model.inflight_longterm += self._up_acked // step * self.mss
            self._up_acked %= step
            if model.round_start:
                self._raise_slope()
        return False

    def _probe_was_too_high(self, rate: RateSample, now: Ns) -> None:
        """§5.5.10.2: once for each probe."""
        self._too_high = True
        self._feedback = False
        if not rate.app_limited:
            target = min(self.model.bdp(100), self.cwnd)
            self.model.inflight_longterm = max(rate.flight_size, target * 7 // 10)
        if self.state is State.UP:
            self._undo_state = State.UP
            self._start_down(now)

    # The shortest round trip (§5.3.4)

    def _check_min_rtt(self, ack: Ack, now: Ns) -> None:
        model = self.model
        expired = model.min_rtt_expired(now)
        if expired and self.state is not State.PROBE_RTT:
            self._probe_rtt_cwnd = max(model.bdp(GAINS[State.PROBE_RTT].cwnd), model.least_cwnd)
        if ack.rtt is not None:
            model.update_min_rtt(ack.rtt, now)
        if expired and self.state is not State.PROBE_RTT and not self._idle_restart:
            self._save_cwnd()
            self._enter(State.PROBE_RTT)
            self._probe_rtt_done_at = None
            self._stopping = True
            model.start_round()
        if self.state is State.PROBE_RTT:
            self._limited_until = model.delivered + max(self._flight_size, 1)
            if self._probe_rtt_done_at is None:
                if self._flight_size <= self._probe_rtt_cwnd:
                    self._probe_rtt_done_at = now + PROBE_RTT_DURATION
                    self._probe_rtt_round_done = False
                    model.start_round()
            else:
                self._probe_rtt_round_done |= model.round_start
                if self._probe_rtt_round_done:
                    self._check_probe_rtt_done(now)
        if ack.newly_delivered:
            self._idle_restart = False

    def _check_probe_rtt_done(self, now: Ns) -> None:
        if self._probe_rtt_done_at is None or now <= self._probe_rtt_done_at:
            return
        self.model.min_rtt_at = now
        self._restore_cwnd()
        self.model.reset_short_term()
        if self._full_bw_reached:
            self._start_down(now)
            self._enter(State.CRUISE)  # there is nothing to drain
        else:
            self._enter(State.STARTUP)

    # What is decided (§5.6)

    def _inflight(self, percent: int, *, longterm: bool = False) -> int:
        """So much of the BDP, but never too little to keep the pipe running."""
        return self._at_least(self.model.bdp(percent, longterm=longterm))

    def _at_least(self, volume: int) -> int:
        at_once = min((self.pacing_bit_s or 0) // 8000, 65_536)  # a millisecond's worth
        budget = max(volume, at_once, self.model.least_cwnd)
        return budget + 2 * self.mss if self.state is State.UP else budget

    def _set_pacing(self, ack: Ack) -> None:
        if self.pacing_bit_s is None and ack.srtt is not None:  # §5.6.2: by the initial window and the first round trip
            self.pacing_bit_s = self.cwnd * 8 * S * GAINS[State.STARTUP].pacing // (100 * max(ack.srtt, 1))
        self._pace(GAINS[self.state].pacing)

    def _pace(self, gain: int) -> None:
        pacing = self.model.bw * gain * PACING_MARGIN // 10_000
        if pacing and (self._full_bw_reached or self.pacing_bit_s is None or pacing > self.pacing_bit_s):
            self.pacing_bit_s = pacing

    def _set_cwnd(self, ack: Ack) -> None:
        model = self.model
        if model.min_rtt is None:
            most = initial_window(self.mss)
        else:
            most = self._at_least(model.bdp(GAINS[self.state].cwnd) + model.extra_acked)
        if self._full_bw_reached:
            self.cwnd = min(self.cwnd + ack.newly_delivered, most)
        elif self.cwnd < most or model.delivered < initial_window(self.mss):
            self.cwnd += ack.newly_delivered
        self.cwnd = max(self.cwnd, model.least_cwnd)
        self._bound_cwnd()

    def _bound_cwnd(self) -> None:
        model = self.model
        if self.state is State.PROBE_RTT:
            self.cwnd = min(self.cwnd, self._probe_rtt_cwnd)
        bound: int | None = None
        if self.state in (State.CRUISE, State.PROBE_RTT):
            bound = model.with_headroom()
        elif self.state in PROBE_BW:
            bound = model.inflight_longterm
        for limit in (bound, model.inflight_shortterm):
            if limit is not None:
                self.cwnd = min(self.cwnd, max(limit, model.least_cwnd))

    def _save_cwnd(self) -> None:
        unmodulated = not self._recovering and self.state is not State.PROBE_RTT
        self._prior_cwnd = self.cwnd if unmodulated else max(self._prior_cwnd, self.cwnd)

    def _restore_cwnd(self) -> None:
        self.cwnd = max(self.cwnd, self._prior_cwnd)
        self._bound_cwnd()


def _too_much_lost(rate: RateSample) -> bool:
    """More than 2 % of what was on its way (§5.5.10.2, BBR.LossThresh)."""
    return rate.lost * 50 > rate.flight_size
