r"""The packet of Socket.IO, protocol version 5: an event with a name, in a namespace, perhaps to be acknowledged.

    2["chat","hi"]                             an EVENT
    2/admin,7["chat","hi"]                     in namespace /admin; to be acknowledged, as number 7
    3/admin,7["ok"]                            its ACK
    51-["picture",{"_placeholder":true,"num":0}]    a BINARY_EVENT; one attachment follows in a packet of its own

One digit for the type; for the binary types the number of attachments and a hyphen; a namespace other than `/` and a
comma; a number for the acknowledgement; JSON. Each part but the first may be missing.

Source: the Socket.IO protocol, version 5, "Packet encoding".
"""

from __future__ import annotations

import enum
import re
from typing import Any

import msgspec

from netlab.errors import DecodeError

_RULE = "the Socket.IO protocol, version 5"
MOST_DIGITS = 15
"""Of an acknowledgement's number: beyond that it is no safe integer in JavaScript."""

_PARTS = re.compile(rb"([0-6])(\d{1,3}-)?(/[^,]*,|/[^,]*$)?(\d{0,%d})" % MOST_DIGITS, re.DOTALL)
_NAMES = ("type", "attachments", "namespace", "acknowledgment id")


class SocketType(enum.IntEnum):
    """What a packet is for."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


_TYPES = {b"%d" % kind: kind for kind in SocketType}
_BINARY = (SocketType.BINARY_EVENT, SocketType.BINARY_ACK)
_WITH_ACK_ID = (SocketType.EVENT, SocketType.ACK, *_BINARY)

_LIST: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_CARRIED = {
    SocketType.CONNECT: _OBJECT,
    SocketType.EVENT: _LIST,
    SocketType.ACK: _LIST,
    SocketType.CONNECT_ERROR: msgspec.json.Decoder(dict[str, msgspec.Raw] | str),
    SocketType.BINARY_EVENT: _LIST,
    SocketType.BINARY_ACK: _LIST,
}
"""The JSON that each type carries."""


class Span(msgspec.Struct, frozen=True):
    """A part of a packet: bytes [start, end) of it, with the hyphen or comma that ends it."""

    name: str
    start: int
    end: int


class SocketPacket(msgspec.Struct, frozen=True):
    """One packet; `decode(encode(p)) == p`.

    Attributes:
        type: what it is for.
        namespace: `/` is the main one.
        ack_id: the number by which it is to be acknowledged, or that it acknowledges; else None.
        attachments: how many packets of binary follow, which belong to it.
        payload: JSON as it stands there: of an event its name and arguments; b"" where there is none.
    """

    type: SocketType
    namespace: str = "/"
    ack_id: int | None = None
    attachments: int = 0
    payload: bytes = b""

    @property
    def arguments(self) -> list[bytes]:
        """What an event or acknowledgement says, each as the JSON that stands there: for an event, its name first. []
        where it is none.

        >>> decode(b'2["chat",{"a": 1}]').arguments
        [b'"chat"', b'{"a": 1}']
        """
        if self.type not in _WITH_ACK_ID:
            return []
        return [bytes(argument) for argument in _LIST.decode(self.payload)]


def decode(data: bytes) -> SocketPacket:
    """The packet that is all of `data`.

    Raises:
        DecodeError: of a type that is not known, or JSON that is none or not what its type has; `offset` says where.
            What stands inside of the JSON's outer list or object is held against JSON's grammar alone.
    """
    return _read(data)[0]


def decode_parts(data: bytes) -> tuple[SocketPacket, tuple[Span, ...]]:
    """As `decode`, and where each part stands."""
    packet, matched = _read(data)
    spans = [
        Span(name, matched.start(group), matched.end(group)) for group, name in enumerate(_NAMES, 1) if matched[group]
    ]
    if packet.payload:
        spans.append(Span("payload", matched.end(), len(data)))
    return packet, tuple(spans)


def _read(data: bytes) -> tuple[SocketPacket, re.Match[bytes]]:
    """The packet, and its parts before the payload."""
    matched = _PARTS.match(data)
    if matched is None:
        raise DecodeError(f"type {data[:1]!r} is not known", rule=_RULE, field="type", offset=0)
    digit, attachments, namespace, number = matched.groups()
    kind = _TYPES[digit]
    if (attachments is not None) != (kind in _BINARY):
        raise DecodeError(
            f"{kind.name} {'without' if kind in _BINARY else 'with'} a number of attachments",
            rule=_RULE,
            field="attachments",
            offset=1,
        )
    payload = data[matched.end() :]
    _check(kind, payload, matched.end())
    if number and kind not in _WITH_ACK_ID:
        raise DecodeError(f"{kind.name} with a number", rule=_RULE, field="acknowledgment id", offset=matched.start(4))
    try:
        name = (namespace or b"/").removesuffix(b",").decode()
    except UnicodeDecodeError:
        raise DecodeError("not UTF-8", rule=_RULE, field="namespace", offset=matched.start(3)) from None
    ack_id = int(number) if number else None
    return SocketPacket(kind, name, ack_id, int((attachments or b"0").removesuffix(b"-")), payload), matched


def _check(kind: SocketType, payload: bytes, at: int) -> None:
    """Whether this type may carry this.

    Raises:
        DecodeError: it may not.
    """
    try:
        sound = _is_carried(kind, payload)
    except msgspec.ValidationError:  # JSON, but not such
        sound = False
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise DecodeError("not JSON", rule=_RULE, field="payload", offset=at) from None
    if not sound:
        raise DecodeError(f"this is not what {kind.name} carries", rule=_RULE, field="payload", offset=at)


def _is_carried(kind: SocketType, payload: bytes) -> bool:
    """The same; what is other JSON or none may raise, as msgspec does."""
    if not payload:
        return kind in (SocketType.CONNECT, SocketType.DISCONNECT)
    if kind is SocketType.DISCONNECT:
        return False
    payload.decode()  # JSON is UTF-8, which msgspec does not look at where it takes a value raw
    carried = _CARRIED[kind].decode(payload)
    if kind not in (SocketType.EVENT, SocketType.BINARY_EVENT):
        return True
    return bool(carried) and bytes(carried[0])[:1] in b'"-0123456789'  # its name: a text or a number


def encode(packet: SocketPacket) -> bytes:
    """The packet as text.

    >>> encode(SocketPacket(SocketType.EVENT, "/admin", 7, payload=b'["chat","hi"]'))
    b'2/admin,7["chat","hi"]'
    """
    attachments = b"%d-" % packet.attachments if packet.type in _BINARY else b""
    namespace = b"" if packet.namespace == "/" else packet.namespace.encode() + b","
    ack_id = b"" if packet.ack_id is None else b"%d" % packet.ack_id
    return b"%d" % packet.type + attachments + namespace + ack_id + packet.payload
