"""TCP, RFC 9293: one machine that runs in a simulation, against a kernel's TCP, and by hand.

Read `connection` first: it says where to go on.
"""

from netlab.protocols.tcp.config import LINUX, PROFILES, RFC, TcpConfig
from netlab.protocols.tcp.connection import Connection
from netlab.protocols.tcp.events import (
    Abort,
    ActiveOpen,
    Close,
    Closed,
    Deliver,
    Dropped,
    Established,
    Event,
    Failed,
    Output,
    PassiveOpen,
    PauseReading,
    PeerClosed,
    Read,
    ResumeReading,
    SegmentArrived,
    Send,
    Stalled,
    TimerFired,
    Transmit,
    UrgentData,
)
from netlab.protocols.tcp.isn import InitialNumbers
from netlab.protocols.tcp.listener import Listener
from netlab.protocols.tcp.states import TRANSITIONS, Cause, State, diagram

__all__ = [
    "LINUX",
    "PROFILES",
    "RFC",
    "TRANSITIONS",
    "Abort",
    "ActiveOpen",
    "Cause",
    "Close",
    "Closed",
    "Connection",
    "Deliver",
    "Dropped",
    "Established",
    "Event",
    "Failed",
    "InitialNumbers",
    "Listener",
    "Output",
    "PassiveOpen",
    "PauseReading",
    "PeerClosed",
    "Read",
    "ResumeReading",
    "SegmentArrived",
    "Send",
    "Stalled",
    "State",
    "TcpConfig",
    "TimerFired",
    "Transmit",
    "UrgentData",
    "diagram",
]
