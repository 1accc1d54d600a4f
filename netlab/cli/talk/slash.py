"""What a typed line asks for. The same in a terminal and through a pipe."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import msgspec

from netlab.cli.commands import suggestion


class Usage(NamedTuple):
    """How a slash command is written, what it does, and how many words it takes."""

    usage: str
    help: str
    least: int
    most: int


SLASH = {
    "/join": Usage("/join ROOM", "enter a room and speak there; in a room already: speak there", 1, 1),
    "/leave": Usage("/leave [ROOM]", "leave a room, or the one you speak in", 0, 1),
    "/rooms": Usage("/rooms", "the rooms of the server", 0, 0),
    "/who": Usage("/who [ROOM]", "who is in a room, or in the one you speak in", 0, 1),
    "/msg": Usage("/msg NAME TEXT", "say something to one person who shares a room with you", 2, 2),
    "/stats": Usage("/stats", "counters of the server and of this end", 0, 0),
    "/link": Usage("/link [OPTIONS]", "the link you chat through; or change it: /link loss=20%, /link none", 0, 32),
    "/quit": Usage("/quit", "leave the chat", 0, 0),
    "/help": Usage("/help", "this list", 0, 0),
}


class Say(msgspec.Struct, frozen=True):
    """A text for the room one speaks in."""

    text: str


class Do(msgspec.Struct, frozen=True):
    """A slash command with its words."""

    command: str
    words: list[str] = []


class Wrong(msgspec.Struct, frozen=True):
    """Neither; `detail` says what to write."""

    detail: str


Asked: TypeAlias = Say | Do | Wrong


def parse(line: str) -> Asked:
    """What a line without its end asks for.

    >>> parse("hello"), parse("//path is a text"), parse("/msg bob two  words")
    (Say(text='hello'), Say(text='/path is a text'), Do(command='/msg', words=['bob', 'two  words']))
    >>> parse("/jion lobby")
    Wrong(detail="there is no command '/jion': did you mean /join? (/help lists them)")
    """
    if not line.startswith("/"):
        return Say(line)
    if line.startswith("//"):
        return Say(line[1:])
    command, *rest = line.split(None, 1)
    usage = SLASH.get(command)
    if usage is None:
        return Wrong(f"there is no command {command[:40]!r}{suggestion(command[:40], SLASH)} (/help lists them)")
    words = " ".join(rest).split(None, 1 if command == "/msg" else -1)  # the text of /msg stays as it is
    if not usage.least <= len(words) <= usage.most:
        return Wrong(f"write it as {usage.usage}")
    return Do(command, words)


def help_lines() -> list[str]:
    """The slash commands, one a line."""
    width = max(len(usage.usage) for usage in SLASH.values())
    lines = [f"{usage.usage:{width}}  {usage.help}" for usage in SLASH.values()]
    return [*lines, f"{'//TEXT':{width}}  say a text that begins with /"]
