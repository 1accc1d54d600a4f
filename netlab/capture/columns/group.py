"""Packets that are taken apart together, one header after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.octets import Ints, Mask, Octets

_HEAD = 80
"""Bytes of each packet that are fetched at once: the headers of most packets."""


def are_one_of(numbers: Ints, known: tuple[int, ...]) -> Mask:
    """Which of the numbers are one of those known, which are few."""
    found: Mask = numbers == known[0]
    for one in known[1:]:
        found |= numbers == one
    return found


class Group:
    """Some packets whose headers have been read so far, and what comes next in them. One row a packet in every array.

    Attributes:
        rows: of them in the columns.
        end: bytes captured of each.
        limit: bytes that it has by what its headers say, at most those it had on the link; may be over `end`.
        at: where the next header begins: one number where it is the same in all, which is fast, else one for each.
    """

    def __init__(
        self,
        octets: Octets,
        columns: dict[str, Ints],
        rows: Ints,
        begin: Ints,
        end: Ints,
        limit: Ints,
        at: Ints | int = 0,
    ) -> None:
        """`begin` is where in the file each packet begins."""
        self.rows, self.end, self.limit, self.at = rows, end, limit, at
        self._octets = octets
        self._columns = columns
        self._begin = begin
        self._heads: NDArray[np.uint8] | None = None  # _HEAD bytes of each packet from _heads_at on
        self._heads_at = 0

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, chosen: Mask) -> Group:
        """Those that are chosen."""
        places = np.flatnonzero(chosen)
        if len(places) == len(self):
            return self
        taken = Group(
            self._octets,
            self._columns,
            self.rows[places],
            self._begin[places],
            self.end[places],
            self.limit[places],
            self.at if isinstance(self.at, int) else self.at[places],
        )
        if self._heads is not None and isinstance(self.at, int):
            taken._heads, taken._heads_at = self._heads.take(places, axis=0), self._heads_at
        return taken

    def keep(self, chosen: Mask) -> Group:
        """As `only`; of the others no more is read."""
        if not chosen.all():
            self.only(~chosen).finish()
        return self.only(chosen)

    def has(self, length: int) -> Mask:
        """Of which the next `length` bytes were captured, and are their own."""
        behind = self.at + length
        return (behind <= self.end) & (behind <= self.limit)

    def keep_whole(self, length: int) -> Group:
        """Keep those that have these bytes."""
        return self.keep(self.has(length))

    def by(self, kinds: Ints, known: tuple[int, ...]) -> list[tuple[int, Group]]:
        """Those whose next header is of a `known` kind, kind by kind; of the others no more is read."""
        found = []
        others = np.ones(len(self), bool)
        for kind in known:
            chosen = kinds == kind
            if chosen.any():
                found.append((kind, self.only(chosen)))
                others &= ~chosen
        self.only(others).finish()
        return found

    def finish(self) -> None:
        """No more headers are read: what is left is payload."""
        if len(self):
            self.fill("payload_len", np.maximum(self.limit - self.at, 0))
            self.fill("payload_captured_len", np.maximum(np.minimum(self.limit, self.end) - self.at, 0))

    def pass_over(self, length: Ints | int) -> None:
        """Go on behind a header of this length."""
        at = self.at + length
        if not isinstance(at, int) and len(at) and (at == at[0]).all():
            at = int(at[0])
        self.at = at

    def fill(self, name: str, values: NDArray[Any] | int) -> None:
        """These are the values of a column."""
        self._columns[name][self.rows] = values

    def u8(self, place: int) -> Ints:
        """The number that stands `place` bytes behind the beginning of the next header."""
        return (
            self._head(place, 1).astype(np.int32) if isinstance(self.at, int) else self._octets.u8(self._where(place))
        )

    def u16(self, place: int) -> Ints:
        return (
            self._head(place, 2).astype(np.int32) if isinstance(self.at, int) else self._octets.u16(self._where(place))
        )

    def u32(self, place: int) -> Ints:
        return (
            self._head(place, 4).astype(np.int64) if isinstance(self.at, int) else self._octets.u32(self._where(place))
        )

    def u64(self, place: int) -> NDArray[np.uint64]:
        return (
            self._head(place, 8).astype(np.uint64) if isinstance(self.at, int) else self._octets.u64(self._where(place))
        )

    def _where(self, place: int) -> Ints:
        return self._begin + self.at + place

    def _head(self, place: int, size: int) -> NDArray[np.unsignedinteger]:
        """A column of big-endian numbers, not copied."""
        assert isinstance(self.at, int)
        first = self.at + place - self._heads_at
        if self._heads is None or first + size > _HEAD:
            self._heads_at, first = self.at, place
            self._heads = self._octets.rows(self._begin + self.at, _HEAD)
        column: NDArray[np.unsignedinteger] = self._heads[:, first : first + size].view(f">u{size}")[:, 0]
        return column
