"""The eleven states, and every way from one to another: the table that the machine obeys and that the diagram is drawn
from.

Source: RFC 9293 §3.3.2 (Figure 5 and its notes), §3.10. Taught in notebook 06.
"""

from __future__ import annotations

import enum


class State(enum.Enum):
    """Where a connection is in its life (RFC 9293 §3.3.2)."""

    CLOSED = "CLOSED"
    LISTEN = "LISTEN"
    SYN_SENT = "SYN-SENT"
    SYN_RECEIVED = "SYN-RECEIVED"
    ESTABLISHED = "ESTABLISHED"
    FIN_WAIT_1 = "FIN-WAIT-1"
    FIN_WAIT_2 = "FIN-WAIT-2"
    CLOSE_WAIT = "CLOSE-WAIT"
    CLOSING = "CLOSING"
    LAST_ACK = "LAST-ACK"
    TIME_WAIT = "TIME-WAIT"


class Cause(enum.Enum):
    """What moves a connection from one state to another. Where the figure has "rcv X / snd Y", this is X."""

    PASSIVE_OPEN = "passive OPEN"
    ACTIVE_OPEN = "active OPEN"
    SEND = "SEND"
    CLOSE = "CLOSE"
    ABORT = "ABORT"
    SYN = "rcv SYN"
    SYN_ACK = "rcv SYN,ACK"
    ACK_OF_SYN = "rcv ACK of SYN"
    FIN = "rcv FIN"
    ACK_OF_FIN = "rcv ACK of FIN"
    RST = "rcv RST"
    RST_OF_PASSIVE = "rcv RST or SYN, after a passive OPEN"
    TIMEOUT_2MSL = "timeout 2MSL"
    USER_TIMEOUT = "user timeout"


_S, _C = State, Cause

DRAWN: dict[tuple[State, Cause], State] = {
    (_S.CLOSED, _C.PASSIVE_OPEN): _S.LISTEN,
    (_S.CLOSED, _C.ACTIVE_OPEN): _S.SYN_SENT,
    (_S.LISTEN, _C.SEND): _S.SYN_SENT,
    (_S.LISTEN, _C.ACTIVE_OPEN): _S.SYN_SENT,
    (_S.LISTEN, _C.SYN): _S.SYN_RECEIVED,
    (_S.LISTEN, _C.CLOSE): _S.CLOSED,
    (_S.SYN_SENT, _C.SYN): _S.SYN_RECEIVED,  # both opened at once (Figure 7)
    (_S.SYN_SENT, _C.SYN_ACK): _S.ESTABLISHED,
    (_S.SYN_SENT, _C.CLOSE): _S.CLOSED,
    (_S.SYN_RECEIVED, _C.ACK_OF_SYN): _S.ESTABLISHED,
    (_S.ESTABLISHED, _C.CLOSE): _S.FIN_WAIT_1,
    (_S.ESTABLISHED, _C.FIN): _S.CLOSE_WAIT,
    (_S.FIN_WAIT_1, _C.ACK_OF_FIN): _S.FIN_WAIT_2,
    (_S.FIN_WAIT_1, _C.FIN): _S.CLOSING,  # both closed at once (Figure 13)
    (_S.FIN_WAIT_2, _C.FIN): _S.TIME_WAIT,
    (_S.CLOSE_WAIT, _C.CLOSE): _S.LAST_ACK,
    (_S.CLOSING, _C.ACK_OF_FIN): _S.TIME_WAIT,
    (_S.LAST_ACK, _C.ACK_OF_FIN): _S.CLOSED,
    (_S.TIME_WAIT, _C.TIMEOUT_2MSL): _S.CLOSED,
}
"""Figure 5. (CLOSE in SYN-RECEIVED waits until the connection stands: "queue this until after entering the ESTABLISHED
state", §3.10.4. "If our FIN has been ACKed (perhaps in this segment), then enter TIME-WAIT": FIN-WAIT-1 sees the ACK
before the FIN, and so goes by FIN-WAIT-2.)"""

_RETURNS: dict[tuple[State, Cause], State] = {(_S.SYN_RECEIVED, _C.RST_OF_PASSIVE): _S.LISTEN}
"""A passive opener's: "return this connection to the LISTEN state" (§3.10.7.4, second and fourth; MUST-11)."""

_ENDS: dict[tuple[State, Cause], State] = {
    (state, cause): _S.CLOSED
    for state in State
    if state is not _S.CLOSED
    for cause in (_C.ABORT, _C.RST, _C.USER_TIMEOUT)
    if (state, cause) not in {(_S.LISTEN, _C.RST), (_S.LISTEN, _C.USER_TIMEOUT)}
}
"""What ends a connection at once. A LISTEN ignores resets (§3.10.7.2) and waits for ever."""

TRANSITIONS: dict[tuple[State, Cause], State] = {**DRAWN, **_RETURNS, **_ENDS}
"""Every move there is; what is not in here does not happen."""

MAY_SEND = frozenset({State.ESTABLISHED, State.CLOSE_WAIT})
"""The user may hand in more data to send."""

MAY_RECEIVE = frozenset({State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2})
"""Segment text is taken (§3.10.7.4, seventh)."""


def diagram(*, ends: bool = False) -> str:
    """The table as a Mermaid state diagram.

    Args:
        ends: also the moves of resets, aborts and timeouts, which Figure 5 leaves out "for clarity".
    """
    moves = TRANSITIONS if ends else DRAWN
    lines = ["stateDiagram-v2", "    [*] --> CLOSED"]
    lines += [f'    state "{state.value}" as {state.name}' for state in State if "-" in state.value]
    lines += [f"    {old.name} --> {new.name}: {cause.value}" for (old, cause), new in moves.items()]
    return "\n".join(lines) + "\n"
