"""A chat that runs as a child, in a network of its own: how it is called, and how it is waited for.

The terminal, stdin and stdout are the child's; this process carries what passes the border of that network.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, TypeVar

from netlab.cli.chat_options import Options
from netlab.cli.running import in_foreground
from netlab.network.interpreter import fresh_interpreter

T = TypeVar("T")


def join_command(options: Options, host: str, port: int, *more: str) -> list[str]:
    """The client that `options` ask for, which joins at an address of its own network."""
    joining = [f"--room={options.room}", f"--relay-url={options.shown}", *files(("--tls-ca", options.tls_ca))]
    if options.name is not None:
        joining.append(f"--name={options.name}")
    if options.tls:
        joining.append("--tls")
    if options.link is not None:
        joining += [f"--link={options.link}", f"--seed={options.seed}"]
    return command(options, "join", host, port, *joining, *more)


def command(options: Options, half: str, host: str, port: int, *more: str) -> list[str]:
    """A chat command of the same kind."""
    words = [*fresh_interpreter("netlab.cli"), f"{options.transport}-chat", half, *more]
    return [*words, f"--host={host}", f"--port={port}", *(["--json"] if options.as_json else [])]


def files(*named: tuple[str, str | None]) -> list[str]:
    """Options that name files, wherever the child looks from."""
    return [f"{option}={os.path.abspath(path)}" for option, path in named if path is not None]


def environment(token: str) -> dict[str, str]:
    """The child's. A token is no argument: those are shown to every user."""
    own = {key: value for key, value in os.environ.items() if key != "NETLAB_TOKEN"}
    return own | ({"NETLAB_TOKEN": token} if token else {})


async def until_ended(run: Callable[[], T], stop: asyncio.Future[int], pass_on: Callable[[int], None]) -> T:
    """What `run`, which waits for the child in a thread, comes to; a signal that asks to end is passed on to it."""
    waiting = asyncio.create_task(asyncio.to_thread(run))
    any_of: list[asyncio.Future[Any]] = [waiting, stop]
    await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        number = stop.result()
        if number != signal.SIGINT or not in_foreground():  # else the terminal has given it to the child as well
            pass_on(number)
    return await waiting
