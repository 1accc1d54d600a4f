"""Lines above an input line, on a terminal that may go away at any time."""

from __future__ import annotations

import asyncio

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from netlab.cli.talk.forms_human import note
from netlab.cli.talk.terminal import Screen


class Terminal(DummyOutput):
    """Keeps what is written; once `gone`, nothing can be written."""

    def __init__(self):
        self.shown = ""
        self.gone = False

    def write(self, data):
        self.shown += data

    def flush(self):
        if self.gone:
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("gone", [False, True])
def test_flush_ends_and_shows_everything_that_can_be_shown(gone):
    async def main():
        with create_pipe_input() as keys, create_app_session(input=keys, output=(terminal := Terminal())):
            session = PromptSession()
            typing = asyncio.create_task(session.prompt_async("> ", set_exception_handler=False))
            while not session.app.is_running:
                await asyncio.sleep(0)
            screen = Screen()
            terminal.gone = gone
            for text in ("one", "two", "three"):
                screen.show([note(text)])
                for _ in range(20):  # turns of the loop, in which each is drawn by itself
                    await asyncio.sleep(0)
            screen.show([note("last")])
            typing.cancel()
            await asyncio.wait([typing])
            async with asyncio.timeout(10):
                await screen.flush()
        return terminal.shown

    shown = asyncio.run(main())
    if not gone:
        positions = [shown.index(text) for text in ("one", "two", "three", "last")]
        assert positions == sorted(positions)
