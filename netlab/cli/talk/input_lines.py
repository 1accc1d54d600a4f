"""Lines from a file descriptor, as they come: a pipe, a file, a terminal. Bounded, whatever comes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import TypeAlias

import msgspec

CHUNK = 64 * 1024
"""Bytes read at once."""


class Line(msgspec.Struct, frozen=True):
    """One line without its end (LF or CRLF); `number` counts from 1."""

    number: int
    text: str


class Unusable(msgspec.Struct, frozen=True):
    """A line that is no text, or is far too long; `code` is what an operation would have failed with."""

    number: int
    code: str
    detail: str


InputLine: TypeAlias = Line | Unusable


class LineSplitter:
    """Bytes in, lines out. Of a line over `limit` bytes only the length is kept.

    >>> LineSplitter(8).feed(b"one\\r\\ntoo long a line\\n\\xff\\nend")
    [Line(number=1, text='one'), Unusable(number=2, code='too_big', detail='a line of 15 B is over the limit of 8 B'), \
Unusable(number=3, code='malformed', detail='not UTF-8: byte 0xff at offset 0 of the line')]
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._number = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[InputLine]:
        """Take in bytes; the lines that they end come back."""
        *ends, rest = data.split(b"\n")
        lines = []
        for end in ends:
            self._keep(end)
            lines.append(self._line())
        self._keep(rest)
        return lines

    def finish(self) -> list[InputLine]:
        """Nothing more comes: a line without an end is a line too."""
        return [self._line()] if self._size else []

    def _keep(self, part: bytes) -> None:
        self._size += len(part)
        if self._size <= self._limit + 1:  # one more, for the CR of a CRLF
            self._parts.append(part)
        else:
            self._parts.clear()

    def _line(self) -> InputLine:
        line, size = b"".join(self._parts).removesuffix(b"\r"), self._size
        self._parts, self._size = [], 0
        self._number += 1
        if max(len(line), size - 1) > self._limit:
            return Unusable(self._number, "too_big", f"a line of {size} B is over the limit of {self._limit} B")
        try:
            return Line(self._number, line.decode())
        except UnicodeDecodeError as error:
            wrong = f"not UTF-8: byte 0x{line[error.start]:02x} at offset {error.start} of the line"
            return Unusable(self._number, "malformed", wrong)


async def read_lines(file: int, limit: int) -> AsyncIterator[InputLine]:
    """The lines of a descriptor until its end. Nothing is read ahead while the caller does not ask for more."""
    splitter = LineSplitter(limit)
    while data := await _read(file):
        for line in splitter.feed(data):
            yield line
    for line in splitter.finish():
        yield line


async def _read(file: int) -> bytes:
    """Some bytes, or none at the end. The descriptor is not made non-blocking: it may be shared with other programs."""
    loop = asyncio.get_running_loop()
    while True:
        readable: asyncio.Future[None] = loop.create_future()
        try:
            loop.add_reader(file, _once, readable)
        except OSError:  # epoll takes no ordinary files and no /dev/null (EPERM): reading those does not wait
            await asyncio.sleep(0)
        else:
            try:
                await readable
            finally:
                loop.remove_reader(file)
        try:
            return os.read(file, CHUNK)
        except BlockingIOError:
            continue
        except OSError:  # the terminal is gone (EIO)
            return b""


def _once(readable: asyncio.Future[None]) -> None:
    if not readable.done():
        readable.set_result(None)
