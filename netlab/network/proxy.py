"""A link in real time for anybody's UDP program: clients talk to the proxy, it talks to the server, and what passes
crosses one `Link` in each direction.

    client  <-->  127.0.0.1:9101  [ client>server | server>client ]  a socket for each client  <-->  server

The links are the very objects of the simulator; this shell reads sockets, carries out what a link says and waits for
its deadlines. It is a thread of its own, because asyncio's timers would add a millisecond or two to a round trip.

A proxy ends a TCP connection and begins another, so it could delay bytes but never lose a segment: the kernel's TCP on
either side would see a perfect network. That is what the testbed is for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import OrderedDict
from types import TracebackType
from typing import Any, TypeAlias

import msgspec

from netlab.errors import NetlabError
from netlab.network.impairments import Corruption, Stream
from netlab.network.link import Account, Arrived, Configure, Delivered, Link, Output, TimerFired
from netlab.network.link_config import LinkConfig
from netlab.network.precise_wait import PreciseSelector, wake_on_time
from netlab.packets import ipv4, ipv6, udp
from netlab.units import MIB, Ns

TO_SERVER, TO_CLIENT = "client>server", "server>client"

MOST_CLIENTS = 1024
"""Clients that have a socket of their own; beyond it the one longest idle loses its socket, and gets a new port."""

BUFFER = 4 * MIB
"""Socket buffers that are asked for, bytes (the kernel gives at most net.core.rmem_max)."""

BATCH = 64
"""Datagrams read from one socket before the others, and the links' deadlines, have their turn."""

_MAX_DATAGRAM = 65_535
_CHECKSUM_AT = 6  # of the two bytes in the UDP header

_Address: TypeAlias = Any
"""As the socket module has it, which differs from family to family."""


class CannotProxy(NetlabError):
    """An address cannot be listened on, or is not known."""


class _Door:
    """Where clients of one server come in."""

    def __init__(self, listen: tuple[str, int], to: tuple[str, int]) -> None:
        family, where = _resolve(listen)
        self.family, self.to = _resolve(to, prefer=family)
        self.headers = udp.HEADER_LEN + (ipv4.HEADER_LEN if family == socket.AF_INET else ipv6.HEADER_LEN)
        self.listener = _socket(family)
        try:
            self.listener.bind(where)
        except OSError as error:
            self.listener.close()
            raise CannotProxy(f"{listen[0]} port {listen[1]}: {error.strerror or error}") from None
        self.address: tuple[str, int] = self.listener.getsockname()[:2]


_Client: TypeAlias = tuple[_Door, _Address]
_Packet: TypeAlias = tuple[_Client, bytes]
"""A client, and what it says or is told."""


class Ends(msgspec.Struct, frozen=True):
    """What happened to datagrams before and behind the links.

    Attributes:
        clients: addresses that something came from.
        checksum: delivered with damage, which a receiver's checksum notices: not handed over.
        refused: times that the server's machine said that nobody listens there.
        unsent: what a socket had no room for.
    """

    clients: int
    checksum: int
    refused: int
    unsent: int


class UdpProxy:
    """Both directions of a link, between UDP clients and one server. Works from its making until `close`.

    Methods may be called from any thread.

    Attributes:
        address: host and port where it listens.
    """

    def __init__(
        self,
        listen: tuple[str, int],
        to: tuple[str, int],
        stream: Stream,
        *,
        to_server: LinkConfig,
        to_client: LinkConfig | None = None,
    ) -> None:
        """Listen.

        Args:
            listen: port 0 picks a free one.
            stream: the dice, as for `Link`.
            to_client: by default as `to_server`.

        Raises:
            CannotProxy: an address is taken, not this machine's, or not known.
        """
        door = _Door(listen, to)
        self._doors = [door]
        self.address = door.address
        began = time.monotonic_ns()
        self._links: dict[str, Link[_Packet]] = {
            TO_SERVER: Link(to_server, stream, name=TO_SERVER, began=began),
            TO_CLIENT: Link(to_server if to_client is None else to_client, stream, name=TO_CLIENT, began=began),
        }
        self._outside: OrderedDict[_Client, socket.socket] = OrderedDict()  # the longest idle first
        self._clients = self._checksum = self._refused = self._unsent = 0
        self._lock = threading.Lock()
        self._closing = False
        self._selector = PreciseSelector()
        self._wake_read, self._wake_write = socket.socketpair()
        self._selector.add(self._wake_read, self._woken)
        self._selector.add(door.listener, lambda: self._from_clients(door))
        self._thread = threading.Thread(target=self._run, name="netlab proxy", daemon=True)
        self._thread.start()

    def configure(self, config: LinkConfig, *directions: str) -> None:
        """From now on the link is like this, both ways or in these directions."""
        with self._lock:
            now = time.monotonic_ns()
            for direction in directions or self._links:
                self._carry_out(direction, self._links[direction].handle(Configure(config), now))
        self._wake()

    def also(self, listen: tuple[str, int], to: tuple[str, int]) -> tuple[str, int]:
        """Listen here too, for clients of another server, across the same link. Where it listens comes back.

        Raises:
            CannotProxy: an address is taken, not this machine's, or not known.
        """
        door = _Door(listen, to)
        with self._lock:
            self._doors.append(door)
            self._selector.add(door.listener, lambda: self._from_clients(door))
        self._wake()
        return door.address

    @property
    def configs(self) -> dict[str, LinkConfig]:
        """What each direction is like."""
        with self._lock:
            return {direction: link.config for direction, link in self._links.items()}

    @property
    def accounts(self) -> dict[str, Account]:
        """What each direction did so far."""
        with self._lock:
            self._fire(time.monotonic_ns())
            return {direction: link.account for direction, link in self._links.items()}

    @property
    def ends(self) -> Ends:
        """What happened at the links' ends so far."""
        with self._lock:
            return Ends(self._clients, self._checksum, self._refused, self._unsent)

    def close(self) -> None:
        """End at once: what is on its way is not delivered."""
        if self._thread.is_alive():
            self._closing = True
            self._wake()
            self._thread.join()

    def __enter__(self) -> UdpProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # ---- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        wake_on_time()
        try:
            while not self._closing:
                # Without the lock: whoever configures a link then wakes this thread, which looks at the deadline anew.
                for take in self._selector.wait(self._deadline()):
                    with self._lock:
                        take()
                with self._lock:
                    self._fire(time.monotonic_ns())
        finally:
            self._selector.close()
            listeners = [door.listener for door in self._doors]
            for own in (*listeners, self._wake_read, self._wake_write, *self._outside.values()):
                own.close()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wake_write.send(b"\0")

    def _woken(self) -> None:
        self._wake_read.recv(64)

    def _deadline(self) -> Ns | None:
        return min((link.deadline for link in self._links.values() if link.deadline is not None), default=None)

    def _fire(self, now: Ns) -> None:
        for direction, link in self._links.items():
            if link.deadline is not None and link.deadline <= now:
                self._carry_out(direction, link.handle(TimerFired(), now))

    def _from_clients(self, door: _Door) -> None:
        for _ in range(BATCH):
            try:
                data, address = door.listener.recvfrom(_MAX_DATAGRAM)
            except OSError:  # nothing more, or an ICMP error of an earlier datagram
                return
            self._arrived(TO_SERVER, (door, address), data)

    def _from_server(self, client: _Client, own: socket.socket) -> None:
        for _ in range(BATCH):
            try:
                data = own.recv(_MAX_DATAGRAM)
            except ConnectionRefusedError:
                self._refused += 1
                continue
            except OSError:
                return
            self._arrived(TO_CLIENT, client, data)

    def _arrived(self, direction: str, client: _Client, data: bytes) -> None:
        arrived = Arrived((client, data), len(data) + client[0].headers)
        self._carry_out(direction, self._links[direction].handle(arrived, time.monotonic_ns()))

    def _carry_out(self, direction: str, outputs: list[Output[_Packet]]) -> None:
        for output in outputs:
            if isinstance(output, Delivered):
                client, data = output.packet
                if output.corruption is not None:
                    damaged = _damaged(data, output.corruption, client[0].headers)
                    if damaged is None:
                        self._checksum += 1
                        continue
                    data = damaged
                self._hand_over(direction, client, data)

    def _hand_over(self, direction: str, client: _Client, data: bytes) -> None:
        try:
            if direction == TO_CLIENT:
                door, address = client
                door.listener.sendto(data, address)
            else:
                self._outside_of(client).send(data)
        except ConnectionRefusedError:
            self._refused += 1  # of an earlier datagram: this one was not sent
            with contextlib.suppress(OSError):
                self._outside_of(client).send(data)
        except OSError:
            self._unsent += 1

    def _outside_of(self, client: _Client) -> socket.socket:
        own = self._outside.get(client)
        if own is None:
            if len(self._outside) >= MOST_CLIENTS:
                _, longest_idle = self._outside.popitem(last=False)
                self._selector.remove(longest_idle)
                longest_idle.close()
            own = _socket(client[0].family)
            try:
                own.connect(client[0].to)
            except OSError:
                own.close()
                raise
            self._clients += 1
            outside = self._outside[client] = own
            self._selector.add(own, lambda: self._from_server(client, outside))
        self._outside.move_to_end(client)
        return own


def _damaged(data: bytes, corruption: Corruption, headers: int) -> bytes | None:
    """What a receiver's checksums let through of a damaged datagram, which crosses real headers only in theory."""
    if not corruption.fix_udp_checksum:
        return None  # IP's or UDP's: no damage of one bit or byte escapes the sum of RFC 1071
    at = corruption.at - headers
    if at >= 0:
        return msgspec.structs.replace(corruption, at=at).apply(data)
    mended = (_CHECKSUM_AT - udp.HEADER_LEN, _CHECKSUM_AT - udp.HEADER_LEN + 1)
    return data if at in mended else None  # another port, length or address: it reaches nobody


def _socket(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        made.setsockopt(socket.SOL_SOCKET, option, BUFFER)
    return made


def _resolve(address: tuple[str, int], prefer: int = socket.AF_INET) -> tuple[int, _Address]:
    """A name may mean several addresses: one of the family that is preferred, if there is one."""
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise CannotProxy(f"{address[0]}: {getattr(error, 'strerror', None) or error}") from None
    family, _, _, _, where = min(found, key=lambda entry: entry[0] != prefer)
    return family, where
