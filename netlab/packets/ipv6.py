"""The IPv6 packet: the fixed header. Extension headers, where there are any, are the first bytes of the payload.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------+-----------+---+---------------------------------------+
    |version|   DSCP    |ECN|              flow label               |
    +-------+-----------+---+-------+---------------+---------------+
    |        payload length         |  next header  |   hop limit   |
    +-------------------------------+---------------+---------------+
    |                                                               |
    +                                                               +
    |                    source address, 16 bytes                   |
    +                                                               +
    |                                                               |
    +                                                               +
    |                                                               |
    +---------------------------------------------------------------+
    |                                                               |
    +                                                               +
    |                 destination address, 16 bytes                 |
    +                                                               +
    |                                                               |
    +                                                               +
    |                                                               |
    +---------------------------------------------------------------+

There is no checksum: the pseudo-header of what stands above covers the addresses.

Source: RFC 8200 §3. The traffic class is DSCP (RFC 2474 §3) and ECN (RFC 3168 §5), as in IPv4.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

import msgspec

from netlab.errors import DecodeError, LocalProtocolError

HEADER_LEN = 40

_RULE = "RFC 8200 §3"
_HEADER = struct.Struct("!IHBB16s16s")


class Ipv6Packet(msgspec.Struct, frozen=True):
    """One packet; `decode(encode(p)) == p`. The payload length is computed.

    Attributes:
        source: the sender's address.
        destination: the receiver's address.
        next_header: what the payload begins with, such as `udp.PROTOCOL`, or an extension header.
        payload: 0 to 65,535 bytes, extension headers included.
        hop_limit: hops left, 0 to 255.
        flow_label: 20 bits.
        dscp: per-hop behaviour asked for, 6 bits.
        ecn: 0 not capable, 1 and 2 capable, 3 congestion experienced.
    """

    source: IPv6Address
    destination: IPv6Address
    next_header: int
    payload: bytes = b""
    hop_limit: int = 64
    flow_label: int = 0
    dscp: int = 0
    ecn: int = 0


def encode(packet: Ipv6Packet) -> bytes:
    """The packet's bytes.

    Raises:
        LocalProtocolError: a field does not fit its bits.
    """
    if packet.source.version != 6 or packet.destination.version != 6:
        raise LocalProtocolError(f"{packet.source} or {packet.destination} is no IPv6 address", rule=_RULE)
    if not (0 <= packet.dscp < 64 and 0 <= packet.ecn < 4 and 0 <= packet.flow_label < 2**20):
        raise LocalProtocolError(
            f"dscp {packet.dscp}, ecn {packet.ecn} or flow label {packet.flow_label} does not fit", rule=_RULE
        )
    try:
        header = _HEADER.pack(
            6 << 28 | packet.dscp << 22 | packet.ecn << 20 | packet.flow_label,
            len(packet.payload),
            packet.next_header,
            packet.hop_limit,
            packet.source.packed,
            packet.destination.packed,
        )
    except struct.error as error:
        raise LocalProtocolError(
            f"a field does not fit: {error} ({len(packet.payload)} B payload)", rule=_RULE
        ) from None
    return header + packet.payload


def decode(data: bytes) -> Ipv6Packet:
    """The packet that `data` begins with; what stands behind its payload length is the link's padding.

    Raises:
        DecodeError: truncated, or another version; `field` and `offset` say where.
    """
    if len(data) < HEADER_LEN:
        raise _wrong("header", len(data), f"{len(data)} B where a header takes {HEADER_LEN} B")
    first, payload_length, next_header, hop_limit, source, destination = _HEADER.unpack_from(data)
    if first >> 28 != 6:
        raise _wrong("version", 0, f"version {first >> 28}, not 6")
    end = HEADER_LEN + payload_length
    if end > len(data):
        raise _wrong(
            "payload length", 4, f"{payload_length} B of payload announced, {len(data) - HEADER_LEN} B are there"
        )
    return Ipv6Packet(
        IPv6Address(source),
        IPv6Address(destination),
        next_header,
        data[HEADER_LEN:end],
        hop_limit,
        first & 0xFFFFF,
        first >> 22 & 63,
        first >> 20 & 3,
    )


def _wrong(field: str, offset: int, message: str) -> DecodeError:
    return DecodeError(message, rule=_RULE, field=field, offset=offset)
