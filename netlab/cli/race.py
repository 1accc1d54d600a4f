"""`netlab race`: congestion controls on one bottleneck, or ARQs on one bad link, held beside each other."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from netlab.capture import recording as capture_files
from netlab.cli.argument_types import Number
from netlab.cli.commands import suggestion
from netlab.cli.sentences import broken, terminal_width
from netlab.errors import UnitError
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.simulator import Tap
from netlab.protocols.arq import ARQS
from netlab.protocols.congestion import CONTROLS
from netlab.scenarios import load
from netlab.scenarios.entrants import entrant
from netlab.scenarios.race_arq import ArqRules, race_arqs
from netlab.scenarios.race_cc import CcRules, race_controls
from netlab.scenarios.simulated import EPOCH
from netlab.units import MS, Ns, S, format_duration, parse_duration

BAD_LINK = ("rate=10mbit delay=20ms loss=1%", "rate=10mbit delay=20ms")
"""Where ARQs race if nothing is said: data is lost, acknowledgements are not."""

BOTTLENECK = ("rate=10mbit delay=20ms queue=50packets", "rate=10mbit delay=20ms queue=50packets")
"""Where congestion controls do: a queue of one and a half times what the line holds."""

SHOWN_FROM = 500_000_000
"""A race in which the link may carry so many bits, a few seconds' work, shows its progress."""


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


@click.command(
    "race", epilog="Example: netlab race --cc reno,cubic,bbr --seed 7 --link 'rate=10mbit delay=20ms loss=1%'"
)
@click.argument("scenario", required=False)
@click.option("--cc", "controls", metavar="NAMES", help=f"Congestion controls: {', '.join(CONTROLS)}, or your own.")
@click.option("--arq", "arqs", metavar="NAMES", help=f"ARQs: {', '.join(ARQS)}, or your own.")
@click.option("--seed", type=int, help="Of everything random: the same seed gives the same race; drawn if not given.")
@click.option("--link", "options", metavar="OPTIONS", help='The link in both directions: "rate=10mbit loss=1%".')
@click.option("--lasts", callback=_duration(100 * MS), metavar="TIME", help="Virtual time.  [default: 30s, ARQs 10s]")
@click.option(
    "--start-apart", "apart", callback=_duration(0), metavar="TIME", help="--cc: from one's start to the next's."
)
@click.option("--window", type=Number("window", 1, 4096), help="--arq: packets on their way.  [default: 16]")
@click.option("--min-rto", callback=_duration(0), metavar="TIME", help="--arq: the least timeout.  [default: 200ms]")
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
    controls: str | None,
    arqs: str | None,
    seed: int | None,
    options: str | None,
    lasts: Ns | None,
    apart: Ns | None,
    window: int | None,
    min_rto: Ns | None,
    file: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Race protocols between simulated hosts on a virtual clock, on the link of SCENARIO or of --link.

    With --cc each is the congestion control of a bulk flow over netlab's own TCP, and all share the link. With --arq
    each has the link for itself, one after the other, and is held beside what theory says.

    Your own takes part as my_module:MyClass, a class in my_module.py in the current folder; derive it from one of
    netlab.protocols.congestion or netlab.protocols.arq and change what you like.
    """
    if (controls is None) == (arqs is None):
        raise click.UsageError("say who races: --cc reno,cubic,bbr or --arq stop-and-wait,go-back-n,selective-repeat")
    if controls is not None and (window is not None or min_rto is not None):
        raise click.UsageError("--window and --min-rto are for --arq: a congestion control sets its own window")
    if arqs is not None and apart is not None:
        raise click.UsageError("--start-apart is for --cc: each ARQ has the link for itself")
    directions, where = _directions(scenario, options, BOTTLENECK if controls is not None else BAD_LINK)
    number = secrets.randbelow(10**6) if seed is None else seed
    tap = Recording(comment=f"netlab race {where} --seed {number}", epoch=EPOCH) if file is not None else None
    if file is not None:
        capture_files.check(file, force=force)
    if controls is not None:
        lines, told = _race_controls(controls, directions, _given(CcRules(), lasts=lasts, apart=apart), number, tap)
    else:
        rules = _given(ArqRules(), lasts=lasts, window=window, min_rto=min_rto)
        lines, told = _race_arqs(arqs or "", directions, rules, number, tap)
    if file is not None and tap is not None:
        with os.fdopen(capture_files.create(file, force=force), "wb") as output:
            output.write(tap.pcapng())
        click.echo(f"{file}: {tap.frames} frames", err=True)
    if as_json:
        click.echo(msgspec.json.encode({"seed": number, "link": where, **told}).decode())
    else:
        click.echo("\n".join(map(broken, [f"{where}, seed {number}", "", *lines])))
    return 0


R = TypeVar("R", CcRules, ArqRules)
T = TypeVar("T")


def _given(rules: R, **options: int | None) -> R:
    """The rules, with those options that were given."""
    return msgspec.structs.replace(rules, **{key: value for key, value in options.items() if value is not None})


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
        return chosen.directions, f"{scenario}: {_in_words(there, back)}"
    return (parse_link(usual[0]), parse_link(usual[1])), _in_words(*usual)


def _in_words(there: str, back: str) -> str:
    return f"link {there}" if there == back else f"there {there}; back {back}"


def _entrants(option: str, names: str, known: Mapping[str, type[T]], what: str) -> list[type[T]]:
    """Those who race, by their names."""
    chosen = []
    for name in map(str.strip, names.split(",")):
        if ":" not in name and name not in known:
            near = suggestion(name, known) or f": they are {', '.join(known)}, or your own as my_module:MyClass"
            raise click.UsageError(f"{option} {name}: there is no such {what}{near}")
        chosen.append(entrant(name, known, what))
    return chosen


def _race_controls(
    names: str, directions: tuple[LinkConfig, LinkConfig], rules: CcRules, seed: int, tap: Tap | None
) -> tuple[list[str], dict[str, object]]:
    entrants = _entrants("--cc", names, CONTROLS, "congestion control")
    if rules.lasts <= rules.apart * (len(entrants) - 1):
        raise click.UsageError("--start-apart: the last would begin after the end: let it last longer")
    with _progress(rules.lasts, getattr(directions[0].rate, "bit_s", SHOWN_FROM)) as progress:
        race = race_controls(entrants, directions, rules, seed=seed, tap=tap, progress=progress)
    columns = ["", "goodput", "share", "queueing p50", "p95", "sent", "lost", "again"]
    rows = [
        [
            flow.name,
            _rate(flow.goodput_bit_s),
            f"{flow.share:.0%}",
            _ms(flow.queueing_p50_ms),
            _ms(flow.queueing_p95_ms),
            str(flow.sent),
            f"{flow.lost} ({flow.lost / max(1, flow.sent):.1%})",
            str(flow.retransmissions),
        ]
        for flow in race.flows
    ]
    used = "" if race.utilisation is None else f"; {race.utilisation:.0%} of the link's rate used"
    lines = [*table(columns, rows), "", f"fairness (Jain) {race.jain:.3f}{used}"]
    lasted = format_duration(rules.lasts)
    if rules.apart:
        lines.append(f"{lasted}, begun {format_duration(rules.apart)} apart; rates are of the time all were there")
    else:
        lines.append(f"{lasted}, all from the beginning")
    lines += [f"{flow.name}: {flow.failed}" for flow in race.flows if flow.failed is not None]
    return lines, {"rules": rules, **msgspec.to_builtins(race)}


@contextmanager
def _progress(lasts: Ns, bit_s: int) -> Iterator[Callable[[float], None] | None]:
    """Shows how far a long race is, on a terminal."""
    if bit_s * lasts // S < SHOWN_FROM or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # here, because most races are over before it were loaded
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{format_duration(lasts)} of virtual time", total=1.0)
        yield lambda part: bar.update(task, completed=part)


def _race_arqs(
    names: str, directions: tuple[LinkConfig, LinkConfig], rules: ArqRules, seed: int, tap: Tap | None
) -> tuple[list[str], dict[str, object]]:
    entrants = _entrants("--arq", names, ARQS, "ARQ")
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
    for result in results:
        lines += [f"{result.name}: {trouble}" for trouble in (result.wrong, result.failed) if trouble is not None]
    return lines, {"rules": rules, "arqs": results}


def _rate(bit_s: int | None) -> str:
    return "-" if bit_s is None else f"{bit_s / 1000:,.0f} kbit/s"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"


def table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of text, one for each who races; in a terminal that is too narrow for that, one for each measurement."""
    lines = _aligned([columns, *rows])
    room = terminal_width()
    if room is None or max(map(len, lines)) <= room:
        return lines
    return _aligned([list(turned) for turned in zip(*[columns, *rows], strict=True)])


def _aligned(rows: list[list[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        f"{row[0]:{widths[0]}}  " + "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
