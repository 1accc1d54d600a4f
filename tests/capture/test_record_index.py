"""Records are found many at a time, and are those that a loop finds: the same bytes, the same end, the same error."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlab.capture.chain import follow
from netlab.capture.files import parse
from netlab.errors import CaptureError
from netlab.packets import pcapng
from netlab.packets.capture_record import MAX_CAPTURED
from tests.fuzz.fuzz import read_both

T0 = 1_700_000_000 * 10**9


def pcap_file(rng: random.Random, count: int, order: str = "<", magic: int = 0xA1B23C4D) -> bytes:
    parts = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)]
    for number in range(count):
        data = rng.randbytes(rng.choice((0, 1, 40, 60, 200, 1500)))
        parts.append(
            struct.pack(order + "IIII", 1_700_000_000 + number // 100, number, len(data), len(data) + number % 3)
        )
        parts.append(data)
    return b"".join(parts)


def block(kind: int, body: bytes, order: str) -> bytes:
    length = struct.pack(order + "I", 12 + len(body) + -len(body) % 4)
    return struct.pack(order + "I", kind) + length + body + bytes(-len(body) % 4) + length


def section(order: str) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str, resolution: int = 9, offset: int = 0, snaplen: int = 0) -> bytes:
    options = struct.pack(order + "HHB3x", 9, 1, resolution) + struct.pack(order + "HHq", 14, 8, offset)
    return block(1, struct.pack(order + "HHI", 1, 0, snaplen) + options, order)


def pcapng_file(rng: random.Random, count: int, orders: str = "<") -> bytes:
    """Blocks of every kind, in several sections."""
    parts: list[bytes] = []
    for order in orders:
        resolutions = [9, 6, 3, 0, 12, 0x80 | 20]
        parts += [section(order), interface(order), interface(order, rng.choice(resolutions), rng.choice((0, 5)), 96)]
        for number in range(count):
            data = rng.randbytes(rng.choice((0, 1, 40, 60, 200, 1500)))
            head = struct.pack(order + "II", number >> 20, number * 1000)
            sizes = struct.pack(order + "II", len(data), len(data) + number % 3)
            comment = struct.pack(order + "HH4sI", 1, 4, b"seen", 0) if number % 5 == 0 else b""
            padded = data + bytes(-len(data) % 4)
            match rng.randrange(20):
                case 0:
                    parts.append(block(3, struct.pack(order + "I", len(data)) + data, order))
                case 1:
                    parts.append(block(2, struct.pack(order + "HH", number % 2, 0) + head + sizes + padded, order))
                case 2:
                    parts.append(block(rng.choice((4, 5, 0xBAD, 0x80000001)), data, order))
                case 3:
                    parts.append(interface(order, rng.choice(resolutions)))
                case _:
                    body = struct.pack(order + "I", number % 2) + head + sizes + padded + comment
                    parts.append(block(6, body, order))
    return b"".join(parts)


FILES = {
    "pcap": pcap_file(random.Random(1), 400),
    "pcap, big-endian": pcap_file(random.Random(2), 400, ">", 0xA1B2C3D4),
    "pcapng": pcapng_file(random.Random(3), 400),
    "pcapng, big-endian": pcapng_file(random.Random(4), 400, ">"),
    "pcapng, sections": pcapng_file(random.Random(5), 60, "<<><>>"),
    "pcapng, many sections": pcapng_file(random.Random(6), 3, "<>" * 30),
    "pcap within pcap": pcap_file(random.Random(7), 1)[:24]
    + struct.pack("<IIII", 1_700_000_000, 0, 50_000, 50_000)
    + pcap_file(random.Random(8), 300)[24:50_024]
    + pcap_file(random.Random(9), 300)[24:],
    "pcapng within pcapng": section("<")
    + interface("<")
    + b"".join(pcapng.enhanced_packet(0, T0, pcapng_file(random.Random(seed), 300)[48:][:60_000]) for seed in range(3)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("stretch", [64, 1024, 4096, 65_536])
def test_every_record_is_found_in_stretches_of_any_length(name: str, stretch: int) -> None:
    assert read_both(FILES[name], stretch) >= 3


@pytest.mark.parametrize("name", FILES)
def test_cut_anywhere_the_same_records_are_whole(name: str) -> None:
    rng = random.Random(name)
    for cut in [*range(4, 80), *(rng.randrange(4, len(FILES[name])) for _ in range(40))]:
        read_both(FILES[name][:cut], 1024)


@given(
    name=st.sampled_from(sorted(FILES)),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)), max_size=4),
)
@settings(max_examples=150)
def test_whatever_is_damaged_both_readers_say_the_read_both(name: str, damage: list[tuple[float, bytes]]) -> None:
    data = bytearray(FILES[name])
    for where, what in damage:
        at = int(where * len(data))
        data[at : at + len(what)] = what[: len(data) - at]
    read_both(bytes(data), 512)


def test_a_chain_that_misses_a_guess_is_followed_by_a_loop_until_it_meets_one() -> None:
    sizes = {0: 10, 10: 7, 17: 13, 30: 10, 40: 5, 45: 15, 60: 40}
    wrong = {20: 8, 28: 9, 37: 40}

    def step(at: np.ndarray) -> np.ndarray:
        chain = sizes | wrong
        return np.array([place + chain[place] if place in chain else -1 for place in at.tolist()], np.int64)

    alone: list[int] = []

    def plain(at: int) -> int:
        alone.append(at)
        return at + sizes[at] if at in sizes else -1

    found, end = follow(0, 100, np.array([20, 60]), step, plain)
    assert (found.tolist(), end) == ([0, 10, 17, 30, 40, 45, 60], 100)
    assert alone == [30, 40, 45]


HOSTILE = {
    "a record that claims a gigabyte": pcap_file(random.Random(1), 3) + struct.pack("<IIII", 1, 1, 2**30, 2**30),
    "captured over length": pcap_file(random.Random(1), 3) + struct.pack("<IIII", 1, 1, 9, 8) + bytes(9),
    "a block of 0 bytes": section("<") + interface("<") + struct.pack("<III", 6, 0, 0),
    "a block of an odd length": section("<") + interface("<") + struct.pack("<II", 6, 33) + bytes(30),
    "a block of an odd length, said twice": section("<")
    + interface("<")
    + struct.pack("<II21xI", 6, 33, 33)
    + bytes(99),
    "a block of 4 GiB": section("<") + interface("<") + struct.pack("<II", 6, 2**32 - 4) + bytes(100),
    "a packet over its block": section("<") + interface("<") + block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99), "<"),
    "a packet of a gigabyte": section("<")
    + interface("<")
    + block(6, struct.pack("<IIIII", 0, 0, 0, 2**30, 2**30), "<"),
    "an interface that was not described": section("<") + block(6, struct.pack("<IIIII", 7, 0, 0, 0, 0), "<"),
    "an option over its block": section("<") + block(1, struct.pack("<HHIHH", 1, 0, 0, 2, 60_000), "<"),
    "a time beyond 64 bits": section("<") + interface("<", 0) + block(6, struct.pack("<IIIII", 0, 9, 9, 0, 0), "<"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_cost_little_and_say_where(name: str) -> None:
    parse(pcap_file(random.Random(1), 3)).columns.src  # noqa: B018  # what is imported is not counted
    tracemalloc.start()
    began = time.perf_counter()
    try:
        with pytest.raises(CaptureError) as caught:
            parse(HOSTILE[name])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.offset is not None
    read_both(HOSTILE[name])
    assert peak < 4 * 2**20
    assert time.perf_counter() - began < 1


def test_the_largest_record_and_an_empty_file() -> None:
    data = section("<") + interface("<") + pcapng.enhanced_packet(0, T0, bytes(MAX_CAPTURED))
    assert read_both(data, 1024) == 1
    assert read_both(section("<"), 1024) == 0
    assert read_both(pcap_file(random.Random(1), 0), 1024) == 0
