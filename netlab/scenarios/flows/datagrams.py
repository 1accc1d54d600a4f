"""Datagrams at a rate, whatever becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal, cast

from netlab.network.hosts import MAX_DATAGRAM
from netlab.scenarios.flows.flow import Flow, Lasting, Place, Summary, Tally
from netlab.scenarios.quantities import BadScenario, quantity
from netlab.transports.alarm import now_ns
from netlab.units import MS, Ns, S, parse_rate, parse_size

NUMBER = 16
"""Bytes that a datagram needs at least: its number and when it was sent."""

PORT = 7000

ASKING: Ns = 250 * MS
"""How often a client asks for datagrams until the first comes."""

PATIENCE: Ns = 15 * S
"""For how long it does."""

_ASK = b"please send"


class Datagrams(Lasting, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="datagrams"):
    """One client sends datagrams at a rate, whatever becomes of them.

    Attributes:
        rate: of their payload.
        size: of each one's payload.
        spacing: `even`, or at random as independent senders would together.
        direction: `there` is from the client to the server; for `back` the client asks first, as it would have to
            through anybody's router.
    """

    rate: str
    size: str = "1200B"
    spacing: Literal["even", "poisson"] = "even"
    direction: Literal["there", "back"] = "there"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.bit_s > 0:
            raise BadScenario(f'rate = "{self.rate}" is 0: write rate = "1mbit"')
        if not NUMBER <= self.bytes <= MAX_DATAGRAM:
            raise BadScenario(f'size = "{self.size}" is not from {NUMBER} to {MAX_DATAGRAM} B: write size = "1200B"')
        if self.duration * self.bit_s > 8 * self.bytes * 10**9 * 10**7:
            raise BadScenario(
                f'lasts = "{self.lasts}" would be more than ten million datagrams: write lasts = "10s", or send fewer'
            )

    @property
    def bit_s(self) -> int:
        return quantity("rate", parse_rate, self.rate)

    @property
    def bytes(self) -> int:
        return quantity("size", parse_size, self.size)

    def flow(self, place: Place) -> Flow:
        """The flow in its world."""
        return _Sending(self, place)


class _Sending:
    def __init__(self, config: Datagrams, place: Place) -> None:
        self._config = config
        self._place = place
        self._tally = Tally(f"datagrams of {config.bytes} B at {config.rate}, {config.direction}", config.bytes)
        self._seen: set[int] = set()

    def summary(self) -> Summary:
        return self._tally.summary()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._began = now_ns(loop)
        listening: asyncio.Future[tuple[str, int]] = loop.create_future()
        over = asyncio.Event()
        await asyncio.gather(
            self._place.on_server(self._server(listening, over)),
            self._place.on_client(self._place.clients[0], self._client(listening, over)),
        )

    async def _server(self, listening: asyncio.Future[tuple[str, int]], over: asyncio.Event) -> None:
        async with _socket(self._arrived, local_addr=self._place.listen(PORT)) as socket:
            listening.set_result(socket.address)
            if self._config.direction == "back":
                with contextlib.suppress(TimeoutError):
                    client = await asyncio.wait_for(socket.asked, (self._config.start + PATIENCE) / S)
                    await self._send(socket, client)
                await self._place.settled()
                over.set()
            await over.wait()

    async def _client(self, listening: asyncio.Future[tuple[str, int]], over: asyncio.Event) -> None:
        server = self._place.across(await listening, "udp")
        async with _socket(self._arrived, remote_addr=server) as socket:
            if self._config.direction == "there":
                await self._send(socket, None)
                await self._place.settled()
                over.set()
            while not over.is_set() and self._tally.arrivals == 0:
                socket.transport.sendto(_ASK)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(over.wait(), ASKING / S)
            await over.wait()

    async def _send(self, socket: _Socket, to: Any) -> None:
        config, loop = self._config, asyncio.get_running_loop()
        gap, dice = config.bytes * 8 * S / config.bit_s, self._place.dice("spacing")
        padding = bytes(config.bytes - NUMBER)
        first = max(now_ns(loop), self._began + config.start)
        number, at = 0, float(first)
        while at < first + config.duration:
            await asyncio.sleep(max(0, at - now_ns(loop)) / S)
            now = now_ns(loop)
            self._tally.send(now)
            socket.transport.sendto(number.to_bytes(8, "big") + now.to_bytes(8, "big") + padding, to)
            number += 1
            at += gap if config.spacing == "even" else dice.expovariate(1 / gap)

    def _arrived(self, payload: bytes, now: Ns) -> None:
        number = int.from_bytes(payload[:8], "big")
        self._tally.arrive(now, int.from_bytes(payload[8:16], "big"), again=number in self._seen)
        self._seen.add(number)


class _Socket(asyncio.DatagramProtocol):
    """A UDP socket of this flow.

    Attributes:
        asked: becomes the address of the first who asked for datagrams.
    """

    transport: asyncio.DatagramTransport

    def __init__(self, arrived: Callable[[bytes, Ns], None]) -> None:
        self._arrived = arrived
        self._loop = asyncio.get_running_loop()
        self.asked: asyncio.Future[Any] = self._loop.create_future()

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) >= NUMBER:
            self._arrived(data, now_ns(self._loop))
        elif not self.asked.done():
            self.asked.set_result(addr)


@contextlib.asynccontextmanager
async def _socket(
    arrived: Callable[[bytes, Ns], None],
    *,
    local_addr: tuple[str, int] | None = None,
    remote_addr: tuple[str, int] | None = None,
) -> AsyncIterator[_Socket]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Socket(arrived), local_addr=local_addr, remote_addr=remote_addr
    )
    try:
        yield protocol
    finally:
        transport.close()
