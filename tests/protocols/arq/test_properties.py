"""What holds for every ARQ, whatever the pipe does: everything arrives once and in order, nothing leaves the window,
no sample is of a packet that was sent twice."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.protocols.arq import ARQS, Arq, GoBackN, SelectiveRepeat, Send, StopAndWait
from netlab.protocols.trace import Decision
from netlab.units import MS, Ns

from .pipe import Fate, Pipe

EVERY_ARQ = st.sampled_from(list(ARQS.values()))


def bad(rng: random.Random, *, loss: float, double: float, shortest: Ns = 10 * MS, longest: Ns = 10 * MS) -> Fate:
    def fate() -> list[Ns]:
        if rng.random() < loss:
            return []
        return [rng.randint(shortest, longest) for _ in range(2 if rng.random() < double else 1)]

    return fate


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


@settings(max_examples=150)
@given(
    make=EVERY_ARQ,
    window=st.integers(1, 8),
    count=st.integers(0, 30),
    rng=st.randoms(use_true_random=False),
    loss=st.sampled_from([0, 0.1, 0.5]),
    double=st.sampled_from([0, 0.3]),
    longest=st.sampled_from([10, 200, 3000]),
)
def test_everything_arrives_once_and_in_order(
    make: type[Arq], window: int, count: int, rng: random.Random, loss: float, double: float, longest: int
) -> None:
    decisions: list[Decision] = []
    sender = make(window=1 if make is StopAndWait else window, trace=decisions.append, max_retransmissions=10**6)
    pipe = Pipe(sender, make(window=sender.window), bad(rng, loss=loss, double=double, longest=longest * MS))
    data = numbered(count)
    pipe.run(data)
    assert pipe.delivered == data
    assert pipe.failed == []
    assert sender.retransmissions == sum(map(len, pipe.sent.values())) - count
    assert all(decision.flight_size <= sender.window * 2 for decision in decisions)  # bytes: a number has two digits
    samples = [(decision.at, decision.rtt) for decision in decisions if decision.rtt is not None]
    assert all([at - rtt] in pipe.sent.values() for at, rtt in samples), "of a packet that was sent once, from then on"
    assert all(rtt >= 20 * MS for _, rtt in samples), "both ways take 10 ms at least"
    if make is not GoBackN:  # there an acknowledgement that was lost is made good by a later one, and the sample longer
        assert all(rtt <= 2 * longest * MS for _, rtt in samples)


@settings(max_examples=100)
@given(
    make=EVERY_ARQ,
    numbers=st.integers(2, 9),
    count=st.integers(0, 40),
    rng=st.randoms(use_true_random=False),
    loss=st.sampled_from([0.1, 0.4]),
)
def test_few_numbers_are_enough_where_the_path_keeps_the_order(
    make: type[Arq], numbers: int, count: int, rng: random.Random, loss: float
) -> None:
    """The largest window that so many numbers allow, over and over around them."""
    window = make.largest_window(numbers)
    sender, receiver = (make(window=window, numbers=numbers, max_retransmissions=10**6) for _ in range(2))
    pipe = Pipe(sender, receiver, bad(rng, loss=loss, double=0), in_order=True)
    pipe.run(numbered(count))
    assert pipe.delivered == numbered(count)
    assert max(pipe.sent, default=0) < numbers


@pytest.mark.parametrize(("make", "window"), [(GoBackN, 4), (SelectiveRepeat, 3)])
def test_with_a_window_too_large_old_packets_pass_for_new_ones(make: type[Arq], window: int) -> None:
    """Why the limit is where it is: one more, and all acknowledgements of a window lost, deliver it twice."""
    sender, receiver = make(numbers=4), make(numbers=4)
    sender.window = receiver.window = window
    lost = iter([False] * window + [True] * window)
    pipe = Pipe(sender, receiver, lambda: [] if next(lost, False) else [10 * MS], in_order=True)
    pipe.run(numbered(2 * window))
    assert pipe.delivered != numbered(2 * window)


@pytest.mark.parametrize("make", ARQS.values(), ids=list(ARQS))
def test_without_karns_rule_a_retransmission_spoils_the_estimate(make: type[Arq]) -> None:
    """Mutation: an ARQ that samples every packet takes 20 ms for the round trip of what came after 1,020 ms, or the
    other way round; the property above tells."""

    class Naive(make):  # type: ignore[misc,valid-type]
        def _sample(self, number: int, now: Ns) -> Ns | None:
            self.outstanding[number].times = 1
            return super()._sample(number, now)

    samples: dict[type[Arq], list[Ns]] = {}
    for kind in (make, Naive):
        decisions: list[Decision] = []
        delays = iter([1200 * MS, 5 * MS, 10 * MS])  # slow there, sent again; the old one's acknowledgement comes
        pipe = Pipe(kind(trace=decisions.append), kind(), lambda delays=delays: [next(delays, 10 * MS)])
        pipe.run([b"one"])
        samples[kind] = [decision.rtt for decision in decisions if decision.rtt is not None]
    assert samples[make] == []
    assert samples[Naive] != []
    assert all(rtt < 20 * MS for rtt in samples[Naive])


@pytest.mark.parametrize("make", ARQS.values(), ids=list(ARQS))
def test_both_ends_may_send_and_the_trace_tells_all(make: type[Arq]) -> None:
    decisions: list[Decision] = []
    one, other = make(trace=decisions.append, who="ann"), make()
    first = one.handle(Send(b"x" * 100), 0)
    assert other.handle(Send(b"y"), 0)
    assert len(first) == 1
    last = decisions[-1]
    assert (last.who, last.cause, last.flight_size, last.snd_una, last.snd_nxt) == ("ann", "sent", 100, 0, 100)
    assert last.state == ("FULL" if make is StopAndWait else "OPEN")
