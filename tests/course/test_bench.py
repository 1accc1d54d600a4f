"""The bench in a notebook: it answers what its widget asks, and stands as words and a picture without it."""

from __future__ import annotations

import base64
import sys

import matplotlib
import pytest

from netlab.course import bench as course_bench
from netlab.course.bench import answer, bench
from netlab.scenarios.bench import BadScript

matplotlib.use("agg")

MARKUP = "<script>alert(1)</script>"


def test_the_words_say_who_heard_what() -> None:
    words = str(bench("hi", loss="30%", seed=7))
    udp, tcp = words.split("TCP: ")
    assert "hi: never heard" in udp
    assert "bob heard 1 of 1" in tcp


def test_a_text_is_shown_as_text() -> None:
    shown = bench(MARKUP, "a\x1b[2J")._repr_mimebundle_()
    assert MARKUP not in shown["text/html"]
    assert "&lt;script&gt;" in shown["text/html"]
    assert MARKUP in shown["text/plain"]
    assert r"a\x1b[2J" in shown["text/plain"]


def test_what_the_widget_asks_is_answered() -> None:
    script = bench("hi").script
    ran = answer({"ask": "run", "n": 1, "script": script})
    assert [lane["over"] for lane in ran["timeline"]["lanes"]] == ["udp", "tcp", "rudp", "ws"]
    first = ran["timeline"]["lanes"][0]["packets"][0]["id"]
    taken = answer({"ask": "packet", "n": 2, "script": script, "over": "udp", "packet": first})
    assert [layer["protocol"] for layer in taken["packet"]["layers"]][1:3] == ["IPv4", "UDP"]
    file = answer({"ask": "capture", "n": 3, "script": script, "over": "tcp"})
    assert base64.b64decode(file["capture"])[:4] == b"\x0a\x0d\x0d\x0a"
    assert (ran["n"], taken["n"], file["n"]) == (1, 2, 3)


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "run", "script": {"seed": -1}},
        {"ask": "run", "script": "x"},
        {"ask": "packet", "script": {}, "over": "smoke", "packet": "client>server:1"},
        {"ask": "capture", "script": {}, "over": None},
        {"ask": "dance", "script": {}},
        {},
    ],
)
def test_a_bad_question_gets_one_line(question: dict[str, object]) -> None:
    said = answer({"n": 5, **question})
    assert said["n"] == 5
    assert len(said["error"].splitlines()) == 1


def test_a_bad_link_is_told_at_once() -> None:
    with pytest.raises(BadScript):
        bench(loss="thirty")


def test_without_anywidget_words_and_picture_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anywidget", None)
    made = course_bench.bench("hi")
    assert made.widget is None
    assert set(made._repr_mimebundle_()) == {"text/html", "text/plain"}
