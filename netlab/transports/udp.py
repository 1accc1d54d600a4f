"""The chat over UDP: asyncio shells around `protocols.datagram_client` and `datagram_server`. No protocol in here."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from collections import Counter, deque
from pathlib import Path
from typing import Any, cast

from netlab.chat.client_events import Connected, CookieArrived, Disconnected
from netlab.chat.messages import Goodbye
from netlab.packets.endpoint import format_host_port
from netlab.packets.limits import ReassemblyLimits
from netlab.protocols import datagram_client as client
from netlab.protocols import datagram_server as server
from netlab.protocols import handshake
from netlab.protocols.connection import (
    DATAGRAM_FRAGMENT,
    Deliver,
    Dropped,
    Failed,
    PeerLeft,
    TimerFired,
    Transmit,
    pack,
)
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.client_end import Callbacks
from netlab.transports.hub_shell import SERVER_CLOSED, Batch, HubShell
from netlab.transports.url import Address
from netlab.units import MIB

RECEIVE_BUFFER = 4 * MIB
"""Asked of the kernel for the socket, bytes. Linux gives at most net.core.rmem_max: its default holds 92 datagrams of
1200 B."""

SEND_BUFFER_MOST = 1 * MIB
"""Datagrams that asyncio may keep where the kernel takes no more, bytes; past it they are dropped and counted."""


class UdpServer(asyncio.DatagramProtocol):
    """One socket, all its clients."""

    def __init__(self, shell: HubShell, reassembly: ReassemblyLimits) -> None:
        self.counters: Counter[str] = Counter()
        self.url = ""
        self._conns: set[int] = set()
        self._closed: asyncio.Future[None] | None = None
        self._shell = shell
        self._loop = asyncio.get_running_loop()
        self._machine = server.DatagramServer(
            entropy=shell.entropy,
            new_conn=shell.new_conn,
            max_flows=shell.hub.limits.connections,
            reassembly=reassembly,
            dead_after=shell.hub.limits.dead_after,
            resets=shell.hub.limits.resets,
        )
        self._alarm = Alarm(self._loop, lambda: self._step(TimerFired()))

    async def listen(self, address: Address) -> None:
        """Bind; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        await self._loop.create_datagram_endpoint(lambda: self, local_addr=(address.host, address.port))
        host, port = self._transport.get_extra_info("sockname")[:2]
        self.url = f"udp://{format_host_port(host, port)}"
        self._shell.counters[self.url] = self._count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._waiting = cast(asyncio.WriteTransport, transport).get_write_buffer_size
        ask_for_receive_buffer(self._transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.counters["datagrams_in"] += 1
        self.counters["bytes_in"] += len(data)
        self._step(server.DatagramArrived(addr, data))

    def error_received(self, exc: Exception) -> None:
        """The kernel passes on what an ICMP message said of an earlier datagram, or refuses one that is too large."""
        self.counters["socket_errors"] += 1

    def _step(self, event: server.Event) -> None:
        for output in self._machine.handle(event, now_ns(self._loop)):
            match output:
                case handshake.Transmit(address, data):
                    self._sendto(data, address)
                case server.Deliver(conn, message):
                    self._shell.received(conn, message)
                case handshake.FlowOpened(conn):
                    self.counters["connections"] += 1
                    self._conns.add(conn)
                    self._shell.open(conn, _Flow(self, conn), reliable=False, validated=True)
                case server.FlowEnded(conn, said):
                    self._conns.discard(conn)
                    self._shell.closed(conn, said=said)
                case Dropped(reason):
                    self.counters[reason] += 1
        self._alarm.set(self._machine.deadline)

    def _sendto(self, data: bytes, address: Any) -> None:
        if self._waiting() > SEND_BUFFER_MOST:
            self.counters["send_queue_full"] += 1
            return
        self.counters["datagrams_out"] += 1
        self.counters["bytes_out"] += len(data)
        self._transport.sendto(data, address)

    def say(self, conn: int, batches: list[Batch]) -> None:
        """Send what a turn holds for one client in as few datagrams as it fits."""
        self.counters["packets_out"] += sum(len(batch.messages) for batch in batches)
        if len(batches) == 1:
            datagrams = batches[0].datagrams()
        else:
            datagrams = pack(itertools.chain.from_iterable(batch.packets(DATAGRAM_FRAGMENT) for batch in batches))
        self._step(server.Say(conn, datagrams))

    def hang_up(self, conn: int, reason: Goodbye) -> None:
        """Tell one client why, and forget it."""
        self._conns.discard(conn)
        self._step(server.Hangup(conn, reason))

    def _count(self) -> dict[str, Any]:
        counts = {**self.counters, "packets_in": self._machine.packets_in}
        drops = kernel_drops(self._transport)
        if drops is not None:
            counts["kernel_drops"] = drops
        return dict(sorted(counts.items()))

    async def close(self) -> None:
        """Tell those who are connected, and close the socket."""
        self._shell.counters.pop(self.url, None)
        for conn in list(self._conns):
            self._shell.closed(conn, said=True)
            self.hang_up(conn, SERVER_CLOSED)
        self._alarm.set(None)
        self._closed = self._loop.create_future()
        self._transport.close()
        await self._closed

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.set(None)
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)


class _Flow:
    """The port of one client."""

    __slots__ = ("_conn", "_server")

    def __init__(self, server: UdpServer, conn: int) -> None:
        self._server = server
        self._conn = conn

    def admit(self) -> None:
        """Its cookie was good: it speaks already."""

    def send(self, batches: list[Batch]) -> None:
        self._server.say(self._conn, batches)

    def close(self, reason: Goodbye) -> None:
        self._server.hang_up(self._conn, reason)


class _Socket(asyncio.DatagramProtocol):
    """A socket towards one of the addresses that a server's name means."""

    def __init__(self, owner: UdpClient) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        ask_for_receive_buffer(self.transport)
        self._owner.opened(self)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self._owner.socket is self:
            self._owner.received(data)

    def error_received(self, exc: Exception) -> None:
        """An ICMP message came back: on loopback and in a LAN this is how one learns that nobody listens."""
        if self._owner.socket is self:
            self._owner.failed(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.closed(self)


class UdpClient:
    """A client's end. Made anew for each attempt to connect."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.socket: _Socket | None = None
        """The one in use: what comes to an earlier one is not heard any more."""
        self._callbacks = callbacks
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._heard = False
        self._outbox: list[bytes] = []
        self._addresses: deque[Any] = deque()
        self._machine = self._new_machine()
        self._trying: asyncio.Task[None] | None = None
        self._alarm = Alarm(self._loop, lambda: self._step(TimerFired()))

    def _new_machine(self) -> client.DatagramClient:
        entropy = self._callbacks.entropy
        return client.DatagramClient(
            hello_id=int.from_bytes(entropy(4), "big"), message_id=int.from_bytes(entropy(4), "big")
        )

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Open a socket towards the address; where its name means several, the next is tried when one refuses.

        Raises:
            OSError: the name has no address, or none that can be reached.
        """
        found = await self._loop.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
        self._addresses = deque(dict.fromkeys(entry[4][:2] for entry in found))
        await self._next_address()

    async def _next_address(self) -> None:
        while not self._over:
            if self.socket is not None:
                unused, self.socket = self.socket, None
                unused.transport.close()
            self._machine = self._new_machine()
            address = self._addresses.popleft()
            try:
                await self._loop.create_datagram_endpoint(lambda: _Socket(self), remote_addr=address)
                return
            except OSError:
                if not self._addresses:
                    raise

    async def _try_next(self) -> None:
        try:
            await self._next_address()
        except OSError as error:
            self._lost(error.strerror or str(error))

    def opened(self, its: _Socket) -> None:
        """A socket is there: say hello."""
        if self._over:
            its.transport.close()
            return
        self.socket = its
        self._callbacks.step(Connected())

    def received(self, data: bytes) -> None:
        """A datagram came."""
        self._heard = True
        self._callbacks.counters["datagrams_in"] += 1
        self._step(client.DatagramArrived(data))

    def failed(self, exc: Exception) -> None:
        """The kernel says that what was sent did not arrive."""
        if not isinstance(exc, ConnectionRefusedError) or self._over:
            self._callbacks.counters["socket_errors"] += 1
        elif self._heard or not self._addresses:
            self._lost("nobody listens there")
        elif self._trying is None or self._trying.done():
            self._trying = self._loop.create_task(self._try_next())

    def closed(self, its: _Socket) -> None:
        """A socket is closed."""
        if self._over and self.socket in (its, None):
            self._callbacks.disconnected()

    def _step(self, event: client.Event) -> None:
        for output in self._machine.handle(event, now_ns(self._loop)):
            match output:
                case Transmit(data):
                    self._callbacks.counters["datagrams_out"] += 1
                    if self.socket is not None and not self._over:
                        self.socket.transport.sendto(data)
                case Deliver(message):
                    self._callbacks.received(message)
                case handshake.CookieArrived(cookie):
                    self._callbacks.step(CookieArrived(cookie))
                case PeerLeft():
                    self._lost("the server said goodbye")
                case Failed(_, detail):
                    self._lost(detail)
                case Dropped(reason):
                    self._callbacks.counters[reason] += 1
        self._alarm.set(None if self._over else self._machine.deadline)

    def say(self, message: bytes, *, hello: bool) -> None:
        """Send a message; what is said within one turn of the loop goes out in as few datagrams as it fits."""
        if hello:
            self._step(client.SayHello(message))
            return
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.append(message)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if outbox and not self._over:
            self._step(client.Say(outbox))

    @property
    def figures(self) -> dict[str, int]:
        """UDP finds nothing out."""
        return {}

    def hang_up(self, *, said: bool) -> None:
        """Close, with a goodbye or without."""
        if said:
            self._flush()
            self._step(client.SayBye())
        self._close()

    def _lost(self, detail: str) -> None:
        if not self._over:
            self._close()
            self._callbacks.step(Disconnected(detail))

    def _close(self) -> None:
        self._over = True
        self._alarm.set(None)
        if self._trying is not None:
            self._trying.cancel()
        if self.socket is not None:
            self.socket.transport.close()
        else:
            self._callbacks.disconnected()


def ask_for_receive_buffer(transport: asyncio.DatagramTransport) -> None:
    """A large one: a datagram that finds it full is lost. (A virtual loop has no sockets, and needs nothing.)"""
    sock: Any = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


def kernel_drops(transport: asyncio.DatagramTransport) -> int | None:
    """Datagrams that the kernel dropped because the socket's receive buffer was full; None where it does not tell.

    Source: the last column of /proc/net/udp and /proc/net/udp6 (proc(5)), by the socket's inode.
    """
    sock: Any = transport.get_extra_info("socket")
    if sock is None:
        return None
    inode = str(os.fstat(sock.fileno()).st_ino)
    for table in (Path("/proc/net/udp"), Path("/proc/net/udp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] == inode:
                return int(columns[-1])
    return None
