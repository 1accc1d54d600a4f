"""One direction of a link: impair -> queue -> rate -> delay. No clock, no dice of its own; the same object in a
simulation, in a proxy and between two hosts.

      Arrived      loss, corruption,       waits for         sent at         on its way      Delivered
    ---------->    duplication,       ->   its turn    ->    the rate   ->   so long     ---------->
                   reordering              (queue)                           (delay)
                        |                      |
                        +------- Dropped ------+

Packets are whatever the caller has; the link looks at nothing but their size. What comes in is accounted for exactly:
arrived + duplicated = delivered + dropped (each with its reason) + held.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import Generic, TypeAlias, TypeVar

import msgspec

from netlab.network.delays import VARIATES as DELAY_VARIATES
from netlab.network.delays import Delays
from netlab.network.impairments import (
    Chance,
    Corrupter,
    Corruption,
    Dice,
    Reorderer,
    Stream,
    loss_machine,
)
from netlab.network.link_config import DropTail, Fate, LinkConfig, Red
from netlab.network.queues import VARIATES as QUEUE_VARIATES
from netlab.network.queues import Item, QueueMachine, queue_machine
from netlab.network.rates import RateMachine, rate_machine
from netlab.units import Ns

P = TypeVar("P")

FORCED_DAMAGE = 1
"""The mask of a corruption that a `Fate` forces: the last bit of the packet's last byte."""


class Arrived(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet comes to the link; `size` in bytes, at least 1."""

    packet: P
    size: int


class Configure(msgspec.Struct, frozen=True):
    """From now on the link is like this. Who is on the way or waits keeps its delay; who waits gets the new rate."""

    config: LinkConfig


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Delivered(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet came through, at `at` (the past, where the timer was late).

    Attributes:
        corruption: damage that the caller applies to the packet's bytes, or None.
    """

    packet: P
    at: Ns
    corruption: Corruption | None = None


class Dropped(msgspec.Struct, Generic[P], frozen=True, gc=False):
    """A packet is lost; `reason` is one of `REASONS`."""

    packet: P
    at: Ns
    reason: str


Event: TypeAlias = Arrived[P] | Configure | TimerFired
Output: TypeAlias = Delivered[P] | Dropped[P]

REASONS = {
    "loss": "lost on the way",
    "fate": "lost because it was asked for",
    "too_big": "larger than the link's MTU",
    "queue_full": "the queue was full",
    "red": "dropped early, by RED",
    "codel": "waited too long, dropped by CoDel",
}


class Account(msgspec.Struct, frozen=True):
    """What became of the packets so far. `arrived + duplicated == delivered + sum(dropped.values()) + held`.

    Attributes:
        corrupted, reordered: of those that were not lost on the way.
        bytes_arrived, bytes_delivered: sizes as the caller gave them.
    """

    arrived: int
    delivered: int
    dropped: dict[str, int]
    held: int
    duplicated: int
    corrupted: int
    reordered: int
    bytes_arrived: int
    bytes_delivered: int


class Link(Generic[P]):
    """One direction of a link.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`.

    Args:
        stream: `stream(name)` gives dice; each impairment has those named `{name}/loss`, `{name}/delay`, ...
        name: of this direction, such as `ann>server`.
        began: when the trace of a measured rate begins, ns.
    """

    def __init__(self, config: LinkConfig, stream: Stream, *, name: str = "link", began: Ns = 0) -> None:
        self.name = name
        self.deadline: Ns | None = None
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        self._stream = stream
        self._began = began
        self._all_dice: dict[str, Dice] = {}
        self._arrived = self._delivered = self._duplicated = self._corrupted = self._reordered = 0
        self._bytes_arrived = self._bytes_delivered = 0
        self._dropped: Counter[str] = Counter()
        self._pipe: list[tuple[Ns, int, P, int, Corruption | None]] = []  # a heap: when it comes out, tie-break, ...
        self._pushed = 0
        self._free_at: Ns = 0
        self._last_out: Ns = 0
        self._changed = False
        self.config = config
        self._rate: RateMachine | None
        self._queue: QueueMachine
        self._build_queue(deque())
        self._build()

    def _build(self) -> None:
        """The machines of the configuration. Dice belong to packets: see `Dice`."""
        config = self.config
        dice = self._dice
        self._lost = loss_machine(config.loss, dice("loss", 2)).happens if config.loss else None
        self._corrupter = Corrupter(config.corrupt, dice("corrupt", Corrupter.VARIATES)) if config.corrupt else None
        duplicate = config.duplicate
        self._doubled = (
            Chance(duplicate.rate, duplicate.correlation, dice("duplicate", Chance.VARIATES)).happens
            if duplicate
            else None
        )
        self._reorderer = Reorderer(config.reorder, dice("reorder", Reorderer.VARIATES)) if config.reorder else None
        jitter = config.delay.jitter > 0
        self._delays = Delays(config.delay, dice("delay", DELAY_VARIATES)) if jitter else None
        self._queue_dice: Callable[[], float] | None = None
        if isinstance(config.queue, Red):
            self._queue_dice = dice("queue", QUEUE_VARIATES).random
        self._fates: dict[int, Fate] = {fate.packet: fate for fate in config.fates}
        impairments = (self._lost, self._corrupter, self._doubled, self._reorderer, self._delays, self._queue_dice)
        self._plain = all(part is None for part in impairments) and not self._fates and config.mtu is None
        is_fifo = isinstance(config.queue, DropTail) and config.queue.unit == "packets"
        self._passes = is_fifo and not config.delay.keep_order  # who finds the queue empty need not go through it
        self._mean = config.delay.mean
        # With one delay for all and a queue that drops only what comes, nothing happens at the link's near end that
        # anybody could notice before the next packet comes out: then it need not be woken for it.
        self._prompt = (
            jitter or config.reorder is not None or bool(self._fates) or self._queue.drops_late or self._changed
        )

    def _build_queue(self, items: deque[Item]) -> None:
        """The queue and the sending end, with these packets waiting."""
        config = self.config
        self._rate = rate_machine(config.rate, self._began) if config.rate else None
        self._queue = queue_machine(config.queue, self._rate.packet_time if self._rate else 1)
        self._queue.items.extend(items)
        self._queue.bytes = sum(item[1] for item in items)

    def _dice(self, purpose: str, per_packet: int) -> Dice:
        dice = self._all_dice.get(purpose)
        if dice is None:
            dice = self._all_dice[purpose] = Dice(self._stream(f"{self.name}/{purpose}"), per_packet)
        dice.catch_up(self._arrived)
        return dice

    def handle(self, event: Event[P], now: Ns) -> list[Output[P]]:
        """Take in one event; what came out of the link, or was lost in it, comes back."""
        outputs: list[Output[P]] = []
        pipe = self._pipe
        if self.deadline is not None and self.deadline <= now:
            self._advance(now, outputs)
        if isinstance(event, Arrived):
            self._arrive(event.packet, event.size, now, outputs)
            if pipe and pipe[0][0] <= now:
                self._advance(now, outputs)
        elif isinstance(event, Configure):
            self._serve(now, outputs)
            self._configure(event.config)
        deadline = pipe[0][0] if pipe else None
        if self._queue.items and (self._prompt or deadline is None):
            deadline = self._free_at if deadline is None else min(deadline, self._free_at)
        self.deadline = deadline
        return outputs

    @property
    def waiting(self) -> int:
        """Packets in the queue, as of the last event."""
        return len(self._queue.items)

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue, as of the last event."""
        return self._queue.bytes

    @property
    def account(self) -> Account:
        """What became of the packets so far, as of the last event."""
        return Account(
            arrived=self._arrived,
            delivered=self._delivered,
            dropped=dict(sorted(self._dropped.items())),
            held=len(self._queue.items) + len(self._pipe),
            duplicated=self._duplicated,
            corrupted=self._corrupted,
            reordered=self._reordered,
            bytes_arrived=self._bytes_arrived,
            bytes_delivered=self._bytes_delivered,
        )

    def _configure(self, config: LinkConfig) -> None:
        for name in self._in_use():
            self._all_dice[name].packets = self._arrived
        old, self.config = self.config, config
        if (old.queue, old.rate) != (config.queue, config.rate):
            self._build_queue(self._queue.items)
        self._changed = True
        self._build()

    def _in_use(self) -> set[str]:
        c = self.config
        parts = {"loss": c.loss, "corrupt": c.corrupt, "duplicate": c.duplicate, "reorder": c.reorder}
        used = {name for name, part in parts.items() if part is not None}
        return used | ({"delay"} if self._delays else set()) | ({"queue"} if self._queue_dice else set())

    # In

    def _arrive(self, packet: P, size: int, now: Ns, outputs: list[Output[P]]) -> None:
        self._arrived += 1
        self._bytes_arrived += size
        if self._plain:
            if self._passes and not self._queue.items and self._free_at <= now:  # the usual case, without a detour
                at = now
                if self._rate is not None:
                    at = self._free_at = self._rate.finish(size, now, waited=False)
                self._pushed += 1
                heappush(self._pipe, (at + self._mean, self._pushed, packet, size, None))
            else:
                self._enter(packet, size, now, self._mean, None, 0.0, outputs)
            return
        # Each takes its dice, whatever the others say.
        lost = self._lost is not None and self._lost()
        damage = self._corrupter.damage(size) if self._corrupter is not None else None
        doubled = self._doubled is not None and self._doubled()
        skips = self._reorderer is not None and self._reorderer.skips()
        delay, copy_delay = self._delays.take() if self._delays is not None else (self._mean, self._mean)
        dice = (self._queue_dice(), self._queue_dice()) if self._queue_dice is not None else (0.0, 0.0)
        reason = "loss"
        fate = self._fates.get(self._arrived) if self._fates else None
        if fate is not None:
            match fate.does:
                case "drop":
                    lost, reason = True, "fate"
                case "deliver":
                    lost, damage, doubled = False, None, False
                case "duplicate":
                    doubled = True
                case "corrupt":
                    damage = Corruption(size - 1, FORCED_DAMAGE)
                case "delay":
                    delay += fate.delay
        if self.config.mtu is not None and size > self.config.mtu:
            lost, reason = True, "too_big"
        if lost:
            self._drop(packet, now, reason, outputs)
            return
        if damage is not None:
            self._corrupted += 1
        if skips:
            self._reordered += 1
            delay = -1
        self._enter(packet, size, now, delay, damage, dice[0], outputs)
        if doubled:
            self._duplicated += 1
            self._enter(packet, size, now, copy_delay, damage, dice[1], outputs)

    def _enter(
        self, packet: P, size: int, now: Ns, delay: Ns, damage: Corruption | None, dice: float, outputs: list[Output[P]]
    ) -> None:
        """Into the queue, or where nothing limits the rate, on its way. A delay of -1 skips it."""
        if self._rate is None and not self._queue.items:
            self._send(packet, size, now, delay, damage)
            return
        if self._free_at <= now and self._queue.items:
            self._serve(now, outputs)  # those whose turn it was have left the queue
        reason = self._queue.push((packet, size, now, (delay, damage)), now, dice)
        if reason is not None:
            self._drop(packet, now, reason, outputs)
        elif self._free_at <= now:
            self._serve(now, outputs)

    def _drop(self, packet: P, at: Ns, reason: str, outputs: list[Output[P]]) -> None:
        self._dropped[reason] += 1
        outputs.append(Dropped(packet, at, reason))

    # Through

    def _serve(self, now: Ns, outputs: list[Output[P]]) -> None:
        """Send from the queue whatever it was the turn of, up to now."""
        queue, rate = self._queue, self._rate
        late: list[Item] = []
        while queue.items and self._free_at <= now:
            start = max(self._free_at, queue.items[0][2])
            item = queue.pull(start, late)
            if late:
                for packet, _, _, _ in late:
                    self._drop(packet, start, "codel", outputs)
                late.clear()
            if item is None:
                return
            packet, size, came, (delay, damage) = item
            self._free_at = start if rate is None else rate.finish(size, start, waited=came < start)
            self._send(packet, size, self._free_at, delay, damage)

    def _send(self, packet: P, size: int, at: Ns, delay: Ns, damage: Corruption | None) -> None:
        """Its last bit goes at `at`."""
        if delay >= 0:
            at += delay
            if self.config.delay.keep_order:
                at = self._last_out = max(at, self._last_out)
        self._pushed += 1
        heappush(self._pipe, (at, self._pushed, packet, size, damage))

    def _advance(self, now: Ns, outputs: list[Output[P]]) -> None:
        """Whatever happens up to now."""
        if self._queue.items and self._free_at <= now:
            self._serve(now, outputs)
        pipe = self._pipe
        while pipe and pipe[0][0] <= now:
            at, _, packet, size, damage = heappop(pipe)
            self._delivered += 1
            self._bytes_delivered += size
            outputs.append(Delivered(packet, at, damage))
