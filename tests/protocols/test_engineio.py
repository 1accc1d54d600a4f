"""Engine.IO's session as a table of packets and times."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
