"""`netlab tcp-chat`, `udp-chat`, `rudp-chat`, `ws-chat` and `sio-chat`: join a chat, or host it where nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from netlab.cli.access import AUTO, Command, check_hosting, token_option
from netlab.cli.argument_types import PORT, File
from netlab.cli.chat_entering import converse, converse_through_link
from netlab.cli.chat_link import of_testbed
from netlab.cli.chat_options import Half, Options, Transport, check
from netlab.cli.hosting import Hosting, host, tls_for_server
from netlab.cli.link_options import SEED, drawn, read_link
from netlab.cli.running import run
from netlab.network.link_line import LinkLine
from netlab.packets.endpoint import DEFAULT_PORTS, ENCRYPTED
from netlab.transports.url import DEFAULT_HOST

PROMISES: dict[Transport, str] = {
    "tcp": "TCP loses nothing and keeps the order.",
    "udp": "UDP promises nothing: messages may be lost, doubled or out of order, and it is shown when they are.",
    "rudp": "What is lost is sent again by a protocol of netlab's own: nothing is lost, and the order is kept.",
    "ws": "It begins as HTTP, upgrades, and then loses nothing and keeps the order, as the TCP below does.",
    "sio": "Events and acknowledgements, as npm's socket.io-client has them; nothing is lost, and the order is kept.",
}

NAMES = {"rudp": "reliable UDP", "ws": "WebSocket", "sio": "Socket.IO"}


def chat_command(transport: Transport) -> click.Command:
    """The chat over one transport."""
    may_encrypt = transport in ENCRYPTED
    name = NAMES.get(transport, transport.upper())
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
    @_only(may_encrypt, "--tls", is_flag=True, help="Join over TLS.")
    @_only(may_encrypt, "--tls-ca", metavar="FILE", help="Join over TLS, trusting this authority (PEM).")
    @_only(may_encrypt, "--tls-cert", metavar="FILE", help="With serve: certificate (PEM), to host over TLS.")
    @_only(may_encrypt, "--tls-key", metavar="FILE", help="With serve: its key (PEM).")
    @click.option("--link", metavar="OPTIONS", help='Through a bad network: "delay=40ms loss=5%".')
    @click.option("--seed", type=SEED, help="Fix the dice of the link. [drawn]")
    @click.option(
        "--also",
        multiple=True,
        metavar="HOST:PORT",
        help="Another server with the same rooms (netlab serve --redis), tried after a cut; may be said again.",
    )
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


tcp_chat = chat_command("tcp")
udp_chat = chat_command("udp")
rudp_chat = chat_command("rudp")
ws_chat = chat_command("ws")
sio_chat = chat_command("sio")
