"""The comparer, on logs written by hand: it must see everything that the suite relies on it to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netlab.conformance.compare import Report, compare, compare_directory
from netlab.conformance.log import Began, Counted, Ended, Heard, Line, Log, Missed, Noted, Sent, Turned, read_log


def sent(n: int, length: int = 3, sha256: str = "", by: str = "ann") -> Sent:
    return Sent(by, n, length, sha256 or f"sha-{n}")


def ok(n: int, number: int, by: str = "ann") -> Ended:
    return Ended(by, n, "ok", {"lab": number})


def heard(n: int, number: int, by: str = "ann", *, got_length: int = 3, got: str = "", room: str = "lab") -> Heard:
    return Heard({room: number}, by, n, 3, f"sha-{n}", got_length, got or f"sha-{n}")


def joined(number: int, name: str = "bob") -> Noted:
    return Noted("joined", {"lab": number}, name)


def of(sender: list[Line], **receivers: list[Line]) -> Report:
    logs: list[list[Line]] = [[Began("sender", "ann"), *sender]]
    logs += [[Began("receiver", name), *lines] for name, lines in receivers.items()]
    return compare(logs)


THREE: list[Line] = [sent(1), ok(1, 11), sent(2), ok(2, 12), sent(3), ok(3, 13)]
ALL: list[Line] = [joined(10), heard(1, 11), heard(2, 12), heard(3, 13)]
NOTHING = {
    "lost": 0, "told": 0, "unexpected": 0, "duplicates": 0, "reordered": 0, "falling_numbers": 0, "torn": 0,
    "damaged": 0, "missed": 0, "untold": 0, "wrongly_told": 0,
}  # fmt: skip


# fmt: off
RECEIVED: list[tuple[str, list[Line], dict[str, Any]]] = [
    ("everything", ALL, {"heard": 3}),
    ("all but one", [joined(10), heard(1, 11), heard(3, 13)], {"heard": 2, "lost": 1, "missed": 1, "untold": 1}),
    ("all but the last: who can tell that it was not to come?",
     [joined(10), heard(1, 11), heard(2, 12)], {"heard": 2, "lost": 1}),
    ("one twice", [*ALL, heard(2, 12)], {"heard": 3, "duplicates": 1, "falling_numbers": 1}),
    ("one thrice, under other numbers: done again", [*ALL, heard(2, 14), heard(2, 15)], {"heard": 3, "duplicates": 2}),
    ("two in the wrong order",
     [joined(10), heard(2, 12), heard(1, 11), heard(3, 13)], {"heard": 3, "reordered": 1, "falling_numbers": 1}),
    ("in the right order under wrong numbers",
     [joined(10), heard(1, 11), heard(2, 13), heard(3, 12)], {"heard": 3, "falling_numbers": 1}),
    ("never sent", [*ALL, heard(9, 14)], {"heard": 3, "unexpected": 1}),
    ("of somebody unknown", [*ALL, heard(1, 14, "eve")], {"heard": 3, "unexpected": 1}),
    ("without a readable stamp", [*ALL, Heard({"lab": 14}, "", 0, 0, "", 5, "x")], {"heard": 3, "unexpected": 1}),
    ("cut off", [joined(10), heard(1, 11), heard(2, 12, got_length=2, got="part"), heard(3, 13)],
     {"heard": 3, "torn": 1, "damaged": 1}),
    ("other bytes, same length", [joined(10), heard(1, 11), heard(2, 12, got="other"), heard(3, 13)],
     {"heard": 3, "damaged": 1}),
    ("an exact gap", [joined(10), Missed("lab", 11, 12), heard(3, 13)],
     {"heard": 1, "lost": 2, "told": 2, "missed": 2}),
    ("a gap that is too small", [joined(10), Missed("lab", 12, 12), heard(3, 13)],
     {"heard": 1, "lost": 2, "told": 1, "missed": 2, "untold": 1}),
    ("a gap that is too large", [joined(10), Missed("lab", 11, 13), heard(3, 13)],
     {"heard": 1, "lost": 2, "told": 2, "missed": 2, "wrongly_told": 1}),
    ("a gap in another room", [joined(10), Missed("den", 11, 12), heard(3, 13)],
     {"heard": 1, "lost": 2, "missed": 2, "untold": 2}),
    ("nothing at all", [Turned("joined")], {"heard": 0, "lost": 3}),
]
# fmt: on


@pytest.mark.parametrize(("lines", "expected"), [row[1:] for row in RECEIVED], ids=[row[0] for row in RECEIVED])
def test_what_one_receiver_got(lines: list[Line], expected: dict[str, int]) -> None:
    receiver = of(THREE, bob=lines).receivers[0]
    seen = {field: getattr(receiver, field) for field in ["heard", *NOTHING]}
    assert seen == {**NOTHING, **expected}


def test_outcomes_are_counted_and_a_failed_one_that_came_is_seen() -> None:
    sender: list[Line] = [
        *(sent(n) for n in range(1, 7)),
        ok(1, 11),
        Ended("ann", 2, "failed", code="rate_limited"),
        Ended("ann", 3, "failed", code="rate_limited"),
        Ended("ann", 4, "unknown"),
        Ended("ann", 5, "unknown"),
    ]
    report = of(sender, bob=[joined(10), heard(1, 11), heard(3, 12), heard(5, 13)])
    assert (report.sent, report.ok, report.failed, report.unknown, report.unended) == (6, 1, 2, 2, 1)
    assert (report.failed_yet_heard, report.unknown_heard) == (1, 1)
    assert report.total("lost") == 0


def test_what_raised_was_not_sent() -> None:
    report = of(
        [sent(1, 999), Ended("ann", 1, "failed", code="too_big", raised=True), *THREE[2:]],
        bob=[joined(10), heard(2, 12), heard(3, 13)],
    )
    assert (report.sent, report.raised, report.total("lost")) == (2, {"too_big": 1}, 0)
    assert of([sent(1), Ended("ann", 1, "failed", raised=True)], bob=[heard(1, 1)]).total("unexpected") == 1


def test_two_receivers_must_agree_on_the_order_of_what_they_share() -> None:
    def two(a: list[Line], b: list[Line]) -> int:
        return of([*THREE, sent(1, by="cem"), sent(2, by="cem")], bob=a, eve=b).swapped

    cem1, cem2 = heard(1, 14, "cem"), heard(2, 15, "cem")
    assert two([heard(1, 11), cem1, heard(2, 12)], [heard(1, 11), cem1, heard(2, 12)]) == 0
    assert two([heard(1, 11), cem1, heard(2, 12)], [heard(1, 11), heard(2, 12), cem1]) == 1
    assert two([heard(1, 11), heard(2, 12)], [cem1, cem2]) == 0  # they share nothing
    assert two([heard(1, 11), heard(2, 12)], [heard(1, 11), cem1, heard(2, 12)]) == 0  # one lacks one
    assert two([heard(1, 11), heard(2, 12), heard(1, 16)], [heard(1, 11), heard(2, 12)]) == 0  # a double is not order


def test_the_sender_hears_too_and_is_compared() -> None:
    report = of([*THREE, heard(2, 12), heard(1, 11)], bob=ALL)
    assert report.swapped == 1
    assert [receiver.name for receiver in report.receivers] == ["bob"]


def test_a_message_has_one_number_wherever_it_is_told() -> None:
    assert of(THREE, bob=ALL).renumbered == 0
    assert of(THREE, bob=ALL, eve=[joined(10), heard(1, 11), heard(2, 14), heard(3, 15)]).renumbered == 2
    assert of(THREE, bob=[joined(10), heard(1, 21)]).renumbered == 1  # the sender was told 11


def test_a_restarted_hub_numbers_anew() -> None:
    sender: list[Line] = [*THREE[:4], Missed("lab", 13, None), sent(3), ok(3, 2), sent(4), ok(4, 4)]
    bob: list[Line] = [joined(10), heard(1, 11), Missed("lab", 12, None), joined(3), heard(4, 4)]
    report = of(sender, bob=bob)
    receiver = report.receivers[0]
    # 2 was on its way when the hub was killed; 3 was said to the new hub before bob was there again
    assert (receiver.lost, receiver.told, receiver.missed, receiver.untold) == (2, 2, 2, 0)
    assert (receiver.falling_numbers, report.renumbered) == (0, 0)


def test_a_gap_of_unknown_size_does_not_cover_what_came_after_it() -> None:
    sender: list[Line] = [*THREE[:2], Missed("lab", 12, None), sent(2), ok(2, 3), sent(3), ok(3, 4)]
    bob: list[Line] = [joined(10), heard(1, 11), Missed("lab", 12, None), joined(2), heard(3, 4)]
    receiver = of(sender, bob=bob).receivers[0]
    assert (receiver.lost, receiver.told, receiver.untold) == (1, 0, 1)


def test_lengths_and_counters_are_handed_on() -> None:
    report = of([sent(1, 0), ok(1, 11), sent(2, 5), ok(2, 12)], bob=[joined(10), heard(2, 12), Counted({"missing": 1})])
    assert report.sent_by_length == {0: 1, 5: 1}
    assert report.of("bob").by_length == {5: 1}
    assert report.counters == {"bob": {"missing": 1}}


def test_the_program_reads_a_directory(tmp_path: Path) -> None:
    logs: dict[str, list[Line]] = {
        "s0": [Began("sender", "s0"), *THREE],
        "r0": [Began("receiver", "r0"), *ALL],
        "hub": [Began("hub", "hub"), Counted({"datagrams_in": 7})],
    }
    for name, lines in logs.items():
        log = Log(tmp_path / f"{name}.jsonl")
        for line in lines:
            log.write(line)
        log.close()
        assert read_log(tmp_path / f"{name}.jsonl") == lines
    command = [sys.executable, "-m", "netlab.conformance.compare", str(tmp_path)]
    printed = subprocess.run(command, capture_output=True, check=True).stdout
    assert msgspec.json.decode(printed, type=Report) == compare_directory(tmp_path)
    assert (tmp_path / "r0.jsonl").read_bytes().count(b"\n") == 5


def test_a_half_written_last_line_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "killed.jsonl"
    path.write_bytes(b'{"type":"began","role":"hub","name":"hub"}\n{"type":"coun')
    assert read_log(path) == [Began("hub", "hub")]
    path.write_bytes(b'{"type":"began"}\n')
    with pytest.raises(msgspec.ValidationError):
        read_log(path)


def test_what_was_heard_without_a_number_has_come_and_has_no_place_in_the_order() -> None:
    """While a server is without its broker, others may hear it later, with its number, where it stands in the room."""
    unnumbered = Heard({}, "ann", 2, 3, "sha-2", 3, "sha-2")
    report = of(THREE, bob=[joined(10), unnumbered, heard(1, 11), heard(3, 13)], cid=ALL)
    bob = report.of("bob")
    assert (bob.heard, bob.lost, bob.missed, bob.duplicates, report.swapped) == (3, 0, 0, 0, 0)
    again = of(THREE, bob=[joined(10), unnumbered, heard(1, 11), heard(2, 12), heard(3, 13)])
    assert again.of("bob").duplicates == 1
