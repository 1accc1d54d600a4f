"""How what happens is written: the interface of the three forms, and the plain one, which docs/chat-lines.md documents.

A form turns things into lines; it opens and prints nothing. Everything from the network passes `printable` here.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

import msgspec

from netlab.chat import messages as m
from netlab.chat.client_events import Changed, Outcome
from netlab.cli.talk.slash import help_lines
from netlab.packets.text import printable
from netlab.transports.answers import Member, Room

TEXT_EVENT = "message"
"""The event that a typed text is sent as: what Socket.IO's `send` emits."""

Shown: TypeAlias = m.RoomEvent | m.Gap | m.Goodbye

DEEPEST = 32
"""Arguments nested deeper than the hub allows are not written out: whoever sent them is no hub of ours."""


class Written(msgspec.Struct, frozen=True):
    """One line: pieces of text, each with the name of a style or none. `aside` goes to stderr where output is piped."""

    pieces: list[tuple[str, str]]
    aside: bool = False

    @property
    def text(self) -> str:
        """The line without styles."""
        return "".join(text for _, text in self.pieces)


class Here(msgspec.Struct, frozen=True):
    """Where one is: told once, when the chat is open and the room entered."""

    url: str
    name: str
    sid: str
    room: str


class Ended(msgspec.Struct, frozen=True):
    """How one asked-for thing ended: line `number` of the input."""

    number: int
    said: str
    outcome: Outcome
    to: str = ""
    """Whom a private text was for."""


class Form(Protocol):
    """One way of writing."""

    def here(self, here: Here) -> list[Written]:
        """The chat is open."""

    def happened(self, event: Shown, *, private: bool) -> list[Written]:
        """A message, a join, a leave, a gap; or the hub did not understand."""

    def changed(self, changed: Changed) -> list[Written]:
        """How the connection stands."""

    def ended(self, ended: Ended) -> list[Written]:
        """An operation has ended."""

    def members(self, number: int, room: str, members: list[Member]) -> list[Written]:
        """The answer to /who."""

    def rooms(self, number: int, rooms: list[Room], mine: list[str]) -> list[Written]:
        """The answer to /rooms."""

    def left(self, room: str, now: str | None) -> list[Written]:
        """/leave is done: out of that room, and speaking in the other from now on."""

    def stats(
        self, number: int, server: dict[str, Any], client: dict[str, int], link: dict[str, Any] | None
    ) -> list[Written]:
        """The answer to /stats; `link` where the chat goes through one."""

    def link(self, number: int, link: str) -> list[Written]:
        """The answer to /link: what the link is like now."""

    def help(self, number: int) -> list[Written]:
        """The answer to /help."""

    def missing(self, room: str, first: int, last: int) -> list[Written]:
        """Over a transport that loses: numbers passed by, which may still come."""


def text_of(message: m.Message) -> str:
    """What a message says: its text, or its event and arguments where another program sent something else."""
    if message.event == TEXT_EVENT and len(message.args) == 1 and isinstance(message.args[0], str):
        return printable(message.args[0])
    return printable(f"{message.event} {json_of(message.args)}")


def json_of(args: list[Any]) -> str:
    """Arguments as JSON, bounded in depth."""
    if m.depth_of(args) > DEEPEST + 1:
        return f"[nested more than {DEEPEST} deep]"
    return m.encode_json(args).decode()


def word(text: str) -> str:
    """A name or a room's name as one word, whatever a hostile server calls somebody.

    >>> word("ann"), word("two words"), word("")
    ('ann', 'two\\\\x20words', '-')
    """
    return printable(text).replace(" ", "\\x20") or "-"


def line(*words: Any, aside: bool = False) -> Written:
    """A line of words, without style; those that are None or empty are left out."""
    return Written([("", " ".join(str(word) for word in words if word not in (None, "")))], aside)


def span(first: int, last: int | None) -> str:
    """`17`, `17 to 19`, or `17 on`, where nobody can say how many."""
    if last is None:
        return f"{first} on (nobody can say how many)"
    return str(first) if first == last else f"{first} to {last}"


def why(outcome: Outcome) -> str:
    """`code: detail` of what did not end ok."""
    return printable(": ".join(part for part in (outcome.code, outcome.detail) if part)) or "no reason given"


class PlainForm:
    """One line an event: its kind, then words, then a text to the end of the line. Stable: scripts read it."""

    def here(self, here: Here) -> list[Written]:
        return [line("status", "open", here.url, word(here.name), word(here.room))]

    def happened(self, event: Shown, *, private: bool) -> list[Written]:
        match event:
            case m.Message():
                name = word(event.name)
                if private:
                    return [Written([("", f"private {name} {text_of(event)}")])]
                kind = "message" if event.event == TEXT_EVENT else "event"
                rooms = ",".join(map(word, [*event.rooms, *event.unnumbered]))
                numbers = ",".join(map(str, event.rooms.values()))
                return [Written([("", f"{kind} {rooms or '-'} {numbers or '-'} {name} {text_of(event)}")])]
            case m.Joined():
                return [line("joined", word(room), number, word(event.name)) for room, number in event.rooms.items()]
            case m.Left():
                return [
                    line("left", word(room), number, word(event.name), event.reason)
                    for room, number in event.rooms.items()
                ]
            case m.Gap():
                return [line("gap", word(event.room), event.first, "?" if event.last is None else event.last)]
            case m.Goodbye():
                return [line("status", "misunderstood", printable(event.code), printable(event.detail))]

    def changed(self, changed: Changed) -> list[Written]:
        detail = f"{changed.code}: {changed.detail}" if changed.code else changed.detail
        return [line("status", changed.status, printable(detail))]

    def ended(self, ended: Ended) -> list[Written]:
        if ended.outcome.status == "ok":
            return []
        return [line(f"line {ended.number}:", f"{ended.outcome.status}:", why(ended.outcome), aside=True)]

    def members(self, number: int, room: str, members: list[Member]) -> list[Written]:
        return [
            line("who", word(room), word(member["name"]), "here" if member["here"] else "cut") for member in members
        ]

    def rooms(self, number: int, rooms: list[Room], mine: list[str]) -> list[Written]:
        return [
            line("room", word(row["room"]), row["members"], "in" if row["room"] in mine else "out") for row in rooms
        ]

    def left(self, room: str, now: str | None) -> list[Written]:
        return []

    def stats(
        self, number: int, server: dict[str, Any], client: dict[str, int], link: dict[str, Any] | None
    ) -> list[Written]:
        from netlab.cli.counters import flat

        rows = [*flat(server), *(("this end", name, str(count)) for name, count in sorted(client.items()))]
        rows += flat(link or {}, "link")
        return [line("stats", word(section), word(name), value) for section, name, value in rows]

    def link(self, number: int, link: str) -> list[Written]:
        return [line("link", printable(link))]

    def help(self, number: int) -> list[Written]:
        return [Written([("", f"help {text}")]) for text in help_lines()]

    def missing(self, room: str, first: int, last: int) -> list[Written]:
        return [line("missing", word(room), first, last)]
