"""The Internet checksum (RFC 1071) and the pseudo-headers that UDP and TCP put before what it covers.

    pseudo-header for IPv4 (RFC 9293 §3.1)              pseudo-header for IPv6 (RFC 8200 §8.1)
    +--------+--------+--------+--------+               +--------+--------+--------+--------+
    |           source address          |               |                                   |
    +--------+--------+--------+--------+               +     source address, 16 bytes      +
    |         destination address       |               |                                   |
    +--------+--------+--------+--------+               +--------+--------+--------+--------+
    |  zero  |protocol|      length     |               |                                   |
    +--------+--------+--------+--------+               +   destination address, 16 bytes   +
                                                        |                                   |
                                                        +--------+--------+--------+--------+
                                                        |              length               |
                                                        +--------+--------+--------+--------+
                                                        |           zero           |  next  |
                                                        +--------+--------+--------+--------+

A pseudo-header is never sent: it lets the receiver notice a segment that came to the wrong address.

The sum notices every error within 15 bits in a row, but not two words that changed places, nor 0x0000 for 0xFFFF.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TypeAlias

from netlab.errors import LocalProtocolError

IPAddress: TypeAlias = IPv4Address | IPv6Address


def internet_checksum(data: bytes) -> int:
    """The 16 bits to put into the checksum field of `data`, in which that field is zero.

    Source:
        RFC 1071 §1 (1), (2); §3 has the example below.

    >>> hex(internet_checksum(bytes.fromhex("0001 f203 f4f5 f6f7")))
    '0x220d'
    """
    return 0xFFFF - ones_complement_sum(data)


def is_intact(data: bytes) -> bool:
    """Whether `data`, its checksum included, arrived as it was sent, as far as 16 bits can tell.

    Source:
        RFC 1071 §1 (3): "If the result is all 1 bits (-0 in 1's complement arithmetic), the check succeeds."
    """
    return ones_complement_sum(data) == 0xFFFF


def ones_complement_sum(data: bytes) -> int:
    """The 1's complement sum of the 16-bit words of `data`, the last one padded with a zero byte; 0 to 0xFFFF.

    Adding with end-around carry is adding modulo 0xFFFF. And 0x10000 is 1 modulo 0xFFFF, so one long number leaves
    the same remainder as the sum of its 16-bit words: a single division does what the RFC does in a loop. Only the two
    zeros of 1's complement need care: 0 is the sum of nothing but zeros, 0xFFFF (-0) any other multiple.
    """
    number = int.from_bytes(data, "big")
    if len(data) % 2:
        number <<= 8
    return number % 0xFFFF or (0xFFFF if number else 0)


def pseudo_header(source: IPAddress, destination: IPAddress, protocol: int, length: int) -> bytes:
    """What the checksum of UDP and TCP covers beside the segment of `length` bytes itself.

    Raises:
        LocalProtocolError: the addresses are of two families, or a number does not fit.
    """
    if source.version != destination.version:
        raise LocalProtocolError(f"{source} and {destination} are of two families", rule="RFC 8200 §8.1")
    # RFC 8200 §8.1: in IPv6 the length has 32 bits and stands before the next header
    layout, fields = ("!BBH", (0, protocol, length)) if source.version == 4 else ("!II", (length, protocol))
    try:
        return source.packed + destination.packed + struct.pack(layout, *fields)
    except struct.error as error:
        raise LocalProtocolError(f"a field does not fit: {error} ({length} B)", rule="RFC 8200 §8.1") from None
