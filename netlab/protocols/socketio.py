"""Socket.IO, protocol 5: netlab's chat in it. Pure. Read `packets.socketio` first: the packet, which is a message of
Engine.IO.

Each message of `chat.messages` is an event of its own name, whose first argument is the message, so that a program with
nothing but a Socket.IO client can take part: `socket.emit("join", {"room": "lobby"}, done)`. The last argument is a
CRC-32 of the text before it, because WebSocket has no checksum of its own and TCP's are 16 bits: what the hub says
always has it; a client that begins with it must go on with it.

Source: https://socket.io/docs/v4/socket-io-protocol/ (protocol 5); docs/socketio.md shows all of it from JavaScript.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias
from zlib import crc32

import msgspec

from netlab.chat import messages as m
from netlab.errors import DecodeError
from netlab.packets import socketio
from netlab.packets.socketio import SocketPacket, SocketType
from netlab.protocols.connection import WIRE_MESSAGE
from netlab.protocols.engineio import MESSAGE
from netlab.units import KIB

PATH = "/socket.io/"

MESSAGE_MOST = WIRE_MESSAGE + KIB
"""The largest packet, bytes: a message with its event's name and its checksum."""

RULE = "Socket.IO protocol 5"

ACK_MOST = 10**9 - 1
"""The largest number of an ack: more than a client counts up to."""

OPERATIONS = frozenset({"join", "leave", "emit", "who", "rooms", "find", "stats"})
"""Events that are operations of `chat.messages`: each has a number, and ends with a result."""

NAMES = OPERATIONS | {"hello", "answer"}
"""Events that are messages of `chat.messages`. Any other is something said: its first argument tells to whom."""

ONE_WORD = {"hello": "name", "join": "room", "leave": "room", "who": "room", "find": "name"}
"""What a lone text says that stands for the message."""


class Connect(msgspec.Struct, frozen=True):
    """Join a namespace; netlab has only `/`. `auth` is JSON, and may be a hello."""

    namespace: str
    auth: bytes


class Disconnect(msgspec.Struct, frozen=True):
    """Goodbye."""


class Event(msgspec.Struct, frozen=True):
    """An event came.

    Attributes:
        args: each as JSON, without the checksum.
        ack: the number of the ack that is wanted, or None.
        checked: there was a checksum, and it was right.
    """

    name: str
    args: list[bytes]
    ack: int | None
    checked: bool


class Acked(msgspec.Struct, frozen=True):
    """The ack that the hub wanted, and its arguments."""

    ack: int
    args: list[Any]


class _Sid(msgspec.Struct, frozen=True):
    """What a hub says to connecting."""

    sid: str


Packet: TypeAlias = Connect | Disconnect | Event | Acked

_anything = msgspec.json.Decoder()
_list = msgspec.json.Decoder(list[Any])
_sid = msgspec.json.Decoder(_Sid)
_text = msgspec.json.Decoder(str)

_CHECKED = re.compile(rb",(0|[1-9][0-9]{0,9})\]$")
_ASK = re.compile(rb',"ask":([1-9][0-9]*)}$')
_TOLD = re.compile(rb'2[0-9]*\["[a-z]+",')


def decode(message: bytes) -> Packet:
    """What a message of Engine.IO (without its `4`) says.

    Raises:
        DecodeError: nothing of Socket.IO, or something that netlab does not take: bytes as attachments, another
            namespace for anything but connecting, an ack of a number above `ACK_MOST`.
    """
    packet = socketio.decode(message)
    if packet.type is SocketType.CONNECT:
        return Connect(packet.namespace, packet.payload)
    _check_namespace(packet)
    if packet.ack_id is not None and packet.ack_id > ACK_MOST:
        raise _wrong("ack", f"an ack of a number above {ACK_MOST}")
    match packet.type:
        case SocketType.DISCONNECT:
            return Disconnect()
        case SocketType.EVENT:
            return _event(packet, message)
        case SocketType.ACK:
            if packet.ack_id is None:
                raise _wrong("ack", "an ack without its number")
            return Acked(packet.ack_id, _decoded(_list, packet.payload, "ack"))
        case SocketType.BINARY_EVENT | SocketType.BINARY_ACK:
            raise _wrong("type", "attachments: netlab's messages are text")
    raise _wrong("type", f"{packet.type.name}, which no client says")


def _check_namespace(packet: SocketPacket) -> None:
    """Whether it is in the one namespace that there is.

    Raises:
        DecodeError: it is in another.
    """
    if packet.namespace != "/":
        raise _wrong("namespace", f"{packet.type.name} in {packet.namespace[:20]}: there is no namespace but /")


def _event(packet: SocketPacket, message: bytes) -> Event:
    first, *args = packet.arguments
    name = _decoded(_text, first, "event")
    checked = False
    if name in NAMES and len(args) > 1 and (found := _CHECKED.search(message)):
        verify(message, found)
        checked = True
        args.pop()
    if name in NAMES and len(args) > 1:
        raise _wrong("event", f"{name} has one argument")
    return Event(name, args, packet.ack_id, checked)


def verify(message: bytes, found: re.Match[bytes]) -> None:
    """Compare the checksum that was found in a message with that of the text before it.

    Raises:
        DecodeError: they differ.
    """
    if int(found[1]) != crc32(message[: found.start()], _CRC_OF_4):
        raise _wrong("crc", "the checksum is not that of the text")


def _decoded(decoder: msgspec.json.Decoder[Any], text: bytes, field: str) -> Any:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise _wrong(field, str(error)[:100]) from None


def _wrong(field: str, what: str) -> DecodeError:
    return DecodeError(what, rule=RULE, field=field, offset=0)


_CRC_OF_4 = crc32(MESSAGE)
"""Engine.IO's type is covered too; where a message is read it is no longer there."""


def message_of(event: Event, op: int) -> m.ClientMessage:
    """What an event without a checksum says; `op` numbers it where it is an operation that has no number.

    Raises:
        DecodeError: an event that says no message.

    >>> message_of(Event("join", [b'"lobby"'], None, False), 7)
    Join(op=7, room='lobby', seen=None, epoch='')
    >>> message_of(Event("say", [b'"lobby"', b'"hi"'], None, False), 7)
    Emit(op=7, event='say', to=['lobby'], args=['hi'], skip_self=False, answer_ms=0)
    """
    try:
        message: m.ClientMessage = msgspec.convert(_told(event, op), m.ClientMessage)
        return message
    except msgspec.ValidationError as error:
        raise _wrong("event", f"{event.name}: {error}") from None


def _told(event: Event, op: int) -> dict[str, Any]:
    args = [_decoded(_anything, arg, "event") for arg in event.args]
    if event.name not in NAMES:
        if not args:
            raise _wrong("event", f"{event.name} tells not whom it is for: its first argument is a room, or several")
        return {"type": "emit", "op": op, "event": event.name, "to": _rooms(args[0]), "args": args[1:]}
    said = args[0] if args else {}
    if isinstance(said, str) and event.name in ONE_WORD:
        said = {ONE_WORD[event.name]: said}
    if not isinstance(said, dict):
        raise _wrong("event", f"the argument of {event.name} is an object")
    if event.name == "emit" and isinstance(said.get("to"), str):
        said["to"] = [said["to"]]
    number = {"op": op} if event.name in OPERATIONS else {}
    return {"type": event.name, **number, **{key: value for key, value in said.items() if key != "type"}}


def _rooms(to: Any) -> list[Any]:
    return to if isinstance(to, list) else [to]


def hello_of(auth: bytes) -> m.Hello | None:
    """The hello that a client says with its connecting; None where it says it later, as an event.

    Raises:
        DecodeError: no hello, and not nothing.
    """
    said = _decoded(_anything, auth, "auth") if auth else {}
    if not said:
        return None
    try:
        return msgspec.convert({**said, "type": "hello"}, m.Hello)
    except (msgspec.ValidationError, TypeError) as error:
        raise _wrong("auth", f"no hello: {error}") from None


# What the hub says, and how a client of netlab's own reads it


def decode_told(message: bytes) -> Connect | Disconnect | bytes:
    """What a message of Engine.IO from a hub says: of an event its argument, which is a message of `chat.messages`.

    A hub writes an event in one form only, so that the checksum is looked at first, and what is damaged not read.

    Raises:
        DecodeError: no packet that a hub sends, or without the right checksum.
    """
    if message[:2] == b"0{":
        _decoded(_sid, message[1:], "connect")
        return Connect("/", message[1:])
    if message == DISCONNECT[1:]:
        return Disconnect()
    found = _CHECKED.search(message)
    start = _TOLD.match(message)
    if found is None or start is None:
        raise _wrong("event", f"no event of a hub: {message[:20]!r}")
    verify(message, found)
    return message[start.end() : found.start()]


def event(data: bytes) -> bytes:
    """A message of the hub as the packet of an event, with its checksum; one that asks wants an ack of that number.

    >>> event(b'{"type":"left","rooms":{"lobby":3}}')
    b'42["left",{"type":"left","rooms":{"lobby":3}},134403714]'
    """
    asked = _ASK.search(data) if data.startswith(b'{"type":"message"') else None
    return _checked(data, None if asked is None else int(asked[1]))


def said(data: bytes) -> bytes:
    """A message of a client, as netlab's own clients send it.

    >>> said(b'{"type":"rooms","op":1}')
    b'42["rooms",{"type":"rooms","op":1},3555198360]'
    """
    return _checked(data)


def _checked(data: bytes, ack_id: int | None = None) -> bytes:
    """A message as the packet of an event: its name, itself, and the checksum of all before."""
    name = data[9 : data.index(b'"', 9)]  # `type` is always first, and its value plain
    text = _message(SocketPacket(SocketType.EVENT, ack_id=ack_id, payload=b'["%b",%b' % (name, data)))
    return b"%b,%d]" % (text, crc32(text))


def ack(number: int, *args: bytes) -> bytes:
    """The packet of an ack, with arguments in JSON.

    >>> ack(7, b'"yes"', b"5")
    b'437["yes",5]'
    """
    return _message(SocketPacket(SocketType.ACK, ack_id=number, payload=b"[%b]" % b",".join(args)))


def connected(sid: str) -> bytes:
    """The answer to connecting."""
    return CONNECT + msgspec.json.encode({"sid": sid})


def not_connected(reason: m.Goodbye, namespace: str = "/") -> bytes:
    """The answer to connecting where it is refused: a client calls it `connect_error`, and has the reason in `data`."""
    told = {"message": reason.code, "data": {"code": reason.code, "detail": reason.detail}}
    return _message(SocketPacket(SocketType.CONNECT_ERROR, namespace, payload=msgspec.json.encode(told)))


def _message(packet: SocketPacket) -> bytes:
    """The packet in a message of Engine.IO."""
    return MESSAGE + socketio.encode(packet)


CONNECT, DISCONNECT = (_message(SocketPacket(kind)) for kind in (SocketType.CONNECT, SocketType.DISCONNECT))
