"""Notebook 11: what blocks what? Four streams of small messages, one lost packet, four ways to carry them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import msgspec
from matplotlib.axes import Axes

from netlab.course.experiments.canvas import canvas
from netlab.course.experiments.table import table
from netlab.figures.style import LIGHT, MARKERS
from netlab.network.ip_packet import IpPacket
from netlab.network.link_config import Fate
from netlab.network.link_options import parse_link
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Passage, Simulation
from netlab.network.tcp_socket import TcpSocket
from netlab.network.virtual_loop import run as run_loop
from netlab.network.virtual_loop import virtual_loop
from netlab.protocols.streams_in import Deliver
from netlab.protocols.tcp import LINUX, Closed, Failed
from netlab.transports.reliable_flow import BULK, ReliableFlow, dial, listen
from netlab.units import MS, Ns, S

PORT = 7000
STREAMS, SIZE = 4, 300
EVERY: Ns = 40 * MS
BEGINS: Ns = 500 * MS
"""By then all connections stand."""

LINK = "rate=10mbit delay={delay_ms}ms"

Heard: TypeAlias = Callable[[int], None]
"""Told the number of each message that comes."""


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one way to carry the streams.

    Attributes:
        said, came: when each message was said, and when it came, from its number; ns.
        lost: the message whose packet was lost.
    """

    name: str
    said: dict[int, Ns]
    came: dict[int, Ns]
    lost: int

    def delay_ms(self, number: int) -> float | None:
        """How long a message took; None where it never came."""
        return None if number not in self.came else (self.came[number] - self.said[number]) / MS

    def late(self, stream: int) -> list[float]:
        """Delays of that stream's messages which took longer than the fastest by more than 5 ms."""
        delays = {number: delay for number in self.said if (delay := self.delay_ms(number)) is not None}
        least = min(delays.values())
        return [delay for number, delay in delays.items() if number % STREAMS == stream and delay > least + 5]


class Blocking(msgspec.Struct, frozen=True, kw_only=True):
    """The four ways beside each other."""

    ways: tuple[Way, ...]

    def waited(self, name: str) -> int:
        """How many messages came late."""
        way = next(way for way in self.ways if way.name == name)
        return sum(len(way.late(stream)) for stream in range(STREAMS))

    def __str__(self) -> str:
        rows = [
            (
                way.name,
                " ".join(str(len(way.late(stream))) for stream in range(STREAMS)),
                f"{max((d for stream in range(STREAMS) for d in way.late(stream)), default=0):.0f}",
                len(way.said) - len(way.came),
            )
            for way in self.ways
        ]
        return table(["carried by", "late, of streams 0 1 2 3", "worst delay (ms)", "never came"], rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """When each stream's messages came: a row a stream; a mark for each message, of another shape where it was
        late, a cross where the lost one was said and never came."""
        ax = canvas("What blocks what?", x="time after the loss (ms)", y="", ax=ax, height=5.6)
        rows, ticks = 0.0, []
        for way in self.ways:
            zero = way.said[way.lost]
            for stream in range(STREAMS):
                self._row(ax, way, stream, rows, zero)
                ticks.append((rows, f"stream {stream}"))
                rows += 1
            ax.text(
                -0.13, rows - STREAMS / 2 - 0.5, way.name, transform=ax.get_yaxis_transform(), ha="right", va="center"
            )
            rows += 0.7
        ax.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
        ax.set(xlim=(-60, 330), ylim=(rows, -1))
        ax.grid(visible=False, axis="y")
        ax.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 0.99))
        return ax

    def _row(self, ax: Axes, way: Way, stream: int, row: float, zero: Ns) -> None:
        first = not ax.lines
        of_stream = [number for number in way.said if number % STREAMS == stream]
        late = {way.came[n] for n in of_stream if (d := way.delay_ms(n)) is not None and d in way.late(stream)}
        in_time = [(way.came[n] - zero) / MS for n in of_stream if n in way.came and way.came[n] not in late]
        ax.plot(in_time, [row] * len(in_time), "|", color=LIGHT.blue, markersize=11, label="came" if first else "")
        ax.plot(
            [(at - zero) / MS for at in late],
            [row] * len(late),
            MARKERS[3],
            color=LIGHT.orange,
            markersize=6,
            label="came late" if first else "",
        )
        for at in late:
            here = sum(way.came.get(number) == at for number in of_stream)
            if here > 1:
                ax.annotate(
                    f"{here} at once",
                    ((at - zero) / MS, row),
                    (-7, -3),
                    ha="right",
                    textcoords="offset points",
                    fontsize=8,
                )
        gone = [(way.said[n] - zero) / MS for n in of_stream if n not in way.came]
        ax.plot(
            gone, [row] * len(gone), "x", color=LIGHT.vermillion, markersize=9, label="lost for ever" if first else ""
        )


def one_loss(*, lost: int = 41, messages: int = 100, delay_ms: int = 30, seed: int = 7) -> Blocking:
    """Message number `lost` rides in a packet that is lost: over one TCP, a TCP for each stream, reliable datagrams
    with four streams, and plain datagrams.

    Message n belongs to stream n modulo 4; one is said every 10 ms, in a packet of its own.
    """
    ways = {"one TCP": _one_tcp, "four TCPs": _four_tcps, "rudp, 4 streams": _rudp, "UDP": _udp}
    said = {number: BEGINS + number * EVERY // STREAMS for number in range(messages)}
    found = []
    for name, carry in ways.items():
        clean = _Run(said, delay_ms, seed, None)
        carry(clean)
        packet = next(number for number, at, size in clean.packets if at >= said[lost] and size > SIZE)
        run = _Run(said, delay_ms, seed, packet)
        carry(run)
        found.append(Way(name=name, said=said, came=run.came, lost=lost))
    return Blocking(ways=tuple(found))


class _Run:
    """A link, on which one packet may be lost, and what was heard."""

    def __init__(self, said: dict[int, Ns], delay_ms: int, seed: int, lost: int | None) -> None:
        self.said = said
        self.came: dict[int, Ns] = {}
        self.packets: list[tuple[int, Ns, int]] = []
        self.seed = seed
        self.simulation: Simulation = seeded_simulation(seed)
        self.client, self.server = self.simulation.host("client"), self.simulation.host("server")
        back = parse_link(LINK.format(delay_ms=delay_ms))
        fates = () if lost is None else (Fate(lost, "drop"),)
        self.simulation.connect(self.client, self.server, msgspec.structs.replace(back, fates=fates), back)
        self.simulation.watch("client>server", self._passed)

    def _passed(self, passage: Passage) -> None:
        assert isinstance(passage.packet, IpPacket)
        self.packets.append((passage.number, passage.came, passage.packet.size))

    @property
    def ends(self) -> Ns:
        """When all that is to come has come."""
        return max(self.said.values()) + 2 * S

    def heard(self, number: int) -> None:
        """A message came."""
        self.came.setdefault(number, self.simulation.now)

    def message(self, number: int) -> bytes:
        """Its number, and filling."""
        return number.to_bytes(4, "big") + bytes(SIZE - 4)

    def at_each(self, say: Callable[[int], None]) -> None:
        """Say each message when its time has come."""
        for number, at in self.said.items():
            self.simulation.call_at(at, lambda n: say(n), number)


class _Records:
    """The receiving end of a stream of messages, all of one size."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._buffer = b""

    def received(self, data: bytes) -> None:
        """Bytes came, in order."""
        self._buffer += data
        while len(self._buffer) >= SIZE:
            self._heard(int.from_bytes(self._buffer[:4], "big"))
            self._buffer = self._buffer[SIZE:]

    def established(self) -> None:
        """It stands."""

    def peer_closed(self) -> None:
        """It does not."""

    def writable(self) -> None:
        """There is always room for so little."""

    def over(self, how: Closed | Failed) -> None:
        """The experiment ends before."""


def _one_tcp(run: _Run) -> None:
    _tcps(run, 1)


def _four_tcps(run: _Run) -> None:
    _tcps(run, STREAMS)


def _tcps(run: _Run, connections: int) -> None:
    config = msgspec.structs.replace(LINUX, nagle=False)
    run.server.tcp.listen(PORT, lambda _: _Records(run.heard), config=config)
    connect = partial(run.client.tcp.connect, run.server.address, PORT, config=config)
    sockets: list[TcpSocket] = [connect(_Records(run.heard)) for _ in range(connections)]
    run.at_each(lambda number: sockets[number % connections].send(run.message(number)))
    run.simulation.run(until=run.ends)


def _udp(run: _Run) -> None:
    run.server.bind(PORT, lambda data, _address, _port: run.heard(int.from_bytes(data[:4], "big")))
    port = run.client.bind(0, lambda *_: None)
    run.at_each(lambda number: port.sendto(run.message(number), run.server.address, PORT))
    run.simulation.run(until=run.ends)


def _rudp(run: _Run) -> None:
    run_loop(run.simulation, _both_ends(run))


async def _both_ends(run: _Run) -> None:
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    serving = virtual_loop().spawn(run.server, _serve(run, ready))
    await ready
    await virtual_loop().spawn(run.client, _talk(run))
    await serving


async def _serve(run: _Run, ready: asyncio.Future[None]) -> None:
    over = asyncio.Event()

    async def take(flow: ReliableFlow) -> None:
        records = [_Records(run.heard) for _ in range(STREAMS)]
        async for came in flow:
            if isinstance(came, Deliver):
                records[came.stream].received(came.data)
        over.set()

    entropy = seeded_entropy(run.seed, "server")
    async with listen(f"rudp://0.0.0.0:{PORT}", take, settings=BULK, entropy=entropy):
        ready.set_result(None)
        await over.wait()


async def _talk(run: _Run) -> None:
    entropy = seeded_entropy(run.seed, "client")
    async with dial(f"rudp://server:{PORT}", settings=BULK, entropy=entropy) as flow:
        for number, at in run.said.items():
            await asyncio.sleep((at - run.simulation.now) / S)
            await flow.send(run.message(number), stream=number % STREAMS)
        await flow.acknowledged()
