"""Hosting a chat from the command line: `netlab serve`, and `serve` of the chat commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import ssl
import sys

import click
import msgspec

from netlab.chat.limits import ChatLimits
from netlab.cli.access import made_token
from netlab.cli.running import exit_status
from netlab.errors import NetlabError
from netlab.packets.endpoint import ENCRYPTED
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.text import printable
from netlab.protocols.datagram_client import DATAGRAM_LIMITS
from netlab.transports import CannotListen, HubShell, serve, server_tls
from netlab.transports.hub_shell import Broker
from netlab.transports.url import Address


class Hosting(msgspec.Struct, frozen=True, kw_only=True):
    """What to host.

    Attributes:
        listen: where; all on one hub.
        token: what clients present, or empty; `made` says that it was made just now.
    """

    listen: list[Address]
    token: str = ""
    made: bool = False
    tls: ssl.SSLContext | None = None
    limits: ChatLimits = ChatLimits()
    reassembly: ReassemblyLimits = DATAGRAM_LIMITS
    origins: tuple[str, ...] = ()
    as_json: bool = False
    redis: str = ""
    """URL of the broker that makes one chat of several servers, or empty."""
    redis_prefix: str = "netlab"
    redis_keep: int = 2_000
    announce: str | None = None
    """The URL to tell instead of where it listens, because a relay stands before it."""


async def host(hosting: Hosting, stop: asyncio.Future[int]) -> int:
    """Host until a signal asks to end, then tell everybody; the exit status comes back: 0, or 130 for Ctrl-C.

    Raises:
        CannotListen: an address is taken, or is not one of this machine's.
        NetlabError: the broker can't be reached, or can't be used.
    """
    raise_open_files()
    hub = HubShell(limits=hosting.limits, token=hosting.token, broker=broker_of(hosting))
    async with contextlib.AsyncExitStack() as stack:
        await hub.link()
        urls = []
        for address in hosting.listen:
            try:
                server = serve(
                    str(address), hub=hub, tls=hosting.tls, reassembly=hosting.reassembly, origins=hosting.origins
                )
                urls.append((await stack.enter_async_context(server)).url)
            except CannotListen as error:
                raise told(address, error) from None
        announce([hosting.announce] if hosting.announce else urls, hosting)
        number = await stop
        await hub.close()
    return exit_status(number) if number == signal.SIGINT else 0


def broker_of(hosting: Hosting) -> Broker | None:
    """The broker that is asked for.

    Raises:
        NetlabError: the package it needs is not installed, or the URL is not one of a Redis.
    """
    if not hosting.redis:
        return None
    try:
        from netlab.broker.redis_log import RedisLog
    except ImportError:
        raise NetlabError("--redis needs the package redis: pip install 'netlab[redis]'") from None
    return RedisLog(hosting.redis, prefix=hosting.redis_prefix, keep=hosting.redis_keep)


def announce(urls: list[str], hosting: Hosting) -> None:
    """Say where one can come in: to programs in one line of JSON, to people in some lines."""
    if hosting.as_json:
        told = {"listening": [{"url": url} for url in urls], **({"token": hosting.token} if hosting.made else {})}
        print(json.dumps(told), flush=True)
        return
    for url in urls:
        print(f"listening at {url}", flush=True)
    if hosting.made:
        print(made_token(hosting.token), file=sys.stderr)
    print("Ctrl-C ends it", file=sys.stderr, flush=True)


def told(address: Address, error: CannotListen) -> CannotListen:
    """The error of an address that can't be listened on, with what to do about it."""
    if not (error.taken or _is_taken(address)):
        return error
    plain = next((plain for plain, scheme in ENCRYPTED.items() if scheme == address.scheme), address.scheme)
    return CannotListen(
        f"cannot listen at {address}: the port is taken: choose another (port 0 picks a free one), or join who listens "
        f"there with netlab {plain}-chat join",
        taken=True,
    )


def _is_taken(address: Address) -> bool:
    """Ask the system itself: uvloop does not pass on why a datagram socket can't be bound."""
    kind = socket.SOCK_STREAM if address.scheme in (*ENCRYPTED, *ENCRYPTED.values(), "sio") else socket.SOCK_DGRAM
    try:
        found = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)
        for family, _, _, _, where in found:
            with socket.socket(family, kind) as probe:
                probe.bind(where)
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


def tls_for_server(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """The context of a certificate and its key; None where neither is given.

    Raises:
        click.UsageError: one is given without the other.
        NetlabError: they are not usable.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-cert and --tls-key go together", click.get_current_context(silent=True))
    try:
        return server_tls(certificate, key)
    except ssl.SSLError as error:
        reason = f": {error.reason}" if error.reason else ""
        raise NetlabError(f"{certificate} and {key} are no PEM certificate and its key{reason}") from None
    except OSError as error:  # which of the two it is, it does not say
        which = next((file for file in (certificate, key) if not os.access(file, os.R_OK)), f"{certificate}, {key}")
        raise NetlabError(f"{which}: {printable(error.strerror or str(error))}") from None


def raise_open_files() -> None:
    """A connection is an open file: allow as many as the system lets this user have."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # some systems give `unlimited` and take less
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
