"""Opening a connection: RFC 9293 §3.5, each figure as a script; and what the SYNs say."""

from __future__ import annotations

import msgspec
import pytest

from netlab.errors import LocalProtocolError
from netlab.protocols.congestion import Reno
from netlab.protocols.tcp import RFC, ActiveOpen, Close, Connection, PassiveOpen, Send, State

from .script import ACCEPT, OPEN, PLAIN, Script, run


def test_three_way_handshake_figure_6() -> None:
    run(
        [
            (0, "open", ["S 0 mss 1460"], State.SYN_SENT),
            (100, "< SA 0 ack 1 win 1000", ["established", ". 1 ack 1"], State.ESTABLISHED),
            (100, "send 10", ["P 1+10 ack 1"]),
        ]
    )
    run(ACCEPT)


def test_simultaneous_open_figure_7() -> None:
    """MUST-10."""
    run(
        [
            (0, "open", ["S 0"], State.SYN_SENT),
            (50, "< S 0 mss 1460", ["SA 0 ack 1"], State.SYN_RECEIVED),
            (100, "< SA 0 ack 1", ["established"], State.ESTABLISHED),
        ]
    )


def test_an_old_duplicate_syn_figure_8() -> None:
    """The old SYN is answered; the peer, whose number that is not, resets; and we are in LISTEN again (MUST-11)."""
    run(
        [
            (0, "listen", [], State.LISTEN),
            (0, "< S -900", ["SA 0 ack -899"], State.SYN_RECEIVED),
            (10, "< R -899", [], State.LISTEN),
            (20, "< S 0", ["SA 0 ack 1"], State.SYN_RECEIVED),
            (30, "< . 1 ack 1", ["established"], State.ESTABLISHED),
        ]
    )


def test_after_an_active_open_a_reset_in_syn_received_is_told() -> None:
    """MUST-11: what is done depends on how SYN-RECEIVED was reached."""
    run(
        [
            (0, "open", ["S 0"]),
            (10, "< S 0", ["SA 0 ack 1"], State.SYN_RECEIVED),
            (20, "< R 1", ["failed refused"], State.CLOSED),
        ]
    )


def test_half_open_connection_discovery_figure_9() -> None:
    """A SYN that meets an old connection is answered with its ACK, which we reset."""
    run([(0, "open", ["S 0"]), (10, "< . 300 ack -20", ["R -20"], State.SYN_SENT)])


def test_a_reset_refuses_only_where_it_acknowledges_our_syn() -> None:
    run(
        [
            (0, "open", ["S 0"]),
            (10, "< R 0", [], State.SYN_SENT),
            (20, "< RA 0 ack 1", ["failed refused"], State.CLOSED),
        ]
    )
    run([(0, "open", ["S 0"]), (10, "< RA 0 ack 9", [], State.SYN_SENT)])


def test_closed_and_listen_answer_segments_with_resets() -> None:
    run([(0, "< . 5 ack 77", ["R 77"]), (0, "< S 5", ["RA -10000 ack 6"]), (0, "< R 5", [])])
    run([(0, "listen", []), (0, "< . 5 ack 77", ["R 77"]), (0, "< R 5", []), (0, "< F 5", [])])


def test_what_is_not_a_syn_is_dropped_in_syn_sent() -> None:
    run([(0, "open", ["S 0"]), (1, "< F 7", [], State.SYN_SENT), (2, "< . 7 ack 1", [], State.SYN_SENT)])


def test_the_syn_is_sent_again_with_exponential_back_off_for_three_minutes() -> None:
    """MUST-22, MUST-23; RFC 6298 §2.1, §5.5."""
    times = [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000]
    run(
        [
            (0, "open", ["S 0"]),
            *[(at, "timer", ["S 0"]) for at in times[1:]],
            (180_000, "timer", ["failed timed_out"], State.CLOSED),
        ]
    )


def test_after_a_lost_syn_the_initial_window_is_one_segment() -> None:
    """RFC 5681 §3.1; RFC 6298 §5.7 starts data with the time that the handshake was backed off to."""
    run(
        [
            (0, "open", ["S 0"]),
            (1000, "timer", ["S 0"]),
            (1100, "< SA 0 ack 1 mss 1000", ["established", ". 1"]),
            (1100, "send 5000", [". 1+1000"]),
            (1200, "< . 1 ack 1001", [". 1001+1000", ". 2001+1000"]),
        ]
    )


def test_a_repeated_syn_is_answered_again() -> None:
    run([(0, "listen", []), (0, "< S 0", ["SA 0 ack 1"]), (500, "< S 0", ["SA 0 ack 1"], State.SYN_RECEIVED)])


def test_the_listener_repeats_its_answer() -> None:
    run([(0, "listen", []), (0, "< S 0", ["SA 0 ack 1"]), (1000, "timer", ["SA 0 ack 1"]), (3000, "timer", ["SA 0"])])


def test_an_unacceptable_acknowledgment_in_syn_received_is_reset() -> None:
    run([(0, "listen", []), (0, "< S 0", ["SA 0 ack 1"]), (1, "< . 1 ack 2", ["R 2"], State.SYN_RECEIVED)])


def test_a_syn_in_syn_received_returns_a_passive_opener_to_listen() -> None:
    run([(0, "listen", []), (0, "< S 0", ["SA 0 ack 1"]), (1, "< S 30", [], State.LISTEN)])


def test_data_sent_before_the_connection_stands_goes_with_it() -> None:
    run(
        [
            (0, "open", ["S 0"]),
            (0, "send 100", []),
            (20, "< SA 0 ack 1", ["established", "P 1+100 ack 1"]),
        ]
    )


def test_a_send_in_listen_opens_actively() -> None:
    """§3.9.1.1: "A fully specified passive call can be made active by the subsequent execution of a SEND"."""
    run([(0, "listen", []), (0, "send 10", ["S 0"], State.SYN_SENT), (1, "< SA 0 ack 1", ["established", "P 1+10"])])


def test_close_before_the_connection_stands() -> None:
    run([(0, "open", ["S 0"]), (1, "close", ["closed"], State.CLOSED)])
    run([(0, "listen", []), (1, "close", ["closed"], State.CLOSED)])
    run(
        [
            (0, "listen", []),
            (0, "< S 0", ["SA 0 ack 1"]),
            (1, "close", [], State.SYN_RECEIVED),
            (2, "< . 1 ack 1", ["established", "FA 1"], State.FIN_WAIT_1),
        ]
    )


def test_calls_that_a_state_does_not_allow() -> None:
    def fresh() -> Connection:
        return Connection(1, 2, iss=0, control=Reno)

    with pytest.raises(LocalProtocolError, match="does not exist"):
        fresh().handle(Send(b"x"), 0)
    with pytest.raises(LocalProtocolError, match="unspecified"):
        Connection(1, iss=0, control=Reno).handle(ActiveOpen(), 0)
    opened = fresh()
    opened.handle(ActiveOpen(), 0)
    for again in (ActiveOpen(), PassiveOpen()):
        with pytest.raises(LocalProtocolError, match="exists"):
            opened.handle(again, 0)
    established = Script()
    established.run(OPEN)
    established.connection.handle(Close(), 0)
    with pytest.raises(LocalProtocolError, match="closing"):
        established.connection.handle(Send(b"x"), 0)


# ---- what the SYNs say ----


def test_the_mss_option_is_sent_and_obeyed() -> None:
    """MUST-14, MUST-16, MUST-65."""
    run(
        [
            (0, "open", ["S 0 mss 1460"]),
            (1, "< SA 0 ack 1 mss 700", ["established", ". 1 ack 1 mss -"]),
            (1, "send 1000", [". 1+700 ack 1 mss -"]),
        ]
    )
    run(
        [
            (0, "open", ["S 0 mss 500"]),
            (1, "< SA 0 ack 1 mss 1460", ["established", ". 1"]),
            (1, "send 600", [". 1+500"]),
        ],
        msgspec.structs.replace(PLAIN, mss=500),
    )


def test_without_an_mss_option_536_is_assumed() -> None:
    """MUST-15."""
    run([(0, "open", ["S 0"]), (1, "< SA 0 ack 1", ["established", ". 1"]), (1, "send 600", [". 1+536"])])


def test_options_hold_where_both_sent_them() -> None:
    offer = "S 0 mss 1460 sackok ts 0 0 ws 5"
    run(
        [
            (0, "open", [offer]),
            (5, "< SA 0 ack 1 mss 1460 sackok ts 70 0 ws 7", ["established", ". 1 ts 5 70"]),
            (5, "send 1448", ["P 1+1448 ts 5 70"]),
        ],
        RFC,
    )
    run(
        [
            (0, "open", [offer]),
            (5, "< SA 0 ack 1 win 1000 mss 1460", ["established", ". 1 ts -"]),
            (5, "send 1000", ["P 1+1000 ts -"]),
        ],
        RFC,
    )
    run([(0, "listen", []), (1, "< S 0 ts 9 0", ["SA 0 ack 1 ts 1 9 sackok - ws -"])], RFC)


def test_windows_are_scaled_but_not_those_of_syns() -> None:
    """RFC 7323 §2.2, §2.3: a count above 14 is taken as 14."""
    connection = run(
        [
            (0, "open", ["S 0 win 65535 ws 5"]),
            (1, "< SA 0 ack 1 win 100 mss 1460 ws 20", ["established", ". 1 win 32768"]),
        ],
        msgspec.structs.replace(RFC, timestamps=False, sack=False),
    )
    assert connection.tcb.sender.snd_wnd == 100
    connection = run(
        [
            (0, "open", ["S 0"]),
            (1, "< SA 0 ack 1 win 100 mss 1460 ws 20", ["established", ". 1"]),
            (2, "< . 1 ack 1 win 3", []),
        ],
        msgspec.structs.replace(RFC, timestamps=False, sack=False),
    )
    assert connection.tcb.sender.snd_wnd == 3 << 14


def test_ecn_is_negotiated() -> None:
    """RFC 3168 §6.1.1."""
    ecn = msgspec.structs.replace(PLAIN, ecn=True)
    run([(0, "open", ["SEW 0"]), (1, "< SEA 0 ack 1", ["established", ". 1"])], ecn)
    for answer, agreed in (("SEA", True), ("SEWA", False), ("SA", False)):
        connection = run([(0, "open", ["SEW 0"]), (1, f"< {answer} 0 ack 1", ["established", ". 1"])], ecn)
        assert connection.tcb.agreed.ecn is agreed
    run([(0, "listen", []), (1, "< SEW 0", ["SEA 0"])], ecn)
    run([(0, "listen", []), (1, "< SEW 0", ["SA 0"])])
