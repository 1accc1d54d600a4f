"""RFC 6298, with its numbers in ms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.protocols.round_trips import LINUX_MIN_RTO, RoundTrips
from netlab.units import MS, US, S

#   sample, srtt, rttvar, rto (ms)
PUBLISHED = [
    (1000, 1000, 500, 3000),  # §2.2: SRTT = R, RTTVAR = R/2, RTO = SRTT + max(G, 4 RTTVAR)
    (1200, 1025, 425, 2725),  # §2.3: 3/4 of 500 + 1/4 of 200; 7/8 of 1000 + 1/8 of 1200
    (900, 1009.375, 350, 2409.375),
]
GRANULARITY = [
    (100, 100, 50, 300),
    *[(100, 100, None, None)] * 40,  # RTTVAR falls towards 0
    (100, 100, 0, 101),  # G = 1 ms is what 4 RTTVAR is at least taken for
]


@pytest.mark.parametrize("table", [PUBLISHED, GRANULARITY])
def test_samples_give_the_numbers_of_the_rfc(table: list[tuple[float, float, float | None, float | None]]) -> None:
    trips = RoundTrips(min_rto=0)
    for line, (sample, srtt, rttvar, rto) in enumerate(table):
        assert trips.update(round(sample * MS)) == trips.rto
        assert trips.srtt == srtt * MS, f"line {line}"
        assert rttvar is None or trips.rttvar == pytest.approx(rttvar * MS, abs=10 * US), f"line {line}"
        assert rto is None or trips.rto == pytest.approx(rto * MS, abs=40 * US), f"line {line}"


def test_the_published_numbers_are_exact() -> None:
    trips = RoundTrips()
    assert [trips.update(r * MS) for r in (1000, 1200, 900)] == [3 * S, 2725 * MS, 2_409_375_000]


def test_the_timer_backs_off_and_a_sample_brings_it_back() -> None:
    trips = RoundTrips()
    assert trips.rto == 1 * S  # §2.1
    assert [trips.back_off() // S for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]  # §5.5, §2.5
    assert trips.update(100 * MS) == 1 * S  # §2.4: rounded up to a second
    assert (trips.latest, trips.least) == (100 * MS, 100 * MS)


def test_linux_rounds_up_to_less() -> None:
    trips = RoundTrips(min_rto=LINUX_MIN_RTO)
    assert trips.update(40 * MS) == 200 * MS
    assert trips.back_off() == 400 * MS


@given(st.lists(st.integers(1, 100 * S), min_size=1, max_size=50))
def test_srtt_stays_within_the_samples_and_rto_within_its_bounds(samples: list[int]) -> None:
    trips = RoundTrips()
    for sample in samples:
        rto = trips.update(sample)
        assert 1 * S <= rto <= 60 * S
        assert trips.srtt is not None
        assert min(samples) - 50 <= trips.srtt <= max(samples)  # each update rounds down by less than 1 ns
    assert (trips.latest, trips.least) == (samples[-1], min(samples))


@pytest.mark.parametrize("sample", [0, -1])
def test_a_sample_is_positive(sample: int) -> None:
    with pytest.raises(ValueError, match="samples are positive"):
        RoundTrips().update(sample)
