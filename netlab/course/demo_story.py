"""What the demo tells of a capture: how many packets, what each was for, and how many bytes of each layer they took."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from netlab.capture import recorded
from netlab.capture.live import Unavailable, capture_command
from netlab.chat.messages import Emit, Message, decode_client_message, decode_hub_message
from netlab.course.demo_chat import Played, play
from netlab.errors import DecodeError
from netlab.packets import ethernet, ipv4, tcp, udp
from netlab.packets.capture_file import read_records
from netlab.packets.packet import HEADER_LEN, SESSION_LEN, Packet, PacketType, announced_len, decode_first
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.protocols.datagram_client import DATAGRAM_LIMITS

SCHEMES = ("tcp", "udp")


class Episode(msgspec.Struct, frozen=True):
    """One chat and its capture. `recorded` says why the capture is one shipped with the package, if it is."""

    played: Played
    capture: Path
    recorded: str = ""


class Fragment(msgspec.Struct, frozen=True):
    """One packet of the long message: the frames that carried it, its place, and its payload's bytes."""

    frames: tuple[int, ...]
    index: int
    count: int
    size: int


class Traffic(msgspec.Struct, kw_only=True):
    """A capture's packets, counted.

    Attributes:
        frames: packets of the capture.
        purposes: frames by what they are for: `opening`, `closing`, `acknowledging` (nothing else in it), `handshake`
            (netlab's hello, cookie and ack), `chat`.
        layers: bytes by layer, from the outside in; the last is what people wrote.
        payload: bytes that TCP or UDP carried.
        repeated: of these, bytes that TCP sent again; by layer they are TCP's, and are read once.
        packets: netlab packets in them.
        greeting: number of the first frame with the demo's greeting.
        largest: the cut message with the most packets.
    """

    frames: int = 0
    purposes: Counter[str] = msgspec.field(default_factory=Counter)
    layers: Counter[str] = msgspec.field(default_factory=Counter)
    payload: int = 0
    repeated: int = 0
    packets: int = 0
    greeting: int | None = None
    largest: list[Fragment] = []


LAYERS = ("Ethernet", "IPv4", "TCP", "UDP", "netlab packet", "chat event", "text")


def capture_chat(scheme: str, file: Path) -> Episode:
    """Play the chat over `tcp` or `udp`, captured live into `file`. Where no live capture can be had, play it all the
    same, and put the recorded capture there that is shipped with the package.

    Raises:
        CaptureError: the file cannot be written.
    """
    try:
        with tempfile.TemporaryFile() as output:
            command = [sys.executable, "-m", "netlab.course.demo_chat", scheme]
            capture_command(command, file, force=True, stdout=output)
            output.seek(0)
            return Episode(msgspec.json.decode(output.read(), type=Played), file)
    except Unavailable as error:
        recorded.copy(f"chat-{scheme}", file)
        return Episode(asyncio.run(play(scheme)), file, str(error))


def read_traffic(capture: Path) -> Traffic:
    """Count a capture of the demo's chat (Ethernet, IPv4, TCP or UDP).

    Raises:
        CaptureError: not a capture.
        DecodeError: packets in it that the demo did not send.
    """
    traffic = Traffic()
    streams: dict[tuple[Any, ...], tuple[bytes, tuple[int, ...]]] = {}  # what began and did not end, and its frames
    nexts: dict[tuple[Any, ...], int] = {}  # the sequence number behind all that was seen
    box = Reassembler(DATAGRAM_LIMITS)
    fragments: dict[tuple[Any, int], list[Fragment]] = {}
    for record in read_records(capture.read_bytes()):
        traffic.frames += 1
        ip = ipv4.decode(ethernet.decode(record.data).payload, verify=False)
        traffic.layers["Ethernet"] += ethernet.HEADER_LEN
        traffic.layers["IPv4"] += ipv4.HEADER_LEN + len(ip.options)
        if ip.protocol == tcp.PROTOCOL:
            segment = tcp.decode(ip.payload, ip.source, ip.destination, verify=False)
            flow = (ip.source, segment.source_port, ip.destination, segment.destination_port)
            purpose = _purpose(segment)
            payload, nexts[flow] = _unseen(segment, nexts.get(flow))
            traffic.payload += len(segment.payload)
            traffic.repeated += len(segment.payload) - len(payload)
            traffic.layers["TCP"] += len(ip.payload) - len(payload)
            begun, frames = streams.pop(flow, (b"", ()))
            frames = (*frames, record.number)
            packets, rest = _packets(begun + payload)
            if rest:
                streams[flow] = (rest, (record.number,) if packets else frames)
        else:
            datagram = udp.decode(ip.payload, ip.source, ip.destination, verify=False)
            flow = (ip.source, datagram.source_port, ip.destination, datagram.destination_port)
            payload = datagram.payload
            traffic.payload += len(payload)
            traffic.layers["UDP"] += udp.HEADER_LEN
            packets, rest = _packets(payload)
            frames = (record.number,)
            if rest:
                raise DecodeError("a datagram ends within a packet", rule="netlab packet", field="payload", offset=0)
            purpose = "chat" if packets[0].type not in _HANDSHAKE else "handshake"
        traffic.purposes[purpose] += 1
        if traffic.greeting is None and b"Can everybody hear me?" in payload:
            traffic.greeting = record.number
        for packet in packets:
            _count_packet(traffic, packet)
            if packet.count > 1:
                fragment = Fragment(frames, packet.index, packet.count, len(packet.payload))
                fragments.setdefault((flow, packet.message_id), []).append(fragment)
            for output in box.handle(Arrived(flow, packet), 0):
                if isinstance(output, Whole):
                    _count_text(traffic, output.message)
    traffic.largest = max(fragments.values(), key=len, default=[])
    return traffic


_HANDSHAKE = (PacketType.HELLO, PacketType.COOKIE, PacketType.ACK)


def _unseen(segment: tcp.TcpSegment, expected: int | None) -> tuple[bytes, int]:
    """What a segment carries beyond the sequence number `expected` next in its direction (None at the beginning), and
    the number that is expected then. On loopback nothing overtakes: what is not new was sent before."""
    begins = segment.sequence_number + (tcp.TcpFlags.SYN in segment.flags)  # RFC 9293 §3.4: a SYN has a number
    ends = begins + len(segment.payload) + (tcp.TcpFlags.FIN in segment.flags)  # and so has a FIN
    seen = 0 if expected is None else (expected - begins) % 2**32
    if seen >= 2**31:  # it begins beyond what was seen
        seen = 0
    behind = ends % 2**32
    if expected is not None and (behind - expected) % 2**32 >= 2**31:
        behind = expected
    return segment.payload[seen:], behind


def _purpose(segment: tcp.TcpSegment) -> str:
    if tcp.TcpFlags.SYN in segment.flags:
        return "opening"
    if tcp.TcpFlags.FIN in segment.flags or tcp.TcpFlags.RST in segment.flags:
        return "closing"
    if not segment.payload:
        return "acknowledging"
    return "chat"


def _packets(data: bytes) -> tuple[list[Packet], bytes]:
    """The whole packets that `data` begins with, and what is left."""
    packets, at = [], 0
    while len(data) - at >= HEADER_LEN and len(data) - at >= announced_len(data, at):
        packet, at = decode_first(data, at)
        packets.append(packet)
    return packets, data[at:]


def _count_packet(traffic: Traffic, packet: Packet) -> None:
    traffic.packets += 1
    traffic.layers["netlab packet"] += HEADER_LEN + (SESSION_LEN if packet.session is not None else 0)
    traffic.layers["chat event"] += len(packet.payload)


def _count_text(traffic: Traffic, message: bytes) -> None:
    """Move what somebody wrote from the event that carries it to the text."""
    for decode in (decode_client_message, decode_hub_message):
        try:
            event = decode(message)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        if isinstance(event, Emit | Message):
            text = sum(len(argument.encode()) for argument in event.args if isinstance(argument, str))
            traffic.layers["chat event"] -= text
            traffic.layers["text"] += text
