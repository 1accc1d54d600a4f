"""What a link takes in, what comes out of it, and what it has counted."""

from __future__ import annotations

from typing import Generic, TypeAlias, TypeVar

import msgspec

from netlab.network.impairments import Corruption
from netlab.network.link_config import LinkConfig
from netlab.units import Ns

P = TypeVar("P")


class Arrived(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet comes to the link; `size` in bytes, at least 1."""

    packet: P
    size: int


class Configure(msgspec.Struct, frozen=True):
    """From now on the link is like this. Who is on the way or waits keeps its delay; who waits gets the new rate."""

    config: LinkConfig


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Delivered(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet came through, at `at` (the past, where the timer was late).

    Attributes:
        corruption: damage that the caller applies to the packet's bytes, or None.
    """

    packet: P
    at: Ns
    corruption: Corruption | None = None


class Dropped(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet is lost; `reason` is one of `REASONS`."""

    packet: P
    at: Ns
    reason: str


Event: TypeAlias = Arrived[P] | Configure | TimerFired
Output: TypeAlias = Delivered[P] | Dropped[P]

REASONS = {
    "loss": "lost on the way",
    "fate": "lost because it was asked for",
    "too_big": "larger than the link's MTU",
    "queue_full": "the queue was full",
    "red": "dropped early, by RED",
    "codel": "waited too long, dropped by CoDel",
}


class Account(msgspec.Struct, frozen=True):
    """What became of the packets so far. `arrived + duplicated == delivered + sum(dropped.values()) + held`.

    Attributes:
        corrupted, reordered: of those that were not lost on the way.
        bytes_arrived, bytes_delivered: sizes as the caller gave them.
    """

    arrived: int
    delivered: int
    dropped: dict[str, int]
    held: int
    duplicated: int
    corrupted: int
    reordered: int
    bytes_arrived: int
    bytes_delivered: int
