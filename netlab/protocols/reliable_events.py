"""What happens to a reliable connection, and what it asks of its shell."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.packets.packet import Packet
from netlab.protocols.connection import Dropped, Failed, TimerFired, Transmit
from netlab.protocols.streams_in import Deliver, Ended


class PacketArrived(msgspec.Struct, frozen=True, gc=False):
    """A packet of this session came."""

    packet: Packet


class Write(msgspec.Struct, frozen=True):
    """Send data on a stream; `unordered`: one message, delivered whatever is missing before it."""

    data: bytes | memoryview
    stream: int = 0
    unordered: bool = False


class Finish(msgspec.Struct, frozen=True):
    """Nothing more will be written to a stream."""

    stream: int = 0


class Pause(msgspec.Struct, frozen=True):
    """What is delivered from now on is not consumed: the peer's window closes."""


class Resume(msgspec.Struct, frozen=True):
    """All that was delivered is consumed, and what comes will be at once."""


class Close(msgspec.Struct, frozen=True):
    """Send what waits, see it acknowledged, and leave."""


class Abort(msgspec.Struct, frozen=True):
    """Leave at once, whatever is unacknowledged."""


class Unreachable(msgspec.Struct, frozen=True):
    """The network says that nobody listens at the peer's address (any more)."""


class Closed(msgspec.Struct, frozen=True):
    """The connection is over, in order."""


Event: TypeAlias = PacketArrived | Write | Finish | Pause | Resume | Close | Abort | Unreachable | TimerFired
Output: TypeAlias = Transmit | Deliver | Ended | Closed | Failed | Dropped
