"""A chat command at work: it gets into the chat, hosting it where nobody does, and stays until the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import msgspec

from netlab.cli.access import AUTO, check_hosting, made_token
from netlab.cli.chat_link import ChatLink, through_proxy
from netlab.cli.chat_options import Options
from netlab.cli.hosting import raise_open_files
from netlab.cli.running import before
from netlab.cli.talk import piped
from netlab.cli.talk.conversation import Conversation
from netlab.cli.talk.entering import Server, join_or_host, somebody_listens, tls_for_client
from netlab.cli.talk.forms import Form, PlainForm
from netlab.cli.talk.forms_human import HumanForm
from netlab.cli.talk.forms_json import JsonForm
from netlab.errors import ConnectionEnded, Refused
from netlab.network.link_options import NONE
from netlab.packets.text import printable
from netlab.transports import Chat, connect, serve
from netlab.transports.url import Address, parse_url


async def converse_through_link(options: Options, stop: asyncio.Future[int]) -> int:
    """Chat through a link to the server, which is hosted here, beyond the link, where nobody listens."""
    text, seed, token = options.link or "", options.seed or 0, presented(options)
    async with contextlib.AsyncExitStack() as stack:
        await host_where_nobody_does(options, token, stop, stack)
        link = stack.enter_context(through_proxy(text, seed, (options.host, options.port)))
        tell_link(options, text, seed)
        return await converse(msgspec.structs.replace(options, half="join", token=token), stop, link)


def presented(options: Options) -> str:
    """The token that this client presents: as given, or made for the chat that may be hosted for it.

    Raises:
        click.UsageError: it may not be hosted like this.
    """
    if options.may_host:
        return check_hosting([options.host], options.token, insecure=options.insecure)
    return "" if options.token == AUTO else options.token


async def host_where_nobody_does(
    options: Options, token: str, stop: asyncio.Future[int], stack: contextlib.AsyncExitStack
) -> None:
    """Host the chat in this process, where that is wanted and nobody listens.

    Raises:
        ConnectionEnded: over TCP: nobody listens there, and it is not to be hosted here.
    """
    tls = tls_for_client(options.tls_ca) if options.tls else None
    server = Server(str(options.address), token, tls)
    if not options.may_host:
        if options.carrier == "tcp":  # the relay takes every connection: it could not say that nobody listens
            await before(stop, knock(options, server))
    elif not await before(stop, somebody_listens(server)):
        raise_open_files()
        await stack.enter_async_context(serve(server.url, token=token))
        options.tell(f"nobody listens at {server.url}: hosting the chat there, until you leave")
        if options.token == AUTO:
            options.tell(made_token(token))


async def knock(options: Options, server: Server) -> None:
    """See whether somebody listens.

    Raises:
        ConnectionEnded: nobody does; the message says what to do.
    """
    try:
        async with connect(server.url, token=server.token, tls=server.tls, reconnect=False):
            return
    except Refused:  # who refuses listens
        return
    except ConnectionEnded as error:
        raise not_there(options, server, error) from None


def not_there(options: Options, server: Server, error: ConnectionEnded) -> ConnectionEnded:
    """That a server can't be reached, with what to do about it."""
    said = printable(str(error)).replace(server.url, options.shown)
    where = "" if options.shown in said else f"{options.shown}: "
    offered = "nobody listens" in said and not options.may_host and not options.tls
    host_it = f": {options.who} serve hosts a chat" if offered else ""
    return ConnectionEnded(f"{where}{said}{host_it}", clean=False)


def tell_link(options: Options, text: str, seed: int) -> None:
    """Say what the chat goes through."""
    options.tell(f"through a link, each way: {printable(text) or NONE}; seed {seed}")


async def converse(options: Options, stop: asyncio.Future[int], link: ChatLink | None = None) -> int:
    """Enter the chat and stay until the end; the exit status comes back."""
    async with contextlib.AsyncExitStack() as stack:
        return await stay(options, await before(stop, enter(options, stack, link)), stop, link)


async def enter(options: Options, stack: contextlib.AsyncExitStack, link: ChatLink | None = None) -> Chat:
    """Join, or host and join.

    Raises:
        NetlabError: it can't be joined; the message says what to do.
    """
    token = presented(options)
    if options.may_host:
        raise_open_files()
    near = None if link is None else link.near
    server = Server(
        url=str(options.address if near is None else Address(options.transport, *near)),
        token=token,
        tls=tls_for_client(options.tls_ca) if options.tls else None,
        certified=parse_url(options.shown).host,
        elsewhere=options.elsewhere,
    )

    def tell(text: str) -> None:
        options.tell(text)
        if options.token == AUTO:
            options.tell(made_token(token))

    try:
        return await join_or_host(stack, server, options.name, may_host=options.may_host, tell=tell)
    except ConnectionEnded as error:
        raise not_there(options, server, error) from None


async def stay(options: Options, chat: Chat, stop: asyncio.Future[int], link: ChatLink | None = None) -> int:
    """Talk until the end, in the way that stdin and stdout allow; the exit status comes back.

    Raises:
        Refused: the first room can't be entered.
    """
    person = not options.as_json and sys.stdin.isatty() and sys.stdout.isatty()
    if person and os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown"):
        from netlab.cli.talk import terminal

        screen = terminal.Screen()
        conversation = Conversation(chat, HumanForm(), screen.show, link)
        await conversation.enter(options.room, options.shown)
        await conversation.look_round()
        return await terminal.converse(conversation, screen, stop)
    form: Form = JsonForm() if options.as_json else HumanForm() if person else PlainForm()
    output = piped.Output()
    conversation = Conversation(chat, form, output.show, link)
    await conversation.enter(options.room, options.shown)
    if person:
        await conversation.look_round()
    return await piped.converse(conversation, output, stop, file=sys.stdin.fileno(), who=options.who)
