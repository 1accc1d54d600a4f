"""HTTP, WebSocket, Engine.IO and Socket.IO in captures: layers, lines, columns; tshark says the same."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.capture.files import Capture, CapturedPacket
from netlab.capture.recorded import recorded
from netlab.packets import websocket
from netlab.packets.packet import Packet, encode
from netlab.packets.websocket import Frame, Opcode
from tests.fuzz.web import ASKS, ASKS_ENGINE, EVENT, HEARS, KEY, POLL, POLLED, SAYS, SWITCHES, capture_of, frames


def names(packet: CapturedPacket) -> list[str]:
    return [layer.protocol for layer in packet.layers[3:]]


def test_an_upgrade_and_what_follows() -> None:
    capture = recorded("websocket")
    told = [str(part) for packet in capture for part in packet.summary.web]
    assert told[:4] == [
        "HTTP GET /chat, asks for websocket",
        "HTTP 101 Switching Protocols",
        "WebSocket text, masked: 'hi'",
        "WebSocket text: 'HI'",
    ]
    assert told[-2:] == ["WebSocket close, masked: 1000 normal closure", "WebSocket close: 1000 normal closure"]
    asked, said = capture.packet(4), capture.packet(8)
    assert names(asked) == ["HTTP"]
    upgrade = asked.layers[3].field("Upgrade")
    assert upgrade is not None
    assert asked.record.data[upgrade.start : upgrade.end] == b"Upgrade: websocket\r\n"
    frame = said.layers[3]
    assert (names(said), frame.header_len, frame.payload_len) == (["WebSocket", "data"], 6, 2)
    assert frame.masked is not None
    assert frame.masked.key == "9bafeba9"
    assert websocket.masked(bytes.fromhex(frame.masked.bytes), bytes.fromhex(frame.masked.key)) == b"hi"
    assert said.clear[-2:] == bytes.fromhex(frame.masked.says) == b"hi"


def test_socket_io_over_both_its_carriers() -> None:
    capture = recorded("socketio")
    told = [str(message) for message in capture.web()]
    over_websocket = "WebSocket text, masked / Engine.IO message / Socket.IO EVENT, to be acknowledged as 1: join "
    assert f'{over_websocket}"lobby"' in told
    assert any(
        line.startswith("HTTP POST") and line.endswith('Socket.IO EVENT, to be acknowledged as 1: join "lobby"')
        for line in told
    )
    assert 'WebSocket text / Engine.IO message / Socket.IO EVENT: said "hi, I am bob"' in told
    assert 'HTTP 200 OK / Engine.IO message / Socket.IO EVENT: said "hi, I am ann"' in told
    assert any(line.endswith("Socket.IO DISCONNECT / Engine.IO close") for line in told)  # two packets in one content
    say = next(packet for packet in capture if packet.summary.web and "join" in str(packet.summary.web[0]))
    assert names(say) == ["WebSocket", "Engine.IO", "Socket.IO", "data"]
    headers = say.sums.headers
    assert (headers["WebSocket"], headers["Engine.IO"], headers["Socket.IO"]) == (6, 1, 2)


def test_every_layer_has_a_place_in_both_models_and_says_where_it_is_contested() -> None:
    layers = {layer.protocol: layer for name in ("websocket", "socketio") for p in recorded(name) for layer in p.layers}
    for name in ("WebSocket", "Engine.IO", "Socket.IO"):
        assert (layers[name].osi, layers[name].tcp_ip) == ("7 Application", "Application")
        assert "5" in (layers[name].contested or "")


@settings(max_examples=30, deadline=None)
@given(step=st.integers(1, 400), masked=st.booleans())
def test_frames_that_straddle_segments_are_the_same_frames(step: int, masked: bool) -> None:
    client = ASKS + (SAYS if masked else SAYS.replace(KEY, bytes(4)))
    whole, cut = (capture_of(client, SWITCHES + HEARS, size) for size in (10_000, step))
    assert [(str(one), one.data) for one in cut.web() if one.masked] == [
        (str(one), one.data) for one in whole.web() if one.masked
    ]
    if masked:
        assert [message.data for message in cut.messages()] == [EVENT, EVENT]
    covered = {packet.record.number: packet.layers for packet in cut}
    for packet in cut:
        reached = max((layer.end for layer in covered[packet.record.number]), default=0)
        assert reached == len(packet.record.data)


def test_a_part_says_what_it_is_a_part_of() -> None:
    payload = b"4" + b'2["chat","' + b"x" * 300 + b'"]'
    client = ASKS_ENGINE + frames((Opcode.TEXT, payload), key=KEY)
    capture = capture_of(client, SWITCHES, 150)
    begun = next(
        p for p in capture if any("goes on" in str(part) and "WebSocket" in str(part) for part in p.summary.web)
    )
    last = next(p for p in capture if any("Socket.IO EVENT" in str(part) for part in p.summary.web))
    assert f"from {begun.record.number}" in str(last.summary.web[0])
    assert names(last) == ["WebSocket (continued)", "data"]
    assert last.layers[4].fields[0].value.endswith('x"]')  # without the mask, though its key stands elsewhere
    assert f"began in packet {begun.record.number}" in last.layers[3].notes[0]
    assert last.layers[3].osi == "7 Application"


def test_netlabs_packets_in_frames_are_found_like_all_others() -> None:
    capture = capture_of(ASKS + SAYS, SWITCHES + HEARS, 10_000)
    assert [message.chat.text for message in capture.messages()] == ["hi", "hi"]
    packets = capture.netlab_packets
    assert (packets.message_id.tolist(), packets.intact.tolist()) == ([7, 9], [1, 1])
    assert packets.masking_key.tolist() == [int.from_bytes(KEY, "big"), 0]
    packet = capture.packet(3)
    assert [str(part) for part in packet.summary.netlab] == ["data 00000007 emit chat to lobby: 'hi'"]
    ours = [layer for layer in packet.layers if layer.protocol in ("netlab packet", "chat event")]
    assert [layer.notes for layer in ours] == [(), ()]  # its CRC is right
    assert ours[1].fields[0].value == EVENT.decode()
    assert packet.sums.text == len('"hi"')


def test_what_is_compressed_or_in_several_frames_is_data() -> None:
    event = b'42["chat","hi"]'
    client = ASKS_ENGINE + websocket.encode(Frame(Opcode.TEXT, event, KEY, reserved=4))
    client += websocket.encode(Frame(Opcode.TEXT, event[:5], KEY, fin=False))
    client += websocket.encode(Frame(Opcode.CONTINUATION, event[5:], KEY))
    packet = capture_of(client, SWITCHES, 10_000).packet(3)
    assert names(packet) == ["HTTP", *["WebSocket", "data"] * 3]
    assert "continuation of text" in str(packet.summary.web[3])


def test_an_answer_that_is_not_101_leaves_http_as_it_was() -> None:
    refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
    capture = capture_of(ASKS + POLL, refused + POLLED, 10_000)
    told = [str(message) for message in capture.web() if message.stream == 1]
    carried = """Socket.IO EVENT: said "hi" / Engine.IO message, binary: 'AQID' / Engine.IO ping: 'probe'"""
    assert told == ["HTTP 403 Forbidden: 'no'", f"HTTP 200 OK / Engine.IO message / {carried}"]
    assert not any("WebSocket" in line for line in told)


def test_one_direction_alone_is_read_too() -> None:
    for client, server in ((ASKS + SAYS, b""), (b"", SWITCHES + HEARS)):
        capture = capture_of(client, server, 10_000)
        assert sum(message.protocol == "WebSocket" for message in capture.web()) >= 3


def test_a_packet_of_another_port_and_stream_is_left_alone() -> None:
    data = encode(Packet(EVENT, 7))
    capture = capture_of(data, data, 30)
    assert capture.web() == []
    assert len(capture.messages()) == 2


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark: apt-get install tshark")
@pytest.mark.parametrize("name", ["websocket", "socketio"])
def test_tshark_says_the_same(name: str) -> None:
    capture = recorded(name)
    columns = capture.columns
    fields = (
        "frame.number",
        "http.response.code",
        "websocket.opcode",
        "websocket.mask",
        "websocket.payload_length",
        "websocket.payload_length_ext_16",
    )
    told = _tshark(capture, *fields)
    for row, (number, status, opcode, masked, length, longer) in enumerate(told):
        assert int(number) == row + 1
        assert int(columns.http_status[row]) == int(status or -1)
        assert int(columns.websocket_opcode[row]) == int(opcode.split(",")[0] or -1)
        assert int(columns.websocket_masked[row]) == {"": -1, "1": 1, "0": 0}[masked.split(",")[0]]
        assert int(columns.websocket_payload_len[row]) == int((longer or length).split(",")[0] or -1)
    texts = [text for (text,) in _tshark(capture, "websocket.payload.text") if text]
    assert texts == [one.data.decode() for one in capture.web() if str(one).startswith("WebSocket text")]
    assert len(texts) >= 4


def _tshark(capture: Capture, *fields: str) -> list[list[str]]:
    asked = [argument for field in fields for argument in ("-e", field)]
    command = ["tshark", "-r", str(capture.path), "-T", "fields", *asked]
    ports = ["-d", "tcp.port==8765,http", "-d", "tcp.port==9004,http"]
    out = subprocess.run([*command, *ports], check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def test_the_json_of_a_packet_has_the_step_from_masked_to_said(capsys: pytest.CaptureFixture[str]) -> None:
    from netlab.cli.layers import command

    command.main([str(recorded("websocket").path), "--packet", "8", "--json"], standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    frame = next(layer for layer in told["layers"] if layer["protocol"] == "WebSocket")
    assert frame["masked"] == {"start": 72, "end": 74, "bytes": "f3c6", "key": "9bafeba9", "says": "6869"}
    assert told["web"] == [{"layers": [["WebSocket", "text, masked"], ["data", "'hi'"]]}]
    command.main([str(recorded("websocket").path), "--packet", "8"], standalone_mode=False)
    assert "masked  f3 c6\n      key     9b af\n      says    68 69  hi" in capsys.readouterr().out
