r"""The packet of Engine.IO, version 4: what Socket.IO stands on.

    4hello            one character says the type, the rest is its data
    2probe            "do you hear me here too?", before a connection moves from polling to WebSocket
    bAQIDBA==         over polling: four bytes of binary, which are a message, as base64

Over WebSocket a packet is a message, and one of binary is the bytes themselves, without a type. Over HTTP polling the
content of a request or answer is one or several packets, with the record separator 0x1e between them.

Source: the Engine.IO protocol, revision 4, "Protocol".
"""

from __future__ import annotations

import base64
import enum

import msgspec

from netlab.errors import DecodeError

VERSION = "4"
SEPARATOR = b"\x1e"
"""Between packets of one content of polling (RS, as ASCII calls it). JSON writes this character as an escape, so that
no message holds it."""

_RULE = "the Engine.IO protocol, revision 4"


class EngineType(enum.IntEnum):
    """What a packet is for, by the character that it begins with."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


_TYPES = {b"0123456"[kind.value]: kind for kind in EngineType}


class EnginePacket(msgspec.Struct, frozen=True):
    """One packet; `decode(encode(p)) == p`, and `decode(encode(p, polling=True), polling=True) == p`.

    Attributes:
        type: what it is for.
        data: what it carries: text as UTF-8, or bytes.
        binary: whether these are bytes and no text: then it is a message.
    """

    type: EngineType
    data: bytes = b""
    binary: bool = False


def decode(data: bytes, *, binary: bool = False, polling: bool = False) -> EnginePacket:
    """The packet that is all of `data`.

    Args:
        binary: it came in a binary message of WebSocket.
        polling: it came in the content of an HTTP message, where binary is base64.

    Raises:
        DecodeError: empty, of a type that is not known, or base64 that is none.
    """
    if binary:
        return EnginePacket(EngineType.MESSAGE, data, binary=True)
    if not data:
        raise DecodeError("0 B where a packet has a type", rule=_RULE, field="type", offset=0)
    if polling and data[:1] == b"b":
        try:
            return EnginePacket(EngineType.MESSAGE, base64.b64decode(data[1:], validate=True), binary=True)
        except ValueError:
            raise DecodeError("not base64", rule=_RULE, field="data", offset=1) from None
    if (kind := _TYPES.get(data[0])) is None:
        raise DecodeError(f"type {data[:1]!r} is not known", rule=_RULE, field="type", offset=0)
    return EnginePacket(kind, data[1:])


def encode(packet: EnginePacket, *, polling: bool = False) -> bytes:
    """The packet as it stands in a message of WebSocket, or in the content of polling.

    >>> encode(EnginePacket(EngineType.MESSAGE, bytes([1, 2, 3, 4]), binary=True), polling=True)
    b'bAQIDBA=='
    """
    if packet.binary:
        return b"b" + base64.b64encode(packet.data) if polling else packet.data
    return b"%d" % packet.type + packet.data


def packets_in(content: bytes) -> list[tuple[int, int]]:
    """Where each packet of a content of polling stands: [start, end) of it, without the separators.

    >>> packets_in(b"4a" + SEPARATOR + b"2")
    [(0, 2), (3, 4)]
    """
    found, at = [], 0
    for part in content.split(SEPARATOR):
        found.append((at, at + len(part)))
        at += len(part) + len(SEPARATOR)
    return found
