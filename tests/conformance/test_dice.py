"""The bad network's dice, the texts, and the damage done to packets."""

from __future__ import annotations

import random

import pytest

from netlab.conformance.flips import DAMAGES, flip
from netlab.conformance.impairment import LARGE, DatagramDice, DatagramFaults, StreamDice, StreamFaults, flip_bit
from netlab.conformance.stamp import Stamp, measure, read_stamp, stamp, text_of
from netlab.packets.limits import MAX_MESSAGE
from netlab.packets.packet import Packet, PacketType, encode
from netlab.protocols import socketio
from netlab.protocols.datagram_client import PING_PAYLOAD

DATA = bytes(100)


def fates(faults: DatagramFaults, count: int = 2_000) -> tuple[list[list[tuple[float, bytes]]], DatagramDice]:
    dice = DatagramDice(random.Random("7/s0/up"))
    return [dice.fate(DATA, faults) for _ in range(count)], dice


def test_each_fault_comes_as_often_as_it_was_asked_for() -> None:
    faults = DatagramFaults(loss=0.3, duplicate=0.1, reorder=0.2, corrupt=0.05)
    passed, dice = fates(faults, 20_000)
    counts = dice.counters
    assert counts["in"] == counts["large"] == 20_000
    assert counts["lost"] == sum(not copies for copies in passed) == pytest.approx(6_000, rel=0.05)
    assert counts["duplicated"] == sum(len(copies) == 2 for copies in passed) == pytest.approx(1_400, rel=0.1)
    assert counts["held"] == pytest.approx(2_800, rel=0.1)
    assert counts["corrupted"] == sum(bool(c) and c[0][1] != DATA for c in passed) == pytest.approx(700, rel=0.15)
    assert counts["out"] == sum(map(len, passed)) == counts["in"] - counts["lost"] + counts["duplicated"]


def test_a_changed_probability_leaves_the_others_draws_as_they_were() -> None:
    without, _ = fates(DatagramFaults(duplicate=0.1, corrupt=0.1))
    lossy, _ = fates(DatagramFaults(duplicate=0.1, corrupt=0.1, loss=0.5))
    assert 900 < sum(not copies for copies in lossy) < 1100
    assert all(copies == before for copies, before in zip(lossy, without, strict=True) if copies)


def test_the_same_seed_gives_the_same_network() -> None:
    faults = DatagramFaults(loss=0.3, corrupt=0.3)
    assert fates(faults)[0] == fates(faults)[0]


def test_a_clean_network_changes_nothing() -> None:
    passed, dice = fates(DatagramFaults())
    assert passed == [[(0.0, DATA)]] * 2_000
    assert dice.fate(b"", DatagramFaults(corrupt=1)) == [(0.0, b"")]  # of nothing, no bit can be flipped
    assert dice.fate(bytes(LARGE), DatagramFaults()) == [(0.0, bytes(LARGE))]
    assert dice.counters["large"] == 2_000


def test_no_ping_counts_as_something_said() -> None:
    ping = Packet(PING_PAYLOAD, type=PacketType.PING, session=bytes(8))
    assert len(encode(ping)) <= LARGE


def test_one_bit_is_one_bit() -> None:
    for bit in range(24):
        damaged = int.from_bytes(flip_bit(bytes(3), bit), "big")
        assert damaged == 1 << (23 - bit)


def test_where_a_stream_is_cut() -> None:
    dice = StreamDice(random.Random(1))
    assert dice.next_cut(StreamFaults()) is None
    cuts = [dice.next_cut(StreamFaults(cut_within=6_000, cut_early=0.15)) for _ in range(2_000)]
    assert all(cut is not None and 1 <= cut <= 6_000 for cut in cuts)
    early = sum(cut is not None and cut <= 700 for cut in cuts)
    assert early == pytest.approx(2_000 * (0.15 + 0.85 * 700 / 6_000), rel=0.15)
    assert dice.within(0) is None
    assert {dice.within(3) for _ in range(100)} == {1, 2, 3}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_keeps_the_length_and_changes_the_bytes(damage: object) -> None:
    rng = random.Random(3)
    good = rng.randbytes(60)
    damaged = [damage(good, rng) for _ in range(300)]  # type: ignore[operator]
    assert {len(data) for data in damaged} == {60}
    assert sum(data != good for data in damaged) > 280  # two words may be swapped with themselves


def test_no_damaged_packet_is_taken() -> None:
    flips = flip(5_000, "1")
    assert (flips.tried, flips.accepted) == (5_000, 0)
    assert set(flips.refused_by) > {"crc", "magic", "version", "payload length"}


def test_no_damaged_event_is_taken() -> None:
    flips = flip(5_000, "1", "event")
    assert (flips.tried, flips.accepted) == (5_000, 0)
    assert set(flips.refused_by) == {"crc", "event", "type"}


def test_without_its_checksum_many_a_damaged_event_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketio, "verify", lambda message, found: None)
    assert flip(5_000, "1", "event").accepted > 2_000


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 999, 1000, 1199, 1201, 65_537, MAX_MESSAGE])
def test_a_text_has_exactly_its_size_and_its_stamp_says_so(size: int) -> None:
    text = text_of(size, f"1/s0/{size}")
    assert len(text.encode()) == size
    assert text == text_of(size, f"1/s0/{size}")
    made = stamp("s0", 4, text)
    assert read_stamp(made.event()) == made == Stamp("s0", 4, *measure(text))
    assert size < 200 or text != text_of(size, f"2/s0/{size}")


@pytest.mark.parametrize("name", ["mark", "say", "say:s0:x:3:ab", "say:s0:1:2", "talk:s0:1:2:ab", "say:s0:1:²:ab"])
def test_what_is_no_stamp_is_none(name: str) -> None:
    assert read_stamp(name) is None
