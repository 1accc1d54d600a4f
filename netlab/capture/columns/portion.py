"""Packets that are taken apart together: where each one's next header begins, and what it is."""

from __future__ import annotations

import numpy as np

from netlab.capture.octets import Ints, Octets
from netlab.capture.record_index import RecordIndex

NOTHING = -1
"""`carries` of a packet whose next header is none that is known here."""


class Portion:
    """Some packets, with one row each in every array. `rows` of the functions are indices into these.

    Attributes:
        octets: the file.
        columns: what is filled in.
        begin, end: the packet's captured bytes.
        limit: where the packet ends by what its headers say, at most `begin` + the bytes it had; may be beyond `end`.
        at: where its next header begins.
        carries: what that is: below the network layer an EtherType, above it an IP protocol; or NOTHING.
    """

    def __init__(self, octets: Octets, columns: dict[str, Ints], index: RecordIndex, rows: slice) -> None:
        self.octets = octets
        self.columns = columns
        self.begin = index.start[rows]
        self.end = self.begin + index.captured[rows]
        self.limit = self.begin + index.original[rows]
        self.at = self.begin.copy()
        self.carries = np.full(len(self.begin), NOTHING, np.int32)

    def whole(self, rows: Ints, length: int) -> Ints:
        """Those of `rows` whose next `length` bytes were captured, and are their own."""
        behind = self.at[rows] + length
        return rows[(behind <= self.end[rows]) & (behind <= self.limit[rows])]

    def carrying(self, number: int) -> Ints:
        """The rows whose next header is `number`."""
        return np.flatnonzero(self.carries == number)
