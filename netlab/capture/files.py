"""A capture file, read: its packets by number, each of which can be taken apart.

capture = read("chat.pcapng")
for layer in capture.packet(7).layers: ...
capture.packet(7).scapy.show()
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netlab.capture.layers import Layer, Sums, layers_of, sums, to_scapy
from netlab.capture.summary import Summary, summarize
from netlab.errors import CaptureError, CaptureTruncated
from netlab.packets.capture_file import read_records
from netlab.packets.capture_record import Record


class CapturedPacket:
    """One packet of a capture.

    Attributes:
        record: as it stands in the file: `number`, `time_ns`, `interface`, `data`, `original_len`, `comment`.
    """

    def __init__(self, record: Record) -> None:
        self.record = record

    @functools.cached_property
    def scapy(self) -> Any:
        """The packet as scapy has it. Changing it changes `layers` only as long as these were not asked for."""
        return to_scapy(self.record.data, self.record.interface.linktype)

    @functools.cached_property
    def layers(self) -> list[Layer]:
        """Its layers, the link's first, with their fields and the bytes these stand in."""
        return layers_of(self.scapy, self.record.data)

    @property
    def sums(self) -> Sums:
        """What its bytes are spent on."""
        return sums(self.layers, self.record.data)

    @functools.cached_property
    def summary(self) -> Summary:
        """Its line in a list of packets."""
        return summarize(self.record)

    def __repr__(self) -> str:
        return f"<packet {self.record.number}: {self.summary.protocol}, {self.record.original_len} B>"


class Capture:
    """The packets of one file, in its order. `len`, iteration, and `packet(n)` with n from 1, as Wireshark counts.

    Attributes:
        path: where it was read from.
        ends_early: why it has no more packets although it should, where it was cut short; else None.
    """

    def __init__(self, path: Path, records: list[Record], ends_early: str | None = None) -> None:
        self.path = path
        self.ends_early = ends_early
        self._packets = [CapturedPacket(record) for record in records]

    def packet(self, number: int) -> CapturedPacket:
        """The packet of this number.

        Raises:
            CaptureError: there is no such packet; the message says which there are.
        """
        if not 1 <= number <= len(self._packets):
            those = f"they are 1 to {len(self._packets)}" if self._packets else "it has none"
            raise CaptureError(f"{self.path} has no packet {number}: {those}")
        return self._packets[number - 1]

    def __len__(self) -> int:
        return len(self._packets)

    def __iter__(self) -> Iterator[CapturedPacket]:
        return iter(self._packets)


def read(path: str | os.PathLike[str]) -> Capture:
    """Read a pcap or pcapng file. One that was cut short is read to its last whole record.

    Raises:
        CaptureError: the file cannot be read, is of another kind, or is damaged; `offset` says where.
    """
    file = Path(path)
    try:
        if stat.S_ISCHR(os.stat(file).st_mode) or stat.S_ISBLK(os.stat(file).st_mode):
            raise CaptureError(f"{file} is a device, and no capture file")  # some have no end
        data = file.read_bytes()
    except OSError as error:
        raise CaptureError(f"{file}: {error.strerror}") from None
    records: list[Record] = []
    ends_early = None
    try:
        for record in read_records(data):
            records.append(record)  # those before an early end stay
    except CaptureTruncated as cut:
        ends_early = str(cut)
    except CaptureError as error:
        raise _in_file(file, error) from None
    return Capture(file, records, ends_early)


def _in_file(file: Path, error: CaptureError) -> CaptureError:
    named = CaptureError(f"{file}: {error}")
    named.offset = error.offset
    return named
