"""Exercise 12: a server that is told everything at least once, and does everything once.

A class whose `handle(client, number, text)` is called for each request that comes: clients number their requests, and
send one again, with the same number, until its answer comes. It returns the answer: what `say(text)` returned when it
was called for this request. `say` is given to the class when it is made, and has an effect each time it is called: once
for each request, then.

Requests may come late: number 3 again after number 4.

Source: "exactly once" is at least once and a receiver that recognises what it has done; Socket.IO's documentation calls
the two its delivery guarantees.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Request(msgspec.Struct, frozen=True):
    """A request of a client."""

    client: str
    number: int
    text: str


class Arrivals(msgspec.Struct, frozen=True):
    """The requests in the order in which they come."""

    requests: tuple[Request, ...]


def _judge(server: Any, case: Arrivals) -> Complaint | None:
    said: list[str] = []

    def say(text: str) -> int:
        said.append(text)
        return len(said)

    made = server(say)
    answers: dict[tuple[str, int], int] = {}
    for number, request in enumerate(case.requests, 1):
        before = len(said)
        got = made.handle(request.client, request.number, request.text)
        key = request.client, request.number
        new = key not in answers
        calls = len(said) - before
        if new:
            answers[key] = before + 1
        sentence = _why(case, number, request, new=new, calls=calls, got=got, answer=answers[key])
        if sentence is not None:
            told = [f"{r.client}'s request {r.number} {r.text!r}" for r in case.requests[:number]]
            return Complaint(
                sentence,
                given=", then ".join(told),
                expected=f"{'one call' if new else 'no call'} of say, and the answer {answers[key]}",
                got=f"{calls} calls, and the answer {got!r}",
                hint="an answer may be lost as well as a request: then the request comes again, for the old answer",
            )
    return None


def _why(case: Arrivals, number: int, request: Request, *, new: bool, calls: int, got: Any, answer: int) -> str | None:
    earlier = case.requests[: number - 1]
    if new and calls == 0:
        if any(other.number == request.number for other in earlier):
            return "two clients may use the same number: it is client and number together that name a request"
        if any(other.client == request.client and other.number > request.number for other in earlier):
            return "a new request was not carried out: a number below the last one may be late, and still new"
        if any(other.text == request.text for other in earlier):
            return "a client may say the same text twice: it is the number that tells a new request from a repetition"
        return "a new request was not carried out"
    if not new and calls:
        last = [other for other in earlier if other.client == request.client][-1]
        if last.number == request.number:
            return "a request that came again was carried out again"
        return "a request that came again, after a later one, was carried out again: remember more than the last"
    if calls > 1:
        return "one request was carried out several times"
    if got != answer:
        return "a repetition needs the answer that its request got: the first one was lost on its way"
    return None


@st.composite
def _arrivals(draw: st.DrawFn) -> Arrivals:
    requests = [
        Request(client, number, draw(st.sampled_from(["hi", "ok"])))
        for client in draw(st.sampled_from([("ann",), ("ann", "bob")]))
        for number in range(1, draw(st.integers(1, 3)) + 1)
    ]
    order = draw(st.permutations(requests))
    again = draw(st.lists(st.sampled_from(requests), max_size=3))
    return Arrivals((*order, *again))


exercise: Exercise[Arrivals] = Exercise(
    name="once",
    notebook="12",
    write="a class Server(say) whose handle(client, number, text) returns the answer",
    cases=_arrivals(),
    judge=_judge,
)
