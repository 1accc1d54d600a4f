"""ARQs on simulated hosts: their goodput is what theory says, and whoever breaks a rule is told so."""

from __future__ import annotations

from statistics import mean
from typing import Any

import pytest

from netlab.network.link_options import parse_link
from netlab.protocols.arq import ARQS, Ack, Deliver, GoBackN, SelectiveRepeat, StopAndWait, Transmit
from netlab.protocols.arq.theory import ArqPath, window_bound
from netlab.protocols.trace import Decision
from netlab.scenarios.race_arq import ArqResult, ArqRules, race_arqs
from netlab.units import MS, S


def race(*entrants: type[Any], link: str, back: str | None = None, seed: int = 1, **rules: int) -> list[ArqResult]:
    directions = parse_link(link), parse_link(link if back is None else back)
    return race_arqs(entrants, directions, ArqRules(**rules), seed=seed)


@pytest.mark.parametrize("window", [1, 4, 16, 64])
def test_without_loss_a_window_each_round_trip(window: int) -> None:
    results = race(*ARQS.values(), link="rate=10mbit delay=20ms", window=window, lasts=20 * S)
    stop_and_wait, go_back_n, selective_repeat = results
    for result in results:
        assert result.bound_bit_s is not None
        assert result.goodput_bit_s == pytest.approx(result.bound_bit_s, rel=0.01)
        assert result.theory_bit_s == result.bound_bit_s
        assert result.retransmissions == 0
    assert go_back_n.goodput_bit_s == selective_repeat.goodput_bit_s
    # 1236 B at 10 Mbit/s take 0.99 ms; a = 20.2: the share 1 / (1 + 2a) and a little less, for the acknowledgement
    assert stop_and_wait.goodput_bit_s / 10e6 * 1236 / 1200 == pytest.approx(1 / (1 + 2 * 20 / 0.9888), rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["0.5%", "2%"])
@pytest.mark.parametrize("delay", ["5ms", "50ms"])
@pytest.mark.parametrize("window", [4, 16])
def test_under_loss_goodput_is_what_theory_says(loss: str, delay: str, window: int) -> None:
    """Within 10 %, over two seeds; for go-back-N where a window has few losses, as its theory says."""
    link, back = f"rate=10mbit delay={delay} loss={loss}", f"rate=10mbit delay={delay}"
    runs = [race(*ARQS.values(), link=link, back=back, seed=s, window=window, lasts=30 * S) for s in (1, 2)]
    for result in zip(*runs, strict=True):
        name, theory = result[0].name, result[0].theory_bit_s
        measured = mean(run.goodput_bit_s for run in result)
        if name != "go-back-n" or window * float(loss.rstrip("%")) / 100 <= 0.1:
            assert measured == pytest.approx(theory, rel=0.1), name


def test_a_loss_costs_go_back_n_a_window_and_selective_repeat_a_packet() -> None:
    go_back_n, selective_repeat = race(
        GoBackN, SelectiveRepeat, link="rate=10mbit delay=20ms drop=20,40", back="delay=20ms", window=8, lasts=3 * S
    )
    assert selective_repeat.retransmissions == 2
    assert go_back_n.retransmissions == 16
    assert go_back_n.wrong is selective_repeat.wrong is None


def test_the_same_seed_gives_the_same_race_and_every_decision_is_told() -> None:
    def run() -> tuple[list[ArqResult], list[Decision]]:
        decisions: list[Decision] = []
        link = parse_link("rate=10mbit delay=20ms jitter=2ms loss=3% duplicate=1% reorder=5% corrupt=1%")
        rules = ArqRules(lasts=3 * S)
        return race_arqs(list(ARQS.values()), (link, link), rules, seed=5, trace=decisions.append), decisions

    results, decisions = run()
    assert (results, decisions) == run()
    assert all(result.wrong is None and result.theory_bit_s is None for result in results)  # that link is not simple
    assert {decision.who for decision in decisions} == set(ARQS)
    assert {"sent", "ack", "sack", "rto", "retransmit", "dup_ack"} <= {decision.cause for decision in decisions}
    for name, result in zip(ARQS, results, strict=True):
        assert [d for d in decisions if d.who == name][-1].retransmissions == result.retransmissions


class Eager(GoBackN):
    """Takes whatever comes for the next: the usual wrong answer."""

    def _received(self, number: int, payload: bytes, now: int) -> list[Any]:
        return [Deliver(payload), Transmit(Ack((number + 1) % self.numbers))]


def test_what_is_delivered_wrongly_is_noticed() -> None:
    (result,) = race(Eager, link="rate=10mbit delay=20ms drop=5", lasts=1 * S)
    assert result.wrong == "delivered packet 5 where packet 4 was due"
    assert (result.name, result.theory_bit_s) == ("Eager", None)


def test_a_sender_that_gave_up_says_so() -> None:
    (result,) = race(StopAndWait, link="loss=100% delay=1ms", lasts=2000 * S, min_rto=MS)
    assert result.failed == "no acknowledgement of packet 0, sent 16 times"
    assert (result.delivered, result.goodput_bit_s) == (0, 0)


def test_a_window_bounds_by_hand() -> None:
    path = ArqPath(payload=1200, packet_time=1 * MS, ack_time=0, delay=39 * MS)
    assert window_bound(path, 4) == pytest.approx(4 * 1200 * 8 / 0.040)
    assert window_bound(path, 40) == window_bound(path, 400) == pytest.approx(1200 * 8 / 0.001)
