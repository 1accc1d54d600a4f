"""A chat whose own packets are captured: it runs as a child in a network of its own, and a relay is its only way out.

What the capture shows is the leg between this end and the relay: the same packets, ports and all, as far as the relay.
A server that has to be hosted for it runs outside, in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from netlab.capture import recording
from netlab.capture.live import LiveCapture, Relay
from netlab.cli import chat_child
from netlab.cli.access import AUTO, check_hosting, made_token
from netlab.cli.chat_entering import host_where_nobody_does, presented
from netlab.cli.chat_options import Options
from netlab.cli.running import run
from netlab.packets.text import printable
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
    relay = Relay(options.carrier, listen=(options.host, port), to=(DEFAULT_HOST, port), inward=True)
    given = chat_child.files(("--tls-cert", options.tls_cert), ("--tls-key", options.tls_key))
    child = chat_child.command(options, "serve", DEFAULT_HOST, port, f"--relay-url={outside}", *given)
    if options.token == AUTO:
        options.tell(made_token(token))
    return await _run_child(options, file, stop, child, token, relay)


async def _captured_client(options: Options, file: Path, stop: asyncio.Future[int]) -> int:
    token = presented(options)
    async with contextlib.AsyncExitStack() as stack:
        await host_where_nobody_does(options, token, stop, stack)
        child = chat_child.join_command(options, DEFAULT_HOST, options.port)
        relay = Relay(options.carrier, listen=(DEFAULT_HOST, options.port), to=(options.host, options.port))
        return await _run_child(options, file, stop, child, token, relay)


async def _run_child(
    options: Options, file: Path, stop: asyncio.Future[int], child: list[str], token: str, relay: Relay
) -> int:
    capture = LiveCapture(child, file, relays=[relay], env=chat_child.environment(token))
    await asyncio.to_thread(capture.start)
    leg = "this server and the relay before it" if relay.inward else "this client and the relay to the server"
    options.tell(f"capturing the leg between {leg} into {printable(str(file))}")
    result = await chat_child.until_ended(capture.wait, stop, capture.signal)
    options.tell(f"{result.packets} packets -> {printable(', '.join(str(path) for path in result.files))}")
    if result.kernel_drops or result.relay_drops:
        options.tell(f"{result.kernel_drops} more came too fast and are missing; the relay lost {result.relay_drops}")
    if result.failed is not None:
        options.tell(f"the capture ends early: {printable(result.failed)}")
    return result.exit_status or int(result.failed is not None)


def _free_port(options: Options) -> int:
    """A port that is free now, for both sides of the relay."""
    kind = socket.SOCK_STREAM if options.carrier == "tcp" else socket.SOCK_DGRAM
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family, kind) as probe:
        probe.bind((options.host, 0))
        return int(probe.getsockname()[1])
