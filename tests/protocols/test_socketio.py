"""netlab's chat in Socket.IO's packets: read whole, damaged and as the library has them."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
import socketio as anybodys
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat import messages as m
from netlab.errors import DecodeError
from netlab.protocols import socketio

MESSAGE = m.Message(
    rooms={"tea": 3}, sid="S" * 22, name="ann", op=2, time=1, event="say", args=["hi", {"a": [1, None]}]
)


@pytest.mark.parametrize(
    "told",
    [
        MESSAGE,
        msgspec.structs.replace(MESSAGE, ask=12),
        msgspec.structs.replace(MESSAGE, args=[{"ask": 5}]),
        msgspec.structs.replace(MESSAGE, args=['","ask":5}']),
        m.Left(rooms={"tea": 4}, sid="s", name="ann", time=2, reason="quit"),
        m.Result(1, "ok", data={"members": []}),
        m.Goodbye("malformed", "it says: \"no\" \u2028"),
    ],
)  # fmt: skip
def test_the_library_reads_what_the_hub_says(told: Any) -> None:
    text = socketio.event(m.encode_json(told))
    packet = anybodys.packet.Packet(encoded_packet=text[1:].decode())
    name, said, checksum = packet.data
    assert packet.packet_type == anybodys.packet.EVENT
    assert packet.id == (getattr(told, "ask", 0) or None)
    assert (name, said) == (msgspec.to_builtins(told)["type"], msgspec.to_builtins(told))
    assert isinstance(checksum, int)
    assert m.decode_hub_message(socketio.decode_told(text[1:])) == told  # type: ignore[arg-type]


@given(st.text(max_size=40).filter(lambda t: t not in socketio.NAMES), st.lists(st.integers() | st.text(), max_size=3),
       st.none() | st.integers(0, 99))  # fmt: skip
def test_what_the_library_says_is_read(name: str, args: list[Any], ack: int | None) -> None:
    packet = anybodys.packet.Packet(anybodys.packet.EVENT, data=[name, "tea", *args], id=ack)
    event = socketio.decode(packet.encode().encode())
    assert isinstance(event, socketio.Event)
    assert (event.name, event.ack, event.checked) == (name, ack, False)
    try:
        said = socketio.message_of(event, 9)
    except DecodeError:  # an integer beyond what JSON's readers take
        assert any(isinstance(arg, int) and abs(arg) >= 1 << 63 for arg in args)
    else:
        assert said == m.Emit(9, name, ["tea"], args)


@given(st.sampled_from([m.Join(1, "tea"), m.Emit(2, "say", ["tea"], ["5]", [7]]), m.Hello(name="ann"), m.Stats(3)]),
       st.integers(0, 10_000), st.integers(1, 255))  # fmt: skip
def test_a_checked_event_is_exact_or_nothing(said: m.ClientMessage, at: int, flip: int) -> None:
    text = bytearray(socketio.said(m.encode_json(said)))
    event = socketio.decode(bytes(text[1:]))
    assert isinstance(event, socketio.Event)
    assert event.checked
    assert m.decode_client_message(event.args[0]) == said
    text[1 + at % (len(text) - 1)] ^= flip
    try:
        damaged = socketio.decode(bytes(text[1:]))
    except DecodeError:
        return
    assert not getattr(damaged, "checked", False), "a session that began with a checksum takes nothing without one"


SHORT = [
    ('["join","tea"]', m.Join(9, "tea")),
    ('["join",{"room":"tea"}]', m.Join(9, "tea")),
    ('["join",{"room":"tea","op":4,"type":"leave"}]', m.Join(4, "tea")),
    ('["find","ann"]', m.Find(9, "ann")),
    ('["rooms"]', m.Rooms(9)),
    ('["stats"]', m.Stats(9)),
    ('["hello","ann"]', m.Hello(name="ann")),
    ('["answer",{"ask":3,"args":["yes"]}]', m.Answer(3, ["yes"])),
    ('["emit",{"event":"say","to":"tea"}]', m.Emit(9, "say", ["tea"])),
    ('["say",["tea","pub"],1]', m.Emit(9, "say", ["tea", "pub"], [1])),
]


@pytest.mark.parametrize(("text", "message"), SHORT)
def test_events_by_hand(text: str, message: m.ClientMessage) -> None:
    event = socketio.decode(b"2" + text.encode())
    assert isinstance(event, socketio.Event)
    assert socketio.message_of(event, 9) == message


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "type"), ("9", "type"), ("1x", "payload"), ('51-["x",{"_placeholder":true,"num":0}]', "type"),
        ("2", "payload"), ("2[]", "payload"), ("2[5]", "event"), ('2["x"', "payload"), ("2" + "[" * 100_000, "payload"),
        ('2["\\ud800"]', "payload"), ('2["join","a","b"]', "event"), ('2["join",{},5]', "crc"),
        ('21000000000["x"]', "ack"), ("31000000000[]", "ack"), ("3[]", "ack"), ('31{"a":1}', "payload"),
        ('2/admin,["x"]', "namespace"), ("1/admin,", "namespace"), ("3/admin,1[]", "namespace"), ('4{"a":1}', "type"),
        ("0[]", "payload"), ("0x", "payload"),
    ],
)  # fmt: skip
def test_what_is_no_packet(text: str, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        socketio.decode(text.encode())
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", socketio.Connect("/", b"")),
        ('0{"name":"ann"}', socketio.Connect("/", b'{"name":"ann"}')),
        ("0/admin,", socketio.Connect("/admin", b"")),
        ("1", socketio.Disconnect()),
        ('2999999999["say","tea",{"a": 1}]', socketio.Event("say", [b'"tea"', b'{"a": 1}'], 999_999_999, False)),
        ('2/,["rooms"]', socketio.Event("rooms", [], None, False)),
        ('3999999999["yes",7]', socketio.Acked(999_999_999, ["yes", 7])),
    ],
)
def test_what_is_a_packet(text: str, packet: socketio.Packet) -> None:
    assert socketio.decode(text.encode()) == packet


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "event"), ("0", "event"), ("0{}", "connect"), ('0/admin,{"sid":"x"}', "event"),
        ('2["stats",{"type":"stats"}]', "event"), ('2["stats",{"type":"stats"},5]', "crc"),
        ('2["stats",5]', "crc"), ('31["x",{},5]', "event"), ('4{"message":"no"}', "event"),
    ],
)  # fmt: skip
def test_what_no_hub_says(text: str, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        socketio.decode_told(text.encode())
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text", ['["join"]', '["join",5]', '["say"]', '["say",5]', '["emit",{}]', '["rooms","x"]', '["x",{}]']
)
def test_an_event_that_says_no_message(text: str) -> None:
    event = socketio.decode(b"2" + text.encode())
    assert isinstance(event, socketio.Event)
    with pytest.raises(DecodeError):
        socketio.message_of(event, 9)


@given(st.binary(max_size=60))
def test_bytes_of_any_kind_only_fail_to_decode(data: bytes) -> None:
    for read in (socketio.decode, socketio.decode_told):
        with contextlib.suppress(DecodeError):
            read(data)


@pytest.mark.parametrize("auth", [b"[]", b"5", b'"x"', b'{"name":5}', b"{", b"[" * 100_000])
def test_no_hello(auth: bytes) -> None:
    if auth == b"[]":
        assert socketio.hello_of(auth) is None
    else:
        with pytest.raises(DecodeError):
            socketio.hello_of(auth)
