"""Packets damaged in every way a line damages them, handed to the decoder: how many does it take for good?

Over Socket.IO there are no packets of netlab's; what is damaged there are its events.

`python -m netlab.conformance.flips --count 1000000 --seed 1` prints the answer as one JSON object.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable

import msgspec

from netlab.chat.messages import Message, encode_json
from netlab.conformance.impairment import flip_bit
from netlab.errors import DecodeError
from netlab.packets import Packet, decode, encode
from netlab.protocols import socketio
from netlab.protocols.engineio import MESSAGE

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


def a_packet(rng: random.Random) -> bytes:
    """A packet of some size: small ones more often, since of their bits more are header."""
    size = int(rng.random() ** 3 * 1172)
    payload = rng.randbytes(size) if rng.random() < 0.5 else bytes(range(32, 127)) * 13
    session = rng.randbytes(8) if rng.random() < 0.5 else None
    return encode(Packet(payload[:size], rng.getrandbits(32), 0, 1 + int(rng.random() * 4), session=session))


def an_event(rng: random.Random) -> bytes:
    """An event of a hub's as Engine.IO carries it."""
    said = Message(
        rooms={"lobby": rng.getrandbits(20)},
        sid="A" * 22,
        name="ann",
        op=rng.getrandbits(16),
        time=rng.getrandbits(41),
        event="say",
        args=["".join(map(chr, range(32, 127)))[: int(rng.random() ** 3 * 95)] * int(1 + rng.random() * 12)],
        ask=rng.getrandbits(4) if rng.random() < 0.3 else 0,
    )
    return socketio.event(encode_json(said))


def decode_event(text: bytes) -> object:
    """Take an event as netlab's client takes it.

    Raises:
        DecodeError: it is none.
    """
    if text[:1] != MESSAGE:
        raise DecodeError("no message of Engine.IO", rule=socketio.RULE, field="type", offset=0)
    return socketio.decode_told(text[1:])


FORMS: dict[str, tuple[Callable[[random.Random], bytes], Callable[[bytes], object]]] = {
    "packet": (a_packet, decode),
    "event": (an_event, decode_event),
}
"""What is damaged, by name: how one is made, and how it is read."""


def flip(count: int, seed: str, form: str = "packet") -> Flips:
    """Damage `count` packets or events of many sizes, and decode them."""
    make, read = FORMS[form]
    rng = random.Random(seed)
    refused: Counter[str] = Counter()
    tried = accepted = 0
    while tried < count:
        good = make(rng)
        for damage in DAMAGES:
            damaged = damage(good, rng)
            if damaged == good or tried == count:
                continue  # zeros where zeros were
            tried += 1
            try:
                read(damaged)
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
    parser.add_argument("--form", choices=FORMS, default="packet")
    args = parser.parse_args()
    sys.stdout.write(msgspec.json.encode(flip(args.count, args.seed, args.form)).decode() + "\n")


if __name__ == "__main__":
    main()
