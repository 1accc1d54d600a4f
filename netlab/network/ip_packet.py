"""The packets that simulated hosts send: objects, whose bytes are made only where somebody looks at them.

An address is its 32-bit number here, because a table of routes is asked at every hop.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import TypeAlias

import msgspec

from netlab.errors import DecodeError
from netlab.network.impairments import Corruption
from netlab.packets import ipv4, tcp, udp
from netlab.packets.checksum import internet_checksum, pseudo_header
from netlab.packets.ipv4 import Ipv4Packet
from netlab.packets.tcp import TcpSegment
from netlab.packets.udp import UdpDatagram

TIME_TO_LIVE = 64

LOOPBACK = int(IPv4Address("127.0.0.1"))
EPHEMERAL = range(49152, 65536)
"""Ports that nobody chose (RFC 6335 §6)."""

_UDP_CHECKSUM_AT = ipv4.HEADER_LEN + 6

Body: TypeAlias = UdpDatagram | TcpSegment


class IpPacket(msgspec.Struct, frozen=True, gc=False):
    """An IPv4 packet that was not damaged.

    Attributes:
        source: 32 bits.
        destination: 32 bits.
        size: bytes of the whole packet, with its IPv4 header.
    """

    source: int
    destination: int
    body: Body
    size: int
    identification: int = 0
    time_to_live: int = TIME_TO_LIVE


class DamagedPacket(msgspec.Struct, frozen=True, gc=False):
    """An IPv4 packet that a link has corrupted: what its bytes mean is for the next host to find out."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes of the whole packet."""
        return len(self.data)


Packet: TypeAlias = IpPacket | DamagedPacket


def encode(packet: Packet) -> bytes:
    """The packet's bytes, from its IPv4 header on."""
    if isinstance(packet, DamagedPacket):
        return packet.data
    source, destination = IPv4Address(packet.source), IPv4Address(packet.destination)
    if isinstance(packet.body, UdpDatagram):
        protocol, payload = udp.PROTOCOL, udp.encode(packet.body, source, destination)
    else:
        protocol, payload = tcp.PROTOCOL, tcp.encode(packet.body, source, destination)
    return ipv4.encode(
        Ipv4Packet(
            source,
            destination,
            protocol,
            payload,
            time_to_live=packet.time_to_live,
            identification=packet.identification,
        )
    )


def decode(data: bytes) -> IpPacket:
    """What a receiver makes of bytes: header, addresses, checksums, all of it is verified.

    Raises:
        DecodeError: a checksum does not fit, or a field cannot be.
    """
    packet = ipv4.decode(data)
    body: Body
    match packet.protocol:
        case udp.PROTOCOL:
            body = udp.decode(packet.payload, packet.source, packet.destination)
        case tcp.PROTOCOL:
            body = tcp.decode(packet.payload, packet.source, packet.destination)
        case number:
            raise DecodeError(
                f"protocol {number} is not known here", rule="RFC 1122 §3.2.2.1", field="protocol", offset=9
            )
    size = ipv4.HEADER_LEN + len(packet.payload)
    source, destination = int(packet.source), int(packet.destination)
    return IpPacket(source, destination, body, size, packet.identification, packet.time_to_live)


def corrupt(packet: Packet, corruption: Corruption) -> DamagedPacket:
    """The packet with this damage. Checksums stay as they were, so that they catch it; but see
    `Corruption.fix_udp_checksum`."""
    return DamagedPacket(damage(encode(packet), corruption))


def damage(data: bytes, corruption: Corruption) -> bytes:
    """As `corrupt`, of the bytes of an IPv4 packet."""
    data = corruption.apply(data)
    is_udp = data[9] == udp.PROTOCOL and data[0] == 4 << 4 | ipv4.HEADER_LEN // 4
    if corruption.fix_udp_checksum and is_udp:
        source, destination = IPv4Address(data[12:16]), IPv4Address(data[16:20])
        before, after = data[ipv4.HEADER_LEN : _UDP_CHECKSUM_AT], data[_UDP_CHECKSUM_AT + 2 :]
        length = int.from_bytes(before[4:6], "big")
        covered = pseudo_header(source, destination, udp.PROTOCOL, length) + (before + b"\0\0" + after)[:length]
        checksum = internet_checksum(covered) or 0xFFFF
        data = data[:_UDP_CHECKSUM_AT] + checksum.to_bytes(2, "big") + after
    return data
