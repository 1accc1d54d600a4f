"""Exercise 05: what a receiver of numbered datagrams can say about the path.

`account(numbers, sent)` is given the numbers of the datagrams that came, in the order in which they came, and how many
were sent (numbered from 0). It returns how many were lost, how many came more than once (each extra copy counts), and
how many came late: after one with a higher number, first copies only.

Source: RFC 8085 §3.3: an application over UDP has to do without protection from loss, duplication and reordering.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.conversation import datagram_frames
from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Arrivals(msgspec.Struct, frozen=True):
    """How many were sent, and the numbers that came."""

    sent: int
    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.sent} sent; these numbers came: {', '.join(map(str, self.numbers)) or 'none'}"


def truth(case: Arrivals) -> tuple[int, int, int]:
    """Lost, doubled, late."""
    seen: set[int] = set()
    doubled = late = 0
    highest = -1
    for number in case.numbers:
        if number in seen:
            doubled += 1
            continue
        late += number < highest
        highest = max(highest, number)
        seen.add(number)
    return case.sent - len(seen), doubled, late


def _judge(account: Any, case: Arrivals) -> Complaint | None:
    got = account(list(case.numbers), case.sent)
    expected = truth(case)
    if not isinstance(got, tuple) or len(got) != 3:
        return _complain(case, expected, got, "account has to return a tuple of three: lost, doubled, late")
    if got == expected:
        return None
    return _complain(case, expected, got, _why(case, got, expected))


def _why(case: Arrivals, got: tuple[int, int, int], expected: tuple[int, int, int]) -> str:
    lost, doubled, _ = (mine - right for mine, right in zip(got, expected, strict=True))
    if lost:
        if expected[1] and lost == -expected[1]:
            return "a copy does not make up for another that was lost: count numbers, not arrivals"
        if lost < 0 and max(case.numbers, default=-1) < case.sent - 1:
            return "what was lost at the end leaves no gap: only who knows how many were sent can count it"
        if lost > 0 and expected[2]:
            return "a datagram that came late was counted as lost: a gap may still be filled"
        return "the number of lost ones is wrong"
    if doubled:
        return "the number of extra copies is wrong: a third copy is one more"
    return "the number of late ones is wrong: late is who comes after a higher number, whenever that came"


def _complain(case: Arrivals, expected: object, got: object, sentence: str) -> Complaint:
    return Complaint(
        sentence,
        given=str(case),
        expected=f"lost, doubled, late = {expected}",
        got=repr(got),
        hint="UDP promises nothing of number or order, and tells nobody (RFC 8085 §3.3)",
        frames=datagram_frames([number.to_bytes(4, "big") for number in case.numbers]),
    )


@st.composite
def _arrivals(draw: st.DrawFn) -> Arrivals:
    sent = draw(st.integers(1, 8))
    return Arrivals(sent, tuple(draw(st.lists(st.integers(0, sent - 1), max_size=10))))


exercise: Exercise[Arrivals] = Exercise(
    name="promise",
    notebook="05",
    write="account(numbers, sent), which returns how many were lost, doubled and late",
    cases=_arrivals(),
    judge=_judge,
)
