"""What a client has seen of one room's numbers: the last one, and the holes below it."""

from __future__ import annotations

from typing import Literal

HOLE = 1_000
"""Numbers of one hole that are noted one by one: a server may name any number, and a hole of any size with it."""


class RoomView:
    """What a client has seen of one room's numbers."""

    __slots__ = ("epoch", "first", "last", "left", "missing")

    def __init__(self, last: int, epoch: str) -> None:
        self.first = last + 1
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

    def see(self, number: int) -> Literal["next", "late", "again"]:
        """Note a number; `late` fills a hole, `again` was there before."""
        if number > self.last:
            self.missing.update(range(max(self.last + 1, number - HOLE), number))
            self.last = number
            return "next"
        if number in self.missing:
            self.missing.remove(number)
            return "late"
        return "again"
