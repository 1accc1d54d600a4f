"""What is in the packets of a lane: which of them carry a text or a part of it, which were sent again; each in a line.

A transport that keeps no boundaries may spread a message over many segments, and send each of them several times. The
simulation has them all, so the streams are put together as they were sent, not as they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from netlab.capture.files import parse
from netlab.capture.summary import Summary
from netlab.chat.messages import Emit, decode_client_message
from netlab.errors import DecodeError
from netlab.packets import ethernet, ipv4, segment, tcp, udp
from netlab.packets.packet import Packet, PacketType, decode_all, decode_first
from netlab.packets.tcp import TcpFlags, TcpSegment
from netlab.protocols.websocket import payloads
from netlab.scenarios.bench.lane import Ran, Sent
from netlab.scenarios.bench.script import Over

_SAYING = (PacketType.DATA, PacketType.HELLO)
_TURN = 2**32


class Contents(msgspec.Struct, frozen=True):
    """Of one packet.

    Attributes:
        says: what is in it, in a line; printable.
        carries: the text that it carries, or a part of it.
        again: all of its data was sent before.
    """

    says: str
    carries: str | None
    again: bool


class _Stream(msgspec.Struct, frozen=True):
    """One direction of one connection."""

    source: int
    destination: int
    number: int = 0


class _Piece(msgspec.Struct, frozen=True):
    """Bytes [start, start + len(data)) of a stream, in the packet at `place`."""

    place: int
    stream: _Stream
    start: int
    data: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class _Opened(msgspec.Struct, frozen=True):
    """A packet, taken out of its frame.

    Attributes:
        summary: its line, as a capture's list has it.
        segment: TCP's, or None.
        packets: netlab's, in a datagram of UDP.
    """

    summary: Summary
    stream: _Stream
    segment: TcpSegment | None
    packets: tuple[Packet, ...]


def contents(ran: Ran) -> list[Contents]:
    """What is in each packet of a lane."""
    if not ran.sent:
        return []
    capture = parse(ran.spoken)  # all of it: a segment alone does not say what it is the middle of
    numbers = {one.place: one.number for one in ran.sent}
    opened = [_open(one, _renumbered(capture.packet(one.place).summary, numbers)) for one in ran.sent]
    first = {one.stream: one.segment.sequence_number for one in opened if one.segment and _is_syn(one.segment)}
    pieces = list(_pieces(opened, first))
    again = _sent_again(opened, pieces)
    carried: dict[int, str] = {}
    for stream in dict.fromkeys(piece.stream for piece in pieces):
        of_this = [piece for piece in pieces if piece.stream == stream]
        for start, end, text in _texts(ran.over, _joined(of_this)):
            for piece in of_this:
                if piece.start < end and piece.end > start:
                    carried.setdefault(piece.place, text)
    for place, text in _texts_in_datagrams(opened):
        carried[place] = text
    return [Contents(_line(one, first), carried.get(place), place in again) for place, one in enumerate(opened)]


def _renumbered(summary: Summary, numbers: dict[int, int]) -> Summary:
    """What began in an earlier packet, by that packet's number in its direction instead of its record's."""
    return msgspec.structs.replace(
        summary,
        netlab=tuple(msgspec.structs.replace(part, began=numbers.get(part.began or 0)) for part in summary.netlab),
        web=tuple(msgspec.structs.replace(part, began=numbers.get(part.began or 0)) for part in summary.web),
    )


def _open(sent: Sent, summary: Summary) -> _Opened:
    packet = ipv4.decode(ethernet.decode(sent.frame).payload)
    if packet.protocol == tcp.PROTOCOL:
        one = tcp.decode(packet.payload, packet.source, packet.destination)
        return _Opened(summary, _Stream(one.source_port, one.destination_port), one, ())
    datagram = udp.decode(packet.payload, packet.source, packet.destination)
    stream = _Stream(datagram.source_port, datagram.destination_port)
    return _Opened(summary, stream, None, tuple(decode_all(datagram.payload)))


def _is_syn(one: TcpSegment) -> bool:
    return bool(one.flags & TcpFlags.SYN)


# ---- streams ---------------------------------------------------------------------------------------------------------


def _pieces(opened: Sequence[_Opened], first: dict[_Stream, int]) -> Iterator[_Piece]:
    """What each packet holds of a stream of TCP or rudp."""
    for place, one in enumerate(opened):
        if one.segment is not None:
            start = (one.segment.sequence_number - first[one.stream] - 1) % _TURN
            if one.segment.payload:
                yield _Piece(place, one.stream, start, one.segment.payload)
        for packet in one.packets:
            if packet.type is PacketType.SEGMENT and (data := (held := segment.decode(packet.payload)).data):
                stream = msgspec.structs.replace(one.stream, number=held.stream)
                yield _Piece(place, stream, held.offset, bytes(data))


def _joined(pieces: Sequence[_Piece]) -> bytes:
    """The stream that these are of, from its beginning."""
    whole = bytearray()
    for piece in sorted(pieces, key=lambda piece: piece.start):
        if piece.start <= len(whole):
            whole[piece.start : piece.end] = piece.data
    return bytes(whole)


def _texts(over: Over, stream: bytes) -> Iterator[tuple[int, int, str]]:
    """Where texts stand in a stream: from, to, and which."""
    whole = [(0, stream)] if over != "ws" else list(payloads(stream))
    box = _Fragments()
    for start, data in whole:
        at = 0
        while at < len(data):
            try:
                packet, end = decode_first(data, at)
            except DecodeError:  # the end of what was sent so far
                break
            for (first, _), text in box.take(packet, (start + at, start + end)):
                yield first, start + end, text
            at = end


class _Fragments:
    """Puts messages together from packets that are handed in in order; each with wherever its first packet stood."""

    def __init__(self) -> None:
        self._begun: dict[int, list[tuple[Packet, tuple[int, int]]]] = {}

    def take(self, packet: Packet, where: tuple[int, int]) -> Iterator[tuple[tuple[int, int], str]]:
        """The text that is complete with this packet, if one is."""
        if packet.type is not PacketType.DATA:
            return
        parts = self._begun.setdefault(packet.message_id, [])
        parts.append((packet, where))
        if len(parts) == packet.count:
            del self._begun[packet.message_id]
            if (text := _text(b"".join(part.payload for part, _ in parts))) is not None:
                yield parts[0][1], text


def _text(message: bytes) -> str | None:
    """What ann says in it."""
    try:
        said = decode_client_message(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    return said.args[0] if isinstance(said, Emit) and said.args and isinstance(said.args[0], str) else None


def _texts_in_datagrams(opened: Sequence[_Opened]) -> Iterator[tuple[int, str]]:
    """Over udp every packet of a message is sent once, so all that bear its id carry its text."""
    of_message: dict[tuple[_Stream, int], list[tuple[int, Packet]]] = {}
    for place, one in enumerate(opened):
        for packet in one.packets:
            if packet.type is PacketType.DATA:
                of_message.setdefault((one.stream, packet.message_id), []).append((place, packet))
    for parts in of_message.values():
        text = _text(b"".join(packet.payload for _, packet in sorted(parts, key=lambda part: part[1].index)))
        if text is not None:
            yield from ((place, text) for place, _ in parts)


# ---- again -----------------------------------------------------------------------------------------------------------


def _sent_again(opened: Sequence[_Opened], pieces: Sequence[_Piece]) -> set[int]:
    """The packets all of whose data was sent before."""
    again, furthest = set(), dict[_Stream, int]()
    for piece in pieces:
        if piece.end <= furthest.get(piece.stream, 0):
            again.add(piece.place)
        furthest[piece.stream] = max(piece.end, furthest.get(piece.stream, 0))
    seen: set[tuple[object, ...]] = set()
    for place, one in enumerate(opened):
        if one.segment is not None and _is_syn(one.segment):
            key: tuple[object, ...] = (one.stream, one.segment.sequence_number)
        elif said := [packet.payload for packet in one.packets if packet.type in _SAYING]:
            key = (one.stream, *said)
        else:
            continue
        if key in seen:
            again.add(place)
        seen.add(key)
    return again


# ---- in a line -------------------------------------------------------------------------------------------------------


def _line(one: _Opened, first: dict[_Stream, int]) -> str:
    summary = one.summary
    words = []
    if one.segment is not None:
        sequence = (one.segment.sequence_number - first[one.stream]) % _TURN
        words.append(f"{summary.flags} seq {sequence}")
        back = first.get(_Stream(one.stream.destination, one.stream.source))
        if one.segment.flags & TcpFlags.ACK and back is not None:
            words.append(f"ack {(one.segment.acknowledgment_number - back) % _TURN}")
        words.append(f"len {len(one.segment.payload)}")
    told = " | ".join(str(part) for part in (*summary.web, *summary.netlab))
    if one.segment is None and not told:
        told = f"datagram of {summary.payload_len} B"
    return " ".join(words) + (": " if words and told else "") + told
