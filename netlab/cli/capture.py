"""`netlab capture`: run a command, and keep every packet that it sends over loopback."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from netlab.capture.limits import MAX_FILE
from netlab.cli.argument_types import File
from netlab.cli.running import ASKING_TO_END, exit_status, in_foreground
from netlab.packets.text import printable
from netlab.units import format_size

if TYPE_CHECKING:
    from netlab.capture.live import CaptureResult, LiveCapture

_OWN_NETWORK = "runs in a network of its own: whom it talks to, it has to start itself"
_WAYS = {
    "user-namespace": _OWN_NETWORK,
    "network-namespace": _OWN_NETWORK,
    "host": "runs on this machine's own loopback (namespaces are refused): what others send there is captured too",
}


@click.command(
    "capture",
    context_settings={"allow_interspersed_args": False},  # what stands behind COMMAND is COMMAND's
    epilog="Example: netlab capture -o hello.pcapng -- python3 hello.py",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=File(),
    metavar="FILE",
    help=f"The pcapng file to write; from {format_size(MAX_FILE)} on it is continued in NAME.2.pcapng and so on.",
)
@click.option(
    "--live", is_flag=True, help="Show packets as they pass, layer by layer, one a line; FILE may be left out."
)
@click.option("--json", "as_json", is_flag=True, help="With --live, for programs: one JSON object a line.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors: stdout and stderr are COMMAND's alone.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def command(file: Path | None, live: bool, as_json: bool, force: bool, quiet: bool, command: tuple[str, ...]) -> None:
    """Run COMMAND and capture what it sends over loopback, without root.

    COMMAND runs in a network of its own, where it and what it starts can reach each other and nothing else. Its exit
    status is passed on; Ctrl-C is for COMMAND, and the capture ends when COMMAND does. What is captured is as readable
    as what was sent: the file is for your eyes only (mode 0600).

    With --live the packets are the output, and what COMMAND writes to its own goes to stderr.
    """
    from netlab.capture.live import CommandNotFound, LiveCapture
    from netlab.capture.recording import AlreadyThere

    if file is None and not live:
        raise click.UsageError("say -o FILE, to keep the packets, or --live, to see them")
    if as_json and not live:
        raise click.UsageError("--json goes with --live")
    capture = LiveCapture(command, file, live=live, force=force, stdout=sys.stderr if live else None)
    with _signals(capture):
        try:
            way = capture.start()
        except AlreadyThere:
            raise AlreadyThere(f"{file} is there already: name another, or say --force to replace it") from None
        except CommandNotFound as error:
            click.echo(f"netlab capture: error: {printable(str(error))}", err=True)
            sys.exit(error.status)
        if not quiet:
            click.echo(f"netlab capture: {printable(command[0])} {_WAYS[way]}", err=True)
        result = _show(capture, as_json=as_json) if live else capture.wait()
    if not quiet:
        names = "".join(f" -> {printable(', '.join(str(path) for path in result.files))}" for _ in result.files[:1])
        click.echo(f"netlab capture: {result.packets} packets, {result.bytes} bytes{names}", err=True)
    if result.kernel_drops:
        click.echo(f"netlab capture: {result.kernel_drops} more packets came too fast and are missing", err=True)
    if result.failed is not None:  # then there is a file
        click.echo(f"netlab capture: error: {printable(str(result.files[-1]))} ends early: {result.failed}", err=True)
    sys.exit(result.exit_status or (1 if result.failed is not None else 0))


def _show(capture: LiveCapture, *, as_json: bool) -> CaptureResult:
    """Print the packets until there are no more. If nobody reads them, COMMAND is ended."""
    import msgspec

    from netlab.capture.watching import packets_of
    from netlab.cli.byte_map import painter
    from netlab.cli.packet_lines import stack_of

    paint = None if as_json else painter()
    began: int | None = None
    with ThreadPoolExecutor(1) as background:
        waiting = background.submit(capture.wait)
        try:
            for packet in packets_of(capture):
                began = packet.record.time_ns if began is None else began
                if as_json:
                    line = msgspec.json.encode(packet.summary).decode()
                else:
                    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
                    line = stack_of(packet.summary, began or 0, paint, width)
                print(line, flush=True)
        except BaseException:
            capture.stop()
            raise
        return waiting.result()


@contextlib.contextmanager
def _signals(capture: LiveCapture) -> Iterator[None]:
    """While COMMAND runs: Ctrl-C is COMMAND's, and being asked to end ends COMMAND first and then the file."""

    def interrupted(number: int, frame: FrameType | None) -> None:
        if capture.way is None:
            raise KeyboardInterrupt
        if not in_foreground():  # else the terminal has given it to COMMAND as well
            capture.signal(number)

    def asked_to_end(number: int, frame: FrameType | None) -> None:
        if capture.way is None:
            raise SystemExit(exit_status(number))
        capture.stop()

    before = {}
    for number in ASKING_TO_END:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup: it stays ignored, for COMMAND too
            before[number] = signal.signal(number, interrupted if number == signal.SIGINT else asked_to_end)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
