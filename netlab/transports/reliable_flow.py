"""Bytes over rudp for whoever wants to push them: benchmarks, scenarios, notebooks.

async def sink(flow: ReliableFlow) -> None:
    async for came in flow:
        ...                                     # Deliver(stream, data, offset) or Ended(stream)

async with listen("rudp://127.0.0.1:0", sink) as at, dial(at.url) as flow:
    await flow.send(b"much", stream=1)          # waits while too much waits to be sent
    await flow.finish(stream=1)
    await flow.acknowledged()
"""

from __future__ import annotations

import asyncio
import secrets
import weakref
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from netlab.errors import ConnectionEnded
from netlab.packets.endpoint import format_host_port
from netlab.protocols.reliable_events import Finish, Write
from netlab.protocols.streams_in import Deliver, Ended
from netlab.transports.byte_stream import LINGER_S
from netlab.transports.reliable_stream import ReliableTransport
from netlab.transports.reliable_udp import ReliableListener, Settings, connect_stream
from netlab.transports.url import parse_url
from netlab.units import MIB

BULK = Settings(buffer=4 * MIB)
"""For much data: a window that a fast path with some delay can fill."""

AHEAD = 1 * MIB
"""Bytes that may wait to be sent before `send` waits."""

MOST_CONNECTIONS = 2_000


class ReliableFlow(asyncio.Protocol):
    """One reliable connection, its streams numbered from 0. What comes is iterated over, in the order it came.

    Attributes:
        counters: datagrams in and out, and whatever was dropped.
    """

    def __init__(self, counters: Counter[str]) -> None:
        self.counters = counters
        self._came: deque[Deliver | Ended] = deque()
        self._something = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._settled = asyncio.Event()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = 0

    # What is sent

    async def send(self, data: bytes | memoryview, *, stream: int = 0, unordered: bool = False) -> None:
        """Send bytes on a stream; or one message of one datagram, delivered whatever is missing before it.

        Raises:
            ConnectionEnded: the connection is over.
            LocalProtocolError, MessageTooBig: the stream is finished, or the message does not fit a datagram.
        """
        self._check()
        self._settled.clear()
        self._transport.step(Write(data, stream, unordered))
        await self._may_write.wait()
        self._check()

    async def finish(self, *, stream: int = 0) -> None:
        """Nothing more will be sent on this stream."""
        self._check()
        self._settled.clear()
        self._transport.step(Finish(stream))

    async def acknowledged(self) -> None:
        """Wait until everything that was sent is acknowledged.

        Raises:
            ConnectionEnded: it ended before.
        """
        while not self._transport.machine.settled:
            self._check()
            self._settled.clear()
            await self._settled.wait()
        self._check()

    # What comes

    def __aiter__(self) -> AsyncIterator[Deliver | Ended]:
        return self._arrivals()

    async def _arrivals(self) -> AsyncIterator[Deliver | Ended]:
        """Everything that comes, until the connection is over; a connection that broke raises."""
        while True:
            while self._came:
                came = self._came.popleft()
                if isinstance(came, Deliver):
                    self._waiting -= len(came.data)
                yield came
            self._transport.resume_reading()
            if self._came:
                continue
            if self._lost.done():
                self._check_broken()
                return
            self._something.clear()
            await self._something.wait()

    async def read(self, stream: int = 0) -> bytes:
        """Everything that comes on one stream until its end. What comes on others is dropped.

        Raises:
            ConnectionEnded: the connection broke before.
        """
        parts: list[bytes] = []
        async for came in self:
            if came.stream == stream:
                if isinstance(came, Ended):
                    return b"".join(parts)
                parts.append(came.data)
        raise ConnectionEnded(f"the connection ended before stream {stream} did", clean=True)

    # What it is

    @property
    def figures(self) -> dict[str, int]:
        """What the sender has found out: `srtt_us`, `cwnd`, `retransmissions`, ..."""
        return self._transport.machine.figures

    async def close(self) -> None:
        """Send what waits, see it acknowledged, and leave."""
        self._transport.close()
        await asyncio.wait([self._lost])

    def abort(self) -> None:
        """Leave at once."""
        self._transport.abort()

    def _check(self) -> None:
        if self._lost.done():
            self._check_broken()
            raise ConnectionEnded("the connection is over", clean=True)

    def _check_broken(self) -> None:
        error = self._lost.exception()
        if error is not None:
            raise ConnectionEnded(str(error), clean=False)

    # asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(ReliableTransport, transport)
        self._transport.set_write_buffer_limits(high=AHEAD)
        self._transport.on_step = self._stepped

    def _stepped(self) -> None:
        if not self._settled.is_set() and self._transport.machine.settled:
            self._settled.set()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def delivered(self, deliver: Deliver) -> None:
        """Data came; where nobody takes it, no more is asked for."""
        self._came.append(deliver)
        self._waiting += len(deliver.data)
        if self._waiting > AHEAD:
            self._transport.pause_reading()
        self._something.set()

    def ended(self, stream: int) -> None:
        """A stream has come to its end."""
        self._came.append(Ended(stream))
        self._something.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._lost.set_result(None)
        else:
            self._lost.set_exception(exc)
            self._lost.exception()  # whoever waits is told; nobody need
        for event in (self._something, self._may_write, self._settled):
            event.set()


@asynccontextmanager
async def dial(
    url: str, *, settings: Settings = BULK, entropy: Callable[[int], bytes] = secrets.token_bytes
) -> AsyncIterator[ReliableFlow]:
    """Connect to whoever listens at `rudp://host:port`. At the end what was sent is seen acknowledged; where the block
    raised, it ends at once.

    Raises:
        OSError, TimeoutError: nobody listens there, or answers.
        Refused: the server does not take us.
    """
    flow = ReliableFlow(Counter())
    await connect_stream(flow, parse_url(url), settings=settings, entropy=entropy, counters=flow.counters)
    try:
        yield flow
    except BaseException:
        flow.abort()
        raise
    await flow.close()


class Listening:
    """What `listen` gives: `url`, and `counters` of all connections."""

    def __init__(self, url: str, counters: Counter[str]) -> None:
        self.url = url
        self.counters = counters


@asynccontextmanager
async def listen(
    url: str,
    handler: Callable[[ReliableFlow], Awaitable[None]],
    *,
    settings: Settings = BULK,
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Listening]:
    """Listen at `rudp://host:port` (0: a free one), and have every connection handled; it ends where its handler does.

    Raises:
        OSError: the address is in use, or not ours.
    """
    counters: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()
    closing: weakref.WeakSet[Any] = weakref.WeakSet()

    async def handle(flow: ReliableFlow) -> None:
        try:
            await handler(flow)
        except BaseException:
            flow.abort()
            raise
        closing.add(asyncio.current_task())
        await flow.close()

    class Accepted(ReliableFlow):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            task = asyncio.get_running_loop().create_task(handle(self))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    socket = ReliableListener(
        lambda: Accepted(counters),
        settings=settings,
        entropy=entropy,
        max_flows=MOST_CONNECTIONS,
        counters=counters,
    )
    host, port = await socket.listen(parse_url(url))
    try:
        yield Listening(f"rudp://{format_host_port(host, port)}", counters)
    finally:
        socket.close()
        for task in tasks - set(closing):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=LINGER_S)
        socket.abort()
        await asyncio.gather(*tasks, return_exceptions=True)
        await socket.closed.wait()
