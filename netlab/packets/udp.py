"""The UDP datagram.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------------------------+
    |          source port          |       destination port        |
    +-------------------------------+-------------------------------+
    |            length             |           checksum            |
    +-------------------------------+-------------------------------+

Ports, a length and a checksum: all that UDP adds to IP. The length counts the header, so it is at least 8.

Source: RFC 768, which has no section numbers; for IPv6, RFC 8200 §8.1.
"""

from __future__ import annotations

import struct

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.checksum import IPAddress, internet_checksum, is_intact, pseudo_header

PROTOCOL = 17
"""UDP's number in the protocol field of IPv4 and the next header of IPv6."""

HEADER_LEN = 8

_RULE = "RFC 768"
_HEADER = struct.Struct("!HHHH")
_CHECKSUM_AT = 6


class UdpDatagram(msgspec.Struct, frozen=True):
    """One datagram; `decode(encode(d, source, destination), source, destination) == d`. The length is computed.

    Attributes:
        source_port: 16 bits, 0 where no answer is expected.
        destination_port: 16 bits.
        payload: 0 to 65,527 bytes.
        has_checksum: False where the sender made none, which only IPv4 allows.
    """

    source_port: int
    destination_port: int
    payload: bytes = b""
    has_checksum: bool = True


def encode(datagram: UdpDatagram, source: IPAddress, destination: IPAddress) -> bytes:
    """The datagram's bytes, its checksum computed over the pseudo-header of these addresses.

    Raises:
        LocalProtocolError: a field does not fit its bits, or no checksum in IPv6.
    """
    length = HEADER_LEN + len(datagram.payload)
    try:
        ports = struct.pack("!HHH", datagram.source_port, datagram.destination_port, length)
    except struct.error as error:
        raise LocalProtocolError(
            f"a field does not fit: {error} ({len(datagram.payload)} B payload)", rule=_RULE
        ) from None
    if datagram.has_checksum:
        covered = pseudo_header(source, destination, PROTOCOL, length) + ports + b"\0\0" + datagram.payload
        # "If the computed checksum is zero, it is transmitted as all ones"
        checksum = internet_checksum(covered) or 0xFFFF
    elif source.version == 6:
        # RFC 8200 §8.1: "whenever originating a UDP packet, an IPv6 node must compute a UDP checksum"
        raise LocalProtocolError("a UDP datagram in IPv6 must have a checksum", rule="RFC 8200 §8.1")
    else:
        # "An all zero transmitted checksum value means that the transmitter generated no checksum"
        checksum = 0
    return ports + checksum.to_bytes(2, "big") + datagram.payload


def decode(data: bytes, source: IPAddress, destination: IPAddress, *, verify: bool = True) -> UdpDatagram:
    """The datagram that `data`, a whole IP payload, begins with; what stands behind its length is not UDP's.

    Args:
        verify: whether the checksum must be right. A capture taken where a packet is sent may show one that is not:
            the network card was to finish it.

    Raises:
        DecodeError: truncated, or a field that is wrong; `field` and `offset` say where.
    """
    if len(data) < HEADER_LEN:
        raise _wrong("header", len(data), f"{len(data)} B where a header takes {HEADER_LEN} B")
    source_port, destination_port, length, checksum = _HEADER.unpack_from(data)
    # "Length is the length in octets of this user datagram including this header and the data."
    if length < HEADER_LEN:
        raise _wrong("length", 4, f"length {length} B is less than the header's {HEADER_LEN} B")
    if length > len(data):
        raise _wrong("length", 4, f"length {length} B, {len(data)} B are there")
    if verify and checksum == 0 and source.version == 6:
        # RFC 8200 §8.1: "IPv6 receivers must discard UDP packets containing a zero checksum"
        raise _wrong("checksum", _CHECKSUM_AT, "no checksum, which IPv6 does not allow", "RFC 8200 §8.1")
    if verify and checksum and not is_intact(pseudo_header(source, destination, PROTOCOL, length) + data[:length]):
        # RFC 1122 §4.1.3.4: non-zero and invalid, "UDP MUST silently discard the datagram"
        raise _wrong("checksum", _CHECKSUM_AT, "the checksum does not match", "RFC 1122 §4.1.3.4")
    return UdpDatagram(source_port, destination_port, data[HEADER_LEN:length], checksum != 0)


def _wrong(field: str, offset: int, message: str, rule: str = _RULE) -> DecodeError:
    return DecodeError(message, rule=rule, field=field, offset=offset)
