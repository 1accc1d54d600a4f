"""One connection of a host: the machine, its timer, and whom to tell.

Source: RFC 9293 §3.9.1 names the calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from netlab.protocols.tcp.connection import Connection
from netlab.protocols.tcp.events import (
    Abort,
    Close,
    Closed,
    Deliver,
    Dropped,
    Established,
    Event,
    Failed,
    PauseReading,
    PeerClosed,
    ResumeReading,
    Send,
    TimerFired,
    Transmit,
)
from netlab.protocols.tcp.states import State
from netlab.units import Ns

if TYPE_CHECKING:
    from netlab.network.tcp_stack import TcpStack

_TIMER_FIRED = TimerFired()
_LISTEN = State.LISTEN  # every event asks, and Python 3.11 looks an enum's member up slowly

Key: TypeAlias = tuple[int, int, int]
"""Local port, remote address, remote port: what names a connection of one host."""


class TcpUser(Protocol):
    """Who is told what happens to a connection."""

    def established(self) -> None:
        """It stands."""

    def received(self, data: bytes) -> None:
        """The next bytes of the peer's stream."""

    def peer_closed(self) -> None:
        """The peer's stream has ended."""

    def writable(self) -> None:
        """What is not acknowledged is down to `low_water`: called after each event while it is."""

    def over(self, how: Closed | Failed) -> None:
        """The connection is no more."""


class TcpSocket:
    """One connection of a host.

    Attributes:
        connection: the machine, to look at.
        local, remote: address and port.
        low_water: bytes; the user is told `writable` while no more than these are unacknowledged. None: not at all.
    """

    __slots__ = ("_armed", "_awake", "_key", "_stack", "connection", "local", "low_water", "remote", "user")

    def __init__(
        self, stack: TcpStack, connection: Connection, local: tuple[int, int], remote: tuple[int, int], user: TcpUser
    ) -> None:
        self._stack = stack
        self.connection = connection
        self.local, self.remote = local, remote
        self.user = user
        self.low_water: int | None = None
        self._key: Key = (local[1], *remote)
        self._armed: Ns | None = None
        self._awake: Callable[[Any], None] = self._wake  # bound once

    # What the user asks

    def send(self, data: bytes) -> None:
        """These bytes come next; all of them are taken."""
        self.step(Send(data))

    def close(self, *, deaf: bool = False) -> None:
        """Nothing more will be sent; `deaf`: nor read."""
        self.step(Close(deaf))

    def abort(self) -> None:
        """Reset the connection."""
        self.step(Abort())

    def pause_reading(self) -> None:
        """What comes waits in the machine, and the window closes."""
        self.step(PauseReading())

    def resume_reading(self) -> None:
        """What waited comes now."""
        self.step(ResumeReading())

    # The shell: carry out what the machine asks, and arm its timer

    def step(self, event: Event) -> None:
        """Hand the machine an event and carry out what it asks: segments first, so that what the user does when it is
        told comes after them on the wire too."""
        stack, connection = self._stack, self.connection
        told = []
        for output in connection.handle(event, stack.now()):
            if type(output) is Transmit:
                stack.send(self.local[0], self.remote[0], output.segment)
            else:
                told.append(output)
        for output in told:
            if type(output) is Deliver:
                self.user.received(output.data)
            elif type(output) is Dropped:
                stack.dropped[output.reason] += 1
            elif type(output) is Established:
                stack.established(self)
                self.user.established()
            elif type(output) is PeerClosed:
                self.user.peer_closed()
            elif type(output) is Closed or type(output) is Failed:
                stack.forget(self)
                self.user.over(output)
        if connection.tcb.state is _LISTEN:
            stack.forget(self)  # reset before it stood: the listener listens on
            return
        if self.low_water is not None and connection.unacknowledged <= self.low_water:
            self.user.writable()
        self._arm()

    def _arm(self) -> None:
        """At most one timer is earlier than the deadline: a later deadline waits until that one fires."""
        at = self.connection.deadline
        if at is not None and (self._armed is None or at < self._armed):
            self._armed = at
            self._stack.call_at(at, self._awake, at)

    def _wake(self, at: Ns) -> None:
        if self._armed != at:
            return  # an earlier one was set meanwhile
        self._armed = None
        deadline = self.connection.deadline
        if deadline is not None and deadline <= self._stack.now():
            self.step(_TIMER_FIRED)
        else:
            self._arm()

    @property
    def key(self) -> Key:
        """What names it on its host."""
        return self._key
