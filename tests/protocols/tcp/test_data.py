"""Data, windows and acknowledgements: RFC 9293 §3.4, §3.7.4, §3.8; PAWS and SACK's blocks."""

from __future__ import annotations

import msgspec
import pytest

from netlab.packets.tcp import TcpFlags
from netlab.protocols.tcp import LINUX, RFC, State, TcpConfig, TimerFired, Transmit
from netlab.units import MS

from .script import ACCEPT, OPEN, PLAIN, Script, run

# ---- what goes out ----


def test_nagle_holds_a_short_segment_back_while_anything_is_unacknowledged() -> None:
    """§3.7.4, SHLD-7; MUST-17 turns it off."""
    run(
        [
            *OPEN,
            (0, "send 10", ["P 1+10"]),
            (0, "send 10", []),
            (0, "send 10", []),
            (5, "< . 1 ack 11", ["P 11+20"]),
        ]
    )
    run(
        [*OPEN, (0, "send 10", ["P 1+10"]), (0, "send 10", ["P 11+10"])],
        msgspec.structs.replace(PLAIN, nagle=False),
    )


def test_a_full_segment_is_not_held_back() -> None:
    run([*OPEN, (0, "send 10", ["P 1+10"]), (0, "send 1460", ["P 11+1460"])])


def test_push_is_set_where_nothing_more_is_queued() -> None:
    """MUST-60, MUST-61."""
    run([*OPEN, (0, "send 2920", [". 1+1460", "P 1461+1460"])])


def test_a_window_that_was_shrunk_holds_new_data_back_and_no_more() -> None:
    """MUST-34, SHLD-15, SHLD-16."""
    run(
        [
            *OPEN,
            (0, "send 2920", [". 1+1460", "P 1461+1460"]),
            (1, "< . 1 ack 1461 win 100", []),
            (1, "send 1000", []),
            (1001, "timer", ["P 1461+1460"]),
            (1002, "< . 1 ack 2921 win 5000", ["P 2921+1000"]),
        ]
    )


def test_a_shut_window_is_probed_with_back_off_for_as_long_as_the_peer_answers() -> None:
    """MUST-35, MUST-36, MUST-37; SHLD-29, SHLD-30. It opens again, and the probe's byte is sent with what waited."""
    steps = [*OPEN, (0, "send 1460", ["P 1+1460"]), (1, "< . 1 ack 1461 win 0", []), (1, "send 2921", [])]
    for at in (1001, 3001, 7001, 15_001, 31_001, 63_001, *range(123_001, 700_000, 60_000)):
        steps += [(at, "timer", [". 1461+1"]), (at + 1, "< . 1 ack 1461 win 0", [])]
    run([*steps, (700_000, "< . 1 ack 1461 win 9000", [". 1461+1", ". 1462+1460", "P 2922+1460"])])


def test_a_probe_that_nobody_answers_ends_in_the_user_timeout() -> None:
    config = msgspec.structs.replace(PLAIN, user_timeout=10_000 * MS)
    run(
        [
            *OPEN,
            (1, "< . 1 ack 1 win 0", []),
            (1, "send 10", []),
            *[(at, "timer", [". 1+1"]) for at in (1001, 3001, 7001)],
            (10_001, "timer", ["failed timed_out"], State.CLOSED),
        ],
        config,
    )


def test_a_silly_window_is_not_filled_until_the_override() -> None:
    """MUST-38, §3.8.6.2.1: less than a segment, less than half of the largest window, and not all that is queued."""
    run(
        [
            *OPEN,
            (1, "< . 1 ack 1 win 100", []),
            (1, "send 1000", []),
            (1001, "timer", [". 1+100"]),
            (1002, "< . 1 ack 101 win 40000", ["P 101+900"]),
        ]
    )


def test_half_of_the_largest_window_is_worth_a_segment() -> None:
    small = [(0, "open", ["S 0"]), (0, "< SA 0 ack 1 win 1000 mss 1460", ["established", ". 1"])]
    run([*small, (0, "send 2000", [". 1+1000"]), (1, "< . 1 ack 1001 win 500", [". 1001+500"])])


def test_the_retransmitted_stream_is_the_same_bytes() -> None:
    """MUST-18, MUST-19: the whole window is lost; slow start sends it again."""
    run(
        [
            *OPEN,
            (0, "send 4380", [". 1+1460", ". 1461+1460", "P 2921+1460"]),
            (1000, "timer", [". 1+1460"]),
            (1100, "< . 1 ack 1461", [". 1461+1460", "P 2921+1460"]),
        ]
    )


def test_the_user_is_told_before_it_is_given_up_and_by_time() -> None:
    """MUST-20, MUST-21; SHLD-9, SHLD-10."""
    run(
        [
            *OPEN,
            (0, "send 10", ["P 1+10"]),
            (1000, "timer", ["P 1+10"]),
            (3000, "timer", ["P 1+10"]),
            (7000, "timer", ["stalled", "P 1+10"]),
            (15_000, "timer", ["P 1+10"]),
            (20_000, "timer", ["failed timed_out"], State.CLOSED),
        ],
        msgspec.structs.replace(PLAIN, user_timeout=20_000 * MS),
    )
    connection = run(
        [*OPEN, (0, "send 10", ["P 1+10"]), *[((2**n - 1) * 1000, "timer", ["P 1+10"]) for n in (1, 2)]],
        msgspec.structs.replace(PLAIN, user_timeout=None),
    )
    assert connection.over is None


def test_urgent_data() -> None:
    """MUST-30 to MUST-33, MUST-62: the pointer is behind the last urgent byte, however many there are."""
    run(
        [
            *OPEN,
            (0, "urgent 2000", ["U 1+1460 up 2000"]),
            (1, "< . 1 ack 1461", ["PU 1461+540 up 540"]),
            (2, "< . 1 ack 2001", []),
            (3, "send 5", ["P 2001+5 up -"]),
            (4, "< U 1+10 ack 2006 up 25", ["urgent 25", "deliver 10"]),
            (5, "< PU 11+10 ack 2006 up 15", ["deliver 10", ". 2006 ack 21"]),
            (6, "< PU 21+10 ack 2006 up 40", ["urgent 40", "deliver 10"]),
        ]
    )


# ---- what comes in ----


def test_every_second_segment_is_acknowledged_and_a_single_one_soon() -> None:
    """SHLD-18, SHLD-19, MUST-40."""
    run(
        [
            *OPEN,
            (0, "< . 1+1460 ack 1", ["deliver 1460"]),
            (1, "< . 1461+1460 ack 1", ["deliver 1460", ". 1 ack 2921"]),
            (2, "< . 2921+1460 ack 1", ["deliver 1460"]),
            (202, "timer", [". 1 ack 4381"]),
        ]
    )
    for wrong in (500 * MS, 0):
        with pytest.raises(ValueError, match="MUST-40"):
            TcpConfig(ack_delay=wrong)


def test_an_acknowledgment_travels_with_data() -> None:
    """MUST-58: it is one segment."""
    run([*OPEN, (0, "< P 1+10 ack 1", ["deliver 10"]), (1, "send 10", ["P 1+10 ack 11"])])


def test_linux_acknowledges_the_first_segments_one_by_one() -> None:
    config = msgspec.structs.replace(LINUX, sack=False, timestamps=False, window_scaling=False)
    steps = [(n, f"< . {1 + 100 * n}+100 ack 1", ["deliver 100", f". 1 ack {101 + 100 * n}"]) for n in range(16)]
    run([*OPEN, *steps, (16, "< . 1601+100 ack 1", ["deliver 100"]), (56, "timer", [". 1 ack 1701"])], config)


def test_segments_out_of_order_are_held_and_acknowledged_at_once() -> None:
    """SHLD-31, MAY-13; RFC 5681 §4.2. What fills the gap is acknowledged with all behind it (MUST-59)."""
    run(
        [
            *OPEN,
            (0, "< . 201+100 ack 1", [". 1 ack 1"]),
            (1, "< . 101+100 ack 1", [". 1 ack 1"]),
            (2, "< . 1+100 ack 1", ["deliver 300", ". 1 ack 301"]),
        ]
    )


def test_only_what_is_new_of_a_segment_is_taken() -> None:
    run(
        [
            *OPEN,
            (0, "< . 1+100 ack 1", ["deliver 100"]),
            (1, "< . 51+100 ack 1", ["deliver 50", ". 1 ack 151"]),
            (2, "< . 1+100 ack 1", [". 1 ack 151"]),
            (3, "< . -20+171 ack 1", [". 1 ack 151"]),
        ]
    )


def test_what_is_beyond_the_window_is_cut_off() -> None:
    config = msgspec.structs.replace(PLAIN, receive_buffer=100)
    run([*OPEN, (0, "pause", []), (0, "< P 1+150 ack 1", [". 1 ack 101 win 0"])], config)


def test_the_window_closes_while_nobody_reads_and_its_edge_moves_in_large_steps() -> None:
    """MUST-39, SHLD-14: the reader takes 100, which is not worth a segment; with 1000 it is told."""
    run(
        [
            *OPEN,
            (0, "pause", []),
            (0, "< . 1+1460 ack 1", []),
            (0, "< . 1461+540 ack 1", [". 1 ack 2001 win 0"]),
            (1, "read 100", ["deliver 100"]),
            (2, "< . 2001+1 ack 1", [". 1 ack 2001 win 0"]),
            (3, "read 900", ["deliver 900", ". 1 ack 2001 win 1000"]),
            (4, "resume", ["deliver 1000", ". 1 ack 2001 win 2000"]),
        ],
        msgspec.structs.replace(PLAIN, receive_buffer=2000),
    )


def test_a_shut_window_still_lets_acknowledgments_through() -> None:
    run(
        [
            *OPEN,
            (0, "send 10", ["P 1+10"]),
            (0, "pause", []),
            (0, "< . 1+100 ack 1", []),
            (200, "timer", [". 11 ack 101 win 0"]),
            (300, "< . 101+1 ack 11", [". 11 ack 101 win 0"]),
            (301, "send 5", ["P 11+5"]),
        ],
        msgspec.structs.replace(PLAIN, receive_buffer=100),
    )


def test_a_shut_window_still_lets_resets_and_urgent_pointers_through() -> None:
    """MUST-66."""
    shut = [*OPEN, (0, "pause", []), (0, "< P 1+100 ack 1", []), (200, "timer", [". 1 ack 101 win 0"])]
    config = msgspec.structs.replace(PLAIN, receive_buffer=100)
    run([*shut, (201, "< R 101+3", ["failed reset"])], config)
    run([*shut, (201, "< U 101+1 ack 1 up 9", ["urgent 109", ". 1 ack 101 win 0"])], config)


def test_a_window_above_32_767_is_no_negative_number() -> None:
    """MUST-1."""
    connection = run([(0, "open", ["S 0"]), (0, "< SA 0 ack 1 win 65535 mss 9000", ["established", ". 1"])])
    assert connection.tcb.sender.snd_wnd == 65_535


def test_the_end_of_the_stream_waits_for_the_reader_too() -> None:
    run(
        [
            *OPEN,
            (0, "pause", []),
            (0, "< FA 1+10 ack 1", [". 1 ack 12"], State.CLOSE_WAIT),
            (1, "read 4", ["deliver 4"]),
            (2, "read 100", ["deliver 6", "peer closed"]),
        ]
    )


def test_sequence_numbers_wrap() -> None:
    """§3.4, on both sides, in the middle of data."""
    run(
        [
            *OPEN,
            (0, "send 4380", [". 1+1460", ". 1461+1460", "P 2921+1460"]),
            (1, "< . 1 ack 4381", []),
            (2, "< . 1461+1460 ack 4381", [". 4381 ack 1"]),
            (3, "< . 1+1460 ack 4381", ["deliver 2920", ". 4381 ack 2921"]),
            (4, "close", ["FA 4381"]),
            (5, "< FA 2921 ack 4382", ["peer closed", ". 4382 ack 2922"], State.TIME_WAIT),
        ],
        iss=2**32 - 2000,
        irs=2**32 - 500,
    )


# ---- options of data ----

SACK = msgspec.structs.replace(RFC, timestamps=False, window_scaling=False)
SACK_OPEN = [(0, "open", ["S 0"]), (0, "< SA 0 ack 1 mss 1460 sackok", ["established", ". 1"])]


def test_sack_tells_the_latest_block_first() -> None:
    """RFC 2018 §4: the block with the segment that came last is first, then those reported before."""
    run(
        [
            *SACK_OPEN,
            (0, "< . 101+100 ack 1", [". 1 ack 1 sack 101-201"]),
            (1, "< . 301+100 ack 1", [". 1 ack 1 sack 301-401,101-201"]),
            (2, "< . 501+100 ack 1", [". 1 ack 1 sack 501-601,301-401,101-201"]),
            (3, "< . 701+100 ack 1", [". 1 ack 1 sack 701-801,501-601,301-401"]),
            (4, "< . 401+100 ack 1", [". 1 ack 1 sack 301-601,701-801,101-201"]),
            (5, "< . 1+100 ack 1", ["deliver 200", ". 1 ack 201 sack 301-601,701-801"]),
            (6, "< . 201+100 ack 1", ["deliver 400", ". 1 ack 601 sack 701-801"]),
            (7, "< . 601+100 ack 1", ["deliver 200", ". 1 ack 801 sack -"]),
        ],
        SACK,
    )


def test_a_full_segment_leaves_no_room_for_sack_and_a_short_one_does() -> None:
    """RFC 9293 §3.7.1: the segment with its options keeps to the effective send MSS."""
    run(
        [
            *SACK_OPEN,
            (0, "< . 101+100 ack 1", [". 1 ack 1 sack 101-201"]),
            (1, "send 1460", ["P 1+1460 ack 1 sack -"]),
            (2, "< . 1 ack 1461", []),
            (3, "send 1440", ["P 1461+1440 ack 1 sack 101-201"]),
        ],
        SACK,
    )


STAMPED = msgspec.structs.replace(RFC, sack=False, window_scaling=False)
STAMPED_OPEN = [(0, "open", ["S 0 ts 0 0"]), (0, "< SA 0 ack 1 mss 1460 ts 700 0", ["established", ". 1 ts 0 700"])]


def test_the_timestamp_that_is_echoed_is_that_of_the_oldest_unacknowledged_segment() -> None:
    """RFC 7323 §4.3: a segment behind a gap changes nothing."""
    run(
        [
            *STAMPED_OPEN,
            (10, "< . 101+100 ack 1 ts 720 0", [". 1 ack 1 ts 10 700"]),
            (11, "< . 1+100 ack 1 ts 730 0", ["deliver 200", ". 1 ack 201 ts 11 730"]),
            (12, "< . 201+100 ack 1 ts 740 0", ["deliver 100"]),
            (13, "< . 301+100 ack 1 ts 750 0", ["deliver 100", ". 1 ack 401 ts 13 740"]),
        ],
        STAMPED,
    )


def test_an_old_timestamp_tells_a_duplicate_of_long_ago() -> None:
    """PAWS, RFC 7323 §5.3: acknowledged and dropped; but not a reset, and not after 24 days of silence (§5.5)."""
    run(
        [
            *STAMPED_OPEN,
            (1, "< . 1+100 ack 1 ts 699 0", [". 1 ack 1"]),
            (2, "< . 1+100 ack 1", []),
            (3, "< . 1+100 ack 1 ts 701 0", ["deliver 100"]),
            (203, "timer", [". 1 ack 101 ts 203 701"]),
            (300, "< R 101 ts 5 0", ["failed reset"]),
        ],
        STAMPED,
    )
    run([*STAMPED_OPEN, (25 * 86_400_000, "< . 1+100 ack 1 ts 5 0", ["deliver 100"])], STAMPED)


def test_timestamps_wrap() -> None:
    run(
        [
            (0, "open", [f"S 0 ts {2**32 - 5} 0"]),
            (0, f"< SA 0 ack 1 mss 1460 ts {2**32 - 3} 0", ["established", f". 1 ts {2**32 - 5} {2**32 - 3}"]),
            (10, "< P 1+100 ack 1 ts 4 0", ["deliver 100"]),
            (11, "send 5", ["P 1+5 ts 6 4"]),
        ],
        STAMPED,
        timestamp_offset=2**32 - 5,
    )


def test_ecn_echo_until_the_sender_has_reduced_and_once_a_window() -> None:
    """RFC 3168 §6.1.2, §6.1.3."""
    config = msgspec.structs.replace(PLAIN, ecn=True)
    opened = [(0, "open", ["SEW 0"]), (0, "< SEA 0 ack 1 mss 1460", ["established", ". 1"])]
    run(
        [
            *opened,
            (0, "<ce . 1+100 ack 1", ["deliver 100", "E 1 ack 101"]),
            (1, "< . 101+100 ack 1", ["deliver 100"]),
            (2, "< . 201+100 ack 1", ["deliver 100", "E 1 ack 301"]),
            (3, "< W. 301+100 ack 1", ["deliver 100"]),
            (4, "< . 401+100 ack 1", ["deliver 100", ". 1 ack 501"]),
        ],
        config,
    )
    connection = run(
        [
            *opened,
            (0, "send 14600", [f"{'P' if n == 9 else '.'} {1 + 1460 * n}+1460" for n in range(10)]),
            (10, "< E. 1 ack 1461", []),
            (11, "< E. 1 ack 2921", []),
        ],
        config,
    )
    assert connection.control.cwnd == 14_600 * 9 // 10 // 2  # 13140 were outstanding, once


def test_the_peer_is_told_of_every_reduction_by_the_next_new_data() -> None:
    """RFC 3168 §6.1.2: after a fast retransmit, a timeout or an ECN-Echo; once, and never by what is sent again."""
    config = msgspec.structs.replace(PLAIN, ecn=True)
    opened = [(0, "open", ["SEW 0"]), (0, "< SEA 0 ack 1 mss 1460", ["established", ". 1"])]
    ten = (0, "send 14600", [f"{'P' if n == 9 else '.'} {1 + 1460 * n}+1460" for n in range(10)])
    then = [(60_000, "send 9", ["PW 14601+9"]), (60_001, "< . 1 ack 14610", []), (60_001, "send 9", ["P 14610+9"])]
    run([*opened, ten, (10, "< E. 1 ack 1461", []), (20, "< . 1 ack 14601", []), *then], config)
    duplicates = [(10, "< . 1 ack 1", [". 1+1460"] if n == 2 else []) for n in range(3)]
    run([*opened, ten, *duplicates, (20, "< . 1 ack 14601", []), *then], config)
    run([*opened, ten, (1000, "timer", [". 1+1460"]), (1010, "< . 1 ack 14601", []), *then], config)


def test_a_probe_of_a_shut_window_is_not_ecn_capable_and_tells_of_no_reduction() -> None:
    """RFC 3168 §6.1.6."""
    script = Script(msgspec.structs.replace(PLAIN, ecn=True))
    script.run(
        [
            (0, "open", ["SEW 0"]),
            (0, "< SEA 0 ack 1 mss 1460", ["established", ". 1"]),
            (0, "send 2920", [". 1+1460", "P 1461+1460"]),
            (1, "< E. 1 ack 1461", []),
            (2, "< . 1 ack 2921 win 0", []),
            (2, "send 100", []),
        ]
    )
    (probe,) = script.connection.handle(TimerFired(), 1_002 * MS)
    assert isinstance(probe, Transmit)
    assert not probe.ecn_capable
    assert not probe.segment.flags & TcpFlags.CWR
    script.run([(1_003, "< . 1 ack 2922 win 9000", ["PW 2922+99"])])


def test_an_accepted_connection_works_the_same() -> None:
    run([*ACCEPT, (0, "< P 1+5 ack 1", ["deliver 5"]), (1, "send 5", ["P 1+5 ack 6"])])
