"""One client's path for datagrams: a socket for the client, and for each address it sends from one towards the hub."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

from netlab.conformance.impairment import DatagramDice, DatagramFaults, StreamDice, StreamFaults
from netlab.transports.udp import ask_for_receive_buffer


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, Any], None]) -> None:
        self._received = received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        ask_for_receive_buffer(cast(asyncio.DatagramTransport, transport))

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._received(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there (any more): a network does not mind."""


class DatagramPath:
    """Datagrams in, some of them out: as `faults` and the dice have it.

    Attributes:
        faults: by direction, `up` is towards the hub.
    """

    def __init__(self, upstream: tuple[str, int], up: random.Random, down: random.Random) -> None:
        self.faults = {"up": DatagramFaults(), "down": DatagramFaults()}
        self._dice = {"up": DatagramDice(up), "down": DatagramDice(down)}
        self._upstream = upstream
        self._blocked = False
        self._front: asyncio.DatagramTransport | None = None
        self._ways: dict[Any, asyncio.Task[asyncio.DatagramTransport]] = {}
        self._cut_dice = StreamDice(up)
        self._cuts, self._cuts_left = StreamFaults(), 0
        self._cut_in: int | None = None
        self._all_cut = asyncio.Event()

    async def open(self) -> int:
        """Listen; the port."""
        loop = asyncio.get_running_loop()
        self._front, _ = await loop.create_datagram_endpoint(lambda: _Socket(self._from_client), ("127.0.0.1", 0))
        port: int = self._front.get_extra_info("sockname")[1]
        return port

    def move(self, upstream: tuple[str, int]) -> None:
        """The hub is elsewhere now."""
        self._upstream = upstream
        self.cut()

    def cut(self) -> None:
        """Clients are seen from other addresses from now on, as behind a NAT that has forgotten them; what is under way
        to the old ones is lost."""
        for way in self._ways.values():
            way.add_done_callback(lambda done: done.result().close())
        self._ways = {}

    async def cut_times(self, count: int, faults: StreamFaults) -> None:
        """Cut so many times, after random numbers of bytes."""
        self._cuts, self._cuts_left = faults, count
        self._cut_in = self._cut_dice.next_cut(faults)
        self._all_cut.clear()
        await self._all_cut.wait()

    def _spend(self, size: int) -> None:
        """So many bytes pass; the path may be cut behind them."""
        if self._cut_in is None:
            return
        self._cut_in -= size
        if self._cut_in <= 0:
            self.cut()
            self._cuts_left -= 1
            self._cut_in = self._cut_dice.next_cut(self._cuts) if self._cuts_left else None
            if not self._cuts_left:
                self._all_cut.set()

    def block(self, blocked: bool) -> None:
        """Everything is lost, or nothing more than before."""
        self._blocked = blocked

    def counted(self) -> dict[str, Counter[str]]:
        """Counters by direction."""
        return {direction: dice.counters for direction, dice in self._dice.items()}

    def _from_client(self, data: bytes, client: Any) -> None:
        way = self._ways.get(client)
        if way is None:
            way = self._ways[client] = asyncio.get_running_loop().create_task(self._open_way(client))
        ready = way
        self._pass(data, "up", lambda copy: ready.add_done_callback(lambda done: done.result().sendto(copy)))

    async def _open_way(self, client: Any) -> asyncio.DatagramTransport:
        def from_hub(data: bytes, _: Any) -> None:
            assert self._front is not None
            front = self._front
            self._pass(data, "down", lambda copy: front.sendto(copy, client))

        loop = asyncio.get_running_loop()
        way, _ = await loop.create_datagram_endpoint(lambda: _Socket(from_hub), remote_addr=self._upstream)
        return way

    def _pass(self, data: bytes, direction: str, send: Callable[[bytes], None]) -> None:
        dice = self._dice[direction]
        copies = dice.fate(data, self.faults[direction])
        if self._blocked:
            dice.counters["blocked"] += 1
            return
        self._spend(len(data))
        for delay_s, copy in copies:
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, send, copy)
            else:
                send(copy)
