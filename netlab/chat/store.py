"""Where the numbers of rooms come from.

The hub puts out `Store(event)` and goes on when `Stored(number)` comes back. Here the answer comes at once, from
memory; a broker's comes later, and the hub can't tell the difference. A room's numbers rise by one from 1; `epoch`
names the numbering, so that numbers from before a restart are not taken for numbers of today.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from netlab.chat.messages import RoomEvent
from netlab.chat.tokens import base64url

EPOCH_BYTES = 6
"""Two epochs of a room must differ; nobody gains by guessing one."""


class Store(msgspec.Struct, frozen=True):
    """Number `event` in each of `rooms` (all or none), keep it, and answer `Stored` with the same `ref`."""

    ref: int
    rooms: tuple[str, ...]
    event: RoomEvent


class Forget(msgspec.Struct, frozen=True):
    """Nobody is in the room any more."""

    room: str


class Stored(msgspec.Struct, frozen=True):
    """The event has these numbers, by room; `epoch` is that of the first room."""

    ref: int
    numbers: dict[str, int]
    epoch: str


class MemoryStore:
    """Numbers for one process, for as long as it lives: a restart begins new epochs."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._last: dict[str, int] = {}
        self._epochs: dict[str, str] = {}

    def handle(self, request: Store) -> Stored:
        """Number the event now. There is nothing to keep: the hub's own history serves those who resume."""
        rooms, last = request.rooms, self._last
        for room in rooms:
            if room not in last:
                last[room] = 0
                self._epochs[room] = base64url(self._entropy(EPOCH_BYTES))
            last[room] += 1
        return Stored(request.ref, {room: last[room] for room in rooms}, self._epochs[rooms[0]])

    def forget(self, request: Forget) -> None:
        """The room begins again, in a new epoch, when somebody joins it again."""
        self._last.pop(request.room, None)
        self._epochs.pop(request.room, None)
