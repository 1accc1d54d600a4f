"""Two connections and what may happen between them: loss, delay, duplication, reordering, damage, blackouts."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from ipaddress import IPv4Address

from netlab.errors import DecodeError
from netlab.packets import tcp
from netlab.packets.tcp import TcpSegment
from netlab.protocols.congestion import Reno
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp import (
    LINUX,
    ActiveOpen,
    Connection,
    Deliver,
    Event,
    Output,
    PassiveOpen,
    SegmentArrived,
    State,
    TcpConfig,
    TimerFired,
    Transmit,
)
from netlab.units import MS, Ns, S

_ADDRESSES = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


class End:
    """A connection, what it delivered, and what else it put out."""

    def __init__(self, name: str, connection: Connection) -> None:
        self.name = name
        self.connection = connection
        self.received = bytearray()
        self.told: list[Output] = []
        self.sent: list[TcpSegment] = []


class Wire:
    """A client `a` and a passive server `b`; `run` lets time pass.

    Args:
        loss, duplication, reordering, damage: probabilities, of each segment in each direction.
        dark: from when to when nothing gets through, ns.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        loss: float = 0,
        duplication: float = 0,
        reordering: float = 0,
        damage: float = 0,
        delay: Ns = 20 * MS,
        dark: tuple[Ns, Ns] | None = None,
        config: TcpConfig = LINUX,
        control: Callable[..., CongestionControl] = Reno,
        iss: tuple[int, int] = (1000, 5000),
    ) -> None:
        self.now: Ns = 0
        self.a = End("a", Connection(49152, 80, iss=iss[0], control=control, config=config, timestamp_offset=7))
        self.b = End("b", Connection(80, iss=iss[1], control=control, config=config, timestamp_offset=2**32 - 9))
        self._rng = random.Random(seed)
        self._loss, self._duplication, self._reordering, self._damage = loss, duplication, reordering, damage
        self._delay = delay
        self._dark = dark
        self._heap: list[tuple[Ns, int, End, TcpSegment]] = []
        self._inserted = 0
        self.do(self.b, PassiveOpen())

    def open(self) -> None:
        """Begin the handshake."""
        self.do(self.a, ActiveOpen())

    def do(self, end: End, event: Event) -> None:
        """Hand an end an event, and carry out what it asks."""
        for output in end.connection.handle(event, self.now):
            if isinstance(output, Transmit):
                end.sent.append(output.segment)
                self._put(end, output.segment)
            elif isinstance(output, Deliver):
                end.received += output.data
            else:
                end.told.append(output)
        assert end.connection.tcb.sender.board.is_consistent()

    def _put(self, sender: End, segment: TcpSegment) -> None:
        rng = self._rng
        for _ in range(2 if rng.random() < self._duplication else 1):
            lost, late, damaged = (
                rng.random() < self._loss,
                rng.random() < self._reordering,
                rng.random() < self._damage,
            )
            if lost or (self._dark is not None and self._dark[0] <= self.now < self._dark[1]):
                continue
            if damaged and not self._is_taken(segment):
                continue
            delay = self._delay + late * rng.randrange(2 * self._delay)
            self._inserted += 1
            heappush(self._heap, (self.now + delay, self._inserted, self.b if sender is self.a else self.a, segment))

    def _is_taken(self, segment: TcpSegment) -> bool:
        data = bytearray(tcp.encode(segment, *_ADDRESSES))
        data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
        try:
            tcp.decode(bytes(data), *_ADDRESSES)
        except DecodeError:
            return False
        raise AssertionError("one wrong bit, and the checksum took it")

    def run(self, *, until: Ns | None = None, while_: Callable[[], bool] = lambda: True) -> None:
        """Let everything happen, or everything up to `until`, where the clock then stands; as long as `while_` says."""
        end_of_time = 24 * 3600 * S if until is None else until
        while while_():
            timers = [
                (end.connection.deadline, index, end)
                for index, end in enumerate((self.a, self.b))
                if end.connection.deadline is not None
            ]
            timer = min(timers, default=None, key=lambda entry: entry[:2])
            if self._heap and (timer is None or self._heap[0][0] <= timer[0]):
                at = self._heap[0][0]
                if at > end_of_time:
                    break
                self.now, _, end, segment = heappop(self._heap)
                self.do(end, SegmentArrived(segment))
            elif timer is not None and timer[0] <= end_of_time:
                self.now = max(self.now, timer[0])
                self.do(timer[2], TimerFired())
            else:
                break
        if until is not None and while_():
            self.now = max(self.now, until)

    def establish(self) -> None:
        """Open, and wait until both sides stand."""
        self.open()
        self.run(while_=lambda: not all(end.connection.state is State.ESTABLISHED for end in (self.a, self.b)))
