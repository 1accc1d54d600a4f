"""Reading a capture file of either format: the first four bytes say which it is."""

from __future__ import annotations

from collections.abc import Iterator

from netlab.errors import CaptureError
from netlab.packets import pcap, pcapng
from netlab.packets.capture_record import CaptureBytes, Record

_GZIP = b"\x1f\x8b"


def is_pcap(data: CaptureBytes) -> bool:
    """Whether this is pcap; else it is pcapng.

    Raises:
        CaptureError: it is neither.
    """
    magic = bytes(data[:4])
    if magic in pcap.MAGICS or magic == pcapng.MAGIC:
        return magic in pcap.MAGICS
    if magic[:2] == _GZIP:
        raise CaptureError("compressed with gzip: unpack it first", offset=0)
    raise CaptureError(f"neither pcap nor pcapng: begins with {magic.hex(' ') or 'nothing'}", offset=0)


def read_records(data: CaptureBytes) -> Iterator[Record]:
    """The records of a pcap or pcapng file, one at a time, in the order of the file.

    Raises:
        CaptureTruncated: the file ends within a record; every whole record has been given before.
        CaptureError: this is no capture file (at the call), or it is damaged (when the iterator gets there); `offset`
            says where.
    """
    return pcap.read_records(data) if is_pcap(data) else pcapng.read_records(data)
