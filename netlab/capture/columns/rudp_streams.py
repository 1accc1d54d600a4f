"""rudp's streams put together: the data of its segments, which stand in the datagrams of a flow.

What was sent again stands at the same offset, maybe cut elsewhere; who carried a byte first is found as in TCP's
streams. A flow, the session token and rudp's number of the stream tell one stream from another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.grouping import number_alike
from netlab.capture.columns.stream_bytes import StreamBytes
from netlab.capture.columns.stream_numbers import spans_of, unwrapped
from netlab.packets import segment
from netlab.packets.packet import HEADER_LEN, SESSION, SESSION_LEN, PacketType

if TYPE_CHECKING:
    from netlab.capture.columns.netlab_packets import NetlabPackets
    from netlab.capture.columns.whole_file import WholeFile


class Segments:
    """The segments of rudp in a capture's datagrams, one row each.

    Attributes:
        row: of the capture's packet.
        token: of the session; 0 without one.
        stream: rudp's number of it.
        offset: of the data in its stream, 32 bits.
        header_len: bytes of rudp's header, with the ranges that it acknowledges.
        data_at: where in the file the data stands.
        data_len: bytes of it that were captured.
    """

    def __init__(self, whole: WholeFile, packets: NetlabPackets) -> None:
        """Those in `packets`, which are of datagrams; what is damaged or cut within its header is left out."""
        octets = whole.octets
        places = np.flatnonzero((packets.type == PacketType.SEGMENT) & (packets.intact != 0))
        row = packets.row[places]
        payload = whole.payload_at[row]
        token_len = np.where(packets.flags[places] & SESSION, SESSION_LEN, 0)
        at = payload + packets.offset[places] + HEADER_LEN + token_len
        end = np.minimum(
            at - token_len + packets.payload_length[places], payload + whole.column("payload_captured_len")[row]
        )
        kept = np.flatnonzero(at + segment.HEADER_LEN <= end)
        row, at, end, token_len = row[kept], at[kept], end[kept], token_len[kept]
        self.row = row
        self.token = np.where(token_len > 0, octets.u64(at - SESSION_LEN), 0)
        self.stream = octets.field(segment.HEADER, "stream", at)
        self.offset = octets.field(segment.HEADER, "offset", at)
        self.header_len = segment.HEADER_LEN + segment.RANGE_LEN * octets.field(segment.HEADER, "ack_ranges", at)
        self.data_at = at + self.header_len
        self.data_len = np.maximum(end - self.data_at, 0)


def put_together(whole: WholeFile, segments: Segments) -> list[StreamBytes]:
    """All streams of a file's segments, in the order in which they begin."""
    carrying = np.flatnonzero(segments.data_len > 0)
    if not len(carrying):
        return []
    row = segments.row[carrying]
    stream = number_alike(whole.column("flow")[row], segments.token[carrying], segments.stream[carrying])
    order = np.lexsort((carrying, stream))  # by stream, in each as in the file
    carrying, row, stream = carrying[order], row[order], stream[order]
    offset = segments.offset[carrying].astype(np.int64)
    first = np.flatnonzero(np.diff(stream, prepend=-1))
    start = unwrapped(offset, stream, np.ones(len(offset), bool)) + offset[first][stream]
    spans, _ = spans_of(stream, start, segments.data_len[carrying].astype(np.int64), np.arange(len(row)))
    bounds = np.searchsorted(spans.stream, np.arange(len(first) + 1))
    found = []
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        which: NDArray[np.int64] = spans.row[begin:end]
        at = segments.data_at[carrying][which] - start[which]
        found.append(StreamBytes(spans.start[begin:end], spans.end[begin:end], row[which], at, whole.data))
    return found
