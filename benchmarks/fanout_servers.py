"""The servers of `fanout.py`: each sends what one member of a room says to all members. Prints its port, then serves.

    python benchmarks/fanout_servers.py NAME

The bare ones do only what must be done, in asyncio: no rooms, no names, no limits, no resume.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

import netlab
from netlab.chat.limits import ChatLimits


def ready(port: int) -> None:
    print(port, flush=True)


class BareOneWrite(asyncio.Protocol):
    """4 bytes of length and a text; one write a message and member."""

    members: list[asyncio.Transport]

    def __init__(self, members: list[asyncio.Transport]) -> None:
        self.members = members
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.members.append(cast(asyncio.Transport, transport))
        self.members[-1].write(b"joined")

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        at = 0
        while len(data) - at >= 4:
            end = at + 4 + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            self.deliver(data[at:end])
            at = end
        self.buffer = data[at:]

    def deliver(self, message: bytes) -> None:
        for member in self.members:
            member.write(message)


class BareCoalesced(BareOneWrite):
    """The same with one write a turn and member: the ceiling."""

    def __init__(self, members: list[asyncio.Transport]) -> None:
        super().__init__(members)
        self.outbox: list[bytes] = []

    def deliver(self, message: bytes) -> None:
        if not self.outbox:
            asyncio.get_running_loop().call_soon(self.flush)
        self.outbox.append(message)

    def flush(self) -> None:
        data = b"".join(self.outbox)
        self.outbox = []
        for member in self.members:
            member.write(data)


async def bare(protocol: type[BareOneWrite]) -> None:
    members: list[asyncio.Transport] = []
    server = await asyncio.get_running_loop().create_server(lambda: protocol(members), "127.0.0.1", 0, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


class BareSendto(asyncio.DatagramProtocol):
    """One datagram a message and member."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.members: list[Any] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if data == b"join":
            self.members.append(addr)
            self.transport.sendto(b"joined", addr)
        else:
            for member in self.members:
                self.transport.sendto(data, member)


async def bare_sendto() -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(BareSendto, ("127.0.0.1", 0))
    ready(transport.get_extra_info("sockname")[1])
    await asyncio.Event().wait()


async def netlab_server(url: str) -> None:
    limits = ChatLimits(message_rate=0)
    async with netlab.serve(url, limits=limits) as server:
        ready(int(server.url.rpartition(":")[2]))
        await asyncio.Event().wait()


async def websockets_broadcast() -> None:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    members: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        members.add(connection)
        await connection.send("joined")
        async for message in connection:
            broadcast(members, message)

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        ready(next(iter(server.sockets)).getsockname()[1])
        await asyncio.Event().wait()


async def python_socketio() -> None:
    import socketio
    import uvicorn

    sio = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    @sio.on("join")
    async def join(sid: str, room: str) -> None:
        await sio.enter_room(sid, room)
        await sio.emit("joined", room, to=sid)

    @sio.on("say")
    async def say(sid: str, text: str) -> None:
        await sio.emit("say", text, room="lab")

    config = uvicorn.Config(socketio.ASGIApp(sio), host="127.0.0.1", port=0, log_level="error", ws="websockets")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn offers nothing to wait for
        await asyncio.sleep(0.01)
    ready(server.servers[0].sockets[0].getsockname()[1])
    await serving


SERVERS: dict[str, Callable[[], Awaitable[None]]] = {
    "asyncio, one write a message": lambda: bare(BareOneWrite),
    "asyncio, coalesced": lambda: bare(BareCoalesced),
    "websockets.broadcast": websockets_broadcast,
    "python-socketio": python_socketio,
    "netlab tcp": lambda: netlab_server("tcp://127.0.0.1:0"),
    "netlab ws": lambda: netlab_server("ws://127.0.0.1:0"),
    "netlab sio": lambda: netlab_server("sio://127.0.0.1:0"),
    "sendto loop": bare_sendto,
    "netlab udp": lambda: netlab_server("udp://127.0.0.1:0"),
}

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(SERVERS[sys.argv[1]]())  # type: ignore[arg-type]
