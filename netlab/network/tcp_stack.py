"""A host's TCP: ports, listeners, and which connection a segment is for. Simulated hosts have one, and so may whoever
holds the end of a real link.

    stack = host.tcp
    stack.listen(80, accept)                       accept(socket) -> the user of each connection that comes
    socket = stack.connect(address, 80, user)      the user is told: established, received, ..., over
    socket.send(b"hello")

The machine is `protocols.tcp.Connection`; here it gets its segments and its timer. It sends objects: they are encoded
by whoever needs bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from ipaddress import IPv4Address
from typing import Any, TypeAlias

from netlab.errors import NetlabError
from netlab.network.ip_packet import EPHEMERAL, LOOPBACK
from netlab.network.tcp_socket import Key, TcpSocket, TcpUser
from netlab.packets.tcp import TcpSegment
from netlab.protocols.congestion import Reno
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp.config import LINUX, TcpConfig
from netlab.protocols.tcp.connection import Connection
from netlab.protocols.tcp.events import ActiveOpen, Closed, Failed, SegmentArrived
from netlab.protocols.tcp.isn import KEY_LEN, InitialNumbers
from netlab.protocols.tcp.listener import BACKLOG, Listener
from netlab.protocols.tcp.sequence import unwrap
from netlab.protocols.tcp.states import State
from netlab.protocols.tcp.tcb import reset_for
from netlab.protocols.trace import Trace
from netlab.units import Ns

_TIME_WAIT = State.TIME_WAIT  # every segment asks, and Python 3.11 looks an enum's member up slowly


class CannotConnect(NetlabError):
    """No connection can be made to that address, or no port is left to make it from."""


class PortTaken(NetlabError):
    """Somebody listens at the port already."""


Accept: TypeAlias = Callable[[TcpSocket], TcpUser]
"""Called with each connection that stands; its user comes back."""


class _Waiting:
    """The user of a connection that has not been accepted."""

    def established(self) -> None:
        """Nobody is told."""

    def received(self, data: bytes) -> None:
        raise AssertionError("data before the connection stands")

    def peer_closed(self) -> None:
        raise AssertionError("an end before the connection stands")

    def writable(self) -> None:
        """Nobody is told."""

    def over(self, how: Closed | Failed) -> None:
        """Nobody is told."""


_WAITING = _Waiting()


class _Listening:
    """A port somebody listens at."""

    def __init__(self, machine: Listener, accept: Accept, address: int | None) -> None:
        self.machine = machine
        self.accept = accept
        self.address = address


class TcpStack:
    """The TCP of one host.

    Args:
        address: of the host, 32 bits.
        send: sends a segment: source, destination, segment.
        now: the time, ns.
        call_at: `call_at(at, callback, argument)` has the callback called then.
        entropy: for the key of initial sequence numbers, and for ports.
        name: of the host, for traces.

    Attributes:
        config, control: of connections that are not told otherwise.
        of_port: the same, of those to a port that is listened at.
        trace: takes what the connections decide; None: nobody listens.
        dropped: segments that were not taken, by reason.
    """

    def __init__(
        self,
        *,
        address: int,
        send: Callable[[int, int, TcpSegment], None],
        now: Callable[[], Ns],
        call_at: Callable[[Ns, Callable[[Any], None], Any], object],
        entropy: Callable[[int], bytes],
        name: str = "",
        config: TcpConfig = LINUX,
        control: Callable[..., CongestionControl] = Reno,
        trace: Trace | None = None,
    ) -> None:
        self.address = address
        self.send = send
        self.now = now
        self.call_at = call_at
        self.name = name
        self.config = config
        self.control = control
        self.trace = trace
        self.of_port: dict[int, tuple[TcpConfig, Callable[..., CongestionControl]]] = {}
        self.dropped: Counter[str] = Counter()
        self._entropy = entropy
        self._numbers = InitialNumbers(entropy(KEY_LEN))
        self._sockets: dict[Key, TcpSocket] = {}
        self._listening: dict[int, _Listening] = {}

    # Opening

    def listen(
        self,
        port: int,
        accept: Accept,
        *,
        address: int | None = None,
        backlog: int = BACKLOG,
        config: TcpConfig | None = None,
        control: Callable[..., CongestionControl] | None = None,
    ) -> int:
        """Take connections at a port; 0 takes a free one, and the port comes back.

        Args:
            address: only those that come to this address of the host (MUST-43).

        Raises:
            PortTaken: somebody listens there.
        """
        if port == 0:
            port = self._free_port(None)
        if port in self._listening:
            raise PortTaken(f"port {port} of {self.name} is taken")

        theirs = self.of_port.get(port, (config, control))
        its_config, its_control = config or theirs[0], control or theirs[1]

        def make(peer: Hashable, segment: TcpSegment, now: Ns) -> Connection:
            assert isinstance(peer, tuple)
            local, remote, after = peer
            return self._connection(local, remote, its_config, its_control, after=after)

        self._listening[port] = _Listening(Listener(make, backlog=backlog), accept, address)
        return port

    def stop_listening(self, port: int) -> None:
        """Take no more connections there; those that stand go on."""
        self._listening.pop(port, None)

    def connect(
        self,
        address: int,
        port: int,
        user: TcpUser,
        *,
        local_port: int = 0,
        config: TcpConfig | None = None,
        control: Callable[..., CongestionControl] | None = None,
    ) -> TcpSocket:
        """Open a connection; the user is told when it stands, or that it never will.

        Raises:
            CannotConnect: the address is none that can be connected to, or no port is free.
        """
        if not _is_unicast(address):
            # "A TCP implementation MUST reject as an error a local OPEN call for an invalid remote IP address (e.g., a
            # broadcast or multicast address)" (MUST-46)
            raise CannotConnect(f"{IPv4Address(address)} is not the address of one host")
        source = LOOPBACK if address == LOOPBACK else self.address  # MUST-44
        local = source, local_port or self._free_port((address, port))
        if (local[1], address, port) in self._sockets:
            raise CannotConnect(f"port {local[1]} of {self.name} is connected to {IPv4Address(address)}:{port} already")
        remote = address, port
        socket = TcpSocket(self, self._connection(local, remote, config, control), local, remote, user)
        self._sockets[socket.key] = socket
        socket.step(ActiveOpen())
        return socket

    def _connection(
        self,
        local: tuple[int, int],
        remote: tuple[int, int],
        config: TcpConfig | None,
        control: Callable[..., CongestionControl] | None,
        *,
        after: int | None = None,
    ) -> Connection:
        iss = self._numbers.iss(local, remote, self.now())
        if after is not None:  # from TIME-WAIT: "larger than the largest sequence number it used" (MAY-2)
            iss = max(unwrap(iss, after), after + 1) & 0xFFFF_FFFF
        return Connection(
            local[1],
            remote[1],
            iss=iss,
            config=config or self.config,
            control=control or self.control,
            timestamp_offset=self._numbers.timestamp_offset(local, remote),
            who=f"{self.name}:{local[1]}",
            trace=self.trace,
        )

    def _free_port(self, remote: tuple[int, int] | None) -> int:
        first = int.from_bytes(self._entropy(2), "big")
        for offset in range(len(EPHEMERAL)):
            port = EPHEMERAL[(first + offset) % len(EPHEMERAL)]
            if port not in self._listening and (remote is None or (port, *remote) not in self._sockets):
                return port
        raise CannotConnect(f"{self.name} has no free port")

    # Segments

    def arrived(self, source: int, destination: int, segment: TcpSegment) -> None:
        """A segment came to this host."""
        key = segment.destination_port, source, segment.source_port
        socket = self._sockets.get(key)
        if socket is None:
            self._open(source, destination, segment, None)
        elif socket.connection.tcb.state is _TIME_WAIT and socket.connection.may_be_reopened_by(segment):
            self.forget(socket)
            self._open(source, destination, segment, socket.connection.tcb.sender.snd_nxt)
        else:
            socket.step(SegmentArrived(segment))

    def _open(self, source: int, destination: int, segment: TcpSegment, after: int | None) -> None:
        """It is for no connection: a listener's, or nobody's."""
        if not _is_unicast(source) or not _is_unicast(destination):
            # "An incoming SYN with an invalid source address MUST be ignored" (MUST-63); "MUST silently discard an
            # incoming SYN segment that is addressed to a broadcast or multicast address" (MUST-57)
            self.dropped["not_unicast"] += 1
            return
        listening = self._listening.get(segment.destination_port)
        reset: TcpSegment | None
        if listening is None or listening.address not in (None, destination):
            self.dropped["no_connection"] += 1
            reset = reset_for(segment)
        else:
            local, remote = (destination, segment.destination_port), (source, segment.source_port)
            found = listening.machine.open((local, remote, after), segment, self.now())
            if isinstance(found, Connection):
                socket = TcpSocket(self, found, local, remote, _WAITING)
                self._sockets[socket.key] = socket
                socket.step(SegmentArrived(segment))
                return
            reset = found
        if reset is not None:
            self.send(destination, source, reset)

    def established(self, socket: TcpSocket) -> None:
        """A connection stands; if it came to a listener, it gets its user."""
        listening = self._listening.get(socket.local[1])
        if socket.user is _WAITING and listening is not None:
            listening.machine.done(socket.connection)
            socket.user = listening.accept(socket)

    def forget(self, socket: TcpSocket) -> None:
        """A connection is no more."""
        if self._sockets.get(socket.key) is socket:
            del self._sockets[socket.key]
        listening = self._listening.get(socket.local[1])
        if socket.user is _WAITING and listening is not None:
            listening.machine.done(socket.connection)

    @property
    def connections(self) -> list[Connection]:
        """Those there are, whatever their state."""
        return [socket.connection for socket in self._sockets.values()]


def _is_unicast(address: int) -> bool:
    """An address of one host: neither multicast (224.0.0.0/4) nor reserved above, nor "this network"."""
    return 0 < address < 0xE000_0000
