"""The chat beside the page: its chat pane joins over WebSocket, and terminals over whatever port is free."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from netlab.packets.endpoint import DEFAULT_PORTS, format_host_port
from netlab.transports import CannotListen, HubShell, serve
from netlab.transports.url import Address, parse_url
from netlab.web.access import is_wildcard, own_names

_FOR_TERMINALS = ("tcp", "udp", "rudp")


class Rooms:
    """Where the chat is.

    Attributes:
        urls: where it listens; empty where somebody else hosts it.
        notices: what a user is to be told, a sentence each.
        asks_for_token: whether who joins has to present one.
    """

    def __init__(
        self, chat: str, *, asks_for_token: bool, urls: Sequence[str] = (), notices: Sequence[str] = ()
    ) -> None:
        self._chat = parse_url(chat)
        self.urls = list(urls)
        self.notices = list(notices)
        self.asks_for_token = asks_for_token

    def url_for(self, host: str) -> str:
        """Where a page that was reached under this name finds the chat."""
        return str(reached(self._chat, host))


def reached(listening: Address, host: str) -> Address:
    """An address that listens, as one writes it who reached this machine under this name."""
    return msgspec.structs.replace(listening, host=host) if host and is_wildcard(listening.host) else listening


def origins(bound: str, port: int) -> list[str]:
    """What browsers call the page of a server that is bound there."""
    return sorted(f"http://{format_host_port(name, port)}" for name in own_names(bound) if not is_wildcard(name))


@asynccontextmanager
async def hosted(
    host: str, *, pages: Sequence[str], token: str = "", ports: Mapping[str, int] = DEFAULT_PORTS
) -> AsyncIterator[Rooms]:
    """Host the rooms: WebSocket at its own port, or where that is taken at a free one; and what else is free.

    Args:
        host: where to listen.
        pages: the origins of the page that may join.
        ports: of each transport; by default its own.

    Raises:
        CannotListen: not even at a free port.
    """
    hub = HubShell(token=token)
    notices: list[str] = []
    async with contextlib.AsyncExitStack() as stack:
        try:
            ws = await stack.enter_async_context(
                serve(f"ws://{format_host_port(host, ports['ws'])}", hub=hub, origins=pages)
            )
        except CannotListen as error:
            if not error.taken:
                raise
            ws = await stack.enter_async_context(serve(f"ws://{format_host_port(host, 0)}", hub=hub, origins=pages))
            notices.append(
                f"port {ports['ws']} is taken: the page's rooms are others than there (--chat "
                f"ws://127.0.0.1:{ports['ws']} joins those)"
            )
        urls = [ws.url]
        for scheme in _FOR_TERMINALS:
            try:
                address = f"{scheme}://{format_host_port(host, ports[scheme])}"
                urls.append((await stack.enter_async_context(serve(address, hub=hub))).url)
            except CannotListen as error:
                notices.append(f"no chat over {scheme}: {error}")
        yield Rooms(ws.url, asks_for_token=bool(token), urls=urls, notices=notices)
        await hub.close()
