"""`netlab simulate --sweep`: many runs of a scenario, with a progress bar, kept in a file, summed up by point."""

from __future__ import annotations

import csv
import io
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from netlab.cli.running import exit_status

if TYPE_CHECKING:
    from netlab.scenarios import Scenario
    from netlab.scenarios.sweep_results import Estimate, Point, Result


class AskedSweep(msgspec.Struct, frozen=True):
    """What the options ask for."""

    axes: tuple[str, ...]
    runs: int
    jobs: int
    backend: str
    scheduler: str | None
    results: Path | None
    as_csv: bool
    as_json: bool


class _Interrupted(BaseException):
    def __init__(self, number: int) -> None:
        self.number = number


def sweep(name: str, scenario: Scenario, seed: int | None, asked: AskedSweep) -> int:
    """Do a sweep and print what came of it. The exit status comes back."""
    from netlab.cli.link_options import drawn
    from netlab.scenarios.sweep import BadSweep, Sweep, read_axis
    from netlab.scenarios.sweep_results import ResultsFile, seed_in, sum_up
    from netlab.scenarios.sweep_run import do

    ctx = click.get_current_context(silent=True)
    if (asked.backend == "dask") != (asked.scheduler is not None):
        raise click.UsageError("--backend dask and --scheduler ADDRESS go together", ctx)
    if seed is None and asked.results is not None:
        seed = seed_in(asked.results)  # goes on where it was
    try:
        planned = Sweep.of(scenario, [read_axis(axis) for axis in asked.axes], seed=drawn(seed), runs=asked.runs)
    except BadSweep as error:
        raise click.UsageError(str(error), ctx) from None
    total = len(planned.points) * planned.runs
    file = None if asked.results is None else ResultsFile(asked.results, planned)
    results: list[Result] = [] if file is None else file.results
    done = {(result.point, result.run) for result in results if result.run < planned.runs}
    status = 0
    try:
        with _asked_to_end(), _progress(total, len(done)) as progress:
            for result in do(planned, done=done, processes=asked.jobs, scheduler=asked.scheduler or ""):
                if file is not None:
                    file.add(result)
                results.append(result)
                done.add((result.point, result.run))
                progress.advance(progress.task_ids[0])
    except _Interrupted as interrupted:
        status = exit_status(interrupted.number)
        kept = "--results FILE would keep them" if file is None else f"the same command goes on from {asked.results}"
        click.echo(f"netlab simulate: {len(done)} of {total} runs are done: {kept}", err=True)
    finally:
        if file is not None:
            file.close()
    points = sum_up(planned, results)
    if asked.as_json:
        data = {"name": name, "seed": planned.seed, "runs": planned.runs, "confidence": "95 %, Student's t"}
        click.echo(msgspec.json.encode({**data, "points": points, "scenario": scenario}).decode())
    elif asked.as_csv:
        click.echo(_csv(points), nl=False)
    else:
        runs = "1 run" if planned.runs == 1 else f"{planned.runs} runs"
        click.echo(f"{name}: {runs} of each point, seeds from {planned.seed} on")
        click.echo("\n".join(_table(points)))
    return status


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the sweep in order; but what is ignored stays so."""

    def asked(number: int, frame: FrameType | None) -> None:
        raise _Interrupted(number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, asked)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(total: int, done: int) -> Iterator[Progress]:
    columns = (TextColumn("runs"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task("runs", total=total, completed=done)
        yield progress


_COLUMNS = ("lost", "p50_ms", "p99_ms", "goodput_bit_s")
_HEADS = {"lost": "lost", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "goodput_bit_s": "goodput kbit/s"}


def _table(points: list[Point]) -> list[str]:
    if not points:
        return ["no run is finished"]
    rows = [[*points[0].at, "flow", "runs", *(_HEADS[column] for column in _COLUMNS)]]
    for point in points:
        for flow in point.flows:
            numbers = [_number(column, flow.metrics[column]) for column in _COLUMNS]
            rows.append([*point.at.values(), flow.what, str(point.runs), *numbers])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    left = len(points[0].at) + 1
    lines = [
        "  ".join(
            f"{word:<{width}}" if place < left else f"{word:>{width}}"
            for place, (word, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, "", "mean ± half the width of its 95 % confidence interval (Student's t, from two runs on)"]


def _number(column: str, estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    scale, digits, unit = {"lost": (100, 2, " %"), "goodput_bit_s": (1e-3, 0, "")}.get(column, (1, 1, ""))
    around = "" if estimate.ci95 is None else f" ± {estimate.ci95 * scale:,.{digits}f}"
    return f"{estimate.mean * scale:,.{digits}f}{around}{unit}"


def _csv(points: list[Point]) -> str:
    """One line a point and flow; `NAME_ci95` is half the width of the confidence interval, empty for fewer than two."""
    from netlab.scenarios.sweep_results import METRICS

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    axes = list(points[0].at) if points else []
    writer.writerow([*axes, "flow", "runs", *(f"{name}{end}" for name in METRICS for end in ("", "_ci95"))])
    for point in points:
        for flow in point.flows:
            numbers: list[Any] = []
            for name in METRICS:
                estimate = flow.metrics[name]
                mean, ci95 = (None, None) if estimate is None else (estimate.mean, estimate.ci95)
                numbers += ["" if number is None else number for number in (mean, ci95)]
            writer.writerow([*point.at.values(), flow.what, point.runs, *numbers])
    return out.getvalue()
