"""Exercise 09: a congestion control, Reno's.

A class with the hooks of `netlab.protocols.congestion.CongestionControl`; derive it from that, and write `__init__(*,
mss)`, `on_ack`, `on_loss` and `on_rto`. Whoever passes may race: `netlab race --cc reno,my_module:MyControl`.

What has to hold, whatever the order of events: in slow start the window grows by what is acknowledged, a segment at
the most for each acknowledgement (two are allowed, RFC 3465); beyond ssthresh, by about a segment in a round trip; a
loss halves what is on its way into both cwnd and ssthresh; a timeout leaves one segment, and half as ssthresh;
ssthresh is never below two segments, nor cwnd below one; and it does not grow while a loss is repaired.

Source: RFC 5681 §3.1, §3.2.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint
from netlab.protocols.congestion.control import Ack
from netlab.units import MS, Ns

MSS = 1000
ROUND_TRIP: Ns = 50 * MS

Happens = Literal["round", "loss", "timeout"]


class Life(msgspec.Struct, frozen=True):
    """What happens to the sender, in order: a round trip in which all is acknowledged, a loss, a timeout."""

    events: tuple[Happens, ...]


def _judge(control: Any, case: Life) -> Complaint | None:
    made = control(mss=MSS)
    now: Ns = 0
    delivered = 0
    told: list[str] = [f"cwnd {made.cwnd}"]
    if not MSS <= made.cwnd <= 10 * MSS:
        return _complain(told, f"it begins with {made.cwnd} B: from one to ten segments (RFC 6928 §2)", made)
    for event in case.events:
        now += ROUND_TRIP
        cwnd, ssthresh = made.cwnd, made.ssthresh
        flight = cwnd - cwnd % MSS
        if event == "round":
            acks = -(-cwnd // MSS)
            for k in range(acks):
                delivered += MSS
                made.on_ack(Ack(acked=MSS, newly_delivered=MSS, delivered=delivered, flight_size=cwnd - k * MSS), now)
            sentence = _grew(cwnd, ssthresh, made.cwnd, acks)
        elif event == "loss":
            made.on_loss(flight, now)
            sentence = _halved(flight, made.cwnd, made.ssthresh)
            if sentence is None:
                repairing = made.cwnd
                made.on_ack(
                    Ack(acked=0, newly_delivered=MSS, delivered=delivered, flight_size=flight, recovering=True), now
                )
                made.on_ack(
                    Ack(acked=MSS, newly_delivered=0, delivered=delivered, flight_size=flight, recovering=True), now
                )
                if made.cwnd > repairing:
                    sentence = "it grows while a loss is still being repaired: the network has not got better yet"
                made.on_recovered(now)
        else:
            made.on_rto(flight, now)
            sentence = _fell(flight, made.cwnd, made.ssthresh)
        told.append(f"{event}: cwnd {made.cwnd}, ssthresh {made.ssthresh}")
        if sentence is not None:
            return _complain(told, sentence, made)
    return None


def _grew(cwnd: int, ssthresh: int | None, after: int, acks: int) -> str | None:
    if after < cwnd:
        return f"it shrank from {cwnd} B to {after} B although all was acknowledged"
    if ssthresh is None or cwnd + acks * MSS <= ssthresh:  # all of the round in slow start
        if after > cwnd + 2 * acks * MSS:
            return f"in slow start it grew from {cwnd} B to {after} B in a round trip: no more than two segments an ACK"
        if after < cwnd + acks * MSS:
            return f"in slow start it grew from {cwnd} B to {after} B in a round trip: it should double"
    elif cwnd >= ssthresh:
        if after > cwnd + 2 * MSS:
            return f"beyond ssthresh it grew from {cwnd} B to {after} B in a round trip: a segment, and no more"
        if after < cwnd + MSS // 2 and acks > 1:
            return f"beyond ssthresh it went from {cwnd} B to {after} B in a round trip: it should grow by a segment"
    return None


def _halved(flight: int, cwnd: int, ssthresh: int | None) -> str | None:
    half = max(flight // 2, 2 * MSS)
    if ssthresh is None or abs(ssthresh - half) > 1:
        least = " (but no less than two segments)" if flight < 4 * MSS else ""
        return f"a loss with {flight} B on their way leaves ssthresh at {ssthresh}: half of them{least}"
    if cwnd <= MSS:
        return "a loss that was noticed by what came after it is no timeout: cwnd goes to ssthresh, not to one segment"
    if cwnd > ssthresh + 3 * MSS:
        return f"after a loss cwnd is {cwnd} B, above ssthresh {ssthresh} B: it should fall to it"
    return None


def _fell(flight: int, cwnd: int, ssthresh: int | None) -> str | None:
    if cwnd != MSS:
        return f"after a timeout cwnd is {cwnd} B: one segment, since nothing tells how the network is any more"
    half = max(flight // 2, 2 * MSS)
    if ssthresh is None or abs(ssthresh - half) > 1:
        return f"after a timeout with {flight} B on their way ssthresh is {ssthresh}: it remembers half of them"
    return None


def _complain(told: list[str], sentence: str, made: Any) -> Complaint:
    return Complaint(
        sentence,
        given=f"segments of {MSS} B; {'; '.join(told)}",
        got=f"cwnd {made.cwnd}, ssthresh {made.ssthresh}",
        hint="slow start, congestion avoidance, a loss, a timeout: RFC 5681 §3.1 and §3.2",
    )


_HAPPENS: st.SearchStrategy[Happens] = st.sampled_from(["round", "loss", "timeout"])

exercise: Exercise[Life] = Exercise(
    name="congestion",
    notebook="09",
    write="a class with the hooks of netlab.protocols.congestion.CongestionControl",
    cases=st.lists(_HAPPENS, min_size=1, max_size=8).map(lambda events: Life(tuple(events))),
    judge=_judge,
)
