"""The chat through pipes: lines in, lines out. Also on a terminal that can do no more than that."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from netlab.cli.running import exit_status
from netlab.cli.talk.conversation import Conversation, summary
from netlab.cli.talk.forms import Written
from netlab.cli.talk.input_lines import Line, read_lines
from netlab.packets.text import printable

LONGEST_LINE = 16 * 1024 * 1024
"""Bytes of an input line, whatever a server says that it takes."""

SLASH_ROOM = 1024
"""Bytes of an input line beside its text: `/msg NAME `."""


class Output:
    """stdout and stderr. What is shown within one turn of the loop is written at once.

    Attributes:
        broken: done when nobody reads stdout any more, or it can't be written; the reason is its exception.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: list[Written] = []
        self.broken: asyncio.Future[None] = self._loop.create_future()

    def show(self, lines: list[Written]) -> None:
        """Write these soon."""
        if lines and not self._lines:
            self._loop.call_soon(self.flush)
        self._lines += lines

    def flush(self) -> None:
        """Write what is waiting."""
        lines, self._lines = self._lines, []
        if self.broken.done():
            return
        try:
            for aside, stream in ((False, sys.stdout), (True, sys.stderr)):
                if text := "".join(f"{line.text}\n" for line in lines if line.aside is aside):
                    stream.write(text)
                    stream.flush()
        except OSError as error:
            self.broken.set_exception(error)


async def converse(
    conversation: Conversation, output: Output, stop: asyncio.Future[int], *, file: int = 0, who: str
) -> int:
    """Carry out the lines of `file` until its end, /quit, a signal, or the end of the chat; the exit status comes back.

    At the end of input every outcome is waited for. The chat is closed here, so that its last events are written.

    Raises:
        OSError: stdout can't be written.
    """
    listening = asyncio.create_task(conversation.listen())
    reading = asyncio.create_task(_read(conversation, file))
    any_of: list[asyncio.Future[Any]] = [listening, reading, stop, output.broken]
    await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
    cut_short = listening.done()
    if not reading.done():
        reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await conversation.chat.close()
    await conversation.drain()
    ended = await listening
    output.flush()
    if output.broken.done():
        output.broken.result()
    output.broken.cancel()
    if (error := None if reading.cancelled() else reading.exception()) is not None:
        raise error
    if text := summary(conversation.tally):
        print(f"{who}: {text}", file=sys.stderr)
    if cut_short:
        why = printable(": ".join(part for part in (ended.code, ended.detail) if part))
        print(f"{who}: error: the chat has ended: {why}", file=sys.stderr)
        return 1
    if stop.done():
        return exit_status(stop.result())
    return int(conversation.tally["failed"] > 0 or (conversation.chat.reliable and conversation.tally["unknown"] > 0))


async def _read(conversation: Conversation, file: int) -> None:
    limit = min(conversation.chat.max_message, LONGEST_LINE) + SLASH_ROOM
    async for line in read_lines(file, limit):
        if isinstance(line, Line):
            if not await conversation.carry_out(line.number, line.text):
                break
        else:
            conversation.unusable(line.number, line.code, line.detail)
    await conversation.drain()
