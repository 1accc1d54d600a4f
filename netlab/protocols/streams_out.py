"""What waits to be sent on the streams of one connection, cut into chunks that fit a datagram."""

from __future__ import annotations

from collections import deque
from typing import TypeAlias

from netlab.errors import LocalProtocolError, MessageTooBig
from netlab.packets.limits import DATAGRAM_PAYLOAD
from netlab.packets.packet import HEADER_LEN as PACKET_HEADER_LEN
from netlab.packets.packet import SESSION_LEN
from netlab.packets.segment import FIN, HEADER_LEN, RANGE_LEN, UNORDERED
from netlab.protocols.loss_recovery import Chunk

CHUNK = DATAGRAM_PAYLOAD - PACKET_HEADER_LEN - SESSION_LEN - HEADER_LEN - RANGE_LEN
"""Data of a full segment, bytes: what a datagram has room for beside the headers and one acknowledged range."""

Data: TypeAlias = bytes | memoryview


class _Stream:
    __slots__ = ("finishing", "number", "offset", "queue")

    def __init__(self, number: int) -> None:
        self.number = number
        self.offset = 0
        self.queue: deque[tuple[int, Data]] = deque()  # flags and data
        self.finishing = False


class StreamsOut:
    """All streams of one connection; those that have something to send take turns.

    Attributes:
        queued: bytes that wait.
        given: bytes that were cut into chunks so far, of all streams.
    """

    def __init__(self, chunk: int = CHUNK) -> None:
        self.queued = 0
        self.given = 0
        self._chunk = chunk
        self._streams: dict[int, _Stream] = {}
        self._ready: deque[_Stream] = deque()

    def __bool__(self) -> bool:
        """Is anything waiting?"""
        return bool(self._ready)

    def write(self, number: int, data: Data, *, unordered: bool = False) -> None:
        """Data for a stream, or one message that is delivered whatever is missing before it.

        Raises:
            LocalProtocolError: the stream is finished, or an unordered message is empty.
            MessageTooBig: an unordered message does not fit one datagram.
        """
        stream = self._open(number)
        if unordered and not 0 < len(data) <= self._chunk:
            if not data:
                raise LocalProtocolError("an unordered message has at least one byte", rule="rudp streams")
            raise MessageTooBig(
                f"unordered message of {len(data)} B exceeds one segment's {self._chunk} B",
                rule="rudp streams",
                code="too_big_for_path",
            )
        if not data:
            return
        if not stream.queue:
            self._ready.append(stream)
        stream.queue.append((UNORDERED if unordered else 0, data))
        self.queued += len(data)

    def finish(self, number: int) -> None:
        """Nothing more comes on this stream."""
        stream = self._open(number)
        stream.finishing = True
        if not stream.queue:
            self._ready.append(stream)

    def finishing(self, number: int) -> bool:
        """Whether the stream's end was asked for."""
        stream = self._streams.get(number)
        return stream is not None and stream.finishing

    def _open(self, number: int) -> _Stream:
        if not 0 <= number <= 0xFFFF:
            raise LocalProtocolError(f"stream {number} is not from 0 to 65535", rule="rudp streams")
        stream = self._streams.get(number)
        if stream is None:
            stream = self._streams[number] = _Stream(number)
        elif stream.finishing:
            raise LocalProtocolError(f"stream {number} is finished", rule="rudp streams")
        return stream

    def take(self, room: int) -> Chunk | None:
        """The next chunk, of at most `room` bytes; None where the peer has not room for a full one."""
        stream = self._ready[0]
        if not stream.queue:
            self._ready.popleft()
            return Chunk(stream.number, stream.offset, FIN, b"", self.given)
        flags, first = stream.queue[0]
        size = len(first)
        if size > self._chunk:
            if room < self._chunk:
                return None
            stream.queue[0] = flags, memoryview(first)[self._chunk :]
            data: Data = first[: self._chunk]
            size = self._chunk
        else:
            if room < size:
                return None
            data = first
            stream.queue.popleft()
            if size < self._chunk and stream.queue and not flags:
                data = self._fill(stream, first, min(room, self._chunk))
                size = len(data)
        chunk = Chunk(stream.number, stream.offset, flags, data, self.given)
        stream.offset += size
        self.given += size
        self.queued -= size
        if stream.queue:
            if len(self._ready) > 1:
                self._ready.rotate(-1)
        else:
            self._ready.popleft()
            if stream.finishing:
                chunk.flags |= FIN
        return chunk

    def _fill(self, stream: _Stream, first: Data, room: int) -> bytes:
        """As much as fits a chunk of what follows in the stream's order."""
        parts = [first]
        room -= len(first)
        while stream.queue and room and not stream.queue[0][0]:
            _, data = stream.queue[0]
            if len(data) > room:
                parts.append(data[:room])
                stream.queue[0] = 0, memoryview(data)[room:]
                break
            parts.append(data)
            stream.queue.popleft()
            room -= len(data)
        return b"".join(parts)
