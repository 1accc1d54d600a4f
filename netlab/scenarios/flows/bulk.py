"""As much as TCP or rudp carries: one stream, as fast as it will go."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, cast

import msgspec

from netlab.errors import NetlabError
from netlab.protocols.congestion import UnknownControl, named
from netlab.protocols.tcp import PROFILES
from netlab.scenarios.flows.flow import Flow, Lasting, Place, Summary
from netlab.scenarios.quantities import BadScenario, quantity
from netlab.transports.alarm import now_ns
from netlab.transports.reliable_flow import BULK
from netlab.transports.reliable_udp import ReliableListener, Settings, connect_stream
from netlab.transports.url import Address
from netlab.units import Ns, S, parse_size

PORT = 5000

BLOCK = bytes(64 * 1024)
"""What is written at a time."""


class Bulk(Lasting, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="bulk"):
    """One client and the server share a connection, and one of them sends all it can.

    Attributes:
        size: so much is sent; or
        lasts: for so long.
        over: the transport.
        cc: the sender's congestion control.
        profile: of both ends' TCP: `rfc`, or `linux` where Linux differs.
        direction: `there` is from the client to the server.
    """

    size: str = ""
    over: Literal["tcp", "rudp"] = "tcp"
    cc: str = "cubic"
    profile: Literal["linux", "rfc"] = "linux"
    direction: Literal["there", "back"] = "there"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size and not 0 < self.bytes <= 10**10:
            raise BadScenario(f'size = "{self.size}" is not from 1 B to 10000 MB: write size = "10MB"')
        if self.over != "tcp" and self.profile != "linux":
            raise BadScenario(f'profile = "{self.profile}" is of TCP, and this goes over {self.over}: leave it out')
        try:
            named(self.cc)
        except UnknownControl as error:
            raise BadScenario(f"cc: {error}") from None

    @property
    def bytes(self) -> int:
        return quantity("size", parse_size, self.size)

    def flow(self, place: Place) -> Flow:
        """The flow in its world."""
        return _Streaming(self, place)


class _Streaming:
    def __init__(self, config: Bulk, place: Place) -> None:
        self._config = config
        self._place = place
        self._sent = self._received = 0
        self._first: Ns | None = None
        self._last: Ns = 0
        self._broken = 0

    def summary(self) -> Summary:
        config, took = self._config, self._last - (self._first or 0)
        how = f"{config.cc}, {config.profile}" if config.over == "tcp" else config.cc
        return Summary(
            what=f"bytes over {config.over} ({how}), {config.direction}",
            sent=self._sent,
            delivered=self._received,
            doubled=0,
            lost=self._sent - self._received,
            unknown=self._broken,
            p50_ms=None,
            p99_ms=None,
            goodput_bit_s=self._received * 8 * S // took if took > 0 else 0,
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        if self._config.over == "tcp":
            self._place.use_tcp(PORT, PROFILES[self._config.profile], named(self._config.cc))
        listening: asyncio.Future[tuple[str, int]] = loop.create_future()
        done = asyncio.Event()
        await asyncio.gather(
            self._place.on_server(self._server(listening, done)),
            self._place.on_client(self._place.clients[0], self._client(listening, done)),
        )

    async def _server(self, listening: asyncio.Future[tuple[str, int]], done: asyncio.Event) -> None:
        accepted: asyncio.Queue[_End] = asyncio.Queue()
        async with self._listen(lambda: _End(self, accepted)) as at:
            listening.set_result(at)
            if self._config.direction == "back":
                waiting = asyncio.ensure_future(accepted.get())
                await asyncio.wait([waiting, asyncio.ensure_future(done.wait())], return_when="FIRST_COMPLETED")
                if waiting.done():
                    await self._send(waiting.result())
            await done.wait()

    @asynccontextmanager
    async def _listen(self, accept: Callable[[], _End]) -> AsyncIterator[tuple[str, int]]:
        host, port = self._place.listen(PORT)
        if self._config.over == "tcp":
            server = await asyncio.get_running_loop().create_server(accept, host, port)
            async with server:
                yield server.sockets[0].getsockname()[:2]
            return
        socket = ReliableListener(
            accept,
            settings=self._settings(f"server:{port}"),
            entropy=self._place.entropy("server"),
            max_flows=1,
            counters=Counter(),
        )
        bound = await socket.listen(Address("rudp", host, port))
        try:
            yield bound
        finally:
            socket.close()
            await socket.closed.wait()

    async def _connect(self, host: str, port: int) -> _End:
        end = _End(self)
        if self._config.over == "tcp":
            await asyncio.get_running_loop().create_connection(lambda: end, host, port)
        else:
            client = self._place.clients[0]
            await connect_stream(
                end,
                Address("rudp", host, port),
                settings=self._settings(client),
                entropy=self._place.entropy(client),
                counters=Counter(),
            )
        return end

    def _settings(self, who: str) -> Settings:
        """Of one end over rudp."""
        trace = self._place.trace
        named_trace = None if trace is None else lambda decision: trace(msgspec.structs.replace(decision, who=who))
        return msgspec.structs.replace(BULK, control=self._config.cc, trace=named_trace)

    async def _client(self, listening: asyncio.Future[tuple[str, int]], done: asyncio.Event) -> None:
        host, port = self._place.across(await listening, self._config.over)
        await asyncio.sleep(self._config.start / S)
        try:
            end = await self._connect(host, port)
            if self._config.direction == "there":
                await self._send(end)
            await end.over
        except (OSError, NetlabError):  # the link was too bad to come in, or broke
            self._broken += 1
        finally:
            done.set()

    async def _send(self, end: _End) -> None:
        config, loop = self._config, asyncio.get_running_loop()
        self._first = now_ns(loop)
        left = config.bytes if config.size else None
        until = self._first + config.duration
        while not end.over.done() and (left > 0 if left is not None else now_ns(loop) < until):
            block = BLOCK if left is None or left >= len(BLOCK) else BLOCK[:left]
            end.transport.write(block)
            self._sent += len(block)
            if left is not None:
                left -= len(block)
            await end.room.wait()
        if not end.over.done():
            end.transport.write_eof()

    def arrived(self, size: int, now: Ns) -> None:
        """The receiver got so many bytes."""
        self._received += size
        self._last = now


class _End(asyncio.Protocol):
    """One end of the connection: closes when the other has.

    Attributes:
        room: is set while the transport takes more.
        over: done when the connection is.
    """

    transport: asyncio.Transport

    def __init__(self, flow: _Streaming, accepted: asyncio.Queue[_End] | None = None) -> None:
        self._flow = flow
        self._accepted = accepted
        self._loop = asyncio.get_running_loop()
        self.room = asyncio.Event()
        self.room.set()
        self.over: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._accepted is not None:
            self._accepted.put_nowait(self)

    def data_received(self, data: bytes) -> None:
        self._flow.arrived(len(data), now_ns(self._loop))

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.set()
        if exc is None:
            self.over.set_result(None)
        else:
            self.over.set_exception(exc)
            if self._accepted is not None:
                self.over.exception()  # the client tells
