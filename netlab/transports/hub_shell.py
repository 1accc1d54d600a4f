"""One HubShell owns the hub and its only timer; any number of transports attach to it. All of the I/O, none of the
rules.

What the hub hands out within one turn of the event loop goes out together: a room's messages are encoded once, joined
once, and each member's connection gets one write. The system call is the cost, so fewer writes are the win.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable
from typing import Any, Protocol

from netlab.chat.hub import Hub
from netlab.chat.hub_events import (
    Admit,
    Close,
    Closed,
    Dropped,
    Event,
    Opened,
    Output,
    Received,
    Report,
    Send,
    TimerFired,
)
from netlab.chat.limits import ChatLimits
from netlab.chat.messages import Goodbye
from netlab.chat.store import Append, Heard, MemoryLog, Relink, Save
from netlab.packets.packet import PacketType
from netlab.protocols import socketio
from netlab.protocols.connection import DATAGRAM_FRAGMENT, STREAM_PAYLOAD, encode_message, pack
from netlab.protocols.engineio import Texts
from netlab.protocols.websocket import frames
from netlab.transports.alarm import Alarm, now_ns

TAKES_PART_S = 5.0
"""How long a server waits at its start until its word is heard through the broker, s."""

SERVER_CLOSED = Goodbye("server_closed", "the server is closing")


class Batch:
    """What one turn says to the same recipients: encoded packets, put together once for each kind of transport."""

    __slots__ = ("_datagrams", "_events", "_frames", "_stream", "messages", "recipients", "skip")

    def __init__(self, recipients: tuple[int, ...], skip: int | None) -> None:
        self.recipients = recipients
        self.skip = skip
        self.messages: list[tuple[int, bytes]] = []
        self._stream: bytes | None = None
        self._frames: bytes | None = None
        self._events: Texts | None = None
        self._datagrams: list[bytes] | None = None

    def stream(self) -> bytes:
        """All packets back to back."""
        if self._stream is None:
            self._stream = b"".join(self.packets(STREAM_PAYLOAD))
        return self._stream

    def frames(self) -> bytes:
        """Each packet in a frame of WebSocket."""
        if self._frames is None:
            self._frames = frames(self.packets(STREAM_PAYLOAD))
        return self._frames

    def events(self) -> Texts:
        """Each message as an event of Socket.IO."""
        if self._events is None:
            self._events = Texts([socketio.event(data) for _, data in self.messages])
        return self._events

    def datagrams(self) -> list[bytes]:
        """All packets in as few datagrams as they fit, still without a session token."""
        if self._datagrams is None:
            self._datagrams = pack(self.packets(DATAGRAM_FRAGMENT))
        return self._datagrams

    def packets(self, max_payload: int) -> list[bytes]:
        """All packets, encoded, each with at most so much payload."""
        return [
            packet
            for message_id, data in self.messages
            for packet in encode_message(
                data, message_id=message_id, max_payload=max_payload, packet_type=PacketType.DATA
            )
        ]


class Port(Protocol):
    """What a transport gives the hub shell for each connection."""

    def admit(self) -> None:
        """Read from it."""

    def send(self, batches: list[Batch]) -> None:
        """Send what these batches hold, in order, in as few writes as it takes."""

    def close(self, reason: Goodbye) -> None:
        """Tell the peer why, send what is on its way, and close."""


class Log(Protocol):
    """What the hub appends to, and hears from: in memory (`store.MemoryLog`), or a broker's."""

    def append(self, request: Append) -> Heard | None:
        """Add to it. Where that is heard at once, it comes back; else it is handed to the hub later."""

    def save(self, request: Save) -> None:
        """Keep a snapshot."""

    def relink(self) -> None:
        """Connect anew."""


class Broker(Log, Protocol):
    """A log outside of this process.

    Attributes:
        keep: a snapshot is to be kept every so many batches.
    """

    keep: int

    async def open(self, hub: Hub, step: Callable[[Event], None]) -> None:
        """Reach it, and hand the hub what it says from then on.

        Raises:
            NetlabError: it can't be reached, or can't be used.
        """

    async def close(self) -> None:
        """Leave it."""


class HubShell:
    """The hub of one process, for all its transports.

    Args:
        limits: what the hub allows.
        token: what clients must present, or empty.
        entropy: `secrets.token_bytes`, or a seeded stream in simulation.
        wall_clock: ns since 1970.
        broker: what makes one chat of several servers; `await link()` before anybody is let in.

    Made inside a running event loop, and used only from it.
    """

    def __init__(
        self,
        *,
        limits: ChatLimits | None = None,
        token: str = "",
        entropy: Callable[[int], bytes] = secrets.token_bytes,
        wall_clock: Callable[[], int] = time.time_ns,
        broker: Broker | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.hub = Hub(
            entropy,
            limits=limits,
            token=token,
            wall_offset=wall_clock() - now_ns(self._loop),
            keep=broker.keep if broker else None,
        )
        self.entropy = entropy
        self.wall_clock = wall_clock
        self.counters: dict[str, Callable[[], dict[str, Any]]] = {}
        """Each transport's counters, by its URL: added to what `netlab stats` shows."""
        self._broker = broker
        self._log: Log = broker or MemoryLog()
        self._alarm = Alarm(self._loop, self._timer_fired)
        self._next_conn = itertools.count(1).__next__
        self._ports: dict[int, Port] = {}
        self._outbox: dict[int, list[Batch]] = {}
        self._open_batch: Batch | None = None
        self._flush_due = False
        self._taking_part: asyncio.Event | None = None
        self._left: asyncio.Future[None] | None = None

    def new_conn(self) -> int:
        """The next connection's number."""
        return self._next_conn()

    def open(self, conn: int, port: Port, *, reliable: bool, validated: bool = False) -> None:
        """A transport has a connection."""
        self._ports[conn] = port
        self.step(Opened(conn, reliable, validated))

    def received(self, conn: int, message: bytes) -> None:
        """A whole message came over it."""
        self.step(Received(conn, message))

    def closed(self, conn: int, *, said: bool) -> None:
        """It is gone."""
        if self._ports.pop(conn, None) is not None:
            self._outbox.pop(conn, None)
            self.step(Closed(conn, said))
            if self._left is not None and not self._left.done():
                self._left.set_result(None)

    def step(self, event: Event) -> None:
        """Hand the hub an event and carry out what it asks; what is to be sent waits for the end of this turn."""
        now = now_ns(self._loop)
        self._carry_out(self.hub.handle(event, now), now)
        if self._taking_part is not None and not self.hub.degraded:
            self._taking_part.set()
            self._taking_part = None
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _carry_out(self, outputs: list[Output], now: int) -> None:
        for output in outputs:
            match output:
                case Send():
                    self._send(output)
                case Append():
                    if (heard := self._log.append(output)) is not None:
                        self._carry_out(self.hub.handle(heard, now), now)
                case Close(conn, reason):
                    self._flush_one(conn)
                    if port := self._ports.pop(conn, None):
                        port.close(reason)
                case Admit(conn):
                    self._ports[conn].admit()
                case Report(conn, op):
                    counters = {url: counters() for url, counters in self.counters.items()}
                    self._send(Send((conn,), self.hub.next_message_id(), self.hub.report(op, counters)))
                case Save():
                    self._log.save(output)
                case Relink():
                    self._log.relink()
                case Dropped():
                    pass  # the hub counts it

    def _send(self, send: Send) -> None:
        """Add to what this turn sends. A batch stays open while the same recipients follow, whoever else gets
        results."""
        batch = self._open_batch
        if batch is None or batch.recipients is not send.recipients or batch.skip != send.skip:
            batch = Batch(send.recipients, send.skip)
            for conn in send.recipients:
                if conn != send.skip:
                    self._outbox.setdefault(conn, []).append(batch)
            if not send.loose:
                self._open_batch = batch
        batch.messages.append((send.message_id, send.data))

    def _flush(self) -> None:
        self._flush_due = False
        outbox, self._outbox, self._open_batch = self._outbox, {}, None
        for conn, batches in outbox.items():
            if port := self._ports.get(conn):
                port.send(batches)
        self._alarm.set(self.hub.deadline)

    def _flush_one(self, conn: int) -> None:
        """Before a connection closes: what was said to it goes first."""
        batches = self._outbox.pop(conn, None)
        if batches and (port := self._ports.get(conn)):
            self._open_batch = None
            port.send(batches)

    def _timer_fired(self) -> None:
        self.step(TimerFired())

    async def link(self) -> None:
        """Reach the broker, if there is one.

        Raises:
            NetlabError: it can't be reached, or can't be used.
        """
        if self._broker is not None:
            self._taking_part = taking_part = asyncio.Event()
            await self._broker.open(self.hub, self.step)
            with contextlib.suppress(TimeoutError):  # it serves without the others then, until the broker answers
                async with asyncio.timeout(TAKES_PART_S):
                    await taking_part.wait()

    async def emptied(self) -> None:
        """Wait until no connection is left."""
        while self._ports:
            self._left = self._loop.create_future()
            await self._left

    async def close(self) -> None:
        """Tell everybody that the server closes."""
        self._flush()
        conns = list(self._ports)
        for conn in conns:
            self._ports.pop(conn).close(SERVER_CLOSED)
        if self._broker is not None:
            for conn in conns:  # those on other servers are told
                self.step(Closed(conn, said=True))
            await self._broker.close()
        self._alarm.set(None)
