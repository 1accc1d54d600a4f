"""What came of a sweep: kept run by run in a file that survives an interruption, and summed up by point."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec

from netlab.errors import NetlabError
from netlab.network.link import Account
from netlab.scenarios.confidence import half_width
from netlab.scenarios.flows.flow import Summary
from netlab.scenarios.sweep import Axis, Job, Sweep
from netlab.scenarios.worlds import Ran

FORMAT = 1
"""Of the file."""


class BadResults(NetlabError, ValueError):
    """A file that holds no results, or those of another sweep."""


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What came of one run: `Ran` without what all of them share."""

    point: int
    run: int
    seed: int
    seconds: float
    flows: list[Summary]
    links: dict[str, Account]

    @classmethod
    def of(cls, job: Job, ran: Ran) -> Result:
        """Of a run."""
        return cls(job.point, job.run, job.seed, ran.seconds, ran.flows, ran.links)


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line of a file: which sweep it is of. The number of runs is left out: there may be more later."""

    netlab_sweep: int
    seed: int
    axes: list[Axis]
    scenario: dict[str, Any]


class ResultsFile:
    """One JSON line a run, only ever appended to. A line that was cut off by a kill is taken away when it is opened.

    Its head is written with the first result: a sweep that fails before leaves no file that would hold up the next.

    Attributes:
        results: those that were in it.
    """

    def __init__(self, path: Path, sweep: Sweep) -> None:
        """Open a file, new or of the same sweep.

        Raises:
            BadResults: it holds something else.
        """
        self.results: list[Result] = []
        head = _Head(FORMAT, sweep.seed, list(sweep.axes), msgspec.to_builtins(sweep.scenario))
        self._path, self._head = path, b""
        self._file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644), "a+")
        try:
            self._file.seek(0)
            data = self._file.readall()
            whole = data[: data.rfind(b"\n") + 1]
            if whole:
                first, *lines = whole.splitlines()
                _check(path, first, head)
                self.results = [_result(path, number, line, sweep) for number, line in enumerate(lines, 2)]
            elif data and not msgspec.json.encode(head).startswith(data):
                raise BadResults(f"{path} holds no results of a sweep: name another file")
            if len(whole) < len(data):
                self._file.truncate(len(whole))
            if not whole:
                self._head = msgspec.json.encode(head) + b"\n"
        except BaseException:
            self._file.close()
            raise

    def add(self, result: Result) -> None:
        """Keep the result of a run, from now on whatever happens to this process."""
        self._file.write(self._head + msgspec.json.encode(result) + b"\n")
        self._head = b""

    def close(self) -> None:
        """Nothing more comes; where nothing came, there is no file."""
        self._file.close()
        if self._head:
            self._path.unlink(missing_ok=True)


def seed_in(path: Path) -> int | None:
    """The seed of the sweep that a file is of; None where there is no file, or no sweep in it."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline(), type=_Head).seed
    except (OSError, msgspec.DecodeError):
        return None


def _check(path: Path, line: bytes, head: _Head) -> None:
    try:
        found = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError:
        raise BadResults(f"{path} holds no results of a sweep: name another file") from None
    for same, what in (
        (found.netlab_sweep == head.netlab_sweep, "of another version of netlab"),
        (found.scenario == head.scenario, "of another scenario"),
        (found.axes == head.axes, "of another sweep: " + " ".join(f"{a.key}={','.join(a.values)}" for a in found.axes)),
        (found.seed == head.seed, f"of seed {found.seed}"),
    ):
        if not same:
            raise BadResults(f"{path} holds results {what}: name another file")


def _result(path: Path, number: int, line: bytes, sweep: Sweep) -> Result:
    try:
        result = msgspec.json.decode(line, type=Result)
    except msgspec.DecodeError as error:
        raise BadResults(f"{path} line {number} is no result ({error}): name another file") from None
    if not 0 <= result.point < len(sweep.points) or len(result.flows) != len(sweep.scenario.flows):
        raise BadResults(f"{path} line {number} is of another sweep: name another file")
    return result


# ---- summed up -------------------------------------------------------------------------------------------------------

METRICS: dict[str, Callable[[Summary], float | None]] = {
    "sent": lambda flow: flow.sent,
    "lost": lambda flow: flow.lost / flow.sent if flow.sent else None,
    "doubled": lambda flow: flow.doubled,
    "p50_ms": lambda flow: flow.p50_ms,
    "p99_ms": lambda flow: flow.p99_ms,
    "goodput_bit_s": lambda flow: flow.goodput_bit_s,
}
"""What is told of a flow; `lost` is a share."""


class Estimate(msgspec.Struct, frozen=True):
    """A mean over runs.

    Attributes:
        ci95: half the width of its 95 % confidence interval (Student's t); None where fewer than two runs had a value.
    """

    mean: float
    ci95: float | None


class FlowAtPoint(msgspec.Struct, frozen=True):
    """What came of one flow at one point. A metric is None where no run had a value, as a delay where nothing came."""

    what: str
    metrics: dict[str, Estimate | None]


class Point(msgspec.Struct, frozen=True):
    """What came of one point.

    Attributes:
        at: the value of each axis, by its key.
        runs: that are finished.
    """

    at: dict[str, str]
    runs: int
    flows: list[FlowAtPoint]


def sum_up(sweep: Sweep, results: Iterable[Result]) -> list[Point]:
    """The points that have a finished run, in order; a run that was done twice counts once."""
    by_point: dict[int, dict[int, Result]] = {}
    for result in results:
        if result.run < sweep.runs:
            by_point.setdefault(result.point, {})[result.run] = result
    keys = [axis.key for axis in sweep.axes]
    points = []
    for point in sorted(by_point):
        runs = [result for _, result in sorted(by_point[point].items())]
        flows = [
            FlowAtPoint(
                runs[0].flows[number].what,
                {name: _estimate([metric(run.flows[number]) for run in runs]) for name, metric in METRICS.items()},
            )
            for number in range(len(runs[0].flows))
        ]
        points.append(Point(dict(zip(keys, sweep.points[point], strict=True)), len(runs), flows))
    return points


def _estimate(values: list[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return Estimate(sum(known) / len(known), half_width(known)) if known else None
