"""One sender with all to send, over netlab's link object: what a control does with a path, without any transport.

Every packet is acknowledged by itself, and one that three later ones overtook is lost and sent again, as in QUIC; a
timer takes all for lost after a second without an acknowledgement.
"""

from __future__ import annotations

import random
from heapq import heappop, heappush
from typing import Any

from netlab.network.link import Arrived, Configure, Delivered, Link
from netlab.network.link import TimerFired as LinkTimer
from netlab.network.link_options import parse_link
from netlab.protocols.congestion import Ack, CongestionControl
from netlab.protocols.delivery_rate import DeliveryRate, Stamp
from netlab.protocols.round_trips import RoundTrips
from netlab.units import S

MSS = 1460
HEADERS = 40
TIMEOUT = 1 * S


class Bulk:
    """Runs from the beginning; `run(until)` goes on."""

    def __init__(self, controls: list[CongestionControl], link: str, *, seed: int = 1) -> None:
        self.now = 0
        self.link: Link[tuple[int, int]] = Link(parse_link(link), lambda name: random.Random(f"{seed}/{name}"))
        self.back = parse_link(link).delay.mean
        self._heap: list[tuple[int, int, Any]] = []
        self._pushed = 0
        self._armed: int | None = None
        self.senders = [_Sender(self, number, control) for number, control in enumerate(controls)]

    def at(self, when: int, what: Any) -> None:
        self._pushed += 1
        heappush(self._heap, (when, self._pushed, what))

    def run(self, until: int) -> None:
        for sender in self.senders:
            sender.send()
        while self._heap and self._heap[0][0] <= until:
            self.now, _, what = heappop(self._heap)
            what()
        self.now = until

    def configure(self, link: str) -> None:
        self._through(Configure(parse_link(link)))

    def transmit(self, sender: int, number: int) -> None:
        self._through(Arrived((sender, number), MSS + HEADERS))

    def _through(self, event: Any) -> None:
        for output in self.link.handle(event, self.now):
            if isinstance(output, Delivered):
                sender, number = output.packet
                self.at(output.at + self.back, lambda s=sender, n=number: self.senders[s].acknowledge(n))
        if self.link.deadline is not None and self.link.deadline != self._armed:
            self._armed = self.link.deadline
            self.at(self._armed, self._wake)

    def _wake(self) -> None:
        if self._armed == self.now:
            self._armed = None
        self._through(LinkTimer())


class _Sender:
    def __init__(self, bulk: Bulk, number: int, control: CongestionControl) -> None:
        self.control = control
        self.rate = DeliveryRate()
        self.trips = RoundTrips()
        self.flight: dict[int, Stamp] = {}
        self.round_trips: list[tuple[int, int]] = []  # (when, rtt)
        self.phases: list[str] = []
        self.lost = 0
        self._bulk, self._number = bulk, number
        self._next = 0
        self._recovered_at: int | None = None
        self._free_at = 0
        self._waking = False
        self._heard_at = 0

    @property
    def flight_size(self) -> int:
        return len(self.flight) * MSS

    def send(self) -> None:
        bulk, control = self._bulk, self.control
        while self.flight_size + MSS <= control.cwnd:
            if control.pacing_bit_s is not None and self._free_at > bulk.now:
                if not self._waking:
                    self._waking = True
                    bulk.at(self._free_at, self._wake)
                return
            if not self.flight:
                bulk.at(bulk.now + TIMEOUT, self._timeout)
                self._heard_at = bulk.now
            control.on_sent(MSS, self.flight_size, bulk.now)
            self.flight[self._next] = self.rate.on_sent(MSS, self.flight_size, bulk.now)
            bulk.transmit(self._number, self._next)
            self._next += 1
            if control.pacing_bit_s is not None:
                self._free_at = max(self._free_at, bulk.now) + MSS * 8 * S // control.pacing_bit_s

    def _wake(self) -> None:
        self._waking = False
        self.send()

    def _timeout(self) -> None:
        now = self._bulk.now
        if not self.flight:
            return
        if now < self._heard_at + TIMEOUT:
            self._bulk.at(self._heard_at + TIMEOUT, self._timeout)
            return
        flight_size, self._recovered_at = self.flight_size, None
        for _ in self.flight:
            self.rate.on_lost(MSS)
        self.lost += len(self.flight)
        self.flight.clear()
        self.control.on_rto(flight_size, now)
        self.send()

    def acknowledge(self, number: int) -> None:
        now, control, flight_size = self._bulk.now, self.control, self.flight_size
        stamp = self.flight.pop(number, None)
        if stamp is None:
            return
        self._heard_at = now
        self.trips.update(now - stamp.sent_at)
        self.round_trips.append((now, now - stamp.sent_at))
        self.rate.on_delivered(MSS, stamp, now)
        gone = [other for other in self.flight if other <= number - 3]
        for other in gone:
            del self.flight[other]
            self.rate.on_lost(MSS)
        self.lost += len(gone)
        if gone and self._recovered_at is None:
            self._recovered_at = self._next
            control.on_loss(flight_size, now)
        recovered = self._recovered_at is not None and number >= self._recovered_at
        ack = Ack(
            acked=MSS,
            newly_delivered=MSS,
            delivered=self.rate.delivered,
            flight_size=flight_size,
            newly_lost=len(gone) * MSS,
            rtt=now - stamp.sent_at,
            srtt=self.trips.srtt,
            rate=self.rate.sample(self.trips.least),
            recovering=self._recovered_at is not None,
        )
        control.on_ack(ack, now)
        if recovered:
            self._recovered_at = None
            control.on_recovered(now)
        if not self.phases or self.phases[-1] != control.phase:
            self.phases.append(control.phase)
        self.send()

    def bit_s(self, since: int = 0, delivered: int = 0) -> float:
        return (self.rate.delivered - delivered) * 8 * S / (self._bulk.now - since)
