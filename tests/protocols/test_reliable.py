"""Reliable datagrams: two machines over a network that loses, doubles and reorders, and what each does when."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from typing import Any

import pytest

from netlab.errors import LocalProtocolError, MessageTooBig
from netlab.packets.limits import DATAGRAM_PAYLOAD
from netlab.packets.packet import Packet, PacketType, encode
from netlab.packets.segment import ELICITS, FIN, UNORDERED, Segment
from netlab.packets.segment import encode as encode_segment
from netlab.protocols.acknowledgments import Arrivals
from netlab.protocols.congestion import Cubic
from netlab.protocols.connection import TimerFired
from netlab.protocols.reliable import BUFFER, MOST_STREAMS
from netlab.protocols.reliable_events import (
    Abort,
    Close,
    Finish,
    PacketArrived,
    Pause,
    Resume,
    Unreachable,
    Write,
)
from netlab.protocols.streams_out import CHUNK, StreamsOut
from netlab.protocols.trace import Decision
from netlab.units import MS, S

from .rudp_pair import TOKEN, End, Pair

ROUGH: dict[str, Any] = {"loss": 0.3, "duplicate": 0.1, "reorder": 0.2}


def some(size: int, seed: int = 5) -> bytes:
    return random.Random(seed).randbytes(size)


def arrive(pair: Pair, end: End, segment: Segment) -> None:
    """A segment comes to an end, whoever made it."""
    pair.do(end, PacketArrived(Packet(encode_segment(segment), type=PacketType.SEGMENT, session=TOKEN)))


# Nothing lost, doubled or out of order


@pytest.mark.parametrize("seed", range(3))
def test_2000_messages_each_way_over_a_rough_network(seed: int) -> None:
    pair = Pair(seed=seed, **ROUGH)
    dice = random.Random(seed)
    said = {end: [dice.randbytes(dice.choice([1, 40, 400, 1500])) for _ in range(2000)] for end in (pair.a, pair.b)}
    for ours, theirs in zip(said[pair.a], said[pair.b], strict=True):
        pair.do(pair.a, Write(ours))
        pair.do(pair.b, Write(theirs))
        pair.step()
    pair.do(pair.a, Finish())
    pair.do(pair.b, Finish())
    pair.run(lambda: pair.a.ended == pair.b.ended == [0])
    assert pair.b.data[0] == b"".join(said[pair.a])
    assert pair.a.data[0] == b"".join(said[pair.b])
    assert pair.a.machine.recovery.retransmissions > 100
    assert max(len(datagram) for _, _, datagram in pair.log) <= DATAGRAM_PAYLOAD


@pytest.mark.parametrize("number", [2**32 - 20, 2**32 - 1, 2**31 - 20, 0])
def test_packet_numbers_wrap(number: int) -> None:
    pair = Pair(number=number, loss=0.1, reorder=0.2, control=lambda: Cubic(mss=CHUNK))
    data = some(200_000)
    pair.do(pair.a, Write(data))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == data
    numbers = [segment.number for segment in pair.segments("a>b") if segment.flags & ELICITS]
    assert len(numbers) == len(set(numbers)), "a packet number was used twice"


def test_stream_offsets_wrap() -> None:
    pair = Pair(loss=0.1, reorder=0.2)
    pair.do(pair.a, Write(b"x"))
    pair.run(lambda: pair.b.data.get(0) == b"x")
    pair.a.machine.streams._streams[0].offset += 2**32 - 50_000
    inward = pair.b.machine._incoming._streams[0]
    inward.next, inward.highest = inward.next + 2**32 - 50_000, inward.highest + 2**32 - 50_000
    data = some(200_000)
    pair.do(pair.a, Write(data))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == b"x" + data
    assert {segment.offset >> 31 for segment in pair.segments("a>b")} == {0, 1}


def test_max_data_wraps() -> None:
    pair = Pair(buffer=40_000)
    for end, other in ((pair.a, pair.b), (pair.b, pair.a)):
        before = 2**32 - 100_000
        end.machine.streams.given += before
        other.machine._incoming._highest += before
        other.machine._incoming.consume(before)
        end.machine._peer_max_data += before
    data = some(300_000)
    pair.do(pair.a, Write(data))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == data


# Streams


def test_one_stream_does_not_wait_for_another() -> None:
    """Head-of-line blocking: what was lost on stream 1 holds up stream 1 alone."""
    pair = Pair()
    pair.drop = lambda way, _: way == "a>b" and len(pair.segments("a>b")) == 1
    pair.do(pair.a, Write(some(CHUNK), 1))
    pair.do(pair.a, Write(some(CHUNK), 1))
    pair.do(pair.a, Write(some(CHUNK), 2))
    pair.run(lambda: 2 in pair.b.data)
    assert 1 not in pair.b.data
    assert pair.now == 10 * MS
    pair.run(lambda: len(pair.b.data.get(1, b"")) == 2 * CHUNK)
    assert pair.now > 20 * MS


def test_streams_take_turns() -> None:
    pair = Pair()
    for stream in (1, 2, 3):
        pair.do(pair.a, Write(some(50_000), stream))
        pair.do(pair.a, Finish(stream))
    pair.run(lambda: sorted(pair.b.ended) == [1, 2, 3])
    order = [segment.stream for segment in pair.segments("a>b") if segment.data]
    assert order[15:24] in ([1, 2, 3] * 3, [2, 3, 1] * 3, [3, 1, 2] * 3)


def test_unordered_messages_do_not_wait() -> None:
    pair = Pair()
    pair.drop = lambda way, _: way == "a>b" and len(pair.segments("a>b")) == 1
    for number in range(5):
        pair.do(pair.a, Write(b"message %d" % number, 4, unordered=True))
    pair.run(lambda: len(pair.b.messages) == 5)
    assert [data for _, data in pair.b.messages] == [b"message %d" % number for number in (1, 2, 3, 4, 0)]
    assert all(segment.flags & UNORDERED for segment in pair.segments("a>b"))


@pytest.mark.parametrize("seed", range(3))
def test_unordered_messages_come_once_each_over_a_rough_network(seed: int) -> None:
    pair = Pair(seed=seed, **ROUGH)
    messages = [b"%d " % number + some(number % 700, number) for number in range(500)]
    for message in messages:
        pair.do(pair.a, Write(message, unordered=True))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    came = [data for _, data in pair.b.messages]
    assert Counter(came) == Counter(messages)
    assert came != messages


def test_small_writes_share_a_segment_and_unordered_ones_do_not() -> None:
    out = StreamsOut()
    for _ in range(3):
        out.write(0, b"x" * 500)
        out.write(1, b"y", unordered=True)
    sizes = []
    while out:
        chunk = out.take(10**6)
        assert chunk is not None
        sizes.append((chunk.stream, len(chunk.data)))
    assert sorted(sizes) == [(0, 356), (0, CHUNK), (1, 1), (1, 1), (1, 1)]


def test_a_callers_mistakes_raise() -> None:
    pair = Pair()
    with pytest.raises(MessageTooBig, match=f"{CHUNK + 1} B exceeds one segment's {CHUNK} B"):
        pair.do(pair.a, Write(bytes(CHUNK + 1), unordered=True))
    with pytest.raises(LocalProtocolError, match="at least one byte"):
        pair.do(pair.a, Write(b"", unordered=True))
    with pytest.raises(LocalProtocolError, match="stream 65536"):
        pair.do(pair.a, Write(b"x", 65_536))
    pair.do(pair.a, Finish(3))
    with pytest.raises(LocalProtocolError, match="stream 3 is finished"):
        pair.do(pair.a, Write(b"x", 3))


# Flow control


def test_no_more_is_sent_than_the_peer_has_room_for() -> None:
    pair = Pair(buffer=20 * CHUNK)
    pair.do(pair.b, Pause())
    pair.do(pair.a, Write(some(100 * CHUNK)))
    pair.run(lambda: pair.now > 20 * S)
    assert len(pair.b.data[0]) == 20 * CHUNK
    assert pair.a.failed is None
    probes = [at for at, way, _ in pair.log if way == "a>b" and at > 2 * S]
    assert 3 <= len(probes) <= 10, "a closed window is asked about now and then, less and less often"
    pair.drop = lambda way, _: way == "b>a"  # the word that there is room again is lost
    pair.do(pair.b, Resume())
    pair.drop = lambda way, _: False
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == some(100 * CHUNK)


def test_a_peer_that_sends_more_than_it_may_is_not_acknowledged() -> None:
    pair = Pair(buffer=10_000)
    arrive(pair, pair.b, Segment(1, 0, 0, ELICITS, 9_900, 0, data=bytes(101)))
    assert pair.b.counters == {"beyond_window": 1}
    arrive(pair, pair.b, Segment(2, 0, 0, ELICITS, 9_899, 0, data=bytes(101)))
    pair.run(lambda: bool(pair.log))
    assert pair.segments("b>a")[-1].ranges == (2, 2)


def test_overlapping_chunks_do_not_cost_more_than_the_buffer() -> None:
    pair = Pair(buffer=BUFFER)
    dice = random.Random(1)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(3000):
        arrive(pair, pair.b, Segment(number, 0, 0, ELICITS, 1 + number, 0, data=dice.randbytes(1000)))
    pair.log.clear()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert pair.b.counters["buffer_full"] > 2000
    assert grown < 3 * BUFFER


def test_streams_beyond_the_limit_and_data_behind_the_end_are_dropped() -> None:
    pair = Pair()
    for stream in range(MOST_STREAMS + 1):
        arrive(pair, pair.b, Segment(stream, 0, stream, ELICITS, 0, 0, data=b"x"))
    arrive(pair, pair.b, Segment(1000, 0, 0, ELICITS | FIN, 1, 0))
    arrive(pair, pair.b, Segment(1001, 0, 0, ELICITS, 1, 0, data=b"y"))
    assert pair.b.counters == {"too_many_streams": 1, "beyond_end": 1}
    assert pair.b.data[0] == b"x"


# Acknowledgements


def test_every_second_segment_is_acknowledged_and_every_eighth_later() -> None:
    pair = Pair(control=lambda: Cubic(mss=CHUNK))
    pair.do(pair.a, Write(some(1_000 * CHUNK)))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    acks = [segment for segment in pair.segments("b>a") if not segment.flags]
    assert 1_000 / 8 < len(acks) < 100 / 2 + 1_000 / 8 + 20


def test_a_lone_segment_is_acknowledged_after_25_ms_or_with_what_is_said_in_return() -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"hello"))
    pair.run(lambda: bool(pair.packets("b>a")))
    assert pair.now == 35 * MS
    (ack,) = pair.segments("b>a")
    assert ack.ack_delay == 25 * MS // 8_000
    assert (ack.flags, ack.ranges) == (0, (1000, 1000))
    pair.run(lambda: pair.a.machine.trips.srtt is not None)
    assert pair.a.machine.trips.srtt == 45 * MS, "the first sample knows no smaller one that the delay might undercut"
    pair.do(pair.a, Write(b"again"))
    pair.run(lambda: pair.b.data[0] == b"helloagain")
    pair.do(pair.b, Write(b"hello yourself"))
    assert pair.segments("b>a")[-1].ranges == (1000, 1001)
    pair.run(lambda: pair.a.data.get(0) == b"hello yourself")
    assert pair.a.machine.trips.latest == 20 * MS


def test_ranges_are_what_came() -> None:
    arrivals, came = Arrivals(), set()
    dice = random.Random(3)
    for _ in range(2000):
        number = dice.randrange(300)
        assert (arrivals.add(number) is None) == (number in came)
        came.add(number)
        told = {n for first, last in arrivals.ranges for n in range(first, last + 1)}
        assert told == came
        assert all(a[1] + 1 < b[0] for a, b in zip(arrivals.ranges, arrivals.ranges[1:], strict=False))


def test_what_is_settled_is_told_no_more() -> None:
    """Over a long lossy transfer each loss leaves a hole for ever; acknowledgements stay short all the same."""
    pair = Pair(loss=0.05, control=lambda: Cubic(mss=CHUNK))
    pair.do(pair.a, Write(some(2_000_000)))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.a.machine.recovery.retransmissions > 60
    assert max(len(segment.ranges) // 2 for segment in pair.segments("b>a")) < 20
    assert len(pair.b.machine._acks.arrivals.ranges) < 20


def test_an_acknowledgement_of_what_was_never_sent_is_dropped() -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"x"))
    arrive(pair, pair.a, Segment(0, 0, 0, 0, 0, 0, ranges=(1000, 1001)))
    assert pair.a.counters == {"acked_unsent": 1}
    assert pair.a.machine.recovery.unacked == 1


def test_a_range_over_two_thousand_million_packets_costs_no_time() -> None:
    pair = Pair(number=2**31)
    pair.do(pair.a, Write(b"x"))
    arrive(pair, pair.a, Segment(0, 0, 0, 0, 0, 0, ranges=(1, 2**31)))
    assert pair.a.machine.recovery.unacked == 0


# Loss


def sent_at(pair: Pair) -> list[int]:
    """When a sent, ms."""
    return [at // MS for at, way, _ in pair.log if way == "a>b"]


def test_probes_double_from_one_second() -> None:
    """RFC 6298 §2.1 and §5.5; a peer may hold an acknowledgement back 25 ms more. A probe is two datagrams."""
    pair = Pair()
    pair.blackouts = [(0, 100 * S)]
    pair.do(pair.a, Write(b"x"))
    pair.run(lambda: pair.a.failed is not None)
    assert sent_at(pair) == [0, 1025, 1025, 3050, 3050, 7075, 7075, 15100, 15100, 30000]
    assert pair.packets("a>b")[-1].type is PacketType.BYE


def test_the_timer_knows_the_round_trip_and_never_goes_below_50_ms() -> None:
    pair = Pair(delay=1 * MS)
    for _ in range(30):
        pair.do(pair.a, Write(some(2 * CHUNK)))
        pair.run(lambda: not pair.a.machine.recovery.outstanding)
    assert pair.a.machine.trips.rto == 50 * MS
    pair.log.clear()
    pair.blackouts = [(pair.now, pair.now + 100 * S)]
    began = pair.now // MS
    pair.do(pair.a, Write(b"x"))
    pair.run(lambda: len(pair.log) == 5)
    assert [at - began for at in sent_at(pair)] == [0, 75, 75, 200, 200]


@pytest.mark.parametrize(("later", "lost"), [(2, False), (3, True)])
def test_three_packets_later_is_lost(later: int, lost: bool) -> None:
    """kPacketThreshold, RFC 9002 §6.1.1."""
    pair = Pair()
    pair.drop = lambda way, _: way == "a>b"
    pair.do(pair.a, Write(some(6 * CHUNK)))
    pair.now = 20 * MS
    pair.drop = lambda way, _: False
    arrive(pair, pair.a, Segment(0, 0, 0, 0, 0, BUFFER, ranges=(1001, 1000 + later)))
    again = [segment for segment in pair.segments("a>b")[6:] if segment.offset == 0]
    assert bool(again) == lost
    if not lost:
        assert pair.a.machine.recovery._loss_at == 20 * MS * 9 // 8, "an eighth of a round trip later, §6.1.2"
        pair.run(lambda: bool(pair.a.machine.recovery.retransmissions))
        assert pair.now == 20 * MS * 9 // 8


def test_what_is_sent_again_has_a_new_number_and_the_same_offset() -> None:
    pair = Pair()
    pair.drop = lambda way, datagram: way == "a>b" and len(pair.segments("a>b")) == 3
    data = some(10 * CHUNK)
    pair.do(pair.a, Write(data))
    pair.run(lambda: pair.b.data.get(0) == data)
    segments = pair.segments("a>b")
    (again,) = [segment for segment in segments[10:] if segment.offset == segments[2].offset]
    assert again.number > segments[2].number
    assert again.data == segments[2].data


def test_the_window_is_reduced_once_for_one_round_trip() -> None:
    told: list[str] = []

    class Listening(Cubic):
        def on_loss(self, flight_size: int, now: int) -> None:
            told.append("loss")
            super().on_loss(flight_size, now)

        def on_rto(self, flight_size: int, now: int) -> None:
            told.append("rto")
            super().on_rto(flight_size, now)

        def on_recovered(self, now: int) -> None:
            told.append("recovered")
            super().on_recovered(now)

        def on_undo(self, now: int) -> None:
            told.append("undo")
            super().on_undo(now)

    pair = Pair(control=lambda: Listening(mss=CHUNK))
    pair.drop = lambda way, _: way == "a>b" and len(pair.segments("a>b")) in (20, 22, 24)
    pair.do(pair.a, Write(some(100 * CHUNK)))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    assert told == ["loss", "recovered"]
    told.clear()
    late = Pair(control=lambda: Listening(mss=CHUNK), reorder=1.0)  # nothing is lost, but one packet comes late
    late.do(late.a, Write(some(8 * CHUNK)))
    late.reorder = 0.0
    late.do(late.a, Write(some(8 * CHUNK)))
    late.run(lambda: len(late.b.data.get(0, b"")) == 16 * CHUNK)
    late.run(lambda: late.a.machine.recovery.unacked == 0)
    assert told in (["loss", "undo", "recovered"], [])


def test_what_came_late_was_not_lost_and_makes_patient() -> None:
    pair = Pair(control=lambda: Cubic(mss=CHUNK))
    pair.do(pair.a, Write(some(9 * CHUNK)))
    pair.now = 20 * MS
    arrive(pair, pair.a, Segment(0, 0, 0, 0, 0, BUFFER, ranges=(1001, 1005)))
    recovery = pair.a.machine.recovery
    cwnd = pair.a.machine.figures["cwnd"]
    assert recovery.retransmissions == 1
    arrive(pair, pair.a, Segment(0, 0, 0, 0, 0, BUFFER, ranges=(1000, 1007)))
    assert (recovery.spurious, recovery._packet_threshold) == (1, 8)
    assert pair.a.machine.figures["cwnd"] > cwnd, "the reduction is taken back"


def test_a_blackout_of_five_seconds_is_survived() -> None:
    pair = Pair(loss=0.05)
    data = some(1_000_000)
    pair.do(pair.a, Write(data))
    pair.do(pair.a, Close())
    pair.blackouts = [(1 * S, 6 * S)]
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == data


def test_a_blackout_for_ever_ends_in_an_error_that_names_what_is_unacknowledged() -> None:
    pair = Pair()
    pair.do(pair.a, Write(some(5 * CHUNK)))
    pair.run(lambda: pair.a.machine.recovery.unacked == 0)
    pair.run(lambda: pair.now > 14 * S)
    pair.blackouts = [(pair.now, 1000 * S)]
    began = pair.now
    pair.do(pair.a, Write(some(300_000)))
    pair.run(lambda: pair.a.failed is not None)
    assert 30 * S <= pair.now - began <= 35 * S
    assert pair.a.failed is not None
    assert pair.a.failed.code == "dead_peer"
    what, _, behind = pair.a.failed.detail.partition(", ")
    assert what == "no acknowledgement for 30s: 11440 B from byte 5720 of stream 0 on are unacknowledged"
    assert behind == "288560 B wait behind them"
    assert pair.a.machine.deadline is None


def test_who_is_idle_is_pinged_and_missed() -> None:
    pair = Pair()
    pair.run(lambda: pair.now > 50 * S)
    assert {packet.type for packet in pair.packets("a>b")} == {PacketType.SEGMENT}
    assert len(pair.log) < 20
    pair.blackouts = [(pair.now, 1000 * S)]
    heard = pair.a.machine._heard_at
    pair.run(lambda: pair.a.failed is not None and pair.b.failed is not None)
    assert pair.now <= heard + 45 * S
    assert pair.a.failed is not None
    assert pair.a.failed.detail == "no acknowledgement for 30s"


@pytest.mark.parametrize("seed", range(5))
def test_an_idle_connection_lives_over_a_rough_network(seed: int) -> None:
    pair = Pair(seed=seed, **ROUGH)
    pair.do(pair.a, Write(b"x"))
    pair.run(lambda: pair.now > 3600 * S, within=4000 * S)
    assert pair.a.failed is pair.b.failed is None
    assert len(pair.log) < 2 * 3600


def test_sent_less_than_the_window_says() -> None:
    """All the while, over a rough network: what is on its way is at most cwnd, or one packet, or probes."""
    seen: list[Decision] = []
    pair = Pair(loss=0.05, control=lambda: Cubic(mss=CHUNK), trace=seen.append)
    pair.do(pair.a, Write(some(1_000_000)))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    for decision in seen:
        if decision.cause == "sent":
            assert decision.cwnd is not None
            assert decision.flight_size is not None
            assert decision.flight_size <= max(decision.cwnd, CHUNK)


# The end


def test_both_ends_close_in_order() -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"last words"))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.b.ended == [0])
    pair.do(pair.b, Write(b"answer"))
    pair.do(pair.b, Close())
    pair.run(lambda: pair.a.closed)
    assert pair.b.data[0] == b"last words"
    pair.run(lambda: pair.b.closed or pair.b.failed is not None)


def test_a_half_closed_connection_still_receives() -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"question"))
    pair.do(pair.a, Finish())
    pair.run(lambda: pair.b.ended == [0])
    pair.do(pair.b, Write(some(100_000)))
    pair.do(pair.b, Close())
    pair.run(lambda: pair.a.ended == [0])
    assert pair.a.data[0] == some(100_000)
    pair.do(pair.a, Close())
    assert pair.a.closed
    pair.run(lambda: pair.b.closed)


def test_who_leaves_early_is_told_of() -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"x"))
    pair.do(pair.b, Abort())
    assert pair.b.closed
    pair.run(lambda: pair.a.failed is not None)
    assert pair.a.failed is not None
    assert pair.a.failed.detail == "the peer left: 1 B from byte 0 of stream 0 on are unacknowledged"


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (PacketArrived(Packet(b"{}", type=PacketType.ERROR, session=TOKEN)), "unknown_session"),
        (Unreachable(), "peer_left"),
    ],
)
def test_a_peer_that_is_no_more(event: Any, code: str) -> None:
    pair = Pair()
    pair.do(pair.a, Write(b"x"))
    pair.do(pair.a, event)
    assert pair.a.failed is not None
    assert pair.a.failed.code == code
    assert "1 B from byte 0" in pair.a.failed.detail
    assert pair.a.machine.handle(TimerFired(), 100 * S) == []


# Whatever comes


def test_packets_that_make_no_sense_raise_nothing() -> None:
    dice = random.Random(9)
    pair = Pair()
    pair.do(pair.a, Write(some(50_000)))
    for _ in range(3000):
        kind = dice.choice([PacketType.SEGMENT] * 9 + [PacketType.DATA, PacketType.PING, PacketType.HELLO])
        segment = Segment(
            dice.choice([dice.randrange(2**32), dice.randrange(1000, 1100)]),
            dice.randrange(2**16),
            dice.randrange(300),
            dice.randrange(16),
            dice.choice([dice.randrange(2**32), dice.randrange(5000)]),
            dice.randrange(2**32),
            dice.randrange(2**16),
            tuple(dice.randrange(990, 1060) for _ in range(2 * dice.randrange(4))),
            dice.randbytes(dice.randrange(50)),
        )
        payload = encode_segment(segment)[dice.choice([0] * 9 + [1]) :]
        pair.do(pair.a, PacketArrived(Packet(payload, type=kind, session=TOKEN)))
        pair.now += dice.randrange(5 * MS)
        pair.do(pair.a, TimerFired())
        deadline = pair.a.machine.deadline
        assert deadline is None or deadline > pair.now
        assert pair.a.machine.recovery.flight_size >= 0
        assert pair.a.machine.recovery.unacked >= 0
        assert len(encode(Packet(payload))) > 0


# What is told


def test_every_decision_is_told_and_none_where_nobody_listens() -> None:
    seen: list[Decision] = []
    pair = Pair(loss=0.05, trace=seen.append, control=lambda: Cubic(mss=CHUNK))
    data = some(500_000)
    pair.do(pair.a, Write(data))
    pair.do(pair.a, Close())
    pair.run(lambda: pair.a.closed)
    causes = Counter(decision.cause for decision in seen if decision.who == "a")
    assert {"sent", "retransmit", "ack", "loss", "recovered"} <= set(causes)
    assert causes["retransmit"] == pair.a.machine.recovery.retransmissions
    ours = [decision for decision in seen if decision.who == "a"]
    assert [decision.at for decision in ours] == sorted(decision.at for decision in ours)
    una = [decision.snd_una or 0 for decision in ours]
    assert una == sorted(una)
    assert una[-1] == len(data)
    assert all((decision.snd_nxt or 0) - (decision.snd_una or 0) <= BUFFER for decision in ours)
    assert any("RFC 9002" in decision.why for decision in ours)
