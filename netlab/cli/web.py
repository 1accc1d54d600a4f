"""`netlab web`: the bench in a browser, with a chat beside it; or a class with its teacher's hand."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from contextlib import AsyncExitStack

import click

from netlab.cli.access import AUTO, check_hosting, is_loopback, new_token, token_option
from netlab.cli.argument_types import PORT
from netlab.cli.running import exit_status, run
from netlab.errors import NetlabError
from netlab.packets.endpoint import format_host_port
from netlab.transports.url import DEFAULT_HOST, BadUrl, parse_url

PAGE_PORT = 9080


@click.command("web", epilog="Example for a class: netlab web --class --token auto --host 0.0.0.0")
@click.option("--host", default=DEFAULT_HOST, show_default=True, metavar="HOST", help="Where to listen.")
@click.option("--port", type=PORT, default=PAGE_PORT, show_default=True, help="Of the page; 0 picks a free one.")
@click.option("--chat", metavar="URL", help="Join the rooms there (ws://HOST:PORT) instead of hosting some.")
@click.option(
    "--class", "is_class", is_flag=True, help="Students join; you hold, drop, delay and damage their packets."
)
@token_option("What students or the chat pane present; `auto` makes one and prints it.")
@click.option("--no-browser", is_flag=True, help="Print the page's address, and open nothing.")
def command(host: str, port: int, chat: str | None, is_class: bool, token: str | None, no_browser: bool) -> int:
    """Open the bench in a browser: one text over UDP, TCP, reliable UDP and WebSocket side by side, each across its own
    copy of the same bad link. Slow it down, step, drop a packet by hand, and see what changes.

    A chat beside it joins rooms that terminals join too (netlab tcp-chat, udp-chat, rudp-chat, ws-chat).

    With --class, students join in browsers or with netlab udp-chat and rudp-chat, and the teacher's page shows every
    packet of theirs, which may be held, dropped, delayed or damaged by hand.
    """
    context = click.get_current_context(silent=True)
    if is_class and chat is not None:
        raise click.UsageError("--class hosts rooms of its own: leave --chat out", context)
    if not is_loopback(host) and not token:
        raise click.UsageError(f"others than this machine reach {host}: say --token auto, or a token of yours", context)
    if chat is not None and not _is_for_browsers(chat):
        raise click.UsageError(f"--chat {chat!r}: browsers join over WebSocket: write ws://127.0.0.1:9003", context)
    if is_class and not token:
        token = AUTO
    token = check_hosting([host], token or "", insecure=True)
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise NetlabError("netlab web needs aiohttp: pip install 'netlab-edu[web]'") from None
    return run(lambda stop: _serve(stop, host, port, chat, is_class, token, no_browser))


async def _serve(
    stop: asyncio.Future[int], host: str, port: int, chat: str | None, is_class: bool, token: str, no_browser: bool
) -> int:
    from netlab.web.access import seen_as
    from netlab.web.classroom import in_class
    from netlab.web.rooms import Rooms, hosted, origins, reached
    from netlab.web.server import Page, listen, serving

    at = listen(host, port)
    port = at.getsockname()[1]
    here = f"http://{format_host_port(seen_as(host), port)}"
    async with AsyncExitStack() as stack:
        stack.callback(at.close)
        if is_class:
            secret = new_token()
            classroom = await stack.enter_async_context(in_class(host, token=token, secret=secret))
            page = Page(host, classroom=classroom)
            address = f"{here}/class#teach={secret}"
            lines = [f"students open {here}/class#token={token}"]
            for scheme, url in classroom.urls_for(seen_as(host)).items():
                where = parse_url(url)
                lines.append(
                    f"in a terminal: netlab {scheme}-chat --host {where.host} --port {where.port} --token={token}"
                )
        else:
            if chat is not None:
                rooms = Rooms(chat, asks_for_token=bool(token))
            else:
                rooms = await stack.enter_async_context(hosted(host, pages=origins(host, port), token=token))
            page = Page(host, rooms=rooms)
            address = f"{here}/"
            lines = [f"rooms at {reached(parse_url(url), seen_as(host))}" for url in rooms.urls]
            lines += [f"clients present the token {token}"] if token else []
            for notice in rooms.notices:
                print(notice, file=sys.stderr)
        await stack.enter_async_context(serving(page.app, at))
        print(f"{'the teacher opens' if is_class else 'the page is at'} {address}", flush=True)
        for line in lines:
            print(line, flush=True)
        print("Ctrl-C ends it", file=sys.stderr, flush=True)
        if not no_browser and not (_has_screen() and await asyncio.to_thread(webbrowser.open, address)):
            print("no browser could be opened: open that address in one", file=sys.stderr)
        number = await stop
    return exit_status(number) if number == signal.SIGINT else 0


def _is_for_browsers(chat: str) -> bool:
    try:
        return parse_url(chat).scheme in ("ws", "wss")
    except BadUrl:
        return False


def _has_screen() -> bool:
    """Whether a browser would have a window: one that has none would take the terminal."""
    return sys.platform != "linux" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
