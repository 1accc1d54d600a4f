"""The states of BBR, what each does, and which follow one another.

Sections are of draft-ietf-ccwg-bbr, as `bbr` says.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class State(Enum):
    """Of BBR's machine; the value is the phase that traces show."""

    STARTUP = "startup"
    DRAIN = "drain"
    DOWN = "probe_bw down"
    CRUISE = "probe_bw cruise"
    REFILL = "probe_bw refill"
    UP = "probe_bw up"
    PROBE_RTT = "probe_rtt"


class Gains(NamedTuple):
    """Percent of the estimated rate to pace at, and of the BDP to have on its way."""

    pacing: int
    cwnd: int


GAINS = {  # §5.6.1
    State.STARTUP: Gains(277, 200),  # 4 ln 2: the rate doubles each round trip
    State.DRAIN: Gains(50, 200),
    State.DOWN: Gains(90, 200),
    State.CRUISE: Gains(100, 200),
    State.REFILL: Gains(100, 200),
    State.UP: Gains(125, 225),
    State.PROBE_RTT: Gains(100, 50),
}

PROBE_BW = (State.DOWN, State.CRUISE, State.REFILL, State.UP)
PROBING = (State.STARTUP, State.REFILL, State.UP)

TRANSITIONS = {  # §5.1.1; back to startup, where the loss that ended it turns out to have been none (§5.5.11.2)
    State.STARTUP: {State.DRAIN, State.PROBE_RTT},
    State.DRAIN: {State.DOWN, State.PROBE_RTT, State.STARTUP},
    State.DOWN: {State.CRUISE, State.REFILL, State.PROBE_RTT, State.STARTUP},
    State.CRUISE: {State.REFILL, State.PROBE_RTT, State.STARTUP},
    State.REFILL: {State.UP, State.PROBE_RTT, State.STARTUP},
    State.UP: {State.DOWN, State.PROBE_RTT, State.STARTUP},
    State.PROBE_RTT: {State.STARTUP, State.DOWN},
}
