"""Exercise 06: how a connection ends, from ESTABLISHED to CLOSED.

`step(state, event)` returns the next state and what is sent: `(state, sent)`. States are the RFC's names, such as
`"FIN-WAIT-1"`. Events are `"close"` (the program has no more to send), `"FIN"` and `"ACK of FIN"` (they came) and
`"2MSL"` (the wait is over); `sent` is `"FIN"`, `"ACK"` or None.

The answer is walked from ESTABLISHED along the events of a close: the active end's, the passive end's, and both ends'
at once.

Source: RFC 9293 §3.3.2 (Figure 5), §3.6.
"""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint
from netlab.protocols.tcp.states import TRANSITIONS, Cause, State

EVENTS = {"close": Cause.CLOSE, "FIN": Cause.FIN, "ACK of FIN": Cause.ACK_OF_FIN, "2MSL": Cause.TIMEOUT_2MSL}
SENT = {"close": "FIN", "FIN": "ACK", "ACK of FIN": None, "2MSL": None}


class Walk(msgspec.Struct, frozen=True):
    """The events of one close, in order."""

    events: tuple[str, ...]


def _judge(step: Any, case: Walk) -> Complaint | None:
    state = State.ESTABLISHED
    gone = [state.value]
    for event in case.events:
        answer = step(state.value, event)
        after = TRANSITIONS[state, EVENTS[event]]
        expected = (after.value, SENT[event])
        gone.append(after.value)
        if answer != expected:
            return Complaint(
                _why(state, event, answer, expected),
                given=f"{' -> '.join(gone[:-1])}, then: {event}",
                expected=repr(expected),
                got=repr(answer),
                hint="each direction is closed by a FIN of its own, and each FIN is acknowledged (RFC 9293 §3.6)",
            )
        state = after
    return None


def _why(state: State, event: str, answer: Any, expected: tuple[str, str | None]) -> str:
    if not isinstance(answer, tuple) or len(answer) != 2:
        return f"step has to return a pair, the next state and what is sent, not {answer!r}"
    after, sent = answer
    where = f"in {state.value}, at {event!r}"
    if after not in {one.value for one in State}:
        return f"{where}: {after!r} is no state of RFC 9293"
    if after == "CLOSED" and expected[0] == "TIME-WAIT":
        return f"{where}: whoever closed first waits in TIME-WAIT: its last ACK may be lost, and asked for again"
    if state is State.ESTABLISHED and event == "FIN" and after != expected[0]:
        return f"{where}: the peer has no more to send, but we may have: that is CLOSE-WAIT (half-closed)"
    if state is State.FIN_WAIT_1 and event == "FIN" and after != expected[0]:
        return f"{where}: both closed at once: our FIN is not acknowledged yet, so we are CLOSING"
    if sent != expected[1]:
        return f"{where}: what is sent is {expected[1] or 'nothing'}, not {sent or 'nothing'}"
    return f"{where} comes {expected[0]}, not {after}"


exercise: Exercise[Walk] = Exercise(
    name="closing",
    notebook="06",
    write="step(state, event), which returns the next state and what is sent",
    cases=st.sampled_from(
        [
            Walk(("FIN", "close", "ACK of FIN")),
            Walk(("close", "ACK of FIN", "FIN", "2MSL")),
            Walk(("close", "FIN", "ACK of FIN", "2MSL")),
        ]
    ).flatmap(lambda walk: st.integers(1, len(walk.events)).map(lambda most: Walk(walk.events[:most]))),
    judge=_judge,
)
