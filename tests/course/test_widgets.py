"""Widgets without a browser: what they do when they are moved, and what they say where there are none."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from netlab.capture.recorded import recorded
from netlab.course import quiz, widgets
from netlab.figures.demo_runs import bulk

ipywidgets = pytest.importorskip("ipywidgets")


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)


def test_each_choice_is_answered_and_the_first_one_counts() -> None:
    asked = widgets.ask("05", seed=3)
    for item, buttons, reply in zip(asked.items, asked.choices, asked.replies, strict=True):
        right = [choice.right for choice in item.choices].index(True) + 1
        wrong = right % 4 + 1
        assert reply.value == ""
        buttons.value = wrong
        assert "No. " in reply.value
        buttons.value = right
        assert "Right. " in reply.value
        assert item.source in reply.value
    assert asked.score == (0, len(asked.items))
    other = widgets.ask("05")
    other.choices[0].value = [choice.right for choice in other.items[0].choices].index(True) + 1
    assert other.score == (1, 1)


def test_markup_in_an_item_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script>"
    choices = tuple(quiz.Choice(f"{evil} {k}", evil, right=k == 0) for k in range(4))
    asked = widgets.QuizWidget([quiz.Item("x", "01", evil, evil, evil, choices)])
    for k in range(1, 5):
        asked.choices[0].value = k
        assert "<script" not in asked.replies[0].value
    assert "<script" not in asked.box.children[0].children[0].value


def test_a_capture_is_stepped_through_with_words_for_each_packet() -> None:
    capture = bulk("reno", there="loss=3%", size="150kB", seed=3)[0]
    box = widgets.scrub(capture, most=20)
    (field, slider), words, picture = box.children[0].children, *box.children[1:]
    assert (field.description, field.max, slider.max) == ("packet", 20, 20)
    assert "packet 1 of 20" in words.value
    first = picture.value
    slider.value = 12
    assert field.value == 12
    assert "packet 12 of 20" in words.value
    assert 'alt="packet 12 of 20' in picture.value
    assert picture.value != first
    field.value = 3
    assert "packet 3 of 20" in words.value
    steps = widgets.Steps(capture, most=400)
    told = "\n".join(steps.words(number) for number in range(1, len(steps) + 1))
    assert "lost: " in told
    assert "(sent before)" in told
    assert "5000: has sent" in told


def test_sliders_say_what_such_a_link_does() -> None:
    box = widgets.bad_link(lambda loss, delay: f"<b>{loss:g} % at {delay:g} ms</b>", loss=2)
    (_, losses), (_, delays), words = (box.children[0].children, box.children[1].children, box.children[2])
    assert "2 % at 20 ms" in words.value
    losses.value = 10
    delays.value = 100
    assert "10 % at 100 ms" in words.value
    assert "<b>" not in words.value


@pytest.mark.usefixtures("without")
def test_without_ipywidgets_it_is_said_in_text() -> None:
    told: Any = widgets.ask("01")
    assert "1. " in told
    assert "d) " in told
    assert widgets.bad_link(lambda loss, delay: f"{loss:g} {delay:g}") == "0 20"
    assert "packet" in widgets.scrub(bulk("reno", size="5kB")[0])


def test_the_models_are_one_or_both_as_the_buttons_say() -> None:
    capture = recorded("websocket")
    models = widgets.Models(capture)
    both = models.drawn()
    assert "OSI 2 Data Link; TCP/IP Link" in both.said
    seen = {models.seen.value}
    for choice, there, gone in (
        ("OSI: seven layers", "OSI 4", "TCP/IP Tr"),
        ("TCP/IP: four layers", "TCP/IP Tr", "OSI 4"),
    ):
        models.chosen.value = choice
        assert there in models.seen.value
        assert gone not in models.seen.value
        seen.add(models.seen.value.partition("base64,")[2].partition('"')[0])
    assert len(seen) == 3
    assert "img alt=" in models._repr_mimebundle_()["text/html"]


def test_without_ipywidgets_the_models_are_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    shown = widgets.Models(recorded("websocket"))._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
