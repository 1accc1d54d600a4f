"""A room: who is in it, and what was said there last, for those who come back after a cut."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netlab.chat.sessions import Session


class Entry:
    """One numbered event as it was sent, kept in the history of each room it went to."""

    __slots__ = ("data", "message_id", "numbers", "rooms_keeping", "sequence", "skip")

    def __init__(self, sequence: int, message_id: int, data: bytes, numbers: dict[str, int], skip: str | None) -> None:
        self.sequence = sequence
        """Order of this hub over all rooms."""
        self.message_id = message_id
        self.data = data
        self.numbers = numbers
        self.skip = skip
        """The sid that it did not go to, if there is one."""
        self.rooms_keeping = 0


class Room:
    """A room's members and history. Its numbers rise by one with each event of it that the log says."""

    __slots__ = ("_recipients", "birth", "epoch", "history", "last", "members", "name", "own")

    def __init__(self, name: str, epoch: str, birth: int, *, last: int = 0, own: bool) -> None:
        self.name = name
        self.own = own
        """A session's own room: named by its sid, for it alone."""
        self.last = last
        self.birth = birth
        """Where in the log it began: a room that ended, and the next of its name, number on their own."""
        self.epoch = f"{epoch}.{birth}"
        self.members: dict[str, Session] = {}
        self.history: deque[Entry] = deque()
        self._recipients: tuple[int, ...] | None = None

    @property
    def recipients(self) -> tuple[int, ...]:
        """The connections of the members who have one: the same object until that changes."""
        if self._recipients is None:
            self._recipients = tuple(s.conn for s in self.members.values() if s.conn is not None)
        return self._recipients

    def changed(self) -> None:
        """A member came, went, or got or lost its connection."""
        self._recipients = None


class History:
    """The histories of all rooms under one bound in bytes: what is oldest over all rooms goes first."""

    def __init__(self, *, per_room: int, total_bytes: int) -> None:
        self._per_room = per_room
        self._total_bytes = total_bytes
        self._entries: OrderedDict[int, tuple[Entry, list[Room]]] = OrderedDict()
        self._sequence = 0
        self.bytes = 0

    def add(
        self, rooms: Iterable[Room], message_id: int, data: bytes, numbers: dict[str, int], skip: str | None
    ) -> None:
        """Keep what was sent to `rooms` under `numbers`."""
        self._sequence += 1
        entry = Entry(self._sequence, message_id, data, numbers, skip)
        kept_in = list(rooms)
        self._entries[entry.sequence] = (entry, kept_in)
        self.bytes += len(data)
        for room in kept_in:
            room.history.append(entry)
            entry.rooms_keeping += 1
        for room in kept_in:
            if len(room.history) > self._per_room:
                self._release(room.history.popleft())
        while self.bytes > self._total_bytes:
            oldest, its_rooms = next(iter(self._entries.values()))
            for room in its_rooms:
                if room.history and room.history[0] is oldest:
                    room.history.popleft()
                    self._release(oldest)

    def drop(self, room: Room) -> None:
        """The room is gone, or what is kept of it no longer reaches to where it is now."""
        while room.history:
            self._release(room.history.popleft())

    def _release(self, entry: Entry) -> None:
        entry.rooms_keeping -= 1
        if entry.rooms_keeping == 0:
            del self._entries[entry.sequence]
            self.bytes -= len(entry.data)


def missed(
    rooms: dict[str, int], all_rooms: dict[str, Room], sid: str
) -> tuple[list[tuple[str, int, int]], list[Entry]]:
    """What a session has not seen: the gaps that no history covers any more, and the entries to send again, in order.

    Args:
        rooms: the last number seen in each of the session's rooms.
        all_rooms: the hub's rooms by name.
        sid: the session; what it sent to all but itself is not sent to it now either.

    Returns:
        Gaps as (room, first number, last number), and entries, each once although it went to several rooms.
    """
    gaps: list[tuple[str, int, int]] = []
    entries: dict[int, Entry] = {}
    for name, seen in rooms.items():
        room = all_rooms[name]
        kept = [entry for entry in room.history if entry.numbers[name] > seen]
        first_kept = kept[0].numbers[name] if kept else room.last + 1
        if first_kept > seen + 1:
            gaps.append((name, seen + 1, first_kept - 1))
        entries.update((entry.sequence, entry) for entry in kept if entry.skip != sid)
    return gaps, [entries[sequence] for sequence in sorted(entries)]
