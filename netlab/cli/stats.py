"""`netlab stats`: the counters of a running server."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import click

from netlab.cli.access import TextType, token_option
from netlab.cli.counters import flat, table
from netlab.cli.running import before, run
from netlab.cli.talk.entering import tls_for_client
from netlab.errors import ConnectionEnded
from netlab.transports import BadUrl, connect
from netlab.transports.url import parse_url


class Url(TextType):
    """The URL of a server."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As it is written in full."""
        try:
            return str(parse_url(str(value)))
        except BadUrl as error:
            raise click.UsageError(str(error), ctx) from None


@click.command("stats", epilog="Example: netlab stats tcp://127.0.0.1:9000")
@click.argument("url", type=Url(), metavar="URL")
@token_option("What the server asks for.")
@click.option(
    "--tls-ca", metavar="FILE", help="For tls:// and wss://: trust this authority (PEM) instead of the system's."
)
@click.option("--json", "as_json", is_flag=True, help="The counters as one line of JSON.")
def command(url: str, token: str | None, tls_ca: str | None, as_json: bool) -> int:
    """Counters of the running server at URL, such as tcp://127.0.0.1:9000 or udp://127.0.0.1:9001.

    Sessions, rooms, and for each transport packets in and out and whatever was dropped, by its reason. kernel_drops are
    datagrams that came too fast for the server to take from the kernel. Asking counts as a connection.
    """
    tls = tls_for_client(tls_ca) if tls_ca else None

    async def ask(stop: asyncio.Future[int]) -> int:
        counters = await before(stop, _ask(url, token or "", tls))
        if as_json:
            print(json.dumps(counters, ensure_ascii=True))
        else:
            print("\n".join(table(flat(counters))))
        return 0

    return run(ask)


async def _ask(url: str, token: str, tls: ssl.SSLContext | None) -> dict[str, Any]:
    try:
        async with connect(url, token=token, tls=tls, reconnect=False) as chat:
            return await chat.stats()
    except ConnectionEnded as error:
        said = str(error) + (": netlab serve starts a server" if "nobody listens" in str(error) else "")
        raise ConnectionEnded(said if url in said else f"{url}: {said}", clean=False) from None
