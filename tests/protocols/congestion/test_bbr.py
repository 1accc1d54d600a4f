"""BBR: what it does with a path, by the test cases of draft-ietf-ccwg-bbr and beside the loss-based controls."""

from __future__ import annotations

from statistics import quantiles

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.protocols.congestion import Ack, Bbr, CongestionControl, Cubic, RateSample, Reno
from netlab.protocols.congestion.bbr_states import GAINS, TRANSITIONS, State
from netlab.units import MS, S

from .bulk import HEADERS, MSS, Bulk

BEST = MSS / (MSS + HEADERS)
"""Of a link's rate, what is payload."""


def run(link: str, seconds: int, *controls: CongestionControl, seed: int = 1) -> Bulk:
    bulk = Bulk(list(controls), link, seed=seed)
    bulk.run(seconds * S)
    return bulk


def queueing_ms(bulk: Bulk, *, since: int) -> float:
    """Median of the round trips above the shortest, ms."""
    trips = [rtt for at, rtt in bulk.senders[0].round_trips if at > since]
    return (quantiles(trips, n=2)[0] - min(trips)) / MS


def test_startup_finds_the_rate_and_drain_takes_the_queue_away() -> None:
    control = Bbr(mss=MSS)
    bulk = run("rate=10mbit delay=20ms", 1, control)
    assert bulk.senders[0].phases[:3] == ["startup", "drain", "probe_bw cruise"]  # down at once ends: nothing is left
    assert control.model.max_bw == pytest.approx(10e6 * BEST, rel=0.02)  # the draft's test case: within 2 %
    assert control.model.min_rtt == pytest.approx(41.2 * MS, rel=0.01)  # 40 ms and the time on the line
    assert control.pacing_bit_s is not None
    assert control.pacing_bit_s == pytest.approx(0.99 * 10e6 * BEST, rel=0.02)


def test_the_cycle_of_probes_and_the_probe_of_the_round_trip() -> None:
    bulk = run("rate=10mbit delay=20ms", 25, Bbr(mss=MSS))
    phases = bulk.senders[0].phases
    begins = phases.index("probe_bw refill")
    assert phases[begins : begins + 5] == [
        "probe_bw refill",
        "probe_bw up",
        "probe_bw down",
        "probe_bw cruise",
        "probe_bw refill",
    ]
    assert 1 <= phases.count("probe_rtt") <= 2  # 10 s after the shortest round trip was seen
    ups = phases.count("probe_bw up")
    assert 25 / 3.5 <= ups <= 25  # every 2 to 3 s, or as often as Reno would lose


def test_it_fills_a_path_that_loses_at_random_where_reno_cannot() -> None:
    """10 Mbit/s, 40 ms, 1 %: over 7 Mbit/s."""
    lossy = "rate=10mbit delay=20ms queue=100packets loss=1%"
    assert all(run(lossy, 12, Bbr(mss=MSS), seed=seed).senders[0].bit_s() > 7e6 for seed in (1, 2, 3))
    assert run(lossy, 20, Reno(mss=MSS)).senders[0].bit_s() < 5e6


def test_it_leaves_a_large_buffer_empty_where_cubic_fills_it() -> None:
    bloated = "rate=10mbit delay=20ms queue=500packets"
    bbr, cubic = run(bloated, 12, Bbr(mss=MSS)), run(bloated, 12, Cubic(mss=MSS))
    assert queueing_ms(bbr, since=3 * S) < 5
    assert queueing_ms(cubic, since=3 * S) > 100
    assert bbr.senders[0].bit_s() > 0.95 * BEST * 10e6


def test_two_share_fairly() -> None:
    bulk = run("rate=10mbit delay=20ms queue=50packets", 30, Bbr(mss=MSS), Bbr(mss=MSS))
    one, other = (sender.bit_s() for sender in bulk.senders)
    assert (one + other) ** 2 / (2 * (one**2 + other**2)) > 0.95


def test_it_follows_a_path_that_becomes_slower_and_faster() -> None:
    bulk = Bulk([Bbr(mss=MSS)], "rate=10mbit delay=20ms queue=200packets")
    control = bulk.senders[0].control
    assert isinstance(control, Bbr)
    for rate, seconds in ((10, 5), (2, 25), (10, 32)):  # what was fast is forgotten after two cycles of probes
        bulk.configure(f"rate={rate}mbit delay=20ms queue=200packets")
        bulk.run(seconds * S)
        assert control.model.bw == pytest.approx(rate * 1e6 * BEST, rel=0.1), f"{rate} Mbit/s"


def test_a_timeout_leaves_one_segment_and_recovery_brings_the_window_back() -> None:
    bulk = Bulk([Bbr(mss=MSS)], "rate=10mbit delay=20ms queue=200packets")
    bulk.run(3 * S)
    sender = bulk.senders[0]
    before = sender.control.cwnd
    sender.control.on_rto(sender.flight_size, bulk.now)
    assert sender.control.cwnd == MSS
    sender.control.on_recovered(bulk.now)
    assert sender.control.cwnd == before


def test_a_spurious_loss_in_startup_takes_it_back_there() -> None:
    control = Bbr(mss=MSS)
    delivered = now = 0
    for number in range(200):
        now += 10 * MS
        delivered += 10 * MSS
        lost = number >= 100
        if number == 100:
            control.on_loss(20 * MSS, now)
        rate = RateSample(20 * MSS, 20 * MS, delivered - 100 * MSS, True, 40 * MSS, 10 * MSS if lost else 0)
        ack = Ack(
            acked=10 * MSS,
            newly_delivered=10 * MSS,
            newly_lost=MSS if lost else 0,
            delivered=delivered,
            flight_size=100 * MSS,
            rtt=20 * MS,
            srtt=20 * MS,
            rate=rate,
            recovering=lost,
        )
        control.on_ack(ack, now)
        if control.state is not State.STARTUP:
            break
    assert control.state is State.DRAIN  # losses end startup, also where the application holds back
    assert control.model.inflight_longterm is not None
    control.on_undo(now)
    assert control.state is State.STARTUP
    assert control.model.inflight_longterm is None


def test_a_probe_that_loses_too_much_tells_what_the_path_takes() -> None:
    control = Bbr(mss=MSS)
    bulk = run("rate=10mbit delay=20ms queue=8packets", 20, control)
    bdp = control.model.bdp(100)
    assert control.model.inflight_longterm is not None
    assert 0.7 * bdp <= control.model.inflight_longterm <= bdp + 10 * MSS
    assert bulk.senders[0].lost / (bulk.senders[0].rate.delivered / MSS) < 0.03
    assert bulk.senders[0].bit_s() > 0.9 * BEST * 10e6


def test_random_waits_can_be_given() -> None:
    control = Bbr(mss=MSS, random=lambda: 0.25)
    assert control._pick_wait() == (0, 2250 * MS)
    waits = [Bbr(mss=MSS)._pick_wait() for _ in range(2)]
    assert waits[0] == waits[1]  # a fixed sequence otherwise: a run repeats
    assert all(2 * S <= wait < 3 * S for _, wait in waits)


def test_the_table_of_states_is_whole() -> None:
    assert set(GAINS) == set(TRANSITIONS) == set(State)
    assert all(state not in followers for state, followers in TRANSITIONS.items())


class Watched(Bbr):
    """Refuses a change of state that the table does not have."""

    def _enter(self, state: State) -> None:
        assert state in TRANSITIONS[self.state], f"{self.state} to {state}"
        super()._enter(state)


@settings(max_examples=50)
@given(st.data())
def test_whatever_it_is_told_the_window_stays_open_and_the_states_in_order(data: st.DataObject) -> None:
    control = Watched(mss=MSS)
    now = delivered = 0
    for _ in range(data.draw(st.integers(1, 40))):
        now += data.draw(st.sampled_from([0, 1 * MS, 40 * MS, 3 * S, 11 * S]))
        flight_size = data.draw(st.integers(0, 3)) * control.cwnd // 3
        match data.draw(st.sampled_from(["ack", "ack", "ack", "ack", "sent", "loss", "recovered", "rto", "undo"])):
            case "ack":
                newly = data.draw(st.integers(0, 3)) * MSS
                delivered += newly
                rate = None
                if newly:
                    interval = data.draw(st.integers(1, 100)) * MS
                    prior = data.draw(st.integers(0, delivered))
                    lost = data.draw(st.sampled_from([0, 0, MSS]))
                    rate = RateSample(newly, interval, prior, data.draw(st.booleans()), flight_size, lost)
                ack = Ack(
                    acked=newly,
                    newly_delivered=newly,
                    newly_lost=data.draw(st.sampled_from([0, 0, MSS])),
                    delivered=delivered,
                    flight_size=flight_size,
                    rtt=data.draw(st.sampled_from([None, 20 * MS, 40 * MS])),
                    srtt=30 * MS,
                    rate=rate,
                    recovering=data.draw(st.booleans()),
                )
                control.on_ack(ack, now)
                assert control.cwnd >= 4 * MSS
            case "sent":
                control.on_sent(MSS, flight_size, now)
            case "loss":
                control.on_loss(flight_size, now)
            case "recovered":
                control.on_recovered(now)
            case "rto":
                control.on_rto(flight_size, now)
            case "undo":
                control.on_undo(now)
        assert control.cwnd >= MSS
        assert control.pacing_bit_s is None or control.pacing_bit_s > 0
