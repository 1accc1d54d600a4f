"""Loss and what is done about it, with published numbers: RFC 5681, RFC 6298, RFC 6582, RFC 6675, RFC 3042."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from netlab.protocols.congestion import Reno
from netlab.protocols.tcp import LINUX, RFC, Connection
from netlab.protocols.trace import Decision
from netlab.units import MS

from .script import PLAIN, Script, Step, run

MSS = 1000
OPEN: list[Step] = [
    (0, "open", ["S 0"]),
    (100, f"< SA 0 ack 1 mss {MSS}", ["established", ". 1"]),
]
"""An RTT of 100 ms, so an RTO of 1 s: RFC 6298 (2.4)."""

SACK = msgspec.structs.replace(RFC, timestamps=False, window_scaling=False)
SACK_OPEN: list[Step] = [
    (0, "open", ["S 0"]),
    (100, f"< SA 0 ack 1 mss {MSS} sackok", ["established", ". 1"]),
]


def segments(first: int, last: int, *, push_last: bool = False) -> list[str]:
    """Segments number `first` to `last`, counted from 0."""
    return [f"{'P' if push_last and n == last else '.'} {1 + MSS * n}+{MSS}" for n in range(first, last + 1)]


def after(n: int) -> int:
    """The number behind n segments."""
    return 1 + MSS * n


# ---- slow start and congestion avoidance, RFC 5681 §3.1 --------------------------------------------------------------


def test_ten_segments_then_twenty_with_an_acknowledgment_a_segment() -> None:
    """RFC 6928: the initial window is ten; slow start doubles it in a round trip."""
    steps: list[Step] = [*OPEN, (100, f"send {100 * MSS}", segments(0, 9))]
    for n in range(10):
        steps.append((200, f"< . 1 ack {after(n + 1)}", segments(10 + 2 * n, 11 + 2 * n)))
    assert run(steps).control.cwnd == 20 * MSS


@pytest.mark.parametrize(
    ("mss", "window"), [(1460, 14_600), (536, 5360), (1000, 10_000), (2920, 14_600), (8960, 17_920)]
)
def test_initial_windows(mss: int, window: int) -> None:
    """RFC 6928 §2: min (10*MSS, max (2*MSS, 14600))."""
    config = msgspec.structs.replace(PLAIN, mss=mss)
    connection = Script(config)
    connection.run([(0, "open", ["S 0"]), (0, f"< SA 0 ack 1 mss {mss}", ["established", ". 1"])])
    assert connection.connection.control.cwnd == window


def test_congestion_avoidance_adds_a_segment_a_round_trip() -> None:
    steps: list[Step] = [*OPEN, (100, f"send {60 * MSS}", segments(0, 9))]
    script = Script()
    script.run(steps)
    script.connection.control.ssthresh = 10 * MSS
    script.connection.control.cwnd = 10 * MSS
    # the tenth acknowledgement completes the window: two segments go
    steps = [(200, f"< . 1 ack {after(n + 1)}", segments(10 + n, 10 + n)) for n in range(9)]
    script.run([*steps, (200, f"< . 1 ack {after(10)}", segments(19, 20))])
    assert script.connection.control.cwnd == 11 * MSS


# ---- the timer, RFC 6298 ---------------------------------------------------------------------------------------------


def rto(connection: Connection) -> float:
    return connection.tcb.sender.trips.rto / MS


def test_samples_of_1000_1200_and_900_ms() -> None:
    """RFC 6298 §2.2, §2.3: RTO 3.0, 2.725, 2.409375 s. The SYN gives the first sample."""
    script = Script()
    script.run([(0, "open", ["S 0"]), (1000, "< SA 0 ack 1", ["established", ". 1"])])
    assert rto(script.connection) == 3000
    script.run([(1000, "send 10", ["P 1+10"]), (2200, "< . 1 ack 11", [])])
    assert rto(script.connection) == 2725
    script.run([(3000, "send 10", ["P 11+10"]), (3900, "< . 1 ack 21", [])])
    assert rto(script.connection) == 2409.375


def test_no_sample_of_a_segment_that_was_sent_twice() -> None:
    """Karn's algorithm, MUST-18: without timestamps the backed-off RTO stays."""
    connection = run([*OPEN, (100, "send 10", ["P 1+10"]), (1100, "timer", ["P 1+10"]), (1110, "< . 1 ack 11", [])])
    assert rto(connection) == 2000


def test_no_sample_where_one_of_those_acknowledged_was_sent_twice() -> None:
    """The second was sent once, and its acknowledgement waited for the first: it measures no round trip."""
    both = segments(0, 1, push_last=True)
    sent = [*OPEN, (100, f"send {2 * MSS}", both), (1100, "timer", segments(0, 0))]
    assert rto(run([*sent, (1110, f"< . 1 ack {after(2)}", [])])) == 2000


def test_a_timestamp_tells_which_of_the_two_was_acknowledged() -> None:
    """RFC 7323 §4.1: 10 ms since the retransmission."""
    stamped = msgspec.structs.replace(PLAIN, timestamps=True)
    connection = run(
        [
            (0, "open", ["S 0"]),
            (100, "< SA 0 ack 1 mss 1460 ts 7 0", ["established", ". 1"]),
            (100, "send 10", ["P 1+10 ts 100 7"]),
            (1100, "timer", ["P 1+10 ts 1100 7"]),
            (1110, "< . 1 ack 11 ts 8 1100", []),
        ],
        stamped,
    )
    assert connection.tcb.sender.trips.latest == 10 * MS
    assert rto(connection) == 1000


def test_the_timer_is_restarted_by_what_is_acknowledged_and_off_when_all_is() -> None:
    """RFC 6298 (5.1) to (5.3)."""
    script = Script()
    script.run([*OPEN, (100, f"send {2 * MSS}", segments(0, 1, push_last=True))])
    assert script.connection.deadline == 1100 * MS
    script.run([(300, f"< . 1 ack {after(1)}", [])])
    assert script.connection.deadline == 1300 * MS
    script.run([(400, f"< . 1 ack {after(2)}", [])])
    assert script.connection.deadline is None


def test_linux_rounds_the_variation_up_to_200_ms() -> None:
    connection = run([(0, "open", ["S 0"]), (40, "< SA 0 ack 1", ["established", ". 1"])], LINUX)
    assert rto(connection) == 240


def test_a_timeout_leaves_one_segment_and_half_of_what_was_outstanding() -> None:
    """RFC 5681 §3.1 (4); a second timeout of the same data holds ssthresh."""
    script = Script()
    script.run([*OPEN, (100, f"send {20 * MSS}", segments(0, 9)), (1100, "timer", segments(0, 0))])
    control = script.connection.control
    assert (control.cwnd, control.ssthresh) == (MSS, 5 * MSS)
    script.run([(3100, "timer", segments(0, 0))])
    assert (control.cwnd, control.ssthresh) == (MSS, 5 * MSS)
    # slow start repairs: two for each acknowledgement of one
    script.run([(3200, f"< . 1 ack {after(1)}", segments(1, 2)), (3300, f"< . 1 ack {after(2)}", segments(3, 4))])


# ---- without SACK: RFC 5681 §3.2, RFC 6582 ---------------------------------------------------------------------------

DUPLICATE = "< . 1 ack 1"


def test_the_third_duplicate_retransmits_and_the_first_two_send_new_data() -> None:
    """Fast retransmit and fast recovery; limited transmit, RFC 3042, is not counted in FlightSize."""
    script = Script()
    script.run(
        [
            *OPEN,
            (100, f"send {40 * MSS}", segments(0, 9)),
            (200, DUPLICATE, segments(10, 10)),
            (200, DUPLICATE, segments(11, 11)),
            (200, DUPLICATE, segments(0, 0)),
        ]
    )
    control = script.connection.control
    assert (control.cwnd, control.ssthresh) == (5 * MSS, 5 * MSS)
    # 12 are out, cwnd is 5 + 3: the RFC inflates it by one for each further duplicate, and the fifth makes it 13
    script.run([(200, DUPLICATE, []) for _ in range(4)])
    script.run([(200, DUPLICATE, segments(12, 12)), (200, DUPLICATE, segments(13, 13))])
    # a full acknowledgement: 2 are still on their way, so 3 go
    script.run([(300, f"< . 1 ack {after(12)}", segments(14, 16))])
    assert control.cwnd == 5 * MSS


def test_a_partial_acknowledgment_retransmits_the_next_hole() -> None:
    """NewReno, RFC 6582 §3.2 (3): two of ten are lost, and no timer is needed."""
    run(
        [
            *OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            *[(200, DUPLICATE, segments(0, 0) if n == 2 else []) for n in range(8)],
            (300, f"< . 1 ack {after(4)}", [f". {after(4)}+{MSS}"]),
            (400, f"< . 1 ack {after(10)}", []),
        ]
    )


def test_duplicates_after_a_timeout_begin_no_recovery() -> None:
    """RFC 6582 §3.2 (2), §4: what the timeout took for lost is not lost again."""
    run(
        [
            *OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            (1100, "timer", segments(0, 0)),
            (1150, DUPLICATE, []),
            (1150, DUPLICATE, []),
            (1150, DUPLICATE, []),
        ]
    )


def test_an_acknowledgment_that_changes_the_window_is_no_duplicate() -> None:
    """RFC 5681 §2."""
    run(
        [
            *OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            *[(200, f"< . 1 ack 1 win {60_000 + n}", []) for n in range(5)],
        ]
    )


# ---- with SACK: RFC 6675 ---------------------------------------------------------------------------------------------


def sacked(*blocks: tuple[int, int], ack: int = 0) -> str:
    """An acknowledgement of `ack` segments that tells of segments from a to before b."""
    return f"< . 1 ack {after(ack)} sack {','.join(f'{after(a)}-{after(b)}' for a, b in blocks)}"


def test_three_segments_beyond_a_hole_begin_recovery_and_the_pipe_says_how_much_may_go() -> None:
    script = Script(SACK)
    script.run(
        [
            *SACK_OPEN,
            (100, f"send {40 * MSS}", segments(0, 9)),
            (200, sacked((1, 2)), segments(10, 10)),
            (200, sacked((1, 3)), segments(11, 11)),
            (200, sacked((1, 4)), segments(0, 0)),
        ]
    )
    assert script.connection.control.cwnd == 5 * MSS
    assert script.connection.tcb.sender.board.pipe == 9 * MSS  # 12 out, 3 SACKed, 1 lost, 1 sent again
    script.run([(200, sacked((1, n)), []) for n in (5, 6, 7, 8)])
    script.run([(200, sacked((1, 9)), segments(12, 12)), (200, sacked((1, 10)), segments(13, 13))])


def test_a_burst_of_losses_is_repaired_before_new_data_goes() -> None:
    """NextSeg () (1): each hole of which more than two segments above are SACKed, from the first."""
    run(
        [
            *SACK_OPEN,
            (100, f"send {40 * MSS}", segments(0, 9)),
            (200, sacked((5, 6)), segments(10, 10)),
            (200, sacked((5, 7)), segments(11, 11)),
            (200, sacked((5, 8)), segments(0, 0)),  # 12 out, 3 SACKed, 5 lost, 1 sent again: the pipe is full with 5
            (200, sacked((5, 9)), segments(1, 1)),
            (200, sacked((5, 10)), segments(2, 2)),
            (300, sacked((5, 12), ack=1), [*segments(3, 4), *segments(12, 12)]),
        ],
        SACK,
    )


def test_one_acknowledgment_may_tell_enough() -> None:
    """RFC 6675 §5 (2): fewer than three duplicates, but IsLost (HighACK + 1)."""
    run(
        [*SACK_OPEN, (100, f"send {10 * MSS}", segments(0, 9, push_last=True)), (200, sacked((1, 4)), segments(0, 0))],
        SACK,
    )


def test_three_separate_blocks_make_a_hole_lost() -> None:
    """IsLost (): "DupThresh discontiguous SACKed sequences", here of a byte each."""
    blocks = ",".join(f"{after(n)}-{after(n) + 1}" for n in (2, 4, 6))
    steps = [*SACK_OPEN, (100, f"send {10 * MSS}", segments(0, 9, push_last=True))]
    run([*steps, (200, f"< . 1 ack 1 sack {blocks}", [])], SACK)  # parts of segments mark none
    run([*steps, (200, sacked((2, 3), (4, 5), (6, 7)), [*segments(0, 0)])], SACK)


def test_recovery_ends_with_what_was_sent_before_it_began() -> None:
    decisions: list[Decision] = []
    script = Script(SACK)
    script.connection.tcb.trace = decisions.append
    script.run(
        [
            *SACK_OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            (200, sacked((1, 4)), segments(0, 0)),
            (300, f"< . 1 ack {after(4)}", []),
            (310, f"< . 1 ack {after(10)}", []),
        ]
    )
    causes = [decision.cause for decision in decisions if decision.at >= 200 * MS]
    assert causes == ["loss", "sack", "retransmit", "ack", "recovered", "ack"]


def test_the_last_segment_is_rescued_once() -> None:
    """NextSeg () (3) and (4): nothing is lost for certain, nothing new is to be sent, and there is room."""
    run(
        [
            *SACK_OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            (200, sacked((1, 4)), segments(0, 0)),
            (200, sacked((1, 7)), []),
            (300, f"< . 1 ack {after(7)}", [f"P {after(9)}+{MSS}"]),
            (310, f"< . 1 ack {after(8)}", []),
        ],
        SACK,
    )


def test_blocks_that_cannot_be_are_ignored() -> None:
    """What was not sent, what is upside down, what is empty."""
    run(
        [
            *SACK_OPEN,
            (100, f"send {10 * MSS}", segments(0, 9, push_last=True)),
            *[(200, sacked(block), []) for block in ((20, 30), (6, 4), (3, 3)) for _ in range(4)],
        ],
        SACK,
    )


def test_after_a_timeout_what_is_sacked_is_not_sent_again_unless_the_peer_reneged() -> None:
    """RFC 6675 §5.1 keeps what is known; RFC 2018 §8: where the first is SACKed and yet missing, nothing is known."""
    steps: list[Step] = [
        *SACK_OPEN,
        (100, f"send {4 * MSS}", segments(0, 3, push_last=True)),
        (200, sacked((1, 3)), []),
        (1100, "timer", segments(0, 0)),
    ]
    run([*steps, (1200, f"< . 1 ack {after(3)}", segments(3, 3, push_last=True))], SACK)
    last = segments(3, 3, push_last=True)
    run([*steps, (1200, f"< . 1 ack {after(1)}", last), (3200, "timer", segments(1, 1))], SACK)


def test_the_window_is_reduced_once_for_all_losses_of_a_window() -> None:
    losses: list[int] = []

    class Counting(Reno):
        def on_loss(self, flight_size: int, now: int) -> None:
            losses.append(flight_size)
            super().on_loss(flight_size, now)

    script = Script(SACK, control=Counting)
    steps: list[Any] = [*SACK_OPEN, (100, f"send {10 * MSS}", segments(0, 9, push_last=True))]
    steps += [(200, sacked((1, 4)), segments(0, 0)), (210, sacked((6, 10), (1, 4)), segments(4, 5))]
    script.run([*steps, (300, f"< . 1 ack {after(10)}", [])])
    assert losses == [10 * MSS]


STAMPED = msgspec.structs.replace(PLAIN, timestamps=True)


@pytest.mark.parametrize(("echoed", "window"), [(100, 10), (200, 5)])
def test_a_late_original_undoes_what_the_fast_retransmit_did(echoed: int, window: int) -> None:
    """Eifel, RFC 3522 §3.2 and RFC 4015: the timestamp tells the original from the retransmission."""
    sent = [f". {1 + 988 * n}+988" for n in range(9)]
    script = Script(STAMPED)
    script.run(
        [
            (0, "open", ["S 0"]),
            (100, "< SA 0 ack 1 mss 1000 ts 7 0", ["established", ". 1"]),
            (100, "send 9880", [*sent, f"P {1 + 988 * 9}+988 ts 100 7"]),
            *[(200, "< . 1 ack 1 ts 8 100", [". 1+988 ts 200 8"] if n == 2 else []) for n in range(3)],
        ]
    )
    assert script.connection.control.cwnd == 5 * 988 // 1
    script.run([(300, f"< . 1 ack 9881 ts 9 {echoed}", [])])
    assert script.connection.control.cwnd == window * 988


def test_a_late_acknowledgment_undoes_what_the_timeout_did() -> None:
    script = Script(STAMPED)
    script.run(
        [
            (0, "open", ["S 0"]),
            (100, "< SA 0 ack 1 mss 1000 ts 7 0", ["established", ". 1"]),
            (100, "send 1976", [". 1+988", "P 989+988"]),
            (1100, "timer", [". 1+988"]),
            (1150, "< . 1 ack 989 ts 8 100", []),  # and the second is not sent again
            (1160, "< . 1 ack 1977 ts 8 100", []),
        ]
    )
    assert script.connection.control.cwnd >= 10 * 988
