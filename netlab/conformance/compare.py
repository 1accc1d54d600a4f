"""The fourth program: reads what sender, hub and receivers wrote, and says what was lost, doubled, swapped or damaged.

    lost        ended ok and never received, by a receiver that was there
    told        of these: the hub told that receiver a gap that covers them
    unexpected  received and never sent
    duplicate   received more than once
    reordered   came after a later message of the same sender
    swapped     came in another order than at another receiver of the same room

It knows nothing of transports or of how the logs came to be: `python -m netlab.conformance.compare DIRECTORY` compares
any logs of this form.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from netlab.conformance.log import Began, Counted, Ended, Heard, Line, Missed, Noted, Sent, read_log

Id: TypeAlias = tuple[str, int]
"""A message: its sender and its number there."""

Place: TypeAlias = tuple[int, str, int]
"""A number in a room, in one life of the hub: a restarted hub numbers anew. A gap of unknown size tells of that."""

Gap: TypeAlias = tuple[int, str, int, int | None]
"""Numbers that a receiver was told it missed: life, room, first, last (None: all the rest of that life)."""


class Receiver(msgspec.Struct, kw_only=True):
    """What one receiver got, against what was sent.

    Attributes:
        heard: different messages that were sent and came, in whatever state.
        torn: came with another length than they were sent with.
        damaged: came with other bytes than they were sent with.
        by_length: heard, by the length sent.
        gaps: as told: room, first, last (None: nobody knows).
        untold: numbers of its room that it did not get and was not told of.
        wrongly_told: numbers it did get although a gap covers them.
        missed: numbers of its room that it did not get.
    """

    name: str
    heard: int = 0
    lost: int = 0
    told: int = 0
    unexpected: int = 0
    duplicates: int = 0
    reordered: int = 0
    falling_numbers: int = 0
    torn: int = 0
    damaged: int = 0
    by_length: dict[int, int] = {}
    gaps: list[tuple[str, int, int | None]] = []
    missed: int = 0
    untold: int = 0
    wrongly_told: int = 0


class Report(msgspec.Struct, kw_only=True):
    """What the logs of one experiment say together.

    Attributes:
        sent: messages that were sent; those that raised an error to the caller are not among them.
        raised: those, by code.
        unended: operations that never ended, which must not be.
        failed_yet_heard: ended `failed`, which promises "surely not done", and were received.
        unknown_heard: ended `unknown` and were received.
        swapped: over all pairs of receivers.
        renumbered: messages with different numbers in the same room, over all logs.
    """

    sent: int
    ok: int
    failed: int
    unknown: int
    unended: int
    raised: dict[str, int]
    failed_yet_heard: int
    unknown_heard: int
    sent_by_length: dict[int, int]
    receivers: list[Receiver]
    swapped: int
    renumbered: int
    counters: dict[str, dict[str, int]]

    def total(self, field: str) -> int:
        """Over all receivers: `lost`, `duplicates`, ..."""
        return sum(getattr(receiver, field) for receiver in self.receivers)

    def of(self, name: str) -> Receiver:
        """One receiver."""
        return next(receiver for receiver in self.receivers if receiver.name == name)


def compare(logs: Iterable[Sequence[Line]]) -> Report:
    """Compare the logs of all roles."""
    by_role: dict[str, list[tuple[str, Sequence[Line]]]] = defaultdict(list)
    for log in logs:
        if log and isinstance(log[0], Began):
            by_role[log[0].role].append((log[0].name, log))
    everyone = [log for role in by_role.values() for _, log in role]
    sent = {(line.sender, line.n): line for log in everyone for line in log if isinstance(line, Sent)}
    ended = {(line.sender, line.n): line for log in everyone for line in log if isinstance(line, Ended)}
    for id_, end in ended.items():
        if end.raised:
            del sent[id_]
    known = _known_places(everyone)
    receivers = [_receiver(name, log, sent, ended, known) for name, log in sorted(by_role["receiver"])]
    firsts = [_first_positions(log) for _, log in by_role["receiver"] + by_role["sender"]]
    heard = {(line.sender, line.n) for log in everyone for line in log if isinstance(line, Heard) and line.sender}
    outcomes = {id_: ended[id_].status for id_ in sent if id_ in ended}
    status = Counter(outcomes.values())
    return Report(
        sent=len(sent),
        ok=status["ok"],
        failed=status["failed"],
        unknown=status["unknown"],
        unended=len(sent) - len(outcomes),
        raised=dict(Counter(end.code for end in ended.values() if end.raised)),
        failed_yet_heard=sum(outcome == "failed" and id_ in heard for id_, outcome in outcomes.items()),
        unknown_heard=sum(outcome == "unknown" and id_ in heard for id_, outcome in outcomes.items()),
        sent_by_length=dict(Counter(line.length for line in sent.values())),
        receivers=receivers,
        swapped=sum(_swapped(a, b) for a, b in itertools.combinations(firsts, 2)),
        renumbered=_renumbered(everyone),
        counters={line.name: end.counters for log in everyone for line in log[:1] for end in log
                  if isinstance(line, Began) and isinstance(end, Counted)},
    )  # fmt: skip


def _receiver(
    name: str, log: Sequence[Line], sent: dict[Id, Sent], ended: dict[Id, Ended], known: dict[Id, list[Place]]
) -> Receiver:
    report = Receiver(name=name, by_length={}, gaps=[])
    times: Counter[Id] = Counter()
    highest: dict[str, int] = {}
    for line in log:
        if isinstance(line, Missed):
            report.gaps.append((line.room, line.first, line.last))
        if not isinstance(line, Heard):
            continue
        id_ = (line.sender, line.n)
        original = sent.get(id_)
        if original is None:
            report.unexpected += 1
            continue
        report.torn += line.got_length != original.length
        report.damaged += line.got_sha256 != original.sha256 or line.sha256 != original.sha256
        times[id_] += 1
        if times[id_] == 1:
            report.by_length[original.length] = report.by_length.get(original.length, 0) + 1
            if line.n < highest.get(line.sender, line.n):
                report.reordered += 1
            highest[line.sender] = max(line.n, highest.get(line.sender, line.n))
    report.heard = len(times)
    report.duplicates = sum(times.values()) - len(times)
    report.falling_numbers = _falling_numbers(log)
    gaps = _gaps(log)
    for id_ in sent:
        if id_ in ended and ended[id_].status == "ok" and id_ not in times:
            report.lost += 1
            report.told += any(_covered(place, gaps) for place in known.get(id_, []))
    came = {place for id_ in times for place in known.get(id_, [])}  # perhaps without its number, while Redis was away
    _check_gaps(report, log, gaps, {place for places in known.values() for place in places} - came)
    return report


def _check_gaps(report: Receiver, log: Sequence[Line], gaps: list[Gap], known: set[Place]) -> None:
    """Do the gaps cover exactly the numbers that did not come?"""
    mine = {place for _, place in _places(log)}
    if not mine:
        return
    first: dict[str, Place] = {}
    last: dict[str, Place] = {}
    for place in mine:
        first[place[1]] = min(place, first.get(place[1], place))
        last[place[1]] = max(place, last.get(place[1], place))
    missing = {p for p in known - mine if p[1] in first and first[p[1]] < p < last[p[1]]}
    report.missed = len(missing)
    report.untold = sum(not _covered(place, gaps) for place in missing)
    report.wrongly_told = sum(_covered(place, gaps) for place in mine)


def _covered(place: Place, gaps: list[Gap]) -> bool:
    life, room, number = place
    return any(
        life == gap_life and room == gap_room and first <= number and (last is None or number <= last)
        for gap_life, gap_room, first, last in gaps
    )


def _gaps(log: Sequence[Line]) -> list[Gap]:
    """The gaps told. One of unknown size reaches into the hub's next life, up to where this receiver was in again."""
    gaps: list[Gap] = []
    life = 0
    again: str | None = None
    for line in log:
        match line:
            case Missed(room, first, last):
                gaps.append((life, room, first, last))
                if last is None:
                    life, again = life + 1, room
            case Heard(rooms=rooms) | Noted(rooms=rooms) if again in rooms:
                gaps.append((life, again, 1, rooms[again] - 1))
                again = None
    return gaps


def _places(log: Sequence[Line]) -> list[tuple[Id | None, Place]]:
    """Every number that this log knows of: what came, and what the hub answered to the sender."""
    life = 0
    places: list[tuple[Id | None, Place]] = []
    for line in log:
        match line:
            case Missed(last=None):
                life += 1
            case Heard(rooms=rooms, sender=sender, n=n) | Ended(rooms=rooms, sender=sender, n=n):
                places.extend(((sender, n), (life, room, number)) for room, number in rooms.items())
            case Noted(rooms=rooms):
                places.extend((None, (life, room, number)) for room, number in rooms.items())
    return places


def _known_places(logs: Iterable[Sequence[Line]]) -> dict[Id, list[Place]]:
    known: dict[Id, list[Place]] = defaultdict(list)
    for log in logs:
        for id_, place in _places(log):
            known[id_ or ("", 0)].append(place)
    return known


def _renumbered(logs: Iterable[Sequence[Line]]) -> int:
    numbers: dict[tuple[Id, int, str], set[int]] = defaultdict(set)
    for log in logs:
        for id_, (life, room, number) in _places(log):
            if id_ is not None:
                numbers[id_, life, room].add(number)
    return sum(len(different) > 1 for different in numbers.values())


def _falling_numbers(log: Sequence[Line]) -> int:
    """Events whose number in a room is not above all that came before."""
    highest: dict[tuple[int, str], int] = {}
    falling = 0
    for _, (life, room, number) in _places([line for line in log if not isinstance(line, Ended)]):
        falling += number <= highest.get((life, room), 0)
        highest[life, room] = max(number, highest.get((life, room), 0))
    return falling


def _first_positions(log: Sequence[Line]) -> dict[Id, int]:
    positions: dict[Id, int] = {}
    for position, line in enumerate(log):
        if isinstance(line, Heard) and line.sender and line.rooms:  # what has no number has no place in the order
            positions.setdefault((line.sender, line.n), position)
    return positions


def _swapped(a: dict[Id, int], b: dict[Id, int]) -> int:
    """Of the messages that both have, how many stand before one at `b` that they follow at `a`."""
    swapped, highest = 0, -1
    for id_ in a:  # in a's order
        position = b.get(id_)
        if position is not None:
            swapped += position < highest
            highest = max(highest, position)
    return swapped


def compare_directory(directory: Path) -> Report:
    """Compare all logs (`*.jsonl`) of a directory."""
    return compare(read_log(path) for path in sorted(directory.glob("*.jsonl")))


def main() -> None:
    """Print the report as one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.compare", description=main.__doc__)
    parser.add_argument("directory", type=Path, help="where the logs of one experiment are")
    report = compare_directory(parser.parse_args().directory)
    sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


if __name__ == "__main__":
    main()
