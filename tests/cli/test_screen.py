"""Lines above an input line, on a terminal that may go away at any time."""

from __future__ import annotations

import asyncio

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from netlab.cli.talk import terminal as talk_terminal
from netlab.cli.talk.forms_human import note
from netlab.cli.talk.terminal import Screen, end


class Terminal(DummyOutput):
    """Keeps what is written; once `gone`, nothing can be written."""

    def __init__(self):
        self.shown = self.waiting = ""
        self.gone = False

    def write(self, data):
        self.waiting += data

    write_raw = write

    def flush(self):
        waiting, self.waiting = self.waiting, ""
        if waiting and self.gone:
            raise OSError(5, "Input/output error")
        self.shown += waiting


async def turns():
    """Let whatever is ready run."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.mark.parametrize("gone", [False, True])
def test_flush_ends_and_shows_everything_that_can_be_shown(gone):
    async def main():
        with create_pipe_input() as keys, create_app_session(input=keys, output=(terminal := Terminal())):
            session = PromptSession()
            typing = asyncio.create_task(session.prompt_async("> ", set_exception_handler=False))
            await turns()
            assert session.app.is_running
            screen = Screen()
            terminal.gone = gone
            for text in ("one", "two", "three"):
                screen.show([note(text)])
                await turns()  # so that each is drawn by itself
            screen.show([note("last")])
            async with asyncio.timeout(20):
                await end(typing)
                await screen.flush()
        return terminal.shown

    shown = asyncio.run(main())
    if not gone:
        positions = [shown.index(text) for text in ("one", "two", "three", "last")]
        assert positions == sorted(positions)


def test_a_clean_up_that_waits_for_ever_is_ended(monkeypatch):
    monkeypatch.setattr(talk_terminal, "FLUSH_S", 0.01)

    async def main():
        begun = asyncio.Event()
        never = asyncio.Event()

        async def prompt():
            try:
                begun.set()
                await never.wait()
            finally:
                await never.wait()

        task = asyncio.create_task(prompt())
        await begun.wait()
        async with asyncio.timeout(10):
            await end(task)
        assert task.cancelled()

    asyncio.run(main())
