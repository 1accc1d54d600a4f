"""What a person reads in a terminal. Styles are names; `terminal` knows the colours."""

from __future__ import annotations

import zlib
from typing import Any

from netlab.chat import messages as m
from netlab.chat.client_events import Changed
from netlab.cli.counters import flat, table
from netlab.cli.talk.forms import Ended, Here, Shown, Written, span, text_of, why
from netlab.cli.talk.slash import help_lines
from netlab.packets.text import printable
from netlab.transports.answers import Member, Room

NAME_COLOURS = 8
SHOWN = 60
"""Characters of one's own text that are shown beside how it ended."""

_ENDINGS = {"left": "left", "quit": "left the chat", "lost": "is gone: no word came"}
_STATUS = {
    "reconnecting": "reconnecting",
    "resumed": "resumed: nothing is lost",
    "restarted": "connected again, in a new session: what is missing is told",
    "degraded": "the server can't reach its broker: only people on it hear you now, and nothing is stored",
    "restored": "the broker is there again: everybody hears you, what was missed is told",
    "ended": "the chat has ended",
}


def name_style(name: str) -> str:
    """The style of a name: the same at every run, on every machine."""
    return f"name{zlib.crc32(name.encode('utf-8', 'surrogatepass')) % NAME_COLOURS}"


def name_piece(name: str) -> tuple[str, str]:
    """A name in its style."""
    return name_style(name), printable(name)


def note(text: str, style: str = "note") -> Written:
    """A line that is not somebody's text."""
    return Written([(style, text)])


class HumanForm:
    """Lines for people."""

    def here(self, here: Here) -> list[Written]:
        where = f" at {here.url}, in {printable(here.room)} (/help lists the commands)"
        return [Written([("note", "you are "), name_piece(here.name), ("note", where)])]

    def happened(self, event: Shown, *, private: bool) -> list[Written]:
        match event:
            case m.Message() if private:
                return [Written([name_piece(event.name), ("private", " (to you)"), ("", f": {text_of(event)}")])]
            case m.Message():
                numbers = [f"{printable(room)} #{number}" for room, number in event.rooms.items()]
                where = ", ".join(numbers + [f"{printable(room)} (no number)" for room in event.unnumbered])
                return [Written([("note", f"{where} "), name_piece(event.name), ("", f": {text_of(event)}")])]
            case m.Joined():
                rooms = printable(", ".join(event.rooms))
                return [Written([("note", "* "), name_piece(event.name), ("note", f" joined {rooms}")])]
            case m.Left():
                rooms = printable(", ".join(event.rooms))
                how = _ENDINGS.get(event.reason, "left")
                return [Written([("note", "* "), name_piece(event.name), ("note", f" {how} ({rooms})")])]
            case m.Gap():
                return [note(f"! {printable(event.room)}: missed #{span(event.first, event.last)}", "warning")]
            case m.Goodbye():
                text = printable(f"{event.code} {event.detail}")
                return [note(f"! the server did not understand: {text}", "warning")]

    def changed(self, changed: Changed) -> list[Written]:
        if changed.status == "ended" and changed.detail == "left" and not changed.code:
            return []
        text = _STATUS.get(changed.status, changed.status)
        why = printable(changed.detail or changed.code)
        good = changed.status in ("resumed", "restored")
        return [note(f"! {text}: {why}" if why else f"! {text}", "note" if good else "warning")]

    def ended(self, ended: Ended) -> list[Written]:
        said = printable(ended.said if len(ended.said) <= SHOWN else f"{ended.said[:SHOWN]}...")
        match ended.outcome.status:
            case "ok":
                if not ended.to:
                    return []
                return [Written([("private", "to "), name_piece(ended.to), ("", f": {printable(ended.said)}")])]
            case "failed" if ended.outcome.code == "bad_command":
                return [note(f"! {printable(ended.outcome.detail)}", "warning")]
            case "failed":
                return [note(f"! not done: '{said}': {why(ended.outcome)}", "warning")]
            case "unknown":
                return [note(f"! nobody knows whether it was done: '{said}': {why(ended.outcome)}", "warning")]

    def members(self, number: int, room: str, members: list[Member]) -> list[Written]:
        pieces = [("note", f"in {printable(room)}:")]
        for member in members:
            pieces += [("", " "), name_piece(member["name"])]
            if not member["here"]:
                pieces.append(("note", " (cut off)"))
        return [Written(pieces)]

    def rooms(self, number: int, rooms: list[Room], mine: list[str]) -> list[Written]:
        lines = []
        for row in rooms:
            here = ", you are in it" if row["room"] in mine else ""
            lines.append(note(f"{printable(str(row['room']))}: {row['members']} in it{here}"))
        return lines or [note("there are no rooms")]

    def left(self, room: str, now: str | None) -> list[Written]:
        speaking = f"you speak in {printable(now)}" if now else "you are in no room"
        return [note(f"you left {printable(room)}: {speaking}")]

    def stats(
        self, number: int, server: dict[str, Any], client: dict[str, int], link: dict[str, Any] | None
    ) -> list[Written]:
        rows = [*flat(server), *(("this end", name, str(count)) for name, count in sorted(client.items()))]
        rows += flat(link or {}, "link")
        return [note(text) for text in table(rows)]

    def link(self, number: int, link: str) -> list[Written]:
        return [note(f"the link, each way: {printable(link)}")]

    def help(self, number: int) -> list[Written]:
        return [note(text) for text in help_lines()]

    def missing(self, room: str, first: int, last: int) -> list[Written]:
        return [note(f"! {printable(room)}: #{span(first, last)} did not come (yet)", "warning")]
