"""Closing and resetting: RFC 9293 §3.6 and §3.10, each figure as a script; and forged segments, RFC 5961."""

from __future__ import annotations

import msgspec

from netlab.protocols.tcp import State

from .script import ACCEPT, OPEN, PLAIN, Script, run

MSL_2 = 240_000
"""Two maximum segment lifetimes, ms."""

SHORT = msgspec.structs.replace(PLAIN, msl=1_000_000_000)


def test_normal_close_figure_12() -> None:
    """TIME-WAIT lasts 2 MSL (MUST-13)."""
    run(
        [
            *OPEN,
            (1, "close", ["FA 1 ack 1"], State.FIN_WAIT_1),
            (2, "< . 1 ack 2", [], State.FIN_WAIT_2),
            (9, "< FA 1 ack 2", ["peer closed", ". 2 ack 2"], State.TIME_WAIT),
            (9 + MSL_2, "timer", ["closed"], State.CLOSED),
        ]
    )


def test_the_side_that_closes_last() -> None:
    run(
        [
            *ACCEPT,
            (1, "< FA 1 ack 1", ["peer closed", ". 1 ack 2"], State.CLOSE_WAIT),
            (2, "send 5", ["P 1+5 ack 2"]),
            (3, "< . 2 ack 6", []),
            (4, "close", ["FA 6 ack 2"], State.LAST_ACK),
            (5, "< . 2 ack 7", ["closed"], State.CLOSED),
        ]
    )


def test_simultaneous_close_figure_13() -> None:
    run(
        [
            *OPEN,
            (1, "close", ["FA 1"], State.FIN_WAIT_1),
            (2, "< FA 1 ack 1", ["peer closed", ". 2 ack 2"], State.CLOSING),
            (3, "< . 2 ack 2", [], State.TIME_WAIT),
            (3 + MSL_2, "timer", ["closed"], State.CLOSED),
        ]
    )


def test_a_fin_that_acknowledges_ours_leads_to_time_wait_at_once() -> None:
    run([*OPEN, (1, "close", ["FA 1"]), (2, "< FA 1 ack 2", ["peer closed", ". 2 ack 2"], State.TIME_WAIT)])


def test_a_half_closed_connection_still_receives() -> None:
    """§3.6.1."""
    run(
        [
            *OPEN,
            (1, "close", ["FA 1"]),
            (2, "< . 1 ack 2", [], State.FIN_WAIT_2),
            (3, "< . 1+1460 ack 2", ["deliver 1460"]),
            (3, "< . 1461+1460 ack 2", ["deliver 1460", ". 2 ack 2921"]),
            (4, "< FA 2921+10 ack 2", ["deliver 10", "peer closed", ". 2 ack 2932"], State.TIME_WAIT),
        ]
    )


def test_what_was_sent_before_the_close_goes_before_the_fin() -> None:
    run(
        [
            *OPEN,
            (0, "send 2000", [". 1+1460"]),
            (0, "close", ["FPA 1461+540"], State.FIN_WAIT_1),
            (1, "< . 1 ack 1461", []),
            (2, "< . 1 ack 2001", [], State.FIN_WAIT_1),
            (3, "< . 1 ack 2002", [], State.FIN_WAIT_2),
        ]
    )


def test_a_lost_fin_is_sent_again() -> None:
    run(
        [*OPEN, (0, "close", ["FA 1"]), (1000, "timer", ["FA 1"]), (3000, "timer", ["FA 1"]), (3001, "< . 1 ack 2", [])]
    )


def test_a_repeated_fin_in_time_wait_is_acknowledged_and_the_time_starts_again() -> None:
    run(
        [
            *OPEN,
            (0, "close", ["FA 1"]),
            (1, "< FA 1 ack 2", ["peer closed", ". 2 ack 2"], State.TIME_WAIT),
            (1001, "< FA 1 ack 2", [". 2 ack 2"], State.TIME_WAIT),
            (3001, "timer", ["closed"]),
        ],
        SHORT,
    )


def test_a_fin_out_of_order_waits_for_what_is_before_it() -> None:
    run(
        [
            *ACCEPT,
            (1, "< FA 101+50 ack 1", [". 1 ack 1"], State.ESTABLISHED),
            (2, "< . 1+100 ack 1", ["deliver 150", "peer closed", ". 1 ack 152"], State.CLOSE_WAIT),
        ]
    )


def test_a_second_close_sends_no_second_fin() -> None:
    """§3.10.4."""
    run([*OPEN, (0, "close", ["FA 1"]), (0, "close", []), (1, "< . 1 ack 2", []), (1, "close", [])])


# ---- resets ----


def test_abort_resets_and_tells() -> None:
    """§3.10.5: <SEQ=SND.NXT><CTL=RST>; in TIME-WAIT nobody is there to be told."""
    run([*OPEN, (0, "send 10", ["P 1+10"]), (1, "abort", ["R 11", "failed aborted"], State.CLOSED)])
    run([*ACCEPT, (0, "< FA 1 ack 1", ["peer closed", ". 1 ack 2"]), (1, "abort", ["R 1", "failed aborted"])])
    run([*OPEN, (0, "close", ["FA 1"]), (1, "< FA 1 ack 2", ["peer closed", ". 2"]), (2, "abort", ["failed aborted"])])


def test_whoever_closed_and_reads_no_more_resets_what_still_comes() -> None:
    """§3.6.1, SHLD-3."""
    run([*OPEN, (0, "close deaf", ["FA 1"]), (1, "< . 1+10 ack 2", ["R 2", "failed aborted"], State.CLOSED)])
    run([*OPEN, (0, "pause", []), (1, "< P 1+10 ack 1", []), (2, "close deaf", ["R 1", "failed aborted"])])


def test_a_reset_ends_the_connection_and_is_told_from_a_close() -> None:
    """MUST-12."""
    run([*OPEN, (0, "< R 1", ["failed reset"], State.CLOSED)])
    run([*OPEN, (0, "close", ["FA 1"]), (1, "< R 1", ["failed reset"], State.CLOSED)])
    closing = [*OPEN, (0, "close", ["FA 1"]), (1, "< FA 1 ack 1", ["peer closed", ". 2 ack 2"], State.CLOSING)]
    run([*closing, (2, "< R 2", ["closed"], State.CLOSED)])


def test_a_reset_with_data_is_taken() -> None:
    """SHLD-2."""
    run([*OPEN, (0, "< R 1+20", ["failed reset"], State.CLOSED)])


def test_a_reset_must_hit_the_very_next_number() -> None:
    """RFC 5961 §3: within the window it is challenged, outside it is dropped; a repeated, right one is taken."""
    run(
        [
            *OPEN,
            (1, "< R 500", [". 1 ack 1"], State.ESTABLISHED),
            (2, "< R 65536", [], State.ESTABLISHED),
            (3, "< R 0", [], State.ESTABLISHED),
            (4, "< R 1", ["failed reset"], State.CLOSED),
        ]
    )


def test_a_syn_is_challenged_wherever_it_lies() -> None:
    """RFC 5961 §4. An honest peer that has forgotten us resets, with the number that the challenge told it."""
    run([*OPEN, (1, "< S 1", [". 1 ack 1"]), (2, "< S 100000", [". 1 ack 1"]), (3, "< R 1", ["failed reset"])])


def test_an_acknowledgment_must_lie_in_what_was_sent() -> None:
    """RFC 5961 §5: ((SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT), else the segment's data is not taken either."""
    connection = run(
        [
            *OPEN,
            (1, "send 100", ["P 1+100"]),
            (2, "< . 1 ack 101", []),
            (3, "< P 1+10 ack 102", [". 101 ack 1"]),
            (4, "< P 1+10 ack -65500", [". 101 ack 1"]),
            (5, "< P 1+10 ack -60000", ["deliver 10"]),
        ]
    )
    assert connection.tcb.receiver.rcv_nxt == connection.tcb.receiver.irs + 11


def test_challenges_are_throttled() -> None:
    """RFC 5961 §7: ten in five seconds."""
    run([*OPEN, *[(n, "< S 1", [". 1 ack 1"] if n < 10 else []) for n in range(20)], (5001, "< S 1", [". 1 ack 1"])])


def test_a_segment_without_ack_is_dropped() -> None:
    """§3.10.7.4, fifth."""
    run([*OPEN, (1, "< F 1", [], State.ESTABLISHED)])


def test_a_new_connection_from_time_wait_needs_higher_numbers() -> None:
    """MAY-2."""
    steps = [*OPEN, (0, "close", ["FA 1"]), (1, "< FA 1 ack 2", ["peer closed", ". 2 ack 2"], State.TIME_WAIT)]
    connection = run(steps)
    segment = Script()._segment
    assert connection.may_be_reopened_by(segment("S 1000"))
    assert not connection.may_be_reopened_by(segment("S 1"))
    assert not connection.may_be_reopened_by(segment("SA 1000 ack 5"))
    assert not run(OPEN).may_be_reopened_by(segment("S 1000"))
