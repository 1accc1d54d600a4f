"""What a congestion control is told, and what it decides: how many bytes may be on their way, and how fast they go.

A sender (our TCP, or reliable datagrams) owns loss recovery: it knows what is lost and what to send again. Its control
owns `cwnd`, and is told causes: an acknowledgement, a loss, a timeout. So the same control serves every sender, and a
student's own class is a class with these hooks.

    control = Reno(mss=1460)
    ...
    control.on_ack(Ack(...), now)
    may_send = flight_size + len(segment) <= control.cwnd

One acknowledgement may tell several things. They are told in this order: `on_undo`; `on_loss`, where a recovery begins;
`on_ack`, for every acknowledgement that told something new; `on_recovered`, where a recovery is over. A sender without
selective acknowledgements takes one segment off its `flight_size` for each duplicate: nobody inflates `cwnd`.

Taught in notebook 09.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

import msgspec

from netlab.units import Ns


class RateSample(msgspec.Struct, frozen=True, gc=False):
    """How fast data was lately delivered, as one acknowledgement tells it.

    Attributes:
        delivered: bytes delivered over the interval.
        interval: ns, > 0: the longer of the time they took to be sent and to be acknowledged.
        prior_delivered: bytes that had been delivered when the latest of them was sent: where it is not below the total
            at which a round began, that round is over.
        app_limited: the sender had nothing more to send then: the path may be faster than this.
        flight_size: bytes on their way when the latest of them was sent, itself included.
        lost: bytes that were marked lost since then.

    Source: draft-cheng-iccrg-delivery-rate-estimation-02 §3; the last two from draft-ietf-ccwg-bbr §4.1.
    """

    delivered: int
    interval: Ns
    prior_delivered: int
    app_limited: bool
    flight_size: int
    lost: int

    @property
    def bit_s(self) -> int:
        """Bits a second."""
        return self.delivered * 8 * 1_000_000_000 // self.interval


class Ack(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one acknowledgement told the sender.

    Attributes:
        acked: bytes that it acknowledged cumulatively; 0 for a duplicate.
        newly_delivered: bytes that it acknowledged for the first time, cumulatively or selectively.
        newly_lost: bytes that the sender marked lost because of it.
        delivered: all bytes delivered so far, these included.
        flight_size: bytes on their way *before* this acknowledgement (RFC 6675's pipe, where the sender keeps one).
        rtt: the sample that it gave, ns, or None (Karn).
        srtt: smoothed round-trip time after it, ns.
        rate: delivery rate, or None.
        recovering: the sender is repairing a loss that later data told of, also where this acknowledgement ends that:
            window growth is for after it (RFC 5681 §3.2). False after a timeout, which slow start repairs.
        cwnd_limited: the window, and not the application or the receiver, held the sender back: only then it may grow
            (RFC 7661).
        ecn_echo: the receiver saw congestion marked (RFC 3168).
    """

    acked: int
    newly_delivered: int
    delivered: int
    flight_size: int
    newly_lost: int = 0
    rtt: Ns | None = None
    srtt: Ns | None = None
    rate: RateSample | None = None
    recovering: bool = False
    cwnd_limited: bool = True
    ecn_echo: bool = False


class CongestionControl(Protocol):
    """A congestion control. No clock, no dice but those it is given; all sizes in bytes.

    A class that derives from this one inherits hooks that do nothing.

    Attributes:
        name: as it is chosen: `reno`, `cubic`, `bbr`, `none`.
        cwnd: how many bytes may be on their way; at least one `mss`.
        ssthresh: where slow start ends; None before the first loss.
        phase: in words, for traces.
        pacing_bit_s: bits a second to pace at; None: as fast as the window lets.
    """

    name: ClassVar[str]
    cwnd: int
    ssthresh: int | None
    phase: str
    pacing_bit_s: int | None

    def __init__(self, *, mss: int) -> None:
        """Args: mss: payload of a full segment, bytes."""

    def on_sent(self, size: int, flight_size: int, now: Ns) -> None:
        """`size` bytes go out, for the first time or again; `flight_size` were on their way before."""
        return

    def on_ack(self, ack: Ack, now: Ns) -> None:
        """An acknowledgement told something new."""
        return

    def on_loss(self, flight_size: int, now: Ns) -> None:
        """A loss was noticed by what came after it; recovery begins. Once for each window of data (RFC 6582 §3.2,
        RFC 6675 §5 (4.2)); also for an ECN echo. `flight_size`: bytes outstanding when it was noticed."""
        return

    def on_recovered(self, now: Ns) -> None:
        """All that was outstanding when the loss was noticed, or the timer expired, has been acknowledged."""
        return

    def on_rto(self, flight_size: int, now: Ns) -> None:
        """The retransmission timer expired: everything on its way is taken for lost. Called once for each timeout; the
        sender says with `flight_size` how much was outstanding, and 0 where the same data had timed out before
        (RFC 5681 §3.1 holds ssthresh then)."""
        return

    def on_undo(self, now: Ns) -> None:
        """The last loss or timeout turned out spurious: nothing had been lost. May take its effect back (RFC 4015)."""
        return

    def on_idle(self, idle: Ns, now: Ns) -> None:
        """The sender is about to send after nothing was on its way for `idle` ns, which is longer than its RTO
        (RFC 5681 §4.1)."""
        return

    def on_mss(self, mss: int) -> None:
        """The path takes segments of another size."""
        return
