"""HTTP messages and WebSocket frames in TCP's streams, put together: where each stands, and its head.

A stream is HTTP's where it begins with a request or an answer. What a segment alone cannot say comes from the other
direction: an answer ends where its request's method lets it, and after an answer of 101 both are WebSocket's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.stream_bytes import StreamBytes
from netlab.errors import DecodeError
from netlab.packets import engineio, http1, websocket
from netlab.packets.http1 import SWITCHING_PROTOCOLS, Head
from netlab.packets.websocket import FrameHead, Opcode

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_BEGINNING = 16  # bytes that tell HTTP from others
_CHUNK_LINE = 64
_ENDLESS = 2**62  # no stream is longer, whatever a length claims


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP message, or one frame of WebSocket.

    Attributes:
        stream: the number of the TCP stream that it stands in.
        start, body, end: offsets there: its head is [start, body), what it carries [body, end).
        row: of the capture's packet in which it begins, from 0.
        last_row: of that with which it could be read; -1 where not all of it was captured.
        head: its head.
        message: of a frame, what the message is that it belongs to: an opcode; else 0.
        engine: whether it is Engine.IO, as its request's query says, that it carries.
    """

    stream: int
    start: int
    body: int
    end: int
    row: int
    last_row: int
    head: Head | FrameHead
    message: int = 0
    engine: bool = False

    @property
    def protocol(self) -> str:
        """`HTTP` or `WebSocket`."""
        return "HTTP" if isinstance(self.head, Head) else "WebSocket"

    @property
    def key(self) -> bytes | None:
        """The masking key of a frame that is masked."""
        return self.head.key if isinstance(self.head, FrameHead) else None

    @property
    def is_one_message(self) -> bool:
        """Whether what it carries is all of a message, and as it was said: one frame, and not compressed."""
        if isinstance(self.head, Head):
            return not self.head.field("Transfer-Encoding") and not self.head.field("Content-Encoding")
        return self.head.fin and self.head.opcode != Opcode.CONTINUATION and not self.head.reserved

    def clear(self, data: bytes, at: int = 0) -> bytes:
        """Bytes of what it carries, of which the first is byte `at` of it, without the mask."""
        if not self.key:
            return data
        turn = at % len(self.key)
        return websocket.masked(data, self.key[turn:] + self.key[:turn])


def find_units(whole: WholeFile) -> dict[int, list[Unit]]:
    """By the number of the stream: its units, in order."""
    found: dict[int, list[Unit]] = {}
    for number in np.unique(whole.streams.spans.stream).tolist():
        if number in found or not whole.streams.begun[number]:
            continue
        beginning = whole.stream_bytes(number).available(0, _BEGINNING)
        if http1.begins_like_http(beginning):
            peer = int(whole.streams.peer[number])
            ends = (peer, number) if beginning.startswith(b"HTTP") else (number, peer)
            found |= _Dialogue(whole, *ends).units()
    return found


class _Dialogue:
    """Both directions of one connection; one of them may be missing: its number is -1."""

    def __init__(self, whole: WholeFile, client: int, server: int) -> None:
        self._ends = {"client": _Reader(whole, client), "server": _Reader(whole, server)}

    def units(self) -> dict[int, list[Unit]]:
        client, server = self._ends["client"], self._ends["server"]
        upgraded = engine = False
        while not upgraded:
            request = client.head()
            if request is not None:
                engine = request.query("EIO") == engineio.VERSION
                client.message(request, engine=engine)
            answer = server.head()
            while answer is not None and answer.status < 200 and answer.status != SWITCHING_PROTOCOLS:
                server.message(answer)
                answer = server.head()
            if answer is not None:
                server.message(answer, request.method if request else "", engine=engine)
            asked = request.upgrade if request is not None else ""
            if answer is not None:
                upgraded = answer.status == SWITCHING_PROTOCOLS and answer.upgrade == "websocket"
            else:
                upgraded = asked == "websocket"
            if request is None and answer is None:
                break
        if upgraded:
            for end in (client, server):
                end.frames(engine=engine)
        return {end.number: end.found for end in (client, server) if end.number >= 0}


class _Reader:
    """One direction, read from its beginning."""

    def __init__(self, whole: WholeFile, number: int) -> None:
        self.number = number
        self.found: list[Unit] = []
        self._stream: StreamBytes | None = None if number < 0 else whole.stream_bytes(number)
        self._at, self._last = 0, -1

    def head(self) -> Head | None:
        """The head that stands next; None where there is none."""
        if self._stream is None or not http1.begins_like_http(self._stream.available(self._at, _BEGINNING)):
            return None
        try:
            return http1.decode_head(self._stream.available(self._at, http1.MOST_HEAD))[0]
        except DecodeError:
            return None

    def message(self, head: Head, method: str = "", *, engine: bool = False) -> None:
        """Go over the message whose head stands next."""
        body = self._at + head.lines[-1].end
        length = head.content_length(method)
        end = self._chunks_end(body, head) if length is None else body + length
        self._take(body, end, head, engine=engine and head.upgrade == "")

    def frames(self, *, engine: bool) -> None:
        """Go over all frames from here on."""
        message = 0
        for head in self._frame_heads():
            if head.opcode in (Opcode.TEXT, Opcode.BINARY):
                message = head.opcode
            body = self._at + head.size
            is_control = head.opcode >= Opcode.CLOSE
            self._take(body, body + head.length, head, head.opcode if is_control else message, engine=engine)

    def _frame_heads(self) -> Iterator[FrameHead]:
        while self._stream is not None and (data := self._stream.available(self._at, websocket.MOST_HEADER)):
            try:
                yield websocket.decode_head(data)
            except DecodeError:
                return

    def _take(self, body: int, end: int, head: Head | FrameHead, message: int = 0, *, engine: bool) -> None:
        assert self._stream is not None
        start = self._at
        is_there = self._stream.parts(start, end) is not None
        rows = self._stream.rows(start, end)
        self._last = max(self._last, *rows)
        self.found.append(
            Unit(
                stream=self.number,
                start=start,
                body=body,
                end=min(end, _ENDLESS),
                row=rows[0],
                last_row=self._last if is_there else -1,
                head=head,
                message=message,
                engine=engine,
            )
        )
        self._at = end

    def _chunks_end(self, at: int, head: Head) -> int:
        """Where chunked content ends (RFC 9112 §7.1); that without a length goes on until the connection ends."""
        assert self._stream is not None
        if "chunked" not in head.field("Transfer-Encoding").lower():
            return max(at, self._stream.end[-1])
        while True:
            line, ended, _ = self._stream.available(at, _CHUNK_LINE).partition(b"\r\n")
            try:
                size = int(line.partition(b";")[0], 16)
            except ValueError:
                size = -1
            if not ended or size < 0:
                return max(at, self._stream.end[-1])
            at += len(line) + 2 + size + 2
            if size == 0:  # trailer fields are rare, and read as what they are not
                return at


def units_in_segments(whole: WholeFile) -> dict[int, list[Unit]]:
    """By row: the units of which its TCP segment holds any bytes, also where an earlier one had held them."""
    found: dict[int, list[Unit]] = {}
    streams, offsets, lengths = (whole.column(name) for name in ("stream", "stream_offset", "payload_captured_len"))
    for number, units in whole.web_units.items():
        rows = np.flatnonzero((streams == number) & (lengths > 0))
        starts = np.array([unit.start for unit in units], np.int64)
        first = np.maximum(np.searchsorted(starts, offsets[rows], "right") - 1, 0)
        behind = np.searchsorted(starts, offsets[rows] + lengths[rows], "left")
        for row, begin, end in zip(rows.tolist(), first.tolist(), behind.tolist(), strict=True):
            if held := [unit for unit in units[begin:end] if unit.end > offsets[row]]:
                found[row] = held
    return found


def web_columns(units: dict[int, list[Unit]], count: int) -> dict[str, NDArray[Any]]:
    """The columns of group `web`."""
    columns: dict[str, NDArray[Any]] = {
        name: np.zeros(count, np.int32) for name in ("http_messages", "websocket_frames")
    }
    for name, dtype in (("http_status", "i4"), ("websocket_opcode", "i4"), ("websocket_masked", "i1")):
        columns[name] = np.full(count, -1, dtype)
    columns["websocket_payload_len"] = np.full(count, -1, np.int64)
    for unit in (unit for stream in units.values() for unit in stream):
        row, head = unit.row, unit.head
        if isinstance(head, Head):
            columns["http_messages"][row] += 1
            if head.status and columns["http_status"][row] < 0:
                columns["http_status"][row] = head.status
            continue
        columns["websocket_frames"][row] += 1
        if columns["websocket_frames"][row] == 1:
            columns["websocket_opcode"][row] = head.opcode
            columns["websocket_masked"][row] = head.key is not None
            columns["websocket_payload_len"][row] = head.length
    return columns
