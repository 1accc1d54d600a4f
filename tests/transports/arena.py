"""What the tests on real sockets share: a runner, people with a memory, raw peers, and a relay that cuts.

Nothing sleeps: whoever waits, waits for something that will happen, and the whole test has one deadline.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import os
import random
import secrets
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, TypeVar

import msgspec
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

import netlab
from netlab.chat import messages as m
from netlab.chat.client_events import Changed
from netlab.chat.limits import ChatLimits
from netlab.packets.packet import Packet, PacketType, decode, decode_all, decode_first, encode, with_session
from netlab.protocols import socketio
from netlab.protocols.connection import DATAGRAM_FRAGMENT, STREAM_PAYLOAD, encode_message, pack
from netlab.transports import Chat, HubShell
from netlab.transports.reliable_udp import connect_stream
from netlab.transports.url import parse_url
from netlab.units import KIB

_F = TypeVar("_F", bound=Callable[..., Coroutine[Any, Any, None]])

MEMORY_GIVEN_BACK = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(64 * KIB)}
"""For a process whose memory is measured: glibc gives a message's memory back at once, so that what is measured is what
is held, and not how the heap happens to lie."""


def live(seconds: float = 30) -> Callable[[_F], Callable[..., None]]:
    """Run an async test, all of it within `seconds`; what asyncio would only have logged fails it."""

    def decorate(test: _F) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*args: Any, **kwargs: Any) -> None:
            faults: list[dict[str, Any]] = []

            async def main() -> None:
                asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
                async with asyncio.timeout(seconds):
                    await test(*args, **kwargs)

            asyncio.run(main())
            gc.collect()  # exceptions that nobody retrieved, transports that nobody closed
            assert not faults, faults

        return run

    return decorate


class Person:
    """A chat, and everything that happened in it."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.events: list[Any] = []
        self._came = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self.chat.events():
            self.events.append(event)
            self._came.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something that happens makes it true."""
        while not condition():
            self._came.clear()
            await self._came.wait()

    @property
    def texts(self) -> list[Any]:
        return [event.args[0] for event in self.events if isinstance(event, m.Message)]

    @property
    def statuses(self) -> list[str]:
        return [event.status for event in self.events if isinstance(event, Changed)]

    @property
    def gaps(self) -> list[m.Gap]:
        return [event for event in self.events if isinstance(event, m.Gap)]

    async def hears(self, count: int) -> list[Any]:
        await self.until(lambda: len(self.texts) >= count)
        return self.texts

    async def becomes(self, status: str) -> None:
        await self.until(lambda: status in self.statuses)


@asynccontextmanager
async def person(url: str, name: str, *rooms: str, **options: Any) -> AsyncIterator[Person]:
    """Connect, join the rooms, and remember."""
    async with netlab.connect(url, name=name, **options) as chat:
        somebody = Person(chat)
        for room in rooms:
            await chat.join(room)
        yield somebody
    await somebody._reader


class Server:
    """One hub on tcp, udp, rudp, ws and sio."""

    def __init__(self, shell: HubShell, tcp: str, udp: str, rudp: str, ws: str, sio: str) -> None:
        self.shell, self.tcp, self.udp, self.rudp, self.ws, self.sio = shell, tcp, udp, rudp, ws, sio

    def url(self, scheme: str) -> str:
        return {"tcp": self.tcp, "udp": self.udp, "rudp": self.rudp, "ws": self.ws, "sio": self.sio}[scheme]

    def count(self, name: str) -> int:
        """A counter of the hub or of a transport, added up, as `netlab stats` shows them."""
        result = m.decode_hub_message(
            self.shell.hub.report(1, {url: counters() for url, counters in self.shell.counters.items()})
        )
        assert isinstance(result, m.Result)
        groups = [result.data["hub"], *result.data["transports"].values()]
        return sum(group.get(name, 0) for group in groups)


@asynccontextmanager
async def server(limits: ChatLimits | None = None, **options: Any) -> AsyncIterator[Server]:
    """Serve on all transports, on free ports."""
    shell = HubShell(limits=limits, token=options.pop("token", ""), broker=options.pop("broker", None))
    await shell.link()
    async with AsyncExitStack() as stack:
        tcp = await stack.enter_async_context(netlab.serve("tcp://127.0.0.1:0", hub=shell))
        udp = await stack.enter_async_context(netlab.serve("udp://127.0.0.1:0", hub=shell, **options))
        rudp = await stack.enter_async_context(netlab.serve("rudp://127.0.0.1:0", hub=shell))
        ws = await stack.enter_async_context(netlab.serve("ws://127.0.0.1:0", hub=shell))
        sio = await stack.enter_async_context(netlab.serve("sio://127.0.0.1:0", hub=shell))
        yield Server(shell, tcp.url, udp.url, rudp.url, ws.url, sio.url)
        await shell.close()


# Raw peers: they speak the protocol by hand, so that they can speak it wrongly


class RawTcp:
    """A TCP connection and the messages that come over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._id = 0

    @classmethod
    async def connect(cls, url: str) -> RawTcp:
        address = parse_url(url)
        return cls(*await asyncio.open_connection(address.host, address.port))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def say(self, message: m.ClientMessage | bytes, *, kind: PacketType = PacketType.DATA) -> None:
        data = message if isinstance(message, bytes) else m.encode_json(message)
        self._id += 1
        for packet in encode_message(data, message_id=self._id, max_payload=STREAM_PAYLOAD, packet_type=kind):
            self.send(packet)

    async def hear(self) -> Any:
        """The next message of the hub; None where the connection is over."""
        try:
            while True:
                header = await self.reader.readexactly(20)
                body = await self.reader.readexactly(int.from_bytes(header[4:6], "big"))
                packet, _ = decode_first(header + body)
                if packet.type in (PacketType.DATA, PacketType.ERROR) and packet.count == 1:
                    return m.decode_hub_message(packet.payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def hear_all(self) -> list[Any]:
        """Everything until the connection is over."""
        heard = []
        while (message := await self.hear()) is not None:
            heard.append(message)
        return heard

    async def hello(self, name: str, **options: Any) -> Any:
        self.say(m.Hello(name=name, **options), kind=PacketType.HELLO)
        return await self.hear()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


class RawRudp(RawTcp):
    """The same over a reliable connection, with asyncio's own streams on top."""

    @classmethod
    async def connect(cls, url: str) -> RawRudp:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await connect_stream(protocol, parse_url(url), entropy=secrets.token_bytes, counters=Counter())
        return cls(reader, asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop()))


class RawWs(RawTcp):
    """Anybody's WebSocket: the `websockets` library's own client. What is sent goes into one binary frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, http: ClientProtocol) -> None:
        super().__init__(reader, writer)
        self.http = http
        self.response: Response
        self._events: list[Any] = []

    @classmethod
    async def connect(cls, url: str, *, target: str = "/", **headers: str) -> RawWs:
        address = parse_url(url)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        http = ClientProtocol(parse_uri(f"{url.replace('sio://', 'ws://')}{target}"), max_size=None)
        request = http.connect()
        request.headers.update(headers)
        http.send_request(request)
        peer = cls(reader, writer, http)
        peer.response = await peer.event()
        return peer

    async def event(self) -> Any:
        """The next that came: the answer to the upgrade, or a frame; None at the end."""
        while not self._events:
            self.flush()
            data = b"" if self.http.state is State.CLOSED else await self.reader.read(65536)
            if not data:
                return None
            self.http.receive_data(data)
            self._events += self.http.events_received()
        return self._events.pop(0)

    def flush(self) -> None:
        self.writer.write(b"".join(self.http.data_to_send()))

    def send_raw(self, data: bytes) -> None:
        """Not as frames of the library's."""
        self.writer.write(data)

    def send(self, data: bytes) -> None:
        if self.http.state is State.OPEN:
            self.http.send_binary(data)
            self.flush()

    async def hear(self) -> Any:
        if self.response.status_code != 101:
            return msgspec.json.decode(self.response.body or b"", type=m.Goodbye)
        try:
            while (event := await self.event()) is not None:
                if event.opcode is Opcode.BINARY:
                    packet = decode(event.data)
                    if packet.type in (PacketType.DATA, PacketType.ERROR) and packet.count == 1:
                        return m.decode_hub_message(packet.payload)
        except ConnectionError:
            pass
        return None


WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
"""Where Socket.IO's WebSockets are."""


class RawSio(RawWs):
    """Anybody's Socket.IO over WebSocket, by hand. Its events have no checksum, unless they are sent with one."""

    @classmethod
    async def connect(cls, url: str, *, target: str = WEBSOCKET, **headers: str) -> RawSio:
        peer = await super().connect(url, target=target, **headers)
        assert isinstance(peer, RawSio)
        if peer.response.status_code == 101 and target == WEBSOCKET:
            assert (await peer.text()).startswith("0{")
            peer.send_text("40")
            assert (await peer.text()).startswith("40{")
        return peer

    async def text(self) -> Any:
        """The next packet of Engine.IO; None at the end."""
        while (event := await self.event()) is not None:
            if event.opcode is Opcode.TEXT:
                return event.data.decode()
        return None

    def send_text(self, text: str) -> None:
        if self.http.state is State.OPEN:
            self.http.send_text(text.encode())
            self.flush()

    def send(self, data: bytes) -> None:
        """Bytes that are to be no message: whatever they are, as text."""
        self.send_text(data.decode("latin-1"))

    def say(self, message: m.ClientMessage | bytes, *, kind: PacketType = PacketType.DATA) -> None:
        data = message if isinstance(message, bytes) else m.encode_json(message)
        if self.http.state is State.OPEN:
            name = data[9:].partition(b'"')[0] if data.startswith(b'{"type":"') else b"join"
            self.http.send_text(b'42["%b",%b]' % (name, data))
            self.flush()

    async def hear(self) -> Any:
        if self.response.status_code != 101:
            return msgspec.json.decode(self.response.body or b"", type=m.Goodbye)
        try:
            while (text := await self.text()) is not None:
                if text == "2":
                    self.send_text("3")
                elif text.startswith("42"):
                    return m.decode_hub_message(socketio.decode_told(text[1:].encode()))
        except ConnectionError:
            pass
        return None


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    """A frame as a client sends it."""
    return Frame(opcode, payload, fin).serialize(mask=True)


class RawUdp(asyncio.DatagramProtocol):
    """A UDP socket and the packets that come to it."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.token: bytes | None = None
        self.hello_id = random.getrandbits(32)
        self._id = 0

    @classmethod
    async def connect(cls, url: str) -> RawUdp:
        address = parse_url(url)
        loop = asyncio.get_running_loop()
        transport, raw = await loop.create_datagram_endpoint(cls, remote_addr=(address.host, address.port))
        raw.transport = transport
        return raw

    transport: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.inbox.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def send(self, data: bytes) -> None:
        self.transport.sendto(data)

    def say(self, message: m.ClientMessage | bytes) -> None:
        data = message if isinstance(message, bytes) else m.encode_json(message)
        self._id += 1
        packets = encode_message(data, message_id=self._id, max_payload=DATAGRAM_FRAGMENT, packet_type=PacketType.DATA)
        for datagram in pack(packets):
            self.send_packet(datagram)

    def send_packet(self, packet: bytes | Packet) -> None:
        """With the session's token."""
        assert self.token is not None
        self.send(with_session(packet if isinstance(packet, bytes) else encode(packet), self.token))

    def send_hello(self, hello: m.Hello) -> None:
        payload = m.encode_json(hello).ljust(22)
        self.send(encode(Packet(payload, self.hello_id, type=PacketType.HELLO)))

    async def packets(self) -> list[Packet]:
        """Those of the next datagram."""
        return decode_all(await self.inbox.get())

    async def hear(self) -> Any:
        """The next message of the hub."""
        while True:
            for packet in await self.packets():
                if packet.type in (PacketType.DATA, PacketType.ERROR) and packet.count == 1:
                    return m.decode_hub_message(packet.payload)

    async def hello(self, name: str, **options: Any) -> Any:
        self.send_hello(m.Hello(name=name, **options))
        [cookie] = await self.packets()
        assert cookie.type is PacketType.COOKIE
        self.send_hello(m.Hello(name=name, cookie=cookie.payload.decode(), **options))
        [ack] = await self.packets()
        if ack.type is PacketType.ERROR:
            return m.decode_hub_message(ack.payload)
        assert ack.type is PacketType.ACK
        self.token = ack.session
        return await self.hear()

    async def close(self) -> None:
        self.transport.close()


RAW = {"tcp": RawTcp, "udp": RawUdp, "rudp": RawRudp, "ws": RawWs, "sio": RawSio}


@asynccontextmanager
async def raw(scheme: str, where: Server | str) -> AsyncIterator[Any]:
    """A raw peer."""
    peer: Any = await RAW[scheme].connect(where if isinstance(where, str) else where.url(scheme))
    try:
        yield peer
    finally:
        await peer.close()


# A relay that cuts


class Relay:
    """A TCP relay to `target` that resets connections when told to, or after so many bytes."""

    def __init__(self, target: str, rng: random.Random | None = None, *, budget: tuple[int, int] | None = None) -> None:
        self.target = parse_url(target)
        self.rng = rng or random.Random(1)
        self.budget = budget
        """Each connection is reset after a random number of bytes between these."""
        self.cuts = 0
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Relay:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        assert self._server is not None
        self._server.close()
        self.budget = None
        for pair in list(self._pairs):
            self._reset(pair)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(self.target.host, self.target.port)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, up_writer)
        self._pairs.add(pair)
        left = [self.rng.randrange(*self.budget)] if self.budget else [1 << 62]
        for source, sink in ((reader, up_writer), (up_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink, pair, left))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, pair: Any, left: list[int]) -> None:
        try:
            while data := await source.read(65536):
                if len(data) >= left[0]:
                    sink.write(data[: left[0]])
                    self.cuts += 1
                    self._reset(pair)
                    return
                left[0] -= len(data)
                sink.write(data)
            self._pairs.discard(pair)
            sink.close()
        except ConnectionError:
            self._reset(pair)

    def cut(self) -> None:
        """Reset every connection."""
        for pair in list(self._pairs):
            self.cuts += 1
            self._reset(pair)

    def _reset(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._pairs.discard(pair)
        for writer in pair:
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
            writer.transport.abort()
