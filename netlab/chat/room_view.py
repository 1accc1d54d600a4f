"""What a client has seen of one room's numbers: the last one, and the holes below it."""

from __future__ import annotations

from typing import Literal

HOLE = 1_000
"""Numbers of one hole that are noted one by one: a server may name any number, and a hole of any size with it."""


class RoomView:
    """What a client has seen of one room's numbers."""

    __slots__ = ("_begins", "epoch", "first", "last", "left", "missing")

    def __init__(self, last: int, epoch: str) -> None:
        self.first = last + 1
        self._begins = False  # whether `first` is known, or only the lowest number that has come
        self.last = last
        self.epoch = epoch
        self.left = False
        """Our leave is done, and a join of ours is under way."""
        self.missing: set[int] = set()
        """Numbers below `last` that have not come. (Only best effort leaves any.)"""

    def begin(self, number: int) -> None:
        """The numbers of this client begin here: known late where the answer to its join was lost."""
        if number < self.first:
            self.missing.update(range(max(number, self.first - HOLE), self.first))
            self.first = number
        elif not self._begins:  # what came before it was of an earlier stay
            self.missing = {missing for missing in self.missing if missing >= number}
            self.first, self.last = number, max(self.last, number - 1)
        self._begins = True

    def see(self, number: int) -> Literal["next", "late", "again"]:
        """Note a number; `late` fills a hole, `again` was there before."""
        if number > self.last:
            self.missing.update(range(max(self.last + 1, number - HOLE), number))
            self.last = number
            return "next"
        if number in self.missing:
            self.missing.remove(number)
            return "late"
        if number < self.first:
            if not self._begins:
                self.missing.update(range(max(number + 1, self.first - HOLE), self.first))
                self.first = number
            return "late"  # of this stay, or of an earlier one: in neither case was it here before
        return "again"
