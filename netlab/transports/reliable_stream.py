"""One reliable connection as asyncio knows connections: what is written for TCP runs on it. No protocol in here."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

from netlab.protocols.connection import Dropped, Failed, TimerFired, Transmit
from netlab.protocols.reliable import ReliableConnection
from netlab.protocols.reliable_events import (
    Abort,
    Close,
    Closed,
    Event,
    Finish,
    Pause,
    Resume,
    Unreachable,
    Write,
)
from netlab.protocols.streams_in import Deliver, Ended
from netlab.transports.alarm import Alarm, now_ns
from netlab.units import KIB

WRITTEN_AHEAD = 64 * KIB
"""Bytes that may wait to be sent before `pause_writing`, unless `set_write_buffer_limits` says otherwise."""


@runtime_checkable
class ManyStreams(Protocol):
    """A protocol that takes all streams, and messages out of order."""

    def delivered(self, deliver: Deliver) -> None:
        """Data of some stream came."""

    def ended(self, stream: int) -> None:
        """A stream has come to its end."""


class ReliableTransport(asyncio.Transport):
    """Stream 0 of a reliable connection; of the others, what `step` is asked for.

    Args:
        machine: the connection.
        send: sends one datagram to the peer.
        gone: called once, when the connection is over.
        extra: as `get_extra_info` gives it.
    """

    def __init__(
        self,
        machine: ReliableConnection,
        send: Callable[[bytes], None],
        gone: Callable[[], None],
        counters: Counter[str],
        extra: dict[str, Any],
    ) -> None:
        super().__init__(extra)
        self.machine = machine
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._gone = gone
        self._counters = counters
        self._protocol: asyncio.Protocol
        self._many: ManyStreams | None = None
        self._alarm = Alarm(self._loop, lambda: self.step(TimerFired()))
        self._held: deque[Deliver | Ended] = deque()
        self._reading = True
        self._closing = False
        self._over = False
        self._high, self._low = WRITTEN_AHEAD, WRITTEN_AHEAD // 4
        self._writing_paused = False
        self.on_step: Callable[[], None] | None = None
        """Called whenever something happened to the connection."""

    def begin(self, protocol: asyncio.Protocol) -> None:
        """Connected: from now on the protocol is told what comes."""
        self.set_protocol(protocol)
        protocol.connection_made(self)
        if not self._over:
            self._alarm.set(self.machine.deadline)

    def step(self, event: Event) -> None:
        """Hand the machine an event and carry out what it asks."""
        for output in self.machine.handle(event, now_ns(self._loop)):
            if isinstance(output, Transmit):
                self._send(output.data)
            elif isinstance(output, Deliver | Ended):
                self._hand_up(output)
            elif isinstance(output, Dropped):
                self._counters[output.reason] += 1
            elif isinstance(output, Failed):
                self._counters[output.code] += 1
                self._lose(ConnectionResetError(output.detail))
            elif isinstance(output, Closed):
                self._lose(None)
        if not self._over:
            self._alarm.set(self.machine.deadline)
            self._tell_how_much_waits()
        if self.on_step is not None:
            self.on_step()

    def _hand_up(self, output: Deliver | Ended) -> None:
        if not self._reading or self._held:
            self._held.append(output)
            return
        if self._over:
            return
        if self._many is not None:
            if isinstance(output, Deliver):
                self._many.delivered(output)
            else:
                self._many.ended(output.stream)
        elif output.stream != 0:
            self._counters["unexpected_stream"] += 1
        elif isinstance(output, Deliver):
            self._protocol.data_received(output.data)
        elif not self._protocol.eof_received():
            self.close()

    def _tell_how_much_waits(self) -> None:
        queued = self.machine.queued
        if queued > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()
        elif queued <= self._low and self._writing_paused:
            self._writing_paused = False
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if not self._over:
            self._over = self._closing = True
            self._alarm.set(None)
            self._held.clear()
            self._gone()
            self._loop.call_soon(self._protocol.connection_lost, error)

    def refused(self) -> None:
        """The network says that nobody listens at the peer's address (any more)."""
        if not self._over:
            self.step(Unreachable())

    # asyncio's transport

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast(asyncio.Protocol, protocol)
        self._many = protocol if isinstance(protocol, ManyStreams) else None

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._over and not self._closing:
            self.step(Write(bytes(data)))

    def write_eof(self) -> None:
        if not self._over and not self._closing:
            self.step(Finish())

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._reading = True  # nobody reads any more what comes
            self._held.clear()
            self.step(Close())

    def abort(self) -> None:
        if not self._over:
            self._closing = True
            self.step(Abort())

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        if self._reading and not self._closing:
            self._reading = False
            self.step(Pause())

    def resume_reading(self) -> None:
        if self._reading or self._closing:
            return
        self._reading = True
        while self._held and self._reading:
            held, self._held = self._held, deque()
            while held and self._reading:
                self._hand_up(held.popleft())
            held.extend(self._held)
            self._held = held
        if self._reading and not self._over:
            self.step(Resume())

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = WRITTEN_AHEAD if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return self.machine.queued

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high
