"""The pcapng capture file: what netlab writes, and what it reads of other programs.

A file is a row of blocks. Each says its length twice, so that it can be skipped by who does not know it, forward and
backward:

                         1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                          block type                           |
    +---------------------------------------------------------------+
    |             block total length, a multiple of 4               |
    +---------------------------------------------------------------+
    /                     body, padded to 32 bits                   /
    +---------------------------------------------------------------+
    |                  block total length once more                 |
    +---------------------------------------------------------------+

A *section header* begins a section and fixes its byte order; an *interface description* is numbered from 0 within its
section; an *enhanced packet* names the interface it was captured at. Options (type, length, value padded to 32 bits)
may end a body: a name, a resolution of timestamps, a comment.

netlab writes nanoseconds and little-endian on every machine, so that a simulated run gives the same file everywhere.

Source: draft-ietf-opsawg-pcapng; section numbers below are those of that draft.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NoReturn

import msgspec

from netlab.errors import CaptureError, CaptureTruncated, LocalProtocolError
from netlab.packets.capture_record import MAX_CAPTURED, CaptureBytes, Interface, LinkType, Located, Record
from netlab.units import MIB, Ns, S

MAGIC = b"\x0a\x0d\x0d\x0a"
"""The type of a section header: the same in either byte order, and damaged by a transfer as text (4.1)."""

INBOUND, OUTBOUND = 1, 2
"""`flags` of an enhanced packet, bits 0 and 1: its direction (4.3.1)."""

FLAGS = 2
"""The option of an enhanced packet that says this."""

MAX_BLOCK = 16 * MIB
"""Bytes of one block: libpcap's own bound. A length over it is damage, not a file cut short."""

SECTION_HEADER = 0x0A0D0D0A
INTERFACE = 1
OLD_PACKET = 2
SIMPLE_PACKET = 3
_STATISTICS = 5
ENHANCED_PACKET = 6
PACKETS = {
    OLD_PACKET: "HHIIII",  # interface, packets dropped, timestamp (2), captured and original length
    SIMPLE_PACKET: "I",  # original length
    ENHANCED_PACKET: "IIIII",  # interface, timestamp (2), captured and original length
}  # what stands before a packet's data, 4.3, 4.4 and appendix A
BYTE_ORDER = 0x1A2B3C4D
_END_OF_OPTIONS, _COMMENT = 0, 1
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL, _IF_TSOFFSET = 2, 3, 9, 14

BLOCK_HEADER_LEN = 8
EMPTY_BLOCK_LEN = 12

_OPTION = struct.Struct("<HH")
_RULE = "draft-ietf-opsawg-pcapng"

# ---- writing ---------------------------------------------------------------------------------------------------------


def section_header(*, application: str | None = None, os: str | None = None, comment: str | None = None) -> bytes:
    """The block that begins a file: everything up to the next section header belongs to it."""
    # 4.1: version 1.0; a section length of -1 is "not specified", which is what a writer that cannot seek back knows.
    body = struct.pack("<IHHq", BYTE_ORDER, 1, 0, -1)
    return _block(SECTION_HEADER, body + _options((_COMMENT, comment), (3, os), (4, application)))


def interface(
    name: str,
    linktype: int = LinkType.EN10MB,
    *,
    snaplen: int = MAX_CAPTURED,
    description: str | None = None,
) -> bytes:
    """Describe one interface. The first after a section header is number 0, the next 1, and so on.

    Args:
        name: shown by every reader beside the packet: `eth0`, or a vantage point such as `server`.
        linktype: what each packet's data begins with, 16 bits.
        snaplen: bytes kept of each packet at most; 0 is no limit.
    """
    if not (0 <= linktype < 2**16 and 0 <= snaplen < 2**32):
        _refuse(f"link type {linktype} is not 16 bits, or snaplen {snaplen} not 32", "4.2")
    options = _options(
        (_IF_NAME, name),
        (_IF_DESCRIPTION, description),
        (_IF_TSRESOL, b"\x09"),  # 4.2: timestamps count units of 10^-9 s
    )
    return _block(INTERFACE, struct.pack("<HHI", linktype, 0, snaplen) + options)


def enhanced_packet(
    interface_id: int,
    time_ns: Ns,
    data: bytes,
    original_len: int | None = None,
    comment: str | None = None,
    *,
    flags: int | None = None,
) -> bytes:
    """One captured packet.

    Args:
        interface_id: number of an interface described before in this section.
        time_ns: ns since 1970-01-01 UTC, 0 to 2**64 - 1; in a simulation, the virtual clock.
        data: what was captured, at most `MAX_CAPTURED` bytes.
        original_len: bytes the packet had, if more than were captured.
        comment: shown by Wireshark beside the packet, such as why it was dropped.
        flags: 32 bits, such as INBOUND or OUTBOUND.

    Raises:
        LocalProtocolError: a value does not fit its field, or is one that a reader would refuse.
    """
    captured = len(data)
    if original_len is None:
        original_len = captured
    if captured > MAX_CAPTURED:
        _refuse(f"{captured} B captured exceed {MAX_CAPTURED} B", "4.3")
    # 4.3: a writer "MUST write an Original Packet Length that is greater than or equal to the Captured Packet Length"
    if original_len < captured:
        _refuse(f"original length {original_len} is less than the {captured} B captured", "4.3")
    try:
        body = struct.pack("<IIIII", interface_id, time_ns >> 32, time_ns & 0xFFFFFFFF, captured, original_len)
        options = _options((_COMMENT, comment), (FLAGS, None if flags is None else struct.pack("<I", flags)))
    except struct.error as error:
        _refuse(f"a field does not fit: {error}", "4.3")
    return _block(ENHANCED_PACKET, body + data + bytes(-captured % 4) + options)


def interface_statistics(
    interface_id: int, time_ns: Ns, *, received: int | None = None, dropped: int | None = None
) -> bytes:
    """What an interface counted up to `time_ns`: packets received, and those dropped for lack of room.

    Raises:
        LocalProtocolError: a value does not fit its field.
    """
    try:
        body = struct.pack("<III", interface_id, time_ns >> 32, time_ns & 0xFFFFFFFF)
        counters = [(code, None if n is None else struct.pack("<Q", n)) for code, n in ((4, received), (5, dropped))]
    except struct.error as error:
        _refuse(f"a field does not fit: {error}", "4.6")
    return _block(_STATISTICS, body + _options(*counters))


def _block(kind: int, body: bytes) -> bytes:
    length = EMPTY_BLOCK_LEN + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(*options: tuple[int, str | bytes | None]) -> bytes:
    encoded = b""
    for code, value in options:
        if value is None:
            continue
        if isinstance(value, str):
            # 3.6.3: "MUST write only valid UTF-8"; 3.5: a zero octet would end the string for its reader
            value = value.replace("\0", "?").encode("utf-8", "replace")
        if len(value) >= 2**16:
            _refuse(f"option {code} of {len(value)} B exceeds the {2**16 - 1} B its length can say", "3.5")
        encoded += _OPTION.pack(code, len(value)) + value + bytes(-len(value) % 4)
    # 3.5: a writer "MUST put an opt_endofopt option at the end of an option list"
    return encoded + _OPTION.pack(_END_OF_OPTIONS, 0) if encoded else b""


def _refuse(message: str, section: str) -> NoReturn:
    raise LocalProtocolError(message, rule=f"{_RULE} §{section}")


# ---- reading ---------------------------------------------------------------------------------------------------------


class Layouts:
    """The numbers of one section, in its byte order."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.word = struct.Struct(order + "I")
        self.block = struct.Struct(order + "II")
        self.section = struct.Struct(order + "HH")
        self.interface = struct.Struct(order + "HHI")
        self.packets = {kind: struct.Struct(order + fields) for kind, fields in PACKETS.items()}
        self.option = struct.Struct(order + "HH")
        self.seconds = struct.Struct(order + "q")


BIG, LITTLE = Layouts(">"), Layouts("<")


class Clock(msgspec.Struct, frozen=True):
    """What an interface's timestamps count: `per_second` units, from `offset` on."""

    per_second: int = 10**6  # 4.2: "If this option is not present, a resolution of 10^-6 is assumed"
    offset: Ns = 0


class Blocks:
    """Goes through a file from block to block, and knows the interfaces that were described on the way.

    Attributes:
        at: the next block.
        interfaces, clocks: all described so far, the whole file through.
        section: which of them is number 0 of the present section.
        layouts: the present section's byte order.
    """

    def __init__(self, data: CaptureBytes) -> None:
        if bytes(data[:4]) != MAGIC:
            raise CaptureError(f"not pcapng: begins with {bytes(data[:4]).hex(' ') or 'nothing'}", offset=0)
        self.at = 0
        self.interfaces: list[Interface] = []
        self.clocks: list[Clock] = []
        self.section = 0
        self.layouts = LITTLE
        self._data = data

    def locate(self) -> Iterator[Located]:
        """Where each record stands, from the present block on.

        Raises:
            CaptureTruncated: the file ends within a block.
            CaptureError: a version, length or interface that cannot be.
        """
        while self.at < len(self._data):
            at = self.at
            if (found := self.step()) is not None:
                yield self._locate_packet(at, *found)

    def step(self) -> tuple[int, int] | None:
        """Pass one block. Of a record, its type and where its block's body ends."""
        at = self.at
        if self._data[at : at + 4] == MAGIC and at + EMPTY_BLOCK_LEN <= len(self._data):
            self.layouts = _byte_order(self._data, at + 8)
        kind, self.at = self.whole_block(at)
        body = self.at - 4
        if kind in PACKETS:
            return kind, body
        if kind == INTERFACE:
            interface, clock = _read_interface(self._data, at + BLOCK_HEADER_LEN, body, self.layouts)
            self.interfaces.append(interface)
            self.clocks.append(clock)
        elif kind == SECTION_HEADER:
            self._begin_section(at, self.at - at)
        return None

    def whole_block(self, at: int) -> tuple[int, int]:
        """The type of the block that stands `at`, in the present byte order, and where it ends.

        Raises:
            CaptureTruncated: the file ends within it.
            CaptureError: its length cannot be.
        """
        size = len(self._data)
        if size - at < EMPTY_BLOCK_LEN:
            raise CaptureTruncated(f"cut short: {size - at} B of the last block", offset=at)
        kind, length = self.layouts.block.unpack_from(self._data, at)
        if length < EMPTY_BLOCK_LEN or length % 4 or length > MAX_BLOCK:
            raise CaptureError(
                f"a block's length of {length} B is not a multiple of 4 from {EMPTY_BLOCK_LEN} to {MAX_BLOCK}",
                offset=at + 4,
            )
        end = at + length
        if end > size:
            raise CaptureTruncated(f"cut short: {size - at} of {length} B of the last block", offset=at)
        (trailer,) = self.layouts.word.unpack_from(self._data, end - 4)
        if trailer != length:
            raise CaptureError(
                f"a block's length is {length} B at its start and {trailer} B at its end", offset=end - 4
            )
        return kind, end

    def _begin_section(self, at: int, length: int) -> None:
        _need(length, 28, at + 4)
        major, minor = self.layouts.section.unpack_from(self._data, at + 12)
        # 4.1: readers "MUST treat a Minor Version of 2 as equivalent to a Minor Version of 0"
        if major != 1 or minor not in (0, 2):
            raise CaptureError(f"pcapng version {major}.{minor}, only 1.0 is known", offset=at + 12)
        self.section = len(self.interfaces)  # 4.2: a description "is valid only inside the section to which it belongs"

    def _locate_packet(self, at: int, kind: int, end: int) -> Located:
        start, layout = at + BLOCK_HEADER_LEN, self.layouts.packets[kind]
        _need(end - start, layout.size, start)
        body = start + layout.size
        fields = layout.unpack_from(self._data, start)
        number = 0 if kind == SIMPLE_PACKET else fields[0]  # 4.4: a simple packet belongs to the first interface
        interface = self.section + number
        if interface >= len(self.interfaces):
            described = len(self.interfaces) - self.section
            raise CaptureError(f"interface {number} was not described, {described} were", offset=start)
        time_ns: Ns | None = None
        if kind == SIMPLE_PACKET:
            (original,) = fields
            snaplen = self.interfaces[interface].snaplen
            captured = min(original, snaplen) if snaplen else original
        else:
            high, low, captured, original = fields[-4:]
            clock = self.clocks[interface]
            time_ns = (high << 32 | low) * S // clock.per_second + clock.offset
            if not -(2**63) < time_ns < 2**63:
                raise CaptureError("a timestamp is beyond 64 bits of nanoseconds", offset=start)
        if captured > MAX_CAPTURED:
            raise CaptureError(f"a record claims {captured} B captured, over {MAX_CAPTURED} B", offset=start)
        if captured > original:
            raise CaptureError(f"a record claims {captured} B captured of a packet of {original} B", offset=start)
        if body + captured + (-captured % 4) > end:
            raise CaptureError(f"a record claims {captured} B captured, its block holds {end - body} B", offset=start)
        return Located(at, body, captured, original, time_ns, interface)


def read_records(data: CaptureBytes) -> Iterator[Record]:
    """The records of a pcapng file, one at a time.

    Enhanced, simple and the obsolete packet blocks are records; other blocks are skipped.

    Raises:
        CaptureTruncated: the file ends within a block; every whole record has been given before.
        CaptureError: not pcapng, another version, a length that cannot be, or an interface that was not described.
    """
    blocks = Blocks(data)
    for number, found in enumerate(blocks.locate(), 1):
        yield Record(
            number,
            blocks.interfaces[found.interface],
            found.time_ns,
            bytes(data[found.start : found.start + found.captured]),
            found.original,
            comment_of(data, found.at, found.start + found.captured, blocks.layouts),
        )


def comment_of(data: CaptureBytes, at: int, end: int, layouts: Layouts) -> str | None:
    """What the file says of the record whose block is `at` and whose captured bytes end at `end`. Several are lines.

    Raises:
        CaptureError: an option that does not fit its block.
    """
    _kind, length = layouts.block.unpack_from(data, at)
    values = _read_options(data, end + (at - end) % 4, at + length - 4, layouts)
    comments = [_text(value) for code, value in values if code == _COMMENT]
    return "\n".join(comments) if comments else None


def _byte_order(data: CaptureBytes, at: int) -> Layouts:
    for layouts in (LITTLE, BIG):
        if layouts.word.unpack_from(data, at) == (BYTE_ORDER,):
            return layouts
    raise CaptureError(f"the byte-order magic is {bytes(data[at : at + 4]).hex(' ')}", offset=at)


def _read_interface(data: CaptureBytes, start: int, end: int, layouts: Layouts) -> tuple[Interface, Clock]:
    _need(end - start, layouts.interface.size, start)
    linktype, _reserved, snaplen = layouts.interface.unpack_from(data, start)
    name: str | None = None
    clock = Clock()
    for code, value in _read_options(data, start + layouts.interface.size, end, layouts):
        if code == _IF_NAME:
            name = _text(value)
        elif code == _IF_TSRESOL and len(value) == 1:
            # 4.2: the most significant bit tells a power of 2 from a power of 10
            exponent = value[0] & 0x7F
            clock = msgspec.structs.replace(clock, per_second=2**exponent if value[0] & 0x80 else 10**exponent)
        elif code == _IF_TSOFFSET and len(value) == 8:
            clock = msgspec.structs.replace(clock, offset=layouts.seconds.unpack(value)[0] * S)
    return Interface(name, linktype, snaplen), clock


def _read_options(data: CaptureBytes, at: int, end: int, layouts: Layouts) -> Iterator[tuple[int, bytes]]:
    # 3.5: "MUST NOT assume an option list will have an opt_endofopt option at the end": the block's end ends it too
    while end - at >= layouts.option.size:
        code, length = layouts.option.unpack_from(data, at)
        if code == _END_OF_OPTIONS:
            return
        value = at + layouts.option.size
        if value + length > end:
            raise CaptureError(f"option {code} claims {length} B, its block has {end - value} B left", offset=at)
        yield code, bytes(data[value : value + length])
        at = value + length + (-length % 4)


def _text(value: bytes) -> str:
    # 3.5: "MUST treat a zero-value octet as a string terminator"; 3.6.3: invalid UTF-8 may be repaired
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def _need(have: int, need: int, offset: int) -> None:
    if have < need:
        raise CaptureError(f"a block of {have} B is too short for its fields of {need} B", offset=offset)
