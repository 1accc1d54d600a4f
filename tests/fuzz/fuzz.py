"""Damaged bytes for whatever reads bytes: nothing but the errors that it names may come out.

    python -m tests.fuzz.fuzz --count 1000000 [--target columns] [--seed 7]

An input is one of a target's examples, damaged in up to six places: bits turned, numbers replaced by those at which
code breaks, pieces cut out, doubled or exchanged with another example. `--count` inputs are shared out to the targets
by what one costs. The first failure ends the run and is printed as it can be repeated.
"""

from __future__ import annotations

import argparse
import collections
import ipaddress
import random
import struct
import time
import traceback
from collections.abc import Callable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from netlab.capture.columns import COLUMNS
from netlab.capture.files import parse
from netlab.capture.layers import dissect
from netlab.capture.located import NO_TIME
from netlab.capture.messages import chat_event
from netlab.capture.record_index import RecordIndex
from netlab.capture.summary import describe, netlab_parts, summarize
from netlab.chat.messages import decode_client_message, decode_hub_message, encode_json
from netlab.errors import CaptureError, CaptureTruncated, DecodeError
from netlab.packets import ethernet, ipv4, ipv6, packet, pcap, pcapng, tcp, udp
from netlab.packets.capture_file import is_pcap, read_records
from netlab.packets.capture_record import Interface, LinkType, Located, Record
from netlab.packets.reassembly import Arrived, Reassembler
from netlab.protocols import socketio
from netlab.protocols.engineio import Arrived as FromEngine
from netlab.protocols.engineio import Deliver, EngineSession
from netlab.protocols.stream import BytesArrived, StreamConnection
from netlab.scenarios.bench import BadScript, read_script
from netlab.web.datagrams import name_in, says
from tests.fuzz.web import WEB_TALKS, WEB_TEXTS, web_formats, web_streams

A, B = ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.0.2")
A6, B6 = ipaddress.IPv6Address("fd00::1"), ipaddress.IPv6Address("fd00::2")
EDGES = (0, 1, 2, 3, 7, 8, 15, 16, 19, 20, 27, 28, 31, 32, 127, 128, 255, 256, 1500, 32767, 32768, 65534, 65535)
EDGES_32 = (*EDGES, 2**18, 2**18 + 1, 2**24, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1)
LINK_TYPES = (0, 1, 12, 101, 108, 113, 228, 229, 276, 147)


class Target(NamedTuple):
    """Something that reads bytes.

    Attributes:
        examples: good inputs.
        reads: reads one input.
        raises: the errors that it names.
        share: of all inputs, how many are for it.
    """

    examples: list[bytes]
    reads: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    share: float


# ---- examples --------------------------------------------------------------------------------------------------------


def frames() -> list[bytes]:
    """Frames of every protocol that is known here."""
    event = b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi"]}'
    options = (tcp.MaximumSegmentSize(1460), tcp.SackPermitted(), tcp.Timestamps(1, 2), tcp.WindowScale(7))
    chat = packet.encode(packet.Packet(event, 7, session=b"sessions")) + packet.encode(
        packet.Packet(b"x" * 600, 8, 1, 3)
    )
    segments = [
        tcp.TcpSegment(9, 9000, 99, 0, tcp.TcpFlags.SYN, 501, b"", options),
        tcp.TcpSegment(9, 9000, 100, 7, tcp.TcpFlags.ACK, 501, chat, (tcp.Sack(((1, 2), (5, 9))),)),
        tcp.TcpSegment(9, 9000, 100 + len(chat), 7, tcp.TcpFlags.FIN, 501, chat[:30]),
    ]
    datagram = udp.UdpDatagram(9, 9001, chat)
    packets = []
    for segment in segments:
        packets.append((0x0800, ipv4.encode(ipv4.Ipv4Packet(A, B, 6, tcp.encode(segment, A, B)))))
        packets.append((0x86DD, ipv6.encode(ipv6.Ipv6Packet(A6, B6, 6, tcp.encode(segment, A6, B6)))))
    sent = udp.encode(datagram, A, B)
    packets.append((0x0800, ipv4.encode(ipv4.Ipv4Packet(A, B, 17, sent, options=bytes([7, 7, 4, 0, 0, 0, 0, 0])))))
    more = ipv4.Ipv4Flags.MORE_FRAGMENTS
    packets.append((0x0800, ipv4.encode(ipv4.Ipv4Packet(A, B, 17, sent[:64], flags=more))))
    packets.append((0x0800, ipv4.encode(ipv4.Ipv4Packet(A, B, 17, sent[64:], fragment_offset=8))))
    packets.append((0x0800, ipv4.encode(ipv4.Ipv4Packet(A, B, 1, bytes([8, 0, 0, 0, 0, 5, 0, 9]) + b"ping"))))
    extensions = bytes([60, 0, 1, 4, 0, 0, 0, 0, 43, 1]) + bytes(14) + bytes([44, 0, 0, 0, 0, 0, 0, 0])
    behind = bytes([17, 0, 0, 1, 0, 0, 0, 5]) + udp.encode(datagram, A6, B6)
    packets.append((0x86DD, ipv6.encode(ipv6.Ipv6Packet(A6, B6, 0, extensions + behind))))
    packets.append((0x86DD, ipv6.encode(ipv6.Ipv6Packet(A6, B6, 58, bytes([128, 0, 0, 0, 0, 5, 0, 9])))))
    packets.append((0x0806, bytes([0, 1, 8, 0, 6, 4, 0, 1]) + bytes(20)))
    made = [ethernet.encode(ethernet.EthernetFrame(bytes(6), b"\2" * 6, kind, data)) for kind, data in packets]
    tags = struct.pack("!HHHH", 0x88A8, 5, 0x8100, 7)
    return made + [frame[:12] + tags + frame[12:] for frame in made[:4]]


FRAMES = frames()
IP4 = [frame[14:] for frame in FRAMES if frame[12:14] == b"\x08\x00"]
IP6 = [frame[14:] for frame in FRAMES if frame[12:14] == b"\x86\xdd"]
CHATS = [
    b'{"type":"hello","name":"ann","resume":{"sid":"a","secret":"b","seen":{"lobby":3}}}',
    b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi",{"a":[1,null,true,2.5e9]}],"skip_self":true}',
    b'{"type":"message","rooms":{"lobby":7},"sid":"s","name":"ann","op":1,"time":1,"event":"chat","args":["\\u2028"]}',
    b'{"type":"result","op":1,"status":"ok","rooms":{"lobby":1},"epoch":"e","data":[[[[]]]]}',
    b'{"type":"gap","room":"lobby","from":1,"to":null}',
    b'{"type":"answers","op":1,"answers":{"sid":[1]},"missing":0}',
]
PACKETS = [packet.encode(packet.Packet(chat, 7, session=b"sessions")) for chat in CHATS] + [
    packet.encode(packet.Packet(bytes(600), 9, index, 3)) for index in range(3)
]


def pcapng_of(packets: list[bytes], link_type: int = LinkType.EN10MB) -> bytes:
    blocks = [pcapng.section_header(application="fuzz"), pcapng.interface("a>b", link_type), pcapng.interface("b>a")]
    for number, data in enumerate(packets):
        blocks.append(pcapng.enhanced_packet(0, number * 1000, data, flags=number % 3, comment="c" * (number % 5)))
    return b"".join([*blocks, pcapng.interface_statistics(0, 1, received=1)])


def big_endian(data: bytes) -> bytes:
    """A small section in the other byte order, behind `data`."""
    section = struct.pack(">IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    interface = struct.pack(">IIHHIHHB3xI", 1, 28, 1, 0, 9, 9, 1, 0x86, 28)
    simple, old = (
        struct.pack(">IIIIII", 3, 24, 7, 1, 2, 24),
        struct.pack(">IIHHIIIII4xI", 2, 40, 0, 0, 1, 1, 3, 9, 9, 40),
    )
    return data + section + interface + simple + old


def pcap_of(packets: list[bytes], order: str = "<", link_type: int = 1) -> bytes:
    parts = [struct.pack(order + "IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, link_type)]
    for number, data in enumerate(packets):
        parts += [struct.pack(order + "IIII", 1_700_000_000, number, len(data), len(data) + number % 2), data]
    return b"".join(parts)


PCAP = [pcap_of(FRAMES[:6]), pcap_of(FRAMES[6:9], ">"), pcap_of([])]
PCAPNG = [pcapng_of(FRAMES[:6]), big_endian(pcapng_of(FRAMES[6:8])), big_endian(b"")]


# ---- targets ---------------------------------------------------------------------------------------------------------


def read_all(data: bytes) -> None:
    """The reader that goes from record to record."""
    for _ in read_records(data):
        pass


def locate(data: bytes) -> Iterator[Located]:
    """Where each record stands, as a loop finds it."""
    return pcap.locate(data, pcap.read_file_header(data)) if is_pcap(data) else pcapng.Blocks(data).locate()


def read_both(data: bytes, stretch: int = 256) -> int:
    """The reader that takes many at once finds what a loop finds: the same records, the same end, the same error.

    Returns how many records a loop finds.
    """
    found: list[Located] = []
    error: CaptureError | None = None
    try:
        for one in locate(data):
            found.append(one)
    except CaptureError as raised:
        error = raised
    try:
        index = RecordIndex(data, stretch)
    except CaptureError as raised:
        ours: list[tuple[int | None, ...]] | None = None
        our_error: tuple[object, ...] = (str(raised), raised.offset)
    else:
        columns = (index.at, index.start, index.captured, index.original, index.time_ns, index.interface)
        ours = list(zip(*(column.tolist() for column in columns), strict=True))
        our_error = (index.ends_early,) if index.ends_early else ()
    if error is None or isinstance(error, CaptureTruncated):
        assert ours == [one._replace(time_ns=NO_TIME if one.time_ns is None else one.time_ns) for one in found]
        assert our_error == (() if error is None else (str(error),))
    else:
        assert our_error == (str(error), error.offset)
    return len(found)


def all_columns(data: bytes) -> None:
    """Everything that is made of a whole capture."""
    capture = parse(data)
    for name in COLUMNS:
        assert len(getattr(capture.columns, name)) == len(capture)
    columns = capture.columns
    for name in ("link_header_len", "network_header_len", "transport_header_len", "payload_len"):
        assert np.all(getattr(columns, name) >= 0), name
    assert np.all(columns.payload_captured_len <= columns.payload_len)
    assert np.all(columns.repeated_len <= columns.payload_len)
    for stream in capture.streams():
        for piece in stream.pieces:
            assert piece.data
    capture.flows()
    capture.conversations()
    capture.messages()
    capture.where(protocol="tcp", address="10.0.0.0/8", port=9000)


def whole_frames(data: bytes) -> None:
    """Columns of damaged packets in a file that is sound."""
    link_type = LINK_TYPES[data[-1] % len(LINK_TYPES)] if data and data[-1] < 40 else LinkType.EN10MB
    all_columns(pcapng_of([data, *FRAMES[:4], data[:-7], data[4:]], link_type))


def ip_decoders(data: bytes) -> None:
    for verify in (True, False):
        one = ipv4.decode(data, verify=verify)
        assert ipv4.decode(ipv4.encode(one)).payload == one.payload


def layers(data: bytes) -> None:
    for link_type in LINK_TYPES[:3] + LINK_TYPES[5:6] if len(data) % 8 == 0 else (1,):
        found = dissect(data, link_type)
        assert all(0 <= layer.start <= layer.payload_start <= layer.end for layer in found)


def summaries(data: bytes) -> None:
    for link_type in LINK_TYPES:
        summarize(Record(1, Interface("\x1b", link_type, 0), None, data, len(data) + len(data) % 3))
    netlab_parts(data)


def stream_framing(data: bytes) -> None:
    connection = StreamConnection(0)
    cut = len(data) // 3
    for now, part in enumerate((data[:cut], data[cut : cut + 1], data[cut + 1 :])):
        if part:
            connection.handle(BytesArrived(part), now)
    assert connection.deadline is None or connection.deadline > 0


def packets_and_messages(data: bytes) -> None:
    box = Reassembler()
    found = packet.decode_all(data)
    for number, one in enumerate(found):
        box.handle(Arrived("peer", one), number)
        assert packet.decode(packet.encode(one)) == one


CHAT_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""What msgspec raises on what is no JSON, on deep nesting, and on what is no UTF-8 within a string."""


def chats(data: bytes) -> None:
    chat_event(data)  # these two never raise
    describe(data)
    try:
        decode_client_message(data)
    except CHAT_ERRORS:
        decode_hub_message(data)


def socketio_packets(data: bytes) -> None:
    session = EngineSession("websocket", 0, ping_interval=1000, ping_timeout=1000)
    for output in session.handle(FromEngine(data, "websocket"), 0):
        if isinstance(output, Deliver):
            found = socketio.decode(output.message)
            if isinstance(found, socketio.Connect):
                socketio.hello_of(found.auth)
            elif isinstance(found, socketio.Event) and not found.checked:
                encode_json(socketio.message_of(found, 7))


def socketio_told(data: bytes) -> None:
    if isinstance(told := socketio.decode_told(data[1:]), bytes):
        decode_hub_message(told)


EVENTS = [
    b'40{"name":"ann","token":"t","resume":{"sid":"a","secret":"b","seen":{"lobby":3}}}',
    b"40/admin,{}",
    b"41",
    b'4212["join","lobby"]',
    b'42["say",["lobby","tea"],"hi",{"a":[1,null,2.5]}]',
    b'427["emit",{"event":"ask","to":"lobby","answer_ms":2000,"args":["\\u2028"]}]',
    b'435["yes",7]',
    *(socketio.said(chat) for chat in CHATS[:2]),
]
TOLD = [socketio.event(chat) for chat in CHATS[2:]]


def class_datagrams(data: bytes) -> None:
    says(data)
    name_in(data)


SCRIPTS = [
    b'{"seed":1,"link":{"loss":"30%","delay":"40ms","rate":"1mbit"},"texts":[{"at":0,"text":"hi"}],"until":9000000000}',
    b'{"changes":[{"at":5,"link":{"loss":"0%","rate":""}}],"fates":[{"over":"udp","packet":"client>server:5","do":"delay",'
    b'"by":"50ms"},{"over":"ws","packet":"server>client:1","do":"drop"}]}',
]


TARGETS = {
    "pcap": Target(PCAP, read_all, (CaptureError,), 12),
    "pcapng": Target(PCAPNG, read_all, (CaptureError,), 12),
    "both readers": Target(PCAP + PCAPNG, read_both, (CaptureError,), 4),
    "ethernet": Target(FRAMES, ethernet.decode, (DecodeError,), 10),
    "ipv4": Target(IP4, ip_decoders, (DecodeError,), 10),
    "ipv6": Target(IP6, ipv6.decode, (DecodeError,), 10),
    "tcp": Target(
        [one[20:] for one in IP4 if one[9] == 6], lambda data: tcp.decode(data, A, B, verify=False), (DecodeError,), 10
    ),
    "udp": Target(
        [udp.encode(udp.UdpDatagram(9, 9001, one), A, B) for one in PACKETS],
        lambda data: udp.decode(data, A, B, verify=False),
        (DecodeError,),
        10,
    ),
    "netlab packet": Target([*PACKETS, PACKETS[0] + PACKETS[6]], packets_and_messages, (DecodeError,), 10),
    "stream framing": Target([b"".join(PACKETS), PACKETS[0] * 3], stream_framing, (), 5),
    "chat messages": Target(CHATS, chats, CHAT_ERRORS, 10),
    "socket.io": Target(EVENTS, socketio_packets, (DecodeError,), 10),
    "socket.io, told": Target(TOLD, socketio_told, (DecodeError,), 5),
    "bench scripts": Target(SCRIPTS, read_script, (BadScript,), 4),
    "class datagrams": Target(PACKETS, class_datagrams, (), 4),
    "web formats": Target(WEB_TEXTS, web_formats, (), 10),
    "web streams": Target(WEB_TALKS, web_streams, (), 1),
    "summary": Target(FRAMES, summaries, (), 2),
    "layers": Target(FRAMES, layers, (), 4),
    "columns": Target(FRAMES, whole_frames, (CaptureError,), 1.5),
    "columns of a damaged file": Target(PCAP + PCAPNG, all_columns, (CaptureError,), 1.5),
}


# ---- damage ----------------------------------------------------------------------------------------------------------


def damaged(rng: random.Random, examples: list[bytes]) -> bytes:
    """An example with up to six damages."""
    data = bytearray(rng.choice(examples))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if at < len(data):
                data[at] ^= 1 << rng.randrange(8)
            case 1 if at < len(data):
                data[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
            case 2:
                number = rng.choice(EDGES).to_bytes(2, rng.choice(("big", "little")))
                data[at : at + 2] = number
            case 3:
                data[at : at + 4] = rng.choice(EDGES_32).to_bytes(4, rng.choice(("big", "little")))
            case 4:
                del data[at : at + rng.choice((1, 2, 4, rng.randrange(1, 64)))]
            case 5:
                data[at:at] = data[at : at + rng.randrange(1, 64)] or rng.randbytes(3)
            case 6:
                other = rng.choice(examples)
                start = rng.randrange(len(other) + 1)
                data[at:] = other[start:]
            case _:
                del data[at:]
    return bytes(data)


def one(target: Target, data: bytes) -> str:
    """Read one input. The name of the error that came out, or "" where it was read."""
    try:
        target.reads(data)
    except target.raises as error:
        return type(error).__name__
    return ""


def run(name: str, count: int, seed: int) -> collections.Counter[str]:
    """Read `count` inputs; what came of them, by error.

    Raises:
        SystemExit: something else came out than what is named.
    """
    target, rng = TARGETS[name], random.Random(f"{seed}/{name}")
    outcomes: collections.Counter[str] = collections.Counter()
    for number in range(count):
        data = damaged(rng, target.examples)
        try:
            outcomes[one(target, data)] += 1
        except Exception:
            traceback.print_exc()
            raise SystemExit(f"target {name!r}, seed {seed}, input {number}: bytes.fromhex({data.hex()!r})") from None
    return outcomes


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all [100000]")
    parser.add_argument("--target", choices=TARGETS, help="only this one [all]")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the damage [the time]")
    asked = parser.parse_args(arguments)
    chosen = {asked.target: TARGETS[asked.target]} if asked.target else TARGETS
    shares = sum(target.share for target in chosen.values())
    total = 0
    for name, target in chosen.items():
        count = max(1, round(asked.count * target.share / shares))
        began = time.perf_counter()
        outcomes = run(name, count, asked.seed)
        total += count
        errors = ", ".join(f"{error} {times:,}" for error, times in outcomes.most_common() if error)
        took = time.perf_counter() - began
        print(
            f"{name:26} {count:>9,} inputs {took:>6.0f} s   read {outcomes['']:,}, {errors or 'no error'}", flush=True
        )
    print(f"{total:,} inputs, seed {asked.seed}: nothing but named errors")


if __name__ == "__main__":
    main()
