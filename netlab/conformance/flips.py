"""Packets damaged in every way a line damages them, handed to the decoder: how many does it take for good?

`python -m netlab.conformance.flips --count 1000000 --seed 1` prints the answer as one JSON object.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable

import msgspec

from netlab.conformance.impairment import flip_bit
from netlab.errors import DecodeError
from netlab.packets import Packet, decode, encode

Damage = Callable[[bytes, random.Random], bytes]


def one_bit(data: bytes, rng: random.Random) -> bytes:
    """One bit is inverted."""
    return flip_bit(data, int(rng.random() * 8 * len(data)))


def two_bits(data: bytes, rng: random.Random) -> bytes:
    """Two different bits, anywhere."""
    bits = 8 * len(data)
    first = int(rng.random() * bits)
    return flip_bit(flip_bit(data, first), (first + 1 + int(rng.random() * (bits - 1))) % bits)


def burst(data: bytes, rng: random.Random) -> bytes:
    """Up to 32 bits in a row, the first and last of them for sure: what a CRC-32 promises to find."""
    bits = 8 * len(data)
    length = 2 + int(rng.random() * 31)
    first = int(rng.random() * (bits - length))
    mask = 1 | 1 << (length - 1) | int(rng.random() * (1 << length))
    whole = int.from_bytes(data, "big") ^ mask << (bits - first - length)
    return whole.to_bytes(len(data), "big")


def many_bits(data: bytes, rng: random.Random) -> bytes:
    """Three to forty bits, anywhere."""
    for _ in range(3 + int(rng.random() * 38)):
        damaged = flip_bit(data, int(rng.random() * 8 * len(data)))
        data = damaged
    return data


def zeroed(data: bytes, rng: random.Random) -> bytes:
    """A stretch of bytes that reads as zeros."""
    first = int(rng.random() * len(data))
    length = 1 + int(rng.random() * 64)
    end = min(len(data), first + length)
    return data[:first] + bytes(end - first) + data[end:]


def swapped_words(data: bytes, rng: random.Random) -> bytes:
    """Two 16-bit words change places: what the Internet checksum can't see."""
    a, b = (2 * int(rng.random() * (len(data) // 2)) for _ in range(2))
    words = bytearray(data)
    words[a : a + 2], words[b : b + 2] = data[b : b + 2], data[a : a + 2]
    return bytes(words)


DAMAGES: tuple[Damage, ...] = (one_bit, one_bit, two_bits, burst, many_bits, zeroed, swapped_words)


class Flips(msgspec.Struct):
    """How it went. `refused_by` counts the header fields that gave the damage away."""

    tried: int
    accepted: int
    refused_by: dict[str, int]


def flip(count: int, seed: str) -> Flips:
    """Damage `count` packets of many sizes, and decode them."""
    rng = random.Random(seed)
    refused: Counter[str] = Counter()
    tried = accepted = 0
    while tried < count:
        size = int(rng.random() ** 3 * 1172)  # small ones more often: of their bits, more are header
        payload = rng.randbytes(size) if tried % 2 else bytes(range(32, 127)) * 13
        session = rng.randbytes(8) if rng.random() < 0.5 else None
        good = encode(Packet(payload[:size], rng.getrandbits(32), 0, 1 + int(rng.random() * 4), session=session))
        for damage in DAMAGES:
            damaged = damage(good, rng)
            if damaged == good or tried == count:
                continue  # zeros where zeros were
            tried += 1
            try:
                decode(damaged)
            except DecodeError as error:
                refused[error.field] += 1
            else:
                accepted += 1
    return Flips(tried, accepted, dict(refused))


def main() -> None:
    """Print the answer."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.flips", description=main.__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", default="1")
    args = parser.parse_args()
    sys.stdout.write(msgspec.json.encode(flip(args.count, args.seed)).decode() + "\n")


if __name__ == "__main__":
    main()
