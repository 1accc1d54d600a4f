"""`netlab simulate`: a scenario on the virtual clock, as a table, as JSON and as a capture."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from netlab.capture import recording as capture_files
from netlab.cli.link_options import SEED, drawn
from netlab.cli.sentences import broken, terminal_width
from netlab.cli.sweep import AskedSweep, sweep
from netlab.network.link import REASONS
from netlab.network.link_config import BadLink
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.protocols.trace import Decision
from netlab.scenarios import Ran, load, ready, run
from netlab.scenarios.simulated import EPOCH
from netlab.scenarios.worlds import WORLDS


@click.command("simulate", epilog="Example: netlab simulate bursty-loss --seed 7 --capture bursts.pcapng")
@click.argument("scenario", required=False)
@click.option("--list", "listing", is_flag=True, help="The scenarios that come with netlab.")
@click.option("--seed", type=SEED, help="Of everything random: the same seed gives the same run. [drawn]")
@click.option(
    "--world",
    type=click.Choice(list(WORLDS)),
    default="simulation",
    help="Where: on a virtual clock, or in real time through real sockets on this machine.",
)
@click.option("--link", "options", metavar="OPTIONS", help='Another link in both directions: "loss=1% delay=20ms".')
@click.option(
    "--capture",
    "file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what passes the gateway, the link and the server to this pcapng file.",
)
@click.option("--force", is_flag=True, help="Replace FILEs that are there.")
@click.option(
    "--trace",
    "trace_file",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what our TCP decides, and why, to this file: a JSON object a line.",
)
@click.option(
    "--sweep",
    "axes",
    metavar="KEY=A..B/N",
    multiple=True,
    help="Let a value go through a range, or a list (KEY=A,B,C): link.loss=0%..10%/11; again for a second one.",
)
@click.option("--runs", type=click.IntRange(1), default=1, help="Of each point of a sweep.")
@click.option("--jobs", type=click.IntRange(1), help="Processes of a sweep. [one a core]")
@click.option("--backend", type=click.Choice(["local", "dask"]), default="local", help="What does the runs of a sweep.")
@click.option("--scheduler", metavar="ADDRESS", help="Of Dask, such as tcp://10.0.0.5:8786.")
@click.option(
    "--results",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep each run of a sweep in FILE as it finishes; interrupted, the same command goes on from there.",
)
@click.option("--csv", "as_csv", is_flag=True, help="The result of a sweep as CSV.")
@click.option("--json", "as_json", is_flag=True, help="The result as one line of JSON.")
def command(
    scenario: str | None,
    listing: bool,
    seed: int | None,
    world: str,
    options: str | None,
    file: Path | None,
    force: bool,
    trace_file: Path | None,
    axes: tuple[str, ...],
    runs: int,
    jobs: int | None,
    backend: str,
    scheduler: str | None,
    results: Path | None,
    as_csv: bool,
    as_json: bool,
) -> int:
    """Run SCENARIO, the name of a ready one or a TOML file, between simulated hosts on a virtual clock.

    No packet leaves this process and no time is waited for. The same seed gives the same result and the same capture,
    byte for byte. With --world loopback the same scenario runs in real time, through real sockets of this machine and a
    proxy that is the link; the seed then fixes the link's dice alone.
    """
    if listing:
        _list(as_json=as_json)
        return 0
    if scenario is None:
        raise click.UsageError("name a scenario, or a TOML file: netlab simulate --list shows those that are ready")
    chosen = load(scenario)
    if options is not None:
        try:
            parse_link(options)
        except BadLink as error:
            raise click.UsageError(f"--link: {error}") from None
        chosen = msgspec.structs.replace(chosen, link=options, there="", back="")
    asked = AskedSweep(axes, runs, jobs or -1, backend, scheduler, results, as_csv, as_json)
    if axes:
        if file is not None or trace_file is not None or world != "simulation":
            raise click.UsageError(
                "a sweep is of simulations, and writes results alone: leave --capture, --trace, --world"
            )
        return sweep(scenario, chosen, seed, asked)
    if asked != AskedSweep((), 1, -1, "local", None, None, False, as_json):
        raise click.UsageError("--runs, --jobs, --backend, --scheduler, --results and --csv are for a --sweep")
    number = drawn(seed)
    for option, wanted in (("--capture", file), ("--trace", trace_file)):
        if wanted is not None and world != "simulation":
            raise click.UsageError(f"{option}: only a simulation can be looked into, not the world {world}")
    tap = Recording(comment=f"netlab simulate {scenario} --seed {number}", epoch=EPOCH) if file is not None else None
    for wanted in (file, trace_file):
        if wanted is not None:
            capture_files.check(wanted, force=force)
    decisions: list[Decision] = []
    if world == "simulation":
        ran = run(chosen, seed=number, tap=tap, trace=decisions.append if trace_file is not None else None)
    else:
        ran = run(chosen, seed=number, world=world)
    if file is not None and tap is not None:
        with os.fdopen(capture_files.create(file, force=force), "wb") as output:
            output.write(tap.pcapng())
        click.echo(f"{file}: {tap.frames} frames", err=True)
    if trace_file is not None:
        with os.fdopen(capture_files.create(trace_file, force=force), "wb") as output:
            output.write(msgspec.json.Encoder().encode_lines(decisions))
        click.echo(f"{trace_file}: {len(decisions)} decisions", err=True)
    click.echo(msgspec.json.encode(ran).decode() if as_json else "\n".join(_table(scenario, ran)))
    return 0


def _list(*, as_json: bool) -> None:
    scenarios = ready()
    if as_json:
        click.echo(msgspec.json.encode(scenarios).decode())
        return
    width = max(map(len, scenarios))
    for name, scenario in scenarios.items():
        click.echo(f"{name:{width}}  {broken(scenario.about, width + 2)}")
        click.echo(f"{'':{width}}  {broken(f'source: {scenario.source}', width + 2)}")


def _table(name: str, ran: Ran) -> list[str]:
    scenario = ran.scenario
    links = [f"{key} {text or '-'}" for key in ("link", "there", "back") if (text := getattr(scenario, key))]
    lines = [broken(f"{name}, seed {ran.seed}: {scenario.about}"), broken("; ".join(links) or "a perfect link"), ""]
    columns = ["", "sent", "delivered", "lost", "doubled", "p50", "p99", "goodput"]
    rows = [
        [
            flow.what,
            str(flow.sent),
            str(flow.delivered),
            f"{flow.lost} ({flow.lost / flow.sent:.1%})" if flow.sent else "0",
            str(flow.doubled),
            _ms(flow.p50_ms),
            _ms(flow.p99_ms),
            f"{flow.goodput_bit_s / 1000:,.0f} kbit/s",
        ]
        for flow in ran.flows
    ]
    widths = [max(len(row[place]) for row in [columns, *rows]) for place in range(len(columns))]
    whole = sum(widths) + 2 * (len(widths) - 1)
    beside = whole <= (terminal_width() or whole)  # else a flow's name stands on a line above its figures
    for row in [columns, *rows]:
        figures = "  ".join(f"{c:>{w}}" for c, w in zip(row[1:], widths[1:], strict=True))
        if beside:
            lines.append(f"{row[0]:{widths[0]}}  {figures}")
        else:
            lines += [row[0], f"  {figures}"] if row[0] else [f"  {figures}"]
    lines.append("")
    for link, account in ran.links.items():
        dropped = [f"{count} {REASONS[reason]}" for reason, count in account.dropped.items()]
        others = [
            f"{count} {what}"
            for what, count in (
                ("doubled", account.duplicated),
                ("damaged", account.corrupted),
                ("out of turn", account.reordered),
            )
            if count
        ]
        went = f"{link}: {account.arrived} packets came, {account.delivered} went"
        lines.append(broken("".join([went, *(f", {x}" for x in dropped + others)]), 2))
    lines.append(f"{ran.seconds:.3f} s of {'virtual' if ran.world == 'simulation' else 'real'} time")
    return lines


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
