"""The transition table: every state can be reached and left, and the diagram shows what the table says."""

from __future__ import annotations

from netlab.protocols.tcp import TRANSITIONS, Cause, State, diagram


def test_there_are_eleven_states_and_each_can_be_reached_from_closed_and_left_again() -> None:
    assert len(State) == 11
    for reverse in (False, True):
        reached, fresh = {State.CLOSED}, {State.CLOSED}
        while fresh:
            moves = [(new, old) if reverse else (old, new) for (old, _), new in TRANSITIONS.items()]
            fresh = {new for old, new in moves if old in fresh} - reached
            reached |= fresh
        assert reached == set(State)


def test_the_diagram_has_the_arrows_of_the_rfcs_figure() -> None:
    text = diagram()
    assert "SYN_SENT --> ESTABLISHED: rcv SYN,ACK" in text
    assert "FIN_WAIT_1 --> CLOSING: rcv FIN" in text
    assert "TIME_WAIT --> CLOSED: timeout 2MSL" in text
    assert Cause.RST.value not in text
    assert Cause.RST.value in diagram(ends=True)
    assert diagram(ends=True).count("-->") == len(TRANSITIONS) + 1
