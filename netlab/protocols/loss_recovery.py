"""What is on its way, what of it has arrived, and what is lost: the sender's half of reliable datagrams.

A packet number is never used again: what is sent once more gets a new one. So every acknowledgement says which
transmission it means, and every round-trip sample is sound, also of what was sent again.

A packet is lost when one sent three packets later, or an eighth of a round trip later, has been acknowledged; until
that is known, a timer sends probes. Source: RFC 9002 §6 (its names are used here); the timer is that of RFC 6298.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heappush

import msgspec

from netlab.protocols.congestion.control import Ack, CongestionControl
from netlab.protocols.delivery_rate import DeliveryRate, Stamp
from netlab.protocols.round_trips import RoundTrips
from netlab.units import MS, Ns

PACKET_THRESHOLD = 3
"""kPacketThreshold (RFC 9002 §6.1.1). It rises where a packet that was taken for lost came late after all: "to reduce
future spurious retransmissions and loss events" (§6.1)."""

MOST_REORDERED = 128
"""Packets that the threshold rises to at most."""

TIME_THRESHOLD = 9
"""kTimeThreshold, in eighths of a round trip (RFC 9002 §6.1.2); it rises likewise, to two round trips."""

MOST_TIME_THRESHOLD = 16

GRANULARITY: Ns = 1 * MS
"""kGranularity (RFC 9002 §6.1.2)."""

ACK_DELAY: Ns = 25 * MS
"""max_ack_delay: how long a receiver may hold an acknowledgement back (RFC 9000 §18.2)."""


class Chunk:
    """Data that travels together, each time it is sent.

    Attributes:
        stream, offset, flags, data: as in a segment.
        position: bytes of all streams that were given to be sent before it.
        acked: the peer has it.
        copies: transmissions of it that are on their way.
    """

    __slots__ = ("acked", "copies", "data", "flags", "offset", "position", "stream")

    def __init__(self, stream: int, offset: int, flags: int, data: bytes | memoryview, position: int) -> None:
        self.stream = stream
        self.offset = offset
        self.flags = flags
        self.data = data
        self.position = position
        self.acked = False
        self.copies = 0

    def __lt__(self, other: Chunk) -> bool:
        """What was given first is sent again first."""
        return self.position < other.position


class Sent:
    """One transmission. `chunk` is None where it was a ping."""

    __slots__ = ("chunk", "sent_at", "size", "stamp")

    def __init__(self, chunk: Chunk | None, size: int, sent_at: Ns, stamp: Stamp) -> None:
        self.chunk = chunk
        self.size = size
        self.sent_at = sent_at
        self.stamp = stamp


class Learned(msgspec.Struct, gc=False):
    """What an acknowledgement or a timer told: whether anything is new, how many packets are lost, the sample."""

    new: bool = False
    lost: int = 0
    rtt: Ns | None = None
    rto: bool = False
    probe: bool = False
    recovered: bool = False
    undone: bool = False


class LossRecovery:
    """Everything sent and not yet settled.

    Args:
        control: is told all causes.
        trips: the round-trip estimator.
        number: the first packet number; numbers here are whole, not reduced to 32 bits.

    Attributes:
        next_number: of the next packet.
        flight_size: bytes on their way, of data.
        outstanding: what is on its way, by number.
        unacked, chunks: bytes of data sent and not acknowledged, each byte once; and in how many chunks.
        retransmissions, spurious: packets sent again; those that were taken for lost and came.
        may_exceed: one packet may go although the window is full: the first that repairs a loss.
        waiting_since: since when nothing was acknowledged although something is on its way, ns; None: nothing is.
    """

    def __init__(self, control: CongestionControl, trips: RoundTrips, number: int) -> None:
        self.control = control
        self.trips = trips
        self.rate = DeliveryRate()
        self.next_number = number
        self.flight_size = 0
        self.unacked = 0
        self.chunks = 0
        self.outstanding: dict[int, Sent] = {}
        self.may_exceed = False
        self.retransmissions = 0
        self.spurious = 0
        self.waiting_since: Ns | None = None
        self.timeouts = 0
        self.recovering = False
        self._unacked: deque[Chunk] = deque()  # in the order they were given; those acknowledged go from the front
        self._lost: list[Chunk] = []  # a heap of what is to be sent again
        self._taken_for_lost: dict[int, Sent] = {}
        self._episode: set[int] = set()  # what was taken for lost since the last recovery began
        self._recovery_until = number  # a packet of this number or later ends it
        self._repairing = False
        self._largest_acked = number - 1
        self._known: dict[int, int] = {}  # the ranges of the acknowledgement before this, last by first
        self._packet_threshold = PACKET_THRESHOLD
        self._time_threshold = TIME_THRESHOLD
        self._loss_at: Ns | None = None
        self._timer_from: Ns = 0
        self._idle_since: Ns | None = None

    @property
    def oldest(self) -> int:
        """The oldest number that an acknowledgement may still tell something about."""
        oldest = next(iter(self.outstanding), self.next_number)
        return min(oldest, next(iter(self._taken_for_lost), oldest))

    @property
    def deadline(self) -> Ns | None:
        """When to call `time_passed`, absolute ns."""
        if self._loss_at is not None:
            return self._loss_at
        # the peer may hold its acknowledgement back: RFC 9002 §6.2.1
        return self._timer_from + self.trips.rto + ACK_DELAY if self.outstanding else None

    def sent(self, chunk: Chunk | None, now: Ns, *, again: bool = False) -> int:
        """A packet goes out; its number."""
        number = self.next_number
        self.next_number = number + 1
        size = 0 if chunk is None else len(chunk.data)
        if not self.outstanding and chunk is not None:
            if self._idle_since is not None and now - self._idle_since > self.trips.rto:
                self.control.on_idle(now - self._idle_since, now)
            self._idle_since = None
        if self.waiting_since is None:
            self.waiting_since = now
        stamp = self.rate.on_sent(size, self.flight_size, now)
        self.control.on_sent(size, self.flight_size, now)
        self.outstanding[number] = Sent(chunk, size, now, stamp)
        self.flight_size += size
        self._timer_from = now
        if chunk is None:
            return number
        chunk.copies += 1
        if again:
            self.retransmissions += 1
            self.may_exceed = False
        else:
            self.unacked += size
            self.chunks += 1
            self._unacked.append(chunk)
        return number

    def acknowledged(self, ranges: Sequence[int], delay: Ns, now: Ns, *, cwnd_limited: bool) -> Learned:
        """An acknowledgement came: whole numbers, first and last of each range, the newest range first."""
        learned = Learned()
        flight_size, delivered = self.flight_size, self.rate.delivered
        outstanding, newest = self.outstanding, None
        largest, oldest = ranges[1], self.oldest
        known, self._known = self._known, {}
        for at in range(0, len(ranges), 2):
            first, last = ranges[at], ranges[at + 1]
            before = known.get(first)
            self._known[first] = last if before is None or before < last else before
            for number in range(max(oldest, first if before is None else before + 1), last + 1):
                sent = outstanding.pop(number, None)
                if sent is None:
                    if number in self._taken_for_lost:
                        self._came_late(number, largest, learned)
                    continue
                learned.new = True
                self.flight_size -= sent.size
                if number == largest:
                    newest = sent
                self.rate.on_delivered(sent.size, sent.stamp, now)
                if sent.chunk is not None:
                    sent.chunk.copies -= 1
                    self._arrived(sent.chunk)
        if largest > self._largest_acked:
            self._largest_acked = largest
        if not learned.new:
            if learned.undone:
                self.control.on_undo(now)
            return learned
        self._sample(newest, delay, now, learned)
        self.timeouts = 0
        self._timer_from = now
        ended = self._repairing and largest >= self._recovery_until
        recovering = self.recovering
        if ended:
            self._repairing = self.recovering = False
            learned.recovered = True
        if learned.undone:
            self.control.on_undo(now)
        lost_bytes = self._detect(flight_size, now, learned)
        newly = self.rate.delivered - delivered
        self.control.on_ack(
            Ack(
                acked=newly,
                newly_delivered=newly,
                newly_lost=lost_bytes,
                delivered=self.rate.delivered,
                flight_size=flight_size,
                rtt=learned.rtt,
                srtt=self.trips.srtt,
                rate=self.rate.sample(self.trips.least),
                recovering=recovering or self.recovering,
                cwnd_limited=cwnd_limited,
            ),
            now,
        )
        if ended and not self._repairing:
            self.control.on_recovered(now)
        self._settle(now)
        return learned

    def _arrived(self, chunk: Chunk) -> None:
        if not chunk.acked:
            chunk.acked = True
            self.unacked -= len(chunk.data)
            self.chunks -= 1

    def _came_late(self, number: int, largest: int, learned: Learned) -> None:
        """What was taken for lost has arrived: be more patient from now on."""
        sent = self._taken_for_lost.pop(number)
        if sent.chunk is not None:
            self._arrived(sent.chunk)
        self.spurious += 1
        self._packet_threshold = min(max(self._packet_threshold, largest - number + 1), MOST_REORDERED)
        self._time_threshold = min(self._time_threshold + 1, MOST_TIME_THRESHOLD)
        if number in self._episode:
            self._episode.discard(number)
            learned.undone = not self._episode  # nothing was lost at all

    def _sample(self, newest: Sent | None, delay: Ns, now: Ns, learned: Learned) -> None:
        """A round-trip sample, of the newest packet that the acknowledgement names, if it is new (RFC 9002 §5.1)."""
        if newest is None or now <= newest.sent_at:
            return
        trip = now - newest.sent_at
        least = self.trips.least
        # "MUST NOT subtract the acknowledgment delay from the RTT sample if the resulting value is smaller than the
        # min_rtt" (RFC 9002 §5.3)
        held = min(delay, ACK_DELAY)
        learned.rtt = trip - held if least is not None and trip - held >= least else trip
        self.trips.update(learned.rtt)

    def _detect(self, flight_size: int, now: Ns, learned: Learned) -> int:
        """Find what is lost (RFC 9002 §6.1); its bytes."""
        self._loss_at = None
        trips, largest = self.trips, self._largest_acked
        trip = max(trips.srtt or 0, trips.latest or 0)
        patience = max(self._time_threshold * trip // 8, GRANULARITY)
        lost: list[int] = []
        for number, sent in self.outstanding.items():
            if number > largest:
                break
            if largest - number < self._packet_threshold and sent.sent_at + patience > now:
                self._loss_at = sent.sent_at + patience
                break
            lost.append(number)
        if not lost:
            return 0
        if lost[-1] >= self._recovery_until:
            # one reduction for each round trip: what was sent before the last one is part of it (RFC 9002 §7.3.2)
            self._begin_recovery()
            self.recovering = True
            self.control.on_loss(flight_size, now)
            # "If the congestion window is reduced immediately, a single packet can be sent prior to reduction"
            # (RFC 9002 §7.3.2): TCP's fast retransmit
            self.may_exceed = True
        before = self.flight_size
        for number in lost:
            self._give_up(number)
        learned.lost += len(lost)
        return before - self.flight_size

    def _begin_recovery(self) -> None:
        self._repairing = True
        self._recovery_until = self.next_number
        self._episode = set()

    def _give_up(self, number: int) -> None:
        """A packet is taken for lost: what it carried is sent again, unless it has arrived otherwise."""
        sent = self.outstanding.pop(number)
        self.flight_size -= sent.size
        self.rate.on_lost(sent.size)
        self._taken_for_lost[number] = sent
        self._episode.add(number)
        chunk = sent.chunk
        if chunk is not None:
            chunk.copies -= 1
            if not chunk.acked and not chunk.copies:
                heappush(self._lost, chunk)

    def _settle(self, now: Ns) -> None:
        """Forget what is too old to arrive, and note whether anything is left to wait for."""
        while self._unacked and self._unacked[0].acked:
            self._unacked.popleft()
        too_old = now - 2 * self.trips.rto
        while self._taken_for_lost:
            number, sent = next(iter(self._taken_for_lost.items()))
            if sent.sent_at > too_old:
                break
            del self._taken_for_lost[number]
        self.waiting_since = now
        self._rest(now)

    def _rest(self, now: Ns) -> None:
        """Note that nothing is left to wait for, if so."""
        if not self.outstanding and not self.chunks:
            self.waiting_since = None
            self._idle_since = now

    def to_send_again(self) -> Chunk | None:
        """The first chunk that was lost and has not arrived otherwise. It is named until it is sent."""
        while self._lost:
            if not self._lost[0].acked and not self._lost[0].copies:
                return self._lost[0]
            heappop(self._lost)
        return None

    @property
    def oldest_chunk(self) -> Chunk | None:
        """The first chunk that is not acknowledged, lost or on its way."""
        return next(self.unacknowledged(), None)

    def unacknowledged(self) -> Iterator[Chunk]:
        """The chunks that are not acknowledged, lost or on their way, in the order they were given."""
        return (chunk for chunk in self._unacked if not chunk.acked)

    def time_passed(self, now: Ns) -> Learned:
        """A packet is lost by time, or nothing was heard for too long: `probe` then asks for one to be sent whatever
        the window says."""
        learned = Learned()
        if self._loss_at is not None:
            if now >= self._loss_at:
                self._detect(self.flight_size, now, learned)
                self._rest(now)  # it may have been a ping
            return learned
        deadline = self.deadline
        if deadline is None or now < deadline:
            return learned
        self.timeouts += 1
        self.trips.back_off()
        self._timer_from = now
        learned.probe = True
        if self.timeouts > 1:
            # The first time a probe finds out what is lost ("a PTO timer expiration event does not indicate packet
            # loss", RFC 9002 §6.2). Where that is lost too, everything is: RFC 5681 §3.1.
            learned.rto = True
            flight_size = self.flight_size
            self._begin_recovery()
            self.recovering = False
            learned.lost = len(self.outstanding)
            for number in list(self.outstanding):
                self._give_up(number)
            self.control.on_rto(flight_size if self.timeouts == 2 else 0, now)
        return learned
