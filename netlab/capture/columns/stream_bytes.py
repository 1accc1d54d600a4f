"""The bytes of one TCP stream, where they stand in the file. Nothing is copied but what is asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from netlab.capture.octets import Ints


class Piece(NamedTuple):
    """Bytes of a stream without a gap: `data` begins at offset `start`."""

    start: int
    data: bytes


class StreamBytes:
    """What was captured of one stream: spans in order, none of which overlaps another.

    Attributes:
        start, end: offsets in the stream where each span begins and ends.
        row: of the packet that carried it first, from 0.
    """

    def __init__(self, start: Ints, end: Ints, row: Ints, at: Ints, data: memoryview) -> None:
        """`at` is where in `data`, the file, offset 0 would be if the packet of each span reached back to it."""
        self.start: list[int] = start.tolist()
        self.end: list[int] = end.tolist()
        self.row: list[int] = row.tolist()
        self._at: list[int] = at.tolist()
        self._data = data

    def parts(self, start: int, end: int) -> list[memoryview] | None:
        """The bytes [start, end) in order; None where one of them is in a gap."""
        found = []
        place = bisect_right(self.start, start) - 1
        while start < end:
            if not 0 <= place < len(self.start) or not self.start[place] <= start < self.end[place]:
                return None
            until, at = min(end, self.end[place]), self._at[place]
            found.append(self._data[at + start : at + until])
            start, place = until, place + 1
        return found

    def read(self, start: int, end: int) -> bytes | None:
        """As `parts`, together."""
        parts = self.parts(start, end)
        return None if parts is None else b"".join(parts)

    def available(self, start: int, most: int) -> bytes:
        """The bytes from `start` on up to the first gap, at most so many; b"" where the first is in one."""
        end = start
        place = bisect_right(self.start, start) - 1
        while 0 <= place < len(self.start) and self.start[place] <= end < self.end[place] and end < start + most:
            end, place = min(self.end[place], start + most), place + 1
        return self.read(start, end) or b""

    def rows(self, start: int, end: int) -> list[int]:
        """The rows of the packets that carried any of the bytes [start, end) first, in the order of the bytes."""
        place = max(0, bisect_right(self.start, start) - 1)
        found = []
        while place < len(self.start) and self.start[place] < end:
            if self.end[place] > start:
                found.append(self.row[place])
            place += 1
        return found

    def pieces(self) -> Iterator[Piece]:
        """All of it, from gap to gap."""
        begin = until = 0
        for start, end in [*zip(self.start, self.end, strict=True), (-1, -1)]:
            if start != until:
                if until > begin:
                    yield Piece(begin, self.read(begin, until) or b"")
                begin = start
            until = end
