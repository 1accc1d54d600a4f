"""One direction of a link: impair -> queue -> rate -> delay. No clock, no dice of its own; the same object in a
simulation, in a proxy and between two hosts.

      Arrived      loss, corruption,       waits for         sent at       on its way       Delivered
    ---------->    duplication,       ->   its turn    ->    the rate   ->   so long     ---------->
                   reordering              (queue)                           (delay)
                        |                      |
                        +------- Dropped ------+

Events and outputs stand in `link_events`. Packets are whatever the caller has; the link looks at nothing but their
size. What comes in is accounted for exactly: arrived + duplicated = delivered + dropped (each with its reason) + held.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Generic, TypeAlias, TypeVar

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
from netlab.network.link_config import ConstantRate, DropTail, Fate, LinkConfig, Red, TraceRate
from netlab.network.link_events import (
    REASONS,
    Account,
    Arrived,
    Configure,
    Delivered,
    Dropped,
    Event,
    Output,
    TimerFired,
)
from netlab.network.queues import VARIATES as QUEUE_VARIATES
from netlab.network.queues import Item, QueueMachine, queue_machine
from netlab.network.rates import RateMachine, rate_machine
from netlab.network.slots import VARIATES as SLOT_VARIATES
from netlab.network.slots import Slots
from netlab.units import Ns

__all__ = [
    "REASONS",
    "Account",
    "Arrived",
    "Configure",
    "Delivered",
    "Dropped",
    "Event",
    "Link",
    "Output",
    "TimerFired",
]

P = TypeVar("P")

_Way: TypeAlias = tuple[Ns, Corruption | None, float]
"""Of a packet behind the queue: its delay, or -1 where it skips it; its damage; its variate for a slot."""

FORCED_DAMAGE = 1
"""The mask of a corruption that a `Fate` forces: the last bit of the packet's last byte."""


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
        self._starts: deque[tuple[Ns, Ns]] = deque()  # of those in the pipe that wait: until when, and since when
        self._now: Ns = 0
        self._slot_dice_of: dict[int, float] = {}  # of those in the pipe, by their tie-break
        self._gathered: deque[tuple[Ns, P, int, Corruption | None]] = deque()  # they wait for their slot
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
        self._slots = Slots(config.slot) if config.slot else None
        self._slot_dice = dice("slot", SLOT_VARIATES).random if config.slot else None
        if self._slots is None:
            self._slot_dice_of.clear()
        self._fates: dict[int, Fate] = {fate.packet: fate for fate in config.fates}
        impairments = (
            *(self._lost, self._corrupter, self._doubled, self._reorderer),
            *(self._delays, self._queue_dice, self._slots),
        )
        self._plain = all(part is None for part in impairments) and not self._fates and config.mtu is None
        is_fifo = isinstance(config.queue, DropTail) and config.queue.unit == "packets"
        takes_time = config.delay.mean > 0 or (
            isinstance(config.rate, ConstantRate) and config.rate.framing.overhead >= 0
        )
        self._is_planned = (
            self._plain
            and is_fifo
            and takes_time
            and not config.delay.keep_order
            and not isinstance(config.rate, TraceRate)
        )
        self._mean = config.delay.mean
        self._limit = config.queue.limit
        # With one delay for all and a queue that drops only what comes, nothing happens at the link's near end that
        # anybody could notice before the next packet comes out: then it need not be woken for it.
        self._prompt = (
            jitter
            or config.reorder is not None
            or config.slot is not None
            or bool(self._fates)
            or self._queue.drops_late
            or self._changed
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
        match event:
            case Arrived(packet, size):
                return self.arrive(packet, size, now)
            case TimerFired():
                return self.fire(now)
            case Configure(config):
                outputs = self.fire(now)
                self._serve(now, outputs)
                self._configure(config, now)
                self._set_deadline()
                return outputs

    def arrive(self, packet: P, size: int, now: Ns) -> list[Output[P]]:
        """As `handle(Arrived(packet, size), now)`, for who has many of them.

        Without dice, and where the queue drops only what comes, all that will happen to a packet is known at once: it
        is put on its way also if it has to wait first, and `_starts` remembers until when it waits.
        """
        deadline = self.deadline
        outputs: list[Output[P]] = self.fire(now) if deadline is not None and deadline <= now else []
        if not self._is_planned or self._queue.items:
            self._take_in(packet, size, now, outputs)
            return outputs + self.fire(now)
        self._now = now
        self._arrived += 1
        self._bytes_arrived += size
        at = now
        if self._rate is not None:
            starts = self._starts
            while starts and starts[0][0] <= now:
                starts.popleft()
            waits = self._free_at > now
            if waits:
                if len(starts) >= self._limit:
                    self._drop(packet, now, "queue_full", outputs)
                    return outputs
                at = self._free_at
                starts.append((at, now))
            at = self._free_at = self._rate.finish(size, at, waited=waits)
        self._pushed += 1
        pipe = self._pipe
        heappush(pipe, (at + self._mean, self._pushed, packet, size, None))
        self.deadline = pipe[0][0]
        return outputs

    def fire(self, now: Ns) -> list[Output[P]]:
        """As `handle(TimerFired(), now)`, for who has many of them."""
        self._now = now
        outputs: list[Output[P]] = []
        queue, pipe = self._queue, self._pipe
        if queue.items and self._free_at <= now:
            self._serve(now, outputs)
        if self._slots is not None or self._gathered:
            self._leave_in_slots(now, outputs)
        while pipe and pipe[0][0] <= now:
            at, _, packet, size, damage = heappop(pipe)
            self._delivered += 1
            self._bytes_delivered += size
            outputs.append(Delivered(packet, at, damage))
        if queue.items or self._gathered:
            self._set_deadline()
        else:
            self.deadline = pipe[0][0] if pipe else None
        return outputs

    def _leave_in_slots(self, now: Ns, outputs: list[Output[P]]) -> None:
        """Whoever has come to the far end waits there for a slot."""
        pipe, gathered, slots = self._pipe, self._gathered, self._slots
        while slots is not None and pipe and pipe[0][0] <= now:
            at, pushed, packet, size, damage = heappop(pipe)
            gathered.append((slots.out(at, size, self._slot_dice_of.pop(pushed, 0.5)), packet, size, damage))
        while gathered and gathered[0][0] <= now:
            at, packet, size, damage = gathered.popleft()
            self._delivered += 1
            self._bytes_delivered += size
            outputs.append(Delivered(packet, at, damage))

    def _unplan(self, now: Ns) -> None:
        """Who waits is in the queue again."""
        starts = self._starts
        while starts and starts[0][0] <= now:
            starts.popleft()
        if starts:
            pushed = sorted(self._pipe, key=lambda entry: entry[1])
            first = len(pushed) - len(starts)
            for (_, came), (_, _, packet, size, _) in zip(starts, pushed[first:], strict=True):
                self._queue.items.append((packet, size, came, (self._mean, None, 0.0)))
                self._queue.bytes += size
            self._free_at = starts[0][0]
            self._pipe = pushed[:first]
            heapify(self._pipe)
            starts.clear()

    def _set_deadline(self) -> None:
        deadline = self._pipe[0][0] if self._pipe else None
        if self._queue.items and (self._prompt or deadline is None):
            deadline = self._free_at if deadline is None else min(deadline, self._free_at)
        if self._gathered:
            deadline = self._gathered[0][0] if deadline is None else min(deadline, self._gathered[0][0])
        self.deadline = deadline

    @property
    def waiting(self) -> int:
        """Packets in the queue, as of the last event."""
        return len(self._queue.items) + self._planned_to_wait()

    def _planned_to_wait(self) -> int:
        return sum(start > self._now for start, _ in self._starts)

    @property
    def waiting_bytes(self) -> int:
        """Bytes in the queue, as of the last event."""
        latest = sorted(self._pipe, key=lambda entry: entry[1])[len(self._pipe) - self._planned_to_wait() :]
        return self._queue.bytes + sum(entry[3] for entry in latest)

    @property
    def account(self) -> Account:
        """What became of the packets so far, as of the last event."""
        return Account(
            arrived=self._arrived,
            delivered=self._delivered,
            dropped=dict(sorted(self._dropped.items())),
            held=len(self._queue.items) + len(self._pipe) + len(self._gathered),
            duplicated=self._duplicated,
            corrupted=self._corrupted,
            reordered=self._reordered,
            bytes_arrived=self._bytes_arrived,
            bytes_delivered=self._bytes_delivered,
        )

    def _configure(self, config: LinkConfig, now: Ns) -> None:
        self._unplan(now)
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
        drawn = {"delay": self._delays, "queue": self._queue_dice, "slot": self._slot_dice}
        return used | {name for name, part in drawn.items() if part is not None}

    # In

    def _take_in(self, packet: P, size: int, now: Ns, outputs: list[Output[P]]) -> None:
        self._arrived += 1
        self._bytes_arrived += size
        if self._plain:
            self._enter(packet, size, now, (self._mean, None, 0.0), 0.0, outputs)
            return
        # Each takes its dice, whatever the others say.
        lost = self._lost is not None and self._lost()
        damage = self._corrupter.damage(size) if self._corrupter is not None else None
        doubled = self._doubled is not None and self._doubled()
        skips = self._reorderer is not None and self._reorderer.skips()
        delay, copy_delay = self._delays.take() if self._delays is not None else (self._mean, self._mean)
        dice = (self._queue_dice(), self._queue_dice()) if self._queue_dice is not None else (0.0, 0.0)
        slots = (self._slot_dice(), self._slot_dice()) if self._slot_dice is not None else (0.0, 0.0)
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
        self._enter(packet, size, now, (delay, damage, slots[0]), dice[0], outputs)
        if doubled:
            self._duplicated += 1
            self._enter(packet, size, now, (copy_delay, damage, slots[1]), dice[1], outputs)

    def _enter(self, packet: P, size: int, now: Ns, way: _Way, dice: float, outputs: list[Output[P]]) -> None:
        """Into the queue, or where nothing limits the rate, on its way."""
        if self._rate is None and not self._queue.items:
            self._send(packet, size, now, way)
            return
        if self._free_at <= now and self._queue.items:
            self._serve(now, outputs)  # those whose turn it was have left the queue
        reason = self._queue.push((packet, size, now, way), now, dice)
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
            packet, size, came, way = item
            self._free_at = start if rate is None else rate.finish(size, start, waited=came < start)
            self._send(packet, size, self._free_at, way)

    def _send(self, packet: P, size: int, at: Ns, way: _Way) -> None:
        """Its last bit goes at `at`."""
        delay, damage, slot_dice = way
        if delay >= 0:
            at += delay
            if self.config.delay.keep_order:
                at = self._last_out = max(at, self._last_out)
        self._pushed += 1
        heappush(self._pipe, (at, self._pushed, packet, size, damage))
        if self._slots is not None:
            self._slot_dice_of[self._pushed] = slot_dice
