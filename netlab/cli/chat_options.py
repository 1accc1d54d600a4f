"""What a chat command was asked for, and what of it does not go together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias

import click
import msgspec

from netlab.chat.names import canonical
from netlab.cli.access import AUTO, TextType, is_ipv6, is_loopback
from netlab.cli.commands import suggestion
from netlab.packets.endpoint import ENCRYPTED
from netlab.transports.url import Address, BadUrl, parse_host_port

HALVES = ("serve", "join")

OVER_DATAGRAMS = ("udp", "rudp")

Transport: TypeAlias = Literal["tcp", "udp", "rudp", "ws", "sio"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for, as the command line says it."""

    transport: Transport
    half: Literal["serve", "join"] | None
    name: str | None
    room: str
    host: str
    port: int
    capture: Path | None
    token: str
    insecure: bool
    tls: bool
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    as_json: bool
    also: tuple[str, ...] = ()
    link: str | None = None
    seed: int | None = None
    announce: str | None = None
    """The URL to tell instead of where it listens or connects to, because a relay stands between."""

    @property
    def who(self) -> str:
        """The command's name, before its notices."""
        return f"netlab {self.transport}-chat"

    @property
    def address(self) -> Address:
        """Where the chat is."""
        encrypted = self.tls if self.half != "serve" else bool(self.tls_cert)
        return Address(ENCRYPTED[self.transport] if encrypted else self.transport, self.host, self.port)

    @property
    def elsewhere(self) -> list[str]:
        """URLs of further servers that share the rooms of this one.

        Raises:
            BadUrl: one is no HOST:PORT.
        """
        return [str(parse_host_port(text, self.address.scheme)) for text in self.also]

    @property
    def shown(self) -> str:
        """The URL of the chat, as people know it."""
        return self.announce or str(self.address)

    @property
    def carrier(self) -> Literal["tcp", "udp"]:
        """Whose ports it has. Where that is the kernel's TCP, a link needs a testbed; for datagrams a proxy does."""
        return "udp" if self.transport in OVER_DATAGRAMS else "tcp"

    @property
    def may_host(self) -> bool:
        """Whether a chat that nobody hosts is hosted here without being asked to."""
        unasked = self.half is None and not self.tls
        return unasked and (is_loopback(self.host) or self.insecure or self.token == AUTO)

    def tell(self, text: str) -> None:
        """One line on stderr; `text` is printable."""
        print(f"{self.who}: {text}", file=sys.stderr, flush=True)


class Half(TextType):
    """`serve` or `join`."""

    name = "half"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse anything else, with the nearest."""
        if value not in HALVES:
            near = suggestion(str(value), HALVES) or f": write {' or '.join(HALVES)}, or nothing to do both"
            raise click.UsageError(f"there is no {value!r}{near}", ctx)
        return str(value)


def check(options: Options) -> None:
    """Refuse what does not go together.

    Raises:
        click.UsageError: it says what to do.
    """
    ctx = click.get_current_context(silent=True)
    for value, option in ((options.name, "--name"), (options.room, "--room")):
        if value is not None and canonical(value) is None:
            raise click.UsageError(f"{option} {value!r}: a name is 1 to 32 letters, digits, _ . or -", ctx)
    if not options.host or (":" in options.host and not is_ipv6(options.host)):
        raise click.UsageError(f"--host {options.host!r} is no name or address: the port goes into --port", ctx)
    if options.half != "serve" and (options.tls_cert or options.tls_key):
        raise click.UsageError("--tls-cert and --tls-key are for serve: others join with --tls-ca", ctx)
    if options.half == "serve" and options.link is not None:
        raise click.UsageError("--link is for who joins: netlab link stands before a server", ctx)
    if options.half == "serve" and options.tls:
        raise click.UsageError("--tls and --tls-ca are for joining: serve takes --tls-cert and --tls-key", ctx)
    if options.also and (options.half == "serve" or options.link is not None or options.capture is not None):
        raise click.UsageError("--also is for who joins servers directly: not with serve, --link or --capture", ctx)
    try:
        _ = options.elsewhere
    except BadUrl as error:
        raise click.UsageError(f"{error} (as --also 127.0.0.1:9000)", ctx) from None
    if options.half == "join" and options.token == AUTO:
        raise click.UsageError("--token auto makes a token when hosting: to join, give the server's", ctx)
    if options.half != "serve" and options.port == 0:
        raise click.UsageError("--port 0 picks a free port for serve: to join, name the server's", ctx)
