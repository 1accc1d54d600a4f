"""Congestion controls on one bottleneck, over netlab's own TCP: who gets how much, and what it costs the others.

client1 --+                                   one bulk flow each, all at once or one after the other; perfect links
client2 --+-- gateway ======= link ======= server              on the clients' side
client3 --+
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from netlab.network.ip_packet import IpPacket
from netlab.network.link_config import LinkConfig
from netlab.network.seeds import seeded_simulation, seeded_streams
from netlab.network.simulator import Passage, Tap
from netlab.network.tcp_socket import TcpSocket
from netlab.protocols.congestion import Bbr, CongestionControl
from netlab.protocols.tcp import LINUX, Closed, Failed
from netlab.protocols.trace import Trace
from netlab.scenarios.entrants import called, labels
from netlab.scenarios.guarded_control import guard
from netlab.scenarios.quantities import BadScenario
from netlab.units import MIB, MS, Ns, S

PORT = 5001
THERE, BACK = "gateway>server", "server>gateway"
POINTS = ("gateway", THERE, BACK, "server")

CONFIG = msgspec.structs.replace(LINUX, receive_buffer=16 * MIB)
"""The receiver never holds a flow back: the link does, or the control."""

_STEPS = 100
"""Of the progress that is told."""

_READY = 8 * MIB
_CHUNK = bytes(1 * MIB)


class CcRules(msgspec.Struct, frozen=True, kw_only=True):
    """How congestion controls race.

    Attributes:
        lasts: until the end, from the beginning of the first, ns.
        apart: from the beginning of one to that of the next, ns.
    """

    lasts: Ns = 30 * S
    apart: Ns = 0


class CcResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow. Counts are of its whole time; rates of the time in which all were there.

    Attributes:
        goodput_bit_s: what its receiver's application got.
        share: of what all got, 0 to 1.
        queueing_p50_ms, queueing_p95_ms: how long its packets waited at the bottleneck, ms; None where none got out.
        sent, lost: its packets that came to the bottleneck, and those of them that were dropped there.
        retransmissions: segments that were sent again.
        cwnd: at the end, bytes.
        failed: why the connection ended, where it did.
    """

    name: str
    goodput_bit_s: int
    share: float
    queueing_p50_ms: float | None
    queueing_p95_ms: float | None
    sent: int
    lost: int
    retransmissions: int
    cwnd: int
    failed: str | None


class CcRace(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a race.

    Attributes:
        jain: (sum of goodputs)**2 / (n * sum of their squares): 1 where all are equal, 1/n where one has all.
        utilisation: of the bottleneck's rate, by all packets that got through while all flows were there; None where it
            has no constant rate.
    """

    flows: list[CcResult]
    jain: float
    utilisation: float | None


def jain(rates: Sequence[float]) -> float:
    """Jain's fairness index.

    Source:
        R. Jain, D.-M. Chiu, W. Hawe, DEC-TR-301, 1984.

    >>> jain([5, 5]), jain([10, 0]), round(jain([3, 1]), 2)
    (1.0, 0.5, 0.8)
    """
    squares = sum(rate * rate for rate in rates)
    return sum(rates) ** 2 / (len(rates) * squares) if squares else 1.0


def race_controls(
    entrants: Sequence[type[Any]],
    directions: tuple[LinkConfig, LinkConfig],
    rules: CcRules,
    *,
    seed: int,
    tap: Tap | None = None,
    trace: Trace | None = None,
    progress: Callable[[float], None] | None = None,
) -> CcRace:
    """Race congestion controls: netlab's, or classes with its hooks.

    Args:
        trace: told what every sender decides; they are called `client1:PORT`, ...
        progress: told which part of the race has been run.

    Raises:
        BadScenario: the link has no rate, so that there is nothing to share.
        BadEntrant: a class cannot take part.
        EntrantFailed: one broke.
    """
    if directions[0].rate is None:
        raise BadScenario('the link has no rate, so there is nothing to share: "rate=10mbit delay=20ms" has one')
    simulation = seeded_simulation(seed)
    server, gateway = simulation.host("server"), simulation.host("gateway")
    simulation.connect(gateway, server, *directions)
    names = labels([called(entrant) for entrant in entrants])
    flows: dict[int, _Flow] = {}
    for number, (entrant, name) in enumerate(zip(entrants, names, strict=True)):
        client = simulation.host(f"client{number + 1}")
        simulation.connect(client, gateway, LinkConfig())
        client.tcp.trace = trace
        make = guard(entrant)
        if entrant is Bbr:  # each its own dice
            make = partial(Bbr, random=seeded_streams(seed)(f"{client.name}/bbr").random)
        flow = flows[client.address] = _Flow(name, number * rules.apart)
        simulation.call_at(flow.begins, _opener(client.tcp.connect, server.address, flow, make), None)

    server.tcp.listen(PORT, lambda socket: _Sink(flows[socket.remote[0]]), config=CONFIG)
    meter = _Meter(directions[0])
    simulation.watch(THERE, meter.passed)
    if tap is not None:
        for point in POINTS:
            simulation.tap(point, tap)
    together = (len(entrants) - 1) * rules.apart
    simulation.run(until=together)
    for flow in flows.values():
        flow.mark = flow.delivered
    meter.mark = meter.bytes
    for step in range(1, _STEPS + 1):
        simulation.run(until=together + (rules.lasts - together) * step // _STEPS)
        if progress is not None:
            progress(step / _STEPS)
    return _result(flows, meter, rules.lasts - together)


def _opener(
    connect: Callable[..., TcpSocket], address: int, flow: _Flow, make: Callable[..., CongestionControl]
) -> Callable[[Any], None]:
    def open_it(_: Any) -> None:
        flow.socket = connect(address, PORT, flow, config=CONFIG, control=make)

    return open_it


class _Flow:
    """A bulk sender: it always has more to send."""

    def __init__(self, name: str, begins: Ns) -> None:
        self.name = name
        self.begins = begins
        self.socket: TcpSocket | None = None
        self.delivered = self.mark = 0
        self.failed: str | None = None
        self._filling = False

    def established(self) -> None:
        assert self.socket is not None
        self.socket.low_water = _READY
        self._fill()

    def writable(self) -> None:
        self._fill()

    def _fill(self) -> None:
        socket = self.socket
        if socket is None or self._filling:
            return  # called from within its own send
        self._filling = True
        while socket.connection.unacknowledged <= _READY and self.failed is None:
            socket.send(_CHUNK)
        self._filling = False

    def received(self, data: bytes) -> None:
        """Nothing comes back."""

    def peer_closed(self) -> None:
        """It does not."""

    def over(self, how: Closed | Failed) -> None:
        self.failed = str(getattr(how, "reason", how))


class _Sink:
    """The server's end of a flow: counts."""

    def __init__(self, flow: _Flow) -> None:
        self._flow = flow

    def established(self) -> None:
        """It has begun."""

    def received(self, data: bytes) -> None:
        self._flow.delivered += len(data)

    def peer_closed(self) -> None:
        """The sender gave up."""

    def writable(self) -> None:
        """There is nothing to send."""

    def over(self, how: Closed | Failed) -> None:
        """What was delivered counts."""


class _Meter:
    """Sees what becomes of each packet at the bottleneck."""

    def __init__(self, config: LinkConfig) -> None:
        self.sent: dict[int, int] = defaultdict(int)
        self.lost: dict[int, int] = defaultdict(int)
        self.waited: dict[int, list[Ns]] = defaultdict(list)
        self.bytes = self.mark = 0
        self._rate = getattr(config.rate, "bit_s", None)
        self._delay = config.delay.mean

    @property
    def rate(self) -> int | None:
        return self._rate

    def passed(self, passage: Passage) -> None:
        packet = passage.packet
        if not isinstance(packet, IpPacket):
            return
        source = packet.source
        self.sent[source] += 1
        if passage.reason is not None:
            self.lost[source] += 1
            return
        self.bytes += packet.size
        on_the_line = packet.size * 8 * S // self._rate if self._rate else 0
        self.waited[source].append(max(0, passage.left - passage.came - self._delay - on_the_line))


def _result(flows: dict[int, _Flow], meter: _Meter, together: Ns) -> CcRace:
    rates = {address: (flow.delivered - flow.mark) * 8 * S // together for address, flow in flows.items()}
    total = sum(rates.values())
    results = []
    for address, flow in flows.items():
        waited = sorted(meter.waited[address])
        sender = flow.socket.connection.tcb.sender if flow.socket is not None else None
        results.append(
            CcResult(
                name=flow.name,
                goodput_bit_s=rates[address],
                share=rates[address] / total if total else 0.0,
                queueing_p50_ms=waited[len(waited) // 2] / MS if waited else None,
                queueing_p95_ms=waited[len(waited) * 95 // 100] / MS if waited else None,
                sent=meter.sent[address],
                lost=meter.lost[address],
                retransmissions=sender.retransmissions if sender is not None else 0,
                cwnd=sender.control.cwnd if sender is not None else 0,
                failed=flow.failed,
            )
        )
    used = (meter.bytes - meter.mark) * 8 * S / (meter.rate * together) if meter.rate else None
    return CcRace(flows=results, jain=jain(list(rates.values())), utilisation=used)
