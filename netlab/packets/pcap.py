"""The pcap capture file: read, and written for programs that know no other. netlab's own captures are pcapng, which has
comments and interfaces.

    File header, 24 bytes                             Record header, 16 bytes, then the captured bytes
                         1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |   magic number: 0xA1B2C3D4 microseconds, 0xA1B23C4D nanoseconds|
    +-------------------------------+-------------------------------+
    |       major version = 2       |       minor version = 4       |
    +-------------------------------+-------------------------------+
    |                reserved (was: time zone), ignored             |
    +---------------------------------------------------------------+
    |                reserved (was: accuracy), ignored              |
    +---------------------------------------------------------------+
    |                            snaplen                            |
    +-------------------------------+-------------------------------+
    |    FCS length, reserved bits  |           link type           |
    +-------------------------------+-------------------------------+

    +---------------------------------------------------------------+
    |                      timestamp, seconds                       |
    +---------------------------------------------------------------+
    |            timestamp, microseconds or nanoseconds             |
    +---------------------------------------------------------------+
    |                    captured packet length                     |
    +---------------------------------------------------------------+
    |                    original packet length                     |
    +---------------------------------------------------------------+
    |        captured bytes, not padded: the next record follows    |

Every number is in the byte order of the machine that wrote the file; the magic number tells which that was.

Source: draft-ietf-opsawg-pcap, sections 4 (file header) and 5 (packet record).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from netlab.errors import CaptureError, CaptureTruncated, LocalProtocolError
from netlab.packets.capture_record import MAX_CAPTURED, CaptureBytes, Interface, LinkType, Located, Record
from netlab.units import US, Ns, S

_FORMATS = {
    bytes.fromhex("a1b2c3d4"): (">", US),
    bytes.fromhex("d4c3b2a1"): ("<", US),
    bytes.fromhex("a1b23c4d"): (">", 1),
    bytes.fromhex("4d3cb2a1"): ("<", 1),
}  # the file's first bytes -> byte order, ns in one unit of the second timestamp field
MAGICS = frozenset(_FORMATS)
"""The four ways a pcap file begins."""

FILE_HEADER_LEN = 24
RECORD_HEADER_LEN = 16

_RULE = "draft-ietf-opsawg-pcap"

# ---- writing ---------------------------------------------------------------------------------------------------------


def file_header(linktype: int = LinkType.EN10MB, *, snaplen: int = MAX_CAPTURED) -> bytes:
    """What begins a file: little-endian, with nanoseconds.

    Args:
        linktype: what each packet's data begins with, 16 bits.
        snaplen: bytes kept of each packet at most.

    Raises:
        LocalProtocolError: a value does not fit its field.
    """
    if not (0 <= linktype < 2**16 and 0 <= snaplen < 2**32):
        raise LocalProtocolError(
            f"link type {linktype} is not 16 bits, or snaplen {snaplen} not 32", rule=f"{_RULE} §4"
        )
    return struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, snaplen, linktype)


def record(time_ns: Ns, data: bytes, original_len: int | None = None) -> bytes:
    """One captured packet.

    Args:
        time_ns: ns since 1970-01-01 UTC, before 2106.
        data: what was captured, at most `MAX_CAPTURED` bytes.
        original_len: bytes the packet had, if more than were captured.

    Raises:
        LocalProtocolError: a value does not fit its field, or is one that a reader would refuse.
    """
    captured = len(data)
    original = captured if original_len is None else original_len
    seconds, fraction = divmod(time_ns, S)
    if captured > MAX_CAPTURED or not captured <= original < 2**32 or not 0 <= seconds < 2**32:
        raise LocalProtocolError(
            f"{captured} B captured of {original} B at {time_ns} ns do not fit a record", rule=f"{_RULE} §5"
        )
    return struct.pack("<IIII", seconds, fraction, captured, original) + data


# ---- reading ---------------------------------------------------------------------------------------------------------


class FileHeader(msgspec.Struct, frozen=True):
    """What holds for the whole file.

    Attributes:
        order: `<` or `>`, as `struct` writes it.
        unit: ns in one unit of a timestamp's second field.
        interface: of every record.
    """

    order: str
    unit: Ns
    interface: Interface


def read_file_header(data: CaptureBytes) -> FileHeader:
    """The file header.

    Raises:
        CaptureTruncated: the file ends within it.
        CaptureError: not pcap, or another version.
    """
    magic = bytes(data[:4])
    if magic not in _FORMATS:
        raise CaptureError(f"not pcap: begins with {magic.hex(' ') or 'nothing'}", offset=0)
    if len(data) < FILE_HEADER_LEN:
        raise CaptureTruncated(f"cut short: {len(data)} B of the {FILE_HEADER_LEN} B file header", offset=0)
    order, unit = _FORMATS[magic]
    major, minor, _zone, _accuracy, snaplen, linktype = struct.unpack_from(order + "HHIIII", data, 4)
    if (major, minor) != (2, 4):
        raise CaptureError(f"pcap version {major}.{minor}, only 2.4 is known", offset=4)
    # Section 4, figure 2: the link type is the lower 16 bits; above them stand the FCS length and reserved bits.
    return FileHeader(order, unit, Interface(None, linktype & 0xFFFF, snaplen))


def locate(data: CaptureBytes, header: FileHeader, at: int = FILE_HEADER_LEN) -> Iterator[Located]:
    """Where each record stands, from the one whose header is at `at`.

    Raises:
        CaptureTruncated: the file ends within a record.
        CaptureError: a record whose lengths cannot be.
    """
    size, unit = len(data), header.unit
    unpack_header = struct.Struct(header.order + "IIII").unpack_from
    while at < size:
        start = at + RECORD_HEADER_LEN
        if start > size:
            raise CaptureTruncated(f"cut short: the last record has {size - at} B of its header", offset=at)
        seconds, fraction, captured, original = unpack_header(data, at)
        if captured > MAX_CAPTURED:
            raise CaptureError(f"a record claims {captured} B captured, over {MAX_CAPTURED} B", offset=at + 8)
        if captured > original:
            raise CaptureError(f"a record claims {captured} B captured of a packet of {original} B", offset=at + 8)
        if start + captured > size:
            raise CaptureTruncated(f"cut short: the last record has {size - start} of {captured} B", offset=at)
        yield Located(at, start, captured, original, seconds * S + fraction * unit, 0)
        at = start + captured


def read_records(data: CaptureBytes) -> Iterator[Record]:
    """The records of a pcap file, one at a time.

    Raises:
        CaptureTruncated: the file ends within its header or a record; every whole record has been given before.
        CaptureError: not pcap, another version, or a record whose lengths cannot be.
    """
    header = read_file_header(data)
    for number, found in enumerate(locate(data, header), 1):
        captured = bytes(data[found.start : found.start + found.captured])
        yield Record(number, header.interface, found.time_ns, captured, found.original)
