"""`netlab what-if`: a scenario twice, the second time with the fates of a few packets changed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from netlab.cli.argument_types import File
from netlab.cli.link_options import drawn, seed_option
from netlab.cli.sentences import broken
from netlab.units import MS

if TYPE_CHECKING:
    from netlab.scenarios.timeline import Step
    from netlab.scenarios.what_if import Forced, WhatIf

BEFORE = 3
"""Rows that are shown of what is alike before the runs part."""

LEAST_PACKET = 30
"""Columns for what a packet was, where both timelines stand side by side."""

ROWS = 20
"""Rows that are shown behind it, of those that differ."""

_CHANGES = {
    "drop": "Lose these packets.",
    "deliver": "Deliver these packets undamaged and once, whatever the dice say.",
    "duplicate": "Let these packets come twice.",
    "corrupt": "Damage the last bit of these packets.",
    "delay": "Delay these packets by so much more: 'client>server:5=200ms'.",
}


def _change_options(command: Any) -> Any:
    for verb, help in reversed(_CHANGES.items()):
        command = click.option(f"--{verb}", f"changes_{verb}", metavar="PACKETS", multiple=True, help=help)(command)
    return command


@click.command("what-if", epilog="Example: netlab what-if satellite --seed 7 --drop 'client>server:5,9'")
@click.argument("scenario")
@_change_options
@seed_option
@click.option(
    "--capture", "file", metavar="FILE", type=File(), help="Write the run with the change to this pcapng file."
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--rows", type=click.IntRange(1), default=ROWS, show_default=True, help="Of the table, that differ.")
@click.option("--text", is_flag=True, help="What differs in sentences, without the table.")
@click.option("--json", "as_json", is_flag=True, help="Both timelines and what differs, as one line of JSON.")
def command(
    scenario: str,
    seed: int | None,
    file: Path | None,
    force: bool,
    rows: int,
    text: bool,
    as_json: bool,
    **changes: tuple[str, ...],
) -> int:
    """Run SCENARIO twice from one seed, the second time with other fates for a few packets, and show what differs.

    PACKETS names a direction of the link and packets, counted from 1 as they come to it: 'client>server:5,9' or
    'server>client:10-20'. Every packet has dice of its own, so whatever else differs comes from the change.
    """
    from netlab.scenarios import load
    from netlab.scenarios.what_if import BadFate, read_fates, what_if

    chosen = load(scenario)
    number = drawn(seed)
    tap = _recording(file, force, f"netlab what-if {scenario} --seed {number}")
    try:
        forced: list[Forced] = [
            read_fates(verb, written)  # type: ignore[arg-type]  # the verbs are its own
            for verb in _CHANGES
            for written in changes[f"changes_{verb}"]
        ]
        if not forced:
            raise BadFate("say what is to change, such as --drop 'client>server:5'")
        found = what_if(chosen, seed=number, forced=forced, tap=tap)
    except BadFate as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from None
    if file is not None and tap is not None:
        _write(file, force, tap.pcapng())
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return 0
    click.echo(broken(f"{scenario}, seed {number}: {chosen.about}") + "\n")
    if not text:
        for line in _table(found, rows, shutil.get_terminal_size().columns):
            click.echo(line)
    for sentence in found.differences:
        click.echo(broken(sentence))
    return 0


def _recording(file: Path | None, force: bool, comment: str) -> Any:
    if file is None:
        return None
    from netlab.capture import recording as capture_files
    from netlab.network.recording import Recording
    from netlab.scenarios.simulated import EPOCH

    capture_files.check(file, force=force)
    return Recording(comment=comment, epoch=EPOCH)


def _write(file: Path, force: bool, data: bytes) -> None:
    from netlab.capture import recording as capture_files

    with os.fdopen(capture_files.create(file, force=force), "wb") as output:
        output.write(data)


def _table(found: WhatIf, most: int, width: int) -> list[str]:
    """Both timelines side by side, the packet between them."""
    if found.parts_at is None:
        return []
    parts_at, rows = found.parts_at, found.rows
    first = max(0, parts_at - BEFORE)
    differing = [place for place in range(parts_at, len(rows)) if not rows[place].is_same]
    shown = [*range(first, parts_at), *differing[:most]]
    left = [_side(rows[place].first) for place in shown]
    right = [_side(rows[place].second) for place in shown]
    side = max(map(len, [*left, "as it was"]))
    if width < side + max(map(len, [*right, "with the change"])) + LEAST_PACKET + 6:
        return _stacked(found, shown, left, right, width, len(differing) - most)
    middle = max(LEAST_PACKET, min(60, width - 2 * side - 6))
    lines = [f"{'as it was':<{side}}   {'packet':<{middle}}   with the change"]
    if first:
        lines.append(f"{'':<{side}}   ... {first} alike")
    before = shown[0] - 1
    for place, one, other in zip(shown, left, right, strict=True):
        if place - before > 1:
            lines.append(f"{'':<{side}}   ... {place - before - 1} alike")
        before = place
        lines.append(f"{one:<{side}}   {_cut(rows[place].step.packet, middle):<{middle}}   {other}".rstrip())
        if place == parts_at - 1:
            lines.append(f"{'':<{side}}   {' here they part ':-^{middle}}")
    if len(differing) > most:
        lines.append(f"{'':<{side}}   ... {len(differing) - most} more that differ (--rows shows more)")
    return [*lines, ""]


def _stacked(found: WhatIf, shown: list[int], left: list[str], right: list[str], width: int, more: int) -> list[str]:
    """The same for a narrow terminal: each packet, and below it what came of it before and with the change."""
    lines = ["packet; was: as it was; now: with the change", ""]
    if shown and shown[0]:
        lines.append(f"... {shown[0]} alike")
    before = shown[0] - 1 if shown else 0
    for place, one, other in zip(shown, left, right, strict=True):
        if place - before > 1:
            lines.append(f"... {place - before - 1} alike")
        before = place
        if place == found.parts_at:
            lines.append(f"{' here they part ':-^{min(width, 60)}}")
        lines += [_cut(found.rows[place].step.packet, width), f"  was {one}"]
        if one != other:
            lines.append(f"  now {other}")
    if more > 0:
        lines.append(f"... {more} more that differ (--rows shows more)")
    return [*lines, ""]


def _side(step: Step | None) -> str:
    """Its number on the link, when it came to it, and what came of it there."""
    if step is None:
        return "-"
    ends = step.direction.split(">")
    way = ">" if ends[1] == "server" else "<"
    at = f"{way}{step.number:<4} {step.at / MS:9.1f} "
    if not step.is_delivered:
        return at + f"lost ({step.fate})"
    extra = (" damaged" if step.damaged else "") + (f" x{1 + step.copies}" if step.copies else "")
    return at + f"-> {step.left / MS:.1f} ms{extra}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
