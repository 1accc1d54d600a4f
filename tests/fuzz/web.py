"""Damaged HTTP, WebSocket, Engine.IO and Socket.IO: alone, and in the two streams of a captured connection."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address

from netlab.capture.files import Capture, parse
from netlab.errors import DecodeError
from netlab.packets import engineio, http1, ipv4, pcapng, socketio, tcp, websocket
from netlab.packets.ethernet import EthernetFrame
from netlab.packets.ethernet import encode as encode_frame
from netlab.packets.packet import Packet, encode
from netlab.packets.tcp import TcpFlags
from netlab.packets.websocket import Frame, Opcode

CLIENT, SERVER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
KEY = bytes.fromhex("9bafeba9")
EVENT = b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi"]}'
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
ASKS = b"GET /chat HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"\r\n"
ASKS_ENGINE = ASKS.replace(b"/chat", b"/socket.io/?EIO=4&transport=websocket")
SWITCHES = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"
POLL = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
POLLED = b'HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n42["said","hi"]\x1ebAQID\x1e2probe'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
BETWEEN = b"\0--\0"
"""In an input: what stands before it is the client's, what stands behind it the server's."""


def frames(*wanted: tuple[int, bytes], key: bytes | None = None) -> bytes:
    """Whole messages, one to a frame."""
    return b"".join(websocket.encode(Frame(opcode, payload, key)) for opcode, payload in wanted)


SAYS = frames((Opcode.BINARY, encode(Packet(EVENT, 7))), (Opcode.PING, b"x"), (Opcode.TEXT, b"hi" * 99), key=KEY)
SAYS += websocket.encode(Frame(Opcode.TEXT, b"first", KEY, fin=False))
SAYS += websocket.encode(Frame(Opcode.CONTINUATION, b" second", KEY))
HEARS = frames((Opcode.BINARY, encode(Packet(EVENT, 9))), (Opcode.PONG, b"x"), (Opcode.CLOSE, b"\x03\xe8bye"))
ENGINE = frames((Opcode.TEXT, b'42/a,7["chat","hi"]'), (Opcode.BINARY, b"\1\2"), (Opcode.TEXT, b"2probe"), key=KEY)

WEB_TEXTS = [ASKS, SWITCHES, POLLED, SAYS, HEARS, b'42["said","hi"]\x1ebAQID', b'51-/a,3["x",{"_placeholder":true}]']
WEB_TALKS = [
    ASKS + SAYS + BETWEEN + SWITCHES + HEARS,
    ASKS_ENGINE + ENGINE + BETWEEN + SWITCHES + ENGINE,
    POLL * 2 + ASKS_ENGINE + ENGINE + BETWEEN + POLLED + CHUNKED + SWITCHES + ENGINE,
]


def capture_of(client: bytes, server: bytes, step: int, *, lost: int = -1) -> Capture:
    """A connection whose two streams are these, in segments of `step` bytes; segment `lost` was not captured."""
    blocks = [pcapng.section_header(), pcapng.interface("lo")]
    segments = [(0, -1, b""), (1, -1, b"")]
    for way, data in enumerate((client, server)):
        segments += [(way, at, data[at : at + step]) for at in range(0, len(data), step)]
    for number, (way, at, payload) in enumerate(segments):
        flags = TcpFlags.SYN if at < 0 else TcpFlags.ACK
        ends = (CLIENT, SERVER) if way == 0 else (SERVER, CLIENT)
        ports = (40_000, 80) if way == 0 else (80, 40_000)
        data = tcp.encode(tcp.TcpSegment(*ports, (2**32 - 40 + at) % 2**32, 1, flags, 500, payload), *ends)
        frame = encode_frame(EthernetFrame(b"\2" * 6, b"\4" * 6, 0x0800, ipv4.encode(ipv4.Ipv4Packet(*ends, 6, data))))
        if number != lost:
            blocks.append(pcapng.enhanced_packet(0, number, frame))
    return parse(b"".join(blocks))


def web_formats(data: bytes) -> None:
    """Every decoder on the same bytes."""
    decoders = (
        http1.decode_head,
        websocket.decode_first,
        engineio.decode,
        lambda data: engineio.decode(data, polling=True),
        socketio.decode,
    )
    for decode in decoders:
        with contextlib.suppress(DecodeError):
            decode(data)
    http1.begins_like_http(data)
    engineio.packets_in(data)


def web_streams(data: bytes) -> None:
    """Everything that is told of a capture whose streams these are, with one segment missing or none."""
    client, _, server = data.partition(BETWEEN)
    capture = capture_of(client, server, step=1 + len(data) % 90, lost=len(data) % 7 - 1)
    for message in capture.web():
        assert message.last_number in range(1, len(capture) + 1)
        str(message)
    capture.messages()
    for packet in capture:
        str(packet.summary)
        at = packet.layers[0].start
        for layer in packet.layers:
            assert at <= layer.start <= layer.payload_start <= layer.end <= len(packet.record.data)
            at = layer.start
        assert len(packet.clear) == len(packet.record.data)
        packet.sums  # noqa: B018
    capture.columns.websocket_frames.sum()
