"""Where each record of a capture file stands, and what its header says: arrays with one row a record.

The captured bytes stay where they are. The file need not be read at once: it may be an mmap.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from netlab.capture import chain
from netlab.capture.located import NO_TIME, Records
from netlab.capture.pcap_index import index_pcap
from netlab.capture.pcapng_index import PcapngIndex
from netlab.errors import CaptureError, CaptureTruncated
from netlab.packets import pcap, pcapng
from netlab.packets.capture_file import is_pcap
from netlab.packets.capture_record import CaptureBytes, Interface, Record


class RecordIndex:
    """The records of one file.

    Attributes:
        at: of each its header or its block, an offset in the file.
        start: its first captured byte.
        captured, original: bytes kept, and bytes the packet had.
        time_ns: since 1970, or NO_TIME.
        interface: an index of `interfaces`.
        interfaces: all of the file, of all its sections.
        ends_early: why the file has no more records although it should, where it was cut short; else None.
    """

    def __init__(self, data: CaptureBytes, stretch: int = chain.STRETCH) -> None:
        """Read `data`, a whole file.

        Raises:
            CaptureError: no capture file, or a damaged one; `offset` says where.
        """
        self.data = data
        self.interfaces: list[Interface] = []
        self._orders: list[tuple[int, pcapng.Layouts]] = []  # where a byte order begins to hold
        records, error = self._read_pcap(stretch) if is_pcap(data) else self._read_pcapng(stretch)
        if error is not None and not isinstance(error, CaptureTruncated):
            raise error
        self.ends_early = None if error is None else str(error)
        self.at, self.start, self.captured, self.original, self.time_ns, self.interface = records

    def _read_pcap(self, stretch: int) -> tuple[Records, CaptureError | None]:
        try:
            header = pcap.read_file_header(self.data)
        except CaptureTruncated as cut:
            return Records.of([]), cut
        self.interfaces = [header.interface]
        return index_pcap(self.data, header, stretch)

    def _read_pcapng(self, stretch: int) -> tuple[Records, CaptureError | None]:
        blocks = PcapngIndex(self.data, stretch)
        self.interfaces, self._orders = blocks.interfaces, blocks.orders
        return blocks.records, blocks.error

    def __len__(self) -> int:
        return len(self.at)

    def byte_orders(self) -> Iterator[tuple[slice, str]]:
        """Rows of pcapng blocks that are in the same byte order, and which: `<` or `>`. None of a pcap file."""
        firsts = [*(int(np.searchsorted(self.at, at)) for at, _ in self._orders), len(self)]
        for (first, last), (_, layouts) in zip(pairwise(firsts), self._orders, strict=True):
            yield slice(first, last), layouts.order

    def record(self, row: int) -> Record:
        """The record of this row, from 0, with its bytes.

        Raises:
            CaptureError: the options behind it do not fit.
        """
        start, captured, time_ns = int(self.start[row]), int(self.captured[row]), int(self.time_ns[row])
        return Record(
            row + 1,
            self.interfaces[self.interface[row]],
            None if time_ns == NO_TIME else time_ns,
            bytes(self.data[start : start + captured]),
            int(self.original[row]),
            self.comment(row),
        )

    def comment(self, row: int) -> str | None:
        """What the file says of the record of this row."""
        if not self._orders:
            return None
        at = int(self.at[row])
        layouts = self._orders[bisect.bisect_right(self._orders, at, key=lambda order: order[0]) - 1][1]
        return pcapng.comment_of(self.data, at, int(self.start[row]) + int(self.captured[row]), layouts)
