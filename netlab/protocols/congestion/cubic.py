"""CUBIC: after a loss, back quickly to where it happened, slowly past it, then faster: by the clock and not by the RTT.

    cwnd                                  .
    W_max |.                             .      W_cubic(t) = C * (t - K)**3 + W_max
          | |          .  . .  .  . .  .
          | |      .                            concave up to W_max, then convex. Only the time since the loss
          | |   .                               decides, so that flows with long round trips are not left
          | |..                                 behind
          +-|---------------|------------- t
            0               K

It never grows more slowly than Reno would with the same loss (the Reno-friendly region): on short or slow paths the
two are alike.

Source: RFC 9438 §4; its windows are in segments, here they are in bytes. Taught in notebook 09.
"""

from __future__ import annotations

from typing import ClassVar

from netlab.protocols.congestion.control import Ack
from netlab.protocols.congestion.hystart import CSS_GROWTH_DIVISOR, LIMIT, HyStart
from netlab.protocols.congestion.reno import Reno
from netlab.units import Ns, S

BETA = 0.7
"""What a loss leaves of the window (RFC 9438 §4.6)."""

C = 0.4
"""How steep the curve is, segments/s**3 (RFC 9438 §5.1)."""

ALPHA = 3 * (1 - BETA) / (1 + BETA)
"""Segments a round trip with which AIMD(ALPHA, BETA) has the same average window as Reno's AIMD(1, 0.5): 0.5294
(RFC 9438 §4.3)."""


def w_cubic(t: Ns, k: Ns, w_max: float, mss: int) -> float:
    """The window `t` ns after the beginning of congestion avoidance, bytes (RFC 9438 §4.2, figure 1).

    >>> [round(w_cubic(t * S, time_to_w_max(100, 70, mss=1), 100, mss=1), 2) for t in (0, 2, 4, 6, 8)]
    [70.0, 95.64, 100.0, 102.27, 121.65]
    """
    x = (t - k) / S
    return C * mss * x * x * x + w_max


def time_to_w_max(w_max: float, cwnd: float, mss: int) -> Ns:
    """K: how long it takes from `cwnd` back to `w_max`, ns (RFC 9438 §4.2, figure 2).

    >>> time_to_w_max(100, 70, mss=1) / 10**9
    4.217163326
    """
    # The cube root in integers, so that it is the same everywhere: ns**3 are 10**27 s**3, and C is 2/5.
    return _cube_root(round(w_max - cwnd) * 5 * 10**27 // (2 * mss))


class Cubic(Reno):
    """RFC 9438 with HyStart++ (RFC 9406) and fast convergence. What is not written here is as in Reno."""

    name: ClassVar[str] = "cubic"

    def __init__(self, *, mss: int) -> None:
        super().__init__(mss=mss)
        self._hystart = HyStart()
        self._w_max: float | None = None  # None: no loss has told
        self._cwnd_prior = self.cwnd  # cwnd when ssthresh was last set
        self._epoch: Ns | None = None  # when congestion avoidance began; None before its first acknowledgement
        self._k: Ns = 0
        self._w_est = 0.0  # the window that Reno would have
        self._growth = 0.0  # parts of a byte that cwnd has still to grow
        self._held_since: Ns | None = None  # the application holds back: the time does not count (RFC 9438 §4.2)
        self._undo: tuple[int, int, int | None, float | None, Ns, Ns | None, float] | None = None

    def on_ack(self, ack: Ack, now: Ns) -> None:
        if not ack.cwnd_limited:
            if self._held_since is None:
                self._held_since = now
        elif self._held_since is not None:
            if self._epoch is not None:
                self._epoch += now - self._held_since
            self._held_since = None
        super().on_ack(ack, now)

    def _slow_start(self, ack: Ack, now: Ns) -> None:
        self._epoch = None
        if self.ssthresh is not None:
            super()._slow_start(ack, now)
            return
        # RFC 9406 §4.2: cwnd + min(N, L * SMSS), a quarter of it in conservative slow start
        self._hystart.on_ack(ack)
        self.cwnd += min(ack.acked, LIMIT * self.mss) // (CSS_GROWTH_DIVISOR if self._hystart.conservative else 1)
        if self._hystart.done:
            self.ssthresh = self._cwnd_prior = self.cwnd  # RFC 9438 §4.10; W_max is not yet known
        self._grown()
        if self._hystart.conservative and not self._hystart.done:
            self.phase = "conservative slow start"

    def _avoid_congestion(self, ack: Ack, now: Ns) -> None:
        if self._epoch is None:
            self._begin_epoch(now)
        assert self._epoch is not None
        assert self._w_max is not None
        # RFC 9438 §4.3, figure 4; ALPHA is 1 once Reno would be back where the loss was
        alpha = ALPHA if self._w_est < self._cwnd_prior else 1
        self._w_est += alpha * self.mss * ack.acked / self.cwnd
        t = now - self._epoch
        if w_cubic(t, self._k, self._w_max, self.mss) < self._w_est:
            self.cwnd = max(self.cwnd, int(self._w_est))
        else:
            target = w_cubic(t + (ack.srtt or 0), self._k, self._w_max, self.mss)
            target = min(max(target, self.cwnd), 1.5 * self.cwnd)
            # §4.4, §4.5; not for each acknowledgement, but for each segment: a delayed one tells of two
            self._growth += (target - self.cwnd) / self.cwnd * ack.acked
            self.cwnd += int(self._growth)
            self._growth -= int(self._growth)
        self._grown()

    def _begin_epoch(self, now: Ns) -> None:
        self._epoch = now
        self._w_est = self.cwnd
        self._growth = 0.0
        if self._w_max is None or self._w_max < self.cwnd:  # after a timeout (§4.8), or a slow start without a loss
            self._w_max = self.cwnd
            self._k = 0
        else:
            self._k = time_to_w_max(self._w_max, self.cwnd, self.mss)

    def on_loss(self, flight_size: int, now: Ns) -> None:
        super().on_loss(flight_size, now)
        assert self._before_loss is not None
        cwnd, _ = self._before_loss
        # Fast convergence (§4.7): who did not come back to where the last loss was leaves room to others
        if self._w_max is not None and cwnd < self._w_max:
            self._w_max = cwnd * (1 + BETA) / 2
        else:
            self._w_max = cwnd
        self._cwnd_prior = cwnd
        self._epoch = None

    def on_rto(self, flight_size: int, now: Ns) -> None:
        cwnd = self.cwnd
        super().on_rto(flight_size, now)
        if flight_size:
            self._cwnd_prior = cwnd
        self._w_max = self._epoch = None  # §4.8: K is 0 and W_max the window at which avoidance begins

    def _left_by_loss(self, volume: int) -> int:
        return int(volume * BETA)

    def _remember(self) -> None:
        super()._remember()
        state = self.cwnd, self._cwnd_prior, self.ssthresh, self._w_max, self._k, self._epoch, self._w_est
        self._undo = state

    def on_undo(self, now: Ns) -> None:
        # §4.9.2: "restore the original values ... if the current cwnd is lower than cwnd_prior"
        undo, self._undo, self._before_loss = self._undo, None, None
        if undo is not None and self.cwnd < self._cwnd_prior:
            self.cwnd, self._cwnd_prior, self.ssthresh, self._w_max, self._k, self._epoch, self._w_est = undo
            self._after_rto = False
            self._grown()

    def on_idle(self, idle: Ns, now: Ns) -> None:
        super().on_idle(idle, now)
        if self._epoch is not None and self._held_since is None:
            self._epoch += idle


def _cube_root(n: int) -> int:
    """The largest r with r**3 <= n, for n >= 0, by Newton's method."""
    if n == 0:
        return 0
    root = 1 << -(-n.bit_length() // 3)
    while True:
        better = (2 * root + n // (root * root)) // 3
        if better >= root:
            return root
        root = better
