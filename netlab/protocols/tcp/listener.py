"""A passive opener for many: each SYN makes a connection of its own, up to a bound.

"A TCP implementation that supports multiple concurrent connections MUST provide an OPEN call that will functionally
allow an application to LISTEN on a port while a connection block with the same local port is in SYN-SENT or
SYN-RECEIVED state" (RFC 9293 §3.9.1.1, MUST-42). The bound keeps a flood of SYNs from filling the memory (RFC 4987):
what is above it is not answered, and an honest peer's SYN comes again."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from netlab.packets.tcp import TcpFlags, TcpSegment
from netlab.protocols.tcp.connection import Connection
from netlab.protocols.tcp.events import PassiveOpen
from netlab.protocols.tcp.tcb import reset_for
from netlab.units import Ns

BACKLOG = 128
"""Connections that may be half open at once."""

_DECIDING = TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST


class Listener:
    """The LISTEN state of a port.

    Args:
        make: `make(peer, segment, now)` makes a connection in CLOSED for a SYN of this peer.
        backlog: the bound; at least 1.

    Attributes:
        pending: connections that were begun and that `done` was not told of.
        dropped: SYNs that were not answered because of the bound.
    """

    def __init__(self, make: Callable[[Hashable, TcpSegment, Ns], Connection], *, backlog: int = BACKLOG) -> None:
        self._make = make
        self._backlog = max(1, backlog)
        self.pending: list[Connection] = []
        self.dropped = 0

    def open(self, peer: Hashable, segment: TcpSegment, now: Ns) -> Connection | TcpSegment | None:
        """A segment came to the port from a peer with no connection: a connection that the segment is to be handed to,
        a reset to send, or None."""
        if segment.flags & _DECIDING != TcpFlags.SYN:
            # "Any acknowledgment is bad if it arrives on a connection still in the LISTEN state."
            return reset_for(segment) if segment.flags & TcpFlags.ACK else None
        if len(self.pending) >= self._backlog:
            self.dropped += 1
            return None
        connection = self._make(peer, segment, now)
        connection.handle(PassiveOpen(), now)
        self.pending.append(connection)
        return connection

    def done(self, connection: Connection) -> None:
        """It is open, and somebody's; or it is no more."""
        if connection in self.pending:
            self.pending.remove(connection)
