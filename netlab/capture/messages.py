"""netlab's messages in a capture: put together from their packets, and what the chat says in them.

A message is what an application said in one go. Over UDP it may be several datagrams, over TCP or rudp a part of a
segment or many segments. What came twice over UDP is here twice, as it would be shown twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from netlab.errors import DecodeError
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import HEADER_LEN, Packet, PacketType, decode
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.protocols.connection import WIRE_MESSAGE
from netlab.units import MIB, Ns, S

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_LIMITS = ReassemblyLimits(
    max_message=WIRE_MESSAGE,
    timeout=60 * S,
    memory_per_peer=4 * MIB,
    messages_per_peer=1024,
    memory_high=64 * MIB,
    memory_low=48 * MIB,
)
"""Of messages that are put together. Who looks on has more patience than who takes part."""

_SAYING = (PacketType.DATA, PacketType.HELLO, PacketType.ERROR)  # packets that may hold a chat event


class ChatEvent(msgspec.Struct, frozen=True):
    """What of a chat event tells it from others; what it has not is "" or -1. Text from the network: escape it.

    Attributes:
        type: such as `emit`, `message`, `joined`.
        event: the name of what was emitted.
        room: the first of its rooms.
        room_number: the event's number there, which the hub gives.
        op: the number of the sender's operation.
        name: of who said it, joined or left.
        sid: likewise the session.
        text: its first argument, where that is text.
    """

    type: str = ""
    event: str = ""
    room: str = ""
    room_number: int = -1
    op: int = -1
    name: str = ""
    sid: str = ""
    text: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message.

    Attributes:
        message_id: of its packets' headers.
        type: what they are for: data, hello or error.
        flow: which flow of `capture.flows()`.
        stream: which stream of `capture.streams()`; None over UDP and rudp.
        rudp_stream: which stream of rudp in this capture, in the order in which they begin; None over anything else.
        numbers: of the capture's packets in which its netlab packets begin, fragment by fragment.
        last_number: of the packet that completed it.
        began, ended: `time_ns` of the first of these packets, and of the one that completed it.
        offset, end: where its bytes stand in the stream, with its packets' headers; over UDP, in the last datagram.
        data: the message.
        chat: what it says, if it is a chat event; else all of it is empty.
    """

    message_id: int
    type: PacketType
    flow: int
    stream: int | None
    rudp_stream: int | None
    numbers: tuple[int, ...]
    last_number: int
    began: Ns
    ended: Ns
    offset: int
    end: int
    data: bytes
    chat: ChatEvent


class _Loose(msgspec.Struct):
    """The fields of any chat event, as far as they are looked at here."""

    type: str
    event: str = ""
    rooms: dict[str, int] = {}
    to: list[str] = []
    room: str = ""
    op: int = -1
    name: str = ""
    sid: str = ""
    args: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Loose).decode
_decode_args = msgspec.json.Decoder(list[Any]).decode


def chat_event(data: bytes) -> ChatEvent:
    """What a message says; an empty event where it is none.

    >>> chat_event(b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi"]}').text
    'hi'
    """
    try:
        loose = _decode(data)
        args = _decode_args(loose.args) if loose.args else []
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ChatEvent()
    room, number = next(iter(loose.rooms.items()), (loose.to[0] if loose.to else loose.room, -1))
    text = args[0] if args and isinstance(args[0], str) else ""
    return ChatEvent(loose.type, loose.event, room, number, loose.op, loose.name, loose.sid, text)


def messages(whole: WholeFile) -> Iterator[Message]:
    """The messages of a file, in the order in which they were complete."""
    packets = whole.netlab_packets
    flows, times = whole.column("flow"), whole.column("time_ns")
    box = Reassembler(_LIMITS)
    begun: dict[tuple[int, int], list[int]] = {}  # (flow or stream, message id) -> its netlab packets so far
    wanted = (packets.intact == 1) & np.isin(packets.type, _SAYING)
    now = 0
    # what one packet completes of a stream is in the stream's order, whenever each part of it came
    for place in np.lexsort((packets.offset, packets.rudp_stream, packets.stream, packets.last_row)).tolist():
        if not wanted[place]:
            continue
        try:
            packet = decode(whole.netlab_packet(place))
        except DecodeError:  # its CRC is right and another field is wrong
            continue
        flow = int(flows[packets.row[place]])
        now = max(now, int(times[packets.last_row[place]]))
        parts = [place]
        data = packet.payload
        if packet.count > 1:
            key = (flow, packet.message_id)
            parts = begun.setdefault(key, [])
            parts.append(place)
            outputs = box.handle(Arrived(flow, packet), now)
            for output in outputs:
                begun.pop((output.peer, output.message_id), None)  # type: ignore[arg-type]
            found = next((output for output in outputs if isinstance(output, Whole)), None)
            if found is None:
                continue
            data = found.message
        yield _message(whole, packet, parts, data)


def _message(whole: WholeFile, packet: Packet, parts: list[int], data: bytes) -> Message:
    packets, times = whole.netlab_packets, whole.column("time_ns")
    place = parts[-1]
    last = int(packets.last_row[place])
    rows = packets.row[parts]
    stream, rudp_stream = int(packets.stream[place]), int(packets.rudp_stream[place])
    end = int(packets.offset[place] + HEADER_LEN + packets.payload_length[place])
    return Message(
        message_id=packet.message_id,
        type=packet.type,
        flow=int(whole.column("flow")[last]),
        stream=None if stream < 0 else stream,
        rudp_stream=None if rudp_stream < 0 else rudp_stream,
        numbers=tuple((rows + 1).tolist()),
        last_number=last + 1,
        began=int(times[rows].min()),
        ended=int(times[last]),
        offset=int(packets.offset[parts[0] if max(stream, rudp_stream) >= 0 else place]),
        end=end,
        data=data,
        chat=chat_event(data),
    )


def chat_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The columns of group `chat`: of the first message that is complete with each of the capture's packets."""
    count = len(whole.index)
    columns: dict[str, NDArray[Any]] = {"messages": np.zeros(count, np.int32)}
    for name in ("chat_type", "chat_event", "room", "chat_name", "chat_text"):
        columns[name] = np.full(count, "", object)
    for name in ("room_number", "op"):
        columns[name] = np.full(count, -1, np.int64)
    for message in messages(whole):
        row, chat = message.last_number - 1, message.chat
        columns["messages"][row] += 1
        if columns["messages"][row] == 1:
            columns["chat_type"][row], columns["chat_event"][row] = chat.type, chat.event
            columns["room"][row], columns["room_number"][row] = chat.room, chat.room_number
            columns["op"][row], columns["chat_name"][row], columns["chat_text"][row] = chat.op, chat.name, chat.text
    return columns
