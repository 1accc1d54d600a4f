"""How fast does the network deliver what we send? Samples of the delivery rate, from acknowledgements alone.

Bytes acknowledged over the time between two acknowledgements would say too much: acknowledgements bunch up on their way
back. So each packet remembers how much had been delivered when it was sent, and the rate over its flight is taken over
the longer of the time that flight took to be sent and to be acknowledged.

Source: draft-cheng-iccrg-delivery-rate-estimation-02 §2 and §3, which draft-ietf-ccwg-bbr §4.1 takes over and adds to.
Taught in notebook 09.
"""

from __future__ import annotations

import msgspec

from netlab.protocols.congestion.control import RateSample
from netlab.units import Ns


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """What a packet remembers of the moment it was sent (§3.1.2): P.sent_time, P.first_sent_time, P.delivered,
    P.delivered_time, P.is_app_limited; and P.tx_in_flight, itself included, and P.lost."""

    sent_at: Ns
    first_sent_at: Ns
    delivered: int
    delivered_at: Ns
    app_limited: bool
    flight_size: int
    lost: int


class DeliveryRate:
    """The sender's side of delivery rate estimation; all sizes in bytes.

    For each packet sent, keep what `on_sent` gives. For each packet that is acknowledged for the first time, call
    `on_delivered`; for each that is marked lost, `on_lost`; and after the last one of an acknowledgement, `sample`.

    Attributes:
        delivered: bytes delivered so far.
        lost: bytes marked lost so far.
    """

    __slots__ = ("_app_limited_until", "_delivered_at", "_first_sent_at", "_newest", "delivered", "lost")

    def __init__(self) -> None:
        self.delivered = 0
        self.lost = 0
        self._delivered_at: Ns = 0
        self._first_sent_at: Ns = 0
        self._app_limited_until = 0  # the bubble is over once more than this is delivered; 0 where there is none
        self._newest: Stamp | None = None

    def on_sent(self, size: int, flight_size: int, now: Ns) -> Stamp:
        """A packet of `size` bytes goes out, for the first time or again; `flight_size` were on their way before it
        (§3.2)."""
        if flight_size == 0:
            self._first_sent_at = self._delivered_at = now
        return Stamp(
            now,
            self._first_sent_at,
            self.delivered,
            self._delivered_at,
            self._app_limited_until > 0,
            flight_size + size,
            self.lost,
        )

    def on_app_limited(self, flight_size: int) -> None:
        """The window had room and the application had nothing to send (§3.4)."""
        self._app_limited_until = max(self.delivered + flight_size, 1)

    def on_delivered(self, size: int, stamp: Stamp, now: Ns) -> None:
        """A packet of `size` bytes is acknowledged, for the first time (§3.3, UpdateRateSample)."""
        self.delivered += size
        self._delivered_at = now
        newest = self._newest
        if newest is None or (stamp.delivered, stamp.sent_at) >= (newest.delivered, newest.sent_at):
            self._newest = stamp
            self._first_sent_at = stamp.sent_at

    def on_lost(self, size: int) -> None:
        """A packet of `size` bytes is marked lost."""
        self.lost += size

    def sample(self, min_rtt: Ns | None) -> RateSample | None:
        """The rate that the acknowledgement just processed tells; None where it delivered nothing, or where it came
        sooner than any round trip could be, so that nothing can be told (§3.3, GenerateRateSample)."""
        newest, self._newest = self._newest, None
        if self._app_limited_until and self.delivered > self._app_limited_until:
            self._app_limited_until = 0
        if newest is None:
            return None
        sending = newest.sent_at - newest.first_sent_at
        acknowledging = self._delivered_at - newest.delivered_at
        interval = max(sending, acknowledging)
        if interval <= 0 or (min_rtt is not None and interval < min_rtt):
            return None
        return RateSample(
            self.delivered - newest.delivered,
            interval,
            newest.delivered,
            newest.app_limited,
            newest.flight_size,
            self.lost - newest.lost,
        )
