"""How long to wait for an acknowledgement: the round-trip estimator and the retransmission timeout of RFC 6298.

Taught in notebook 07.
"""

from __future__ import annotations

from netlab.units import MS, Ns, S

INITIAL_RTO: Ns = 1 * S
"""Before the first sample: "the sender SHOULD set RTO <- 1 second" (RFC 6298 §2.1)."""

MIN_RTO: Ns = 1 * S
"""RFC 6298 §2.4: "Whenever RTO is computed, if it is less than 1 second, then the RTO SHOULD be rounded up"."""

LINUX_MIN_RTO: Ns = 200 * MS
"""What Linux rounds up to (TCP_RTO_MIN). It departs from the RFC: say which is shown."""

MAX_RTO: Ns = 60 * S
"""RFC 6298 §2.5: a maximum is allowed "provided it is at least 60 seconds"."""

CLOCK_GRANULARITY: Ns = 1 * MS
"""G in RFC 6298 §2: what the variation is at least taken to be."""

K = 4


class RoundTrips:
    """SRTT, RTTVAR and RTO from samples of the round-trip time; back-off where a timer expired.

    Args:
        initial_rto, min_rto, max_rto: bounds of the RTO, ns.
        granularity: of the clock that samples are taken with, ns.

    Attributes:
        srtt, rttvar: smoothed round-trip time and its variation, ns; None before the first sample.
        rto: what to arm the retransmission timer with, ns, within the bounds.
        latest: the last sample, ns.
        least: the smallest sample, ns.
    """

    __slots__ = ("_granularity", "_max_rto", "_min_rto", "latest", "least", "rto", "rttvar", "srtt")

    def __init__(
        self,
        *,
        initial_rto: Ns = INITIAL_RTO,
        min_rto: Ns = MIN_RTO,
        max_rto: Ns = MAX_RTO,
        granularity: Ns = CLOCK_GRANULARITY,
    ) -> None:
        self._min_rto = min_rto
        self._max_rto = max_rto
        self._granularity = granularity
        self.srtt: Ns | None = None
        self.rttvar: Ns | None = None
        self.latest: Ns | None = None
        self.least: Ns | None = None
        self.rto: Ns = initial_rto

    def update(self, r: Ns) -> Ns:
        """Fold one sample into the estimator; return the new RTO.

        Args:
            r: round-trip time R', ns, > 0. Never of a segment that was sent again, unless a timestamp tells which of
                the two was acknowledged (Karn's algorithm, RFC 6298 §3).

        Raises:
            ValueError: `r` is not positive.

        Source:
            RFC 6298 §2.2 (first sample), §2.3 (later ones; RTTVAR before SRTT), §2.4 and §2.5 (bounds).

        >>> trips = RoundTrips(min_rto=0)
        >>> [trips.update(r * MS) / MS for r in (1000, 1200, 900)]
        [3000.0, 2725.0, 2409.375]
        """
        if r <= 0:
            raise ValueError(f"a round trip of {r} ns: samples are positive")
        self.latest = r
        self.least = r if self.least is None else min(self.least, r)
        if self.srtt is None or self.rttvar is None:
            self.srtt, self.rttvar = r, r // 2
        else:
            # "RTTVAR <- (1 - beta) * RTTVAR + beta * |SRTT - R'|" with beta 1/4, then
            # "SRTT <- (1 - alpha) * SRTT + alpha * R'" with alpha 1/8 (RFC 6298 §2.3)
            self.rttvar = (3 * self.rttvar + abs(self.srtt - r)) // 4
            self.srtt = (7 * self.srtt + r) // 8
        self.rto = self._bounded(self.srtt + max(self._granularity, K * self.rttvar))
        return self.rto

    def back_off(self) -> Ns:
        """The timer expired: "The host MUST set RTO <- RTO * 2" (RFC 6298 §5.5). Returns the new RTO."""
        self.rto = self._bounded(self.rto * 2)
        return self.rto

    def _bounded(self, rto: Ns) -> Ns:
        return max(self._min_rto, min(rto, self._max_rto))
