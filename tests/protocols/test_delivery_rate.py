"""Delivery rate estimation by hand-worked examples: packets of 1000 B, times in ms, rates in B/ms."""

from __future__ import annotations

from netlab.protocols.congestion import RateSample
from netlab.protocols.delivery_rate import DeliveryRate, Stamp
from netlab.units import MS

SIZE = 1000


class Sender:
    """Sends packets and hears of them by number, at times in ms."""

    def __init__(self) -> None:
        self.rate = DeliveryRate()
        self.flight_size = 0
        self.sent: dict[int, Stamp] = {}

    def send(self, number: int, at: int) -> None:
        self.sent[number] = self.rate.on_sent(SIZE, self.flight_size, at * MS)
        self.flight_size += SIZE

    def lose(self, number: int) -> None:
        del self.sent[number]
        self.flight_size -= SIZE
        self.rate.on_lost(SIZE)

    def acknowledge(self, *numbers: int, at: int, min_rtt: int | None = None) -> RateSample | None:
        for number in numbers:
            self.rate.on_delivered(SIZE, self.sent.pop(number), at * MS)
            self.flight_size -= SIZE
        return self.rate.sample(None if min_rtt is None else min_rtt * MS)


def told(sample: RateSample | None) -> tuple[int, int] | None:
    """(bytes, ms) of a sample."""
    return None if sample is None else (sample.delivered, sample.interval // MS)


def test_the_first_packet_tells_its_round_trip_and_a_train_the_bottleneck() -> None:
    sender = Sender()
    for number in range(4):
        sender.send(number, at=0)
    # One packet each 2 ms comes through; the round trip is 10 ms. The first interval begins when it was sent.
    assert told(sender.acknowledge(0, at=10)) == (1000, 10)
    assert told(sender.acknowledge(1, at=12)) == (2000, 12)
    sender.send(4, at=12)  # its flight begins at the acknowledgement of packet 1
    assert told(sender.acknowledge(2, at=14)) == (3000, 14)
    assert told(sender.acknowledge(3, at=16)) == (4000, 16)
    # delivered: 5000 - 2000; acknowledged from 12 to 22 ms, sent from 0 (packet 1's sending) to 12 ms: the longer
    assert told(sender.acknowledge(4, at=22)) == (3000, 12)


def test_acknowledgements_that_come_together_do_not_tell_a_faster_path() -> None:
    """Sent over 8 ms and acknowledged at once: the send rate bounds what the acknowledgements tell (§2.2.4)."""
    sender = Sender()
    for number, at in enumerate((0, 2, 4, 6, 8)):
        sender.send(number, at)
    assert told(sender.acknowledge(0, at=30)) == (1000, 30)
    sender.send(5, at=38)
    sender.acknowledge(1, 2, 3, 4, at=40)
    # packet 5 was sent 38 ms after packet 0, the newest delivered by then, and acknowledged only 18 ms after it
    sample = sender.acknowledge(5, at=48)
    assert sample is not None
    assert sample.prior_delivered == 1000
    assert told(sample) == (5000, 38)


def test_one_acknowledgement_of_many_is_told_by_the_newest_of_them() -> None:
    sender = Sender()
    sender.send(0, at=0)
    sender.acknowledge(0, at=10)
    for number, at in ((1, 10), (2, 11), (3, 15)):
        sender.send(number, at)
    sample = sender.acknowledge(2, 3, 1, at=25)  # in any order
    assert told(sample) == (3000, 15)
    assert sample is not None
    assert sample.prior_delivered == 1000
    assert sample.flight_size == 3000  # when packet 3 was sent, itself included


def test_after_an_idle_time_the_interval_begins_anew() -> None:
    sender = Sender()
    sender.send(0, at=0)
    sender.acknowledge(0, at=10)
    sender.send(1, at=1000)
    assert told(sender.acknowledge(1, at=1010)) == (1000, 10)


def test_samples_are_marked_until_the_bubble_is_through() -> None:
    sender = Sender()
    sender.send(0, at=0)
    sender.rate.on_app_limited(sender.flight_size)
    sender.send(1, at=5)
    first = sender.acknowledge(0, at=10)
    assert first is not None
    assert not first.app_limited  # sent before the application had nothing to send
    sender.send(3, at=12)  # the bubble is behind packet 0, and not yet out of the pipe
    second = sender.acknowledge(1, at=15)
    assert second is not None
    assert second.app_limited
    also = sender.acknowledge(3, at=22)
    assert also is not None
    assert also.app_limited
    sender.send(2, at=22)  # more than 1000 B were delivered: the bubble is out of the pipe
    third = sender.acknowledge(2, at=32)
    assert third is not None
    assert not third.app_limited


def test_a_sample_shorter_than_any_round_trip_is_none() -> None:
    """A retransmission that was not needed: its original's acknowledgement comes right after it (§3.3)."""
    sender = Sender()
    sender.send(0, at=0)
    assert sender.acknowledge(0, at=3, min_rtt=10) is None
    sender.send(1, at=10)
    assert told(sender.acknowledge(1, at=20, min_rtt=10)) == (1000, 10)
    assert sender.acknowledge(at=21) is None  # nothing was delivered


def test_losses_are_counted_from_the_sending() -> None:
    sender = Sender()
    for number in range(4):
        sender.send(number, at=0)
    sender.lose(0)
    sender.send(4, at=1)
    sender.lose(2)
    newest_before = sender.acknowledge(1, at=10)
    assert newest_before is not None
    assert (newest_before.flight_size, newest_before.lost) == (2000, 2000)
    newest_after = sender.acknowledge(4, at=11)
    assert newest_after is not None
    assert (newest_after.flight_size, newest_after.lost) == (4000, 1000)


def test_bits_a_second() -> None:
    assert RateSample(12_500, 10 * MS, 0, False, 0, 0).bit_s == 10_000_000
