r"""rudp's own header: what makes datagrams reliable. It stands in the payload of a netlab packet of type SEGMENT.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +---------------------------------------------------------------+
    |                         packet number                         |
    +-------------------------------+-------------------------------+
    |            settled            |             stream            |
    +---------------+---------------+-------------------------------+
    |     flags     |   ack ranges  |           ack delay           |
    +---------------+---------------+-------------------------------+
    |                         stream offset                         |
    +---------------------------------------------------------------+
    |                            max data                           |
    +---------------------------------------------------------------+
    |                       first acknowledged                      |
    +---------------------------------------------------------------+
    |                       last acknowledged                       |
    +---------------------------------------------------------------+
    |                             data                              |

The acknowledged range stands there as many times as `ack ranges` says, the newest first.

Two numbers do what TCP's one sequence number does. The *packet number* belongs to the datagram: it is never used twice,
so an acknowledgement says which transmission arrived and every round-trip sample is sound (RFC 9002 §3). The *stream
offset* belongs to the data, and is the same each time it is sent. Both are 32 bits and wrap; what is on its way is
always far less than half of that, so the whole number is known from what came before (`widen`).
"""

from __future__ import annotations

import enum
import struct

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.header import Header, HeaderField, Shown

MAX_RANGES = 32
"""Ranges that one segment acknowledges at most; where there are more, the newest."""

ACK_DELAY_UNIT = 8_000
"""ns that one unit of the ack delay stands for: 16 bits reach to half a second."""

MOST_SETTLED = 0xFFFF

_RANGES = [struct.Struct(f"!{2 * count}I") for count in range(MAX_RANGES + 1)]
_HALF = 1 << 31
_WRAP = 1 << 32


class Flag(enum.IntFlag):
    """What is special about a segment."""

    ELICITS = 1
    """It is to be acknowledged; without this the packet number says nothing."""
    FIN = 2
    """The stream ends behind this data."""
    UNORDERED = 4
    """This data is one message of its own, to be delivered when it comes, whatever is missing before it."""
    PROMPT = 8
    """Acknowledge this at once: the sender waits for it."""


FLAG_NAMES = {flag.value: flag.name or "" for flag in Flag}

ELICITS, FIN, UNORDERED, PROMPT = 1, 2, 4, 8  # as plain numbers: enum's arithmetic is slow where every datagram passes

HEADER = Header(
    "rudp",
    "rudp segment",
    HeaderField("number", "packet number", 32, Shown.DECIMAL, "never used twice; without flag ELICITS it says nothing"),
    HeaderField("settled", "settled", 16, Shown.DECIMAL, "how far below it the oldest awaited lies", unit="packets"),
    HeaderField("stream", "stream", 16, Shown.DECIMAL, "which stream the data belongs to"),
    HeaderField("flags", "flags", 8, Shown.FLAGS, "what is special", names=FLAG_NAMES),
    HeaderField("ack_ranges", "ack ranges", 8, Shown.DECIMAL, "how many ranges are acknowledged below"),
    HeaderField("ack_delay", "ack delay", 16, Shown.DECIMAL, "how long the largest number has waited", unit="x 8 us"),
    HeaderField("offset", "stream offset", 32, Shown.DECIMAL, "of the data in its stream, bytes"),
    HeaderField("max_data", "max data", 32, Shown.DECIMAL, "how many bytes of all streams the peer may send in all"),
)
"""The header, field by field. What is known of it elsewhere (scapy, Wireshark, `netlab layers`) is made from this."""

RANGE = Header(
    "rudp",
    "acknowledged range",
    HeaderField("first", "first acknowledged", 32, Shown.DECIMAL, "the range's first packet number"),
    HeaderField("last", "last acknowledged", 32, Shown.DECIMAL, "the range's last packet number"),
)
"""What follows the header as many times as `ack ranges` says, the newest range first; then the data."""

HEADER_LEN = HEADER.len
RANGE_LEN = RANGE.len
_RULE = "rudp header"
_FIELDS = struct.Struct(HEADER.layout())


class Segment(msgspec.Struct, frozen=True, gc=False):
    """One segment; `decode(encode(s)) == s`.

    Attributes:
        number: of this datagram, 32 bits.
        settled: how far below `number` the oldest lies that the sender still waits for: of what is older, nothing need
            be said any more. 65,535 stands for more.
        stream: which stream the data belongs to.
        flags: of `Flag`.
        offset: of the data in its stream, 32 bits.
        max_data: so many bytes, of all streams together, may the peer send in all, 32 bits.
        ack_delay: how long the largest number acknowledged waited for this acknowledgement, in units of 8 us.
        ranges: first and last packet number of each range that is acknowledged, the newest first; empty: none.
        data: bytes of the stream.
    """

    number: int
    settled: int
    stream: int
    flags: int
    offset: int
    max_data: int
    ack_delay: int = 0
    ranges: tuple[int, ...] = ()
    data: bytes | memoryview = b""


def encode(segment: Segment) -> bytes:
    """The segment's bytes.

    Raises:
        LocalProtocolError: a field does not fit its bits, or half a range.
    """
    ranges = segment.ranges
    count = len(ranges) // 2
    try:
        header = _FIELDS.pack(
            segment.number,
            segment.settled,
            segment.stream,
            segment.flags,
            count,
            segment.ack_delay,
            segment.offset,
            segment.max_data,
        )
        if not count:
            return b"".join((header, segment.data))
        return b"".join((header, _RANGES[count].pack(*ranges), segment.data))
    except (struct.error, IndexError) as error:
        raise LocalProtocolError(f"a field does not fit: {error} ({len(ranges)} edges)", rule=_RULE) from None


def decode(payload: bytes) -> Segment:
    """The segment that is all of `payload`.

    Raises:
        DecodeError: truncated, unknown flags, too many ranges, or one that ends before it begins.
    """
    if len(payload) < HEADER_LEN:
        message = f"{len(payload)} B where a header takes {HEADER_LEN} B"
        raise DecodeError(message, rule=_RULE, field="header", offset=len(payload))
    number, settled, stream, flags, count, delay, offset, max_data = _FIELDS.unpack_from(payload)
    if flags > 15:
        raise _wrong("flags", f"flags {flags:#04x} has bits that are not known")
    if not count:
        return Segment(number, settled, stream, flags, offset, max_data, delay, (), payload[HEADER_LEN:])
    end = HEADER_LEN + RANGE_LEN * count
    if count > MAX_RANGES or end > len(payload):
        raise _wrong("ack_ranges", f"{count} ranges, {(len(payload) - HEADER_LEN) // RANGE_LEN} would fit")
    ranges: tuple[int, ...] = _RANGES[count].unpack_from(payload, HEADER_LEN)
    above = ranges[1] + 2
    for at in range(0, 2 * count, 2):  # each ends not before it begins, and below the one before it, with a gap between
        first, last = ranges[at], ranges[at + 1]
        if (last - first) % _WRAP >= _HALF or (above - 2 - last) % _WRAP >= _HALF:
            message = f"range {first} to {last} is not below {above}"
            raise DecodeError(message, rule=_RULE, field="first acknowledged", offset=HEADER_LEN + 4 * at)
        above = first
    return Segment(number, settled, stream, flags, offset, max_data, delay, ranges, payload[end:])


def widen(low: int, near: int) -> int:
    """The number whose last 32 bits are `low` and that is nearest to `near`; it may be negative near 0.

    >>> widen(5, near=2**32 - 3) == 2**32 + 5, widen(2**32 - 1, near=2**32 + 4) == 2**32 - 1
    (True, True)
    """
    return near + ((low - near + _HALF) & (_WRAP - 1)) - _HALF


def _wrong(key: str, message: str) -> DecodeError:
    return DecodeError(message, rule=_RULE, field=HEADER.field(key).name, offset=HEADER.byte(key))


assert (HEADER_LEN, RANGE_LEN) == (20, 8)
