"""rudp: reliable connections over UDP sockets, and the chat over them. No protocol in here.

The chat is the one of `byte_stream`, as over TCP. `dial` and `listen` are for whoever wants to push bytes.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar, cast

import msgspec

from netlab.chat.limits import PING_AFTER, RESETS
from netlab.chat.messages import Goodbye, encode_json
from netlab.errors import DecodeError, Refused
from netlab.packets.endpoint import format_host_port
from netlab.packets.packet import decode_all
from netlab.protocols import handshake
from netlab.protocols.congestion import CongestionControl, named
from netlab.protocols.connection import Dropped, Failed, TimerFired, malformed
from netlab.protocols.handshake import Accepted, Dialling, Door, Greeted
from netlab.protocols.reliable import BUFFER, GIVE_UP, MIN_RTO, ReliableConnection
from netlab.protocols.reliable_events import PacketArrived
from netlab.protocols.streams_out import CHUNK
from netlab.protocols.trace import Trace
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.byte_stream import ServerEnd, StreamClient, StreamServer
from netlab.transports.client_end import Callbacks
from netlab.transports.reliable_stream import ReliableTransport
from netlab.transports.udp import SEND_BUFFER_MOST, ask_for_receive_buffer, kernel_drops
from netlab.transports.url import Address
from netlab.units import Ns

DEFAULT_CONTROL = "cubic"

P = TypeVar("P", bound=asyncio.Protocol)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a reliable connection behaves. Durations are ns, sizes are bytes.

    Attributes:
        control: makes its congestion control, for segments of so many bytes; or its name.
        buffer: what the peer may send beyond what was consumed.
        give_up: how long to wait for any acknowledgement; keep_alive: silence after which a ping is sent.
        min_rto: the shortest retransmission timeout.
        trace: takes every decision of this end's sender.
    """

    control: str | Callable[[int], CongestionControl] = DEFAULT_CONTROL
    buffer: int = BUFFER
    give_up: Ns = GIVE_UP
    keep_alive: Ns = PING_AFTER
    min_rto: Ns = MIN_RTO
    trace: Trace | None = None

    def connection(self, token: bytes, entropy: Callable[[int], bytes], now: Ns, who: str) -> ReliableConnection:
        """A new connection's machine."""
        control = named(self.control)(mss=CHUNK) if isinstance(self.control, str) else self.control(CHUNK)
        return ReliableConnection(
            now,
            token=token,
            number=int.from_bytes(entropy(4), "big"),
            control=control,
            buffer=self.buffer,
            give_up=self.give_up,
            keep_alive=self.keep_alive,
            min_rto=self.min_rto,
            trace=self.trace,
            who=who,
        )


CHAT = Settings()


class ReliableListener(asyncio.DatagramProtocol):
    """One socket, all its connections.

    Args:
        accept: makes the protocol of each.
    """

    def __init__(
        self,
        accept: Callable[[], asyncio.Protocol],
        *,
        settings: Settings,
        entropy: Callable[[int], bytes],
        max_flows: int,
        counters: Counter[str],
        resets: int = RESETS,
    ) -> None:
        self.counters = counters
        self._accept = accept
        self._settings = settings
        self._entropy = entropy
        self._loop = asyncio.get_running_loop()
        self._door = Door(entropy=entropy, new_conn=itertools.count(1).__next__, max_flows=max_flows, resets=resets)
        self._connections: dict[int, ReliableTransport] = {}
        self._closing = False
        self.closed = asyncio.Event()
        """The socket is closed."""

    async def listen(self, address: Address) -> tuple[str, int]:
        """Bind, and give where; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        await self._loop.create_datagram_endpoint(lambda: self, local_addr=(address.host, address.port))
        host, port = self._udp.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._udp = cast(asyncio.DatagramTransport, transport)
        self._waiting = cast(asyncio.WriteTransport, transport).get_write_buffer_size
        ask_for_receive_buffer(self._udp)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.counters["datagrams_in"] += 1
        self.counters["bytes_in"] += len(data)
        flow, packets, outputs = self._door.enter(addr, data, now_ns(self._loop))
        if flow is not None:
            connection = self._connections[flow.conn]
            for packet in packets:
                connection.step(PacketArrived(packet))
        for output in outputs:
            match output:
                case handshake.Transmit(address, answer):
                    self._send(answer, address)
                case handshake.FlowOpened(conn, address, token):
                    self._open(conn, address, token)
                case Dropped(reason):
                    self.counters[reason] += 1
                case Greeted():
                    pass  # who comes is said on the stream

    def _open(self, conn: int, address: Any, token: bytes) -> None:
        def gone() -> None:
            del self._connections[conn]
            flow = self._door.flow(conn)
            assert flow is not None
            self._door.forget(flow)
            if self._closing and not self._connections:
                self._udp.close()

        who = format_host_port(*address[:2])
        machine = self._settings.connection(token, self._entropy, now_ns(self._loop), who)
        transport = ReliableTransport(
            machine, lambda data: self._send(data, address), gone, self.counters, {"peername": address}
        )
        self._connections[conn] = transport
        transport.begin(self._accept())

    def _send(self, data: bytes, address: Any) -> None:
        if self._waiting() > SEND_BUFFER_MOST:
            self.counters["send_queue_full"] += 1
            return
        self.counters["datagrams_out"] += 1
        self.counters["bytes_out"] += len(data)
        self._udp.sendto(data, address)

    def error_received(self, exc: Exception) -> None:
        self.counters["socket_errors"] += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()

    def counted(self) -> dict[str, int]:
        """What the kernel counted for this socket, beside `counters`."""
        drops = kernel_drops(self._udp)
        return {} if drops is None else {"kernel_drops": drops}

    def close(self) -> None:
        """Let nobody in any more; the socket closes when the last connection is over."""
        self._closing = True
        if not self._connections:
            self._udp.close()

    def abort(self) -> None:
        """End every connection at once, and close the socket."""
        self.close()
        for connection in list(self._connections.values()):
            connection.abort()


class _Caller(asyncio.DatagramProtocol):
    """A client's socket: the handshake first, then the connection."""

    def __init__(self, settings: Settings, entropy: Callable[[int], bytes], counters: Counter[str]) -> None:
        self.counters = counters
        self._settings = settings
        self._entropy = entropy
        self._loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[bytes] = self._loop.create_future()
        """The token that the server gave."""
        self._dialling = Dialling(int.from_bytes(entropy(4), "big"), now_ns(self._loop))
        self._alarm = Alarm(self._loop, lambda: self._dial(TimerFired()))
        self._connection: ReliableTransport | None = None
        self._token = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.udp = cast(asyncio.DatagramTransport, transport)
        ask_for_receive_buffer(self.udp)
        self._dial(TimerFired())

    def _dial(self, event: handshake.DatagramArrived | TimerFired) -> None:
        for output in self._dialling.handle(event, now_ns(self._loop)):
            match output:
                case handshake.Say(data):
                    self._send(data)
                case Accepted(token) if not self.answered.done():
                    self.answered.set_result(token)
                case handshake.Refused(goodbye) if not self.answered.done():
                    self.answered.set_exception(_refusal(goodbye))
                case Failed(_, detail) if not self.answered.done():
                    self.answered.set_exception(TimeoutError(detail))
                case Dropped(reason):
                    self.counters[reason] += 1
        self._alarm.set(self._dialling.deadline)

    def open(self, protocol: asyncio.Protocol) -> ReliableTransport:
        """The handshake is done: the connection begins."""
        self._token = self.answered.result()
        machine = self._settings.connection(self._token, self._entropy, now_ns(self._loop), "client")
        extra = {"peername": self.udp.get_extra_info("peername"), "sockname": self.udp.get_extra_info("sockname")}
        self._connection = ReliableTransport(machine, self._send, self.udp.close, self.counters, extra)
        self._connection.begin(protocol)
        return self._connection

    def _send(self, data: bytes) -> None:
        self.counters["datagrams_out"] += 1
        self.udp.sendto(data)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.counters["datagrams_in"] += 1
        if self._connection is None:
            self._dial(handshake.DatagramArrived(data))
            return
        try:
            packets = decode_all(data)
        except DecodeError as error:
            self.counters[malformed(error).reason] += 1
            return
        if packets[0].session != self._token:
            self.counters["unknown_session"] += 1
            return
        for packet in packets:
            self._connection.step(PacketArrived(packet))

    def error_received(self, exc: Exception) -> None:
        """An ICMP message came back: on loopback and in a LAN this is how one learns that nobody listens."""
        self.counters["socket_errors"] += 1
        if not isinstance(exc, ConnectionRefusedError):
            return
        if not self.answered.done():
            self.answered.set_exception(exc)
        elif self._connection is not None:
            self._connection.refused()

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.set(None)
        if not self.answered.done():
            self.answered.set_exception(exc or ConnectionAbortedError("the socket was closed"))
            self.answered.exception()  # who gave up while the socket was made waits for nothing


async def connect_stream(
    protocol: P,
    address: Address,
    *,
    settings: Settings = CHAT,
    entropy: Callable[[int], bytes],
    counters: Counter[str],
) -> tuple[ReliableTransport, P]:
    """Connect; where the host's name means several addresses, the next is tried when one refuses.

    Raises:
        OSError: nobody listens there, or the name has no address; TimeoutError: nobody answers.
        Refused: the server does not take us.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    refused: OSError | None = None
    for where in dict.fromkeys(entry[4][:2] for entry in found):
        try:
            _, caller = await loop.create_datagram_endpoint(
                lambda: _Caller(settings, entropy, counters), remote_addr=cast(tuple[str, int], where)
            )
        except OSError as error:
            refused = error
            continue
        try:
            await caller.answered
            return caller.open(protocol), protocol
        except ConnectionRefusedError as error:
            caller.udp.close()
            refused = error
        except BaseException:
            caller.answered.cancel()
            caller.udp.close()
            raise
    raise refused or OSError(f"{address.host} has no address")


def _refusal(goodbye: bytes) -> Refused:
    try:
        told: dict[str, Any] = msgspec.json.decode(goodbye, type=dict)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        told = {}
    return Refused(str(told.get("code", "refused")), str(told.get("detail", "")))


class ReliableServer(StreamServer):
    """The chat's server over rudp."""

    silence_is_seen = True

    async def listen(self, address: Address) -> None:
        """Bind; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        limits = self.shell.hub.limits
        self._socket = ReliableListener(
            lambda: ServerEnd(self),
            settings=Settings(give_up=limits.dead_after, keep_alive=limits.ping_after),
            entropy=self.shell.entropy,
            max_flows=limits.connections,
            counters=self.counters,
            resets=limits.resets,
        )
        self.listening(self._socket, "rudp", *await self._socket.listen(address))

    def counted(self) -> dict[str, Any]:
        return dict(sorted({**self.counters, **self._socket.counted()}.items()))


class ReliableClient(StreamClient):
    """A client's connection over rudp."""

    silence_is_seen = True

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection; `Connected` is stepped when it stands.

        Raises:
            OSError: nobody listens there, or it can't be reached; TimeoutError: nobody answers.
        """
        callbacks: Callbacks = self._callbacks
        try:
            await connect_stream(self, address, entropy=callbacks.entropy, counters=callbacks.counters)
        except Refused as refused:
            callbacks.received(encode_json(Goodbye(refused.code, refused.detail)))

    @property
    def figures(self) -> dict[str, int]:
        return self._made.machine.figures if isinstance(self._made, ReliableTransport) else {}
