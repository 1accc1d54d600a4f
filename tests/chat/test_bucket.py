"""The token bucket: so many at once, so many a second; how long to wait, and what may be sent against one far away."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat.bucket import Allowance, Bucket
from netlab.units import MS, Ns, S


def test_a_burst_and_then_the_rate() -> None:
    bucket = Bucket(rate=50, burst=100, now=0)
    assert [bucket.take(1, 0) for _ in range(100)] == [0] * 100
    wait = bucket.take(1, 0)
    assert 20 * MS <= wait <= 20 * MS + 1
    assert bucket.take(1, wait - 2) > 0  # refused: nothing is taken
    assert bucket.take(1, wait) == 0
    assert bucket.take(1, wait) > 0


def test_it_fills_to_its_burst_and_no_further() -> None:
    bucket = Bucket(rate=10, burst=5, now=0)
    bucket.take(5, 0)
    assert bucket.take(6, 3600 * S) > 0
    assert bucket.take(5, 3600 * S) == 0
    assert bucket.take(1, 3600 * S) > 0


def test_many_tokens_at_once() -> None:
    bucket = Bucket(rate=1000, burst=1000, now=0)
    assert bucket.take(900, 0) == 0
    wait = bucket.take(500, 0)
    assert wait == pytest.approx(400 * MS, abs=2)
    assert bucket.take(500, wait) == 0


def test_the_wait_is_rounded_up() -> None:
    """A timer set for it must not come a nanosecond early and find nothing."""
    bucket = Bucket(rate=3, burst=1, now=0)
    bucket.take(1, 0)
    assert bucket.take(1, 0) == 333_333_334


def test_what_was_refused_took_nothing() -> None:
    bucket = Bucket(rate=1, burst=10, now=0)
    bucket.take(8, 0)
    assert bucket.take(3, 0) > 0
    assert bucket.take(2, 0) == 0


@given(
    st.integers(1, 1000),
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 2 * S), st.integers(1, 50)), max_size=40),
)
def test_never_more_than_burst_and_rate_allow(rate: int, burst: int, asked: list[tuple[Ns, int]]) -> None:
    bucket, now, taken = Bucket(rate, burst, 0), 0, 0
    for pause, tokens in asked:
        now += pause
        if bucket.take(tokens, now) == 0:
            taken += tokens
        assert taken <= burst + rate * now / S + 1e-6


@given(st.integers(1, 10**6), st.integers(1, 100), st.integers(0, 100), st.integers(0, 10 * S))
def test_the_wait_is_long_enough_and_not_longer(rate: int, burst: int, first: int, now: Ns) -> None:
    bucket = Bucket(rate, burst, 0)
    bucket.take(min(first, burst), now)
    wait = bucket.take(burst, now)
    if wait:
        assert bucket.take(burst, now + wait - 2 - wait // 10**6) > 0 or wait <= 2
        assert bucket.take(burst, now + wait) == 0


@given(
    burst=st.integers(1, 20),
    steps=st.lists(st.tuples(st.integers(0, S // 2), st.sampled_from("sah"), st.integers(1, 4)), max_size=80),
)
def test_what_an_allowance_lets_go_a_bucket_has_room_for(burst: int, steps: list[tuple[Ns, str, int]]) -> None:
    """Whenever things arrive, in order, and however late their sender hears of it."""
    bucket, allowance, now = Bucket(10, burst, 0), Allowance(10, burst, 0), 0
    on_the_way: deque[int] = deque()
    there: deque[int] = deque()
    for pause, what, tokens in steps:
        now += pause
        if what == "s" and tokens <= burst and allowance.until(tokens, now) == 0:
            allowance.hold(tokens)
            on_the_way.append(tokens)
        elif what == "a":
            for _ in range(min(tokens * 3, len(on_the_way))):  # pressed together
                there.append(on_the_way.popleft())
                assert bucket.take(there[-1], now) == 0
        elif what == "h" and there:
            allowance.spend(there.popleft(), now)


def test_an_allowance_waits_for_word_where_no_time_would_do() -> None:
    allowance = Allowance(rate=10, burst=3, now=0)
    for _ in range(3):
        assert allowance.until(1, 0) == 0
        allowance.hold(1)
    assert allowance.until(1, 0) is allowance.until(1, 3600 * S) is None
    allowance.spend(1, 3600 * S)
    assert allowance.until(1, 3600 * S) == pytest.approx(100 * MS, abs=2)  # its token drips in again from now on
    assert allowance.until(1, 3601 * S) == 0
