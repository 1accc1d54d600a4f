"""What is typed: lines out of bytes, and what a line asks for."""

from __future__ import annotations

import asyncio
import contextlib
import doctest
import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat.messages import Message
from netlab.chat.names import canonical
from netlab.cli import access, counters
from netlab.cli.talk import conversation, entering, forms, input_lines, slash
from netlab.cli.talk.input_lines import Line, LineSplitter, Unusable, read_lines
from netlab.cli.talk.slash import SLASH, Do, Say, Wrong, parse
from netlab.errors import ConnectionEnded
from netlab.transports import CannotListen

LIMIT = 8


@pytest.mark.parametrize("module", [access, counters, conversation, entering, forms, input_lines, slash])
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("hello", Say("hello")),
        ("", Say("")),
        (" /join x", Say(" /join x")),
        ("//join x", Say("/join x")),
        ("//", Say("/")),
        ("/join lobby", Do("/join", ["lobby"])),
        ("/join  lobby ", Do("/join", ["lobby"])),
        ("/leave", Do("/leave")),
        ("/leave lobby", Do("/leave", ["lobby"])),
        ("/who", Do("/who")),
        ("/rooms", Do("/rooms")),
        ("/quit", Do("/quit")),
        ("/quit ", Do("/quit")),
        ("/msg bob hello  there ", Do("/msg", ["bob", "hello  there "])),
        ("/msg bob /who", Do("/msg", ["bob", "/who"])),
        ("/join", Wrong("write it as /join ROOM")),
        ("/join a b", Wrong("write it as /join ROOM")),
        ("/leave a b", Wrong("write it as /leave [ROOM]")),
        ("/msg bob", Wrong("write it as /msg NAME TEXT")),
        ("/quit now", Wrong("write it as /quit")),
        ("/jion x", Wrong("there is no command '/jion': did you mean /join? (/help lists them)")),
        ("/", Wrong("there is no command '/' (/help lists them)")),
    ],
)
def test_parse(line, asked):
    assert parse(line) == asked


@given(st.text(max_size=40))
def test_any_line_is_one_of_three_things(text):
    asked = parse(text)
    assert isinstance(asked, Say | Do | Wrong)
    if isinstance(asked, Do):
        assert asked.command in SLASH


@given(st.text(max_size=20).filter(lambda text: "\n" not in text))
def test_every_text_can_be_said(text):
    assert parse("/" + text if text.startswith("/") else text) == Say(text)


PIECES = st.sampled_from([b"a", b"bc", b"\n", b"\r\n", b"\r", b"\xff", "é".encode(), b"x" * 7, b"y" * 9, b"\0"])


@given(st.lists(PIECES, max_size=30), st.lists(st.integers(0, 60), max_size=6))
def test_lines_do_not_depend_on_how_the_bytes_come(pieces, cuts):
    data = b"".join(pieces)
    whole = LineSplitter(LIMIT)
    expected = whole.feed(data) + whole.finish()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = LineSplitter(LIMIT)
    lines = [line for at, to in itertools.pairwise(places) for line in parts.feed(data[at:to])]
    assert lines + parts.finish() == expected
    raw = data.split(b"\n")
    raw = raw[:-1] if raw[-1] == b"" else raw
    assert [line.number for line in expected] == list(range(1, len(raw) + 1))
    for line, was in zip(expected, raw, strict=True):
        was = was.removesuffix(b"\r")
        if len(was) > LIMIT:
            assert isinstance(line, Unusable)
            assert line.code == "too_big"
        elif isinstance(line, Line):
            assert line.text.encode() == was
        else:
            assert line.code == "malformed"
            with pytest.raises(UnicodeDecodeError):
                was.decode()


def test_a_line_without_end_costs_no_memory():
    splitter = LineSplitter(LIMIT)
    for _ in range(1000):
        assert splitter.feed(b"x" * 1000) == []
    assert sum(map(len, splitter._parts)) <= LIMIT + 1
    (line,) = splitter.feed(b"\n")
    assert line == Unusable(1, "too_big", "a line of 1000000 B is over the limit of 8 B")


def test_reading_a_file_a_device_and_a_pipe(tmp_path):
    async def lines(file):
        return [line async for line in read_lines(file, 100)]

    path = tmp_path / "input"
    path.write_bytes(b"one\ntwo")
    with path.open("rb") as file:
        assert asyncio.run(lines(file.fileno())) == [Line(1, "one"), Line(2, "two")]
    with open(os.devnull, "rb") as file:
        assert asyncio.run(lines(file.fileno())) == []
    read, write = os.pipe()
    os.write(write, b"three\n")
    os.close(write)
    assert asyncio.run(lines(read)) == [Line(1, "three")]
    assert os.get_blocking(read)
    os.close(read)


@pytest.mark.parametrize("user", ["ann", "Åsa", "DOMAIN\\user name", "user@example.org", "x" * 100, "ł" * 40, "!!", ""])
def test_a_login_name_becomes_a_name(monkeypatch, user):
    monkeypatch.setattr(entering.getpass, "getuser", lambda: user)
    for name in entering.names_like(entering.login_name()):
        assert canonical(name) == name


def test_nobody_is_logged_in(monkeypatch):
    def nobody():
        raise KeyError("no such user")

    monkeypatch.setattr(entering.getpass, "getuser", nobody)
    assert entering.login_name() == "guest"


@pytest.mark.parametrize(
    ("token", "enough"),
    [
        ("a" * 31, False),  # 124 bits, as hex digits
        ("f" * 32, True),
        ("x" * 21, False),
        ("x" * 22, True),
        ("fifteen bytes!!", False),
        ("sixteen bytes!!!", True),
    ],
)
def test_token_bits(token, enough):
    assert (access.token_bits(token) >= access.TOKEN_BITS) == enough


def test_a_made_token_is_enough_and_new_and_no_command_takes_it_for_an_option():
    tokens = {access.new_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    assert all(token.isalnum() for token in tokens)
    assert all(access.token_bits(token) >= access.TOKEN_BITS for token in tokens)


def test_where_a_chat_can_neither_be_joined_nor_hosted_both_are_told(monkeypatch):
    @contextlib.asynccontextmanager
    async def refused(*arguments, **options):
        raise ConnectionEnded("nobody listens at tcp://127.0.0.1:80", clean=False)
        yield

    @contextlib.asynccontextmanager
    async def forbidden(*arguments, **options):
        raise CannotListen("cannot listen at tcp://127.0.0.1:80: Permission denied")
        yield

    monkeypatch.setattr(entering, "connect", refused)
    monkeypatch.setattr(entering, "serve", forbidden)

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            server = entering.Server("tcp://127.0.0.1:80")
            await entering.join_or_host(stack, server, "ann", may_host=True, tell=print)

    with pytest.raises(ConnectionEnded, match=r"nobody listens at .*, and cannot listen at .*: Permission denied"):
        asyncio.run(main())


class Seat:
    """What a conversation asks of a chat when an event comes."""

    sid, name, reliable, rooms = "s" * 22, "ann", False, ("lobby",)


def test_over_a_transport_that_loses_what_did_not_come_is_told():
    talk = conversation.Conversation(Seat(), forms.PlainForm(), lambda lines: None)
    shown = []
    for number in (4, 5, 8, 6, 8, 9, 11):
        event = Message(rooms={"lobby": number}, sid="x", name="bob", op=0, time=0, event="message", args=["hi"])
        shown += [line.text for line in talk._noted(event)]
    assert [line for line in shown if line.startswith("missing")] == ["missing lobby 6 7", "missing lobby 10 10"]
    assert sum(line.startswith("message") for line in shown) == 7  # late ones and doubles too
