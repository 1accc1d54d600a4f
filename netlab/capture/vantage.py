"""One packet seen at several places: what left the sender, what became of it on the wire, what the receiver got.

    for journey in journeys(read("testbed.pcapng")):
        print(journey.sent, journey.what_happened)

The captures that `netlab testbed --capture` and `netlab simulate --capture` write have an interface for each host and
one for each direction of the link, named `A>B`. A packet has no name that it keeps; it is known again by its bytes:
IP's identification, the ports and numbers of the transport, and the data. Two that are alike in all of them (a copy of
a datagram, a segment sent again with the same identification) are told apart by their order. One that was damaged is
the one that differs in a few bytes from what was sent before and is not accounted for.
"""

from __future__ import annotations

import bisect
import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator

import msgspec

from netlab.capture.files import Capture
from netlab.errors import CaptureError
from netlab.packets.capture_record import LinkType, Record
from netlab.packets.pcapng import INBOUND, OUTBOUND
from netlab.packets.text import printable
from netlab.units import MS, Ns

_DROPPED = re.compile(r"^dropped: (.*?)(?: \((\w+)\))?$", re.MULTILINE)
_ADDRESSES = 12  # bytes of an Ethernet header: destination and source
_MOST_CHANGED = 8
"""Bytes of a packet that may differ for it still to be taken for the one that was sent."""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of the link for a packet: once as a rule, more often where the link doubled it.

    Attributes:
        wire: number of the packet of the capture that shows it on the wire; None where nobody looked there.
        received: number of the one that shows it at the receiver; None where it did not get there, or nobody looked.
        dropped: why it was lost, in words; "" where nobody knows. None where it was not.
        reason: the name that the link has for that, such as `queue_full`.
        changed: offsets of the bytes that are not as they were sent.
        delay: from the sending until it came out, or was lost, ns; None where a time is missing.
    """

    wire: int | None = None
    received: int | None = None
    dropped: str | None = None
    reason: str = ""
    changed: tuple[int, ...] = ()
    delay: Ns | None = None


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one packet.

    Attributes:
        direction: such as `A>B`.
        sent: number of the packet of the capture that shows it at its sender.
        time_ns: when it was sent.
        length: its bytes, the link's header included.
        copies: what came out of the link, in that order; none: it was still on its way at the end, or (without a look
            at the wire) lost.
        overtaken_by: how many that were sent later arrived earlier.
    """

    direction: str
    sent: int
    time_ns: Ns | None
    length: int
    copies: tuple[Copy, ...]
    overtaken_by: int = 0

    @property
    def arrived(self) -> tuple[Copy, ...]:
        """The copies that were not lost."""
        return tuple(copy for copy in self.copies if copy.dropped is None)

    @property
    def what_happened(self) -> list[str]:
        """The differences between what was sent and what arrived, each in words; an empty list: it arrived at once."""
        said = [f"lost: {copy.dropped or 'nobody saw where'}" for copy in self.copies if copy.dropped is not None]
        if not self.copies:
            said.append("on its way when the capture ended")
        if len(self.arrived) > 1:
            said.append(f"duplicated: {len(self.arrived)} copies arrived")
        for copy in self.arrived:
            if copy.changed:
                bytes_ = ", ".join(str(at) for at in copy.changed)
                said.append(f"corrupted: byte{'s' if len(copy.changed) > 1 else ''} {bytes_}")
        delays = [copy.delay for copy in self.arrived if copy.delay]
        if delays:
            said.append(f"delayed by {' and '.join(f'{delay / MS:.3f} ms' for delay in delays)}")
        if self.overtaken_by:
            said.append(f"overtaken by {self.overtaken_by}")
        return said


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the packets of one direction, as the link's own account counts them.

    Attributes:
        sent, delivered: packets that went in, and that came out, each copy counted.
        dropped: those that were lost, by the link's name for the reason.
        duplicated: copies beyond the first.
        corrupted: packets of which a copy came out damaged.
        overtaken: packets that a later one overtook.
        on_the_way: packets that had not come out at the end.
    """

    sent: int
    delivered: int
    dropped: dict[str, int]
    duplicated: int
    corrupted: int
    overtaken: int
    on_the_way: int


def directions(capture: Capture) -> dict[str, tuple[str, str]]:
    """The directions of the links that a capture was made at, by name: sender and receiver.

    Raises:
        CaptureError: it was made at one place only, or its places have no names that say so.
    """
    names = [interface.name or "" for interface in capture.interfaces]
    found = {name: (name.split(">")[0], name.split(">")[1]) for name in names if name.count(">") == 1}
    known = {name: ends for name, ends in found.items() if set(ends) & set(names)}
    if not known:
        raise CaptureError(
            f"{capture.path} was not captured at both ends of a link: netlab testbed --capture and netlab simulate "
            "--capture do so, and name the places A, A>B and B"
        )
    return known


def journeys(capture: Capture) -> list[Journey]:
    """What became of every packet that was sent, in the order of sending.

    Raises:
        CaptureError: as `directions`.
    """
    found: list[Journey] = []
    seen = _Seen(capture)
    for name, (sender, receiver) in directions(capture).items():
        sent, wire, got = seen.at(sender, OUTBOUND), seen.at(name, 0), seen.at(receiver, INBOUND)
        found += _overtaken(_follow(name, _on_this_link(sent, wire or got), wire, _on_this_link(got, wire or sent)))
    return sorted(found, key=lambda journey: journey.sent)


def sums(found: Iterable[Journey]) -> dict[str, Sums]:
    """What became of the packets, by direction."""
    by_direction: dict[str, list[Journey]] = defaultdict(list)
    for journey in found:
        by_direction[journey.direction].append(journey)
    return {name: _sums(those) for name, those in by_direction.items()}


def _sums(found: list[Journey]) -> Sums:
    dropped: dict[str, int] = defaultdict(int)
    for journey in found:
        for copy in journey.copies:
            if copy.dropped is not None:
                dropped[copy.reason or "unknown"] += 1
    return Sums(
        sent=len(found),
        delivered=sum(len(journey.arrived) for journey in found),
        dropped=dict(dropped),
        duplicated=sum(max(0, len(journey.copies) - 1) for journey in found),
        corrupted=sum(any(copy.changed for copy in journey.arrived) for journey in found),
        overtaken=sum(journey.overtaken_by > 0 for journey in found),
        on_the_way=sum(not journey.copies for journey in found),
    )


# ---- following them --------------------------------------------------------------------------------------------------


class _Seen:
    """The packets of a capture by where, and in which direction, they were seen."""

    def __init__(self, capture: Capture) -> None:
        self._at: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for packet, direction in zip(capture, capture.columns.direction.tolist(), strict=True):
            self._at[packet.record.interface.name or "", direction].append(packet.record)

    def at(self, place: str, direction: int) -> list[Record]:
        return self._at[place, direction]


def _on_this_link(records: list[Record], others: list[Record]) -> list[Record]:
    """Those that the link's own addresses say are on it: a host may have further links, which its place shows too."""
    addresses = {record.data[:_ADDRESSES] for record in others if record.interface.linktype == LinkType.EN10MB}
    return [record for record in records if not addresses or record.data[:_ADDRESSES] in addresses]


def _follow(name: str, sent: list[Record], wire: list[Record], got: list[Record]) -> list[Journey]:
    copies: dict[int, list[Copy]] = {record.number: [] for record in sent}
    at_receiver: dict[int, int | None] = {}
    if wire:
        for one, other, _ in _pairs([record for record in wire if _why_dropped(record) is None], got):
            at_receiver.setdefault(one.number, other.number)
    for one, other, changed in _pairs(sent, wire or got):
        why = _why_dropped(other)
        copies[one.number].append(
            Copy(
                wire=other.number if wire else None,
                received=at_receiver.get(other.number) if wire else other.number,
                dropped=None if why is None else why[0],
                reason="" if why is None else why[1],
                changed=changed,
                delay=None if one.time_ns is None or other.time_ns is None else other.time_ns - one.time_ns,
            )
        )
    found = []
    for record in sent:
        those = copies[record.number] or ([] if wire else [Copy(dropped="")])
        found.append(
            Journey(
                direction=name,
                sent=record.number,
                time_ns=record.time_ns,
                length=record.original_len,
                copies=tuple(those),
            )
        )
    return found


def _pairs(before: list[Record], after: list[Record]) -> Iterator[tuple[Record, Record, tuple[int, ...]]]:
    """Each packet of `after` with the one of `before` that it was, and the bytes in which it differs.

    Of several that are alike, the first that was not seen again yet; where all were, the last: it was doubled.
    """
    waiting: dict[bytes, deque[Record]] = defaultdict(deque)
    last: dict[bytes, Record] = {}
    by_length: dict[int, list[Record]] = defaultdict(list)
    for record in before:
        by_length[len(record.data)].append(record)
    coming = deque(before)
    settled: set[int] = set()
    for record in after:
        while coming and _not_later(coming[0], record):
            first = coming.popleft()
            waiting[first.data].append(first)
        if queue := waiting.get(record.data):
            last[record.data] = queue.popleft()
            settled.add(last[record.data].number)
        if (was := last.get(record.data)) is not None:
            yield was, record, ()
            continue
        nearest = _nearest(record, by_length[len(record.data)], settled)
        if nearest is not None:
            was, changed = nearest
            settled.add(was.number)
            if was in (queue := waiting.get(was.data, deque())):
                queue.remove(was)
                last[was.data] = was
            yield was, record, changed


def _nearest(record: Record, before: list[Record], settled: set[int]) -> tuple[Record, tuple[int, ...]] | None:
    """What a damaged packet was: it differs from it in the fewest bytes, and was better not seen again yet."""
    best: tuple[int, bool, int] | None = None
    found: tuple[Record, tuple[int, ...]] | None = None
    until = bisect.bisect_right(before, record.time_ns or 0, key=lambda one: one.time_ns or 0)
    now = int.from_bytes(record.data, "big")
    for one in before[:until]:
        difference = (now ^ int.from_bytes(one.data, "big")).to_bytes(len(record.data), "big")
        count = len(difference) - difference.count(0)
        if count > _MOST_CHANGED:
            continue
        rank = (count, one.number in settled, one.number)
        if best is None or rank < best:
            best = rank
            found = one, tuple(at for at, byte in enumerate(difference) if byte)
    return found


def _not_later(one: Record, other: Record) -> bool:
    return one.time_ns is None or other.time_ns is None or one.time_ns <= other.time_ns


def _why_dropped(record: Record) -> tuple[str, str] | None:
    """In words and by the link's name, or None where it was not."""
    match = _DROPPED.search(record.comment or "")
    return None if match is None else (printable(match[1]), match[2] or "")


def _overtaken(found: list[Journey]) -> list[Journey]:
    """The same, with how many later ones came before each."""
    order = [
        (journey.time_ns + copy.delay, number)
        for number, journey in enumerate(found)
        for copy in journey.arrived[:1]
        if journey.time_ns is not None and copy.delay is not None
    ]
    overtaken: dict[int, int] = {}
    passed: list[int] = []  # those that have arrived, sorted
    for _, number in sorted(order):
        overtaken[number] = len(passed) - bisect.bisect(passed, number)
        bisect.insort(passed, number)
    return [
        msgspec.structs.replace(journey, overtaken_by=overtaken[number]) if overtaken.get(number) else journey
        for number, journey in enumerate(found)
    ]
