"""Two reliable connections wired to each other by a small bad network made of dice, on a clock of their own."""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from netlab.packets.packet import Packet, decode
from netlab.packets.segment import decode as decode_segment
from netlab.protocols.congestion import Reno
from netlab.protocols.connection import Dropped, Failed, TimerFired, Transmit
from netlab.protocols.reliable import ReliableConnection
from netlab.protocols.reliable_events import Closed, Event, PacketArrived
from netlab.protocols.streams_in import Deliver, Ended
from netlab.protocols.streams_out import CHUNK
from netlab.units import MS, Ns, S

TOKEN = b"8 bytes!"


class End:
    """One connection, and what came out of it."""

    def __init__(self, machine: ReliableConnection) -> None:
        self.machine = machine
        self.data: dict[int, bytes] = {}
        self.messages: list[tuple[int, bytes]] = []
        self.ended: list[int] = []
        self.closed = False
        self.failed: Failed | None = None
        self.counters: Counter[str] = Counter()


class Pair:
    """Ends `a` and `b`. `fate(datagram, rng)` gives the delays after which copies of a datagram arrive."""

    def __init__(
        self,
        *,
        seed: int = 1,
        delay: Ns = 10 * MS,
        loss: float = 0.0,
        duplicate: float = 0.0,
        reorder: float = 0.0,
        number: int = 1000,
        control: Callable[[], Any] = lambda: Reno(mss=CHUNK),
        **options: Any,
    ) -> None:
        self.now: Ns = 0
        self.rng = random.Random(seed)
        self.delay, self.loss, self.duplicate, self.reorder = delay, loss, duplicate, reorder
        self.blackouts: list[tuple[Ns, Ns]] = []
        self.drop: Callable[[str, bytes], bool] = lambda way, datagram: False
        self.log: list[tuple[Ns, str, bytes]] = []
        make = lambda who: End(  # noqa: E731
            ReliableConnection(0, token=TOKEN, number=number, control=control(), who=who, **options)
        )
        self.a, self.b = make("a"), make("b")
        self._heap: list[tuple[Ns, int, End, bytes]] = []
        self._count = itertools.count()

    def do(self, end: End, event: Event) -> None:
        for output in end.machine.handle(event, self.now):
            match output:
                case Transmit(datagram):
                    self._pass(end, datagram)
                case Deliver(stream, data, offset):
                    end.data[stream] = end.data.get(stream, b"") + data
                    end.messages.append((offset, data))
                case Ended(stream):
                    end.ended.append(stream)
                case Closed():
                    end.closed = True
                case Failed():
                    end.failed = output
                case Dropped(reason):
                    end.counters[reason] += 1

    def _pass(self, end: End, datagram: bytes) -> None:
        way, other = ("a>b", self.b) if end is self.a else ("b>a", self.a)
        self.log.append((self.now, way, datagram))
        lost, doubled, held = (self.rng.random() for _ in range(3))
        dark = any(begin <= self.now < finish for begin, finish in self.blackouts)
        if lost < self.loss or dark or self.drop(way, datagram):
            return
        at = self.now + self.delay + (6 * MS if held < self.reorder else 0)
        for _ in range(1 + (doubled < self.duplicate)):
            heapq.heappush(self._heap, (at, next(self._count), other, datagram))

    @property
    def next_at(self) -> Ns | None:
        times = [end.machine.deadline for end in (self.a, self.b)] + ([self._heap[0][0]] if self._heap else [])
        return min((at for at in times if at is not None), default=None)

    def step(self) -> bool:
        """Let the next thing happen; False where nothing is left."""
        at = self.next_at
        if at is None:
            return False
        self.now = max(self.now, at)
        while self._heap and self._heap[0][0] <= self.now:
            _, _, end, datagram = heapq.heappop(self._heap)
            self.do(end, PacketArrived(decode(datagram)))
        for end in (self.a, self.b):
            deadline = end.machine.deadline
            if deadline is not None and deadline <= self.now:
                self.do(end, TimerFired())
                after = end.machine.deadline
                assert after is None or after > self.now, "a timer that stays due"
        return True

    def run(self, until: Callable[[], bool], *, within: Ns = 600 * S) -> None:
        """Go on until it is so."""
        while not until():
            assert self.now < within, "it does not come to an end"
            assert self.step(), "nothing is left to happen"

    def segments(self, way: str) -> list[Any]:
        """The segments that were sent one way."""
        return [decode_segment(packet.payload) for packet in self.packets(way) if packet.type.name == "SEGMENT"]

    def packets(self, way: str) -> list[Packet]:
        return [decode(datagram) for _, its, datagram in self.log if its == way]
