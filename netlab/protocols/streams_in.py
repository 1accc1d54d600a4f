"""The receiver's half of reliable datagrams: the streams put in order again."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.packets.segment import FIN, UNORDERED, Segment, widen
from netlab.protocols.connection import Dropped

SMALLEST = 64
"""Bytes that a chunk which waits is taken for at least, so that many tiny ones do not cost more than they hold."""


class Deliver(msgspec.Struct, frozen=True, gc=False):
    """Data of a stream: what follows what came before; or, where it was sent unordered, one message, at its offset."""

    stream: int
    data: bytes
    offset: int


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A stream has come to its end, in order."""

    stream: int


Output: TypeAlias = Deliver | Ended | Dropped


class _Stream:
    __slots__ = ("end", "highest", "next", "waiting")

    def __init__(self) -> None:
        self.next = 0  # everything before this offset has come
        self.highest = 0
        self.waiting: dict[int, bytes | int] = {}  # what came too early, by offset; its length where it is delivered
        self.end: int | None = None


class StreamsIn:
    """All streams of one connection.

    Args:
        buffer: bytes that the peer may send beyond what was consumed: what is kept at most.
        most_streams: streams at most.

    Attributes:
        max_data: how much the peer may send in all; it grows with what is consumed.
        held: bytes that came too early and are kept.
        ended: streams that have come to their end.
    """

    def __init__(self, buffer: int, most_streams: int) -> None:
        self.max_data = buffer
        self.held = 0
        self.ended: set[int] = set()
        self._buffer = buffer
        self._most_streams = most_streams
        self._streams: dict[int, _Stream] = {}
        self._consumed = 0
        self._highest = 0
        self._waiting = 0  # chunks

    def consume(self, size: int) -> None:
        """The application has taken so many bytes of what was delivered."""
        self._consumed += size
        self.max_data = self._consumed + self._buffer

    def take(self, segment: Segment, outputs: list[Output]) -> bool:
        """A segment with data, or with the end of a stream, came. False where it is not kept, so that it must not be
        acknowledged."""
        stream = self._streams.get(segment.stream)
        if stream is None:
            if len(self._streams) >= self._most_streams:
                return _refuse("too_many_streams", outputs)
            stream = self._streams[segment.stream] = _Stream()
        data, flags = segment.data, segment.flags
        assert isinstance(data, bytes)
        offset = widen(segment.offset, stream.next)
        end = offset + len(data)
        if stream.end is not None and end > stream.end:
            return _refuse("beyond_end", outputs)
        if end > stream.highest:
            if self._highest + end - stream.highest > self.max_data:
                return _refuse("beyond_window", outputs)
            self._highest += end - stream.highest
            stream.highest = end
        if flags & FIN:
            stream.end = end
        if offset > stream.next:
            return self._take_early(segment, stream, offset, data, outputs)
        if offset < stream.next or (not data and not flags & FIN):
            outputs.append(Dropped("duplicate_data"))
            return True
        if data:
            stream.next = end
            outputs.append(Deliver(segment.stream, data, offset))
            if stream.waiting:
                self._drain(segment.stream, stream, outputs)
        self._end(segment.stream, stream, outputs)
        return True

    def _take_early(self, segment: Segment, stream: _Stream, offset: int, data: bytes, outputs: list[Output]) -> bool:
        if offset in stream.waiting or not data:
            if data:
                outputs.append(Dropped("duplicate_data"))
            return True
        # A peer may cut what it sends so small, or let it overlap so much, that keeping it takes far more than its
        # window: it is not acknowledged then, and comes again.
        if self.held + len(data) > self._buffer or self._waiting >= self._buffer // SMALLEST:
            return _refuse("buffer_full", outputs)
        self._waiting += 1
        if segment.flags & UNORDERED:
            outputs.append(Deliver(segment.stream, data, offset))
            stream.waiting[offset] = len(data)
        else:
            stream.waiting[offset] = data
            self.held += len(data)
        return True

    def _drain(self, number: int, stream: _Stream, outputs: list[Output]) -> None:
        while (waiting := stream.waiting.pop(stream.next, None)) is not None:
            self._waiting -= 1
            if isinstance(waiting, int):
                stream.next += waiting
                continue
            self.held -= len(waiting)
            outputs.append(Deliver(number, waiting, stream.next))
            stream.next += len(waiting)

    def _end(self, number: int, stream: _Stream, outputs: list[Output]) -> None:
        if stream.next == stream.end and number not in self.ended:
            self.ended.add(number)
            outputs.append(Ended(number))


def _refuse(reason: str, outputs: list[Output]) -> bool:
    outputs.append(Dropped(reason))
    return False
