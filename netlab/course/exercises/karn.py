"""Exercise 07, first part: how long to wait for an acknowledgement.

A class whose `sent(number, now)` is called whenever a packet is sent, for the first time or again, `acked(number,
now)` when it is acknowledged, and `expired()` when the timer ran out; and whose `rto` is how long to wait, in
seconds. Times are in seconds. RTO begins at 1; it is SRTT + 4 RTTVAR, at least 0.2 here and at most 60, and doubles
when the timer runs out.

Source: RFC 6298 §2 (the estimator), §3 (Karn's algorithm), §5.5 (back-off).
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint
from netlab.protocols.round_trips import RoundTrips
from netlab.units import MS, S

MIN_RTO = 200 * MS


class Journey(msgspec.Struct, frozen=True):
    """Packets, one after the other: how often each was sent, and how long after the last sending its acknowledgement
    came, ms."""

    packets: tuple[tuple[int, int], ...]


def _judge(estimator: Any, case: Journey) -> Complaint | None:
    made = estimator()
    truth = RoundTrips(min_rto=MIN_RTO, granularity=0)
    now = 0.0
    told: list[str] = []
    complaint = _compare(made, truth, told, "before anything was sent")
    for number, (times, ms) in enumerate(case.packets):
        if complaint is not None:
            return complaint
        made.sent(number, now)
        for _ in range(times - 1):
            now += truth.rto / S
            truth.back_off()
            made.expired()
            told.append(f"packet {number} timed out")
            complaint = _compare(made, truth, told, "backed off")
            if complaint is not None:
                return complaint
            made.sent(number, now)
        now += ms / 1000
        made.acked(number, now)
        if times == 1:
            truth.update(ms * MS)
            told.append(f"packet {number} acknowledged after {ms} ms")
            complaint = _compare(made, truth, told, "first sample" if truth.latest == truth.srtt else "sample")
        else:
            told.append(f"packet {number}, sent {times} times, acknowledged {ms} ms after the last")
            complaint = _compare(made, truth, told, "ambiguous")
    return complaint


_SENTENCES = {
    "before anything was sent": "before the first sample the RTO is 1 s",
    "backed off": "the timer ran out: the RTO doubles, up to a minute",
    "ambiguous": (
        "a packet that was sent twice gives no sample: nobody knows which of the two was acknowledged. "
        "The doubled RTO stays"
    ),
    "first sample": "the first sample R makes SRTT = R and RTTVAR = R/2, so that the RTO is 3 R (at least 0.2 s)",
    "sample": "RTTVAR is updated before SRTT: with the old SRTT, by a quarter; then SRTT by an eighth",
}


def _compare(made: Any, truth: RoundTrips, told: list[str], what: str) -> Complaint | None:
    expected = truth.rto / S
    got = made.rto
    if isinstance(got, int | float) and abs(got - expected) <= 1e-6 * max(1, expected):
        return None
    return Complaint(
        _SENTENCES[what],
        given="; ".join(told) or "nothing",
        expected=f"an rto of {expected:.6g} s",
        got=f"{got:.6g} s" if isinstance(got, int | float) else repr(got),
        hint="RFC 6298 §2 for the estimator, §3 for what may be sampled, §5.5 for the back-off",
    )


exercise: Exercise[Journey] = Exercise(
    name="karn",
    notebook="07",
    write="a class with sent(number, now), acked(number, now), expired() and rto",
    cases=st.lists(
        st.tuples(st.sampled_from([1, 1, 2, 3]), st.sampled_from([20, 100, 120, 90, 400, 1000])), min_size=1, max_size=6
    ).map(lambda packets: Journey(tuple(packets))),
    judge=_judge,
)
