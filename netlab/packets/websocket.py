r"""The frame of WebSocket.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-------+-+-------------+-------------------------------+
    |F|1|2|3| opcode|M|    length   |
    +-+-+-+-+-------+-+-------------+-------------------------------+

Two bytes, then as many as they ask for: where the length is 126, two bytes with the length, where it is 127, eight;
where M is set, the four bytes of the masking key; then the payload. F says that a message ends with this frame, 1 to 3
are reserved for extensions.

A client masks each frame with a new key and a server none (RFC 6455 §5.1): byte k of the payload is XORed with byte
k mod 4 of the key (§5.3), which is no secret, since it stands right before them.

Source: RFC 6455 §5.2.
"""

from __future__ import annotations

import enum

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.header import Header, HeaderField, Shown

_RULE = "RFC 6455 §5.2"


class Opcode(enum.IntEnum):
    """What a frame is for; 3 to 7 and 11 to 15 are reserved."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


OPCODES = {opcode.value: opcode.name.lower() for opcode in Opcode}

HEADER = Header(
    "websocket",
    "WebSocket frame",
    HeaderField("fin", "final", 1, Shown.DECIMAL, "1: a message ends with it", drawn="F"),
    HeaderField("rsv1", "reserved 1", 1, Shown.DECIMAL, "of extensions: it is compressed", drawn="1"),
    HeaderField("rsv2", "reserved 2", 1, Shown.DECIMAL, "of extensions", drawn="2"),
    HeaderField("rsv3", "reserved 3", 1, Shown.DECIMAL, "of extensions", drawn="3"),
    HeaderField("opcode", "opcode", 4, Shown.NAMED, "what it is for", names=OPCODES),
    HeaderField("mask", "masked", 1, Shown.DECIMAL, "1: a masking key follows", drawn="M"),
    HeaderField("length", "length", 7, Shown.DECIMAL, "bytes; 126, 127: they are said next"),
)
"""What every frame begins with."""

LENGTH_16 = Header(
    "websocket",
    "WebSocket length",
    HeaderField("length_16", "extended length", 16, Shown.DECIMAL, "bytes", unit="bytes"),
)
LENGTH_64 = Header(
    "websocket",
    "WebSocket length",
    HeaderField("length_64", "extended length", 64, Shown.DECIMAL, "bytes", unit="bytes"),
)
KEY = Header(
    "websocket",
    "WebSocket key",
    HeaderField("masking_key", "masking key", 32, Shown.HEX, "the payload is XORed with it"),
)

MOST_HEADER = HEADER.len + LENGTH_64.len + KEY.len
_IN_SEVEN_BITS, _TWO_FOLLOW, _EIGHT_FOLLOW = 125, 126, 127


class FrameHead(msgspec.Struct, frozen=True):
    """All of a frame but its payload.

    Attributes:
        opcode: an `Opcode`, or one of the reserved numbers.
        length: bytes of payload.
        key: the masking key; None where the frame is not masked.
        fin: whether a message ends with it.
        reserved: the three reserved bits; 4 is `reserved 1`.
        size: bytes of this header.
    """

    opcode: int
    length: int
    key: bytes | None = None
    fin: bool = True
    reserved: int = 0
    size: int = 0


class Frame(msgspec.Struct, frozen=True):
    """One frame; `decode_first(encode(f)) == (f, len(encode(f)))`. The payload is not masked here.

    Attributes:
        opcode, key, fin, reserved: as in `FrameHead`.
    """

    opcode: int
    payload: bytes = b""
    key: bytes | None = None
    fin: bool = True
    reserved: int = 0


def masked(data: bytes, key: bytes) -> bytes:
    """Mask, or unmask: the same twice is nothing (RFC 6455 §5.3).

    >>> masked(b"hi", bytes.fromhex("9bafeba9")).hex(" ")
    'f3 c6'
    """
    size = len(data)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def header_parts(first: int, second: int) -> tuple[Header, ...]:
    """The headers that a frame has whose first two bytes are these."""
    extended = {_TWO_FOLLOW: (LENGTH_16,), _EIGHT_FOLLOW: (LENGTH_64,)}.get(second & 127, ())
    return (HEADER, *extended, *((KEY,) if second & 128 else ()))


def decode_head(data: bytes, start: int = 0) -> FrameHead:
    """The header that stands at `start`, of which the payload need not be there.

    Raises:
        DecodeError: cut short, or a length with its highest bit set; `field` and `offset`, from `start`, say where.
    """
    there = len(data) - start
    if there < HEADER.len:
        raise _cut(there, HEADER.len)
    parts = header_parts(data[start], data[start + 1])
    size = sum(part.len for part in parts)
    if there < size:
        raise _cut(there, size)
    values: dict[str, int] = {}
    at = start
    for part in parts:
        values |= part.read(data, at)
        at += part.len
    length = values.get("length_16", values.get("length_64", values["length"]))
    if length >= 2**63:
        # "the most significant bit MUST be 0"
        raise DecodeError(f"length {length:#x} has its highest bit set", rule=_RULE, field="extended length", offset=2)
    return FrameHead(
        values["opcode"],
        length,
        data[at - KEY.len : at] if values["mask"] else None,
        bool(values["fin"]),
        data[start] >> 4 & 7,
        size,
    )


def decode_first(data: bytes, start: int = 0) -> tuple[Frame, int]:
    """The frame that begins at `start`, unmasked, and the offset just behind it.

    Raises:
        DecodeError: as `decode_head`, or the payload is cut short.
    """
    head = decode_head(data, start)
    body = start + head.size
    end = body + head.length
    if end > len(data):
        message = f"{head.length} B of payload announced, {len(data) - body} B are there"
        raise DecodeError(message, rule=_RULE, field="length", offset=1)
    payload = data[body:end] if head.key is None else masked(data[body:end], head.key)
    return Frame(head.opcode, payload, head.key, head.fin, head.reserved), end


def encode(frame: Frame) -> bytes:
    """The frame's bytes, its length in as few as it fits into.

    Raises:
        LocalProtocolError: the opcode is not 4 bits, or the key not 4 bytes.
    """
    if not 0 <= frame.opcode < 16 or not 0 <= frame.reserved < 8 or (frame.key is not None and len(frame.key) != 4):
        raise LocalProtocolError("an opcode is 4 bits, the reserved ones are 3, a key is 4 bytes", rule=_RULE)
    return written(frame.payload, frame.opcode, key=frame.key, fin=frame.fin, reserved=frame.reserved)


def written(payload: bytes, opcode: int, *, key: bytes | None = None, fin: bool = True, reserved: int = 0) -> bytes:
    """As `encode`, of values that fit.

    >>> written(b"ab", Opcode.BINARY).hex(" "), written(b"hi", Opcode.TEXT, key=bytes(4)).hex(" ")
    ('82 02 61 62', '81 82 00 00 00 00 68 69')
    """
    size, first, mask = len(payload), fin << 7 | reserved << 4 | opcode, 0
    if key is not None:
        mask, payload = 128, key + masked(payload, key)
    # "the minimal number of bytes MUST be used to encode the length"
    if size <= _IN_SEVEN_BITS:
        return bytes((first, mask | size)) + payload
    if size < 1 << 16:
        return bytes((first, mask | _TWO_FOLLOW)) + size.to_bytes(2, "big") + payload
    return bytes((first, mask | _EIGHT_FOLLOW)) + size.to_bytes(8, "big") + payload


def _cut(there: int, wanted: int) -> DecodeError:
    return DecodeError(f"{there} B where a header takes {wanted} B", rule=_RULE, field="header", offset=max(0, there))
