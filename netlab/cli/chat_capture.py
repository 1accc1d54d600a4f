"""A chat whose own packets are captured: it runs as a child in a network of its own, and a relay is its only way out.

What the capture shows is the leg between this end and the relay: the same packets, ports and all, as far as the relay.
A server that has to be hosted for it runs outside, in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any, Literal

from netlab.capture import recording
from netlab.capture.live import LiveCapture, Relay
from netlab.cli.access import AUTO, check_hosting, made_token
from netlab.cli.chat import Options
from netlab.cli.hosting import raise_open_files
from netlab.cli.running import before, in_foreground, run
from netlab.cli.talk.entering import Server, somebody_listens, tls_for_client
from netlab.network.interpreter import fresh_interpreter
from netlab.packets.text import printable
from netlab.transports import serve
from netlab.transports.url import DEFAULT_HOST, Address


def captured(options: Options, file: Path) -> int:
    """Do what was asked for, captured into `file`; the exit status comes back.

    Raises:
        CaptureError: no live capture can be had here, or the file can't be made; the message says what to do.
        NetlabError: as without a capture.
    """
    recording.check(file, force=False)  # before a chat is hosted for it
    if options.half == "serve":
        return run(lambda stop: _captured_server(options, file, stop))
    return run(lambda stop: _captured_client(options, file, stop))


async def _captured_server(options: Options, file: Path, stop: asyncio.Future[int]) -> int:
    token = check_hosting([options.host], options.token, insecure=options.insecure)
    port = options.port or _free_port(options)
    outside = Address(options.address.scheme, options.host, port)
    relay = Relay(options.transport, listen=(options.host, port), to=(DEFAULT_HOST, port), inward=True)
    arguments = [
        "serve",
        f"--relay-url={outside}",
        *_files(("--tls-cert", options.tls_cert), ("--tls-key", options.tls_key)),
    ]
    if options.token == AUTO:
        options.tell(made_token(token))
    return await _run_child(options, file, stop, arguments, token, port, relay)


async def _captured_client(options: Options, file: Path, stop: asyncio.Future[int]) -> int:
    token = "" if options.token == AUTO else options.token
    if options.may_host:
        token = check_hosting([options.host], options.token, insecure=options.insecure)
    async with contextlib.AsyncExitStack() as stack:
        if options.may_host and not await before(stop, somebody_listens(_server(options, token))):
            raise_open_files()
            await stack.enter_async_context(serve(str(options.address), token=token))
            options.tell(f"nobody listens at {options.address}: hosting the chat there, until you leave")
            if options.token == AUTO:
                options.tell(made_token(token))
        arguments = ["join", f"--room={options.room}", *_files(("--tls-ca", options.tls_ca))]
        if options.name is not None:
            arguments.append(f"--name={options.name}")
        if options.tls:
            arguments.append("--tls")
        if options.link is not None:
            arguments += [f"--link={options.link}", f"--seed={options.seed}"]
        relay = Relay(options.transport, listen=(DEFAULT_HOST, options.port), to=(options.host, options.port))
        return await _run_child(options, file, stop, arguments, token, options.port, relay)


def _server(options: Options, token: str) -> Server:
    return Server(str(options.address), token, tls_for_client(options.tls_ca) if options.tls else None)


async def _run_child(
    options: Options, file: Path, stop: asyncio.Future[int], arguments: list[str], token: str, port: int, relay: Relay
) -> int:
    child = [
        *fresh_interpreter("netlab.cli"),
        f"{options.transport}-chat",
        *arguments,
        f"--host={DEFAULT_HOST}",
        f"--port={port}",
    ]
    child += ["--json"] if options.as_json else []
    environment = {key: value for key, value in os.environ.items() if key != "NETLAB_TOKEN"}
    environment |= {"NETLAB_TOKEN": token} if token else {}  # not an argument: those are shown to every user
    capture = LiveCapture(child, file, relays=[relay], env=environment)
    await asyncio.to_thread(capture.start)
    leg = "this server and the relay before it" if relay.inward else "this client and the relay to the server"
    options.tell(f"capturing the leg between {leg} into {printable(str(file))}")
    waiting = asyncio.create_task(asyncio.to_thread(capture.wait))
    any_of: list[asyncio.Future[Any]] = [waiting, stop]
    await asyncio.wait(any_of, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        number = stop.result()
        if number != signal.SIGINT or not in_foreground():  # else the terminal has given it to the child as well
            capture.signal(number)
    result = await waiting
    options.tell(f"{result.packets} packets -> {printable(', '.join(str(path) for path in result.files))}")
    if result.kernel_drops or result.relay_drops:
        options.tell(f"{result.kernel_drops} more came too fast and are missing; the relay lost {result.relay_drops}")
    if result.failed is not None:
        options.tell(f"the capture ends early: {printable(result.failed)}")
    return result.exit_status or int(result.failed is not None)


def _files(*named: tuple[str, str | None]) -> list[str]:
    return [f"{option}={os.path.abspath(path)}" for option, path in named if path is not None]


def _free_port(options: Options) -> int:
    """A port that is free now, for both sides of the relay."""
    kind: Literal[socket.SocketKind.SOCK_STREAM, socket.SocketKind.SOCK_DGRAM]
    kind = socket.SOCK_STREAM if options.transport == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((options.host, 0))
        return int(probe.getsockname()[1])
