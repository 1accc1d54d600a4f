"""`netlab serve`: host one chat over TCP, UDP, reliable UDP, WebSocket and Socket.IO."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from netlab.cli.access import AUTO, TextType, check_hosting, token_option
from netlab.cli.argument_types import PORT
from netlab.cli.hosting import Hosting, host, tls_for_server
from netlab.cli.limit_options import chat_limits, limit_options, reassembly_limits
from netlab.cli.running import fast_loop, run
from netlab.packets.endpoint import ENCRYPTED
from netlab.transports import BadUrl
from netlab.transports.socketio import missing_for_socketio
from netlab.transports.url import DEFAULT_HOST, Address, parse_host_port

LAST_PORT = 65_535


class RedisUrl(TextType):
    """The URL of a Redis."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is written."""
        text = str(value)
        if urlsplit(text).scheme not in ("redis", "rediss", "unix"):  # what it is may be secret: it is not said again
            self.fail("it is the URL of a Redis, such as redis://127.0.0.1:6379", param, ctx)
        return text


@click.command(
    "serve",
    epilog="Sizes are written as 64KiB, durations as 20ms. People on every transport meet in the same rooms.",
)
@click.option("--tcp", "tcp", multiple=True, metavar="HOST:PORT", help="Listen for TCP here; may be said again.")
@click.option("--udp", "udp", multiple=True, metavar="HOST:PORT", help="Listen for UDP here; may be said again.")
@click.option("--rudp", "rudp", multiple=True, metavar="HOST:PORT", help="Listen for reliable UDP; may be said again.")
@click.option("--ws", "ws", multiple=True, metavar="HOST:PORT", help="Listen for WebSocket; may be said again.")
@click.option("--sio", "sio", multiple=True, metavar="HOST:PORT", help="Listen for Socket.IO; may be said again.")
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Over WebSocket and Socket.IO, let pages from https://HOST in; may be said again. Others get 403.",
)
@click.option(
    "--port",
    type=PORT,
    metavar="PORT",
    help="For every HOST without its own; 0 picks a free one. "
    "Else 9000 (TCP), 9001 (UDP), 9002 (reliable UDP), 9003 (WebSocket), 9004 (Socket.IO).",
)
@token_option("What clients must present; `auto` makes one and prints it.")
@click.option("--insecure", is_flag=True, help="Let anybody in who can reach this machine.")
@click.option("--tls-cert", metavar="FILE", help="Certificate (PEM): TCP and WebSocket are inside TLS then.")
@click.option("--tls-key", metavar="FILE", help="Its key (PEM).")
@click.option(
    "--redis",
    type=RedisUrl(),
    metavar="URL",
    help="Be one chat with all servers that use this Redis: redis://:PASSWORD@HOST:6379/0, rediss:// (TLS), unix://PATH.",
)
@click.option(
    "--redis-prefix",
    default="netlab",
    metavar="WORD",
    help="Its keys begin with this: servers with another are another chat.  [netlab]",
)
@click.option(
    "--redis-keep",
    type=click.IntRange(min=10),
    default=2_000,
    metavar="COUNT",
    help="Redis keeps two to three times so many batches, for servers that were away.  [2000]",
)
@click.option("--no-rate-limit", is_flag=True, help="Let clients send as much as they like: for benchmarks.")
@click.option("--json", "as_json", is_flag=True, help='When ready, print one line: {"listening": [{"url": ...}]}.')
@limit_options
def command(
    tcp: tuple[str, ...],
    udp: tuple[str, ...],
    rudp: tuple[str, ...],
    ws: tuple[str, ...],
    sio: tuple[str, ...],
    origins: tuple[str, ...],
    port: int | None,
    token: str | None,
    insecure: bool,
    tls_cert: str | None,
    tls_key: str | None,
    redis: str | None,
    redis_prefix: str,
    redis_keep: int,
    no_rate_limit: bool,
    as_json: bool,
    **limits: Any,
) -> int:
    """Host one chat over TCP, UDP, reliable UDP, WebSocket and Socket.IO, until Ctrl-C.

    Without --tcp, --udp, --rudp, --ws and --sio it listens for all of them on 127.0.0.1, which only this machine
    reaches; a --port is TCP's and UDP's then, reliable UDP has the next one, WebSocket, which is TCP below, that one
    too, and Socket.IO the one after. Everybody is told when it ends. Exit status: 130 after Ctrl-C, 0 after SIGTERM, 1
    where it could not listen.
    """
    asked = {"tcp": tcp, "udp": udp, "rudp": rudp, "ws": ws, "sio": sio}
    listen = [_address(scheme, text, port) for scheme, texts in asked.items() for text in texts]
    if not listen:
        listen = [_address(scheme, DEFAULT_HOST, _beside(port, scheme)) for scheme in asked]
        if (missing := missing_for_socketio()) is not None:
            listen.pop()
            click.echo(f"without Socket.IO: {missing}", err=True)
    tls = tls_for_server(tls_cert, tls_key)
    if tls is not None:
        listen = [msgspec.structs.replace(at, scheme=ENCRYPTED.get(at.scheme, at.scheme)) for at in listen]
    hosting = Hosting(
        listen=listen,
        token=check_hosting([address.host for address in listen], token or "", insecure=insecure),
        made=token == AUTO,
        tls=tls,
        limits=chat_limits(limits, no_rate_limit=no_rate_limit),
        reassembly=reassembly_limits(limits),
        origins=origins,
        as_json=as_json,
        redis=redis or "",
        redis_prefix=redis_prefix,
        redis_keep=redis_keep,
    )
    return run(lambda stop: host(hosting, stop), new_loop=fast_loop())


def _beside(port: int | None, scheme: str) -> int | None:
    """The port of a transport where `--port` names TCP's: two that share TCP or UDP below need two."""
    further = {"rudp": 1, "ws": 1, "sio": 2}.get(scheme, 0)
    return port + further if port and port + further <= LAST_PORT else port


def _address(scheme: str, text: str, port: int | None) -> Address:
    """Where to listen; `port` counts where the text names none."""
    text = text.removeprefix(f"{scheme}://")  # as `listening at` tells it
    try:
        address = parse_host_port(text, scheme)
    except BadUrl as error:
        raise click.BadParameter(
            f"{error} (as --{scheme}: 127.0.0.1:9000)", click.get_current_context(), param_hint=f"'--{scheme}'"
        ) from None
    named = text.isdecimal() or urlsplit(f"{scheme}://{text}").port is not None
    return address if named or port is None else msgspec.structs.replace(address, port=port)
