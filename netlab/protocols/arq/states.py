"""The states of an ARQ's sender, and every way from one to another: the table that the machine obeys and that diagrams
are drawn from."""

from __future__ import annotations

import enum


class State(enum.Enum):
    """How much a sender has on its way."""

    IDLE = "IDLE"
    OPEN = "OPEN"
    FULL = "FULL"
    FAILED = "FAILED"


class Cause(enum.Enum):
    """What moves a sender from one state to another."""

    SENT = "sent"
    FILLED = "sent, which fills the window"
    ACKED = "rcv ACK of the first"
    ACKED_LATER = "rcv ACK of a later one"
    ACKED_ALL = "rcv ACK of all"
    TIMEOUT = "timeout / send again"
    GAVE_UP = "timeout, once too often"


_S, _C = State, Cause

TRANSITIONS: dict[tuple[State, Cause], State] = {
    (_S.IDLE, _C.SENT): _S.OPEN,
    (_S.IDLE, _C.FILLED): _S.FULL,  # a window of one packet, as stop-and-wait has
    (_S.OPEN, _C.SENT): _S.OPEN,
    (_S.OPEN, _C.FILLED): _S.FULL,
    (_S.OPEN, _C.ACKED): _S.OPEN,
    (_S.OPEN, _C.ACKED_LATER): _S.OPEN,
    (_S.OPEN, _C.ACKED_ALL): _S.IDLE,
    (_S.OPEN, _C.TIMEOUT): _S.OPEN,
    (_S.OPEN, _C.GAVE_UP): _S.FAILED,
    (_S.FULL, _C.ACKED): _S.OPEN,
    (_S.FULL, _C.ACKED_LATER): _S.FULL,  # the window begins at the first that is not acknowledged
    (_S.FULL, _C.ACKED_ALL): _S.IDLE,
    (_S.FULL, _C.TIMEOUT): _S.FULL,
    (_S.FULL, _C.GAVE_UP): _S.FAILED,
}


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.IDLE.name}"]
    lines += [f"    {old.name} --> {new.name}: {cause.value}" for (old, cause), new in TRANSITIONS.items()]
    return "\n".join(lines) + "\n"
