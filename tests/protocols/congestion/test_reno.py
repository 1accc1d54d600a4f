"""Reno by RFC 5681: tables of what happens and the window after it, in segments."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from netlab.protocols.congestion import CONTROLS, Ack, FixedWindow, Reno, UnknownControl, named
from netlab.protocols.congestion.reno import initial_window
from netlab.units import S

MSS = 1000
Step = Callable[[Reno], None]


def ack(segments: float = 1, *, recovering: bool = False, cwnd_limited: bool = True) -> Step:
    acked = int(segments * MSS)

    def step(control: Reno) -> None:
        told = Ack(
            acked=acked,
            newly_delivered=acked,
            delivered=0,
            flight_size=0,
            recovering=recovering,
            cwnd_limited=cwnd_limited,
        )
        control.on_ack(told, 0)

    return step


def loss(in_flight: int) -> Step:
    return lambda control: control.on_loss(in_flight * MSS, 0)


def rto(in_flight: int) -> Step:
    return lambda control: control.on_rto(in_flight * MSS, 0)


def recovered(control: Reno) -> None:
    control.on_recovered(0)


def undo(control: Reno) -> None:
    control.on_undo(0)


def idle(control: Reno) -> None:
    control.on_idle(2 * S, 0)


#   times, what happens                  cwnd    ssthresh  phase
SLOW_START = [
    (10, ack(), 20, None, "slow start"),  # an ACK a segment: 10 -> 20
    (10, ack(2), 40, None, "slow start"),  # delayed ACKs: RFC 3465 §2.3, L = 2
    (1, ack(8), 42, None, "slow start"),  # no more than L, whatever one ACK covers
    (1, ack(0), 42, None, "slow start"),  # a duplicate
    (1, ack(cwnd_limited=False), 42, None, "slow start"),  # the application held back: RFC 9293 §3.8.2
]
FAST_RECOVERY = [
    (10, ack(), 20, None, "slow start"),
    (1, loss(20), 10, 10, "recovery"),  # RFC 5681 §3.1 (4)
    (9, ack(recovering=True), 10, 10, "recovery"),  # nothing is inflated
    (1, recovered, 10, 10, "congestion avoidance"),  # RFC 6582 §3.2: cwnd = ssthresh
    (9, ack(), 10, 10, "congestion avoidance"),
    (1, ack(), 11, 10, "congestion avoidance"),  # a window's worth: one segment more
    (1, ack(10), 11, 10, "congestion avoidance"),
    (1, ack(1), 12, 10, "congestion avoidance"),
    (1, ack(18), 13, 10, "congestion avoidance"),  # what is more than a window counts for the next
    (1, ack(7), 14, 10, "congestion avoidance"),
    (1, loss(3), 2, 2, "recovery"),  # never below 2 segments
]
TIMEOUT = [
    (10, ack(), 20, None, "slow start"),
    (1, rto(20), 1, 10, "slow start"),  # the loss window, RFC 5681 §3.1
    (1, rto(0), 1, 10, "slow start"),  # the same again: ssthresh is held
    (1, ack(20), 2, 10, "slow start"),  # L = 1 after a timeout
    (7, ack(), 9, 10, "slow start"),
    (1, ack(), 10, 10, "congestion avoidance"),
    (1, recovered, 10, 10, "congestion avoidance"),
]
MORE_OUTSTANDING_THAN_THE_WINDOW = [
    (10, ack(), 20, None, "slow start"),
    (1, loss(23), 10, 10, "recovery"),  # limited transmit sent three: RFC 5681 §3.2 (2)
    (1, rto(40), 1, 5, "slow start"),  # a retransmission was lost, while 30 were acknowledged selectively
]
SPURIOUS = [
    (10, ack(), 20, None, "slow start"),
    (1, loss(20), 10, 10, "recovery"),
    (1, undo, 20, None, "slow start"),  # RFC 4015 §3.2
    (1, undo, 20, None, "slow start"),  # there is nothing left to undo
    (1, rto(20), 1, 10, "slow start"),
    (1, undo, 20, None, "slow start"),
    (1, ack(5), 22, None, "slow start"),
]
IDLE = [
    (10, ack(), 20, None, "slow start"),
    (1, idle, 10, None, "slow start"),  # RFC 5681 §4.1: RW = min(IW, cwnd)
    (1, loss(6), 3, 3, "recovery"),
    (1, recovered, 3, 3, "congestion avoidance"),
    (1, idle, 3, 3, "congestion avoidance"),
]
TABLES = [SLOW_START, FAST_RECOVERY, TIMEOUT, MORE_OUTSTANDING_THAN_THE_WINDOW, SPURIOUS, IDLE]


@pytest.mark.parametrize("table", TABLES)
def test_the_window_follows_the_rfc(table: list[tuple[int, Step, int, int | None, str]]) -> None:
    control = Reno(mss=MSS)
    for line, (times, step, *after) in enumerate(table):
        for _ in range(times):
            step(control)
        ssthresh = control.ssthresh and control.ssthresh / MSS
        assert [control.cwnd / MSS, ssthresh, control.phase] == after, f"line {line}"


def test_bytes_are_counted_and_not_acknowledgements() -> None:
    """Ten acknowledgements of 100 bytes each are worth one of 1000: RFC 3465 §1."""
    whole, split = Reno(mss=MSS), Reno(mss=MSS)
    ack(1)(whole)
    for _ in range(10):
        ack(0.1)(split)
    assert split.cwnd == whole.cwnd


def test_the_initial_window_is_that_of_the_segments_size() -> None:
    control = Reno(mss=536)
    assert control.cwnd == 5360
    control.on_mss(1460)  # the handshake tells the peer's
    assert control.cwnd == initial_window(1460) == 14_600
    ack(1)(control)
    control.on_mss(1000)
    assert control.cwnd == 15_600  # what was earned stays


def test_without_control_nothing_changes_the_window() -> None:
    control = FixedWindow(mss=MSS)
    control.on_loss(50_000, 0)
    control.on_rto(50_000, 0)
    control.on_ack(Ack(acked=1, newly_delivered=1, delivered=1, flight_size=1), 0)
    assert (control.cwnd, control.ssthresh) == (256_000, None)


def test_controls_are_chosen_by_name() -> None:
    assert all(named(name).name == name for name in CONTROLS)
    with pytest.raises(UnknownControl, match=r"no congestion control 'vegas': they are reno, "):
        named("vegas")
