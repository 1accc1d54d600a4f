"""Bursts with pauses: never more than fit a small receive buffer, nothing out of order, nothing lost unsaid."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from netlab.protocols.pacing import BURST, PAUSE, WAITING, Pacer
from netlab.units import MS


def datagrams(n: int, start: int = 0) -> list[bytes]:
    return [b"%06d" % i for i in range(start, start + n)]


def test_the_constants_are_those_of_the_design() -> None:
    assert (BURST, PAUSE) == (32, 5 * MS)


def test_a_burst_goes_at_once_and_the_rest_waits_in_order() -> None:
    pacer = Pacer()
    assert pacer.deadline is None
    assert pacer.add(datagrams(80), now=0) == (datagrams(32), 0)
    assert pacer.deadline == PAUSE
    assert pacer.due(PAUSE - 1) == []  # early: ignored
    assert pacer.due(PAUSE) == datagrams(32, 32)
    assert pacer.deadline == 2 * PAUSE
    assert pacer.due(2 * PAUSE) == datagrams(16, 64)
    assert pacer.deadline is None
    assert pacer.due(3 * PAUSE) == []


def test_few_go_at_once_until_the_burst_is_used_up() -> None:
    pacer = Pacer()
    assert [len(pacer.add(datagrams(10), now)[0]) for now in (0, 1, 2)] == [10, 10, 10]
    assert pacer.deadline is None
    assert pacer.add(datagrams(3), now=3) == (datagrams(2), 0)
    assert pacer.due(PAUSE) == datagrams(1, 2)


def test_what_comes_while_others_wait_does_not_overtake_them() -> None:
    pacer = Pacer()
    pacer.add(datagrams(40), now=0)
    assert pacer.add(datagrams(1, 40), now=1) == ([], 0)
    assert pacer.add(datagrams(1, 41), now=PAUSE) == (datagrams(10, 32), 0)


def test_after_a_silence_there_is_one_burst_not_many() -> None:
    pacer = Pacer()
    pacer.add(datagrams(1), now=0)
    assert len(pacer.add(datagrams(100), now=1000 * PAUSE)[0]) == 32


def test_a_late_timer_sends_one_burst() -> None:
    pacer = Pacer()
    pacer.add(datagrams(100), now=0)
    assert len(pacer.due(50 * PAUSE)) == 32
    assert pacer.deadline == 51 * PAUSE


def test_too_much_is_dropped_and_said() -> None:
    pacer = Pacer()
    kib = b"x" * 1024
    going, dropped = pacer.add([kib] * (WAITING // 1024 + 5), now=0)
    assert (len(going), dropped) == (32, 5)
    assert pacer.add([kib] * 33, now=1) == ([], 1)  # the places of those that went
    sent = 32
    while (now := pacer.deadline) is not None:
        sent += len(pacer.due(now))
    assert sent == WAITING // 1024 + 32
    assert pacer.add([kib], now=10**12) == ([kib], 0)  # and all of it is free again


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 4 * PAUSE)), max_size=12), st.randoms(use_true_random=False)
)
def test_order_and_rate_whatever_is_asked(asked: list[tuple[int, int]], rng: random.Random) -> None:
    pacer = Pacer()
    now, count = 0, 0
    sent: list[tuple[int, bytes]] = []
    for n, pause in asked:
        until = now + pause
        while (at := pacer.deadline) is not None and at <= until:
            now = max(now, min(until, at + rng.choice((0, 0, PAUSE // 2))))
            sent += [(now, datagram) for datagram in pacer.due(now)]
        now = until
        sent += [(now, datagram) for datagram in pacer.add(datagrams(n, count), now)[0]]
        count += n
    while (at := pacer.deadline) is not None:
        now = max(now, at)
        sent += [(now, datagram) for datagram in pacer.due(now)]
    assert [datagram for _, datagram in sent] == datagrams(count)
    times = [at for at, _ in sent]
    assert max(Counter(times).values(), default=0) <= BURST
    for first, begin in enumerate(times):  # the end of one burst and the next one may touch; never more
        assert bisect_left(times, begin + PAUSE) - first <= 2 * BURST
