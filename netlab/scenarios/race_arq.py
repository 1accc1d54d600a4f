"""ARQs on the same bad link, one after the other: how much each gets through, beside what theory says.

client ======= link ======= server        each alone, over simulated UDP, from the same seed: the first packets that
                                          each of them sends have the same fates
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from netlab.errors import DecodeError
from netlab.network.hosts import Host
from netlab.network.link import Account
from netlab.network.link_config import ConstantRate, LinkConfig, RandomLoss
from netlab.network.rates import framed_size
from netlab.network.seeds import seeded_simulation
from netlab.network.simulator import Simulation, Tap
from netlab.packets import ipv4, udp
from netlab.protocols.arq import (
    Arq,
    Arrived,
    Deliver,
    Dropped,
    Event,
    Failed,
    GoBackN,
    SelectiveRepeat,
    Send,
    StopAndWait,
    TimerFired,
    Transmit,
    decode,
    encode,
    pdu,
)
from netlab.protocols.arq.theory import ArqPath, go_back_n, selective_repeat, stop_and_wait, window_bound
from netlab.protocols.round_trips import LINUX_MIN_RTO
from netlab.protocols.trace import Trace
from netlab.scenarios.entrants import BadEntrant, EntrantFailed, called, guarded, labels
from netlab.scenarios.quantities import BadScenario
from netlab.units import Ns, S

PORT = 7000
HEADERS = ipv4.HEADER_LEN + udp.HEADER_LEN
BACKLOG = 2000
"""Packets that the application has ready: more than any window."""

POINTS = ("client", "client>server", "server>client", "server")


class ArqRules(msgspec.Struct, frozen=True, kw_only=True):
    """How ARQs race.

    Attributes:
        window: packets of those that have one.
        size: bytes of a packet's payload, at least 8.
        min_rto: what a timer is at least, ns.
        lasts: ns.
    """

    window: int = 16
    size: int = 1200
    min_rto: Ns = LINUX_MIN_RTO
    lasts: Ns = 10 * S


class ArqResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one ARQ.

    Attributes:
        goodput_bit_s: payload delivered.
        theory_bit_s: what `arq.theory` says of this link; None for a protocol it does not know, or a link that is not
            simple: random independent loss, one rate, one delay.
        bound_bit_s: without any loss.
        sent, retransmissions: data packets handed to the link, and those of them that were sent again.
        delivered: packets that the receiver's application got.
        lost: PDUs that the link lost, both ways.
        link: account of the direction from the client to the server.
        wrong: the first thing that was delivered twice, too early or damaged, in words.
        failed: why the sender gave up.
    """

    name: str
    goodput_bit_s: int
    theory_bit_s: int | None
    bound_bit_s: int | None
    sent: int
    retransmissions: int
    delivered: int
    lost: int
    link: Account
    wrong: str | None
    failed: str | None


def race_arqs(
    entrants: Sequence[type[Any]],
    directions: tuple[LinkConfig, LinkConfig],
    rules: ArqRules,
    *,
    seed: int,
    tap: Tap | None = None,
    trace: Trace | None = None,
) -> list[ArqResult]:
    """Race ARQs: netlab's, or classes with `handle(event, now)` and `deadline`.

    Raises:
        BadScenario: the link takes no time, so that the race would never end.
        BadEntrant: a class cannot take part.
        EntrantFailed: one broke.
    """
    if all(config.rate is None and not config.delay.mean for config in directions):
        raise BadScenario('the link takes no time, so there is no race: "rate=10mbit delay=20ms" takes some')
    names = labels([called(entrant) for entrant in entrants])
    return [
        _Alone(entrant, name, directions, rules, seed, tap, trace).run()
        for entrant, name in zip(entrants, names, strict=True)
    ]


class _Alone:
    """One ARQ's run."""

    def __init__(
        self,
        entrant: type[Any],
        name: str,
        directions: tuple[LinkConfig, LinkConfig],
        rules: ArqRules,
        seed: int,
        tap: Tap | None,
        trace: Trace | None,
    ) -> None:
        self.name = name
        self._entrant = entrant
        self._directions = directions
        self._rules = rules
        self._simulation = simulation = seeded_simulation(seed)
        client, server = simulation.host("client"), simulation.host("server")
        simulation.connect(client, server, *directions)
        if tap is not None:
            for point in POINTS:
                simulation.tap(point, tap)
        self._sent: Counter[int] = Counter()  # data PDUs, by number
        self._transmitted = 0
        self._given = 0
        self._delivered = 0
        self._wrong: str | None = None
        self._failed: str | None = None
        self._filling = bytes(rules.size - 8)
        self.sender = _End(self, client, server, _make(entrant, rules, name, trace))
        self.receiver = _End(self, server, client, _make(entrant, rules, name, None))

    def run(self) -> ArqResult:
        for _ in range(BACKLOG):
            self._give()
        self._simulation.run(until=self._rules.lasts)
        there, back = (self._simulation.channels[name].link.account for name in POINTS[1:3])
        path = _path(self._directions, self._rules)
        theory = _theory(self._entrant, path, self._rules.window) if path is not None else None
        window = 1 if issubclass(self._entrant, StopAndWait) else self._rules.window
        bound = None if path is None or not issubclass(self._entrant, Arq) else window_bound(path, window)
        distinct = len(self._sent)
        return ArqResult(
            name=self.name,
            goodput_bit_s=self._delivered * self._rules.size * 8 * S // self._rules.lasts,
            theory_bit_s=None if theory is None else round(theory),
            bound_bit_s=None if bound is None else round(bound),
            sent=self._transmitted,
            retransmissions=self._transmitted - distinct,
            delivered=self._delivered,
            lost=sum(there.dropped.values()) + sum(back.dropped.values()),
            link=there,
            wrong=self._wrong,
            failed=self._failed,
        )

    def _give(self) -> None:
        number, self._given = self._given, self._given + 1
        self.sender.step(Send(number.to_bytes(8, "big") + self._filling))

    def transmitted(self, end: _End, number: int) -> None:
        if end is self.sender:
            self._transmitted += 1
            self._sent[number] += 1

    def delivered(self, data: bytes) -> None:
        number = int.from_bytes(data[:8], "big")
        if (number != self._delivered or len(data) != self._rules.size) and self._wrong is None:
            what = f"packet {number}" if len(data) == self._rules.size else f"{len(data)} B"
            self._wrong = f"delivered {what} where packet {self._delivered} was due"
        self._delivered += 1
        self._simulation.call_at(self._simulation.now, lambda _: self._give(), None)

    def failed(self, reason: str) -> None:
        self._failed = self._failed or reason


class _End:
    """An ARQ on a simulated host's UDP port: carries out what the machine asks."""

    def __init__(self, race: _Alone, here: Host, there: Host, machine: Any) -> None:
        self._race = race
        self._simulation: Simulation = race._simulation
        self._to = there.address
        self._machine = machine
        self._port = here.bind(PORT, self._received)
        self._armed: Ns | None = None

    def _received(self, payload: bytes, address: int, port: int) -> None:
        try:
            arrived = decode(payload)
        except DecodeError:
            return
        self.step(Arrived(arrived))

    def step(self, event: Event) -> None:
        machine, race, simulation = self._machine, self._race, self._simulation
        owner = type(machine)
        outputs = guarded(owner, "handle", machine.handle, event, simulation.now)
        if not isinstance(outputs, (list, tuple)):
            raise EntrantFailed(f"{owner.__name__}.handle returned {outputs!r}: it returns a list of outputs")
        for output in outputs:
            match output:
                case Transmit(sent):
                    if isinstance(sent, pdu.Data):
                        race.transmitted(self, sent.number)
                    self._port.sendto(guarded(owner, "handle", encode, sent), self._to, PORT)
                case Deliver(data):
                    race.delivered(data)
                case Failed(reason):
                    race.failed(reason)
                case Dropped():
                    pass
                case _:
                    raise EntrantFailed(
                        f"{owner.__name__}.handle put out {output!r}: outputs are Transmit, Deliver, Dropped and Failed"
                    )
        deadline = machine.deadline
        if deadline is not None and not isinstance(deadline, int):
            raise EntrantFailed(f"{owner.__name__}.deadline is {deadline!r}: it is ns, a whole number, or None")
        if deadline is not None and (self._armed is None or deadline < self._armed or self._armed < simulation.now):
            self._armed = deadline
            simulation.call_at(deadline, self._wake, deadline)

    def _wake(self, armed: Ns) -> None:
        if armed != self._armed:
            return
        self._armed = None
        self.step(TimerFired())


def _make(entrant: type[Any], rules: ArqRules, name: str, trace: Trace | None) -> Any:
    if not callable(getattr(entrant, "handle", None)):
        raise BadEntrant(f"{entrant.__name__} has no handle(event, now): derive it from one of netlab.protocols.arq")
    options: dict[str, Any] = {}
    if issubclass(entrant, Arq):
        options = {"min_rto": rules.min_rto, "trace": trace, "who": name}
        if not issubclass(entrant, StopAndWait):
            options["window"] = rules.window
    machine = guarded(entrant, "__init__", entrant, **options)
    if not hasattr(machine, "deadline"):
        raise BadEntrant(f"{entrant.__name__} has no deadline: ns, or None where it waits for nothing")
    return machine


class _Line(NamedTuple):
    packet_time: Ns
    delay: Ns
    loss: float


def _line(config: LinkConfig, size: int) -> _Line | None:
    """A direction that the theory covers, or None."""
    if config.delay.jitter or config.duplicate or config.reorder or config.corrupt or config.fates:
        return None
    if config.rate is not None and not isinstance(config.rate, ConstantRate):
        return None
    loss = config.loss or RandomLoss(0)
    if not isinstance(loss, RandomLoss) or loss.correlation:
        return None
    time = 0
    if config.rate is not None:
        time = framed_size(size, config.rate.framing) * 8 * S // config.rate.bit_s
    return _Line(time, config.delay.mean, loss.rate)


def _path(directions: tuple[LinkConfig, LinkConfig], rules: ArqRules) -> ArqPath | None:
    there = _line(directions[0], rules.size + pdu.HEADER_LEN + HEADERS)
    back = _line(directions[1], pdu.HEADER_LEN + HEADERS)
    if there is None or back is None or there.packet_time + there.delay + back.delay == 0:
        return None
    return ArqPath(
        payload=rules.size,
        packet_time=there.packet_time,
        ack_time=back.packet_time,
        delay=there.delay + back.delay,
        loss=there.loss,
        ack_loss=back.loss,
        min_rto=rules.min_rto,
    )


def _theory(entrant: type[Any], path: ArqPath, window: int) -> float | None:
    if entrant is StopAndWait:
        return stop_and_wait(path)
    if entrant is GoBackN:
        return go_back_n(path, window)
    if entrant is SelectiveRepeat:
        return selective_repeat(path, window)
    return None
