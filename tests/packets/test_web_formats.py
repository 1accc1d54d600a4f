"""HTTP's heads, WebSocket's frames, Engine.IO's and Socket.IO's packets: our codecs, and the libraries' beside them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Generator
from typing import cast

import engineio.packet
import engineio.payload
import pytest
import socketio.packet
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode as TheirOpcode
from websockets.streams import StreamReader

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets import engineio as eio
from netlab.packets import http1, websocket
from netlab.packets import socketio as sio
from netlab.packets.websocket import Frame, Opcode

KEYS = st.none() | st.binary(min_size=4, max_size=4)
FRAMES = st.builds(
    Frame,
    opcode=st.integers(0, 15),
    payload=st.binary(max_size=300),
    key=KEYS,
    fin=st.booleans(),
    reserved=st.integers(0, 7),
)


def test_the_drawing_is_made_from_the_description() -> None:
    assert websocket.__doc__ is not None
    drawn = textwrap.indent(websocket.HEADER.drawing(), "    ")
    assert drawn in websocket.__doc__


@given(frame=FRAMES, trailer=st.binary(max_size=20))
def test_a_frame_comes_back_and_what_follows_is_left(frame: Frame, trailer: bytes) -> None:
    data = websocket.encode(frame)
    assert websocket.decode_first(data + trailer) == (frame, len(data))
    for cut in (0, 1, len(data) - 1):
        with pytest.raises(DecodeError):
            websocket.decode_first(data[:cut])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
@pytest.mark.parametrize("masked", [True, False])
def test_the_library_reads_and_writes_the_same(size: int, masked: bool) -> None:
    theirs = TheirFrame(TheirOpcode.BINARY, bytes(range(256)) * (size // 256) + bytes(range(size % 256)))
    written = theirs.serialize(mask=masked)
    frame, end = websocket.decode_first(written)
    assert end == len(written)
    assert (frame.opcode, frame.payload, frame.fin) == (Opcode.BINARY, theirs.data, True)
    assert websocket.encode(frame) == written
    reader = StreamReader()
    reader.feed_data(websocket.encode(frame))
    parser = TheirFrame.parse(reader.read_exact, mask=masked, max_size=None)
    assert _result(parser).data == theirs.data


def _result(running: Generator[None, None, TheirFrame]) -> TheirFrame:
    """What a generator returns that has all it waits for."""
    try:
        next(running)
    except StopIteration as ended:
        return cast(TheirFrame, ended.value)
    raise AssertionError("it waits for more")


def test_the_rfcs_own_examples() -> None:
    """RFC 6455 §5.7."""
    single = bytes.fromhex("810548656c6c6f")
    hidden = bytes.fromhex("818537fa213d7f9f4d5158")
    assert websocket.decode_first(single)[0] == Frame(Opcode.TEXT, b"Hello")
    assert websocket.decode_first(hidden)[0] == Frame(Opcode.TEXT, b"Hello", bytes.fromhex("37fa213d"))
    assert websocket.decode_head(bytes.fromhex("827f0000000000010000")).length == 65_536


def test_what_no_frame_may_be() -> None:
    with pytest.raises(DecodeError) as error:
        websocket.decode_head(b"\x82\x7f\xff" + bytes(7))
    assert error.value.field == "extended length"
    with pytest.raises(LocalProtocolError):
        websocket.encode(Frame(16))


REQUEST = (
    b"GET /chat?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
    b"Upgrade: WebSocket\r\nX:  two words \r\n\r\n"
)


def test_a_head_of_http() -> None:
    head, end = http1.decode_head(REQUEST + b"\x81\x00")
    assert end == len(REQUEST)
    assert (head.method, head.upgrade, head.query("EIO"), head.field("x")) == ("GET", "websocket", "4", "two words")
    assert [REQUEST[line.start : line.end] for line in head.lines] == REQUEST.splitlines(keepends=True)
    assert head.content_length() == 0


@pytest.mark.parametrize(
    ("answer", "method", "length"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n", "GET", 17),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n", "HEAD", 0),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\n\r\n", "GET", 0),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", None),
        (b"HTTP/1.1 200 OK\r\n\r\n", "GET", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", "GET", None),
        (b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 3\r\n\r\n", "GET", 0),
    ],
)
def test_how_long_content_is(answer: bytes, method: str, length: int | None) -> None:
    assert http1.decode_head(answer)[0].content_length(method) == length


@pytest.mark.parametrize("bad", [b"", b"GET / HTTP/1.1\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nno field\r\n\r\n"])
def test_no_head(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        http1.decode_head(bad)


ENGINE = st.one_of(
    st.builds(
        eio.EnginePacket,
        st.sampled_from(eio.EngineType),
        st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])).map(str.encode),
    ),
    st.builds(eio.EnginePacket, st.just(eio.EngineType.MESSAGE), st.binary(), st.just(True)),
)


@given(packets=st.lists(ENGINE, min_size=1, max_size=4))
def test_a_content_of_polling_as_the_library_reads_it(packets: list[eio.EnginePacket]) -> None:
    content = eio.SEPARATOR.join(eio.encode(packet, polling=True) for packet in packets)
    assert [eio.decode(content[a:b], polling=True) for a, b in eio.packets_in(content)] == packets
    theirs = engineio.payload.Payload(encoded_payload=content.decode())
    assert [packet.packet_type for packet in theirs.packets] == [packet.type for packet in packets]
    assert [packet.data for packet in theirs.packets if packet.binary] == [p.data for p in packets if p.binary]


@pytest.mark.parametrize("bad", [b"", b"7", b"x", b"b!!!"])
def test_no_packet_of_engine_io(bad: bytes) -> None:
    with pytest.raises(DecodeError):
        eio.decode(bad, polling=True)


EVENTS = [
    (2, ["chat", "hi"], "/", None),
    (2, ["chat", {"a": [1]}], "/admin", 7),
    (3, ["ok"], "/admin", 7),
    (0, {"token": "x"}, "/", None),
    (1, None, "/admin", None),
    (4, {"message": "no"}, "/admin", None),
    (2, ["picture", b"\0\1"], "/", 12),
    (3, [b"\0"], "/a", 3),
]


@pytest.mark.parametrize(("kind", "data", "namespace", "ack_id"), EVENTS)
def test_packets_as_the_library_writes_them(kind: int, data: object, namespace: str, ack_id: int | None) -> None:
    written = socketio.packet.Packet(kind, data, namespace, ack_id).encode()
    text = (written if isinstance(written, str) else written[0]).encode()
    packet, spans = sio.decode_parts(text)
    binary = 3 if isinstance(written, list) else 0  # EVENT becomes BINARY_EVENT, ACK BINARY_ACK
    assert (packet.type, packet.namespace, packet.ack_id) == (kind + binary, namespace, ack_id)
    assert packet.attachments == (0 if isinstance(written, str) else len(written) - 1)
    assert b"".join(text[span.start : span.end] for span in spans) == text
    assert sio.decode(sio.encode(packet)) == packet


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (b"", "type"),
        (b"9[]", "type"),
        (b'2{"a":1}', "payload"),
        (b"2[]", "payload"),
        (b"2", "payload"),
        (b"2[1", "payload"),
        (b'2[true,"x"]', "payload"),
        (b'2["x","\\ud800"]', "payload"),
        (b'2["x","\xff"]', "payload"),
        (b"0[]", "payload"),
        (b"4[]", "payload"),
        (b"4", "payload"),
        (b"3{}", "payload"),
        (b'1["x"]', "payload"),
        (b'5["x"]', "attachments"),
        (b'21-["x"]', "attachments"),
        (b'07{"a":1}', "acknowledgment id"),
        (b"2" + b"[" * 100_000, "payload"),
    ],
)
def test_no_packet_of_socket_io(bad: bytes, field: str) -> None:
    with pytest.raises(DecodeError) as error:
        sio.decode(bad)
    assert error.value.field == field


@pytest.mark.parametrize("text", [b"2[1]", b"2[-1.5]", b'2["x",1e999,123456789012345678901234567890]', b'4"no"'])
def test_what_json_allows_is_taken(text: bytes) -> None:
    packet = sio.decode(text)
    assert sio.encode(packet) == text
    assert packet.payload == text[1:]


@given(name=st.text(), values=st.lists(st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_arguments_are_what_was_said(name: str, values: list[object]) -> None:
    written = socketio.packet.Packet(2, [name, *values]).encode()
    read = [json.loads(argument) for argument in sio.decode(written.encode()).arguments]
    assert read == [name, *values]
