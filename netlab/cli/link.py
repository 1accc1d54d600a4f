"""`netlab link`: a bad network in front of anybody's UDP program."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import click
import msgspec

from netlab.cli import link_account
from netlab.cli.link_options import AskedLink, link_options
from netlab.cli.running import run
from netlab.network.proxy import UdpProxy
from netlab.network.seeds import seeded_streams
from netlab.packets.endpoint import format_host_port
from netlab.packets.text import printable
from netlab.transports.url import BadUrl, parse_host_port

WHY_NOT_TCP = (
    "a proxy ends a TCP connection and begins another, so neither end would ever see a segment lost: "
    "netlab testbed runs your program's own TCP across a link"
)


@click.command(
    "link", epilog='Example: netlab link --udp 9101 --to 127.0.0.1:9001 --link "loss=5% delay=40ms" --seed 7'
)
@click.option("--udp", "listen", metavar="LISTEN", help="Where clients send to: PORT or HOST:PORT; port 0 picks one.")
@click.option("--tcp", metavar="LISTEN", help="Refused: why is told.")
@click.option("--to", metavar="ADDRESS", help="The server that they mean: PORT or HOST:PORT.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON when it listens, and one at the end.")
@link_options
def command(listen: str | None, tcp: str | None, to: str | None, as_json: bool, **asked: Any) -> int:
    """Put an emulated link between UDP clients and their server.

    Clients send to LISTEN instead of ADDRESS; what they say and are told crosses the link, each way with dice of its
    own. Every client has a socket of its own towards the server. Ctrl-C ends it and shows what the link did; its exit
    status is then 0.
    """
    ctx = click.get_current_context(silent=True)
    if tcp is not None:
        raise click.UsageError(f"--tcp: {WHY_NOT_TCP}", ctx)
    if listen is None or to is None:
        raise click.UsageError("say where to listen and where the server is: --udp 9101 --to 127.0.0.1:9001", ctx)
    link = AskedLink(asked)
    near, far = _address("--udp", listen), _address("--to", to)
    if far[1] == 0:
        raise click.UsageError(f"--to {to}: name the server's port", ctx)
    proxy = UdpProxy(near, far, seeded_streams(link.seed), to_server=link.config)
    here = {"listen": format_host_port(*proxy.address), "to": format_host_port(*far)}

    async def until_asked(stop: asyncio.Future[int]) -> int:
        if as_json:
            _print({"listening": here, "link": link.text, "seed": link.seed})
        else:
            words = printable(link.text) or "nothing lost, no delay"
            print(
                f"netlab link: {here['listen']} -> {printable(here['to'])}: {words}; seed {link.seed}", file=sys.stderr
            )
        await stop
        return 0

    with proxy:
        status = run(until_asked)
        accounts, ends = proxy.accounts, proxy.ends
    if as_json:
        directions = link_account.as_data(accounts)
        _print({"directions": directions, "ends": msgspec.to_builtins(ends), "link": link.text, "seed": link.seed})
        return status
    print("\n".join(link_account.table(accounts)))
    if ends.checksum:
        print(f"{ends.checksum} damaged ones were not handed over: a receiver's checksum finds them")
    if ends.refused:
        print(f"{ends.refused} times {printable(here['to'])} said that nobody listens there")
    if ends.unsent:
        print(f"{ends.unsent} found no room in a socket")
    return status


def _address(option: str, text: str) -> tuple[str, int]:
    try:
        address = parse_host_port(text, "udp")
    except BadUrl:
        raise click.UsageError(
            f"{option} {text!r} is no address: write such as 9101 or 127.0.0.1:9101",
            click.get_current_context(silent=True),
        ) from None
    return address.host, address.port


def _print(data: dict[str, Any]) -> None:
    print(json.dumps(data, ensure_ascii=True), flush=True)
