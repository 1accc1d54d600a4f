"""`netlab plot`: a figure of a capture or of a trace, as a file or in words."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab.cli.argument_types import File, Number
from netlab.cli.commands import suggestion
from netlab.errors import CaptureError, NetlabError
from netlab.figures.registry import FIGURES, Takes
from netlab.packets.text import printable

if TYPE_CHECKING:
    from netlab.capture.files import Capture, CapturedPacket

FORMATS = ("svg", "png", "pdf")
_DPI = 150


@click.command("plot", epilog="Example: netlab plot wifi.pcapng --figure ladder -o ladder.svg")
@click.argument("files", type=File(), metavar="FILE...", nargs=-1)
@click.option("--figure", metavar="NAME", help="Which figure; --list shows them.")
@click.option("-o", "--output", type=File(), metavar="OUT", help="Where to: OUT.svg, OUT.png or OUT.pdf.")
@click.option("--list", "listing", is_flag=True, help="The figures there are, and the question that each answers.")
@click.option("--text", "as_text", is_flag=True, help="Say in words what the figure shows.")
@click.option("--dark", is_flag=True, help="On a dark ground.")
@click.option("--size", metavar="WxH", help="Inches, such as 9x5. [as the figure needs]")
@click.option("--packet", type=Number("packet number", 1), metavar="N", help="The packet to draw, or to begin at.")
@click.option("--most", type=Number("packets", 1, 400), metavar="N", help="Packets that a ladder holds.  [default: 45]")
@click.option("--force", is_flag=True, help="Replace OUT if it is there.")
def command(
    files: tuple[Path, ...],
    figure: str | None,
    output: Path | None,
    listing: bool,
    as_text: bool,
    dark: bool,
    size: str | None,
    packet: int | None,
    most: int | None,
    force: bool,
) -> int:
    """Draw FILE as one of netlab's figures: a capture (pcap or pcapng), a trace of a sender's decisions, or the JSON of
    what-if, as --list says. Some figures hold several captures beside each other: name them all.

    The words that --text prints are also in the file that -o writes, for programs that read pictures to people.
    """
    ctx = click.get_current_context(silent=True)
    if listing:
        _list()
        return 0
    if not files or figure is None:
        raise click.UsageError("name a FILE and a --figure: netlab plot --list shows which there are", ctx)
    if figure not in FIGURES:
        raise click.UsageError(
            f"--figure {figure}: there is no such figure{suggestion(figure, FIGURES)} (netlab plot --list)", ctx
        )
    if (output is None) == (not as_text):
        raise click.UsageError("write -o OUT.svg (or .png, .pdf) for a picture, or --text for words", ctx)
    inches = None if size is None else _inches(size, ctx)
    if output is not None:
        _check(output, force, ctx)
    if len(files) > 1 and FIGURES[figure].takes is not Takes.CAPTURES:
        raise click.UsageError(f"{figure} is drawn from one FILE, and you named {len(files)}", ctx)
    data, arguments = _data(files, figure, packet)
    if most is not None:
        if figure != "ladder":
            raise click.UsageError(f"--most is for a ladder, not for {figure}", ctx)
        arguments["most"] = most
    if output is None:
        from netlab.figures import words

        click.echo(f"{FIGURES[figure].question}\n{words(figure, data, **arguments)}")
    else:
        _draw(figure, data, arguments, output, dark, inches)
    return 0


def _list() -> None:
    width = max(map(len, FIGURES))
    for name, entry in FIGURES.items():
        click.echo(f"{name:{width}}  {entry.question}\n{'':{width}}  of {entry.of}: {entry.made_by}")


def _inches(size: str, ctx: click.Context | None) -> tuple[float, float]:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", size)
    inches = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not all(2 <= side <= 40 for side in inches):
        raise click.UsageError(f"--size {size}: write width x height in inches, each from 2 to 40, such as 9x5", ctx)
    return inches


def _check(output: Path, force: bool, ctx: click.Context | None) -> None:
    """Before anything is read or drawn."""
    if output.suffix.lower().removeprefix(".") not in FORMATS:
        raise click.UsageError(f"-o {printable(str(output))}: end it in .svg, .png or .pdf", ctx)
    if output.is_dir() or not output.parent.is_dir():
        raise NetlabError(f"{printable(str(output))}: there is no such folder, or it is one")
    if output.exists() and not force:
        raise NetlabError(f"{printable(str(output))} is there already: --force replaces it")


# ---- what it is drawn from -------------------------------------------------------------------------------------------


def _data(files: tuple[Path, ...], figure: str, number: int | None) -> tuple[Any, dict[str, Any]]:
    """What the figure takes, and its arguments."""
    from netlab.capture.layers import without_network_config
    from netlab.capture.traces import read_trace

    entry = FIGURES[figure]
    without_network_config()
    try:
        match entry.takes:
            case Takes.TRACE:
                trace = read_trace(files[0])
                if not trace:
                    raise CaptureError(f"{files[0]} holds no decisions")
                return trace, {}
            case Takes.WHAT_IF:
                return _what_if(files[0]), {}
            case Takes.CAPTURES:
                return {file.stem: _capture(file) for file in files}, {}
        capture = _capture(files[0])
    except CaptureError as error:
        raise CaptureError(f"{error}; {figure} takes {entry.of}, as made by {entry.made_by}") from None
    if entry.takes is Takes.PACKET:
        return _packet(capture, number), {}
    return capture, {"first": number} if number is not None and figure == "ladder" else {}


def _capture(file: Path) -> Capture:
    from netlab.capture.files import read

    capture = read(file)
    if capture.ends_early is not None:
        click.echo(f"netlab plot: {printable(str(file))}: {capture.ends_early}; what came before is drawn", err=True)
    if not len(capture):
        raise CaptureError(f"{file} holds no packets")
    return capture


def _what_if(file: Path) -> Any:
    import msgspec

    from netlab.scenarios.what_if import WhatIf

    try:
        return msgspec.json.decode(file.read_bytes(), type=WhatIf)
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror}") from None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise CaptureError(f"{file} is not what what-if writes: {error}") from None


def _packet(capture: Capture, number: int | None) -> CapturedPacket:
    """The packet asked for; else the first in which somebody says something, or that has the most layers."""
    if number is not None:
        return capture.packet(number)
    says = (packet for packet in capture if any(" " in part.event for part in packet.summary.netlab))
    return next(says, None) or max(list(capture)[:50], key=lambda packet: len(packet.layers))


# ---- drawing ---------------------------------------------------------------------------------------------------------


def _draw(
    figure: str,
    data: Any,
    arguments: dict[str, Any],
    output: Path,
    dark: bool,
    inches: tuple[float, float] | None,
) -> None:
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams["svg.hashsalt"] = figure  # the same data gives the same file
    from netlab import figures
    from netlab.figures.style import sized

    theme = figures.DARK if dark else figures.LIGHT
    with sized(inches) if inches is not None else contextlib.nullcontext():
        drawn = getattr(figures, figure)(data, theme=theme, **arguments).get_figure(root=True)
    kind = output.suffix.lower().removeprefix(".")
    said = figures.words(figure, data, **arguments)
    title = FIGURES[figure].question
    metadata = {
        "svg": {"Title": title, "Description": said, "Date": None},
        "png": {"Title": title, "Description": said},
        "pdf": {"Title": title, "Subject": said, "CreationDate": None},
    }[kind]
    try:
        drawn.savefig(output, format=kind, dpi=_DPI, facecolor=drawn.get_facecolor(), metadata=metadata)
    except OSError as error:
        raise NetlabError(f"{printable(str(output))}: {error.strerror}") from None
    sys.stderr.write(f"{printable(os.fspath(output))}\n")
