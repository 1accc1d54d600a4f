"""What a capture file holds, whichever its format: records, and the interfaces they were seen at.

Read `capture_file` for reading either format, `pcapng` for writing.
"""

from __future__ import annotations

import enum
from typing import NamedTuple, Protocol

import msgspec

from netlab.units import KIB, Ns

MAX_CAPTURED = 256 * KIB
"""Captured bytes of one record: libpcap's own bound (MAXIMUM_SNAPLEN). A longer packet is cut when
it is captured, and its length kept; a record that claims more is damaged, or made to do damage."""


class LinkType(enum.IntEnum):
    """What the data of a record begins with, by the numbers of the registry at tcpdump.org/linktypes.html."""

    NULL = 0
    """BSD loopback: a 4-byte address family in the byte order of the machine that captured, then the packet."""
    EN10MB = 1
    """Ethernet: a frame from its destination address on."""
    RAW = 101
    """An IPv4 or IPv6 packet, told apart by its version."""
    LOOP = 108
    """OpenBSD loopback: a 4-byte address family in network byte order, then the packet."""
    LINUX_SLL = 113
    """Linux "cooked" capture, 16-byte header: what capturing on `any` gives."""
    LINUX_SLL2 = 276
    """Linux "cooked" capture, version 2, 20-byte header with the interface's index."""


class Interface(msgspec.Struct, frozen=True):
    """Where records were captured: a network interface, or one of netlab's vantage points.

    Attributes:
        name: None where the file gives none, as pcap never does.
        linktype: often a `LinkType`, but any 16-bit number may stand in a file.
        snaplen: bytes kept of each packet at most; 0 is no limit.
    """

    name: str | None
    linktype: int
    snaplen: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One captured packet.

    Attributes:
        number: counts from 1 through the whole file, as Wireshark does.
        time_ns: ns since 1970-01-01 UTC, within 64 signed bits; None where the file holds none (simple packet blocks).
        data: what was captured, at most `MAX_CAPTURED` bytes.
        original_len: bytes the packet had, >= len(data).
        comment: what the file says of this packet, or None. Text from a file: escape it before it is shown.
    """

    number: int
    interface: Interface
    time_ns: Ns | None
    data: bytes
    original_len: int
    comment: str | None = None


class Located(NamedTuple):
    """Where a record stands in its file, without its bytes.

    Attributes:
        at: its header, or its block.
        start: its first captured byte.
        captured, original: bytes kept, and bytes the packet had.
        time_ns: as in `Record`.
        interface: counted from 0 through the whole file.
    """

    at: int
    start: int
    captured: int
    original: int
    time_ns: Ns | None
    interface: int


class CaptureBytes(Protocol):
    """A whole capture file: bytes, a bytearray, a memoryview of bytes, an mmap. Only records are copied from it."""

    def __len__(self) -> int: ...
    def __getitem__(self, key: slice, /) -> bytes | bytearray | memoryview: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
