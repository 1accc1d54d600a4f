"""What an HTTP message or a frame of WebSocket carries, and what both say of themselves: layer by layer, in fields.

Engine.IO and Socket.IO stand in there as text; netlab's packet in a binary frame. Offsets count from the first byte
that is read; the frame's mask has been taken off.
"""

from __future__ import annotations

import msgspec

from netlab.capture.layers import Field
from netlab.errors import DecodeError
from netlab.packets import engineio, socketio, websocket
from netlab.packets.engineio import EngineType
from netlab.packets.header import Header
from netlab.packets.http1 import Head, Line
from netlab.packets.packet import begins_like_a_packet
from netlab.packets.socketio import SocketType
from netlab.packets.text import printable, printable_bytes
from netlab.packets.websocket import FrameHead, Opcode

_SHOWN = 60  # characters of a text in a line
_CLOSED = {
    1000: "normal closure",
    1001: "going away",
    1002: "protocol error",
    1003: "unsupported data",
    1007: "invalid data",
    1008: "policy violation",
    1009: "message too big",
    1010: "missing extension",
    1011: "internal error",
}  # RFC 6455 §7.4.1


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One layer of what is carried.

    Attributes:
        protocol: such as `Engine.IO`; `netlab packet` is taken apart elsewhere.
        start, payload_start, end: its header is [start, payload_start), what it carries [payload_start, end).
        fields: of the header; of what is the innermost, all of it.
        words: what is special about it, in a line. Printable.
    """

    protocol: str
    start: int
    payload_start: int
    end: int
    fields: tuple[Field, ...] = ()
    words: str = ""


# ---- heads -----------------------------------------------------------------------------------------------------------


def head_fields(head: Head | FrameHead, raw: bytes) -> tuple[Field, ...]:
    """The fields of a head that stands in `raw`."""
    if isinstance(head, Head):
        return tuple(_line_field(line) for line in head.lines)
    fields: list[Field] = []
    at = 0
    for part in websocket.header_parts(raw[0], raw[1]):
        fields += _described(part, raw, at)
        at += part.len
    return tuple(fields)


def head_words(head: Head | FrameHead, message: int = 0) -> str:
    """A head in a few words: `GET /chat, asks for websocket`; `text, masked`."""
    if isinstance(head, Head):
        words = f"{head.status} {head.reason}" if head.status else f"{head.method} {head.target}"
        upgrade = "" if head.status or not head.upgrade else f", asks for {head.upgrade}"
        return _short(printable(words)) + printable(upgrade)
    name = websocket.OPCODES.get(head.opcode, f"opcode {head.opcode}")
    if head.opcode == Opcode.CONTINUATION:
        name += f" of {websocket.OPCODES.get(message, 'nothing')}"
    words = name + (", masked" if head.key is not None else "")
    return words + ("" if head.fin or head.opcode >= Opcode.CLOSE else ", more follows")


def _line_field(line: Line) -> Field:
    name = line.name or ("start line" if line.start == 0 else "empty line")
    return Field(printable(name), printable(name), line.value, printable(line.value), line.start, line.end)


def _described(header: Header, raw: bytes, at: int) -> list[Field]:
    """The fields of a header by its description."""
    fields = []
    for key, value in header.read(raw, at).items():
        described, bit = header.field(key), header.first_bit(key)
        start, end = at + bit // 8, at + (bit + described.bits + 7) // 8
        bits = (bit % 8, described.bits) if described.bits % 8 else None
        shown = raw[start:end].hex(" ") if header is websocket.KEY else described.text(value)
        fields.append(Field(described.name, key, value, shown, start, end, bits))
    return fields


# ---- what is carried -------------------------------------------------------------------------------------------------


def contents(head: Head | FrameHead, data: bytes, *, engine: bool, whole: bool) -> list[Content]:
    """The layers of what is carried, from the outermost.

    Args:
        engine: it is Engine.IO.
        whole: it is one message, as it was said; else it is data.
    """
    if not data:
        return []
    if isinstance(head, Head):
        if not (engine and whole):
            return [_text(data, 0)]
        found: list[Content] = []
        for start, end in engineio.packets_in(data):
            found += _engine(data, start, end, polling=True) or [_text(data[start:end], start)]
        return found
    match head.opcode:
        case Opcode.CLOSE if whole and len(data) >= 2:
            return [_closing(data)]
        case Opcode.TEXT | Opcode.BINARY if whole and engine:
            return _engine(data, 0, len(data), binary=head.opcode == Opcode.BINARY) or [_text(data, 0)]
        case Opcode.BINARY if whole and begins_like_a_packet(data):
            return [Content(protocol="netlab packet", start=0, payload_start=0, end=len(data))]
    return [_text(data, 0)]


def _text(data: bytes, at: int, name: str = "data") -> Content:
    text = printable_bytes(data)
    field = Field(name, "data", text, text, at, at + len(data))
    words = _short(f"'{text}'") if data else ""
    return Content(protocol="data", start=at, payload_start=at, end=at + len(data), fields=(field,), words=words)


def _closing(data: bytes) -> Content:
    code, reason = int.from_bytes(data[:2], "big"), printable_bytes(data[2:])
    words = f"{code} {_CLOSED.get(code, '')}".rstrip()
    fields = [Field("status code", "code", code, words, 0, 2)]
    if reason:
        fields.append(Field("reason", "reason", reason, reason, 2, len(data)))
    said = f"{words}: {_short(reason)}" if reason else words
    return Content(protocol="data", start=0, payload_start=0, end=len(data), fields=tuple(fields), words=said)


def _engine(data: bytes, start: int, end: int, *, binary: bool = False, polling: bool = False) -> list[Content]:
    """A packet of Engine.IO that is [start, end) of `data`, and what it carries; [] where it is none."""
    try:
        packet = engineio.decode(data[start:end], binary=binary, polling=polling)
    except DecodeError:
        return []
    fields, begin = [], start
    if start:
        begin = start - len(engineio.SEPARATOR)
        fields.append(Field("record separator", "separator", data[begin:start].hex(), "1e", begin, start))
    body = start if binary else start + 1
    name = packet.type.name.lower()
    if not binary:
        kind = data[start:body].decode()
        shown = f"{kind} {name}, base64" if packet.binary else f"{kind} {name}"
        fields.append(Field("type", "type", kind, shown, start, body))
    words = f"{name}, binary" if packet.binary else name
    found = [Content(protocol="Engine.IO", start=begin, payload_start=body, end=end, fields=tuple(fields), words=words)]
    if body == end:
        return found
    inner = _socket(data, body, end) if packet.type == EngineType.MESSAGE and not packet.binary else []
    return found + (inner or [_text(data[body:end], body)])


def _socket(data: bytes, start: int, end: int) -> list[Content]:
    try:
        packet, spans = socketio.decode_parts(data[start:end])
    except DecodeError:
        return []
    fields = []
    body = end
    for span in spans:
        text = printable_bytes(data[start + span.start : start + span.end])
        if span.name == "payload":
            body = start + span.start
            continue
        shown = f"{text} {packet.type.name}" if span.name == "type" else text
        fields.append(Field(span.name, span.name.replace(" ", "_"), text, shown, start + span.start, start + span.end))
    found = [
        Content(
            protocol="Socket.IO",
            start=start,
            payload_start=body,
            end=end,
            fields=tuple(fields),
            words=_socket_words(packet),
        )
    ]
    return found + ([_text(data[body:end], body, "JSON text")] if body < end else [])


def _socket_words(packet: socketio.SocketPacket) -> str:
    words = packet.type.name
    if packet.namespace != "/":
        words += f" in {packet.namespace}"
    arguments = [argument.decode() for argument in packet.arguments]
    is_event = packet.type in (SocketType.EVENT, SocketType.BINARY_EVENT)
    if packet.ack_id is not None:
        words += f", to be acknowledged as {packet.ack_id}" if is_event else f" of {packet.ack_id}"
    if packet.attachments:
        words += f", {packet.attachments} attached"
    if is_event:
        words += ": " + arguments.pop(0).removeprefix('"').removesuffix('"')
    said = ", ".join(arguments)
    if not arguments and not is_event:
        said = packet.payload.decode()
    return printable(words) + (f" {_short(printable(said))}" if said else "")


def carried_words(found: list[Content]) -> list[tuple[str, str]]:
    """Each layer's name and its words, for a line. What Socket.IO carries stands in its own; netlab has others."""
    told: list[tuple[str, str]] = []
    for content in found:
        said_before = content.protocol == "data" and told and told[-1][0] == "Socket.IO"
        if not said_before and content.protocol != "netlab packet":
            told.append((content.protocol, content.words))
    return told


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
