"""The scapy layers of WebSocket, Engine.IO and Socket.IO say what `netlab layers` says, and build it again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.capture.recorded import recorded
from netlab.capture.scapy_web import EnginePacket, SocketPacket, WebSocketFrame
from netlab.packets import websocket
from netlab.packets.packet import Packet, encode
from netlab.packets.websocket import Frame, Opcode
from tests.fuzz.web import EVENT, KEY


def classes(packet: Any) -> list[str]:
    return [layer.__name__ for layer in packet.layers()]


@pytest.mark.parametrize("name", ["websocket", "socketio"])
def test_every_recorded_frame(name: str) -> None:
    seen = 0
    for packet in recorded(name):
        frames = [layer for layer in packet.layers if layer.protocol == "WebSocket"]
        for layer in frames:
            seen += 1
            data = packet.record.data[layer.start : layer.end]
            frame = WebSocketFrame(data)
            told = {field.key: field.value for field in layer.fields}
            assert {key: frame.getfieldval(key) for key in told} == told
            above = [other.protocol for other in packet.layers if other.protocol in ("Engine.IO", "Socket.IO")]
            if "Socket.IO" in above:
                assert classes(frame) == ["WebSocketFrame", "EnginePacket", "SocketPacket"]
            frame.fin = 1  # now it is built anew
            assert bytes(frame) == data
    assert seen >= 8


def test_built_by_hand_it_is_what_the_codecs_make() -> None:
    event = EnginePacket() / SocketPacket(namespace=b"/admin,", ack_id=b"7", data=b'["chat","hi"]')
    built = WebSocketFrame(masking_key=0x9BAFEBA9) / event
    text = b'42/admin,7["chat","hi"]'
    assert bytes(built) == websocket.encode(Frame(Opcode.TEXT, text, KEY))
    again = WebSocketFrame(bytes(built))
    assert (again[SocketPacket].namespace, again[SocketPacket].data) == (b"/admin,", b'["chat","hi"]')
    assert 'EVENT ["chat","hi"]' in again.summary()


def test_a_netlab_packet_and_what_follows_the_frame() -> None:
    data = websocket.encode(Frame(Opcode.BINARY, encode(Packet(EVENT, 7)), KEY))
    frame = WebSocketFrame(data + b"more")
    assert classes(frame) == ["WebSocketFrame", "NetlabPacket", "ChatEvent", "Padding"]
    assert frame["NetlabPacket"].message_id == 7


@given(data=st.binary(min_size=1, max_size=60))
def test_any_bytes_are_taken_apart(data: bytes) -> None:
    assert classes(WebSocketFrame(data))
