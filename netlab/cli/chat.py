"""`netlab tcp-chat`, `udp-chat` and `rudp-chat`: join a chat, or host it where nobody does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import click
import msgspec

from netlab.chat.names import canonical
from netlab.cli.access import (
    AUTO,
    Command,
    TextType,
    check_hosting,
    is_ipv6,
    is_loopback,
    made_token,
    token_option,
)
from netlab.cli.argument_types import PORT, File
from netlab.cli.chat_link import ChatLink, of_testbed, through_proxy
from netlab.cli.commands import suggestion
from netlab.cli.hosting import Hosting, host, raise_open_files, tls_for_server
from netlab.cli.link_options import SEED, drawn, read_link
from netlab.cli.running import before, run
from netlab.cli.talk import piped
from netlab.cli.talk.conversation import Conversation
from netlab.cli.talk.entering import Server, join_or_host, somebody_listens, tls_for_client
from netlab.cli.talk.forms import Form, PlainForm
from netlab.cli.talk.forms_human import HumanForm
from netlab.cli.talk.forms_json import JsonForm
from netlab.errors import ConnectionEnded, Refused
from netlab.network.link_line import LinkLine
from netlab.network.link_options import NONE
from netlab.packets.endpoint import DEFAULT_PORTS
from netlab.packets.text import printable
from netlab.transports import Chat, connect, serve
from netlab.transports.url import DEFAULT_HOST, Address, parse_url

HALVES = ("serve", "join")

OVER_DATAGRAMS = ("udp", "rudp")

Transport: TypeAlias = Literal["tcp", "udp", "rudp"]

PROMISES: dict[Transport, str] = {
    "tcp": "TCP loses nothing and keeps the order.",
    "udp": "UDP promises nothing: messages may be lost, doubled or out of order, and it is shown when they are.",
    "rudp": "What is lost is sent again by a protocol of netlab's own: nothing is lost, and the order is kept.",
}


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
        return Address("tls" if encrypted else self.transport, self.host, self.port)

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


def chat_command(transport: Transport) -> click.Command:
    """The chat over one transport."""
    only_tcp = transport == "tcp"
    name = "reliable UDP" if transport == "rudp" else transport.upper()
    lossy = transport == "udp"

    @click.command(
        f"{transport}-chat",
        help=f"""Chat over {name}.

        Joins the chat at HOST and PORT; where nobody listens, hosts it and joins it. `serve` only hosts, `join` only
        joins. {PROMISES[transport]}

        In a terminal, type texts and /commands (/help lists them; Tab completes). Through pipes, every line of input is
        a text or a /command, every event a line of output; at the end of input it waits for the outcome of everything
        it sent, and leaves.

        \b
        Lines of output (docs/chat-lines.md tells all):
          message ROOM NUMBER NAME TEXT         private NAME TEXT
          joined ROOM NUMBER NAME               left ROOM NUMBER NAME left|quit|lost
          gap ROOM FROM TO                      missing ROOM FROM TO
          status open|reconnecting|resumed|restarted|ended ...

        Exit status: 0 when all that was sent ended ok{", or was sent and reported" if lossy else ""}; 1 when
        something failed{"" if lossy else " or nobody can say"}, or the chat ended; 2 for a wrong command line; 130
        after Ctrl-C; 143 after SIGTERM. /quit and Ctrl-D leave with 0.""",
        epilog=f"Example: seq 3 | netlab {transport}-chat join --name counter",
    )
    @click.argument("half", type=Half(), required=False, metavar="[serve|join]")
    @click.option("--name", help="What to be called. [your login name, with a number where it is taken]")
    @click.option("--room", default="lobby", show_default=True, help="The room to join first.")
    @click.option("--host", default=DEFAULT_HOST, show_default=True, help="Where the chat is, or is to be hosted.")
    @click.option(
        "--port",
        type=PORT,
        default=DEFAULT_PORTS[transport],
        show_default=True,
        metavar="PORT",
        help="With serve, 0 picks a free one.",
    )
    @click.option(
        "--capture",
        type=File(),
        metavar="FILE",
        help="Capture this end's own packets into a pcapng FILE, without root where the system allows it.",
    )
    @token_option("What the server asks for; when hosting, `auto` makes one and prints it.")
    @click.option("--insecure", is_flag=True, help="When hosting: let anybody in who can reach this machine.")
    @_only(only_tcp, "--tls", is_flag=True, help="Join over TLS.")
    @_only(only_tcp, "--tls-ca", metavar="FILE", help="Join over TLS, trusting this authority (PEM).")
    @_only(only_tcp, "--tls-cert", metavar="FILE", help="With serve: certificate (PEM), to host over TLS.")
    @_only(only_tcp, "--tls-key", metavar="FILE", help="With serve: its key (PEM).")
    @click.option("--link", metavar="OPTIONS", help='Through a bad network: "delay=40ms loss=5%".')
    @click.option("--seed", type=SEED, help="Fix the dice of the link. [drawn]")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line for every event.")
    @click.option("--relay-url", "announce", hidden=True)
    def command(**asked: Any) -> int:
        asked = {"tls": False, "tls_ca": None, "tls_cert": None, "tls_key": None} | asked
        asked["token"] = asked["token"] or ""
        if asked["link"] is not None:
            read_link(asked["link"])
            asked["seed"] = drawn(asked["seed"])
        asked["host"] = asked["host"].removeprefix("[").removesuffix("]")
        asked["tls"] = asked["tls"] or asked["tls_ca"] is not None
        return chat(Options(transport=transport, **asked))

    return command


def _only(wanted: bool, *names: str, **settings: Any) -> Callable[[Command], Command]:
    return click.option(*names, **settings) if wanted else lambda function: function


def chat(options: Options) -> int:
    """Do what was asked for; the exit status comes back."""
    check(options)
    if options.link is not None and (line := LinkLine.inherited()) is not None:
        link = of_testbed(options.link, line)
        return run(lambda stop: converse(options, stop, link))
    if options.link is not None and options.carrier == "tcp":
        from netlab.cli.chat_testbed import through_testbed

        return through_testbed(options, options.link, options.seed or 0)
    if options.capture is not None:
        from netlab.cli.chat_capture import captured

        return captured(options, options.capture)
    if options.half == "serve":
        hosting = Hosting(
            listen=[options.address],
            token=check_hosting([options.host], options.token, insecure=options.insecure),
            made=options.token == AUTO,
            tls=tls_for_server(options.tls_cert, options.tls_key),
            as_json=options.as_json,
            announce=options.announce,
        )
        return run(lambda stop: host(hosting, stop))
    if options.link is not None:
        return run(lambda stop: converse_through_link(options, stop))
    return run(lambda stop: converse(options, stop))


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
    if options.half == "join" and options.token == AUTO:
        raise click.UsageError("--token auto makes a token when hosting: to join, give the server's", ctx)
    if options.half != "serve" and options.port == 0:
        raise click.UsageError("--port 0 picks a free port for serve: to join, name the server's", ctx)


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
    host_it = "" if options.may_host or options.tls else f": {options.who} serve hosts a chat"
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


tcp_chat = chat_command("tcp")
udp_chat = chat_command("udp")
rudp_chat = chat_command("rudp")
