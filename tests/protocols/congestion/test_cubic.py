"""CUBIC by RFC 9438 and HyStart++ by RFC 9406, with their published numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.protocols.congestion import Ack, Cubic, Reno
from netlab.protocols.congestion.cubic import ALPHA, time_to_w_max, w_cubic
from netlab.units import MS, Ns, S

MSS = 1000


class Path:
    """A path without a queue that acknowledges every segment a round trip after it was sent, a window at a time."""

    def __init__(self, control: Reno, *, rtt: Ns = 100 * MS) -> None:
        self.control = control
        self.rtt = rtt
        self.now: Ns = 0
        self.delivered = 0

    def round(self, rtt: Ns | None = None, *, cwnd_limited: bool = True) -> None:
        """What is now in the window is sent and acknowledged, spread over the round trip."""
        rtt = self.rtt if rtt is None else rtt
        flight_size, began = self.control.cwnd, self.now
        segments = flight_size // MSS
        for number in range(segments):
            self.now = began + rtt * (number + 1) // segments
            self.delivered += MSS
            ack = Ack(
                acked=MSS,
                newly_delivered=MSS,
                delivered=self.delivered,
                flight_size=flight_size if number == 0 else self.control.cwnd,
                rtt=rtt,
                srtt=rtt,
                cwnd_limited=cwnd_limited,
            )
            self.control.on_ack(ack, self.now)

    def rounds_until(self, at: Ns) -> None:
        while self.now < at:
            self.round()

    def lose(self, flight_size: int) -> None:
        self.control.on_loss(flight_size, self.now)
        self.control.on_recovered(self.now)

    def segments(self) -> float:
        return self.control.cwnd / MSS


def after_a_loss(segments: int, *, rtt: Ns = 100 * MS) -> Path:
    control = Cubic(mss=MSS)
    control.cwnd = segments * MSS
    path = Path(control, rtt=rtt)
    path.lose(control.cwnd)
    return path


def test_the_published_curve() -> None:
    k = time_to_w_max(100, 70, mss=1)
    assert k / S == pytest.approx(4.2172, abs=5e-5)
    published = [70, 86.68, 95.64, 99.28, 100.00, 100.19, 102.27, 108.62, 121.65]
    assert [round(w_cubic(t * S, k, 100, mss=1), 2) for t in range(9)] == published
    assert pytest.approx(0.5294, abs=5e-5) == ALPHA


@given(st.integers(0, 10**12), st.integers(1, 65_535))
def test_k_is_where_the_curve_meets_w_max(below: int, mss: int) -> None:
    k = time_to_w_max(below, 0, mss)
    assert w_cubic(0, k, below, mss) == pytest.approx(0, abs=1e-6 * (below + 1) + 2)
    assert w_cubic(k, k, below, mss) == below


def test_the_window_follows_the_curve_and_reno_where_that_is_more() -> None:
    """For the first six seconds of 100 ms round trips CUBIC's own curve is the larger; with 10 ms it is Reno's."""
    slow = after_a_loss(100)
    k = time_to_w_max(100 * MSS, 70 * MSS, MSS)
    for second in range(1, 7):
        slow.rounds_until(second * S)
        assert slow.segments() == pytest.approx(w_cubic(slow.now, k, 100 * MSS, MSS) / MSS, rel=0.01)
    fast = after_a_loss(100, rtt=10 * MS)
    fast.rounds_until(400 * MS)
    assert fast.segments() == pytest.approx(70 + 40 * ALPHA, rel=0.01)  # 40 round trips of AIMD(ALPHA, BETA)


def test_alpha_becomes_renos_past_the_last_loss() -> None:
    path = after_a_loss(20, rtt=10 * MS)  # 14 segments: the Reno-friendly region
    while path.segments() < 22:
        path.round()
    before = path.segments()
    for _ in range(10):
        path.round()
    assert path.segments() - before == pytest.approx(10, abs=1)  # a segment a round trip: RFC 9438 §4.3


def test_growth_is_bounded_by_half_a_window_a_round_trip() -> None:
    path = after_a_loss(100, rtt=1 * S)
    path.rounds_until(20 * S)
    before = path.segments()
    path.round()
    assert path.segments() <= 1.7 * before  # the target is 1.5 windows, and moves with the window


def test_a_loss_takes_three_tenths_and_fast_convergence_more() -> None:
    path = after_a_loss(100)
    control = path.control
    assert isinstance(control, Cubic)
    assert (control.cwnd, control.ssthresh) == (70 * MSS, 70 * MSS)
    path.lose(control.cwnd)  # it did not come back to 100
    assert control.cwnd == 49 * MSS
    path.round()
    # W_max is 0.85 of 70 = 59.5 segments and not 70: K tells (RFC 9438 §4.7)
    assert control._k == time_to_w_max(59_500, 49_000, MSS)
    small = Cubic(mss=MSS)
    small.on_loss(MSS, 0)
    assert small.cwnd == small.ssthresh == 2 * MSS  # never below 2 segments


def test_after_a_timeout_the_curve_begins_where_slow_start_ends() -> None:
    path = after_a_loss(100)
    control = path.control
    assert isinstance(control, Cubic)
    control.on_rto(70 * MSS, path.now)
    assert (control.cwnd, control.ssthresh) == (MSS, 49 * MSS)  # RFC 9438 §4.8: ssthresh by BETA
    while control.phase == "slow start":
        path.round()
    path.round()
    assert control._k == 0


def test_a_spurious_loss_is_taken_back() -> None:
    path = after_a_loss(100, rtt=1 * S)
    for _ in range(3):
        path.round()
    control, before = path.control, path.segments()
    assert isinstance(control, Cubic)
    epoch = control._epoch
    path.lose(control.cwnd)
    assert path.segments() < before
    control.on_undo(path.now)
    assert (path.segments(), control.ssthresh, control._epoch) == (before, 70 * MSS, epoch)
    path.lose(control.cwnd)
    control.cwnd = 200 * MSS  # long after: RFC 9438 §4.9.2 keeps what is there
    control.on_undo(path.now)
    assert path.segments() == 200


def test_time_in_which_the_application_holds_back_does_not_count() -> None:
    path, other = after_a_loss(100), after_a_loss(100)
    path.round()
    other.round()
    for _ in range(100):
        path.round(cwnd_limited=False)  # 10 s: on the curve that would be far up
    path.control.on_idle(5 * S, path.now)
    path.now += 5 * S
    path.control.cwnd = other.control.cwnd  # on_idle reduces it: RFC 5681 §4.1
    path.round()
    other.round()
    assert path.segments() == pytest.approx(other.segments(), abs=0.5)


def test_segments_of_any_size_and_stretched_acknowledgements_grow_alike() -> None:
    one, many = after_a_loss(100), after_a_loss(100)
    for path, acked in ((one, MSS), (many, 10 * MSS)):
        for number in range(70 * 20 * MSS // acked):
            path.now = number * acked * 100 * MS // (70 * MSS)
            ack = Ack(acked=acked, newly_delivered=acked, delivered=0, flight_size=0, srtt=100 * MS)
            path.control.on_ack(ack, path.now)
    assert one.segments() == pytest.approx(many.segments(), rel=0.03)


#   round trips of one round each (ms), phase after them
HYSTART = [
    ([100], "slow start"),
    ([100, 103], "slow start"),  # a rise below the threshold of 12.5 ms
    ([100, 112], "slow start"),
    ([100, 113], "conservative slow start"),
    ([100, 113, 99], "slow start"),  # it was noise: back to slow start
    ([100, 113, 113, 113, 113], "conservative slow start"),
    ([100, 113, 113, 113, 113, 113], "congestion avoidance"),  # after five rounds, the one it began in included
]


@pytest.mark.parametrize(("rounds", "phase"), HYSTART)
def test_slow_start_ends_when_round_trips_lengthen(rounds: list[int], phase: str) -> None:
    path = Path(Cubic(mss=MSS))
    for rtt in rounds:
        path.round(rtt * MS)
    assert path.control.phase == phase
    if phase == "congestion avoidance":
        assert path.control.ssthresh is not None
        assert path.control.cwnd >= path.control.ssthresh


def test_conservative_slow_start_grows_at_a_quarter() -> None:
    path = Path(Cubic(mss=MSS))
    path.round(100 * MS)
    assert path.segments() == 20
    path.round(113 * MS)  # 8 samples tell, the rest of the round is conservative
    assert path.segments() == 20 + 7 + 13 * 0.25
    before = path.segments()
    path.round(113 * MS)
    assert path.segments() == pytest.approx(before * 1.25, rel=0.01)


@given(st.data())
def test_the_window_never_falls_below_a_segment(data: st.DataObject) -> None:
    control = Cubic(mss=MSS)
    now = 0
    for _ in range(data.draw(st.integers(1, 60))):
        now += data.draw(st.integers(0, 10 * S))
        acked = data.draw(st.integers(0, control.cwnd))
        match data.draw(st.sampled_from(["ack", "ack", "ack", "loss", "recovered", "rto", "undo", "idle", "mss"])):
            case "ack":
                recovering = control.phase == "recovery"
                ack = Ack(
                    acked=acked,
                    newly_delivered=acked,
                    delivered=now,
                    flight_size=control.cwnd,
                    srtt=100 * MS,
                    recovering=recovering,
                )
                before = control.cwnd
                control.on_ack(ack, now)
                assert before <= control.cwnd <= before + max(acked, control.mss)
            case "loss":
                control.on_loss(control.cwnd, now)
            case "recovered":
                control.on_recovered(now)
            case "rto":
                control.on_rto(data.draw(st.sampled_from([0, control.cwnd])), now)
            case "undo":
                control.on_undo(now)
            case "idle":
                control.on_idle(1 * S, now)
            case "mss":
                control.on_mss(data.draw(st.integers(500, 2 * MSS)))
        assert control.cwnd >= control.mss
        assert control.ssthresh is None or control.ssthresh >= 2
