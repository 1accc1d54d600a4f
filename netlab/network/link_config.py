"""What a link does to packets, as plain data. A value that cannot be is refused, with the right form shown.

Names and meanings are those of Linux's netem where it has them (tc-netem(8)), with two exceptions, both because netem's
own arithmetic changes what was asked for. A *correlation* here leaves the probability as it is (see `impairments`), and
the Pareto distribution has the standard deviation asked for (see `delays`).

Probabilities are floats in [0, 1], times ns, rates bits a second. People write them with units: see `link_options`.
"""

from __future__ import annotations

import itertools
from typing import Literal, TypeAlias

import msgspec

from netlab.errors import NetlabError
from netlab.units import MS, Ns

QUEUE_LIMIT = 1000
"""Packets that wait at most, where nothing else is asked for: netem's default."""

MTU = 1500
"""Bytes of the largest packet of Ethernet, where one is assumed."""


class BadLink(NetlabError, ValueError):
    """A link cannot be as it was asked for; the message shows the right form."""


def _probability(name: str, value: float, example: str) -> None:
    if not 0 <= value <= 1:  # also where it is not a number
        raise BadLink(f"{name}: {value:g} is not a probability from 0 to 1: write {example}")


def _correlation(name: str, value: float, example: str) -> None:
    if not 0 <= value < 1:
        raise BadLink(f"{name}: a correlation of {value:g} is not from 0 to below 1: write {example}")


def _at_least(name: str, value: int, least: int, example: str) -> None:
    if not isinstance(value, int) or value < least:
        raise BadLink(f"{name}: {value} is not a whole number from {least} on: write {example}")


# ---- loss: which packets never arrive --------------------------------------------------------------------------------


class RandomLoss(msgspec.Struct, frozen=True, tag="random", tag_field="kind"):
    """Each packet is lost with probability `rate`; with probability `correlation` it shares the fate of the one before.

    netem's `loss random`.
    """

    rate: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        _probability("loss", self.rate, "loss=1%")
        _correlation("loss", self.correlation, "loss=1%,25%")

    def expected(self) -> float:
        """The share that is lost in the long run."""
        return self.rate


class GilbertElliott(msgspec.Struct, frozen=True, tag="gilbert", tag_field="kind"):
    """Losses in bursts: the link is in a good or a bad state, and changes between them from packet to packet.

    netem's `loss gemodel p r 1-h 1-k`. It begins in the good state.

    Attributes:
        p: probability of going from good to bad, after a packet.
        r: probability of going from bad to good; a bad time lasts 1/r packets on average.
        loss_bad: probability of losing a packet in the bad state, "1-h".
        loss_good: probability of losing a packet in the good state, "1-k".

    Source: E. N. Gilbert, BSTJ 39(5), 1960; E. O. Elliott, BSTJ 42(5), 1963.
    """

    p: float
    r: float
    loss_bad: float = 1.0
    loss_good: float = 0.0

    def __post_init__(self) -> None:
        for value in (self.p, self.r, self.loss_bad, self.loss_good):
            _probability("gilbert", value, "gilbert=1%,10%,100%,0% (p, r, 1-h, 1-k)")

    def expected(self) -> float:
        """The share that is lost in the long run."""
        bad = self.p / (self.p + self.r) if self.p else 0.0
        return bad * self.loss_bad + (1 - bad) * self.loss_good


class FourStateLoss(msgspec.Struct, frozen=True, tag="four-state", tag_field="kind"):
    """Bursts of loss within which packets get through, and single losses between bursts: netem's `loss state`.

    The states are 1 received between bursts, 2 received within a burst, 3 lost within a burst, 4 lost alone; `p13` is
    the probability of going from 1 to 3, and so on. From 4 it always goes back to 1.

    Source: S. Salsano et al., "Definition of a general and intuitive loss model for packet networks and its
    implementation in the Netem module in the Linux kernel", 2012.
    """

    p13: float
    p31: float
    p32: float = 0.0
    p23: float = 1.0
    p14: float = 0.0

    def __post_init__(self) -> None:
        example = "loss_state=1%,90%,5%,50%,1% (p13, p31, p32, p23, p14)"
        for value in (self.p13, self.p31, self.p32, self.p23, self.p14):
            _probability("loss_state", value, example)
        if self.p13 + self.p14 > 1 or self.p31 + self.p32 > 1:
            raise BadLink(f"loss_state: p13 + p14 and p31 + p32 are at most 100%: write {example}")


class PeriodicLoss(msgspec.Struct, frozen=True, tag="periodic", tag_field="kind"):
    """The `every`-th packet is lost, and again the `every`-th after it."""

    every: int

    def __post_init__(self) -> None:
        _at_least("drop_every", self.every, 1, "drop_every=10")

    def expected(self) -> float:
        """The share that is lost in the long run."""
        return 1 / self.every


class ListedLoss(msgspec.Struct, frozen=True, tag="listed", tag_field="kind"):
    """These packets are lost, counted from 1 as they come to the link."""

    packets: tuple[int, ...]

    def __post_init__(self) -> None:
        for number in self.packets:
            _at_least("drop", number, 1, "drop=1,3")


class TraceLoss(msgspec.Struct, frozen=True, tag="trace", tag_field="kind"):
    """What happened once: `fates` has a `1` for each packet that was lost and a `0` for each that was not. After its
    end it begins again."""

    fates: str

    def __post_init__(self) -> None:
        if not self.fates or set(self.fates) - {"0", "1"}:
            raise BadLink("loss_trace: a trace has a 1 for each lost packet, a 0 for each other: such as 0001100")

    def expected(self) -> float:
        """The share that is lost in the long run."""
        return self.fates.count("1") / len(self.fates)


Loss: TypeAlias = RandomLoss | GilbertElliott | FourStateLoss | PeriodicLoss | ListedLoss | TraceLoss


# ---- the other impairments -------------------------------------------------------------------------------------------


class Corrupt(msgspec.Struct, frozen=True):
    """Damage one place of a packet.

    Attributes:
        unit: one bit is flipped, as netem does, or one byte becomes another.
        fix_udp_checksum: the UDP checksum is made to fit again, to test what stands above. (Never TCP's: a changed
            sequence number would then be believed.)
    """

    rate: float
    correlation: float = 0.0
    unit: Literal["bit", "byte"] = "bit"
    fix_udp_checksum: bool = False

    def __post_init__(self) -> None:
        _probability("corrupt", self.rate, "corrupt=0.1%")
        _correlation("corrupt", self.correlation, "corrupt=0.1%,25%")


class Duplicate(msgspec.Struct, frozen=True):
    """A packet comes twice; the copy goes through queue, rate and delay as one of its own."""

    rate: float
    correlation: float = 0.0

    def __post_init__(self) -> None:
        _probability("duplicate", self.rate, "duplicate=1%")
        _correlation("duplicate", self.correlation, "duplicate=1%,25%")


class Reorder(msgspec.Struct, frozen=True):
    """A packet skips the delay, and so overtakes those before it: netem's `reorder`.

    Attributes:
        rate: probability for each candidate.
        gap: the first candidate, and the next after each that skipped, is the `gap`-th packet.
    """

    rate: float
    correlation: float = 0.0
    gap: int = 1

    def __post_init__(self) -> None:
        _probability("reorder", self.rate, "reorder=5%")
        _correlation("reorder", self.correlation, "reorder=5%,50%")
        _at_least("gap", self.gap, 1, "gap=5")


class Fate(msgspec.Struct, frozen=True):
    """What happens to one packet, whatever the dice say; all others keep theirs.

    Attributes:
        packet: counted from 1 as packets come to the link.
        does: `deliver` takes back a loss, corruption and duplication that the dice would bring.
        delay: for `delay`: how much longer it takes, ns.
    """

    packet: int
    does: Literal["drop", "deliver", "duplicate", "corrupt", "delay"]
    delay: Ns = 0

    def __post_init__(self) -> None:
        _at_least("a fate's packet", self.packet, 1, "packet 5")
        _at_least("a fate's delay", self.delay, 0, "delay 20ms")


# ---- queue and rate --------------------------------------------------------------------------------------------------


class DropTail(msgspec.Struct, frozen=True, tag="drop-tail", tag_field="kind"):
    """What comes when `limit` packets or bytes wait is dropped. (The packet on its way out does not wait any more.)"""

    limit: int = QUEUE_LIMIT
    unit: Literal["packets", "bytes"] = "packets"

    def __post_init__(self) -> None:
        _at_least("queue", self.limit, 1, "queue=100packets or queue=64KiB")


class Red(msgspec.Struct, frozen=True, tag="red", tag_field="kind"):
    """Random early detection: the longer the queue is on average, the more is dropped before it is full.

    Attributes:
        minimum: average length below which nothing is dropped, in `unit`.
        maximum: average length from which everything is dropped.
        probability: of a drop where the average comes near `maximum`.
        weight: of the newest length in the average.
        limit: what may wait at most, in `unit`.

    Source: S. Floyd and V. Jacobson, "Random Early Detection Gateways for Congestion Avoidance", 1993.
    """

    minimum: int
    maximum: int
    probability: float = 0.1
    weight: float = 0.002
    limit: int = QUEUE_LIMIT
    unit: Literal["packets", "bytes"] = "packets"

    def __post_init__(self) -> None:
        example = "aqm=red,5,15,10%,0.2% (minimum, maximum, probability, weight)"
        _at_least("queue", self.limit, 1, "queue=100packets or queue=64KiB")
        _at_least("red's minimum", self.minimum, 0, example)
        if not self.minimum < self.maximum <= self.limit:
            raise BadLink(f"red: minimum < maximum <= the queue's limit of {self.limit}: write {example}")
        _probability("red's probability", self.probability, example)
        _probability("red's weight", self.weight, example)
        if self.weight == 0:
            raise BadLink(f"red: with weight 0 the average would never change: write {example}")


class CoDel(msgspec.Struct, frozen=True, tag="codel", tag_field="kind"):
    """Controlled delay: where packets wait longer than `target` for a whole `interval`, some are dropped.

    Attributes:
        mtu: bytes; a queue that holds no more than one packet of this size is never too long.

    Source: RFC 8289.
    """

    target: Ns = 5 * MS
    interval: Ns = 100 * MS
    mtu: int = MTU
    limit: int = QUEUE_LIMIT
    unit: Literal["packets", "bytes"] = "packets"

    def __post_init__(self) -> None:
        example = "aqm=codel,5ms,100ms (target, interval)"
        _at_least("queue", self.limit, 1, "queue=100packets or queue=64KiB")
        _at_least("codel's target", self.target, 1, example)
        _at_least("codel's interval", self.interval, 1, example)
        _at_least("codel's mtu", self.mtu, 0, "mtu=1500")


Queue: TypeAlias = DropTail | Red | CoDel


class Framing(msgspec.Struct, frozen=True):
    """What the link's own layer adds to each packet before it is sent: netem's three numbers behind `rate`.

    Attributes:
        overhead: bytes a packet; may be negative, where what was counted is not sent.
        cell_size: payload of a cell, bytes, where the link sends whole cells; 0 where it does not.
        cell_overhead: bytes a cell.
    """

    overhead: int = 0
    cell_size: int = 0
    cell_overhead: int = 0

    def __post_init__(self) -> None:
        example = "rate=10mbit,18 or rate=1mbit,8,48,5 (overhead, cell size, cell overhead)"
        _at_least("rate's cell size", self.cell_size, 0, example)
        _at_least("rate's cell overhead", self.cell_size + self.cell_overhead, min(self.cell_size, 1), example)
        if not -MTU <= self.overhead <= 65_535:
            raise BadLink(f"rate: an overhead of {self.overhead} B a packet cannot be: write {example}")


class ConstantRate(msgspec.Struct, frozen=True, tag="constant", tag_field="kind"):
    """So many bits a second."""

    bit_s: int
    framing: Framing = Framing()

    def __post_init__(self) -> None:
        _at_least("rate", self.bit_s, 1, "rate=10mbit, or leave it out for no limit")


class TraceRate(msgspec.Struct, frozen=True, tag="trace", tag_field="kind"):
    """The rate of a link that was measured: at each of these times it can send 1500 bytes. After the last it begins
    again.

    Attributes:
        opportunities: ns, not falling, the last over 0: the trace takes that long.

    Source: the packet-delivery traces of mahimahi, mm-link(1); theirs are in whole ms.
    """

    opportunities: tuple[Ns, ...]
    framing: Framing = Framing()

    def __post_init__(self) -> None:
        times = self.opportunities
        rises = all(a <= b for a, b in itertools.pairwise(times))
        if not times or times[0] < 0 or times[-1] <= 0 or not rises:
            raise BadLink("rate_trace: a trace has one time in ms a line, none before the last, such as 0, 1, 1, 4")


Rate: TypeAlias = ConstantRate | TraceRate


class Slot(msgspec.Struct, frozen=True):
    """Packets come out in bursts: they gather until the next slot, as on a Wi-Fi or on a cable modem's way up. netem's
    `slot`.

    Attributes:
        minimum, maximum: ns from one slot to the next, and from a packet that finds none to its own; uniform between.
        packets, bytes: what may come out in one slot; 0 for any.
    """

    minimum: Ns
    maximum: Ns
    packets: int = 0
    bytes: int = 0

    def __post_init__(self) -> None:
        example = "slot=10ms or slot=5ms,20ms (minimum, maximum)"
        _at_least("slot's minimum", self.minimum, 1, example)
        if not self.minimum <= self.maximum:
            raise BadLink(f"slot: the maximum is less than the minimum: write {example}")
        _at_least("slot_packets", self.packets, 0, "slot_packets=8")
        _at_least("slot_bytes", self.bytes, 0, "slot_bytes=12kB")


# ---- delay, and all together -----------------------------------------------------------------------------------------

Distribution: TypeAlias = Literal["uniform", "normal", "pareto", "paretonormal"]


class Delay(msgspec.Struct, frozen=True):
    """How long a packet is on its way, one-way.

    Attributes:
        mean: ns.
        jitter: ns: half the width for `uniform`, the standard deviation for the others. What would be negative is 0.
        distribution: `uniform` is netem's default too, whatever its manual says.
        correlation: of a packet's jitter with that of the one before, 0 to 1.
        keep_order: no packet overtakes another: who would come earlier comes at the same time.
    """

    mean: Ns = 0
    jitter: Ns = 0
    distribution: Distribution = "uniform"
    correlation: float = 0.0
    keep_order: bool = False

    def __post_init__(self) -> None:
        _at_least("delay", self.mean, 0, "delay=20ms")
        _at_least("jitter", self.jitter, 0, "jitter=2ms")
        _correlation("jitter", self.correlation, "jitter_correlation=25%")


class LinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a link. Without arguments: nothing is lost, and nothing takes any time.

    Attributes:
        mtu: bytes of the largest packet that passes; None for any.
        fates: what happens to single packets, whatever the dice say.
    """

    loss: Loss | None = None
    corrupt: Corrupt | None = None
    duplicate: Duplicate | None = None
    reorder: Reorder | None = None
    queue: Queue = DropTail()
    rate: Rate | None = None
    delay: Delay = Delay()
    slot: Slot | None = None
    mtu: int | None = None
    fates: tuple[Fate, ...] = ()

    def __post_init__(self) -> None:
        if self.reorder is not None and self.delay.mean == 0:
            raise BadLink(
                "reorder: who is reordered skips the delay, so there must be one: write reorder=5% delay=20ms"
            )
        if self.mtu is not None:
            _at_least("mtu", self.mtu, 68, "mtu=1500 (RFC 791: at least 68)")
