"""What happens to a connection, and what is to be done about it.

The user calls are those of RFC 9293 §3.9.1 (OPEN, SEND, RECEIVE, CLOSE, ABORT); what is put out are segments to send
and what the user is to be told."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.packets.tcp import TcpSegment

# ---- events ----------------------------------------------------------------------------------------------------------


class ActiveOpen(msgspec.Struct, frozen=True):
    """OPEN, active: connect to the peer."""


class PassiveOpen(msgspec.Struct, frozen=True):
    """OPEN, passive: take the first SYN that comes. (`Listener` does this for many.)"""


class Send(msgspec.Struct, frozen=True):
    """SEND: these bytes come next in the stream. They are pushed: sent as soon as may be (MUST-60).

    Attributes:
        urgent: they end what is urgent (§3.8.5).
    """

    data: bytes
    urgent: bool = False


class PauseReading(msgspec.Struct, frozen=True):
    """From now on what comes waits here, and the window that is offered closes."""


class Read(msgspec.Struct, frozen=True):
    """RECEIVE: hand out at most so many bytes of what waits. For a user that paused."""

    size: int


class ResumeReading(msgspec.Struct, frozen=True):
    """Hand out what waits, and what comes at once, as at first."""


class Close(msgspec.Struct, frozen=True):
    """CLOSE: "I have no more data to send". What was sent before still goes out, and the peer may go on sending.

    Attributes:
        deaf: and nobody here reads any more: data that comes is answered with a reset (§3.6.1, SHLD-3).
    """

    deaf: bool = False


class Abort(msgspec.Struct, frozen=True):
    """ABORT: forget everything and reset the peer."""


class SegmentArrived(msgspec.Struct, frozen=True, gc=False):
    """A segment came whose checksum was right.

    Attributes:
        congestion_experienced: a router marked its packet CE (RFC 3168 §5).
    """

    segment: TcpSegment
    congestion_experienced: bool = False


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


Event: TypeAlias = (
    ActiveOpen | PassiveOpen | Send | PauseReading | Read | ResumeReading | Close | Abort | SegmentArrived | TimerFired
)

# ---- outputs ---------------------------------------------------------------------------------------------------------


class Transmit(msgspec.Struct, frozen=True, gc=False):
    """Send this segment to the peer.

    Attributes:
        ecn_capable: in a packet marked ECT(0) (RFC 3168 §5), so that routers may mark it instead of dropping it.
    """

    segment: TcpSegment
    ecn_capable: bool = False


class Established(msgspec.Struct, frozen=True):
    """The connection stands: the three-way handshake is done."""


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """The next bytes of the peer's stream, exact and in order; one or more."""

    data: bytes


class UrgentData(msgspec.Struct, frozen=True):
    """The peer's stream holds urgent data (MUST-32): so many bytes of it have not been delivered yet (MUST-33)."""

    ahead: int


class PeerClosed(msgspec.Struct, frozen=True):
    """The peer's stream has ended: everything of it was delivered. We may go on sending."""


class Stalled(msgspec.Struct, frozen=True):
    """The same data was sent again and again without an answer: R1 of §3.8.3 (SHLD-9, SHLD-10). It goes on trying."""

    detail: str


class Closed(msgspec.Struct, frozen=True):
    """Both streams ended in order and the connection is no more: it may be forgotten."""


class Failed(msgspec.Struct, frozen=True):
    """The connection is no more, and not by both sides' wish: it may be forgotten (MUST-12).

    Attributes:
        code: `refused`, `reset`, `timed_out` or `aborted`.
        detail: in words; of a timeout, what is unacknowledged.
    """

    code: str
    detail: str


class Dropped(msgspec.Struct, frozen=True):
    """A segment that came was not taken; `reason` is the name of a counter."""

    reason: str


Output: TypeAlias = Transmit | Established | Deliver | UrgentData | PeerClosed | Stalled | Closed | Failed | Dropped
