"""What every message of an experiment carries beside its text: sender, number, length and SHA-256.

They stand in the *name* of its event and the text is its only argument, so that texts of 0 and 1 bytes and of exactly
the largest size are sent as any user would send them: a stamp beside the text would count against the limit.
"""

from __future__ import annotations

import hashlib
import random

import msgspec

STAMPED = "say"
MARK = "mark"
"""The event that ends an experiment: who has it has everything that was sent before."""

_PLAIN = "etaoin shrdlu 0123456789 äöß €uro ελ 網路 🙂 "
_AWKWARD = '"quoted" back\\slash\ttab\nline \x1b[31m \u2028 \u202e'


class Stamp(msgspec.Struct, frozen=True):
    """Who sent a message, its number there, and what its text must be."""

    sender: str
    n: int
    length: int
    sha256: str

    def event(self) -> str:
        """As the name of an event; `read_stamp` reads it."""
        return f"{STAMPED}:{self.sender}:{self.n}:{self.length}:{self.sha256}"


def stamp(sender: str, n: int, text: str) -> Stamp:
    """The stamp of a text.

    >>> stamp("s0", 7, "").event()[:20]
    'say:s0:7:0:e3b0c4429'
    """
    return Stamp(sender, n, *measure(text))


def measure(text: str) -> tuple[int, str]:
    """Bytes of a text in UTF-8, and their SHA-256. (A lone surrogate, which has no UTF-8, still has a measure.)"""
    data = text.encode("utf-8", "surrogatepass")
    return len(data), hashlib.sha256(data).hexdigest()


def read_stamp(event: str) -> Stamp | None:
    """The stamp in an event's name; None where it holds none, or a damaged one."""
    parts = event.split(":")
    if len(parts) != 5 or parts[0] != STAMPED or not (parts[2].isdecimal() and parts[3].isdecimal()):
        return None
    return Stamp(parts[1], int(parts[2]), int(parts[3]), parts[4])


def text_of(size: int, seed: str) -> str:
    """A text of exactly `size` bytes of UTF-8, the same for the same seed, with characters of 1 to 4 bytes.

    Short ones also hold what JSON escapes; long ones don't, because the limit on messages counts them as JSON.

    >>> [len(text_of(size, "a").encode()) for size in (0, 1, 2, 1200, 65537)]
    [0, 1, 2, 1200, 65537]
    """
    rng = random.Random(seed)
    alphabet = _PLAIN + _AWKWARD if size < 1000 else _PLAIN
    unit = "".join(rng.choices(alphabet, k=97))
    data = (unit * (size // 97 + 1)).encode()[:size]
    text = data.decode("utf-8", "ignore")
    return text + "." * (size - len(text.encode()))
