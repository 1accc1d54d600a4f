"""One client's path for streams: its connections are passed on to the hub, in pieces, and reset where the dice say."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import Counter

from netlab.conformance.impairment import StreamDice, StreamFaults, flip_bit

READ = 65_536


class StreamPath:
    """Connections in, connections out.

    Attributes:
        faults: what happens to every connection; cuts come from `cut_times` alone.
    """

    def __init__(self, upstream: tuple[str, int], up: random.Random, down: random.Random) -> None:
        self.faults = StreamFaults()
        self._upstream = upstream
        self._dice = {"up": StreamDice(up), "down": StreamDice(down)}
        self._blocked = False
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._cuts = StreamFaults()
        self._cuts_left = 0
        self._all_cut = asyncio.Event()
        self.counters: Counter[str] = Counter()

    async def open(self) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def move(self, upstream: tuple[str, int]) -> None:
        """The hub is elsewhere now."""
        self._upstream = upstream

    def block(self, blocked: bool) -> None:
        """Reset every connection, now and when it is made; or let them through again."""
        self._blocked = blocked
        if blocked:
            for connection in list(self._connections):
                connection.reset()

    async def cut_times(self, count: int, faults: StreamFaults) -> None:
        """Reset connections at random points, so many times."""
        self._cuts, self._cuts_left = faults, count
        for connection in self._connections:
            connection.cut_left = self._dice["up"].next_cut(faults)
        await self._all_cut.wait()
        self._all_cut.clear()

    def cut(self) -> None:
        """Reset every connection."""
        for connection in list(self._connections):
            connection.reset()

    def counted(self) -> dict[str, Counter[str]]:
        """Counters by direction."""
        return {direction: dice.counters for direction, dice in self._dice.items()}

    def was_cut(self, connection: _Connection) -> None:
        """A connection has come to where it is cut."""
        self._cuts_left -= 1
        self.counters["cuts"] += 1
        self.counters["early_cuts"] += connection.passed < 1000
        if self._cuts_left == 0:
            self._cuts = StreamFaults()
            for other in self._connections:
                other.cut_left = None
            self._all_cut.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._blocked:
            reset(writer)
            return
        try:
            hub_reader, hub_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            reset(writer)
            return
        connection = _Connection(self, writer, hub_writer, self._dice["up"].next_cut(self._cuts))
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(connection.pump(reader, hub_writer, self._dice["up"]))
                group.create_task(connection.pump(hub_reader, writer, self._dice["down"]))
        finally:
            self._connections.discard(connection)
            connection.close()


class _Connection:
    """Both directions of one connection."""

    def __init__(
        self, path: StreamPath, front: asyncio.StreamWriter, back: asyncio.StreamWriter, cut_left: int | None
    ) -> None:
        self._path = path
        self._writers = (front, back)
        self.cut_left = cut_left
        self.passed = 0

    def reset(self) -> None:
        """Cut it, both ends: RST, not FIN."""
        for writer in self._writers:
            reset(writer)

    def close(self) -> None:
        """Let it end."""
        for writer in self._writers:
            writer.close()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, dice: StreamDice) -> None:
        """Pass on what comes in one direction until it ends."""
        direction = _Direction(self, writer, dice, self._path)
        try:
            while data := await reader.read(READ):
                dice.counters["bytes"] += len(data)
                while data:
                    data = await direction.pass_some(data)
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            self.reset()

    def spend(self, size: int) -> bool:
        """So many bytes pass; False where the connection is cut behind them."""
        self.passed += size
        if self.cut_left is None:
            return True
        self.cut_left -= size
        if self.cut_left > 0:
            return True
        self._path.was_cut(self)
        return False


class _Direction:
    """One direction of one connection: where its next fault is due."""

    def __init__(
        self, connection: _Connection, writer: asyncio.StreamWriter, dice: StreamDice, path: StreamPath
    ) -> None:
        self._connection = connection
        self._writer = writer
        self._dice = dice
        self._path = path
        self._passed = 0
        self._stall_in = dice.within(path.faults.stall_within)
        self._corrupt_in: int | None = None
        self._corrupt_within = 0

    async def pass_some(self, data: bytes) -> bytes:
        """Pass on the first piece of the data; what remains of it.

        Raises:
            ConnectionResetError: the connection was cut.
        """
        faults = self._path.faults
        if faults.corrupt_within != self._corrupt_within:
            self._corrupt_within, self._corrupt_in = faults.corrupt_within, self._dice.within(faults.corrupt_within)
        piece = data[: self._size(faults)]
        whole = self._connection.spend(len(piece))
        if self._corrupt_in is not None:
            self._corrupt_in -= len(piece)
            if self._corrupt_in <= 0:
                bit = 8 * (len(piece) - 1) + (self._dice.within(8) or 1) - 1
                self._corrupt_in = self._dice.within(faults.corrupt_within)
                piece = flip_bit(piece, bit)
                self._dice.counters["corrupted"] += 1
        self._writer.write(piece)
        self._passed += len(piece)
        if not whole:
            self._connection.reset()
            raise ConnectionResetError("cut")
        await self._stall(len(piece), faults)
        await self._writer.drain()
        if len(piece) < len(data):
            await asyncio.sleep(0)  # so that the pieces go out, and are read, one by one
        return data[len(piece) :]

    def _size(self, faults: StreamFaults) -> int:
        """Bytes up to the next place where something happens."""
        if self._passed < faults.single_bytes:
            return 1
        ends = (self._dice.within(faults.chunk), self._connection.cut_left, self._corrupt_in, self._stall_in)
        return min((end for end in ends if end is not None), default=READ)

    async def _stall(self, size: int, faults: StreamFaults) -> None:
        if self._stall_in is None:
            return
        self._stall_in -= size
        if self._stall_in <= 0:
            self._stall_in = self._dice.within(faults.stall_within)
            self._dice.counters["stalls"] += 1
            await asyncio.sleep(faults.stall_ms / 1e3)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: linger for 0 s (RFC 9293 §3.10.5, ABORT)."""
    sock: socket.socket = writer.get_extra_info("socket")
    if sock.fileno() != -1:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
