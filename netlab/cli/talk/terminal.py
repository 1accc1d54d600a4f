"""The chat in a terminal: an input line that arriving messages do not tear."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import signal
from collections.abc import Iterable
from typing import Any

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.application import get_app_or_none, in_terminal
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.styles import Style

from netlab.cli.running import exit_status
from netlab.cli.talk.conversation import Conversation
from netlab.cli.talk.forms import Written
from netlab.cli.talk.slash import SLASH, Do, parse
from netlab.packets.text import printable

STYLE = Style.from_dict(
    {
        "note": "ansibrightblack",
        "warning": "ansiyellow",
        "private": "bold",
        "room": "bold",
        # names, by the crc32 of the name: all readable on light and on dark
        "name0": "bold ansired",
        "name1": "bold ansigreen",
        "name2": "bold ansiblue",
        "name3": "bold ansimagenta",
        "name4": "bold ansicyan",
        "name5": "ansigreen",
        "name6": "ansimagenta",
        "name7": "ansicyan",
    }
)

LINES_WAITING = 100
"""Typed lines that wait to be carried out."""

LEAVING_S = 3.0
"""How long leaving waits for the outcomes of what was said before, s."""

AT_ONCE = 500
"""Lines shown with one redraw of the input line; more wait for the next."""


FLUSH_S = 1.0
"""How long what is shown above the input line may take once that line has gone, s."""


class Interrupted(Exception):
    """Ctrl-C was typed. (A KeyboardInterrupt in a task would tear down the whole loop, with a traceback.)"""


class Screen:
    """Shows lines above the input line, those of one turn of the loop together.

    A terminal may go away at any time (a closed window): what can't be shown any more is dropped.
    """

    def __init__(self) -> None:
        self._lines: list[Written] = []
        self._drawing: asyncio.Task[None] | None = None
        self._gone = False

    def show(self, lines: list[Written]) -> None:
        """Show these soon."""
        if self._gone:
            return
        self._lines += lines
        if self._lines and self._drawing is None:
            self._drawing = asyncio.get_running_loop().create_task(self._draw())

    async def _draw(self) -> None:
        try:
            while self._lines:
                app = get_app_or_none()
                async with in_terminal() if app is not None and app.is_running else contextlib.nullcontext():
                    self._print_some()
        except OSError:
            self._gone = True
        finally:
            self._drawing = None

    def _print_some(self) -> None:
        lines, self._lines = self._lines[:AT_ONCE], self._lines[AT_ONCE:]
        _print(lines)

    async def flush(self) -> None:
        """Show what waits. There is no input line any more."""
        if (drawing := self._drawing) is not None:
            await asyncio.wait({drawing}, timeout=FLUSH_S)
            await end(drawing)
        try:
            while self._lines and not self._gone:
                self._print_some()
        except OSError:
            self._gone = True


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it ends: where the terminal went away, prompt_toolkit's clean-up waits for it for ever."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=FLUSH_S)


def _print(lines: list[Written]) -> None:
    pieces: list[tuple[str, str]] = []
    for line in lines:
        pieces += [(f"class:{style}" if style else "", text) for style, text in line.pieces]
        pieces.append(("", "\n"))
    print_formatted_text(FormattedText(pieces), style=STYLE, end="")


class WordCompleter(Completer):
    """Commands at the start of a line, then names of rooms or of people."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor may become."""
        before = document.text_before_cursor
        if not before.startswith("/"):
            return
        command, space, rest = before.partition(" ")
        if " " in rest:
            return
        for candidate in self._candidates(command) if space else SLASH:
            typed = rest if space else command
            if candidate.startswith(typed):
                more = " " if (space and command == "/msg") or (not space and SLASH[candidate].most) else ""
                yield Completion(candidate + more, start_position=-len(typed), display=printable(candidate))

    def _candidates(self, command: str) -> list[str]:
        talk = self._conversation
        match command:
            case "/join":
                return sorted(talk.known_rooms)
            case "/leave" | "/who":
                return talk.chat.rooms
            case "/msg":
                return sorted(name for name in talk.names if not re.search(r"\s", name))
            case _:
                return []


async def converse(conversation: Conversation, screen: Screen, stop: asyncio.Future[int]) -> int:
    """Carry out what is typed until /quit, Ctrl-D, Ctrl-C, a signal or the end of the chat; the exit status comes
    back. The chat is closed here, so that its last events are shown."""
    session: PromptSession[str] = PromptSession(
        history=InMemoryHistory(),  # a file would keep what was said in private
        completer=WordCompleter(conversation),
        complete_while_typing=False,
        enable_suspend=True,
        erase_when_done=True,
        style=STYLE,
        interrupt_exception=Interrupted,
    )
    listening = asyncio.create_task(conversation.listen())
    typing = asyncio.create_task(_type(session, conversation))
    any_of: list[asyncio.Future[Any]] = [listening, typing, stop]
    await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
    cut_short = listening.done()
    await end(typing)
    await conversation.chat.close()
    await conversation.drain()
    await listening
    await screen.flush()
    if stop.done():
        return exit_status(stop.result())
    if not typing.cancelled() and (error := typing.exception()) is not None:
        if isinstance(error, Interrupted):
            return exit_status(signal.SIGINT)
        raise error
    return int(cut_short)


async def _type(session: PromptSession[str], conversation: Conversation) -> None:
    """Read lines until one asks to leave. They are carried out one after the other while the next is typed."""
    lines: asyncio.Queue[str] = asyncio.Queue(LINES_WAITING)
    working = asyncio.create_task(_work(session, conversation, lines))
    try:
        while True:
            try:
                line = await session.prompt_async(
                    lambda: _prompt(conversation),
                    handle_sigint=False,
                    set_exception_handler=False,  # prompt_toolkit's shows tracebacks, and waits for Enter
                )
            except EOFError:
                break
            if parse(line) == Do("/quit"):
                break
            if line.strip():
                await lines.put(line)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVING_S):
                await lines.join()
                await conversation.drain()
    finally:
        working.cancel()
        await asyncio.wait([working])


async def _work(session: PromptSession[str], conversation: Conversation, lines: asyncio.Queue[str]) -> None:
    for number in itertools.count(1):
        line = await lines.get()
        await conversation.carry_out(number, line)
        lines.task_done()
        session.app.invalidate()  # the room may be another


def _prompt(conversation: Conversation) -> FormattedText:
    status = conversation.chat.status
    cut = [("class:warning", f" ({status})")] if status == "reconnecting" else []
    return FormattedText([("class:room", printable(conversation.room or "no room")), *cut, ("", "> ")])
