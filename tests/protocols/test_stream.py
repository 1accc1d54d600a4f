"""Packets on a byte stream: a segment is not a message, damage ends the connection, silence is noticed in time."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.packets.packet import Packet, PacketType, encode
from netlab.packets.reassembly import Reassembler
from netlab.packets.reassembly import TimerFired as ReassemblyTimer
from netlab.packets.split import split
from netlab.protocols.connection import (
    STREAM_PAYLOAD,
    WIRE_MESSAGE,
    Deliver,
    Dropped,
    Failed,
    PeerLeft,
    TimerFired,
    Transmit,
    encode_message,
)
from netlab.protocols.stream import (
    BYE,
    PING,
    PONG,
    STREAM_LIMITS,
    BytesArrived,
    Event,
    Evicted,
    GivenUp,
    Output,
    StreamConnection,
)
from netlab.units import MS, Ns, S

HELLO = encode(Packet(b"hello", 1, type=PacketType.HELLO))
HI = encode(Packet(b"hi", 2))
THERE = encode(Packet(b"there", 3))


def receive(machine: StreamConnection, segments: Iterable[bytes], now: Ns = 0) -> list[Output]:
    return [output for segment in segments for output in machine.handle(BytesArrived(segment), now)]


def messages(outputs: Iterable[Output]) -> list[bytes]:
    return [output.message for output in outputs if isinstance(output, Deliver)]


def failure(outputs: list[Output]) -> str:
    assert isinstance(outputs[-1], Failed), outputs
    return outputs[-1].code


# A segment is not a message


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_whole_or_byte_by_byte_or_cut_anywhere(texts: list[bytes], rng: random.Random) -> None:
    stream = b"".join(encode(Packet(text, number)) for number, text in enumerate(texts))
    cuts = sorted(rng.sample(range(len(stream) + 1), min(len(stream), rng.randrange(8))))
    by_chance = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) if a < b]
    for segments in ([stream], [stream[i : i + 1] for i in range(len(stream))], by_chance):
        machine = StreamConnection(0)
        assert receive(machine, segments) == [Deliver(text) for text in texts]
        assert machine.packets_in == len(texts)
        assert machine.deadline == 15 * S  # nothing is begun and not ended


@pytest.mark.parametrize(
    ("segments", "delivered"),
    [
        ([HI + THERE], [[b"hi", b"there"]]),  # several packets in a segment
        ([HI[:3], HI[3:] + THERE], [[], [b"hi", b"there"]]),  # one spans two
        ([HI + THERE[:19], THERE[19:]], [[b"hi"], [b"there"]]),  # its header does
        ([HI + THERE[:20], THERE[20:]], [[b"hi"], [b"there"]]),  # the cut stands between header and payload
        ([HI[:-1], HI[-1:] + THERE[:1], THERE[1:]], [[], [b"hi"], [b"there"]]),
        ([HELLO], [[b"hello"]]),
        ([encode(Packet(b"", 1))], [[b""]]),  # an empty message is one
    ],
)
def test_a_packet_ends_where_its_header_says(segments: list[bytes], delivered: list[list[bytes]]) -> None:
    machine = StreamConnection(0)
    assert [messages(receive(machine, [segment])) for segment in segments] == delivered


def test_the_largest_packet_and_the_largest_message() -> None:
    for size in (STREAM_PAYLOAD, STREAM_PAYLOAD + 1, WIRE_MESSAGE):
        message = random.Random(size).randbytes(size)
        stream = b"".join(
            encode_message(message, message_id=1, max_payload=STREAM_PAYLOAD, packet_type=PacketType.DATA)
        )
        segments = [stream[i : i + 1448] for i in range(0, len(stream), 1448)]
        assert messages(receive(StreamConnection(0), segments)) == [message]


def test_messages_in_fragments_one_after_the_other_and_interleaved() -> None:
    first = [encode(packet) for packet in split(b"a" * 1500, message_id=1, max_payload=600)]
    second = [encode(packet) for packet in split(b"b" * 1500, message_id=2, max_payload=600)]
    assert messages(receive(StreamConnection(0), [*first, HI, *second])) == [b"a" * 1500, b"hi", b"b" * 1500]
    mixed = [packet for pair in zip(first, second, strict=True) for packet in pair]
    assert messages(receive(StreamConnection(0), [b"".join(mixed)])) == [b"a" * 1500, b"b" * 1500]


@pytest.mark.parametrize(
    ("packets", "code"),
    [
        ([Packet(b"x" * 600, 1, 0, 3), Packet(b"x" * 600, 1, 0, 3)], "malformed"),  # a stream doubles nothing
        ([Packet(b"x" * 600, 1, 0, 3), Packet(b"x" * 600, 1, 1, 4)], "malformed"),
        ([Packet(b"x", 1, 0, 3)], "malformed"),
        ([Packet(b"x" * 600, 1, 0, 257)], "malformed"),
        ([Packet(b"x" * 65_535, 1, index, 6) for index in range(5)], "too_big"),
        ([Packet(b"x" * 600, i, 0, 3) for i in range(17)], "too_much_unfinished"),
        ([Packet(b"x" * 60_000, i, 0, 3) for i in range(10)], "too_much_unfinished"),
    ],
    ids=["double", "other count", "tiny", "too many", "too big", "too many messages", "too much memory"],
)
def test_fragments_that_no_honest_peer_sends_end_the_connection(packets: list[Packet], code: str) -> None:
    outputs = receive(StreamConnection(0), map(encode, packets))
    assert failure(outputs) == code
    assert messages(outputs) == []


def test_connections_that_share_a_reassembler_are_bounded_together() -> None:
    """The one whose message is the oldest goes; who is told is up to the shell, by the number of the connection."""
    box = Reassembler(msgspec.structs.replace(STREAM_LIMITS, memory_high=200_000, memory_low=150_000))
    first, second, third = (StreamConnection(0, reassembler=box, peer=conn) for conn in (1, 2, 3))
    parts = [encode(Packet(b"x" * 60_000, 1, index, 3)) for index in range(3)]
    assert receive(first, parts[:2]) == []
    assert receive(second, parts[:1]) == []
    assert receive(third, parts[:1]) == [Evicted(1, "evicted")]
    assert failure(first.handle(GivenUp("evicted"), 0)) == "too_much_unfinished"
    assert receive(first, parts[2:]) == []
    assert messages(receive(second, parts[1:])) == [b"x" * 180_000]
    assert messages(receive(third, parts[1:])) == [b"x" * 180_000]
    assert box.memory == 0


def test_a_message_that_is_not_complete_in_time_ends_its_connection() -> None:
    box = Reassembler(STREAM_LIMITS)
    slow = StreamConnection(0, reassembler=box, peer=7)
    assert receive(slow, [encode(Packet(b"x" * 600, 1, 0, 3))]) == []
    assert box.deadline == 60 * S
    (given_up,) = box.handle(ReassemblyTimer(), 60 * S)
    assert (given_up.peer, failure(slow.handle(GivenUp("reassembly_timeout"), 60 * S))) == (7, "packet_timeout")


# Types


@pytest.mark.parametrize(
    ("packet", "outputs"),
    [
        (PING, [Transmit(PONG)]),
        (PONG, []),
        (BYE, [PeerLeft()]),
        (encode(Packet(b"{}", 1, type=PacketType.ERROR)), [Deliver(b"{}")]),
        (encode(Packet(b"x", 1, type=PacketType.COOKIE)), [Dropped("unexpected_type")]),
        (encode(Packet(b"x", 1, type=PacketType.ACK)), [Dropped("unexpected_type")]),
        (encode(Packet(b"x", 1, 0, 2, type=PacketType.HELLO)), [Dropped("unexpected_type")]),
    ],
)
def test_types(packet: bytes, outputs: list[Output]) -> None:
    assert receive(StreamConnection(0), [packet]) == outputs


def test_after_goodbye_nothing_more() -> None:
    machine = StreamConnection(0)
    assert receive(machine, [HI + BYE + HI, HI, b"garbage"]) == [Deliver(b"hi"), PeerLeft()]
    assert machine.handle(TimerFired(), 100 * S) == []
    assert machine.deadline is None


# Damage


def damaged(packet: bytes, place: int) -> bytes:
    return packet[: place // 8] + bytes([packet[place // 8] ^ 0x80 >> place % 8]) + packet[place // 8 + 1 :]


def test_a_flipped_bit_delivers_nothing_and_ends_the_connection() -> None:
    """At any place: at once, or when what the wrong length announces does not come in time. The next header, which is
    whole, is never hunted for."""
    for place in range(8 * len(HI)):
        machine = StreamConnection(0)
        outputs = receive(machine, [damaged(HI, place), THERE])
        if not outputs:  # a length that became larger
            assert 32 <= place < 48
            outputs = machine.handle(TimerFired(), 10 * S)
        assert messages(outputs) == []
        assert failure(outputs) in ("malformed", "packet_timeout")
        assert machine.deadline is None


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        (HI + damaged(THERE, 8 * 22), "crc"),
        (HI + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "magic"),
        (HI + damaged(THERE, 17), "version"),
    ],
)
def test_damage_is_named_and_what_came_before_is_kept(stream: bytes, field: str) -> None:
    outputs = receive(StreamConnection(0), [stream])
    assert messages(outputs) == [b"hi"]
    assert failure(outputs) == "malformed"
    assert isinstance(outputs[-1], Failed)
    assert outputs[-1].detail.startswith(field)


def test_after_failing_nothing_more_comes_out() -> None:
    machine = StreamConnection(0)
    assert failure(receive(machine, [b"x" * 20])) == "malformed"
    assert receive(machine, [HI, PING, BYE]) == []
    assert machine.handle(TimerFired(), 30 * S) == []
    assert machine.deadline is None


@given(st.lists(st.binary(max_size=30), max_size=6), st.booleans())
def test_random_bytes_raise_nothing(segments: list[bytes], after_a_packet: bool) -> None:
    machine = StreamConnection(0)
    outputs = receive(machine, [HI, b"NL\x10", *segments] if after_a_packet else segments)
    assert messages(outputs) == [b"hi"] * after_a_packet


# Time


def ms(n: float) -> Ns:
    return round(n * MS)


class Gives(msgspec.Struct, frozen=True):
    """`Failed` with this code, whatever its words."""

    code: str


Script = list[tuple[float, Event, list[Output | Gives], float | None]]

SCRIPTS: dict[str, Script] = {
    #   t/ms   input                    outputs            deadline/ms
    "silence": [
        (14_999, TimerFired(), [], 15_000),  # early: ignored
        (15_000, TimerFired(), [Transmit(PING)], 30_000),  # ping after 15 s
        (15_001, TimerFired(), [], 30_000),  # once
        (29_999, TimerFired(), [], 30_000),
        (30_000, TimerFired(), [Gives("dead_peer")], None),  # dead after 30 s of silence
        (30_001, BytesArrived(HI), [], None),
    ],
    "pong": [
        (15_000, TimerFired(), [Transmit(PING)], 30_000),
        (15_040, BytesArrived(PONG), [], 30_040),  # any sign of life begins anew
        (30_040, TimerFired(), [Transmit(PING)], 45_040),
        (45_039, BytesArrived(HI), [Deliver(b"hi")], 60_039),
        (60_039, TimerFired(), [Transmit(PING)], 75_039),
        (75_039, TimerFired(), [Gives("dead_peer")], None),
    ],
    "a late timer": [
        (29_000, TimerFired(), [Transmit(PING)], 30_000),
        (31_000, TimerFired(), [Gives("dead_peer")], None),
    ],
    "a timer much too late": [(40_000, TimerFired(), [Gives("dead_peer")], None)],
    "slowloris": [
        (1_000, BytesArrived(HI[:1]), [], 11_000),  # a packet has 10 s
        (5_000, BytesArrived(HI[1:2]), [], 11_000),  # a byte now and then does not extend them
        (10_999, BytesArrived(HI[2:3]), [], 11_000),
        (11_000, TimerFired(), [Gives("packet_timeout")], None),
    ],
    "the next packet has its own time": [
        (1_000, BytesArrived(HI[:1]), [], 11_000),
        (9_000, BytesArrived(HI[1:] + THERE[:4]), [Deliver(b"hi")], 19_000),
        (18_000, BytesArrived(THERE[4:]), [Deliver(b"there")], 33_000),
    ],
    "a packet just in time": [
        (0, BytesArrived(HI[:-1]), [], 10_000),
        (9_999, BytesArrived(HI[-1:]), [Deliver(b"hi")], 24_999),
        (10_000, TimerFired(), [], 24_999),
    ],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_time(script: Script) -> None:
    machine = StreamConnection(0)
    assert machine.deadline == 15 * S
    for step, (at, event, expected, deadline) in enumerate(script):
        outputs = [Gives(o.code) if isinstance(o, Failed) else o for o in machine.handle(event, ms(at))]
        assert outputs == expected, script[: step + 1]
        assert machine.deadline == (None if deadline is None else ms(deadline)), script[: step + 1]


def test_reading_the_deadline_changes_nothing() -> None:
    machine = StreamConnection(0)
    assert [machine.deadline, machine.deadline] == [15 * S, 15 * S]


def test_a_server_may_set_its_own_times() -> None:
    machine = StreamConnection(0, ping_after=2 * S, dead_after=20 * S, started_packet=1 * S)
    assert machine.deadline == 2 * S
    assert machine.handle(TimerFired(), 2 * S) == [Transmit(PING)]
    assert machine.deadline == 20 * S
    assert machine.handle(BytesArrived(PING[:5]), 3 * S) == []
    assert machine.deadline == 4 * S
    (failed,) = machine.handle(TimerFired(), 4 * S)
    assert isinstance(failed, Failed)
    assert (failed.code, "within 1s" in failed.detail) == ("packet_timeout", True)
