"""The table of commands, and a click group that imports a command's file only when it is invoked."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import NamedTuple

import click

import netlab as package


class Entry(NamedTuple):
    """Where a command is (`module:attribute`), and its line in `netlab --help`."""

    where: str
    help: str


COMMANDS = {
    "demo": Entry(
        "netlab.cli.demo:command", "The same chat over TCP and UDP, captured live and taken apart. Start here."
    ),
    "doctor": Entry("netlab.cli.doctor:command", "What this machine can do, and how to get what is missing."),
    "notebooks": Entry("netlab.cli.notebooks:command", "A copy of the course's notebooks, to work in."),
    "check": Entry("netlab.cli.check:command", "Run a notebook, and say what its exercises are worth."),
    "variants": Entry("netlab.cli.variants:command", "For teachers: each student's own numbers, and the key."),
    "guarantees": Entry("netlab.cli.guarantees:command", "What each transport promises, proved or shown missing."),
    "tcp-chat": Entry("netlab.cli.chat:tcp_chat", "Chat over TCP: join, or host where nobody does."),
    "udp-chat": Entry("netlab.cli.chat:udp_chat", "Chat over UDP: join, or host where nobody does."),
    "rudp-chat": Entry("netlab.cli.chat:rudp_chat", "Chat over UDP made reliable: join, or host where nobody does."),
    "ws-chat": Entry("netlab.cli.chat:ws_chat", "Chat over WebSocket: join, or host where nobody does."),
    "sio-chat": Entry("netlab.cli.chat:sio_chat", "Chat over Socket.IO: join, or host where nobody does."),
    "serve": Entry("netlab.cli.serve:command", "Host one chat over all transports."),
    "web": Entry("netlab.cli.web:command", "One text over four transports side by side, in a browser; or a class."),
    "stats": Entry("netlab.cli.stats:command", "Counters of a running server."),
    "simulate": Entry("netlab.cli.simulate:command", "A scenario on a network that misbehaves, on a virtual clock."),
    "what-if": Entry("netlab.cli.what_if:command", "A scenario again, with the fates of a few packets changed."),
    "race": Entry("netlab.cli.race:command", "Congestion controls or ARQs beside each other, yours among them."),
    "capture": Entry("netlab.cli.capture:command", "Run a command and capture what it sends, without root."),
    "link": Entry("netlab.cli.link:command", "A bad network in front of anybody's UDP program."),
    "testbed": Entry(
        "netlab.cli.testbed:command", "Two hosts, a program on each, a bad network between them. No root."
    ),
    "layers": Entry("netlab.cli.layers:command", "The packets of a capture, by layer, field and byte."),
    "plot": Entry("netlab.cli.plot:command", "A figure of a capture or of a trace, or its words."),
    "wireshark": Entry("netlab.cli.wireshark:command", "netlab's packets in Wireshark, simulations as its interfaces."),
}
"""In the order that `netlab --help` shows."""

FOR_PROGRAMS = {"extcap": Entry("netlab.cli.extcap:command", "What Wireshark calls to capture from netlab.")}
"""Not shown: no person calls them."""


class LazyGroup(click.Group):
    """Knows its commands by name and help line; their files are imported one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name) or FOR_PROGRAMS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS | FOR_PROGRAMS and not args[0].startswith("-"):
            raise click.UsageError(f"there is no command {args[0]!r}{suggestion(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def suggestion(typed: str, known: Iterable[str]) -> str:
    """`: did you mean tcp-chat?`, or nothing where nothing known is near."""
    import difflib  # here, because `netlab --help` has no use for it

    near = difflib.get_close_matches(typed, list(known), n=1, cutoff=0.5)
    return f": did you mean {near[0]}?" if near else ""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package.__version__, message="netlab %(version)s")
@click.pass_context
def netlab(ctx: click.Context) -> None:
    """A teaching lab for TCP and UDP: one chat over many transports, captured live, every byte explained."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
