"""Engine.IO's session as a table of packets and times; Socket.IO's packets, read whole, damaged and as the library has
them."""

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
from netlab.protocols.connection import Failed, PeerLeft, TimerFired
from netlab.protocols.engineio import Answer, Arrived, Carrier, Deliver, EngineSession, Say, Texts, Upgraded, body
from netlab.units import MS


def polled(text: bytes) -> Arrived:
    return Arrived(text, "polling")


def framed(text: bytes) -> Arrived:
    return Arrived(text, "websocket")


TIMER = TimerFired()
#                 t/ms  input                 outputs                       deadline/ms
PINGS = [
    (0,    TIMER,                [],                            1000),   # early
    (1000, TIMER,                [Say(b"2")],                   1500),   # the answer has half a second
    (1200, framed(b"4hello"),    [Deliver(b"hello")],           1500),   # a message is no answer
    (1300, framed(b"3"),         [],                            2300),   # answered: the next ping is a second later
    (2300, TIMER,                [Say(b"2")],                   2800),
    (2800, TIMER,                ["dead_peer"],                 None),
    (2900, framed(b"4late"),     [],                            None),
]  # fmt: skip
UPGRADE = [
    (0,    polled(b"4one"),      [Deliver(b"one")],             1000),
    (10,   framed(b"2probe"),    [Answer(b"3probe")],           1000),
    (20,   polled(b"4two"),      [Deliver(b"two")],             1000),   # polling carries it still
    (30,   framed(b"5"),         [Upgraded()],                  1000),
    (40,   framed(b"4three"),    [Deliver(b"three")],           1000),
    (50,   polled(b"4four"),     ["malformed"],                 None),   # and now no more
]  # fmt: skip
CLOSED = [
    (0,    framed(b"6"),         [],                            1000),
    (0,    framed(b"1"),         [PeerLeft()],                  None),
    (0,    framed(b"4x"),        [],                            None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("over", "script"),
    [("websocket", PINGS), ("polling", UPGRADE), ("websocket", CLOSED)],
    ids=["pings", "upgrade", "1"],
)
def test_a_session(over: Carrier, script: list[tuple[int, Any, list[Any], int | None]]) -> None:
    session = EngineSession(over, 0, ping_interval=1000 * MS, ping_timeout=500 * MS)
    for at, event, outputs, deadline in script:
        got = [out.code if isinstance(out, Failed) else out for out in session.handle(event, at * MS)]
        assert got == outputs, (at, event)
        assert session.deadline == (None if deadline is None else deadline * MS), (at, event)


@pytest.mark.parametrize(
    "text", [b"", b"x", b"0{}", b"3", b"2", b"2probe", b"5", b"6x", b"1x", b"9", b"\xff", b"bAAA="]
)
def test_what_does_not_belong_ends_the_session(text: bytes) -> None:
    session = EngineSession("websocket", 0, ping_interval=1000 * MS, ping_timeout=500 * MS)
    [failed] = session.handle(framed(text), 0)
    assert isinstance(failed, Failed)
    assert failed.code == "malformed"


@pytest.mark.parametrize("text", [b"5", b"4early", b"2", b"2prob"])
def test_a_websocket_is_tried_before_it_carries(text: bytes) -> None:
    session = EngineSession("polling", 0, ping_interval=1000 * MS, ping_timeout=500 * MS)
    [failed] = session.handle(framed(text), 0)
    assert isinstance(failed, Failed)


@given(st.lists(st.lists(st.binary(min_size=1, max_size=9).map(lambda b: b.replace(b"\x1e", b"")), min_size=1)))
def test_texts_are_the_same_in_frames_and_in_a_body(said: list[list[bytes]]) -> None:
    whole = [Texts(texts) for texts in said]
    assert [text for text in body(whole).split(b"\x1e") if text] == [t for texts in said for t in texts if t]
    for texts in whole:
        frames, read = texts.frames(), []
        while frames:
            assert frames[0] == 0x81
            read.append(frames[2 : 2 + frames[1]])
            frames = frames[2 + frames[1] :]
        assert read == list(texts.texts)
        assert texts.size >= sum(map(len, texts.texts))


# Socket.IO


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
        ("", "type"), ("9", "type"), ("1x", "type"), ('51-["x",{"_placeholder":true,"num":0}]', "type"),
        ("2", "event"), ("2[]", "event"), ("2[5]", "event"), ('2["x"', "event"), ("2" + "[" * 100_000, "event"),
        ('2["\\ud800"]', "event"), ('2["join","a","b"]', "event"), ('2["join",{},5]', "crc"),
        ('21234567890["x"]', "ack"), ("3[]", "ack"), ('31{"a":1}', "ack"),
    ],
)  # fmt: skip
def test_what_is_no_packet(text: str, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        socketio.decode(text.encode())
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
