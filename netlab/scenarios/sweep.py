"""Many runs of one scenario: some of its values go through a range, and each point has several seeds.

    sweep = Sweep.of(load("satellite"), [read_axis("link.loss=0%..10%/11")], seed=7, runs=20)

Anything of a scenario can be swept: an option of its link (`link.loss`, `there.rate`), one of several numbers of an
option (`link.gilbert.1`), a key of a flow (`flows.0.rate`, `flows.0.cc`), and the `seed`. Run k of every point has the
seed `seed + k`, so that the points differ by what is swept and not by their dice.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from netlab.errors import NetlabError, UnitError
from netlab.network.link_options import OPTIONS, change_options
from netlab.scenarios.quantities import BadScenario
from netlab.scenarios.scenario import Scenario
from netlab.units import parse_duration, parse_rate, parse_size

MOST_RUNS = 1_000_000
"""Of one sweep."""

EXAMPLE = "link.loss=0%..10%/11 or link.delay=10ms,50ms,200ms"

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([a-zA-Zµ%]*)")
_CONVERTED: tuple[tuple[Callable[[str], int], str], ...] = (
    (parse_duration, "ns"),
    (parse_rate, "bit"),
    (parse_size, "B"),
)
_SIDES = ("there", "back")


class BadSweep(NetlabError, ValueError):
    """A sweep that cannot be made; the message shows a right form."""


class Axis(msgspec.Struct, frozen=True):
    """One value of the scenario, and what it goes through."""

    key: str
    values: tuple[str, ...]


class Job(msgspec.Struct, frozen=True):
    """One run.

    Attributes:
        point: number of the point, from 0, as `Sweep.points` has them.
        run: number of the run at this point, from 0.
    """

    point: int
    run: int
    seed: int
    scenario: Scenario


class Sweep(msgspec.Struct, frozen=True):
    """All runs.

    Attributes:
        points: the value of each axis, the last axis changing fastest.
        scenarios: of each point.
        seeds: the seed of each point's first run.
    """

    scenario: Scenario
    axes: tuple[Axis, ...]
    seed: int
    runs: int
    points: tuple[tuple[str, ...], ...]
    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]

    @classmethod
    def of(cls, scenario: Scenario, axes: Sequence[Axis], *, seed: int, runs: int) -> Sweep:
        """A sweep, all of whose points can be.

        Raises:
            BadSweep: a key is none, or a value of it cannot be.
        """
        keys = [axis.key for axis in axes]
        if len(set(keys)) < len(keys):
            raise BadSweep(f"{next(key for key in keys if keys.count(key) > 1)} is swept twice: name it once")
        if "seed" in keys and runs > 1:
            raise BadSweep("where the seed is swept each of its values is a run: leave --runs out")
        count = runs
        for axis in axes:
            count *= len(axis.values)
        if count > MOST_RUNS:
            raise BadSweep(f"that would be {count} runs, and {MOST_RUNS} are the most: take fewer points or runs")
        points = tuple(itertools.product(*(axis.values for axis in axes)))
        scenarios, seeds = [], []
        for values in points:
            settings = dict(zip(keys, values, strict=True))
            seeds.append(_seed(settings.pop("seed", str(seed))))
            scenarios.append(changed(scenario, settings))
        return cls(scenario, tuple(axes), seed, runs, points, tuple(scenarios), tuple(seeds))

    def jobs(self) -> Iterator[Job]:
        """Every run: first the first of every point, so that what is finished early covers all of them."""
        for run in range(self.runs):
            for point, (scenario, seed) in enumerate(zip(self.scenarios, self.seeds, strict=True)):
                yield Job(point, run, seed + run, scenario)


def read_axis(text: str) -> Axis:
    """`link.loss=0%..10%/11` (so many points at even distances, both ends among them), or `link.delay=10ms,50ms`.

    Raises:
        BadSweep: not of that form.

    >>> read_axis("link.loss=0%..10%/3").values
    ('0%', '5%', '10%')
    """
    key, equals, written = text.partition("=")
    key = key.strip()
    if not (equals and key and written.strip()):
        raise BadSweep(f"--sweep {text!r} is no key with its values: write such as {EXAMPLE}")
    span, slash, count = written.partition("/")
    first, dots, last = (word.strip() for word in span.partition(".."))
    if not dots:
        values = [word.strip() for word in written.split(",")]
        if slash or not all(values):
            raise BadSweep(f"--sweep {text!r} has an empty value, or a / without a range: write such as {EXAMPLE}")
        return Axis(key, tuple(dict.fromkeys(values)))
    points = int(count) if count.isascii() and count.isdecimal() and len(count) <= 7 else 0
    if not 2 <= points <= MOST_RUNS:
        raise BadSweep(f"--sweep {text!r} does not say how many points, 2 to {MOST_RUNS}: write such as {EXAMPLE}")
    (low, high), unit = _ends(text, first, last)
    numbers = [low + (high - low) * k / (points - 1) for k in range(points)]
    if not unit and any(number != round(number) for number in numbers):
        raise BadSweep(f"--sweep {text!r} would have points between whole numbers: choose another number of points")
    return Axis(key, tuple(dict.fromkeys(f"{number:.12g}{unit}" for number in numbers)))


def _ends(text: str, first: str, last: str) -> tuple[tuple[float, float], str]:
    matches = [_NUMBER.fullmatch(word) for word in (first, last)]
    if None not in matches:
        (low, unit), (high, other) = (match.groups() for match in matches if match is not None)
        if unit == other:
            return (float(low), float(high)), unit
        for parse, base in _CONVERTED:
            try:
                return (parse(first), parse(last)), base
            except UnitError:
                continue
    raise BadSweep(f"--sweep {text!r}: {first} and {last} are no quantities of one kind: write such as {EXAMPLE}")


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise BadSweep(f"seed={text} is no seed: write such as seed=1..10/10")
    return int(text)


# ---- a scenario with other values ------------------------------------------------------------------------------------


def changed(scenario: Scenario, settings: dict[str, str]) -> Scenario:
    """The scenario with these values.

    Raises:
        BadSweep: a key is none of it, or the value cannot be.
    """
    data: dict[str, Any] = msgspec.to_builtins(scenario)
    for key, value in settings.items():
        first, *rest = key.split(".")
        if first in ("link", *_SIDES) and 1 <= len(rest) <= 2:
            _change_link(data, key, first, rest, value)
        elif first == "flows" and len(rest) == 2:
            _change_flow(data, key, rest[0], rest[1], value)
        else:
            raise BadSweep(
                f"{key!r} is nothing of a scenario to be swept: write link.loss, there.rate, flows.0.rate or seed"
            )
    try:
        return msgspec.convert(data, Scenario)
    except (BadScenario, msgspec.ValidationError) as error:
        settled = " ".join(f"{key}={value}" for key, value in settings.items())
        raise BadSweep(f"{settled}: {error}") from None


def _change_link(data: dict[str, Any], key: str, side: str, rest: list[str], value: str) -> None:
    option, *index = rest
    if option not in OPTIONS:
        raise BadSweep(f"{key!r}: {option!r} is no option of a link: they are {', '.join(OPTIONS)}")
    if side != "link" and data["link"]:
        data["there"] = data["back"] = data["link"]
        data["link"] = ""
    both = side == "link" and (data["there"] or data["back"])
    for text in _SIDES if both else (side,):
        its = value
        if index:
            options = dict(word.partition("=")[::2] for word in data[text].split())
            numbers = options.get(option, "").split(",")
            if option not in options or not (index[0].isdecimal() and int(index[0]) < len(numbers)):
                raise BadSweep(f"{key!r}: {text} has no {option} with so many numbers, counted from 0")
            numbers[int(index[0])] = value
            its = ",".join(numbers)
        data[text] = change_options(data[text], [f"{option}={its}"])


def _change_flow(data: dict[str, Any], key: str, number: str, field: str, value: str) -> None:
    flows = data["flows"]
    if not (number.isdecimal() and int(number) < len(flows)):
        raise BadSweep(f"{key!r}: the scenario has {len(flows)} flows, counted from 0")
    flow = flows[int(number)]
    was = flow.get(field)
    if isinstance(was, int) and not isinstance(was, bool):
        if not (value.isascii() and value.isdecimal() and len(value) < 16):
            raise BadSweep(f"{key}={value} is no whole number: write such as {key}={was}")
        flow[field] = int(value)
    elif isinstance(was, str) and field != "kind":
        flow[field] = value
    else:
        known = ", ".join(name for name in flow if name != "kind")
        raise BadSweep(f"{key!r} is nothing of a {flow['kind']} flow that could be swept: write one of {known}")
