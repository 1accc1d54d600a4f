"""`netlab race`: congestion controls on one bottleneck, or ARQs on one bad link, held beside each other."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import click
import msgspec

from netlab.capture import recording as capture_files
from netlab.cli.argument_types import Number
from netlab.errors import UnitError
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.simulator import Tap
from netlab.protocols.arq import ARQS
from netlab.scenarios import load
from netlab.scenarios.entrants import entrant
from netlab.scenarios.race_arq import ArqResult, ArqRules, race_arqs
from netlab.scenarios.simulated import EPOCH
from netlab.units import MS, Ns, S, format_duration, parse_duration

BAD_LINK = ("rate=10mbit delay=20ms loss=1%", "rate=10mbit delay=20ms")
"""Where ARQs race if nothing is said: data is lost, acknowledgements are not."""


def _duration(least: Ns) -> Callable[[click.Context, click.Parameter, str | None], Ns | None]:
    def parse(context: click.Context, parameter: click.Parameter, text: str | None) -> Ns | None:
        if text is None:
            return None
        try:
            duration = parse_duration(text)
        except UnitError as error:
            raise click.BadParameter(str(error)) from None
        if duration < least:
            raise click.BadParameter(f"{text} is too short: write {format_duration(max(least, 10 * S))}")
        return duration

    return parse


@click.command("race", epilog="Example: netlab race --arq stop-and-wait,go-back-n,selective-repeat --seed 7")
@click.argument("scenario", required=False)
@click.option("--arq", "arqs", metavar="NAMES", help=f"ARQs, one after the other: of {', '.join(ARQS)}, or your own.")
@click.option("--seed", type=int, help="Of everything random: the same seed gives the same race; drawn if not given.")
@click.option("--link", "options", metavar="OPTIONS", help='The link in both directions: "rate=10mbit loss=1%".')
@click.option("--lasts", callback=_duration(100 * MS), metavar="TIME", help="How long each runs, of virtual time.")
@click.option("--window", type=Number("window", 1, 4096), default=16, help="ARQs: packets on their way.  [default: 16]")
@click.option("--min-rto", callback=_duration(0), metavar="TIME", help="ARQs: the least timeout.  [default: 200ms]")
@click.option(
    "--capture",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what passes the hosts and the link to this pcapng file.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON.")
def command(
    scenario: str | None,
    arqs: str | None,
    seed: int | None,
    options: str | None,
    lasts: Ns | None,
    window: int,
    min_rto: Ns | None,
    file: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Race protocols between simulated hosts on a virtual clock, on the link of SCENARIO or of --link.

    Your own takes part as my_module:MyClass, a class in my_module.py in the current folder; derive it from one of
    netlab.protocols.arq and change what you like.
    """
    if arqs is None:
        raise click.UsageError("say who races: --arq stop-and-wait,go-back-n,selective-repeat")
    directions, where = _directions(scenario, options, BAD_LINK)
    number = secrets.randbelow(10**6) if seed is None else seed
    tap = Recording(comment=f"netlab race {where} --seed {number}", epoch=EPOCH) if file is not None else None
    if file is not None:
        capture_files.check(file, force=force)
    rules = ArqRules(window=window)
    if min_rto is not None:
        rules = msgspec.structs.replace(rules, min_rto=min_rto)
    if lasts is not None:
        rules = msgspec.structs.replace(rules, lasts=lasts)
    lines, told = _race_arqs(arqs, directions, rules, number, tap)
    if file is not None and tap is not None:
        with os.fdopen(capture_files.create(file, force=force), "wb") as output:
            output.write(tap.pcapng())
        click.echo(f"{file}: {tap.frames} frames", err=True)
    if as_json:
        click.echo(msgspec.json.encode({"seed": number, "link": where, **told}).decode())
    else:
        click.echo("\n".join([f"{where}, seed {number}", "", *lines]))
    return 0


def _directions(
    scenario: str | None, options: str | None, usual: tuple[str, str]
) -> tuple[tuple[LinkConfig, LinkConfig], str]:
    """The link, there and back, and in words."""
    if options is not None:
        try:
            config = parse_link(options)
        except BadLink as error:
            raise click.UsageError(f"--link: {error}") from None
        return (config, config), f"link {options}"
    if scenario is not None:
        chosen = load(scenario)
        there, back = chosen.there or chosen.link, chosen.back or chosen.link
        return chosen.directions, f"{scenario}: " + (
            f"link {there}" if there == back else f"there {there}; back {back}"
        )
    return (parse_link(usual[0]), parse_link(usual[1])), f"there {usual[0]}; back {usual[1]}"


def _race_arqs(
    names: str, directions: tuple[LinkConfig, LinkConfig], rules: ArqRules, seed: int, tap: Tap | None
) -> tuple[list[str], dict[str, object]]:
    entrants = [entrant(name.strip(), ARQS, "ARQ") for name in names.split(",")]
    results = race_arqs(entrants, directions, rules, seed=seed, tap=tap)
    columns = ["", "goodput", "theory", "no loss", "sent", "again", "delivered", "lost"]
    rows = [
        [
            result.name,
            _rate(result.goodput_bit_s),
            _rate(result.theory_bit_s),
            _rate(result.bound_bit_s),
            str(result.sent),
            f"{result.retransmissions} ({result.retransmissions / max(1, result.sent):.1%})",
            str(result.delivered),
            str(result.lost),
        ]
        for result in results
    ]
    lines = table(columns, rows)
    lines += ["", f"{format_duration(rules.lasts)} each, packets of {rules.size} B, a window of {rules.window}, "]
    lines[-1] += f"timeouts of {format_duration(rules.min_rto)} or more"
    lines += [f"{result.name}: {trouble}" for result in results for trouble in _troubles(result)]
    return lines, {"rules": rules, "arqs": results}


def _troubles(result: ArqResult) -> list[str]:
    return [trouble for trouble in (result.wrong, result.failed) if trouble is not None]


def _rate(bit_s: int | None) -> str:
    return "-" if bit_s is None else f"{bit_s / 1000:,.0f} kbit/s"


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of text; the first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    return [
        f"{row[0]:{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        for row in [columns, *rows]
    ]
