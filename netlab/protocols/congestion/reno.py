"""Reno: double the window every round trip until something is lost, halve it, then add one segment a round trip.

    cwnd
     |      /|
     |     / |        /|        /|       slow start, then the saw tooth of
     |    /  |      /  |      /  |       congestion avoidance
     |   |   |    /    |    /    |
     |  _|   |  /      |  /      |
     +--------------------------------- time

Growth counts the bytes that are acknowledged, not the acknowledgements (RFC 3465), so that a receiver which
acknowledges every second segment does not halve the growth, and one that acknowledges every byte gains nothing by it.

Source: RFC 5681 §3.1, §3.2 and §4.1; RFC 6582 §3.2; RFC 3465 §2; RFC 6928 §2. Taught in notebook 09.
"""

from __future__ import annotations

from typing import ClassVar

from netlab.protocols.congestion.control import Ack, CongestionControl
from netlab.units import Ns

SLOW_START, AVOIDANCE, RECOVERY = "slow start", "congestion avoidance", "recovery"

SLOW_START_LIMIT = 2
"""L of RFC 3465 §2.3: segments that one acknowledgement may add in slow start: 2, as delayed acknowledgements tell of
two. After a timeout it is 1: one acknowledgement may then cover a whole window that had arrived long before."""


def initial_window(mss: int) -> int:
    """Bytes that may be sent before anything was acknowledged: ten segments, unless they are large.

    Source:
        RFC 6928 §2: "min (10*MSS, max (2*MSS, 14600))".

    >>> initial_window(1460), initial_window(536), initial_window(8960)
    (14600, 5360, 17920)
    """
    return min(10 * mss, max(2 * mss, 14_600))


class Reno(CongestionControl):
    """RFC 5681, with the growth of RFC 3465. While a loss is repaired the window stays what the loss made it.

    RFC 5681 §3.2 inflates cwnd by a segment for each duplicate acknowledgement, because one more segment has left the
    network, and RFC 6582 §3.2 deflates it again. Here the sender takes that segment off its `flight_size` instead, as
    RFC 6675 does: it may send as much, and cwnd shows what the control decided.
    """

    name: ClassVar[str] = "reno"

    def __init__(self, *, mss: int) -> None:
        self.mss = mss
        self.cwnd = initial_window(mss)
        self.ssthresh: int | None = None
        self.phase = SLOW_START
        self.pacing_bit_s: int | None = None
        self._bytes_acked = 0  # towards the next segment of congestion avoidance, RFC 3465 §2.1
        self._after_rto = False
        self._before_loss: tuple[int, int | None] | None = None

    def on_ack(self, ack: Ack, now: Ns) -> None:
        if ack.recovering or not ack.acked or not ack.cwnd_limited:
            return
        if self.ssthresh is None or self.cwnd < self.ssthresh:
            self._slow_start(ack, now)
        else:
            self._avoid_congestion(ack, now)

    def _slow_start(self, ack: Ack, now: Ns) -> None:
        # "cwnd += min (N, SMSS)" (RFC 5681 §3.1), or two segments (RFC 3465 §2.3)
        limit = 1 if self._after_rto else SLOW_START_LIMIT
        self.cwnd += min(ack.acked, limit * self.mss)
        self._grown()

    def _avoid_congestion(self, ack: Ack, now: Ns) -> None:
        # one segment for each window that is acknowledged (RFC 3465 §2.1)
        self._bytes_acked += ack.acked
        if self._bytes_acked >= self.cwnd:
            self._bytes_acked -= self.cwnd
            self.cwnd += self.mss
        self._grown()

    def _grown(self) -> None:
        self.phase = SLOW_START if self.ssthresh is None or self.cwnd < self.ssthresh else AVOIDANCE

    def on_loss(self, flight_size: int, now: Ns) -> None:
        self._remember()
        self.ssthresh = self._reduced(flight_size)
        self.cwnd = self.ssthresh
        self.phase = RECOVERY
        self._bytes_acked = 0

    def on_recovered(self, now: Ns) -> None:
        if self.phase == RECOVERY:
            self._grown()
        self._after_rto = False

    def on_rto(self, flight_size: int, now: Ns) -> None:
        if flight_size:
            self._remember()
            self.ssthresh = self._reduced(flight_size)
        # "cwnd MUST be set to no more than the loss window, LW, which equals 1 full-sized segment" (RFC 5681 §3.1)
        self.cwnd = self.mss
        self.phase = SLOW_START
        self._after_rto = True
        self._bytes_acked = 0

    def _reduced(self, flight_size: int) -> int:
        """What a loss leaves: "ssthresh = max (FlightSize / 2, 2*SMSS)" (RFC 5681 §3.1 (4)), or less.

        While a loss is repaired more may be outstanding than the window: what was acknowledged selectively, and what
        limited transmit sent. It says nothing of what the path takes, and so does not count (RFC 5681 §3.2 (2)).
        """
        return max(self._left_by_loss(min(flight_size, self.cwnd)), 2 * self.mss)

    def _left_by_loss(self, volume: int) -> int:
        return volume // 2

    def _remember(self) -> None:
        self._before_loss = self.cwnd, self.ssthresh

    def on_undo(self, now: Ns) -> None:
        if self._before_loss is not None:
            cwnd, self.ssthresh = self._before_loss
            self.cwnd = max(self.cwnd, cwnd)
            self._before_loss = None
            self._after_rto = False
            self._grown()

    def on_idle(self, idle: Ns, now: Ns) -> None:
        # "cwnd is reduced to no more than RW bytes": acknowledgements no longer tell when to send (RFC 5681 §4.1)
        self.cwnd = min(self.cwnd, initial_window(self.mss))
        self._grown()

    def on_mss(self, mss: int) -> None:
        if self.cwnd == initial_window(self.mss):
            self.cwnd = initial_window(mss)
        self.mss = mss
        self.cwnd = max(self.cwnd, mss)
