"""ARP: who on this link has an address? Asked of all, answered by one.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------------------------+
    |      hardware: 1, Ethernet    |     protocol: 0x0800, IPv4    |
    +---------------+---------------+-------------------------------+
    |  6            |  4            | operation: 1 request, 2 reply |
    +---------------+---------------+-------------------------------+
    |                  sender's hardware address                    |
    +                               +-------------------------------+
    |                               |   sender's IPv4 address
    +-------------------------------+-------------------------------+
                                    |   target's hardware address
    +-------------------------------+-------------------------------+
    |                                                               |
    +---------------------------------------------------------------+
    |                     target's IPv4 address                     |
    +---------------------------------------------------------------+

It stands in a frame, beside IP and not above it. Source: RFC 826. Here for IPv4 on Ethernet alone.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import msgspec

from netlab.errors import DecodeError, LocalProtocolError

REQUEST = 1
REPLY = 2

_RULE = "RFC 826"
_FORMAT = struct.Struct("!HHBBH6s4s6s4s")
_ETHERNET, _IPV4 = 1, 0x0800
NOBODY = bytes(6)
"""The target's hardware address in a request: it is what is asked for."""


class ArpPacket(msgspec.Struct, frozen=True):
    """One packet; `decode(encode(p)) == p`.

    Attributes:
        operation: `REQUEST` or `REPLY`.
        sender_hardware, target_hardware: 6 bytes.
    """

    operation: int
    sender_hardware: bytes
    sender: IPv4Address
    target_hardware: bytes
    target: IPv4Address


def encode(packet: ArpPacket) -> bytes:
    """The packet's bytes.

    Raises:
        LocalProtocolError: a hardware address is not 6 bytes, or the operation not 16 bits.
    """
    if len(packet.sender_hardware) != 6 or len(packet.target_hardware) != 6 or not 0 <= packet.operation < 2**16:
        raise LocalProtocolError("a hardware address is 6 bytes, an operation 16 bits", rule=_RULE)
    return _FORMAT.pack(
        _ETHERNET,
        _IPV4,
        6,
        4,
        packet.operation,
        packet.sender_hardware,
        packet.sender.packed,
        packet.target_hardware,
        packet.target.packed,
    )


def decode(data: bytes) -> ArpPacket:
    """The packet that `data`, a frame's payload, begins with; what stands behind it is padding.

    Raises:
        DecodeError: too short, or not of IPv4 on Ethernet.
    """
    if len(data) < _FORMAT.size:
        raise DecodeError(f"{len(data)} B where ARP takes {_FORMAT.size} B", rule=_RULE, field="header", offset=0)
    hardware, protocol, its_len, address_len, operation, sha, spa, tha, tpa = _FORMAT.unpack_from(data)
    if (hardware, protocol, its_len, address_len) != (_ETHERNET, _IPV4, 6, 4):
        raise DecodeError("not for IPv4 on Ethernet", rule=_RULE, field="hardware", offset=0)
    return ArpPacket(operation, sha, IPv4Address(spa), tha, IPv4Address(tpa))
