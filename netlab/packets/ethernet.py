"""The Ethernet frame as a capture shows it: hardware adds and removes the preamble and the frame check sequence.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                      destination address                      |
    +                               +-------------------------------+
    |                               |                               |
    +-------------------------------+                               +
    |                        source address                         |
    +-------------------------------+-------------------------------+
    |           EtherType           |   payload, 46 to 1500 bytes
    +-------------------------------+

A payload shorter than 46 bytes is padded by the sender's hardware. The frame does not say so: the IP header does.
"""

from __future__ import annotations

import enum
import struct

import msgspec

from netlab.errors import DecodeError, LocalProtocolError

HEADER_LEN = 14
ADDRESS_LEN = 6
BROADCAST = b"\xff" * ADDRESS_LEN

_RULE = "RFC 894"
_HEADER = struct.Struct("!6s6sH")


class EtherType(enum.IntEnum):
    """What the payload is. Any 16-bit number may stand in a frame; below 0x0600 it is a length (IEEE 802.3)."""

    IPV4 = 0x0800
    """RFC 894."""
    ARP = 0x0806
    """RFC 826."""
    VLAN = 0x8100
    """An IEEE 802.1Q tag, and behind it another EtherType."""
    IPV6 = 0x86DD
    """RFC 2464 §3."""


class EthernetFrame(msgspec.Struct, frozen=True):
    """One frame; `decode(encode(f)) == f`.

    Attributes:
        destination: 6 bytes.
        source: 6 bytes.
        ethertype: 16 bits, often an `EtherType`.
        payload: with its padding, if it has any.
    """

    destination: bytes
    source: bytes
    ethertype: int
    payload: bytes = b""


def encode(frame: EthernetFrame) -> bytes:
    """The frame's bytes, not padded.

    Raises:
        LocalProtocolError: an address is not 6 bytes, or the type not 16 bits.
    """
    for address in (frame.destination, frame.source):
        if len(address) != ADDRESS_LEN:
            raise LocalProtocolError(f"an Ethernet address of {len(address)} B is not {ADDRESS_LEN} B", rule=_RULE)
    try:
        return _HEADER.pack(frame.destination, frame.source, frame.ethertype) + frame.payload
    except struct.error as error:
        raise LocalProtocolError(f"a field does not fit: {error}", rule=_RULE) from None


def decode(data: bytes) -> EthernetFrame:
    """The frame that is all of `data`.

    Raises:
        DecodeError: shorter than a header.
    """
    if len(data) < HEADER_LEN:
        raise DecodeError(
            f"{len(data)} B where a header takes {HEADER_LEN} B", rule=_RULE, field="header", offset=len(data)
        )
    destination, source, ethertype = _HEADER.unpack_from(data)
    return EthernetFrame(destination, source, ethertype, data[HEADER_LEN:])


def format_address(address: bytes) -> str:
    """
    >>> format_address(bytes([2, 0, 0, 0, 0, 1]))
    '02:00:00:00:00:01'
    """
    return address.hex(":")
