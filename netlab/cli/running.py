"""Running an asyncio program as a command: signals that ask it to end, and the loop it runs on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

ASKING_TO_END = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


def exit_status(signal_number: int) -> int:
    """What a shell shows for a program that a signal ended: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed
    terminal."""
    return 128 + signal_number


def run(
    main: Callable[[asyncio.Future[int]], Coroutine[Any, Any, int]], *, new_loop: Callable[[], Any] | None = None
) -> int:
    """Run `main(stop)` on a loop of its own; `stop` gets the number of the first signal that asks to end.

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
        return runner.run(main(stop))


def fast_loop() -> Callable[[], Any] | None:
    """uvloop's loop where it is installed (the extra `fast`), else None: asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], Any] = uvloop.new_event_loop
    return factory
