"""Which TCP stream each segment belongs to, where its payload stands there, and which of it had been seen before.

A stream is one direction of one connection, as one vantage point saw it. Sequence numbers wrap at 2**32 and begin
anywhere; an offset in the stream counts from 0, its first byte, and does not wrap.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.grouping import number_alike
from netlab.capture.columns.table import NO_OFFSET
from netlab.capture.octets import Ints, Mask
from netlab.packets import tcp
from netlab.packets.tcp import TcpFlags

_HALF, _ALL = 2**31, 2**32


class Spans(NamedTuple):
    """Bytes of streams, and the packet that carried each of them first: one row a span. In order, none overlaps.

    Attributes:
        stream: the number of the stream.
        start, end: offsets in it.
        row: of the packet, from 0.
    """

    stream: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    row: NDArray[np.int64]


class Streams(NamedTuple):
    """What is known of all streams, beside the columns.

    Attributes:
        spans: who carried which byte first.
        begun: of each stream, whether its beginning was seen: a SYN.
        peer: of each, the number of the stream in the other direction, or -1.
    """

    spans: Spans
    begun: Mask
    peer: NDArray[np.int64]


def stream_columns(column: Callable[[str], NDArray[Any]]) -> tuple[dict[str, NDArray[Any]], Streams]:
    """The columns of group `streams`, and the streams."""
    count = len(column("protocol"))
    columns = {name: np.full(count, NO_OFFSET, np.int64) for name in ("stream_offset", "ack_offset")}
    columns["stream"] = np.full(count, -1, np.int32)
    columns["repeated_len"] = np.zeros(count, np.int64)
    rows = np.flatnonzero((column("protocol") == tcp.PROTOCOL) & (column("sport") >= 0))
    connection = _connections(column, rows)
    flow = column("flow")[rows].astype(np.int64)
    # streams are numbered in the order in which they begin in the file
    keys, first, stream = np.unique(connection << 32 | flow, return_index=True, return_inverse=True)
    rank = np.empty(len(keys), np.int32)
    rank[np.argsort(first)] = np.arange(len(keys))
    stream = rank[stream]

    order = np.argsort(stream, kind="stable")  # by stream, in each as in the file
    rows, stream = rows[order], stream[order]
    payload, flags = column("payload_len")[rows].astype(np.int64), column("flags")[rows]
    syn, reset = flags & TcpFlags.SYN != 0, flags & TcpFlags.RST != 0
    # a reset's number may be anything (RFC 9293 §3.10.7.1), and so may a lone acknowledgment's that is not wanted
    steady = ~reset & ((payload > 0) | (flags & (TcpFlags.SYN | TcpFlags.FIN) != 0))
    seq = column("seq")[rows] + syn
    at = unwrapped(seq, stream, steady)
    origin, begun = _origins(at, stream, len(keys), syn & ~reset, steady & (payload > 0))
    at -= origin[stream]
    columns["stream"][rows] = stream
    columns["stream_offset"][rows] = at

    peer = _peers(column("conversation")[rows], connection[order], stream, len(keys))
    acks = np.flatnonzero((flags & TcpFlags.ACK != 0) & ~reset & (peer[stream] >= 0))
    zero = np.zeros(len(keys), np.int64)  # the sequence number at offset 0
    zero[stream] = seq - at
    ack, of = column("ack")[rows][acks], stream[acks]
    climbed = unwrapped(ack, of, np.ones(len(acks), bool))
    begins = np.flatnonzero(np.diff(of, prepend=-1))
    from_zero = np.zeros(len(keys), np.int64)
    from_zero[of[begins]] = (ack[begins] - zero[peer[of[begins]]] + _HALF) % _ALL - _HALF
    columns["ack_offset"][rows[acks]] = climbed + from_zero[of]
    carrying = np.flatnonzero((payload > 0) & ~reset)
    spans, repeated = spans_of(stream[carrying], at[carrying], payload[carrying], rows[carrying])
    columns["repeated_len"][rows[carrying]] = repeated
    return columns, Streams(spans, begun, peer)


def _peers(conversation: Ints, connection: Ints, stream: Ints, count: int) -> NDArray[np.int64]:
    peer = np.full(count, -1, np.int64)
    if not count:
        return peer
    pair = np.zeros(count, np.int64)
    pair[stream] = number_alike(conversation, connection)
    order = np.argsort(pair, kind="stable")
    alike = np.flatnonzero(pair[order][1:] == pair[order][:-1])
    peer[order[alike]], peer[order[alike + 1]] = order[alike + 1], order[alike]
    return peer


def _connections(column: Callable[[str], NDArray[Any]], rows: Ints) -> NDArray[np.int64]:
    """For each of the `rows`, which connection of its conversation it belongs to: another SYN begins another one."""
    found = np.zeros(len(rows), np.int64)
    flags = column("flags")[rows]
    opening = np.flatnonzero((flags & (TcpFlags.SYN | TcpFlags.ACK)) == TcpFlags.SYN)
    conversation, flow, seq = column("conversation")[rows], column("flow")[rows], column("seq")[rows]
    begun: dict[int, dict[int, int]] = {}  # conversation -> flow -> the number its last SYN had
    later: dict[int, list[int]] = {}  # conversation -> where a further connection of it begins
    for place in opening.tolist():
        numbers = begun.setdefault(int(conversation[place]), {})
        number = numbers.get(int(flow[place]))
        if number is not None and number != seq[place]:
            later.setdefault(int(conversation[place]), []).append(place)
            numbers.clear()
        numbers[int(flow[place])] = int(seq[place])
    if later:
        again = np.flatnonzero(np.isin(conversation, list(later)))
        for place in again.tolist():
            found[place] = bisect.bisect_right(later[int(conversation[place])], place)
    return found


def unwrapped(seq: NDArray[np.int64], stream: Ints, steady: Mask) -> NDArray[np.int64]:
    """Numbers that do not wrap, from numbers that do; each stream's begin anywhere.

    From one `steady` packet to the next of its stream is less than 2**31; others are told by the last steady one.
    """
    place = np.arange(len(seq))
    starts = np.flatnonzero(np.diff(stream, prepend=-1))  # every stream's first packet
    of_start = starts[np.searchsorted(starts, place, side="right") - 1]
    anchor = np.maximum.accumulate(np.where(steady, place, -1)) if len(seq) else place
    anchor = np.maximum(anchor, of_start)
    before = np.concatenate([anchor[:1], anchor[:-1]]) if len(seq) else anchor
    before = np.maximum(before, of_start)
    step = (seq - seq[before] + _HALF) % _ALL - _HALF
    climbed = np.cumsum(np.where(anchor == place, step, 0))
    climbed -= climbed[of_start] - step[of_start]
    return np.where(anchor == place, climbed, climbed[anchor] + (seq - seq[anchor] + _HALF) % _ALL - _HALF)


def _origins(
    at: NDArray[np.int64], stream: Ints, count: int, syn: Mask, carrying: Mask
) -> tuple[NDArray[np.int64], Mask]:
    """Where offset 0 of each stream is: behind its SYN; without one, at its lowest payload; and whether it had one."""
    far = np.iinfo(np.int64).max
    lowest = np.full(count, far)
    np.minimum.at(lowest, stream[carrying], at[carrying])
    first = np.zeros(count, np.int64)
    first[stream[::-1]] = at[::-1]
    origin = np.where(lowest == far, first, lowest)
    begun = np.zeros(count, bool)
    begun[stream[syn]] = True
    origin[stream[syn][::-1]] = at[syn][::-1]
    return origin, begun


def spans_of(
    stream: Ints, start: NDArray[np.int64], size: NDArray[np.int64], row: Ints
) -> tuple[Spans, NDArray[np.int64]]:
    """Who carried which bytes first, and of each segment how many bytes others had carried before it.

    The segments are in order of their stream, and within it in that of the file.
    """
    end = start + size
    repeated = np.zeros(len(start), np.int64)
    bounds = np.flatnonzero(np.diff(stream, prepend=-1, append=-1))
    plain = np.ones(len(start), bool)
    parts: list[tuple[int, int, int, int]] = []
    ahead = np.flatnonzero((start[1:] < end[:-1]) & (stream[1:] == stream[:-1]))
    for disordered in np.unique(stream[ahead]).tolist():
        first, last = bounds[np.searchsorted(stream[bounds[:-1]], disordered) + np.arange(2)].tolist()
        plain[first:last] = False
        seen = _Seen()
        for place in range(first, last):
            new = seen.add(int(start[place]), int(end[place]))
            parts += [(disordered, from_, to, int(row[place])) for from_, to in new]
            repeated[place] = size[place] - sum(to - from_ for from_, to in new)
    columns = [stream[plain], start[plain], end[plain], row[plain]]
    if parts:
        columns = [np.concatenate([a, b]) for a, b in zip(columns, np.array(parts, np.int64).T, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        columns = [one[order] for one in columns]
    return Spans(*(one.astype(np.int64) for one in columns)), repeated


class _Seen:
    """What of a stream has been seen: ranges in order, none of which touches another."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, start: int, end: int) -> list[tuple[int, int]]:
        """See this range too. What of it is new."""
        first = bisect.bisect_left(self._ends, start)  # the first range that it touches, and behind the last
        last = bisect.bisect_right(self._starts, end)
        new, at = [], start
        for there, until in zip(self._starts[first:last], self._ends[first:last], strict=True):
            if at < there:
                new.append((at, there))
            at = until
        if at < end:
            new.append((at, end))
        if first < last:
            start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        return new
