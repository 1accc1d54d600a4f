"""The same run twice, the second with the fates of a few packets changed: where the two part, and what differs then.

    asked = [read_fates("drop", "client>server:5,9")]
    what_if(load("perfect"), seed=7, forced=asked).differences

Both runs have the same seed, and every packet its own dice: so whatever differs comes from the change alone.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, cast

import msgspec

from netlab.errors import NetlabError, UnitError
from netlab.network.link_config import Fate
from netlab.network.simulator import Tap
from netlab.scenarios.scenario import Scenario
from netlab.scenarios.simulated import BACK, THERE, run
from netlab.scenarios.timeline import DIRECTIONS, Step, Timeline
from netlab.scenarios.worlds import Ran
from netlab.units import MS, Ns, format_duration, parse_duration

Verb = Literal["drop", "deliver", "duplicate", "corrupt", "delay"]

DONE: dict[Verb, str] = {
    "drop": "dropped",
    "deliver": "delivered whatever the dice said",
    "duplicate": "sent twice",
    "corrupt": "damaged",
    "delay": "delayed",
}

MOST_LISTED = 10_000
"""Packets of one direction whose fates can be changed."""

_EXAMPLES = 3


class BadFate(NetlabError, ValueError):
    """A change that cannot be made; the message shows a right form."""


class Forced(msgspec.Struct, frozen=True):
    """A change: the fates of some packets of one direction."""

    direction: str
    fates: tuple[Fate, ...]


class Row(msgspec.Struct, frozen=True):
    """The same packet in both runs; None where it was not sent."""

    first: Step | None
    second: Step | None

    @property
    def is_same(self) -> bool:
        """Whether nothing differs, nor when; but that others came before it, which changes its number."""
        first, second = self.first, self.second
        return (
            first is not None and second is not None and msgspec.structs.replace(first, number=second.number) == second
        )

    @property
    def step(self) -> Step:
        """In the first run, if it is in there."""
        return cast(Step, self.first or self.second)


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs side by side.

    Attributes:
        forced: what was changed in the second.
        first, second: what came of each.
        rows: every packet of either, in the order in which they came to the link. Both timelines are in here: `first`
            and `second` of each row.
        parts_at: the first row that differs; None where none does.
        differences: in words, a sentence each.
    """

    seed: int
    forced: tuple[Forced, ...]
    first: Ran
    second: Ran
    rows: list[Row]
    parts_at: int | None
    differences: list[str]


def read_fates(verb: Verb, text: str) -> Forced:
    """What to do to which packets: `client>server:5,9`, `there:1-4`, and for a delay `gateway>server:5=200ms`.

    Raises:
        BadFate: not of that form, or no direction of the link.

    >>> read_fates("delay", "client>server:5=200ms").fates
    (Fate(packet=5, does='delay', delay=200000000),)
    """
    example = f"--{verb} 'client>server:5,9{'=200ms' if verb == 'delay' else ''}'"
    where, colon, which = text.rpartition(":")
    if not colon:
        raise BadFate(f"--{verb} {text!r} names no packets: write {example}")
    direction = DIRECTIONS.get(where.strip().replace(" ", ""))
    if direction is None:
        raise BadFate(
            f"--{verb} {text!r}: {where!r} is no direction of the link: they are client>server (or {THERE}, or there) "
            f"and server>client (or {BACK}, or back); write {example}"
        )
    numbers, equals, delay = which.partition("=")
    if bool(equals) != (verb == "delay"):
        raise BadFate(f"--{verb} {text!r} {'says not how long' if verb == 'delay' else 'has a ='}: write {example}")
    try:
        longer = parse_duration(delay) if equals else 0
        packets = [number for part in numbers.split(",") for number in _span(part)]
    except (UnitError, ValueError) as error:
        detail = error if isinstance(error, UnitError) else f"{numbers!r} is no list of packets, counted from 1"
        raise BadFate(f"--{verb} {text!r}: {detail}; write {example}") from None
    return Forced(direction, tuple(Fate(packet, verb, longer) for packet in packets))


def _span(text: str) -> range:
    """`5` or `5-9`."""
    first, dash, last = text.strip().partition("-")
    words = (first, last) if dash else (first,)
    if not all(word.isascii() and word.isdecimal() and 0 < len(word) <= 9 for word in words):
        raise ValueError
    span = range(int(first), int(words[-1]) + 1)
    if not 0 < len(span) <= MOST_LISTED or span.start < 1:
        raise ValueError
    return span


def what_if(scenario: Scenario, *, seed: int, forced: Iterable[Forced], tap: Tap | None = None) -> WhatIf:
    """Run a scenario twice from one seed, the second time with these changes.

    Args:
        tap: sees the second run.

    Raises:
        BadFate: a packet has two fates, or never comes.
    """
    forced = tuple(forced)
    fates = _by_direction(forced)
    timelines = Timeline(), Timeline()
    first = run(scenario, seed=seed, watcher=timelines[0])
    second = run(scenario, seed=seed, watcher=timelines[1], fates=fates, tap=tap)
    for direction, its in fates.items():
        latest = max(fate.packet for fate in its)
        if latest > (came := second.links[direction].arrived):
            raise BadFate(f"{direction} has no packet {latest}: only {came} come in {second.seconds:.3f} s")
    rows = _aligned(*timelines)
    parts_at = next((place for place, row in enumerate(rows) if not row.is_same), None)
    return WhatIf(
        seed=seed,
        forced=forced,
        first=first,
        second=second,
        rows=rows,
        parts_at=parts_at,
        differences=_differences(forced, rows, parts_at, first, second),
    )


def _by_direction(forced: Sequence[Forced]) -> dict[str, list[Fate]]:
    fates: dict[str, list[Fate]] = {}
    for one in forced:
        fates.setdefault(one.direction, []).extend(one.fates)
    for direction, its in fates.items():
        (number, times), *_ = Counter(fate.packet for fate in its).most_common(1)
        if times > 1:
            raise BadFate(f"packet {number} of {direction} has two fates: give it one")
    return fates


def _aligned(first: Timeline, second: Timeline) -> list[Row]:
    in_first, in_second = dict(first.steps()), dict(second.steps())
    rows = [Row(step, in_second.get(key)) for key, step in in_first.items()]
    rows += [Row(None, step) for key, step in in_second.items() if key not in in_first]
    return sorted(rows, key=lambda row: (_came(row), row.step.direction == BACK, row.step.number))


def _came(row: Row) -> Ns:
    return min(step.at for step in (row.first, row.second) if step is not None)


# ---- in words --------------------------------------------------------------------------------------------------------


def _differences(
    forced: Sequence[Forced], rows: Sequence[Row], parts_at: int | None, first: Ran, second: Ran
) -> list[str]:
    said = list(_what_was_changed(forced, rows))
    if parts_at is None:
        return [*said, f"Nothing differs: all {len(rows)} packets have the fate that they had."]
    alike = f"They are alike for {_packets(parts_at)}, and part" if parts_at else "They part"
    said.append(f"{alike} at {_ms(_came(rows[parts_at]))}.")
    both = [(row.first, row.second) for row in rows if row.first is not None and row.second is not None]
    groups = (
        ("Lost only with the change", [b for a, b in both if a.is_delivered and not b.is_delivered]),
        ("Lost only without it", [b for a, b in both if b.is_delivered and not a.is_delivered]),
        ("Sent only with the change", [row.step for row in rows if row.first is None]),
        ("Sent only without it", [row.step for row in rows if row.second is None]),
    )
    said += [f"{what}: {_packets(len(steps))}: {_examples(steps)}." for what, steps in groups if steps]
    moved = [b.left - a.left for a, b in both if a.is_delivered and b.is_delivered and a.left != b.left]
    for word, by in (("Later", [m for m in moved if m > 0]), ("Earlier", [-m for m in moved if m < 0])):
        if by:
            middle, most = _ms(round(statistics.median(by))), _ms(max(by))
            said.append(f"{word} than without it: {_packets(len(by))}, by {middle} at the median and {most} at most.")
    for before, now in zip(first.flows, second.flows, strict=True):
        changes = [
            f"{getattr(now, key)} {word} instead of {getattr(before, key)}"
            for key, word in (("sent", "sent"), ("delivered", "delivered"), ("doubled", "doubled"))
            if getattr(now, key) != getattr(before, key)
        ]
        for key, share in (("p50_ms", "half"), ("p99_ms", "99 %")):
            a, b = getattr(before, key), getattr(now, key)
            if a != b and a is not None and b is not None:
                changes.append(f"{share} within {b:.1f} ms instead of {a:.1f}")
        said.append(f"{now.what}: {', '.join(changes) or 'nothing differs in what was delivered'}.")
    return said


def _what_was_changed(forced: Sequence[Forced], rows: Sequence[Row]) -> Iterable[str]:
    by_number = {(row.second.direction, row.second.number): row for row in rows if row.second is not None}
    for one in forced:
        for fate in one.fates[:_EXAMPLES]:
            row = by_number[one.direction, fate.packet]
            by = f" by {format_duration(fate.delay)}" if fate.does == "delay" else ""
            before = "" if row.first is None else f"; else it is {row.first.came_to} at {_ms(row.first.left)}"
            yield f"{one.direction} {fate.packet} ({row.step.packet}) is {DONE[fate.does]}{by}{before}."
        if len(one.fates) > _EXAMPLES:
            yield f"So are {len(one.fates) - _EXAMPLES} more of {one.direction}."


def _ms(time: Ns) -> str:
    return f"{time / MS:.1f} ms"


def _packets(count: int) -> str:
    return "1 packet" if count == 1 else f"{count} packets"


def _examples(steps: Sequence[Step]) -> str:
    words = [f"{step.packet} at {_ms(step.at)}" for step in steps[:_EXAMPLES]]
    return "; ".join(words) + (f"; and {len(steps) - _EXAMPLES} more" if len(steps) > _EXAMPLES else "")
