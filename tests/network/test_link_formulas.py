"""100,000 packets against the formula: within 4 standard deviations, or for waiting times within 3 %.

The seeds are fixed: a test that fails is about the code.
"""

from __future__ import annotations

import math
import random
from itertools import pairwise
from statistics import NormalDist, fmean, pstdev

import pytest

from netlab.network.delays import SCORES, normal
from netlab.network.link import Arrived, Delivered, Dropped, Link, TimerFired
from netlab.network.link_config import FourStateLoss, GilbertElliott
from netlab.network.link_options import parse_link
from netlab.network.seeds import seeded_streams
from netlab.units import MS, Ns, S

N = 100_000


def events(options: str, attribute: str = "lost", seed: int = 11) -> list[bool]:
    """What happened to each of N packets that come one a second."""
    link = Link[int](parse_link(options), seeded_streams(seed))
    happened = []
    for number in range(N):
        (output, *copies) = link.handle(Arrived(number, 500), number * S)
        match attribute:
            case "lost":
                happened.append(isinstance(output, Dropped))
            case "corrupted":
                happened.append(isinstance(output, Delivered) and output.corruption is not None)
            case _:
                happened.append(bool(copies))
    return happened


def sigma_of_sum(rate: float, autocovariance: float, decay: float) -> float:
    """Standard deviation of the number of events among N whose covariance at distance k is autocovariance * decay^k."""
    variance = N * rate * (1 - rate)
    variance += 2 * sum((N - k) * autocovariance * decay**k for k in range(1, 2000))
    return math.sqrt(variance)


@pytest.mark.parametrize("attribute", ["lost", "corrupted", "doubled"])
@pytest.mark.parametrize(("share", "correlation"), [(0.01, 0), (0.3, 0), (0.01, 0.25), (0.3, 0.9)])
def test_shares_and_their_correlation(attribute: str, share: float, correlation: float) -> None:
    option = {"lost": "loss", "corrupted": "corrupt", "doubled": "duplicate"}[attribute]
    happened = events(f"{option}={share:%},{correlation:%}", attribute)
    sigma = sigma_of_sum(share, share * (1 - share), correlation)
    assert abs(sum(happened) - N * share) < 4 * sigma
    # the chance that the next one happens too is correlation + (1 - correlation) * share
    pairs = sum(happened[:-1])
    both = sum(a and b for a, b in pairwise(happened))
    chance = correlation + (1 - correlation) * share
    assert abs(both - pairs * chance) < 4 * math.sqrt(pairs * chance * (1 - chance))


def runs(happened: list[bool]) -> list[int]:
    lengths, length = [], 0
    for one in [*happened, False]:
        if one:
            length += 1
        elif length:
            lengths.append(length)
            length = 0
    return lengths


@pytest.mark.parametrize(
    ("p", "r", "bad", "good"), [(0.01, 0.1, 1, 0), (0.05, 0.5, 1, 0), (0.01, 0.02, 0.5, 0.001), (0.5, 0.8, 0.9, 0.1)]
)
def test_gilbert_elliott(p: float, r: float, bad: float, good: float) -> None:
    config = GilbertElliott(p, r, bad, good)
    lost = events(f"gilbert={p:%},{r:%},{bad:%},{good:%}")
    in_bad = p / (p + r)
    rate = in_bad * bad + (1 - in_bad) * good
    assert config.expected() == pytest.approx(rate)
    sigma = sigma_of_sum(rate, (bad - good) ** 2 * in_bad * (1 - in_bad), 1 - p - r)
    assert abs(sum(lost) - N * rate) < 4 * sigma
    if (bad, good) == (1, 0):  # losses are just the bad state: their runs are geometric, with mean 1/r
        lengths = runs(lost)
        assert abs(fmean(lengths) - 1 / r) < 4 * math.sqrt((1 - r) / r**2 / len(lengths))
        pauses = runs([not one for one in lost])
        assert abs(fmean(pauses) - 1 / p) < 4 * math.sqrt((1 - p) / p**2 / len(pauses))


def test_four_states() -> None:
    config = FourStateLoss(0.02, 0.3, 0.2, 0.4, 0.01)
    lost = events("loss_state=2%,30%,20%,40%,1%")
    # the stationary distribution, by iterating the chain's matrix
    share = [1.0, 0.0, 0.0, 0.0]
    for _ in range(5000):
        s1, s2, s3, s4 = share
        share = [
            s1 * (1 - config.p13 - config.p14) + s3 * config.p31 + s4,
            s2 * (1 - config.p23) + s3 * config.p32,
            s1 * config.p13 + s2 * config.p23 + s3 * (1 - config.p31 - config.p32),
            s1 * config.p14,
        ]
    rate = share[2] + share[3]
    # batch means: the spread of 200 stretches, each much longer than the chain remembers, tells the sigma
    batches = [fmean(lost[k : k + 500]) for k in range(0, N, 500)]
    assert abs(fmean(lost) - rate) < 4 * pstdev(batches) / math.sqrt(len(batches))


def test_reordered_share_and_gap() -> None:
    link = Link[int](parse_link("reorder=25% delay=10ms"), seeded_streams(3))
    for number in range(N):
        link.handle(Arrived(number, 100), number * S)
    assert abs(link.account.reordered - N / 4) < 4 * math.sqrt(N * 0.25 * 0.75)
    link = Link[int](parse_link("reorder=25% gap=5 delay=10ms"), seeded_streams(3))
    for number in range(N):
        link.handle(Arrived(number, 100), number * S)
    # 4 that may not, then on average 1/25% until one does: renewals of mean 8 and variance (1 - 1/4) * 16
    assert abs(link.account.reordered - N / 8) < 4 * math.sqrt(N * 12 / 8**3)


def test_damage_falls_everywhere_alike() -> None:
    for unit, masks in (("bit", 8), ("byte", 255)):
        link = Link[int](parse_link(f"corrupt=100% corrupt_unit={unit}"), seeded_streams(4))
        places, changes = [0] * 50, [0] * 256
        for number in range(N):
            (output,) = link.handle(Arrived(number, 50), number * S)
            assert isinstance(output, Delivered)
            assert output.corruption is not None
            places[output.corruption.at] += 1
            changes[output.corruption.mask] += 1
        assert all(abs(n - N / 50) < 4.5 * math.sqrt(N / 50) for n in places)
        used = [n for n in changes if n]
        assert len(used) == masks
        assert changes[0] == 0
        assert all(abs(n - N / masks) < 4.5 * math.sqrt(N / masks) for n in used)


def delays(options: str) -> list[float]:
    """ms."""
    link = Link[int](parse_link(options), seeded_streams(5))
    found: list[float] = []
    for number in range(N):
        link.handle(Arrived(number, 100), number * S)
        while link.deadline is not None:
            found += [(o.at - number * S) / MS for o in link.handle(TimerFired(), link.deadline)]
    return found


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto", "paretonormal"])
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_delays_mean_deviation_and_quantiles(distribution: str, correlation: float) -> None:
    found = delays(f"delay=100ms jitter=10ms distribution={distribution} jitter_correlation={correlation:%}")
    deviation = 10 / math.sqrt(3) if distribution == "uniform" else 10
    # The normal variates behind are an AR(1) process, whose mean varies as if there were fewer of them.
    fewer = (1 - correlation) / (1 + correlation)
    assert abs(fmean(found) - 100) < 4 * deviation / math.sqrt(N * fewer)
    score = SCORES[distribution]
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        quantile = 100 + 10 * score(NormalDist().inv_cdf(share))
        below = sum(delay < quantile for delay in found)
        assert abs(below - N * share) < 4 * math.sqrt(N * share * (1 - share) / fewer), share
    if distribution in ("uniform", "normal"):
        assert pstdev(found) == pytest.approx(deviation, rel=0.02)
    mean = fmean(found)
    centred = [delay - mean for delay in found]
    measured = fmean(a * b for a, b in pairwise(centred)) / pstdev(found) ** 2
    match distribution:
        case "normal":
            assert abs(measured - correlation) < 4 / math.sqrt(N)
        case "uniform":  # Pearson 1907: what remains of a normal correlation between ranks
            assert abs(measured - 6 / math.pi * math.asin(correlation / 2)) < 4 / math.sqrt(N)
        case _:  # a long tail is less correlated than what is behind it
            assert correlation / 2 - 0.05 < measured < correlation + 0.05


def test_slots_are_uniformly_far_apart_and_belong_to_their_packets() -> None:
    found = delays("slot=10ms,30ms")
    assert abs(fmean(found) - 20) < 4 * 20 / math.sqrt(12 * N)
    assert (min(found), max(found)) == (pytest.approx(10, abs=0.01), pytest.approx(30, abs=0.01))
    lossy = delays("slot=10ms,30ms loss=30%")
    assert len(lossy) < N
    others = iter(found)
    assert all(any(delay == other for other in others) for delay in lossy)  # a subsequence: no draw has moved


@pytest.mark.parametrize("distribution", ["normal", "pareto", "paretonormal"])
def test_the_distributions_have_mean_0_and_deviation_1(distribution: str) -> None:
    score, step = SCORES[distribution], 1e-3
    grid = [-8 + step * k for k in range(int(16 / step))]
    weights = [math.exp(-z * z / 2) / math.sqrt(2 * math.pi) * step for z in grid]
    assert sum(w * score(z) for w, z in zip(weights, grid, strict=True)) == pytest.approx(0, abs=1e-5)
    assert sum(w * score(z) ** 2 for w, z in zip(weights, grid, strict=True)) == pytest.approx(1, abs=1e-4)


def test_box_muller_stays_finite() -> None:
    assert math.isfinite(normal(1 - 2**-53, 0.999999))
    assert normal(0.0, 0.0) == 0


@pytest.mark.parametrize("load", [0.1, 0.3, 0.5])
def test_waiting_times_of_m_d_1(load: float) -> None:
    """Poisson arrivals, constant service: they wait load / (2 (1 - load)) services on average (Pollaczek-Khinchine)."""
    service: Ns = MS
    link = Link[Ns](parse_link("rate=8mbit queue=100000packets"), seeded_streams(6))
    rng = random.Random(6)
    now = 0
    waits: list[float] = []

    def note(outputs: list[object]) -> None:
        waits.extend((o.at - o.packet - service) / service for o in outputs if isinstance(o, Delivered))

    for _ in range(4 * N):
        now += round(rng.expovariate(load / service))
        note([*link.handle(Arrived(now, 1000), now)])
    assert link.deadline is not None
    assert fmean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.03)


def test_occupancy_follows_littles_law() -> None:
    """What waits, seen at random times, is the rate of arrivals times how long they wait."""
    link = Link[Ns](parse_link("rate=8mbit queue=100000packets"), seeded_streams(7))
    rng, arrivals, now = random.Random(7), 0.7 / MS, 0
    seen = []
    for _ in range(N):
        now += round(rng.expovariate(arrivals))
        link.handle(TimerFired(), now)
        seen.append(link.waiting)  # Poisson arrivals see time averages
        link.handle(Arrived(now, 1000), now)
    assert fmean(seen) == pytest.approx(0.7**2 / (2 * 0.3), rel=0.05)


def test_a_full_link_sends_at_its_rate() -> None:
    link = Link[int](parse_link("rate=10mbit queue=50packets delay=5ms"), seeded_streams(8))
    delivered, now = 0, 0
    for number in range(N):
        now = number * MS  # 12 Mbit/s are offered
        delivered += sum(isinstance(o, Delivered) for o in link.handle(Arrived(number, 1500), now))
    assert delivered * 1500 * 8 == pytest.approx(10_000_000 * now / S, rel=1e-3)
    assert link.account.dropped["queue_full"] == pytest.approx(N / 6, rel=0.01)
