"""What the members of a cluster's rooms wrote, put together: how operations ended, what was lost, doubled or late, and
for whom. The comparing of each room is `compare`'s."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from netlab.conformance.compare import Report, compare
from netlab.conformance.log import Began, Ended, Heard, Line, Sent, Turned, read_log
from netlab.units import MS, Ns, S


class Delivery(msgspec.Struct, frozen=True):
    """A message that came to a member: when it was said and by whom, to whom, and how long that took."""

    said_at: Ns
    sender: str
    receiver: str
    took: Ns


class Delays(msgspec.Struct, frozen=True):
    """Of some deliveries, ms: the median, the 99th percentile, that of the worst second, and the longest.

    Attributes:
        deliveries: how many.
    """

    deliveries: int
    p50: float
    p99: float
    worst_second_p99: float
    longest: float


class Account:
    """The logs of a cluster's members, by name.

    Attributes:
        reports: what `compare` says of each room.
    """

    def __init__(self, logs: Path) -> None:
        self.reports: dict[str, Report] = {}
        self.members: dict[str, Sequence[Line]] = {}
        self._said: dict[tuple[str, int], Ns] = {}
        for room in sorted(path for path in logs.iterdir() if path.is_dir()):
            read: list[Sequence[Line]] = [read_log(path) for path in sorted(room.glob("*.jsonl"))]
            self.reports[room.name] = compare(read)
            for log in read:
                if log and isinstance(log[0], Began):
                    self.members[log[0].name] = log
        for log in self.members.values():
            self._said.update({(line.sender, line.n): line.at for line in log if isinstance(line, Sent)})
        self.deliveries = [delivery for name, log in self.members.items() for delivery in self._deliveries(name, log)]

    def _deliveries(self, name: str, log: Sequence[Line]) -> list[Delivery]:
        return [
            Delivery(said_at, line.sender, name, line.at - said_at)
            for line in log
            if isinstance(line, Heard) and (said_at := self._said.get((line.sender, line.n))) is not None
        ]

    def total(self, field: str) -> int:
        """Over all rooms and members: `lost`, `told`, `duplicates`, `untold`, ..."""
        return sum(report.total(field) for report in self.reports.values())

    def of_rooms(self, field: str) -> int:
        """Over all rooms: `sent`, `ok`, `failed`, `unknown`, `unended`, `swapped`, ..."""
        return sum(int(getattr(report, field)) for report in self.reports.values())

    @property
    def lost_and_not_reported(self) -> int:
        """Messages that ended `ok`, and that a member neither received nor was told of, added up over the members."""
        return self.total("lost") - self.total("told")

    def outcomes(self, begin: Ns, end: Ns) -> Counter[str]:
        """How operations that were begun in this time ended, at last."""
        return Counter(
            line.status
            for log in self.members.values()
            for line in log
            if isinstance(line, Ended) and begin <= self._said[line.sender, line.n] < end
        )

    def turned(self, status: str, begin: Ns, end: Ns) -> dict[str, Ns]:
        """Whom this befell in this time, as `degraded`, and when for the first time."""
        when: dict[str, Ns] = {}
        for name, log in self.members.items():
            for line in log:
                if isinstance(line, Turned) and line.status == status and begin <= line.at < end:
                    when.setdefault(name, line.at)
        return when

    def last_not_ok(self, begin: Ns, end: Ns) -> Ns | None:
        """When the last of the operations that were begun in this time, and did not end `ok`, was begun."""
        return max(
            (
                self._said[line.sender, line.n]
                for log in self.members.values()
                for line in log
                if isinstance(line, Ended) and line.status != "ok" and begin <= self._said[line.sender, line.n] < end
            ),
            default=None,
        )

    def back(self, members: Collection[str], since: Ns) -> dict[str, Ns | None]:
        """How long each member that was cut off after `since` took until its connection stood again; None for never."""
        took: dict[str, Ns | None] = {}
        for name in members:
            cut = False
            for line in self.members[name]:
                if not isinstance(line, Turned) or line.at < since:
                    continue
                if line.status == "reconnecting" and not cut:
                    cut, took[name] = True, None
                elif cut and line.status in ("resumed", "restarted"):
                    took[name] = line.at - since
                    break
        return took

    def delays(self, begin: Ns, end: Ns, among: Collection[Collection[str]]) -> Delays | None:
        """Of what was said in this time, of both ends within one of these groups; None where nothing was.

        Args:
            among: groups of members.
        """
        home = {name: number for number, group in enumerate(among) for name in group}
        chosen = [
            one
            for one in self.deliveries
            if begin <= one.said_at < end and home.get(one.sender, -1) == home.get(one.receiver, -2)
        ]
        if len(chosen) < 2:
            return None
        seconds: dict[int, list[Ns]] = {}
        for one in chosen:
            seconds.setdefault((one.said_at - begin) // S, []).append(one.took)
        all_of_them = [one.took for one in chosen]
        return Delays(
            deliveries=len(chosen),
            p50=statistics.median(all_of_them) / MS,
            p99=_p99(all_of_them) / MS,
            worst_second_p99=max(_p99(took) for took in seconds.values()) / MS,
            longest=max(all_of_them) / MS,
        )


def _p99(values: list[Ns]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98] if len(values) > 1 else float(values[0])
