"""`netlab testbed`: a program on one host, another on a second, and a bad network between them."""

from __future__ import annotations

import contextlib
import json
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import click

from netlab.cli import link_account
from netlab.cli.argument_types import File
from netlab.cli.building import building, capture_file
from netlab.cli.link_options import AskedLink, link_options
from netlab.cli.running import in_foreground
from netlab.network import stack_services
from netlab.network.interpreter import fresh_interpreter
from netlab.network.testbed import CannotStart, Result, Testbed, congestion_controls
from netlab.packets.text import printable
from netlab.protocols.congestion import UnknownControl, named

INSTEAD = "netlab simulate and, for UDP programs, netlab link need none"

_MODULES = ("bbr", "bic", "cdg", "dctcp", "htcp", "hybla", "illinois", "lp", "vegas", "veno", "westwood", "yeah")
"""Controls that Linux has as modules, which not every distribution builds or loads."""


@click.command(
    "testbed",
    context_settings={"allow_interspersed_args": False},
    epilog="Example: netlab testbed --delay 20ms --loss 1% --peer 'iperf3 -s' -- iperf3 -c 10.0.0.2",
)
@click.option("--peer", metavar="COMMAND", help="Run this on host B, from before COMMAND begins until it has ended.")
@click.option("--cc", metavar="NAME", help="Congestion control of both hosts: reno, cubic, bbr. [the system's]")
@click.option(
    "--stack",
    type=click.Choice(["kernel", "netlab"]),
    default="kernel",
    help="Whose TCP host B has: its kernel's; or netlab's own, with echo, discard and a stream at ports 7, 9 and 19.",
)
@click.option(
    "--capture",
    type=File(),
    metavar="FILE",
    help="Capture both hosts and the wire into one pcapng FILE; dropped packets say why.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="What the link did, as one line of JSON after COMMAND's output.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors: stdout and stderr are the programs' alone.")
@link_options
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(
    peer: str | None,
    cc: str | None,
    stack: str,
    capture: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    command: tuple[str, ...],
    **asked: Any,
) -> int:
    """Run COMMAND on a host of its own, with a bad network between it and another host. No root.

    COMMAND runs on host A, 10.0.0.1, with the address of host B, 10.0.0.2, as NETLAB_PEER; both have this kernel's own
    TCP and UDP, and nothing else to reach. Every packet between them crosses the link, each way with dice of its own.
    COMMAND's exit status is passed on; Ctrl-C is for COMMAND. Afterwards stderr tells what the link did.
    """
    ctx = click.get_current_context(silent=True)
    link = AskedLink(asked)
    if cc is not None and cc not in (known := congestion_controls()):
        module = f" (sudo modprobe tcp_{cc} brings it, where it was built)" if cc in _MODULES else ""
        raise click.UsageError(f"--cc {cc}: this kernel has {', '.join(known) or 'none'}{module}", ctx)
    try:
        beyond = shlex.split(peer or "")
    except ValueError as error:
        raise click.UsageError(f"--peer: {error}", ctx) from None
    if stack == "netlab":
        beyond = _stack_of_our_own(beyond, cc)
    bare = "B" if stack == "netlab" else None
    with building(INSTEAD), capture_file(capture, force=force) as file:
        bed = Testbed(command, link.config, seed=link.seed, peer=beyond, congestion=cc, bare=bare, capture=file)
        try:
            with _signals(bed):
                result = bed.run()
        except CannotStart as error:
            click.echo(f"netlab testbed: error: {printable(str(error))}", err=True)
            return error.status
    if as_json:
        told = {"directions": link_account.as_data(result.accounts), "missed": result.missed}
        told |= {"exit_status": result.exit_status, "link": link.text, "seed": link.seed}
        print(json.dumps(told, ensure_ascii=True), flush=True)
    if not quiet:
        _tell(result, link, capture)
    return result.exit_status or int(result.failed is not None)


def _stack_of_our_own(words: list[str], cc: str | None) -> list[str]:
    """The command that is host B's TCP, where its kernel has none."""
    ctx = click.get_current_context(silent=True)
    if words and (len(words) != 3 or words[0] != "connect" or not words[1].isdecimal()):
        raise click.UsageError('--peer: host B runs netlab\'s own TCP, which takes "connect PORT SIZE" alone', ctx)
    command = fresh_interpreter(stack_services.__name__)
    if cc is not None:
        try:
            named(cc)
        except UnknownControl as error:
            raise click.UsageError(f"--cc: {error}, in host B's TCP", ctx) from None
        command += ["--cc", cc]
    return [*command, *words]


def _tell(result: Result, link: AskedLink, capture: Path | None) -> None:
    who = "netlab testbed"
    click.echo(f"{who}: {printable(link.text) or 'nothing lost, no delay'}; seed {link.seed}", err=True)
    for line in link_account.table(result.accounts):
        click.echo(f"  {line}", err=True)
    if result.peer_status:
        click.echo(f"{who}: the program on host B ended before COMMAND, with status {result.peer_status}", err=True)
    if result.missed:
        click.echo(
            f"{who}: {result.missed} more came too fast for this machine and were lost beside the link", err=True
        )
    if capture is not None:
        click.echo(f"{who}: {result.frames} records -> {printable(str(capture))}", err=True)
    if result.failed is not None:
        click.echo(f"{who}: error: {printable(str(capture))} ends early: {result.failed}", err=True)


@contextlib.contextmanager
def _signals(bed: Testbed) -> Iterator[None]:
    """While it runs: Ctrl-C is COMMAND's, and being asked to end ends COMMAND."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        if not in_foreground():  # else the terminal has given it to COMMAND as well
            bed.signal(number)

    def asked_to_end(number: int, frame: FrameType | None) -> None:
        bed.stop()

    before = {}
    for number, handler in (
        (signal.SIGINT, interrupted),
        (signal.SIGTERM, asked_to_end),
        (signal.SIGHUP, asked_to_end),
    ):
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
