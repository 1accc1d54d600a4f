"""What is shown of hostile things: nothing that a terminal obeys, in every form."""

from __future__ import annotations

import json
import unicodedata

import pytest

from netlab.chat import messages as m
from netlab.chat.client_events import Changed, Outcome
from netlab.cli.talk.forms import Ended, Here, PlainForm
from netlab.cli.talk.forms_human import HumanForm, name_style
from netlab.cli.talk.forms_json import JsonForm

HOSTILE = "\x1b]52;c;aGk=\x07\x1b[2J\r\n\x9b1m\x7f\u202e\u2066\u2028\u2029\u200b\ufeff\U000e0041 x"
SID = "s" * 22
FORMS = [PlainForm(), HumanForm(), JsonForm()]


def said(event="message", args=(HOSTILE,), rooms=None):
    return m.Message(
        rooms=rooms or {HOSTILE: 7}, sid=HOSTILE, name=HOSTILE, op=1, time=2**80, event=event, args=list(args)
    )


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


EVENTS = [
    said(),
    said(event=HOSTILE, args=[{HOSTILE: [HOSTILE, 1, None]}]),
    said(args=[]),
    said(args=[1e308, -(2**70), deep(900)]),
    said(rooms={SID: 1}),
    m.Message(rooms={}, sid="", name="", op=0, time=-1, event="", args=[]),
    m.Joined(rooms={HOSTILE: -1}, sid=HOSTILE, name=HOSTILE, time=0),
    m.Left(rooms={HOSTILE: 10**30}, sid=HOSTILE, name=HOSTILE, time=0, reason="lost"),
    m.Gap(HOSTILE, 3, 9),
    m.Gap(HOSTILE, 3, None),
    m.Goodbye(HOSTILE, HOSTILE),
]


def lines_of(form):
    """Every line that hostile strings can get into."""
    for event in EVENTS:
        for private in (False, True):
            yield from form.happened(event, private=private)
    yield from form.here(Here(f"tcp://{'127.0.0.1'}:9000", HOSTILE, HOSTILE, HOSTILE))
    for status in ("reconnecting", "resumed", "restarted", "ended"):
        yield from form.changed(Changed(status, HOSTILE, HOSTILE))
    for status in ("ok", "failed", "unknown"):
        outcome = Outcome(status, {HOSTILE: 1}, HOSTILE, HOSTILE, HOSTILE)
        yield from form.ended(Ended(1, HOSTILE, outcome))
        yield from form.ended(Ended(1, HOSTILE, outcome, to=HOSTILE))
    yield from form.members(1, HOSTILE, [{"name": HOSTILE, "sid": HOSTILE, "here": False}])
    yield from form.rooms(1, [{"room": HOSTILE, "members": 2}], [HOSTILE])
    yield from form.rooms(1, [], [])
    yield from form.stats(
        1, {HOSTILE: HOSTILE, "x": {HOSTILE: {HOSTILE: [HOSTILE]}}}, {"events": 1}, {HOSTILE: HOSTILE}
    )
    yield from form.link(1, HOSTILE)
    yield from form.help(1)
    yield from form.missing(HOSTILE, 1, 2)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: type(form).__name__)
def test_nothing_reaches_the_screen_raw(form):
    for line in lines_of(form):
        text = line.text
        assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")], ascii(text)


def test_every_json_line_is_one_object_in_ascii():
    for line in lines_of(JsonForm()):
        assert line.text.isascii()
        assert not line.aside
        assert json.loads(line.text)["type"]


def test_json_gives_the_text_back_exactly():
    (line,) = JsonForm().happened(said(), private=False)
    assert json.loads(line.text)["text"] == HOSTILE
    (line,) = JsonForm().happened(said(args=[deep(900)]), private=False)
    assert json.loads(line.text)["args"] is None


PLAIN = [
    (said(args=["hello  there"], rooms={"lobby": 7}), "message lobby 7 ann hello  there"),
    (said(args=[""], rooms={"lobby": 7}), "message lobby 7 ann "),
    (said(event="move", args=[{"x": 1}], rooms={"lobby": 7, "den": 2}), 'event lobby,den 7,2 ann move [{"x":1}]'),
]


@pytest.mark.parametrize(("event", "line"), PLAIN)
def test_plain_lines_stay_as_documented(event, line):
    event = m.Message(**{field: getattr(event, field) for field in event.__struct_fields__} | {"name": "ann"})
    (written,) = PlainForm().happened(event, private=False)
    assert written.text == line


def test_a_name_is_one_word_in_plain_lines():
    (written,) = PlainForm().happened(m.Joined(rooms={"two rooms": 1}, sid="", name="a b", time=0), private=False)
    assert written.text == "joined two\\x20rooms 1 a\\x20b"


def test_a_name_has_its_colour_for_good():
    assert [name_style(name) for name in ("ann", "bob", "eve")] == ["name3", "name0", "name6"]
