"""TCP streams put together: what each direction of a connection said, and which packet carried which byte.

Segments may come twice, overlap, or come in another order than they were sent; the stream is the same (RFC 9293 §3.4).
Where two segments say different things about a byte, the first that was seen counts. What the file does not hold is a
gap; a stream is read up to it, and beyond it only in pieces.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from netlab.capture.columns.stream_bytes import Piece, StreamBytes

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile
    from netlab.capture.files import Capture


class Stream:
    """One direction of one TCP connection, as one vantage point saw it.

    Attributes:
        number: what the column `stream` has for its packets.
        peer: the number of the stream in the other direction; None where the capture has none.
        begun: whether its beginning was seen, a SYN. Without it offset 0 is the lowest byte that was captured.
        src, dst: IP addresses.
        sport, dport: ports.
        interface: an index of `capture.interfaces`.
        capture: its packets.
    """

    def __init__(self, number: int, capture: Capture, whole: WholeFile) -> None:
        self.number = number
        self.capture = capture
        self._whole = whole
        peer = int(whole.streams.peer[number])
        self.peer = None if peer < 0 else peer
        self.begun = bool(whole.streams.begun[number])
        columns = capture.columns
        self.src, self.dst = columns.addresses[columns.src[0]], columns.addresses[columns.dst[0]]
        self.sport, self.dport = int(columns.sport[0]), int(columns.dport[0])
        self.interface = int(columns.interface[0])

    @functools.cached_property
    def stored(self) -> StreamBytes:
        """Where its bytes stand."""
        return self._whole.stream_bytes(self.number)

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """Offsets [start, end) and the number of the packet that carried these bytes first; in order."""
        there = self.stored
        return [(start, end, row + 1) for start, end, row in zip(there.start, there.end, there.row, strict=True)]

    @functools.cached_property
    def pieces(self) -> list[Piece]:
        """What was captured of it, from gap to gap."""
        return list(self.stored.pieces())

    @property
    def data(self) -> bytes:
        """Its bytes from offset 0 up to the first gap."""
        pieces = self.pieces
        return pieces[0].data if pieces and pieces[0].start == 0 else b""

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Offsets [start, end) of what is not in the file, between what is."""
        ends = [0, *(piece.start + len(piece.data) for piece in self.pieces)]
        return [(end, piece.start) for end, piece in zip(ends, self.pieces, strict=False) if end < piece.start]

    def carried_by(self, start: int, end: int) -> list[int]:
        """The numbers of the packets that carried the bytes [start, end) first, in the order of the bytes."""
        return [row + 1 for row in self.stored.rows(start, end)]

    def __repr__(self) -> str:
        ends = f"{self.src} port {self.sport} > {self.dst} port {self.dport}"
        return f"<stream {self.number}: {ends}, {sum(len(piece.data) for piece in self.pieces)} B>"


def streams(capture: Capture, whole: WholeFile) -> list[Stream]:
    """The streams that the capture's packets belong to, each with all its packets in the file."""
    numbers = np.unique(capture.columns.stream)
    column = whole.column("stream")
    order = np.argsort(column, kind="stable")
    bounds = np.searchsorted(column[order], np.arange(numbers.max(initial=-1) + 2))
    everything = capture.whole
    return [
        Stream(number, everything.at(order[bounds[number] : bounds[number + 1]]), whole)
        for number in numbers.tolist()
        if number >= 0
    ]
