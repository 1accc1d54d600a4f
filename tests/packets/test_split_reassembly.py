"""Cutting and putting together: exact bytes or nothing, in any order, within every bound, and no memory is kept."""

from __future__ import annotations

import random
import tracemalloc
from collections import defaultdict
from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from netlab.errors import LocalProtocolError, MessageTooBig
from netlab.packets.limits import DATAGRAM_PAYLOAD, MAX_FRAGMENTS, MAX_MESSAGE, ReassemblyLimits
from netlab.packets.packet import Packet
from netlab.packets.reassembly import Arrived, Dropped, Output, Reassembler, TimerFired, Whole
from netlab.packets.split import split
from netlab.units import Ns, S

ANY_SIZE = ReassemblyLimits(min_fragment=0)
SMALL = ReassemblyLimits(min_fragment=2, max_message=20, max_fragments=8, timeout=5, finished_remembered=10)

MESSAGES = st.binary(min_size=1, max_size=64)
"""With packets of 1 to 8 bytes: mostly several fragments, so that order, doubles and holes are the common case."""


def fragment(index: int, payload: bytes = b"xx", *, count: int = 4, message_id: int = 1) -> Packet:
    return Packet(payload, message_id, index, count)


def feed(box: Reassembler, packets: Iterable[Packet], now: Ns = 0, peer: str = "ann") -> list[Output]:
    return [output for packet in packets for output in box.handle(Arrived(peer, packet), now)]


def wholes(outputs: Iterable[Output]) -> list[bytes]:
    return [output.message for output in outputs if isinstance(output, Whole)]


def reasons(outputs: Iterable[Output]) -> list[str]:
    return [output.reason if isinstance(output, Dropped) else "whole" for output in outputs]


# Splitting


@given(st.binary(max_size=100), st.integers(1, 12))
def test_fragments_tell_their_place(message: bytes, max_payload: int) -> None:
    packets = split(message, message_id=7, max_payload=max_payload)
    assert b"".join(packet.payload for packet in packets) == message
    assert [packet.index for packet in packets] == list(range(len(packets)))
    assert {(packet.count, packet.message_id, packet.session) for packet in packets} == {(len(packets), 7, None)}
    assert all(len(packet.payload) == max_payload for packet in packets[:-1])
    assert len(packets) == max(1, -(-len(message) // max_payload))  # as few as can be, and none for nothing


@pytest.mark.parametrize("size", [0, 1, 4, 5, 8, 9])
def test_sizes_about_a_multiple(size: int) -> None:
    sizes = [len(packet.payload) for packet in split(b"x" * size, message_id=1, max_payload=4)]
    assert sizes == {0: [0], 1: [1], 4: [4], 5: [4, 1], 8: [4, 4], 9: [4, 4, 1]}[size]


def test_the_largest_message_fits_datagrams() -> None:
    packets = split(b"x" * MAX_MESSAGE, message_id=1, max_payload=DATAGRAM_PAYLOAD - 28)
    assert len(packets) <= MAX_FRAGMENTS
    assert len(wholes(feed(Reassembler(), packets))) == 1


@pytest.mark.parametrize(
    ("size", "max_payload", "code"),
    [
        (MAX_MESSAGE + 1, 65_535, "too_big"),
        (MAX_MESSAGE + 1, 1, "too_big"),
        (257, 1, "too_big_for_path"),
        (MAX_MESSAGE, 1023, "too_big_for_path"),
    ],
)
def test_too_big_is_said_at_once(size: int, max_payload: int, code: str) -> None:
    with pytest.raises(MessageTooBig) as refused:
        split(b"x" * size, message_id=1, max_payload=max_payload)
    assert refused.value.code == code


def test_bounds_are_allowed_themselves() -> None:
    assert len(split(b"x" * 256, message_id=1, max_payload=1)) == 256
    assert len(split(b"x" * MAX_MESSAGE, message_id=1, max_payload=1024)) == 256
    assert len(split(b"xyz", message_id=1, max_payload=1, max_message=3, max_fragments=3)) == 3


@pytest.mark.parametrize("max_payload", [0, -1, 65_536])
@pytest.mark.parametrize("message", [b"", b"x", b"x" * 70_000])
def test_a_payload_that_cannot_be_is_the_callers_mistake(message: bytes, max_payload: int) -> None:
    with pytest.raises(LocalProtocolError):
        split(message, message_id=1, max_payload=max_payload)


# Exact bytes or nothing


@given(MESSAGES, st.integers(1, 8), st.randoms(use_true_random=False))
def test_any_order_with_doubles(message: bytes, max_payload: int, rng: random.Random) -> None:
    packets = split(message, message_id=7, max_payload=max_payload)
    arrivals = packets + rng.choices(packets, k=3)
    rng.shuffle(arrivals)
    box = Reassembler(ANY_SIZE)
    outputs = feed(box, arrivals)
    assert wholes(outputs) == [message]
    assert set(reasons(outputs)) <= {"whole", "duplicate_fragment", "late_fragment"}
    assert len(outputs) == 1 + 3  # each double is told
    assert box.memory == 0


@given(MESSAGES, st.integers(1, 8), st.randoms(use_true_random=False), st.data())
def test_a_hole_gives_nothing(message: bytes, max_payload: int, rng: random.Random, data: st.DataObject) -> None:
    packets = split(message, message_id=7, max_payload=max_payload)
    lost = data.draw(st.sampled_from(packets))
    arrivals = [packet for packet in packets if packet is not lost] * 2
    rng.shuffle(arrivals)
    box = Reassembler(ANY_SIZE)
    assert wholes(feed(box, arrivals)) == []
    expected = ["reassembly_timeout"] if arrivals else []
    assert reasons(box.handle(TimerFired(), 5 * S)) == expected
    assert box.memory == 0
    assert box.deadline is None


@given(
    st.lists(MESSAGES, min_size=1, max_size=5),
    st.integers(1, 8),
    st.floats(0, 0.5),
    st.randoms(use_true_random=False),
)
def test_many_senders_over_a_bad_network(
    messages: list[bytes], max_payload: int, loss: float, rng: random.Random
) -> None:
    """Loss, doubles and any order, with the same message ids from two peers: exactly those that came whole."""
    sent = {
        (peer, message_id): peer.encode() + message
        for peer in ("ann", "bob")
        for message_id, message in enumerate(messages)
    }
    flying = [
        (key[0], packet)
        for key, message in sent.items()
        for packet in split(message, message_id=key[1], max_payload=max_payload)
    ]
    arrivals = [each for each in flying for _ in range(rng.choice((1, 1, 2))) if rng.random() >= loss]
    rng.shuffle(arrivals)
    there = {(peer, packet.message_id, packet.index) for peer, packet in arrivals}
    whole_keys = {
        key
        for key, message in sent.items()
        if all((*key, p.index) in there for p in split(message, message_id=key[1], max_payload=max_payload))
    }
    box = Reassembler(ANY_SIZE)
    got = [out for peer, packet in arrivals for out in box.handle(Arrived(peer, packet), 0) if isinstance(out, Whole)]
    assert {(out.peer, out.message_id): out.message for out in got} == {key: sent[key] for key in whole_keys}
    assert len(got) == len(whole_keys)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), st.binary(max_size=4)), max_size=12))
def test_whatever_fragments_a_peer_makes_up(made_up: list[tuple[int, int, bytes]]) -> None:
    """What comes out is one fragment for each place, all of one count; and at most once for an id."""
    packets = [Packet(payload, 1, index, count) for index, count, payload in made_up if index < count]
    there: defaultdict[tuple[int, int], set[bytes]] = defaultdict(set)
    for packet in packets:
        there[packet.count, packet.index].add(packet.payload)
    possible = {
        b"".join(parts) for count in range(1, 5) for parts in product(*(there[count, index] for index in range(count)))
    }
    got = wholes(feed(Reassembler(ANY_SIZE), packets))
    assert set(got) <= possible
    assert len(got) <= 1


def test_an_empty_message() -> None:
    assert wholes(feed(Reassembler(), split(b"", message_id=1, max_payload=5))) == [b""]


# Every bound, with the reason it gives


@pytest.mark.parametrize(
    ("packets", "outcome"),
    [
        ([fragment(0), fragment(0)], ["duplicate_fragment"]),
        ([fragment(0), fragment(0, b"yy")], ["conflicting_fragment"]),
        ([fragment(0), fragment(0, b"xxx")], ["conflicting_fragment"]),  # overlap, as RFC 5722 has it
        ([fragment(0), fragment(1, count=5)], ["conflicting_fragment"]),
        ([fragment(0), fragment(0, count=1)], ["conflicting_fragment"]),
        ([fragment(0, b"x")], ["tiny_fragment"]),
        ([fragment(3, b"")], []),  # the last may be small
        ([fragment(0, b"x", count=1)], ["whole"]),
        ([fragment(0, count=9)], ["too_many_fragments"]),
        ([fragment(7, count=8)], []),
        ([fragment(0, b"x" * 21)], ["oversized_message"]),
        ([fragment(0, b"x" * 21, count=1)], ["oversized_message"]),
        ([fragment(0, b"x" * 20, count=1)], ["whole"]),
        ([fragment(0, b"x" * 18), fragment(1)], []),
        ([fragment(0, b"x" * 18), fragment(1, b"xxx")], ["oversized_message"]),
        ([fragment(i) for i in range(4)] + [fragment(0)], ["whole", "late_fragment"]),
        ([fragment(0), fragment(0, b"yy"), fragment(1), fragment(0)], ["conflicting_fragment"] + ["late_fragment"] * 2),
        (
            [fragment(0, b"x"), fragment(1), fragment(2), fragment(3), fragment(0)],
            ["tiny_fragment"] + ["late_fragment"] * 4,
        ),
        ([fragment(0, b"x", count=1)] * 2, ["whole", "late_fragment"]),
    ],
)
def test_each_bound_has_its_reason(packets: list[Packet], outcome: list[str]) -> None:
    box = Reassembler(SMALL)
    assert reasons(feed(box, packets)) == outcome
    box.handle(TimerFired(), SMALL.timeout)
    assert box.memory == 0


def test_a_drop_names_its_peer_and_message() -> None:
    assert feed(Reassembler(SMALL), [fragment(0, b"x", message_id=9)]) == [Dropped("ann", 9, "tiny_fragment")]


def test_unfinished_messages_of_a_peer_are_bounded_and_others_are_left_alone() -> None:
    box = Reassembler(ReassemblyLimits(min_fragment=0, messages_per_peer=3))
    assert feed(box, [fragment(0, message_id=i) for i in range(3)]) == []
    assert feed(box, [fragment(0, message_id=0)], peer="bob") == []
    assert feed(box, [fragment(0, message_id=3)]) == [Dropped("ann", 0, "peer_messages")]  # her own oldest goes
    assert reasons(feed(box, [fragment(i, message_id=0) for i in (1, 2, 3)])) == ["late_fragment"] * 3
    for message_id in (1, 2, 3):
        assert reasons(feed(box, [fragment(i, message_id=message_id) for i in (1, 2, 3)])) == ["whole"]
    assert reasons(feed(box, [fragment(i, message_id=0) for i in (1, 2, 3)], peer="bob")) == ["whole"]
    assert box.memory == 0


def test_a_peer_over_its_memory_loses_its_own_oldest() -> None:
    kib = b"x" * 1024
    box = Reassembler(ReassemblyLimits(memory_per_peer=5 * 1024))
    assert feed(box, [fragment(0, kib, message_id=1)], peer="bob") == []
    assert feed(box, [fragment(0, kib, message_id=i) for i in (1, 2, 3)]) == []
    assert feed(box, [fragment(0, kib, message_id=4)]) == [Dropped("ann", 1, "peer_memory")]
    assert feed(box, [fragment(1, kib, message_id=1)]) == [Dropped("ann", 1, "late_fragment")]
    assert feed(box, [fragment(1, kib, message_id=2)]) == [Dropped("ann", 2, "peer_memory")]  # itself, if the oldest
    assert reasons(feed(box, [fragment(i, kib, message_id=1) for i in (1, 2, 3)], peer="bob")) == ["whole"]


def test_over_the_high_mark_the_oldest_of_all_go_down_to_the_low_mark() -> None:
    kib = b"x" * 1024
    box = Reassembler(ReassemblyLimits(memory_high=8 * 1024, memory_low=4 * 1024))
    outputs: list[Output] = []
    for i in range(8):
        outputs += feed(box, [fragment(0, kib, message_id=i)], peer=f"peer {i}")
        assert box.memory <= 8 * 1024
        if outputs:
            break
    assert [(out.peer, reason) for out, reason in zip(outputs, reasons(outputs), strict=True)] == [
        (f"peer {i}", "evicted") for i in range(len(outputs))
    ]
    assert 2 * 1024 < box.memory <= 4 * 1024


def test_a_flood_of_one_peer_takes_nothing_from_another() -> None:
    """Its own quota before others': bob's message, older than all of ann's, comes through."""
    box = Reassembler()
    message = b"from bob" * 200
    first, second = split(message, message_id=1, max_payload=1000)
    feed(box, [first], peer="bob")
    rng = random.Random(3)
    flood = [fragment(rng.randrange(200), b"x" * 1100, count=250, message_id=rng.getrandbits(5)) for _ in range(5000)]
    assert {"peer_memory", "peer_messages"} & set(reasons(feed(box, flood)))
    assert wholes(feed(box, [second], peer="bob")) == [message]


@pytest.mark.parametrize("payload", [b"", b"x" * 700], ids=["empty", "full"])
def test_what_is_charged_is_what_is_kept(payload: bytes) -> None:
    """The bound is one on the interpreter's memory: also for messages of which only the empty last fragment came."""
    box = Reassembler()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for n in range(1000):
            last = Packet(bytes(bytearray(payload)), message_id=n, index=255, count=256)
            box.handle(Arrived(n // 16, last), 0)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 1.3 * box.memory


def test_nothing_is_kept_for_peers_that_have_finished() -> None:
    box = Reassembler(ReassemblyLimits(min_fragment=0, finished_ids=1))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for peer in range(2000):
            for packet in split(b"abcd", message_id=1, max_payload=2):
                box.handle(Arrived(peer, packet), 0)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 10_000


# Time


def test_the_timeout_is_fixed_from_the_first_fragment() -> None:
    """Later fragments do not extend it: a drip would hold memory for ever."""
    box = Reassembler()
    big = b"x" * 512
    assert box.deadline is None
    feed(box, [fragment(0, big)], now=1 * S)
    assert box.deadline == 6 * S
    feed(box, [fragment(1, big)], now=4 * S)
    assert box.deadline == 6 * S
    assert box.handle(TimerFired(), 6 * S - 1) == []
    assert box.handle(TimerFired(), 6 * S) == [Dropped("ann", 1, "reassembly_timeout")]
    assert (box.deadline, box.memory) == (None, 0)


def test_an_arrival_after_the_deadline_finds_it_gone_without_a_timer() -> None:
    box = Reassembler()
    big = b"x" * 512
    feed(box, [fragment(i, big) for i in range(3)])
    assert reasons(feed(box, [fragment(3, big)], now=5 * S)) == ["reassembly_timeout", "late_fragment"]


def test_messages_run_out_in_their_order() -> None:
    box = Reassembler()
    for i in range(3):
        feed(box, [fragment(0, b"x" * 512, message_id=i)], now=i * S)
    assert box.handle(TimerFired(), 6 * S) == [Dropped("ann", i, "reassembly_timeout") for i in (0, 1)]
    assert box.deadline == 7 * S


def test_a_finished_message_frees_the_deadline() -> None:
    box = Reassembler(ANY_SIZE)
    feed(box, [fragment(0)], now=0)
    feed(box, [fragment(0, message_id=2)], now=1 * S)
    feed(box, [fragment(i) for i in (1, 2, 3)], now=2 * S)
    assert box.deadline == 6 * S
    assert box.handle(TimerFired(), 5 * S) == []
    assert reasons(box.handle(TimerFired(), 6 * S)) == ["reassembly_timeout"]


def test_a_finished_id_is_remembered_for_its_time_and_then_free() -> None:
    box = Reassembler()
    one = [Packet(b"hi", 1)]
    assert reasons(feed(box, one, now=0)) == ["whole"]
    assert reasons(feed(box, one, now=10 * S - 1)) == ["late_fragment"]
    assert reasons(feed(box, one, now=10 * S)) == ["whole"]


def test_a_late_fragment_does_not_open_a_discarded_message_again() -> None:
    box = Reassembler()
    big = b"x" * 512
    feed(box, [fragment(0, big)])
    box.handle(TimerFired(), 5 * S)
    assert reasons(feed(box, [fragment(0, big)], now=15 * S - 1)) == ["late_fragment"]
    assert reasons(feed(box, [fragment(0, big)], now=15 * S)) == []
    assert box.deadline == 20 * S


def test_finished_ids_are_bounded_too() -> None:
    box = Reassembler(ReassemblyLimits(finished_ids=3))
    feed(box, [Packet(b"hi", i) for i in range(4)])
    assert reasons(feed(box, [Packet(b"hi", i) for i in (1, 2, 3)])) == ["late_fragment"] * 3
    assert reasons(feed(box, [Packet(b"hi", 0)])) == ["whole"]  # the oldest was forgotten for the fourth


def test_the_same_id_of_two_peers_is_two_messages() -> None:
    box = Reassembler(ANY_SIZE)
    assert feed(box, [fragment(i, b"aa") for i in (0, 1)], peer="ann") == []
    assert feed(box, [fragment(i, b"bb") for i in (2, 3)], peer="bob") == []
    assert wholes(feed(box, [fragment(i, b"aa") for i in (2, 3)], peer="ann")) == [b"aaaaaaaa"]
    assert wholes(feed(box, [fragment(i, b"bb") for i in (0, 1)], peer="bob")) == [b"bbbbbbbb"]


def test_who_has_gone_leaves_nothing() -> None:
    box = Reassembler(ANY_SIZE)
    feed(box, [fragment(0, message_id=i) for i in range(5)], peer="ann")
    feed(box, [fragment(i) for i in range(3)], peer="bob")
    box.forget("ann")
    box.forget("nobody")
    assert wholes(feed(box, [fragment(3)], peer="bob")) == [b"xx" * 4]
    assert (box.memory, box.deadline) == (0, None)


# A model that keeps everything and counts by looking


class Memory(RuleBasedStateMachine):
    """Fragments of a few messages of a few peers, with little room: bounds hold after every step, and what the box
    says it holds is what a plain dictionary of the same fragments holds."""

    LIMITS = ReassemblyLimits(
        min_fragment=2,
        max_message=40,
        max_fragments=4,
        timeout=10,
        memory_per_peer=3_000,
        messages_per_peer=3,
        memory_high=5_000,
        memory_low=3_000,
        finished_remembered=20,
        finished_ids=6,
    )

    def __init__(self) -> None:
        super().__init__()
        self.box = Reassembler(self.LIMITS)
        self.now = 0
        self.began: dict[tuple[object, int], Ns] = {}
        self.parts: dict[tuple[object, int], dict[int, bytes]] = {}

    @rule(
        peer=st.sampled_from("abc"),
        message_id=st.integers(0, 4),
        index=st.integers(0, 3),
        count=st.sampled_from([4, 4, 4, 4, 3, 5]),
        payload=st.sampled_from([b"xxxxxxxx", b"xxxxxxxx", b"xxxxxxxx", b"yyyyyyyy", b"z", b"w" * 30]),
    )
    def arrive(self, peer: str, message_id: int, index: int, count: int, payload: bytes) -> None:
        key = (peer, message_id)
        packet = Packet(payload, message_id, min(index, count - 1), count)
        outputs = self.box.handle(Arrived(peer, packet), self.now)
        lost = self.ended(outputs)
        taken = not any((output.peer, output.message_id) == key for output in outputs)
        for output in outputs:
            if isinstance(output, Whole):
                parts = {**self.parts.get(key, {}), packet.index: payload}
                assert output.message == b"".join(parts[place] for place in range(packet.count))
        if taken:
            self.began.setdefault(key, self.now)
            self.parts.setdefault(key, {})[packet.index] = payload
        for gone in lost:
            self.began.pop(gone, None)
            self.parts.pop(gone, None)

    def ended(self, outputs: list[Output]) -> list[tuple[object, int]]:
        """Messages that these outputs end; all but a double, and what was never let in."""
        kept = {"duplicate_fragment", "late_fragment", "too_many_fragments"}
        return [
            (output.peer, output.message_id)
            for output in outputs
            if isinstance(output, Whole) or output.reason not in kept
        ]

    @rule(passed=st.integers(0, 6))
    def wait(self, passed: int) -> None:
        self.now += passed
        for gone in self.ended(self.box.handle(TimerFired(), self.now)):
            assert self.began[gone] + self.LIMITS.timeout <= self.now
            del self.began[gone], self.parts[gone]

    @precondition(lambda self: self.parts)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(sorted({str(key[0]) for key in self.parts})))
        self.box.forget(peer)
        self.began = {key: at for key, at in self.began.items() if key[0] != peer}
        self.parts = {key: parts for key, parts in self.parts.items() if key[0] != peer}

    @invariant()
    def bounds_hold(self) -> None:
        limits = self.LIMITS
        assert 0 <= self.box.memory <= limits.memory_high
        for peer in "abc":
            mine = [parts for key, parts in self.parts.items() if key[0] == peer]
            assert len(mine) <= limits.messages_per_peer
        assert all(sum(map(len, parts.values())) <= limits.max_message for parts in self.parts.values())

    @invariant()
    def memory_is_what_is_held(self) -> None:
        payloads = sum(len(payload) for parts in self.parts.values() for payload in parts.values())
        fragments = sum(map(len, self.parts.values()))
        assert (self.box.memory == 0) == (fragments == 0)
        assert self.box.memory >= payloads + 96 * fragments

    @invariant()
    def the_deadline_is_the_oldest_messages(self) -> None:
        oldest = min(self.began.values(), default=None)
        assert self.box.deadline == (None if oldest is None else oldest + self.LIMITS.timeout)

    def teardown(self) -> None:
        self.box.handle(TimerFired(), self.now + self.LIMITS.timeout)
        assert (self.box.memory, self.box.deadline) == (0, None)


TestMemory = Memory.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=40)
