"""A bad network, small and seeded: what happens to each datagram, and where a stream breaks. Dice only, no I/O.

(A whole link with queues, rates and jitter comes with `netlab.network`; the suite needs only what breaks promises.)
"""

from __future__ import annotations

import random
from collections import Counter
from typing import TypeAlias

import msgspec


class DatagramFaults(msgspec.Struct, frozen=True, kw_only=True):
    """Probabilities for each datagram of one direction, in [0, 1].

    Attributes:
        reorder: share that is held back for `hold_ms`, so that later ones overtake it.
        corrupt: share in which one bit is flipped.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    hold_ms: float = 6.0


Copies: TypeAlias = list[tuple[float, bytes]]
"""What becomes of a datagram: each copy with how long it is held back, s. None: it is lost."""


LARGE = 96
"""Bytes above which a datagram is counted as `large`: it carries something, and is no ping (92 bytes over udp) or
acknowledgement."""


class DatagramDice:
    """One direction of one path. `rng.random()` is drawn five times for every datagram, also for one that is lost:
    changing one probability leaves the fate of all others as it was."""

    def __init__(self, rng: random.Random) -> None:
        self.counters: Counter[str] = Counter()
        self._random = rng.random

    def fate(self, data: bytes, faults: DatagramFaults) -> Copies:
        """What becomes of one datagram."""
        lost, doubled, held, damaged, where = (self._random() for _ in range(5))
        self.counters["in"] += 1
        self.counters["large"] += len(data) > LARGE
        if lost < faults.loss:
            self.counters["lost"] += 1
            return []
        if damaged < faults.corrupt and data:
            self.counters["corrupted"] += 1
            data = flip_bit(data, int(where * 8 * len(data)))
        delay_s = 0.0
        if held < faults.reorder:
            self.counters["held"] += 1
            delay_s = faults.hold_ms / 1e3
        copies = [(delay_s, data)]
        if doubled < faults.duplicate:
            self.counters["duplicated"] += 1
            copies.append((delay_s, data))
        self.counters["out"] += len(copies)
        return copies


def flip_bit(data: bytes, bit: int) -> bytes:
    """The data with one bit inverted; bit 0 is the highest of the first byte.

    >>> flip_bit(bytes(2), 15)
    b'\\x00\\x01'
    """
    damaged = bytearray(data)
    damaged[bit // 8] ^= 0x80 >> bit % 8
    return bytes(damaged)


class StreamFaults(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to each connection of a path. A number of bytes is drawn anew, evenly from 1 to what stands here.

    Attributes:
        cut_within: after so many bytes, both directions together, it is reset. 0 = never.
        cut_early: share of connections that are reset within `EARLY` bytes: during their handshake.
        corrupt_within: in so many bytes of a direction, one bit is flipped. 0 = never.
        single_bytes: the first so many bytes of a direction are passed on one by one.
        chunk: afterwards, at most so many at once. 0 = as they come.
        stall_within: after so many bytes of a direction, it stalls for `stall_ms`. 0 = never.
    """

    cut_within: int = 0
    cut_early: float = 0.0
    corrupt_within: int = 0
    single_bytes: int = 0
    chunk: int = 0
    stall_within: int = 0
    stall_ms: float = 20.0


EARLY = 700
"""Bytes of hello, welcome and the first operation after it, about."""


class StreamDice:
    """Where the connections of one path break. `next_cut` is drawn once a connection, the others where they are due."""

    def __init__(self, rng: random.Random) -> None:
        self.counters: Counter[str] = Counter()
        self._rng = rng

    def next_cut(self, faults: StreamFaults) -> int | None:
        """Bytes from now until the connection is reset; None for never."""
        early, where = self._rng.random(), self._rng.random()
        if not faults.cut_within:
            return None
        return 1 + int(where * (EARLY if early < faults.cut_early else faults.cut_within))

    def within(self, number: int) -> int | None:
        """1 to `number`, or None for 0, which means never."""
        where = self._rng.random()
        return 1 + int(where * number) if number else None
