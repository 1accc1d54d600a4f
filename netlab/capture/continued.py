"""netlab packets that a TCP segment holds only a part of: begun in an earlier one, or cut within their header.

TCP keeps no boundaries (RFC 9293 §2.2): a segment alone does not say that its bytes are the middle of something. The
streams of the capture, put together, do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from netlab.packets.packet import HEADER, HEADER_LEN

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile


class Part(msgspec.Struct, frozen=True):
    """Bytes of a netlab packet in the payload of a TCP segment that do not begin with its whole header.

    Attributes:
        start, length: where they stand in the payload.
        before: bytes of the packet that came before these.
        size: bytes of the whole packet, header included.
        began: the number of the capture's packet that its first byte came in.
        ends: that of the one which brought the last missing byte; None where it is not in the capture.
        type, message_id, index, count: as its header says.
    """

    start: int
    length: int
    before: int
    size: int
    began: int
    ends: int | None
    type: str
    message_id: int
    index: int
    count: int

    @property
    def name(self) -> str:
        """Such as `data 9c0d9a43 1/2`."""
        fragment = "" if self.count == 1 else f" {self.index + 1}/{self.count}"
        return f"{self.type} {self.message_id:08x}{fragment}"

    @property
    def note(self) -> str:
        """What is to be said of it, in a sentence."""
        if not self.before:
            return f"The first {self.length} bytes of a netlab packet: its header goes on in a later segment."
        where = f"bytes {self.before} to {self.before + self.length - 1} of its {self.size}"
        if self.before + self.length == self.size:
            end = ", the last of them"
        else:
            end = "; its end was not captured" if self.ends is None else f"; it is whole with packet {self.ends}"
        return f"It continues the netlab packet {self.name} that began in packet {self.began}: {where}{end}."


def parts_in_segments(whole: WholeFile) -> dict[int, tuple[Part, ...]]:
    """For each row of a capture whose TCP payload has such parts: the one it begins with, the one it ends with."""
    found: dict[int, list[Part]] = {}
    packets = whole.netlab_packets
    names = HEADER.field("type").names
    rows_of_streams = np.flatnonzero((whole.column("stream") >= 0) & (whole.column("payload_len") > 0))
    stream_of, offset_of = whole.column("stream")[rows_of_streams], whole.column("stream_offset")[rows_of_streams]
    length_of = whole.column("payload_len")[rows_of_streams]
    in_stream = (packets.stream >= 0) & (packets.masking_key < 0)  # a frame of WebSocket says where it goes on itself
    for stream in np.unique(packets.stream[in_stream]).tolist():
        places = np.flatnonzero(in_stream & (packets.stream == stream))
        places = places[np.argsort(packets.offset[places], kind="stable")]
        begins = packets.offset[places]
        sizes = packets.payload_length[places] + HEADER_LEN
        mine = np.flatnonzero(stream_of == stream)
        first, behind = offset_of[mine].astype(np.int64), (offset_of[mine] + length_of[mine]).astype(np.int64)
        for edge, is_head in ((first, True), (behind - 1, False)):
            near = np.searchsorted(begins, edge, "right") - 1
            safe = np.maximum(near, 0)
            inside = (near >= 0) & (edge < begins[safe] + sizes[safe])
            if is_head:
                wanted = inside & (begins[safe] < first)
            else:
                wanted = inside & (begins[safe] >= first) & (begins[safe] + HEADER_LEN > behind)
            for at in np.flatnonzero(wanted).tolist():
                place, begin, size = int(places[safe[at]]), int(begins[safe[at]]), int(sizes[safe[at]])
                start = max(begin, int(first[at]))
                part = Part(
                    start=start - int(first[at]),
                    length=min(begin + size, int(behind[at])) - start,
                    before=start - begin,
                    size=size,
                    began=int(packets.row[place]) + 1,
                    ends=int(packets.last_row[place]) + 1 if packets.intact[place] >= 0 else None,
                    type=names.get(int(packets.type[place]), f"type {packets.type[place]}"),
                    message_id=int(packets.message_id[place]),
                    index=int(packets.fragment_index[place]),
                    count=int(packets.fragment_count[place]),
                )
                found.setdefault(int(rows_of_streams[mine[at]]), []).append(part)
    return {row: tuple(parts) for row, parts in found.items()}
