"""The stage of a role: a process that is told what to do in JSON lines on stdin, answers on stdout, and is never
orphaned.

    {"id": 1, "do": "send", "count": 100}   ->   {"id": 1, "answer": {...}}   or   {"id": 1, "error": "..."}

When its stdin ends, for whatever reason (all is done, or the parent was killed), the process ends too: a thread of its
own watches for that, so that even a role that hangs goes.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import msgspec

GRACE_S = 2.0
"""How long a role may take to end in order once its stdin has ended, s."""

Handler = Callable[..., Awaitable[Any]]


async def play(handlers: Mapping[str, Handler]) -> None:
    """Carry out commands, each in a task of its own, until stdin ends."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    def begin(line: bytes) -> None:
        task = loop.create_task(_carry_out(handlers, line))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def watch() -> None:
        for line in sys.stdin.buffer:
            loop.call_soon_threadsafe(begin, line)
        timer = threading.Timer(GRACE_S, os._exit, (3,))
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch, name="stdin", daemon=True).start()
    await over.wait()
    for task in tasks:
        task.cancel()


async def _carry_out(handlers: Mapping[str, Handler], line: bytes) -> None:
    command: dict[str, Any] = msgspec.json.decode(line)
    number, do = command.pop("id"), command.pop("do")
    try:
        reply = {"id": number, "answer": await handlers[do](**command)}
    except Exception as error:  # the parent decides what it means; it must not wait for ever
        reply = {"id": number, "error": f"{type(error).__name__}: {error}"}
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a role's `main` in a new event loop."""
    gc.freeze()  # what was imported stays: a collection need not look at it
    asyncio.run(main())
