"""Sessions over datagrams: client and server machines wired to each other by a small bad network made of dice.

The network stands below: it loses, doubles and delays datagrams, and keeps a ladder of what it was given. There is no
socket and no clock in here.
"""

from __future__ import annotations

import heapq
import random
import tracemalloc
from collections import Counter
from collections.abc import Hashable, Iterable
from itertools import count, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat.messages import Goodbye, Hello, Stats, encode_json
from netlab.errors import MessageTooBig
from netlab.packets.limits import DATAGRAM_PAYLOAD
from netlab.packets.packet import Packet, PacketType, decode_all, encode, with_session
from netlab.protocols import datagram_client as client
from netlab.protocols import datagram_server as server
from netlab.protocols.connection import (
    DATAGRAM_FRAGMENT,
    WIRE_MESSAGE,
    Deliver,
    Dropped,
    Failed,
    PeerLeft,
    TimerFired,
    Transmit,
    encode_message,
    pack,
)
from netlab.protocols.datagram_client import CookieArrived, DatagramClient, SayBye, SayHello
from netlab.protocols.datagram_server import DatagramServer, FlowEnded, FlowOpened, Hangup
from netlab.protocols.stream import BYE, PING, PONG
from netlab.units import MS, Ns, S

ANN, BOB = ("192.0.2.1", 5000), ("192.0.2.2", 5000)
TOKEN = b"8 bytes!"
HELLO_ID = 0xABCD
WELCOME = b'{"type":"welcome"}'


def hello(cookie: str = "", *, hello_id: int = HELLO_ID, name: str = "ann") -> bytes:
    return encode(Packet(encode_json(Hello(name=name, cookie=cookie)), hello_id, type=PacketType.HELLO))


def data(message: bytes, message_id: int = 1) -> list[bytes]:
    """One message as datagrams without a token, as the hub's shell hands them to the server."""
    return pack(
        encode_message(message, message_id=message_id, max_payload=DATAGRAM_FRAGMENT, packet_type=PacketType.DATA)
    )


def new_server(seed: int = 1, *, max_flows: int = 100) -> DatagramServer:
    return DatagramServer(entropy=random.Random(seed).randbytes, new_conn=count(1).__next__, max_flows=max_flows)


def arrive(machine: DatagramServer, address: Hashable, datagram: bytes, now: Ns = 0) -> list[server.Output]:
    return machine.handle(server.DatagramArrived(address, datagram), now)


def sent(outputs: Iterable[object]) -> list[bytes]:
    return [output.data for output in outputs if isinstance(output, Transmit | server.Transmit)]


def types(datagrams: Iterable[bytes]) -> list[str]:
    return [packet.type.name.lower() for datagram in datagrams for packet in decode_all(datagram)]


def reasons(outputs: Iterable[object]) -> list[str]:
    return [output.reason for output in outputs if isinstance(output, Dropped)]


def a_cookie(machine: DatagramServer, address: Hashable, hello_id: int = HELLO_ID, now: Ns = 0) -> str:
    (answer,) = sent(arrive(machine, address, hello(hello_id=hello_id), now))
    (packet,) = decode_all(answer)
    assert (packet.type, packet.message_id) == (PacketType.COOKIE, hello_id)
    return packet.payload.decode()


def open_flow(machine: DatagramServer, address: Hashable = ANN, hello_id: int = HELLO_ID, now: Ns = 0) -> bytes:
    """Shake hands; the session token."""
    cookie = a_cookie(machine, address, hello_id, now)
    outputs = arrive(machine, address, hello(cookie, hello_id=hello_id), now)
    assert [type(output) for output in outputs] == [FlowOpened, server.Transmit, server.Deliver]
    (ack,) = decode_all(sent(outputs)[0])
    assert ack.type is PacketType.ACK
    assert ack.session is not None
    return ack.session


# The wire


class Wire:
    """One server and some clients. What it does to a datagram is drawn from its own dice."""

    def __init__(self, seed: int = 1, *, loss: float = 0, doubles: float = 0, delay: tuple[Ns, Ns] = (MS, MS)) -> None:
        self.loss, self.doubles, self.delay = loss, doubles, delay
        self.dice = random.Random(seed)
        self.server = new_server(seed)
        self.clients: dict[Hashable, DatagramClient] = {}
        self.cookies: dict[Hashable, str] = {}
        self.now = 0
        self.ladder: list[str] = []
        self.delivered: list[tuple[Hashable, bytes]] = []
        self.counters: Counter[str] = Counter()
        self.conns: dict[int, Hashable] = {}
        self.ended: list[object] = []
        self._flying: list[tuple[Ns, int, Hashable, bytes, bool]] = []
        self._order = count()

    def connect(self, address: Hashable, hello_id: int = HELLO_ID) -> None:
        self.clients[address] = DatagramClient(hello_id=hello_id, message_id=100)
        self.say_hello(address)

    def say_hello(self, address: Hashable) -> None:
        self.step(address, SayHello(encode_json(Hello(name="ann", cookie=self.cookies.get(address, "")))))

    def welcomed(self) -> set[Hashable]:
        return {address for address, message in self.delivered if message == WELCOME}

    def step(self, address: Hashable, event: client.Event) -> None:
        """A client takes in an event, and what it asks is done."""
        for output in self.clients[address].handle(event, self.now):
            match output:
                case Transmit(datagram):
                    self.ladder += [f"{name} ->" for name in types([datagram])]
                    self._fly(address, datagram, to_server=True)
                case Deliver(message):
                    self.delivered.append((address, message))
                case CookieArrived(cookie):
                    self.cookies[address] = cookie
                    self.say_hello(address)
                case Dropped(reason):
                    self.counters[reason] += 1
                case PeerLeft() | Failed():
                    self.ended.append(output)

    def step_server(self, event: server.Event) -> None:
        """The server, with the smallest hub there is: it welcomes, and echoes."""
        for output in self.server.handle(event, self.now):
            match output:
                case server.Transmit(address, datagram):
                    self.ladder += [f"<- {name}" for name in types([datagram])]
                    self._fly(address, datagram, to_server=False)
                case FlowOpened(conn, address):
                    self.conns[conn] = address
                case server.Deliver(conn, message):
                    self.delivered.append((conn, message))
                    answer = WELCOME if b'"hello"' in message else message
                    self.step_server(server.Say(conn, data(answer, next(self._order))))
                case Dropped(reason):
                    self.counters[reason] += 1
                case FlowEnded():
                    self.ended.append(output)

    def _fly(self, address: Hashable, datagram: bytes, *, to_server: bool) -> None:
        lost, doubled = self.dice.random() < self.loss, self.dice.random() < self.doubles
        for delay in (self.dice.randint(*self.delay), self.dice.randint(*self.delay))[: 1 + doubled]:
            if not lost:
                heapq.heappush(self._flying, (self.now + delay, next(self._order), address, datagram, to_server))

    def run(self, until: Ns) -> None:
        """Let time pass: datagrams arrive, timers fire, and who is not yet welcome says hello every 250 ms."""
        every = 250 * MS
        while True:
            timers = [(m.deadline, a) for a, m in self.clients.items() if m.deadline is not None]
            next_hello = (self.now // every + 1) * every if self.welcomed() < set(self.clients) else until
            flight = self._flying[0][0] if self._flying else until
            at = min(flight, next_hello, *(t for t, _ in timers), self.server.deadline or until)
            if at >= until:
                self.now = until
                return
            self.now = max(self.now, at)
            if flight <= self.now:
                _, _, address, datagram, to_server = heapq.heappop(self._flying)
                if to_server:
                    self.step_server(server.DatagramArrived(address, datagram))
                elif address in self.clients:
                    self.step(address, client.DatagramArrived(datagram))
            elif self.server.deadline is not None and self.server.deadline <= self.now:
                self.step_server(TimerFired())
            elif any(deadline <= self.now for deadline, _ in timers):
                self.step(next(a for deadline, a in timers if deadline <= self.now), TimerFired())
            else:
                for address in set(self.clients) - self.welcomed():
                    self.say_hello(address)


def test_the_handshake_as_it_is_drawn() -> None:
    wire = Wire()
    wire.connect(ANN)
    wire.run(100 * MS)
    assert wire.ladder == ["hello ->", "<- cookie", "hello ->", "<- ack", "<- data"]
    assert wire.delivered == [(1, encode_json(Hello(name="ann", cookie=wire.cookies[ANN]))), (ANN, WELCOME)]
    wire.step(ANN, client.Say([b"one", b"two"]))
    wire.run(200 * MS)
    assert wire.ladder[5:] == ["data ->", "data ->", "<- data", "<- data"]
    assert wire.delivered[2:] == [(1, b"one"), (1, b"two"), (ANN, b"one"), (ANN, b"two")]
    wire.step(ANN, SayBye())
    wire.run(300 * MS)
    assert wire.ladder[9:] == ["bye ->"]
    assert wire.ended == [FlowEnded(1, said=True)]
    assert (wire.server.deadline, wire.clients[ANN].deadline) == (None, None)
    assert not wire.counters


@pytest.mark.parametrize("seed", range(20))
def test_the_handshake_over_a_bad_network(seed: int) -> None:
    """30 % lost each way, 30 % doubled, and delays that turn the order round: all get in, none gets in twice."""
    wire = Wire(seed, loss=0.3, doubles=0.3, delay=(MS, 400 * MS))
    clients = [("192.0.2.1", port) for port in range(4)]
    for hello_id, address in enumerate(clients):
        wire.connect(address, hello_id)
    wire.run(15 * S)
    assert wire.welcomed() == set(clients)
    assert sorted(wire.conns.values()) == sorted(clients)  # one flow for each hello, however often it came
    assert set(wire.counters) <= {"unknown_session"}  # what overtook its ack, and cookies that came late


def test_messages_over_doubles_and_another_order() -> None:
    """Without loss each message of several datagrams comes exactly once; a small one as often as it comes."""
    wire = Wire(5, doubles=0.3, delay=(MS, 60 * MS))
    wire.connect(ANN)
    wire.run(1 * S)
    before = len(wire.delivered)
    large = [bytes([n]) * 5000 for n in range(5)]
    wire.step(ANN, client.Say([*large, b"small"]))
    wire.run(10 * S)
    got = Counter(message for peer, message in wire.delivered[before:] if peer == 1)
    assert {message: got[message] for message in large} == dict.fromkeys(large, 1)
    assert got[b"small"] >= 1
    assert wire.counters["duplicate_fragment"] + wire.counters["late_fragment"] > 0


def test_a_lost_fragment_loses_its_message_and_is_counted() -> None:
    machine = new_server()
    token = open_flow(machine)
    first, second = data(b"x" * 2000)
    assert arrive(machine, ANN, with_session(first, token), now=1 * S) == []
    assert machine.deadline == 6 * S
    assert reasons(machine.handle(TimerFired(), 6 * S)) == ["reassembly_timeout"]
    assert reasons(arrive(machine, ANN, with_session(second, token), now=6 * S)) == ["late_fragment"]


# Before the cookie has come back: stateless, and no amplifier


def test_ten_thousand_hellos_leave_no_state_and_get_no_more_than_they_sent() -> None:
    machine = new_server()
    hellos = [(f"198.51.100.{n % 250}:{n}", hello(hello_id=n)) for n in range(10_000)]
    arrive(machine, *hellos[0])
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for address, datagram in hellos:
            (answer,) = sent(arrive(machine, address, datagram))
            assert len(answer) <= len(datagram)
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert kept < 4_000
    assert machine.deadline is None


def test_an_honest_client_pads_its_hello() -> None:
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    (datagram,) = sent(machine.handle(SayHello(b"{}"), 0))
    assert len(datagram) >= len(encode(Packet(b"c" * 22)))
    assert decode_all(datagram)[0].payload.rstrip() == b"{}"
    (datagram,) = sent(machine.handle(SayHello(encode_json(Hello())), 0))
    assert types(sent(arrive(new_server(), ANN, datagram))) == ["cookie"]


def of(packet_type: PacketType, payload: bytes = b"", **fields: int) -> bytes:
    return encode(Packet(payload, HELLO_ID, type=packet_type, **fields))


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (of(PacketType.HELLO, b'{"type":"hello"}'), "small_hello"),
        (of(PacketType.HELLO, b'{"type":"hello"}'.ljust(21)), "small_hello"),
        (of(PacketType.HELLO, encode_json(Stats(1)).ljust(40)), "malformed_hello"),
        (of(PacketType.HELLO, b"[" * 1000), "malformed_hello"),
        (of(PacketType.HELLO, b'{"type":"hello","resume":' + b"[" * 60_000), "malformed_hello"),
        (of(PacketType.HELLO, b'{"type":"hello","name":"\xff"}'), "malformed_hello"),
        (of(PacketType.HELLO, b"{}", index=0, count=2), "no_session"),
        (of(PacketType.DATA, b"hi"), "no_session"),
        (PING, "no_session"),
        (BYE, "no_session"),
        (b"", "malformed_header"),
        (b"x" * 20, "malformed_magic"),
        (hello()[:-1], "malformed_payload_length"),
        (hello()[:-1] + b"!", "malformed_crc"),
    ],
)
def test_what_a_stranger_sends_is_dropped_for_a_reason(datagram: bytes, reason: str) -> None:
    machine = new_server()
    assert arrive(machine, ANN, datagram) == [Dropped(reason)]
    assert machine.deadline is None


def test_the_smallest_hello_that_is_answered() -> None:
    datagram = of(PacketType.HELLO, b'{"type":"hello"}'.ljust(22))
    assert [len(answer) for answer in sent(arrive(new_server(), ANN, datagram))] == [len(datagram)]


@pytest.mark.parametrize(
    ("after", "good"), [(0, True), (30 * S, True), (60 * S, False), (3600 * S, False)], ids=["0s", "30s", "60s", "1h"]
)
@pytest.mark.parametrize("baked_at", [0, 17 * S, 30 * S - 1])
def test_a_cookie_is_good_for_30_to_60_s(baked_at: Ns, after: Ns, good: bool) -> None:
    machine = new_server()
    cookie = a_cookie(machine, ANN, now=baked_at)
    outputs = arrive(machine, ANN, hello(cookie), baked_at + after)
    assert (reasons(outputs) == []) is good
    assert (reasons(outputs) == ["bad_cookie"]) is not good


@pytest.mark.parametrize(
    ("address", "hello_id"), [(BOB, HELLO_ID), (("192.0.2.1", 5001), HELLO_ID), (ANN, HELLO_ID + 1)]
)
def test_a_cookie_is_one_addresss_and_one_hellos(address: Hashable, hello_id: int) -> None:
    machine = new_server()
    cookie = a_cookie(machine, ANN)
    outputs = arrive(machine, address, hello(cookie, hello_id=hello_id))
    assert reasons(outputs) == ["bad_cookie"]
    assert types(sent(outputs)) == ["cookie"], "it gets the one that is good there"
    assert machine.deadline is None


def test_a_hello_that_comes_again_gets_the_same_session() -> None:
    machine = new_server()
    cookie = a_cookie(machine, ANN)
    first = arrive(machine, ANN, hello(cookie))
    again = arrive(machine, ANN, hello(cookie), now=61 * S)  # also after the cookie has run out
    assert sent(first) == sent(again)
    assert [type(output) for output in again] == [server.Transmit, server.Deliver]


def test_a_full_server_says_so() -> None:
    machine = new_server(max_flows=2)
    for hello_id in (1, 2):
        open_flow(machine, ANN, hello_id)
    cookie = a_cookie(machine, BOB)
    outputs = arrive(machine, BOB, hello(cookie))
    assert reasons(outputs) == ["server_full"]
    (answer,) = sent(outputs)
    (packet,) = decode_all(answer)
    assert (packet.type, packet.message_id) == (PacketType.ERROR, HELLO_ID)
    assert msgspec.json.decode(packet.payload)["code"] == "server_full"
    assert len(answer) <= 3 * len(hello(cookie))
    ann = DatagramClient(hello_id=HELLO_ID, message_id=1)
    assert ann.handle(client.DatagramArrived(answer), 0) == [Deliver(packet.payload)]


STRANGE = st.builds(
    lambda packets, token: with_session(b"".join(packets), token) if token else b"".join(packets),
    st.lists(
        st.builds(
            lambda t, payload, i, spaces, n: encode(Packet(payload + b" " * spaces, i, min(i, n - 1), n, t)),
            st.sampled_from(PacketType),
            st.sampled_from([b"", b"hi", b'{"type":"hello"}', b'{"type":"hello","cookie":"x"}', b'{"type":"bye"}']),
            st.integers(0, 3),
            st.sampled_from([0, 5, 50, 600]),
            st.sampled_from([1, 1, 2, 300]),
        ),
        min_size=1,
        max_size=3,
    ),
    st.none() | st.just(TOKEN),
)


@given(st.lists(STRANGE, max_size=30))
def test_a_stranger_is_never_sent_more_than_it_sent(datagrams: list[bytes]) -> None:
    machine = new_server()
    for datagram in datagrams:
        assert sum(map(len, sent(arrive(machine, ANN, datagram)))) <= len(datagram)
    assert machine.deadline is None


# Sessions


def test_an_unknown_session_is_told_where_the_answer_is_smaller_than_its_cause() -> None:
    machine = new_server()
    small, large = (with_session(encode(Packet(b"x" * n, 7)), TOKEN) for n in (10, 100))
    assert arrive(machine, ANN, small) == [Dropped("unknown_session")]
    outputs = arrive(machine, ANN, large)
    assert reasons(outputs) == ["unknown_session"]
    (answer,) = sent(outputs)
    assert len(answer) < len(large)
    assert decode_all(answer) == [
        Packet(encode_json(Goodbye("unknown_session")), 7, type=PacketType.ERROR, session=TOKEN)
    ]
    exact = with_session(encode(Packet(b"x" * (len(answer) - 28), 7)), TOKEN)
    assert len(exact) == len(answer)
    assert sent(arrive(machine, ANN, exact)) == []


def test_who_only_listens_learns_of_a_new_server_from_its_next_ping() -> None:
    first, second = new_server(seed=1), new_server(seed=2)
    listener = DatagramClient(hello_id=HELLO_ID, message_id=1)
    cookie = a_cookie(first, ANN)
    answers = sent(arrive(first, ANN, hello(cookie))) + sent(first.handle(server.Say(1, data(WELCOME)), 0))
    for answer in answers:
        listener.handle(client.DatagramArrived(answer), 0)
    assert listener.deadline is not None
    (ping,) = sent(listener.handle(TimerFired(), listener.deadline))
    (told,) = sent(arrive(second, ANN, ping))
    assert listener.handle(client.DatagramArrived(told), 16 * S) == [Deliver(encode_json(Goodbye("unknown_session")))]


def test_an_error_is_never_answered_with_an_error() -> None:
    machine = new_server()
    error = with_session(encode(Packet(b"x" * 200, 7, type=PacketType.ERROR)), TOKEN)
    assert arrive(machine, ANN, error) == [Dropped("unknown_session")]


def test_at_most_ten_resets_a_second() -> None:
    machine = new_server()
    datagram = with_session(encode(Packet(b"x" * 100, 7)), TOKEN)
    assert len(sent(o for n in range(1000) for o in arrive(machine, (n,), datagram))) == 10
    outputs = [o for n in range(1, 10_001) for o in arrive(machine, (n,), datagram, now=n * MS)]
    assert 99 <= len(sent(outputs)) <= 100
    assert len(reasons(outputs)) == 10_000  # each is counted all the same


def test_a_token_is_good_from_its_own_address_only() -> None:
    machine = new_server()
    ann, bob = open_flow(machine, ANN), open_flow(machine, BOB)
    assert ann != bob
    (datagram,) = data(b"hi")
    assert arrive(machine, ANN, with_session(datagram, ann)) == [server.Deliver(1, b"hi")]
    assert arrive(machine, BOB, with_session(datagram, ann)) == [Dropped("unknown_session")]
    assert arrive(machine, BOB, with_session(BYE, ann)) == [Dropped("unknown_session")]
    assert arrive(machine, ANN, with_session(datagram, ann)) == [server.Deliver(1, b"hi")]  # it lives


def test_the_first_packets_token_speaks_for_its_datagram() -> None:
    machine = new_server()
    token = open_flow(machine)
    datagram = with_session(data(b"one")[0] + data(b"two")[0] + PING, token)
    assert arrive(machine, ANN, datagram) == [
        server.Deliver(1, b"one"),
        server.Deliver(1, b"two"),
        server.Transmit(ANN, with_session(PONG, token)),
    ]
    assert machine.packets_in == 2 + 3  # with the hellos


def test_types_that_nobody_sends_within_a_session() -> None:
    machine = new_server()
    token = open_flow(machine)
    for packet_type in (PacketType.HELLO, PacketType.COOKIE, PacketType.ERROR):
        assert reasons(arrive(machine, ANN, with_session(of(packet_type), token))) == ["unexpected_type"]
    for packet_type in (PacketType.PONG, PacketType.ACK):
        assert arrive(machine, ANN, with_session(of(packet_type), token)) == []


def test_what_follows_a_goodbye_in_its_datagram_is_dropped() -> None:
    machine = new_server()
    token = open_flow(machine)
    fragment = encode(Packet(b"x" * 600, 9, 0, 2))
    outputs = arrive(machine, ANN, with_session(BYE + data(b"late")[0] + fragment + PING + BYE, token))
    assert outputs == [FlowEnded(1, said=True)] + [Dropped("after_bye")] * 4
    assert machine.deadline is None
    assert reasons(arrive(machine, ANN, with_session(data(b"later")[0], token))) == ["unknown_session"]


def test_hanging_up_tells_the_client_and_forgets_it() -> None:
    machine = new_server()
    token = open_flow(machine)
    arrive(machine, ANN, with_session(data(b"x" * 2000)[0], token))
    (answer,) = sent(machine.handle(Hangup(1, Goodbye("name_taken")), 0))
    assert decode_all(answer) == [
        Packet(encode_json(Goodbye("name_taken")), HELLO_ID, type=PacketType.ERROR, session=token)
    ]
    assert machine.deadline is None
    assert machine.handle(Hangup(1, Goodbye("name_taken")), 0) == []
    assert machine.handle(server.Say(1, data(b"hi")), 0) == []
    assert open_flow(machine) != token  # the same hello makes another session


def test_hanging_up_drops_what_waits() -> None:
    machine = new_server()
    open_flow(machine)
    machine.handle(server.Say(1, data(bytes(100_000))), 0)
    assert machine.deadline == 5 * MS
    machine.handle(Hangup(1, Goodbye("slow_consumer")), 0)
    assert machine.deadline is None
    assert machine.handle(TimerFired(), 5 * MS) == []


# Pacing and size


@given(st.lists(st.sampled_from([20, 25, 30, 99, 100]), max_size=30))
def test_pack_fills_datagrams_to_the_last_byte_in_order(sizes: list[int]) -> None:
    packets = [bytes([n]) * size for n, size in enumerate(sizes)]
    datagrams = pack(packets, room=100)
    assert b"".join(datagrams) == b"".join(packets)
    assert all(0 < len(datagram) <= 100 for datagram in datagrams)
    firsts = [next(packet for packet in packets if datagram.startswith(packet)) for datagram in datagrams]
    assert all(len(before) + len(first) > 100 for before, first in zip(datagrams, firsts[1:], strict=False))


def test_at_most_32_datagrams_in_a_burst_each_way() -> None:
    machine = new_server()
    open_flow(machine)
    message = bytes(200 * 1000)
    bursts = [(0, sent(machine.handle(server.Say(1, data(message)), 0)))]
    while (at := machine.deadline) is not None and at < 1 * S:
        bursts.append((at, sent(machine.handle(TimerFired(), at))))
    assert {len(burst) for _, burst in bursts[:-1]} == {32}
    assert all(later - earlier == 5 * MS for (earlier, _), (later, _) in pairwise(bursts))
    ann = a_client()
    for _, burst in bursts:
        for datagram in burst:
            payloads = [packet.payload for packet in decode_all(datagram)]
            assert all(payloads)
            assert len(datagram) <= DATAGRAM_PAYLOAD
    going = sent(ann.handle(client.Say([message]), 0))
    while (at := ann.deadline) is not None and at < 1 * S:
        now = sent(ann.handle(TimerFired(), at))
        assert len(now) <= 32
        going += now
    assert len(going) == sum(len(burst) for _, burst in bursts)


def test_what_waits_is_bounded_and_what_is_dropped_is_counted() -> None:
    machine = new_server()
    open_flow(machine)
    outputs = [o for n in range(8) for o in machine.handle(server.Say(1, data(bytes(256 * 1024), n)), 0)]
    assert len(sent(outputs)) == 32
    assert set(reasons(outputs)) == {"send_queue_full"}
    ann = a_client()
    outputs_ = ann.handle(client.Say([bytes(256 * 1024)] * 8), 0)
    assert len(sent(outputs_)) == 32
    assert set(reasons(outputs_)) == {"send_queue_full"}


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12))
def test_messages_share_datagrams_that_are_never_too_large(sizes: list[int]) -> None:
    ann, machine = a_client(), new_server()
    (flow,) = [open_flow(machine)]
    messages = [bytes([n]) * size for n, size in enumerate(sizes)]
    datagrams = sent(ann.handle(client.Say(messages), 0))
    while (at := ann.deadline) is not None and at < 1 * S:
        datagrams += sent(ann.handle(TimerFired(), at))
    assert all(len(datagram) <= DATAGRAM_PAYLOAD for datagram in datagrams)
    for datagram, following in pairwise(datagrams):  # else what begins the second had found room in the first
        assert len(datagram) + len(following) > DATAGRAM_PAYLOAD
    got = [o for d in datagrams for o in arrive(machine, ANN, with_token(d, flow))]
    assert sorted(got, key=str) == sorted((server.Deliver(1, message) for message in messages), key=str)


def with_token(datagram: bytes, token: bytes) -> bytes:
    """The same datagram under another session's token."""
    first, *others = decode_all(datagram)
    return b"".join(map(encode, [msgspec.structs.replace(first, session=token), *others]))


def test_too_large_a_message_is_the_callers_mistake() -> None:
    with pytest.raises(MessageTooBig):
        a_client().handle(client.Say([bytes(WIRE_MESSAGE + 1)]), 0)


# Silence


def test_an_idle_flow_ends_after_30_s() -> None:
    machine = new_server()
    ann, bob = open_flow(machine, ANN, now=0), open_flow(machine, BOB, now=10 * S)
    assert machine.deadline == 30 * S
    arrive(machine, ANN, with_session(PONG, ann), now=20 * S)
    assert machine.deadline == 40 * S
    assert machine.handle(TimerFired(), 40 * S - 1) == []
    assert machine.handle(TimerFired(), 40 * S) == [FlowEnded(2, said=False)]
    assert reasons(arrive(machine, BOB, with_session(PONG, bob), now=40 * S)) == ["unknown_session"]
    assert machine.handle(TimerFired(), 60 * S) == [FlowEnded(1, said=False)]
    assert machine.deadline is None


def test_a_hello_that_comes_again_is_a_sign_of_life() -> None:
    machine = new_server()
    open_flow(machine, ANN, now=0)
    open_flow(machine, BOB, now=10 * S)
    arrive(machine, ANN, hello(), now=20 * S)
    assert machine.deadline == 40 * S
    assert machine.handle(TimerFired(), 40 * S) == [FlowEnded(2, said=False)]
    assert machine.deadline == 50 * S


def test_both_ends_stay_while_the_client_pings() -> None:
    wire = Wire()
    wire.connect(ANN)
    wire.run(100 * S)
    assert wire.ended == []
    assert wire.ladder.count("ping ->") == wire.ladder.count("<- pong") == 6


def test_a_cut_is_noticed_at_both_ends() -> None:
    wire = Wire()
    wire.connect(ANN)
    wire.run(10 * S)
    wire.loss = 1
    wire.run(50 * S)
    assert [type(end) for end in wire.ended] == [FlowEnded, Failed]
    assert (wire.server.deadline, wire.clients[ANN].deadline) == (None, None)


# The client


def a_client(now: Ns = 0) -> DatagramClient:
    """One whose hello was acknowledged and welcomed."""
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    assert machine.deadline is None
    machine.handle(client.DatagramArrived(encode(Packet(b"", HELLO_ID, type=PacketType.ACK, session=TOKEN))), now)
    welcome = with_session(encode(Packet(WELCOME, 5)), TOKEN)
    assert machine.handle(client.DatagramArrived(welcome), now) == [Deliver(WELCOME)]
    return machine


def hear(machine: DatagramClient, datagram: bytes, now: Ns = 0) -> list[client.Output]:
    return machine.handle(client.DatagramArrived(datagram), now)


def test_the_clients_time() -> None:
    #    t/s  input        outputs                                 deadline/s
    script: list[tuple[float, bytes | None, list[str], float | None]] = [
        (14.9, None, [], 15),
        (15.0, None, ["ping"], 16),  # again every second until its pong comes
        (15.9, None, [], 16),
        (16.0, None, ["ping"], 17),
        (16.0, PONG, [], 31),
        (31.0, None, ["ping"], 32),
        (45.9, None, ["ping"], 46),
        (46.0, None, ["dead_peer"], None),
        (47.0, PONG, [], None),
    ]
    machine = a_client()
    assert machine.deadline == 15 * S
    for at, heard, expected, deadline in script:
        now = round(at * S)
        outputs = machine.handle(TimerFired(), now) if heard is None else hear(machine, with_session(heard, TOKEN), now)
        said = types(sent(outputs)) + [output.code for output in outputs if isinstance(output, Failed)]
        assert (said, machine.deadline) == (expected, None if deadline is None else deadline * S), at


def test_only_who_saw_the_hello_can_answer_it() -> None:
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    for packet_type in (PacketType.COOKIE, PacketType.ACK, PacketType.ERROR):
        guess = encode(Packet(b"c" * 22, HELLO_ID + 1, type=packet_type, session=TOKEN))
        assert hear(machine, guess) == [Dropped("unknown_session")]
    assert hear(machine, encode(Packet(b"c" * 22, HELLO_ID, type=PacketType.COOKIE))) == [CookieArrived("c" * 22)]


@pytest.mark.parametrize("payload", [b"", b"\xff" * 22, "é".encode() * 11, b"c" * 256, b"\xff" * 60_000])
def test_a_cookie_that_would_not_go_back_is_dropped(payload: bytes) -> None:
    """It goes into the next hello: one of 60,000 bytes that are not ASCII would not even fit a packet."""
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    assert hear(machine, encode(Packet(payload, HELLO_ID, type=PacketType.COOKIE))) == [Dropped("malformed_cookie")]


def test_an_ack_without_a_token_does_not_take_the_session_away() -> None:
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    ack = encode(Packet(b"", HELLO_ID, type=PacketType.ACK, session=TOKEN))
    assert hear(machine, ack + encode(Packet(WELCOME, 5))) == [Deliver(WELCOME)]
    assert hear(machine, encode(Packet(b"", HELLO_ID, type=PacketType.ACK))) == [Dropped("unknown_session")]
    assert types(sent(machine.handle(client.Say([b"hi"]), 0))) == ["data"]


def test_until_the_hub_speaks_the_latest_token_counts() -> None:
    """A hello that was refused, and said again, gets another session; once welcome, nobody changes it."""
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    acks = [encode(Packet(b"", HELLO_ID, type=PacketType.ACK, session=bytes([n]) * 8)) for n in range(3)]
    hear(machine, acks[0])
    hear(machine, acks[1])
    assert hear(machine, with_session(encode(Packet(b"old", 5)), bytes(8))) == [Dropped("unknown_session")]
    assert hear(machine, with_session(encode(Packet(WELCOME, 5)), b"\x01" * 8)) == [Deliver(WELCOME)]
    assert hear(machine, acks[2]) == [Dropped("unknown_session")]
    (datagram,) = sent(machine.handle(client.Say([b"hi"]), 0))
    assert decode_all(datagram)[0].session == b"\x01" * 8


def test_a_cookie_after_the_session_stands_changes_nothing() -> None:
    machine = a_client()
    late = encode(Packet(b"c" * 22, HELLO_ID, type=PacketType.COOKIE))
    assert hear(machine, late) == [Dropped("unknown_session")]


def test_the_servers_goodbye_ends_it_and_what_follows_is_dropped() -> None:
    machine = a_client()
    datagram = with_session(data(b"last")[0] + BYE + data(b"late")[0], TOKEN)
    assert hear(machine, datagram) == [Deliver(b"last"), PeerLeft(), Dropped("after_bye")]
    assert hear(machine, with_session(data(b"later")[0], TOKEN)) == []
    assert machine.handle(TimerFired(), 30 * S) == []
    assert machine.deadline is None


def test_the_client_gives_up_what_does_not_come_in_time() -> None:
    machine = a_client()
    first, second = data(b"x" * 2000)
    assert hear(machine, with_session(first, TOKEN), now=1 * S) == []
    assert machine.deadline == 6 * S
    assert machine.handle(TimerFired(), 6 * S) == [Dropped("reassembly_timeout")]
    assert hear(machine, with_session(second, TOKEN), now=6 * S) == [Dropped("late_fragment")]


def test_leaving_before_there_is_a_session_says_nothing() -> None:
    machine = DatagramClient(hello_id=HELLO_ID, message_id=1)
    assert machine.handle(SayBye(), 0) == []
    assert machine.handle(SayHello(b"{}"), 0) == []


def test_message_ids_count_on_and_wrap() -> None:
    machine = DatagramClient(hello_id=HELLO_ID, message_id=2**32 - 2)
    hear(machine, encode(Packet(b"", HELLO_ID, type=PacketType.ACK, session=TOKEN)))
    (datagram,) = sent(machine.handle(client.Say([b"a", b"b", b"c"]), 0))
    assert [packet.message_id for packet in decode_all(datagram)] == [2**32 - 1, 0, 1]


# Damage


def damage(datagram: bytes, dice: random.Random) -> bytes:
    """Random bytes, a beginning, one or a few flipped bits, or a trailer."""
    match dice.randrange(4):
        case 0:
            return dice.randbytes(dice.randrange(60))
        case 1:
            return datagram[: dice.randrange(len(datagram))]
        case 2:
            flipped = bytearray(datagram)
            for _ in range(dice.randint(1, 3)):
                flipped[dice.randrange(len(flipped))] ^= 1 << dice.randrange(8)
            return bytes(flipped) if flipped != datagram else b""
        case _:
            return datagram + dice.randbytes(dice.randint(1, 8))


def test_damaged_datagrams_are_dropped_and_change_nothing() -> None:
    dice = random.Random(7)
    machine, ann = new_server(), a_client()
    token = open_flow(machine)
    samples = [
        hello(),
        hello("A" * 22),
        *(with_session(d, token) for d in (*data(b"hi"), *data(b"x" * 2000), PING, BYE)),
    ]
    sound = [with_session(d, TOKEN) for d in (*data(b"hi"), *data(b"x" * 2000), PING, BYE)]
    for n in range(1000):
        outputs = arrive(machine, ANN, damage(dice.choice(samples), dice), now=n)
        assert [reason.startswith("malformed_") for reason in reasons(outputs)] == [True] == [True] * len(outputs)
        heard = hear(ann, damage(dice.choice(sound), dice), now=n)
        assert [reason.startswith("malformed_") for reason in reasons(heard)] == [True] == [True] * len(heard)
    assert machine.deadline == 30 * S
    assert ann.deadline == 15 * S


@given(st.lists(st.tuples(STRANGE, st.binary(max_size=40), st.integers(0, 20 * S)), max_size=20))
def test_packets_that_make_no_sense_raise_nothing(strange: list[tuple[bytes, bytes, Ns]]) -> None:
    """From a stranger, within the session, and what are no packets at all; and no timer that is due stays due."""
    machine, ann = new_server(), a_client()
    token = open_flow(machine)
    now = 0
    for datagram, noise, pause in strange:
        now += pause
        for arriving in (datagram, with_token(datagram, token), noise):
            arrive(machine, ANN, arriving, now)
        for arriving in (datagram, with_token(datagram, TOKEN), noise):
            hear(ann, arriving, now)
        machine.handle(TimerFired(), now)
        ann.handle(TimerFired(), now)
        assert all(at is None or at > now for at in (machine.deadline, ann.deadline))


def test_a_server_may_set_its_own_limits() -> None:
    machine = DatagramServer(
        entropy=random.Random(1).randbytes, new_conn=count(1).__next__, max_flows=9, dead_after=60 * S, resets=1
    )
    open_flow(machine, ANN, 1)
    assert machine.deadline == 60 * S
    assert machine.handle(TimerFired(), 30 * S) == []
    assert machine.handle(TimerFired(), 60 * S) == [FlowEnded(1, said=False)]
    ping = encode(Packet(client.PING_PAYLOAD, type=PacketType.PING, session=TOKEN))
    told = [len(sent(arrive(machine, ANN, ping, now=70 * S))) for _ in range(3)]
    assert told == [1, 0, 0]
