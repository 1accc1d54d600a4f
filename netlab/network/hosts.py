"""Simulated hosts: addresses, UDP ports, TCP, and forwarding for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from netlab.errors import DecodeError, NetlabError
from netlab.network import ip_packet
from netlab.network.ip_packet import EPHEMERAL, LOOPBACK, DamagedPacket, IpPacket, Packet
from netlab.network.tcp_stack import TcpStack
from netlab.packets import ipv4, tcp, udp
from netlab.packets.tcp import TcpSegment
from netlab.packets.udp import UdpDatagram

if TYPE_CHECKING:
    from netlab.network.simulator import Simulation

MAX_DATAGRAM = 65_535 - ipv4.HEADER_LEN - udp.HEADER_LEN
"""Payload of the largest UDP datagram in IPv4, bytes."""

_HEADERS = ipv4.HEADER_LEN + udp.HEADER_LEN

Receive: TypeAlias = Callable[[bytes, int, int], None]
"""Called with a datagram's payload, and the address and port it came from."""


class CannotBind(NetlabError):
    """The port is taken, or the address is not this host's."""


class Interface(Protocol):
    """A host's end of a link."""

    def send(self, packet: Packet) -> None:
        """Hand the packet to the link."""


class UdpPort:
    """A socket of a host. `sendto` never blocks: what the link can't take it drops."""

    __slots__ = ("_host", "address", "is_open", "port", "receive")

    def __init__(self, host: Host, address: int | None, port: int, receive: Receive) -> None:
        self._host = host
        self.receive = receive
        self.address = address
        self.port = port
        self.is_open = True

    def sendto(self, payload: bytes, address: int, port: int) -> None:
        """Send one datagram, of at most `MAX_DATAGRAM` bytes."""
        host = self._host
        source = self.address or (LOOPBACK if address == LOOPBACK else host.address)
        datagram = UdpDatagram(self.port, port, payload)
        host.send(IpPacket(source, address, datagram, _HEADERS + len(payload), host.identify()))

    def close(self) -> None:
        """Give the port back; what comes to it now is dropped."""
        if self.is_open:
            self.is_open = False
            self._host.release(self)


class _Nowhere:
    """Where packets go that have no way."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def send(self, packet: Packet) -> None:
        self._host.dropped["no_route"] += 1


class _Routes(dict[int, Interface]):
    """The first hop to each destination, found when the first packet goes there."""

    def __init__(self, simulation: Simulation, host: Host) -> None:
        super().__init__()
        self._simulation = simulation
        self._host = host

    def __missing__(self, destination: int) -> Interface:
        found = self[destination] = self._simulation.first_hop(self._host, destination) or _Nowhere(self._host)
        return found


class Host:
    """A host, or a router: every host forwards what is not for itself.

    Attributes:
        address: the 32-bit number of its address.
        sent, received, forwarded: packets.
        dropped: those dropped here, by reason: `no_port`, `no_route`, `time_exceeded`, or a field that was damaged,
            such as `bad_checksum`.
    """

    def __init__(self, simulation: Simulation, name: str, address: IPv4Address, number: int) -> None:
        self.name = name
        self.address = int(address)
        self.address_text = str(address)
        self.hardware = bytes([2, 0, 0, 0, number >> 8, number & 0xFF])  # 02: locally administered
        self.sent = self.received = self.forwarded = 0
        self.dropped: Counter[str] = Counter()
        self.entropy = simulation.entropy(name)
        self._simulation = simulation
        self._routes = _Routes(simulation, self)
        self._ports: dict[int, list[UdpPort]] = {}
        self._identification = 0
        self._tcp: TcpStack | None = None

    def __repr__(self) -> str:
        return f"<Host {self.name} {self.address_text}>"

    # UDP

    def bind(self, port: int, receive: Receive, *, address: int | None = None) -> UdpPort:
        """Open a port; 0 takes a free one.

        Args:
            address: only what comes to this one of the host's addresses; None for all.

        Raises:
            CannotBind: the port is taken, or the address is not this host's.
        """
        if address not in (None, 0, self.address, LOOPBACK):
            raise CannotBind(f"{IPv4Address(address or 0)} is not an address of {self.name}")
        address = address or None
        if port == 0:
            port = self._free_port()
        taken = self._ports.setdefault(port, [])
        if any(other.address in (address, None) or address is None for other in taken):
            raise CannotBind(f"port {port} of {self.name} is taken")
        opened = UdpPort(self, address, port, receive)
        taken.append(opened)
        return opened

    def _free_port(self) -> int:
        first = int.from_bytes(self.entropy(2), "big")
        for offset in range(len(EPHEMERAL)):
            port = EPHEMERAL[(first + offset) % len(EPHEMERAL)]
            if not self._ports.get(port):
                return port
        raise CannotBind(f"{self.name} has no free port")

    def release(self, port: UdpPort) -> None:
        """A port was closed."""
        self._ports[port.port].remove(port)

    # TCP

    @property
    def tcp(self) -> TcpStack:
        """This host's TCP; it is there as soon as it is asked for."""
        if self._tcp is None:
            simulation = self._simulation
            self._tcp = TcpStack(
                address=self.address,
                send=self._send_segment,
                now=lambda: simulation.now,
                call_at=simulation.call_at,
                entropy=self.entropy,
                name=self.name,
                trace=simulation.trace,
            )
        return self._tcp

    @property
    def unacknowledged(self) -> int:
        """Bytes that this host's TCP was given to send, and whose arrival it does not know of."""
        return 0 if self._tcp is None else sum(connection.unacknowledged for connection in self._tcp.connections)

    def _send_segment(self, source: int, destination: int, segment: TcpSegment) -> None:
        size = ipv4.HEADER_LEN + tcp.encoded_len(segment)
        self.send(IpPacket(source, destination, segment, size, self.identify()))

    # IP

    def identify(self) -> int:
        """The next packet's identification: it tells this host's packets apart in a capture."""
        self._identification = number = (self._identification + 1) & 0xFFFF
        return number

    def send(self, packet: IpPacket) -> None:
        """Send a packet of this host's own."""
        self.sent += 1
        destination = packet.destination
        if destination in (self.address, LOOPBACK):
            self._simulation.call_at(self._simulation.now, self._deliver, packet)
        else:
            self._routes[destination].send(packet)

    def arrive(self, packet: Packet) -> None:
        """A packet comes from a link."""
        if isinstance(packet, DamagedPacket):
            self._inspect(packet)
            return
        destination = packet.destination
        if destination == self.address:
            self._deliver(packet)
        elif packet.time_to_live <= 1:
            self.dropped["time_exceeded"] += 1  # RFC 1812 §5.3.1; this network has no ICMP to say so
        else:
            self.forwarded += 1
            self._routes[destination].send(
                IpPacket(
                    packet.source,
                    destination,
                    packet.body,
                    packet.size,
                    packet.identification,
                    packet.time_to_live - 1,
                )
            )

    def _inspect(self, packet: DamagedPacket) -> None:
        """What a host does with bytes. A router looks at the IPv4 header alone: what is behind it goes on damaged."""
        try:
            header = ipv4.decode(packet.data)
            if int(header.destination) == self.address:
                self._deliver(ip_packet.decode(packet.data))
                return
        except DecodeError as error:
            self.dropped[f"bad_{error.field.replace(' ', '_').lower()}"] += 1
            return
        if header.time_to_live <= 1:
            self.dropped["time_exceeded"] += 1
            return
        self.forwarded += 1
        header = msgspec.structs.replace(header, time_to_live=header.time_to_live - 1)
        self._routes[int(header.destination)].send(DamagedPacket(ipv4.encode(header)))

    def forget_routes(self) -> None:
        """The network has changed."""
        self._routes.clear()

    def _deliver(self, packet: IpPacket) -> None:
        body = packet.body
        if isinstance(body, UdpDatagram):
            for port in self._ports.get(body.destination_port, ()):
                if port.address is None or port.address == packet.destination:
                    self.received += 1
                    port.receive(body.payload, packet.source, body.source_port)
                    return
            self.dropped["no_port"] += 1
        else:
            self.received += 1
            self.tcp.arrived(packet.source, packet.destination, body)
