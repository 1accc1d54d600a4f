"""The IPv4 packet.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-------+-----------+---+-------------------------------+
    |version|  IHL  |   DSCP    |ECN|         total length          |
    +-------+-------+-----------+---+-----+-------------------------+
    |        identification         |flags|     fragment offset     |
    +---------------+---------------+-----+-------------------------+
    |  time to live |    protocol   |        header checksum        |
    +---------------+---------------+-------------------------------+
    |                        source address                         |
    +---------------------------------------------------------------+
    |                      destination address                      |
    +---------------------------------------------------------------+
    |            options, 0 to 40 bytes, padded to 32 bits          |
    +---------------------------------------------------------------+

Source: RFC 791 §3.1. The second byte, once "type of service", is DSCP (RFC 2474 §3) and ECN (RFC 3168 §5).
"""

from __future__ import annotations

import enum
import struct
from ipaddress import IPv4Address

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.checksum import internet_checksum, is_intact

HEADER_LEN = 20
"""Bytes of a header without options, the smallest."""
MAX_OPTIONS = 40
"""Bytes of options, all that a 4-bit header length in words leaves."""

_RULE = "RFC 791 §3.1"
_HEADER = struct.Struct("!BBHHHBBH4s4s")
_CHECKSUM_AT = 10


class Ipv4Flags(enum.IntFlag):
    """The three bits before the fragment offset."""

    MORE_FRAGMENTS = 1
    DONT_FRAGMENT = 2
    RESERVED = 4
    """RFC 791 §3.1: "reserved, must be zero"."""


class Ipv4Packet(msgspec.Struct, frozen=True):
    """One packet; `decode(encode(p)) == p`. The lengths and the checksum are computed.

    Attributes:
        source: the sender's address.
        destination: the receiver's address.
        protocol: what the payload is, such as `udp.PROTOCOL`.
        payload: 0 to 65,515 bytes.
        time_to_live: hops left, 0 to 255.
        identification: 16 bits, the same in all fragments of a datagram.
        flags: see `Ipv4Flags`.
        fragment_offset: where this fragment's payload stands in the datagram, in units of 8 bytes, 13 bits.
        dscp: per-hop behaviour asked for, 6 bits.
        ecn: 0 not capable, 1 and 2 capable, 3 congestion experienced.
        options: 0 to 40 bytes as they stand in the header, a multiple of 4.
    """

    source: IPv4Address
    destination: IPv4Address
    protocol: int
    payload: bytes = b""
    time_to_live: int = 64
    identification: int = 0
    flags: Ipv4Flags = Ipv4Flags.DONT_FRAGMENT
    fragment_offset: int = 0
    dscp: int = 0
    ecn: int = 0
    options: bytes = b""


_FLAGS = tuple(Ipv4Flags(bits) for bits in range(8))


def encode(packet: Ipv4Packet) -> bytes:
    """The packet's bytes, its header checksum computed.

    Raises:
        LocalProtocolError: a field does not fit its bits.
    """
    if packet.source.version != 4 or packet.destination.version != 4:
        raise LocalProtocolError(f"{packet.source} or {packet.destination} is no IPv4 address", rule=_RULE)
    if len(packet.options) > MAX_OPTIONS or len(packet.options) % 4:
        raise LocalProtocolError(
            f"options of {len(packet.options)} B are not a multiple of 4 up to {MAX_OPTIONS} B", rule=_RULE
        )
    if not (0 <= packet.dscp < 64 and 0 <= packet.ecn < 4 and 0 <= packet.fragment_offset < 2**13):
        raise LocalProtocolError(
            f"dscp {packet.dscp}, ecn {packet.ecn} or fragment offset {packet.fragment_offset} does not fit", rule=_RULE
        )
    header_length = HEADER_LEN + len(packet.options)
    try:
        header = _HEADER.pack(
            4 << 4 | header_length // 4,
            packet.dscp << 2 | packet.ecn,
            header_length + len(packet.payload),
            packet.identification,
            packet.flags << 13 | packet.fragment_offset,
            packet.time_to_live,
            packet.protocol,
            0,
            packet.source.packed,
            packet.destination.packed,
        )
    except struct.error as error:
        raise LocalProtocolError(
            f"a field does not fit: {error} ({len(packet.payload)} B payload)", rule=_RULE
        ) from None
    # "For purposes of computing the checksum, the value of the checksum field is zero." It covers the header only.
    header += packet.options
    checksum = internet_checksum(header).to_bytes(2, "big")
    return header[:_CHECKSUM_AT] + checksum + header[_CHECKSUM_AT + 2 :] + packet.payload


def decode(data: bytes, *, verify: bool = True) -> Ipv4Packet:
    """The packet that `data` begins with; what stands behind its total length is the link's padding.

    Args:
        verify: whether the header checksum must be right.

    Raises:
        DecodeError: truncated, or a field that is wrong; `field` and `offset` say where.
    """
    if len(data) < HEADER_LEN:
        raise _wrong("header", len(data), f"{len(data)} B where a header takes {HEADER_LEN} B")
    first, service, total_length, identification, fragment, time_to_live, protocol, _checksum, source, destination = (
        _HEADER.unpack_from(data)
    )
    if first >> 4 != 4:
        # RFC 1122 §3.2.1.1: "A datagram whose version number is not 4 MUST be silently discarded."
        raise _wrong("version", 0, f"version {first >> 4}, not 4", "RFC 1122 §3.2.1.1")
    header_length = (first & 15) * 4
    if header_length < HEADER_LEN:
        raise _wrong("IHL", 0, f"header length {first & 15} words, the minimum value for a correct header is 5")
    if total_length < header_length:
        raise _wrong("total length", 2, f"total length {total_length} B is less than the header's {header_length} B")
    # RFC 894: "This padding is not part of the IP packet", so there may be more than the total length, but not less.
    if total_length > len(data):
        raise _wrong("total length", 2, f"total length {total_length} B, {len(data)} B are there")
    # RFC 1122 §3.2.1.2: "A host MUST verify the IP header checksum on every received datagram"
    if verify and not is_intact(data[:header_length]):
        raise _wrong("header checksum", _CHECKSUM_AT, "the header checksum does not match", "RFC 1122 §3.2.1.2")
    return Ipv4Packet(
        IPv4Address(source),
        IPv4Address(destination),
        protocol,
        data[header_length:total_length],
        time_to_live,
        identification,
        _FLAGS[fragment >> 13],
        fragment & 0x1FFF,
        service >> 2,
        service & 3,
        data[HEADER_LEN:header_length],
    )


def _wrong(field: str, offset: int, message: str, rule: str = _RULE) -> DecodeError:
    return DecodeError(message, rule=rule, field=field, offset=offset)
