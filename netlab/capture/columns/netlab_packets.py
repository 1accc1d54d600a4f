"""netlab's packets wherever they stand: in UDP datagrams, one behind the other, and in streams put together, TCP's and
those that rudp carries in datagrams; in TCP's also in frames of WebSocket."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.stream_bytes import StreamBytes
from netlab.capture.columns.web_streams import Unit
from netlab.packets import udp
from netlab.packets.packet import HEADER, HEADER_LEN, MAGIC, VERSION, begins_like_a_packet
from netlab.packets.websocket import FrameHead, Opcode

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_FIELDS = ("type", "flags", "payload_length", "fragment_index", "fragment_count", "message_id")
_NAMES = ("row", "last_row", "stream", "rudp_stream", "offset", *_FIELDS, "intact", "masking_key")
_MAGIC = int.from_bytes(MAGIC, "big")
_CRC_AT = HEADER.byte("crc")


class NetlabPackets:
    """The netlab packets of a capture, one row each, in the order in which they begin.

    Attributes:
        row: of the capture's packet in which it begins, from 0: its number less 1.
        last_row: of that with which it could be read: the same, but in a stream, where all bytes before its end had
            to come.
        stream: the TCP stream it stands in, or -1.
        rudp_stream: the stream of rudp it stands in, counted from 0 in the order in which they begin, or -1.
        offset: where in that stream it begins; in a datagram, where in its payload.
        type, flags, payload_length, fragment_index, fragment_count, message_id: the fields of its header.
        intact: 1 where its CRC is right, 0 where it is wrong, -1 where not all of it was captured.
        masking_key: of the frame of WebSocket that it stands in, 0 where that is not masked; -1 in no frame.
    """

    row: NDArray[np.int64]
    last_row: NDArray[np.int64]
    stream: NDArray[np.int64]
    rudp_stream: NDArray[np.int64]
    offset: NDArray[np.int64]
    type: NDArray[np.int64]
    flags: NDArray[np.int64]
    payload_length: NDArray[np.int64]
    fragment_index: NDArray[np.int64]
    fragment_count: NDArray[np.int64]
    message_id: NDArray[np.int64]
    intact: NDArray[np.int64]
    masking_key: NDArray[np.int64]

    def __init__(self, values: NDArray[np.int64]) -> None:
        """Take one line of `values` for each attribute."""
        self.values = values
        for name, array in zip(_NAMES, values, strict=True):
            setattr(self, name, array)

    def __len__(self) -> int:
        return len(self.row)


def find_packets(whole: WholeFile) -> NetlabPackets:
    """All netlab packets of a file. A segment of rudp comes before those that begin in it."""
    found = [whole.netlab_datagrams.values]
    begun = whole.streams.begun
    for number in np.unique(whole.streams.spans.stream).tolist():
        found.append(_in_stream((number, -1), bool(begun[number]), whole.stream_bytes(number)))
    for number, units in whole.web_units.items():
        found.append(_in_frames(number, units, whole.stream_bytes(number)))
    for number, stream in enumerate(whole.rudp_streams):
        found.append(_in_stream((-1, number), stream.start[:1] == [0], stream))
    packets = NetlabPackets(np.concatenate(found, axis=1))
    return NetlabPackets(packets.values[:, np.lexsort((packets.offset, packets.rudp_stream, packets.row))])


def packet_columns(packets: NetlabPackets, count: int) -> dict[str, NDArray[Any]]:
    """The columns of group `netlab`: of the first netlab packet that begins in each of the file's `count` packets."""
    columns: dict[str, NDArray[Any]] = {"netlab_packets": np.bincount(packets.row, minlength=count).astype(np.int32)}
    first = np.flatnonzero(np.diff(packets.row, prepend=-1))
    for name in _FIELDS:
        column = np.full(count, -1, np.int64 if name == "message_id" else np.int32)
        column[packets.row[first]] = getattr(packets, name)[first]
        columns[_COLUMN.get(name, name)] = column
    return columns


_COLUMN = {"type": "netlab_type", "flags": "netlab_flags", "payload_length": "netlab_payload_len"}


# ---- datagrams -------------------------------------------------------------------------------------------------------


def find_in_datagrams(whole: WholeFile) -> NetlabPackets:
    """Those of a file that stand in its datagrams themselves."""
    octets = whole.octets
    rows = np.flatnonzero(whole.column("protocol") == udp.PROTOCOL)
    begin = whole.payload_at[rows]
    end = begin + whole.column("payload_captured_len")[rows]
    at = begin
    found = [np.zeros((len(_NAMES), 0), np.int64)]
    while len(rows):
        kept = at + HEADER_LEN <= end
        rows, begin, end, at = rows[kept], begin[kept], end[kept], at[kept]
        kept = (octets.u16(at) == _MAGIC) & (octets.field(HEADER, "version", at) == VERSION)
        rows, begin, end, at = rows[kept], begin[kept], end[kept], at[kept]
        fields = [octets.field(HEADER, name, at) for name in _FIELDS]
        behind = at + HEADER_LEN + fields[_FIELDS.index("payload_length")]
        intact = [
            _is_intact([whole.data[start:stop]]) if stop <= limit else -1
            for start, stop, limit in zip(at.tolist(), behind.tolist(), end.tolist(), strict=True)
        ]
        none = np.full(len(rows), -1)
        found.append(np.array([rows, rows, none, none, at - begin, *fields, intact, none], np.int64))
        at = behind
    return NetlabPackets(np.concatenate(found, axis=1))


# ---- streams ---------------------------------------------------------------------------------------------------------


def _in_stream(numbers: tuple[int, int], begun: bool, stream: StreamBytes) -> NDArray[np.int64]:
    """One line for each of _NAMES. The next header is where the one before says; it is never hunted for.

    Args:
        numbers: of the stream, as TCP's and as rudp's; one of them is -1.
        begun: its beginning was seen.
    """
    found: list[tuple[int, ...]] = []
    at, last = 0 if begun else _first_packet(stream), -1
    while at is not None and (header := stream.read(at, at + HEADER_LEN)) and begins_like_a_packet(header):
        fields = HEADER.read(header)
        end = at + HEADER_LEN + fields["payload_length"]
        parts = stream.parts(at, end)
        intact = -1 if parts is None else _is_intact(parts)
        rows = stream.rows(at, end)
        last = max(last, *rows)
        found.append((rows[0], last, *numbers, at, *(fields[name] for name in _FIELDS), intact, -1))
        if intact == 0:  # a wrong CRC ends the connection
            break
        at = end
    return np.array(found, np.int64).reshape(-1, len(_NAMES)).T


def _in_frames(number: int, units: list[Unit], stream: StreamBytes) -> NDArray[np.int64]:
    """Those that are binary messages of WebSocket, one to a frame."""
    found: list[tuple[int, ...]] = []
    for unit in units:
        if not isinstance(unit.head, FrameHead) or unit.engine or not unit.is_one_message:
            continue
        header = unit.clear(stream.available(unit.body, min(HEADER_LEN, unit.head.length)))
        if unit.head.opcode != Opcode.BINARY or not begins_like_a_packet(header):
            continue
        fields = HEADER.read(header)
        parts = stream.parts(unit.body, unit.body + HEADER_LEN + fields["payload_length"])
        intact = -1 if parts is None else _is_intact([unit.clear(b"".join(parts))])
        row, last = stream.rows(unit.body, unit.body + 1)[0], unit.last_row if unit.last_row >= 0 else unit.row
        key = int.from_bytes(unit.key or b"", "big")
        found.append((row, last, number, -1, unit.body, *(fields[name] for name in _FIELDS), intact, key))
    return np.array(found, np.int64).reshape(-1, len(_NAMES)).T


def _first_packet(stream: StreamBytes) -> int | None:
    """Where a stream whose beginning was not seen may be read from: a segment that begins with an intact packet."""
    for start in stream.start:
        header = stream.read(start, start + HEADER_LEN)
        if header and begins_like_a_packet(header):
            parts = stream.parts(start, start + HEADER_LEN + HEADER.read(header)["payload_length"])
            if parts is not None and _is_intact(parts):
                return start
    return None


def _is_intact(parts: Iterable[memoryview | bytes]) -> int:
    """1 where the CRC of the packet that these parts are is right, else 0."""
    packet = b"".join(parts)
    covered = crc32(packet[HEADER_LEN:], crc32(packet[:_CRC_AT]))
    return int(covered == int.from_bytes(packet[_CRC_AT:HEADER_LEN], "big"))
