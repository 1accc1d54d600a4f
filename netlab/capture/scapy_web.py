"""WebSocket, Engine.IO and Socket.IO as scapy layers: `from netlab.capture.scapy_web import WebSocketFrame`.

    WebSocketFrame(masking_key=0x9bafeba9)/EnginePacket()/SocketPacket(namespace="/admin,", data='["chat","hi"]')

A frame's fields are those of `netlab.packets.websocket`. What it carries is unmasked when it is taken apart and masked
when it is built; its lengths are always computed. A frame alone does not say what its text is: what is a message of
Engine.IO with a packet of Socket.IO in it is taken for that, binary that begins like a netlab packet for one, and all
else is Raw; bytes behind the frame are Padding. Where a capture is read (`netlab.capture.read`), the streams say it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from scapy.config import conf
from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ConditionalField,
    LongField,
    ShortField,
    StrField,
    XIntField,
)
from scapy.packet import Packet

from netlab.capture.scapy_layers import NetlabPacket
from netlab.errors import DecodeError
from netlab.packets import engineio, socketio
from netlab.packets.engineio import EngineType
from netlab.packets.packet import begins_like_a_packet
from netlab.packets.socketio import SocketType
from netlab.packets.websocket import HEADER, KEY, LENGTH_16, LENGTH_64, Frame, Opcode, decode_head, encode, masked

__all__ = ["EnginePacket", "SocketPacket", "WebSocketFrame"]

_DEFAULTS = {"fin": 1, "opcode": Opcode.TEXT.value}
_ZERO = ord("0")


def _has_length(marker: int, frame: Any) -> bool:
    return bool(frame.length == marker)


def _has_key(frame: Any) -> bool:
    return bool(frame.mask == 1 or KEY.fields[0].key in frame.fields)


def _frame_fields() -> list[Any]:
    """The fields of the description as scapy's."""
    fields: list[Any] = []
    for field in HEADER.fields:
        default = _DEFAULTS.get(field.key, 0)
        enum = BitEnumField(field.key, default, field.bits, field.names) if field.names else None
        fields.append(enum or BitField(field.key, default, field.bits))
    for marker, header, kind in ((126, LENGTH_16, ShortField), (127, LENGTH_64, LongField)):
        longer = kind(header.fields[0].key, 0)
        fields.append(ConditionalField(longer, partial(_has_length, marker)))
    return [*fields, ConditionalField(XIntField(KEY.fields[0].key, None), _has_key)]


class WebSocketFrame(Packet):
    """One frame (RFC 6455 §5.2). With a `masking_key` it is built masked; without one it is not."""

    name = HEADER.name
    fields_desc = _frame_fields()

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *_: Any, **__: Any) -> type[Packet]:
        """What holds no whole header is Raw."""
        raw: type[Packet] = conf.raw_layer
        if _pkt is None:
            return cls
        try:
            decode_head(_pkt)
        except DecodeError:
            return raw
        return cls

    @property
    def key(self) -> bytes | None:
        """The masking key as it stands in the frame."""
        return None if self.masking_key is None else int(self.masking_key).to_bytes(KEY.len, "big")

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        size = {126: self.length_16, 127: self.length_64}.get(self.length, self.length)
        return s[:size], s[size:] or None

    def do_dissect_payload(self, s: bytes) -> None:
        super().do_dissect_payload(s if self.key is None else masked(s, self.key))

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        if self.fin and not self.rsv1 and self.opcode == Opcode.TEXT and _is_event(payload):
            return EnginePacket
        if self.fin and not self.rsv1 and self.opcode == Opcode.BINARY and begins_like_a_packet(payload):
            return NetlabPacket
        raw: type[Packet] = self.default_payload_class(payload)
        return raw

    def do_build(self) -> bytes:
        """All of it anew, by our own codec: lengths follow from what is carried."""
        reserved = self.rsv1 << 2 | self.rsv2 << 1 | self.rsv3
        return encode(Frame(self.opcode, self.do_build_payload(), self.key, bool(self.fin), reserved))

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        kind = HEADER.field("opcode").names.get(self.opcode, self.opcode)
        return f"WebSocket {kind}{', masked' if self.key else ''}", [EnginePacket, SocketPacket, NetlabPacket]


class EnginePacket(Packet):
    """One packet of Engine.IO as text: a digit, and what it carries."""

    name = "Engine.IO packet"
    fields_desc = [  # noqa: RUF012
        ByteEnumField("type", _ZERO + EngineType.MESSAGE, {_ZERO + kind: kind.name.lower() for kind in EngineType})
    ]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        is_event = _is_event(bytes([self.type]) + payload)
        raw: type[Packet] = self.default_payload_class(payload)
        return SocketPacket if is_event else raw

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        return self.sprintf("Engine.IO %EnginePacket.type%"), [SocketPacket]


class SocketPacket(Packet):
    """One packet of Socket.IO. Each part as it stands there: `namespace` and `attachments` with the sign that ends
    them."""

    name = "Socket.IO packet"
    fields_desc = [  # noqa: RUF012
        ByteEnumField("type", _ZERO + SocketType.EVENT, {_ZERO + kind: kind.name for kind in SocketType}),
        StrField("attachments", b""),
        StrField("namespace", b""),
        StrField("ack_id", b""),
        StrField("data", b""),
    ]

    def do_dissect(self, s: bytes) -> bytes:
        self.fields["type"] = s[0]
        for span in socketio.decode_parts(s)[1][1:]:
            key = {"acknowledgment id": "ack_id", "payload": "data"}.get(span.name, span.name)
            self.fields[key] = s[span.start : span.end]
        self.raw_packet_cache = s
        self.explicit = 1
        return b""

    def mysummary(self) -> Any:
        return self.sprintf("Socket.IO %SocketPacket.type% ") + self.data.decode(errors="backslashreplace")


def _is_event(text: bytes) -> bool:
    """Whether this is a message of Engine.IO with a packet of Socket.IO in it."""
    try:
        packet = engineio.decode(text)
        socketio.decode(packet.data)
    except DecodeError:
        return False
    return packet.type == EngineType.MESSAGE
