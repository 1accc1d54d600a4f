"""TCP streams put together: what each direction of a connection said, and which packet carried which byte.

Segments may come twice, overlap, or come in another order than they were sent; the stream is the same (RFC 9293 §3.4).
Where two segments say different things about a byte, the first that was seen counts. What the file does not hold is a
gap; a stream is read up to it, and beyond it only in pieces.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from netlab.capture.columns import WholeFile
    from netlab.capture.files import Capture


class Piece(NamedTuple):
    """Bytes of a stream without a gap: `data` begins at offset `start`."""

    start: int
    data: bytes


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
        spans = whole.streams.spans
        first, last = np.searchsorted(spans.stream, [number, number + 1])
        self._start, self._end, self._row = spans.start[first:last], spans.end[first:last], spans.row[first:last]

    @property
    def spans(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Offsets where bytes begin and end, and the number of the packet that carried them first; in order."""
        return self._start, self._end, self._row + 1

    @functools.cached_property
    def pieces(self) -> list[Piece]:
        """What was captured of it, without what an offset below 0 says: a keep-alive's byte is none of the stream."""
        columns, index = self._whole.column, self._whole.index
        row = self._row
        carried = columns("stream_offset")[row]
        end = np.minimum(self._end, carried + columns("payload_captured_len")[row])
        start = np.maximum(self._start, 0)
        kept = start < end
        start, end, row, carried = start[kept], end[kept], row[kept], carried[kept]
        headers = ("link_header_len", "network_header_len", "transport_header_len")
        at = index.start[row] + sum(columns(name)[row].astype(np.int64) for name in headers) - carried
        pieces: list[tuple[int, bytearray]] = []
        for begin, until, there in zip(start.tolist(), end.tolist(), at.tolist(), strict=True):
            if not pieces or pieces[-1][0] + len(pieces[-1][1]) != begin:
                pieces.append((begin, bytearray()))
            pieces[-1][1].extend(index.data[there + begin : there + until])
        return [Piece(begin, bytes(data)) for begin, data in pieces]

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
        first = int(np.searchsorted(self._end, start, side="right"))
        last = int(np.searchsorted(self._start, end, side="left"))
        return [int(row) + 1 for row in self._row[first:last]]

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
