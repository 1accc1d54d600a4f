"""A way in and out of a capture's network namespace, for one TCP or UDP address each.

A socket belongs to the namespace that it was made in, whichever process uses it (network_namespaces(7)). So the relay
runs outside, in a thread of the calling process, and asks the capturing process for sockets made inside: it listens on
one side, dials on the other, and carries bytes both ways. The capture sees the inside leg only.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec

from netlab.capture.limits import RELAY_BUFFER, RELAY_CHUNK, RELAY_DATAGRAM, RELAY_FLUSH, RELAY_UDP_PEERS
from netlab.errors import CaptureError
from netlab.packets.endpoint import format_host_port
from netlab.units import S

Address: TypeAlias = tuple[str, int]
MakeSocket: TypeAlias = Callable[[int, int], socket.socket]
"""`(family, kind) -> socket`, like `socket.socket`: one makes them inside the namespace, one outside."""

_Stream: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
_BACKLOG = 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST (socket(7), tcp(7))


class Relay(msgspec.Struct, frozen=True):
    """One address carried across the namespace's border.

    Attributes:
        proto: "tcp" or "udp".
        listen: host and port that is listened on. Inside, any port is free.
        to: host and port that is dialled for whoever comes to `listen`.
        inward: False: `listen` is inside and `to` outside, for a client that runs inside. True: the other way round,
            for a server that runs inside; port 0 then picks a free port (see `LiveCapture.relay_addresses`).
    """

    proto: Literal["tcp", "udp"]
    listen: Address
    to: Address
    inward: bool = False


class _Listener(NamedTuple):
    """A listening TCP socket, what it is for, and who makes the sockets of the other side."""

    relay: Relay
    socket: socket.socket
    dials: MakeSocket


class RelayThread:
    """Runs relays until closed.

    Attributes:
        addresses: where each relay listens, in the order given.
        dropped: datagrams that a socket had no room for.
    """

    def __init__(self, relays: Sequence[Relay], inside: MakeSocket, outside: MakeSocket = socket.socket) -> None:
        """Listen at once; `inside` is called from the relays' thread.

        Raises:
            CaptureError: an address cannot be listened on, or a UDP target's name is not known.
        """
        self.addresses: list[Address] = []
        self.dropped = 0
        self._inside, self._outside = inside, outside
        self._flows: dict[asyncio.Task[None], asyncio.Future[None]] = {}  # each connection, and its `sent`
        self._listeners: list[_Listener] = []
        self._datagrams: list[_Datagrams] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="netlab relay", daemon=True)
        self._thread.start()
        try:
            for relay in relays:
                self.addresses.append(self._call(self._open(relay)))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Deliver what came out of the namespace so far, then close every socket."""
        if self._loop.is_closed():
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, relay: Relay) -> Address:
        listens, dials = (self._outside, self._inside) if relay.inward else (self._inside, self._outside)
        kind = _KINDS[relay.proto]
        try:
            family, address = (await _resolve(relay.listen, kind))[0]
            listener = listens(family, kind)
        except OSError as error:
            raise CaptureError(f"relay: {format_host_port(*relay.listen)}: {error.strerror or error}") from None
        try:
            listener.setblocking(False)
            if relay.proto == "udp":
                target = (await _resolve(relay.to, kind))[0]
                listener.bind(address)
                self._datagrams.append(_Datagrams(self, listener, dials, *target))
            else:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(address)
                listener.listen(_BACKLOG)
                self._listeners.append(_Listener(relay, listener, dials))
                self._listen(self._listeners[-1])
        except OSError as error:
            listener.close()
            at = relay.to if isinstance(error, socket.gaierror) else relay.listen
            raise CaptureError(f"relay: {format_host_port(*at)}: {error.strerror or error}") from None
        host, port = listener.getsockname()[:2]
        return host, port

    def _accept(self, listening: _Listener) -> None:
        """Take every connection that waits; each is carried by a task of its own."""
        for _ in range(_BACKLOG):
            try:
                connection, _peer = listening.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):  # asking again at once would only burn the processor
                    self._loop.remove_reader(listening.socket)
                    self._loop.call_later(1, self._listen, listening)
                    return
                continue  # accept(2): whoever came is gone again
            connection.setblocking(False)
            sent: asyncio.Future[None] = self._loop.create_future()
            task = self._loop.create_task(self._carry(listening, connection, sent))
            self._flows[task] = sent
            task.add_done_callback(self._flows.pop)

    def _listen(self, listening: _Listener) -> None:
        if listening.socket.fileno() != -1:
            self._loop.add_reader(listening.socket, self._accept, listening)

    async def _carry(self, listening: _Listener, connection: socket.socket, sent: asyncio.Future[None]) -> None:
        """One connection: dial, then pump both ways until both have ended.

        Args:
            sent: done when everything that came out of the namespace has been handed on.
        """
        relay = listening.relay
        near = await asyncio.open_connection(sock=connection, limit=RELAY_CHUNK)
        far = await _dial(relay.to, listening.dials)
        if far is None:
            _reset(near[1])
            return
        inside, outside = (far, near) if relay.inward else (near, far)
        out = asyncio.ensure_future(_pump(inside[0], outside[1], sent))
        back = asyncio.ensure_future(_pump(outside[0], inside[1]))
        try:
            await asyncio.gather(out, back)
        except OSError:  # one leg was reset: so is the other
            _reset(near[1])
            _reset(far[1])
        finally:
            for half in (out, back):
                half.cancel()
            for _, writer in (near, far):
                writer.close()

    async def _close(self) -> None:
        for listening in self._listeners:
            self._accept(listening)  # who connected, sent and ended at once is carried too
            self._loop.remove_reader(listening.socket)
            listening.socket.close()
        for datagrams in self._datagrams:
            datagrams.close()
        until = self._loop.time() + RELAY_FLUSH / S
        for task, sent in list(self._flows.items()):
            await asyncio.wait([task, sent], timeout=until - self._loop.time(), return_when=asyncio.FIRST_COMPLETED)
        for task in list(self._flows):
            task.cancel()
        if self._flows:
            await asyncio.wait(self._flows, timeout=RELAY_FLUSH / S)
        await asyncio.sleep(0)  # transports close their sockets in the turn after


async def _resolve(address: Address, kind: int) -> list[tuple[int, Any]]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(address[0], address[1], type=kind)
    return [(family, where) for family, _, _, _, where in found]


async def _dial(address: Address, make: MakeSocket) -> _Stream | None:
    """A connection to the first of the name's addresses that takes one."""
    loop = asyncio.get_running_loop()
    try:
        candidates = await _resolve(address, socket.SOCK_STREAM)
    except OSError:
        return None
    for family, where in candidates:
        try:
            dialled = make(family, socket.SOCK_STREAM)
        except OSError:
            continue
        try:
            dialled.setblocking(False)
            await loop.sock_connect(dialled, where)
            return await asyncio.open_connection(sock=dialled, limit=RELAY_CHUNK)
        except OSError:
            dialled.close()
    return None


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, done: asyncio.Future[None] | None = None
) -> None:
    """Bytes one way; the end of one stream is the end of the other, and leaves the way back open (half-close)."""
    writer.transport.set_write_buffer_limits(0)  # `drain` then waits until the kernel has everything
    while data := await reader.read(RELAY_CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
    if done is not None:
        done.set_result(None)


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class _Datagrams:
    """One UDP relay: each peer on the listening side has a socket of its own on the other, so that answers find back.

    Plain sockets on the loop's readers, because asyncio's own transport does not send an empty datagram before
    Python 3.12, and one datagram must stay one.
    """

    def __init__(self, thread: RelayThread, listener: socket.socket, dials: MakeSocket, family: int, to: Any) -> None:
        self._thread, self._listener, self._dials, self._family, self._to = thread, listener, dials, family, to
        self._peers: OrderedDict[Any, socket.socket] = OrderedDict()  # the longest idle first
        self._loop = asyncio.get_running_loop()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RELAY_BUFFER)
        self._loop.add_reader(listener, self._forth)

    def close(self) -> None:
        self._forth()  # what came out and was not looked at yet
        for peer, own in self._peers.items():
            self._back(peer, own)
        self._loop.remove_reader(self._listener)
        self._listener.close()
        while self._peers:
            self._forget()

    def _forth(self) -> None:
        for _ in range(_BACKLOG):  # a bound, so that one relay cannot keep the others waiting
            try:
                data, peer = self._listener.recvfrom(RELAY_DATAGRAM)
            except OSError:  # nothing more, or an ICMP error of an earlier datagram
                return
            try:
                self._outside_of(peer).send(data)
            except ConnectionRefusedError:
                pass  # an ICMP error of an earlier datagram: UDP promises nothing
            except OSError:
                self._thread.dropped += 1

    def _back(self, peer: Any, own: socket.socket) -> None:
        for _ in range(_BACKLOG):
            try:
                data = own.recv(RELAY_DATAGRAM)
            except OSError:
                return
            try:
                self._listener.sendto(data, peer)
            except OSError:
                self._thread.dropped += 1

    def _outside_of(self, peer: Any) -> socket.socket:
        own = self._peers.get(peer)
        if own is None:
            if len(self._peers) >= RELAY_UDP_PEERS:
                self._forget()
            own = self._dials(self._family, socket.SOCK_DGRAM)
            try:
                own.setblocking(False)
                own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RELAY_BUFFER)
                own.connect(self._to)
            except OSError:
                own.close()
                raise
            self._peers[peer] = own
            self._loop.add_reader(own, self._back, peer, own)
        self._peers.move_to_end(peer)
        return own

    def _forget(self) -> None:
        _, own = self._peers.popitem(last=False)
        self._loop.remove_reader(own)
        own.close()
