"""Packets as they pass: a live capture that is looked at while it runs.

    async for packet in netlab.capture.watch(["curl", "http://127.0.0.1:8000"]):
        print(packet.summary)

It runs inside a loop that runs already, as Jupyter's does: what captures is a process of its own (`live`), and says
what it writes through a pipe. Leaving the loop early ends the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec

from netlab.capture.files import CapturedPacket
from netlab.capture.live import CaptureResult, LiveCapture
from netlab.errors import CaptureError
from netlab.packets import pcapng
from netlab.units import KIB, MIB

_AT_ONCE = 64 * KIB
_PIPE = 1 * MIB  # bytes that may wait in the pipe, where the system grants so many
_F_SETPIPE_SZ = 1031


class RecordStream:
    """The bytes of a recording in pieces of any size, and the packets that each makes whole.

    Args:
        of: nothing but what `recording.Recording` writes: its blocks are little-endian, and each file begins anew.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._head = b""
        self._packets = 0

    def feed(self, data: bytes) -> Iterator[CapturedPacket]:
        """The packets that are whole with `data`, in order."""
        self._rest += data
        at = 0
        while len(self._rest) - at >= 8:
            size = int.from_bytes(self._rest[at + 4 : at + 8], "little")
            if len(self._rest) - at < size:
                break
            block, at = self._rest[at : at + size], at + size
            yield from self._read(block)
        self._rest = self._rest[at:]

    def _read(self, block: bytes) -> Iterator[CapturedPacket]:
        if block[:4] == pcapng.MAGIC:  # the first file, or the one behind a full one
            self._head = b""
        for record in pcapng.read_records(self._head + block) if self._head else ():
            self._packets += 1
            yield CapturedPacket(msgspec.structs.replace(record, number=self._packets))
            return
        self._head += block


def packets_of(capture: LiveCapture) -> Iterator[CapturedPacket]:
    """The packets of a capture that was started with `live`, as they come. `wait` is to run in another thread."""
    assert capture.stream is not None
    _widen(capture.stream)
    records = RecordStream()
    with open(capture.stream, "rb", buffering=0) as stream:
        while data := stream.read(_AT_ONCE):
            yield from records.feed(data)


class Watch:
    """A command, captured and looked at while it runs: see `watch`.

    Attributes:
        result: what it came to, once all packets have been given.
    """

    def __init__(self, capture: LiveCapture) -> None:
        self.result: CaptureResult | None = None
        self._capture = capture

    async def __aiter__(self) -> AsyncIterator[CapturedPacket]:
        capture = self._capture
        await asyncio.to_thread(capture.start)
        waiting = asyncio.ensure_future(asyncio.to_thread(capture.wait))
        assert capture.stream is not None
        _widen(capture.stream)
        reader = asyncio.StreamReader(limit=_AT_ONCE)
        pipe = os.fdopen(capture.stream, "rb", buffering=0)  # the transport closes it
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        records = RecordStream()
        try:
            while data := await reader.read(_AT_ONCE):
                for packet in records.feed(data):
                    yield packet
            self.result = await asyncio.shield(waiting)
        finally:
            transport.close()
            if not waiting.done():
                capture.stop()
                with contextlib.suppress(CaptureError):
                    await waiting


def watch(command: Sequence[str], file: str | os.PathLike[str] | None = None, **options: Any) -> Watch:
    """Run `command`, and give its packets as they pass: `async for packet in watch(...)`.

    Args:
        file: keep them there too.
        options: as `LiveCapture` takes them.

    Raises:
        Unavailable, CommandNotFound, CaptureError: when it begins, as `LiveCapture.start`.
    """
    return Watch(LiveCapture(command, file, live=True, **options))


def _widen(pipe: int) -> None:
    import fcntl

    with contextlib.suppress(OSError):  # an ordinary user may have used up what all pipes together may take
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, _PIPE)
