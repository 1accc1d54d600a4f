"""Running an asyncio program as a command: signals that ask it to end, and the loop it runs on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

ASKING_TO_END = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


class CutShort(Exception):
    """A signal asked to end before the work was done. `run` makes an exit status of it."""

    def __init__(self, number: int) -> None:
        self.number = number


def exit_status(signal_number: int) -> int:
    """What a shell shows for a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed
    terminal."""
    return 128 + signal_number


def run(
    main: Callable[[asyncio.Future[int]], Coroutine[Any, Any, int]],
    *,
    new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run `main(stop)` on a loop of its own; `stop` gets the number of the first signal that asks to end. The exit
    status comes back: `main`'s, or that of the signal where it cut something short (`before`).

    What was ignored stays ignored, as under nohup. A second Ctrl-C does not wait for `main` to end in order.
    """
    with asyncio.Runner(loop_factory=new_loop) as runner:
        loop = runner.get_loop()
        stop: asyncio.Future[int] = loop.create_future()

        def asked(number: int) -> None:
            if not stop.done():
                stop.set_result(number)
            elif number == signal.SIGINT:
                raise KeyboardInterrupt

        for number in ASKING_TO_END:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, asked, number)
        try:
            return runner.run(main(stop))
        except CutShort as cut:
            return exit_status(cut.number)


async def before(stop: asyncio.Future[int], work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, unless a signal asks to end before it is there.

    Raises:
        CutShort: a signal did; `work` was cancelled, and has ended.
    """
    task = asyncio.create_task(work)
    any_of: list[asyncio.Future[Any]] = [task, stop]
    await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
        raise CutShort(stop.result())
    return task.result()


def in_foreground() -> bool:
    """Whether the terminal, if there is one, counts this process among those that its keys interrupt: then its children
    hear them too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop where it is installed (the extra `fast`), else None: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
