"""Congestion controls over netlab's TCP on one bottleneck: each does what it is known for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from netlab.network.link_options import parse_link
from netlab.protocols.congestion import Ack, Bbr, Cubic, FixedWindow, Reno
from netlab.protocols.congestion.cubic import time_to_w_max, w_cubic
from netlab.protocols.trace import Decision
from netlab.scenarios.race_cc import CcRace, CcRules, jain, race_controls
from netlab.units import S

BEST = 1448 / 1500
"""Of a link's rate, what is payload: 1500 B packets, with 52 B of headers and timestamps."""


def race(*entrants: type[Any], link: str, back: str | None = None, seed: int = 1, **rules: Any) -> CcRace:
    trace = rules.pop("trace", None)
    directions = parse_link(link), parse_link(link if back is None else back)
    return race_controls(entrants, directions, CcRules(**rules), seed=seed, trace=trace)


def queue(packets: int) -> str:
    return f"rate=10mbit delay=20ms queue={packets}packets"


@pytest.mark.parametrize("control", [Reno, Cubic, Bbr])
def test_alone_each_fills_the_link(control: type[Any]) -> None:
    result = race(control, link=queue(100), lasts=10 * S)
    assert result.flows[0].goodput_bit_s > 0.95 * BEST * 10e6
    assert result.flows[0].failed is None
    assert result.jain == 1.0


def test_bbr_fills_a_link_that_loses_at_random() -> None:
    """10 Mbit/s, 40 ms, 1 %: over 7 Mbit/s, where loss-based controls get less than half of that rate."""
    lossy = queue(100) + " loss=1%"
    bbr, reno = (race(control, link=lossy, back=queue(100), lasts=15 * S).flows[0] for control in (Bbr, Reno))
    assert bbr.goodput_bit_s > 7e6
    assert reno.goodput_bit_s < 5e6


@pytest.mark.slow
def test_bbr_leaves_a_bloated_buffer_empty() -> None:
    waits = {}
    for control in (Reno, Cubic, Bbr):
        flow = race(control, link=queue(1000), lasts=8 * S).flows[0]
        assert flow.queueing_p50_ms is not None
        waits[control] = flow.queueing_p50_ms
    assert waits[Bbr] < 5
    assert waits[Reno] > 200
    assert waits[Cubic] > 200


@pytest.mark.slow
@pytest.mark.parametrize("control", [Reno, Cubic, Bbr])
def test_two_of_a_kind_share_fairly(control: type[Any]) -> None:
    results = [race(control, control, link=queue(50), lasts=40 * S, apart=1 * S, seed=seed) for seed in (1, 2)]
    assert all(result.jain > 0.9 for result in results)
    assert all(result.utilisation is not None and result.utilisation > 0.95 for result in results)


@pytest.mark.slow
def test_a_flow_that_begins_later_gets_its_share() -> None:
    result = race(Cubic, Cubic, link=queue(50), lasts=40 * S, apart=10 * S)
    assert result.jain > 0.9
    assert result.flows[0].sent > result.flows[1].sent  # it had ten seconds for itself


def test_without_control_a_flow_takes_all_and_wastes_the_rest() -> None:
    result = race(Reno, FixedWindow, link=queue(50), lasts=10 * S)
    reno, none = result.flows
    assert none.share > 0.85
    assert result.jain < 0.65
    assert none.lost / none.sent > 0.2
    assert reno.lost < none.lost / 20


@pytest.mark.slow
def test_renos_window_is_a_saw_tooth() -> None:
    decisions: list[Decision] = []
    race(Reno, link=queue(50), lasts=30 * S, trace=decisions.append)
    steady = [d for d in decisions if d.at > 10 * S]
    losses = [d for d in steady if d.cause == "loss"]
    assert len(losses) >= 2
    for loss in losses:
        assert loss.cwnd == loss.ssthresh
    growing = [d for d in steady if d.phase == "congestion avoidance" and losses[0].at < d.at < losses[1].at]
    first, last = growing[0], growing[-1]
    assert first.cwnd is not None
    assert last.cwnd is not None
    # a segment each round trip: the window at the end is the number of round trips, each of its own length
    round_trips = sum((b.at - a.at) / a.srtt for a, b in pairwise(growing) if a.srtt)
    assert (last.cwnd - first.cwnd) / 1448 == pytest.approx(round_trips, rel=0.1)


@pytest.mark.slow
def test_cubics_window_follows_the_curve() -> None:
    """From one loss to the next, on a path so long that the curve, and not Reno's window, decides."""
    decisions: list[Decision] = []
    race(Cubic, link="rate=10mbit delay=100ms queue=150packets", lasts=45 * S, trace=decisions.append)
    w_max, began, k, before, losses, followed = 0.0, None, 0, 0, 0, 0
    for decision in decisions:
        assert decision.cwnd is not None
        if decision.cause == "loss" and decision.at > 8 * S:  # slow start and its timeout are over
            w_max = before * 0.85 if before < w_max else before  # fast convergence: RFC 9438 §4.7
            began, losses = None, losses + 1
        elif losses and decision.cause == "ack" and decision.phase == "congestion avoidance":
            if began is None:
                began, k = decision.at, time_to_w_max(w_max, decision.cwnd, 1448)
            if decision.at > began + 1 * S:  # by then the increments have caught up with the curve
                assert decision.cwnd == pytest.approx(w_cubic(decision.at - began, k, w_max, 1448), rel=0.05)
                followed += 1
        before = decision.cwnd
    assert losses >= 3
    assert followed > 5000


def test_a_race_repeats() -> None:
    lossy = queue(50) + " loss=0.5% jitter=1ms"
    assert race(Reno, Bbr, link=lossy, lasts=5 * S, seed=3) == race(Reno, Bbr, link=lossy, lasts=5 * S, seed=3)
    assert race(Reno, Bbr, link=lossy, lasts=5 * S, seed=3) != race(Reno, Bbr, link=lossy, lasts=5 * S, seed=4)


class Greedy(Reno):
    """Gives way by a tenth."""

    def _left_by_loss(self, volume: int) -> int:
        return volume * 9 // 10


class Shy(Reno):
    """Never grows."""

    def on_ack(self, ack: Ack, now: int) -> None:
        """Nothing."""


@pytest.mark.slow
def test_fairness_notices_who_is_not() -> None:
    assert race(Reno, Greedy, link=queue(50), lasts=20 * S).jain < 0.85
    assert race(Reno, Shy, link=queue(50), lasts=20 * S).jain < 0.85
    assert jain([1, 1, 1]) == 1
    assert jain([1, 0, 0]) == pytest.approx(1 / 3)
    assert jain([0, 0]) == 1
