"""The TCP segment and its options.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------------------------------+
    |          source port          |       destination port        |
    +-------------------------------+-------------------------------+
    |                        sequence number                        |
    +---------------------------------------------------------------+
    |                     acknowledgment number                     |
    +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
    | data  | re-   |C|E|U|A|P|R|S|F|                               |
    | offset| served|W|C|R|C|S|S|Y|I|            window             |
    |       |       |R|E|G|K|H|T|N|N|                               |
    +-------+-------+-+-+-+-+-+-+-+-+-------------------------------+
    |           checksum            |         urgent pointer        |
    +-------------------------------+-------------------------------+
    |            options, 0 to 40 bytes, padded to 32 bits          |
    +---------------------------------------------------------------+
    |                             payload

A segment does not say how long it is: the IP header does. Nor is a payload a message: payloads are pieces of one
stream of bytes, and the sequence number says which.

Source: RFC 9293 §3.1 (header), §3.2 (options); RFC 7323 §2.2 (window scale), §3.2 (timestamps); RFC 2018 §2, §3 (SACK);
RFC 3168 §6.1 (CWR, ECE).
"""

from __future__ import annotations

import enum
import struct
from typing import TypeAlias, TypeVar

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.checksum import IPAddress, internet_checksum, is_intact, pseudo_header

PROTOCOL = 6
"""TCP's number in the protocol field of IPv4 and the next header of IPv6."""

HEADER_LEN = 20
"""Bytes of a header without options, the smallest."""
MAX_OPTIONS = 40
"""Bytes of options, all that a 4-bit data offset in words leaves."""

_RULE = "RFC 9293 §3.1"
_HEADER = struct.Struct("!HHIIBBHHH")
_CHECKSUM_AT = 16


class TcpFlags(enum.IntFlag):
    """The control bits."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20
    ECE = 0x40
    """ECN-Echo."""
    CWR = 0x80
    """Congestion window reduced."""


# ---- options ---------------------------------------------------------------------------------------------------------


class NoOperation(msgspec.Struct, frozen=True, gc=False):
    """Kind 1, one byte: fills up to where the next option shall begin."""


class MaximumSegmentSize(msgspec.Struct, frozen=True, gc=False):
    """Kind 2, on SYN only: payload that its sender can receive in one segment, bytes."""

    mss: int


class WindowScale(msgspec.Struct, frozen=True, gc=False):
    """Kind 3, on SYN only: by how many bits its sender's windows are shifted. Over 14 counts as 14 (RFC 7323 §2.3)."""

    shift_cnt: int


class SackPermitted(msgspec.Struct, frozen=True, gc=False):
    """Kind 4, on SYN only: its sender understands SACK blocks."""


class Sack(msgspec.Struct, frozen=True, gc=False):
    """Kind 5: blocks received beyond the acknowledgment number, each (left edge, right edge), right not included."""

    blocks: tuple[tuple[int, int], ...]


class Timestamps(msgspec.Struct, frozen=True, gc=False):
    """Kind 8: its sender's clock, and the latest `ts_val` of the peer's echoed; 32 bits each."""

    ts_val: int
    ts_ecr: int


class UnknownOption(msgspec.Struct, frozen=True):
    """Any other kind, kept as it came."""

    kind: int
    data: bytes = b""


TcpOption: TypeAlias = (
    NoOperation | MaximumSegmentSize | WindowScale | SackPermitted | Sack | Timestamps | UnknownOption
)
_Option = TypeVar("_Option", bound=TcpOption)

_END_OF_OPTION_LIST = 0
_KNOWN_KINDS = frozenset(range(6)) | {8}


class TcpSegment(msgspec.Struct, frozen=True, gc=False):
    """One segment; `decode(encode(s, source, destination), source, destination) == s`. The checksum is computed.

    Attributes:
        source_port: 16 bits.
        destination_port: 16 bits.
        sequence_number: number of the first byte of the payload, or of the SYN, mod 2**32.
        acknowledgment_number: next byte expected from the peer, mod 2**32; means something only with flag ACK.
        flags: the control bits.
        window: bytes its sender will take from `acknowledgment_number` on, 16 bits, before window scaling.
        payload: the piece of the stream.
        options: in their order, at most 40 bytes encoded; up to 3 bytes of padding behind them are added.
        urgent_pointer: 16 bits; means something only with flag URG.
    """

    source_port: int
    destination_port: int
    sequence_number: int = 0
    acknowledgment_number: int = 0
    flags: TcpFlags = TcpFlags(0)
    window: int = 0
    payload: bytes = b""
    options: tuple[TcpOption, ...] = ()
    urgent_pointer: int = 0

    def option(self, kind: type[_Option]) -> _Option | None:
        """The first option of this type, or None."""
        for option in self.options:
            if isinstance(option, kind):
                return option
        return None


_OPTION_LEN: dict[type[TcpOption], int] = {
    NoOperation: 1,
    MaximumSegmentSize: 4,
    WindowScale: 3,
    SackPermitted: 2,
    Timestamps: 10,
}


def encoded_len(segment: TcpSegment) -> int:
    """Bytes that `encode` gives, without making them.

    >>> encoded_len(TcpSegment(1, 2, payload=b"abc", options=(WindowScale(7),)))
    27
    """
    length = 0
    for option in segment.options:
        if type(option) is Sack:
            length += 2 + 8 * len(option.blocks)
        elif type(option) is UnknownOption:
            length += 2 + len(option.data)
        else:
            length += _OPTION_LEN[type(option)]
    return HEADER_LEN + (length + 3 & ~3) + len(segment.payload)


FLAGS = tuple(TcpFlags(bits) for bits in range(256))
"""Every combination of control bits by its number: looking one up costs a tenth of making it."""


# ---- bytes <-> objects -----------------------------------------------------------------------------------------------


def encode(segment: TcpSegment, source: IPAddress, destination: IPAddress) -> bytes:
    """The segment's bytes, its checksum computed over the pseudo-header of these addresses.

    Raises:
        LocalProtocolError: a field does not fit its bits, or the options not their 40 bytes.
    """
    options = encode_options(segment.options)
    data_offset = (HEADER_LEN + len(options)) // 4
    try:
        header = _HEADER.pack(
            segment.source_port,
            segment.destination_port,
            segment.sequence_number,
            segment.acknowledgment_number,
            data_offset << 4,  # Reserved: "Must be zero in generated segments"
            segment.flags,
            segment.window,
            0,
            segment.urgent_pointer,
        )
    except struct.error as error:
        raise LocalProtocolError(f"a field does not fit: {error}", rule=_RULE) from None
    behind = options + segment.payload
    length = HEADER_LEN + len(behind)
    # "The TCP checksum is never optional. The sender MUST generate it (MUST-2)"
    checksum = internet_checksum(pseudo_header(source, destination, PROTOCOL, length) + header + behind)
    return header[:_CHECKSUM_AT] + checksum.to_bytes(2, "big") + header[_CHECKSUM_AT + 2 :] + behind


def decode(data: bytes, source: IPAddress, destination: IPAddress, *, verify: bool = True) -> TcpSegment:
    """The segment that is all of `data`, a whole IP payload.

    Args:
        verify: whether the checksum must be right. A capture taken where a packet is sent may show one that is not:
            the network card was to finish it.

    Raises:
        DecodeError: truncated, or a field that is wrong; `field` and `offset` say where.
    """
    if len(data) < HEADER_LEN:
        raise _wrong("header", len(data), f"{len(data)} B where a header takes {HEADER_LEN} B")
    source_port, destination_port, seq, ack, offset, flags, window, _checksum, urgent = _HEADER.unpack_from(data)
    header_length = (offset >> 4) * 4  # the lower bits are Reserved: "must be ignored in received segments"
    if header_length < HEADER_LEN:
        raise _wrong("data offset", 12, f"data offset {offset >> 4} words, a header has at least 5")
    if header_length > len(data):
        raise _wrong("data offset", 12, f"data offset {offset >> 4} words, {len(data)} B are there")
    # "and the receiver MUST check it (MUST-3)"
    if verify and not is_intact(pseudo_header(source, destination, PROTOCOL, len(data)) + data):
        raise _wrong("checksum", _CHECKSUM_AT, "the checksum does not match")
    return TcpSegment(
        source_port,
        destination_port,
        seq,
        ack,
        FLAGS[flags],
        window,
        data[header_length:],
        decode_options(data[HEADER_LEN:header_length]) if header_length > HEADER_LEN else (),
        urgent,
    )


def encode_options(options: tuple[TcpOption, ...]) -> bytes:
    """The options' bytes, padded to 32 bits.

    Raises:
        LocalProtocolError: a value does not fit its field, or all of them not 40 bytes.
    """
    if not options:
        return b""
    try:
        encoded = b"".join(map(_encode_option, options))
    except struct.error as error:
        raise LocalProtocolError(f"a field of an option does not fit: {error}", rule="RFC 9293 §3.2") from None
    if len(encoded) > MAX_OPTIONS:
        raise LocalProtocolError(f"options of {len(encoded)} B exceed {MAX_OPTIONS} B", rule=_RULE)
    # "The content of the header beyond the End of Option List Option MUST be header padding of zeros (MUST-69)."
    return encoded + bytes(-len(encoded) % 4)


def _encode_option(option: TcpOption) -> bytes:
    match option:
        case NoOperation():
            return b"\x01"
        case MaximumSegmentSize(mss):
            return struct.pack("!BBH", 2, 4, mss)
        case WindowScale(shift_cnt):
            return struct.pack("!BBB", 3, 3, shift_cnt)
        case SackPermitted():
            return b"\x04\x02"
        case Sack(blocks):
            # RFC 2018 §3: "a SACK option that specifies n blocks will have a length of 8*n+2 bytes"
            edges = [edge for block in blocks for edge in block]
            if not edges:
                raise LocalProtocolError("a SACK option without a block", rule="RFC 2018 §3")
            return struct.pack(f"!BB{len(edges)}I", 5, 2 + 4 * len(edges), *edges)
        case Timestamps(ts_val, ts_ecr):
            return struct.pack("!BBII", 8, 10, ts_val, ts_ecr)
        case UnknownOption(kind, data):
            if kind in _KNOWN_KINDS:
                raise LocalProtocolError(f"option kind {kind} has a type of its own", rule="RFC 9293 §3.2")
            return struct.pack("!BB", kind, 2 + len(data)) + data


def decode_options(data: bytes) -> tuple[TcpOption, ...]:
    """The options in `data`, what stands between the 20 fixed bytes of a header and the payload.

    Raises:
        DecodeError: a length that cannot be; `offset` counts from the beginning of the header.
    """
    options: list[TcpOption] = []
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == _END_OF_OPTION_LIST:
            break
        if kind == 1:
            options.append(NoOperation())
            at += 1
            continue
        # "TCP implementations MUST be prepared to handle an illegal option length (e.g., zero)" (MUST-7)
        length = data[at + 1] if at + 1 < len(data) else 0
        if not 2 <= length <= len(data) - at:
            raise _wrong("options", HEADER_LEN + at, f"option kind {kind} of {length} B, {len(data) - at} B are left")
        value = data[at + 2 : at + length]
        option = _decode_option(kind, value)
        if option is None:
            raise _wrong("options", HEADER_LEN + at, f"option kind {kind} cannot have {length} B")
        options.append(option)
        at += length
    return tuple(options)


def _decode_option(kind: int, value: bytes) -> TcpOption | None:
    """None where this kind cannot have a value of this length."""
    match kind, len(value):
        case 2, 2:
            return MaximumSegmentSize(int.from_bytes(value, "big"))
        case 3, 1:
            return WindowScale(value[0])
        case 4, 0:
            return SackPermitted()
        case 5, length if length and length % 8 == 0:
            return Sack(tuple(struct.iter_unpack("!II", value)))
        case 8, 8:
            return Timestamps(*struct.unpack("!II", value))
        case _:
            # "MUST ignore without error any TCP Option it does not implement" (MUST-6)
            return None if kind in _KNOWN_KINDS else UnknownOption(kind, value)


def _wrong(field: str, offset: int, message: str) -> DecodeError:
    return DecodeError(message, rule=_RULE, field=field, offset=offset)
