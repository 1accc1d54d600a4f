"""Hosts and links on the virtual clock: when things arrive, what taps see, and what damaged packets come to."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from netlab.network.hosts import CannotBind, Host, UdpPort
from netlab.network.ip_packet import EPHEMERAL, LOOPBACK
from netlab.network.link_config import LinkConfig
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_simulation
from netlab.network.simulator import BadNetwork, Passage, Simulation
from netlab.packets import pcapng
from netlab.units import MS, Ns, S


class Inbox:
    """A port and what has come to it: (ms, payload, source address, source port)."""

    def __init__(self, host: Host, port: int = 0, address: int | None = None) -> None:
        self.came: list[tuple[float, bytes, str, int]] = []
        self._simulation = host._simulation
        self.port: UdpPort = host.bind(port, self._receive, address=address)

    def _receive(self, payload: bytes, source: int, source_port: int) -> None:
        self.came.append((self._simulation.now / MS, payload, str(IPv4Address(source)), source_port))


class Frames:
    """A tap."""

    def __init__(self) -> None:
        self.frames: list[tuple[str, Ns, bytes, str | None, bool | None]] = []

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        self.frames.append((point, at, frame, comment, outbound))


def line(*names: str, options: str = "delay=10ms", seed: int = 1) -> tuple[Simulation, list[Host]]:
    """Hosts in a row, each joined to the next."""
    simulation = seeded_simulation(seed)
    hosts = [simulation.host(name) for name in names]
    for one, other in itertools.pairwise(hosts):
        simulation.connect(one, other, parse_link(options))
    return simulation, hosts


def test_a_datagram_takes_as_long_as_its_links() -> None:
    simulation, (ann, _, _, bob) = line("ann", "r1", "r2", "bob", options="delay=10ms rate=8mbit")
    inbox = Inbox(bob, 7)
    sender = Inbox(ann)
    sender.port.sendto(b"x" * 972, bob.address, 7)  # 1000 B with its headers: 1 ms on each of three links
    simulation.run()
    assert inbox.came == [(33.0, b"x" * 972, "10.0.0.1", sender.port.port)]
    assert simulation.now == 33 * MS
    assert sender.port.port in EPHEMERAL


def test_answers_find_their_way_back() -> None:
    simulation, (ann, _, bob) = line("ann", "r", "bob")
    here, there = Inbox(ann), Inbox(bob, 7)
    here.port.sendto(b"ping", bob.address, 7)
    simulation.run()
    there.port.sendto(b"pong", int(IPv4Address(there.came[0][2])), there.came[0][3])
    simulation.run()
    assert here.came == [(40.0, b"pong", "10.0.0.3", 7)]


def test_a_bottleneck_is_shared() -> None:
    """Two hosts, one slow link behind a router: what they offer together is more than it takes."""
    simulation = seeded_simulation(1)
    ann, bob, router, server = (simulation.host(name) for name in ("ann", "bob", "router", "server"))
    for host in (ann, bob):
        simulation.connect(host, router, LinkConfig())
    channel, _ = simulation.connect(router, server, parse_link("rate=8mbit queue=10packets"))
    inbox = Inbox(server, 7)
    ports = [Inbox(host).port for host in (ann, bob)]
    for number in range(100):
        for port in ports:
            simulation.call_at(number * MS, lambda port: port.sendto(b"x" * 972, server.address, 7), port)
    simulation.run()
    account = channel.link.account
    assert account.arrived == 200
    assert account.delivered == len(inbox.came) == 200 - account.dropped["queue_full"]
    assert 100 <= account.delivered <= 111
    assert len({came[2] for came in inbox.came}) == 2


def test_of_two_ways_the_one_with_fewer_links_is_taken() -> None:
    simulation, (ann, _, bob) = line("ann", "r", "bob", options="delay=1ms")
    simulation.connect(ann, bob, parse_link("delay=50ms"))
    inbox = Inbox(bob, 7)
    Inbox(ann).port.sendto(b"", bob.address, 7)
    simulation.run()
    assert [came[0] for came in inbox.came] == [50]


def test_what_happens_at_the_same_time_happens_in_the_order_in_which_it_was_asked_for() -> None:
    simulation, _ = line("ann", "bob")
    order: list[int] = []
    for number in (3, 1, 2):
        simulation.call_at(5, order.append, number)
    simulation.call_at(4, lambda _: simulation.call_at(5, order.append, 4), None)
    simulation.call_at(5, lambda _: simulation.call_at(0, order.append, 5), None)  # the past is now
    simulation.run()
    assert order == [3, 1, 2, 4, 5]


def test_running_for_a_while() -> None:
    simulation, _ = line("ann", "bob")
    order: list[int] = []
    for at in (1, 5, 9):
        simulation.call_at(at, order.append, at)
    simulation.run(until=5)
    assert (order, simulation.now, simulation.deadline) == ([1, 5], 5, 9)
    simulation.run(until=7)
    assert (order, simulation.now) == ([1, 5], 7)
    assert simulation.step()
    assert not simulation.step()
    assert simulation.deadline is None


def test_a_host_talks_to_itself_without_a_link() -> None:
    simulation, (ann, _) = line("ann", "bob")
    inbox, only_here = Inbox(ann, 7), Inbox(ann, 8, LOOPBACK)
    sender = Inbox(ann).port
    sender.sendto(b"a", ann.address, 7)
    sender.sendto(b"b", LOOPBACK, 8)
    sender.sendto(b"c", ann.address, 8)  # bound to 127.0.0.1 only
    simulation.run()
    assert [came[:3] for came in inbox.came] == [(0, b"a", "10.0.0.1")]
    assert [came[:3] for came in only_here.came] == [(0, b"b", "127.0.0.1")]
    assert ann.dropped["no_port"] == 1


def test_ports() -> None:
    simulation, (ann, bob) = line("ann", "bob")
    inbox = Inbox(bob, 7)
    with pytest.raises(CannotBind, match="port 7 of bob is taken"):
        Inbox(bob, 7)
    with pytest.raises(CannotBind, match="not an address of bob"):
        Inbox(bob, 8, ann.address)
    sender = Inbox(ann).port
    sender.sendto(b"1", bob.address, 7)
    simulation.run()
    inbox.port.close()
    sender.sendto(b"2", bob.address, 7)
    sender.sendto(b"3", int(IPv4Address("10.9.9.9")), 7)
    simulation.run()
    assert [came[1] for came in inbox.came] == [b"1"]
    assert bob.dropped["no_port"] == 1
    assert ann.dropped["no_route"] == 1
    Inbox(bob, 7)  # free again
    ports = {Inbox(ann).port.port for _ in range(500)}
    assert len(ports) == 500


def test_time_to_live_ends_a_packet() -> None:
    simulation, hosts = line(*[f"h{n}" for n in range(67)], options="delay=1ms")
    inbox, near = Inbox(hosts[66], 7), Inbox(hosts[64], 7)
    sender = Inbox(hosts[0]).port
    sender.sendto(b"", hosts[66].address, 7)
    sender.sendto(b"", hosts[64].address, 7)
    simulation.run()
    assert inbox.came == []
    assert len(near.came) == 1
    assert hosts[64].dropped["time_exceeded"] == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda s, ann, bob: s.host("ann"),
        lambda s, ann, bob: s.host("a>b"),
        lambda s, ann, bob: s.host("cem", "10.0.0.1"),
        lambda s, ann, bob: s.host("cem", "10.0.0"),
        lambda s, ann, bob: s.host("cem", "127.0.0.1"),
        lambda s, ann, bob: s.connect(ann, bob, LinkConfig()),
        lambda s, ann, bob: s.connect(ann, ann, LinkConfig()),
        lambda s, ann, bob: s.tap("bob>cem", Frames()),
    ],
)
def test_networks_that_cannot_be(make) -> None:  # type: ignore[no-untyped-def]
    simulation, (ann, bob) = line("ann", "bob")
    with pytest.raises(BadNetwork):
        make(simulation, ann, bob)


# Taps


def test_taps_see_frames_at_their_exact_times() -> None:
    simulation, (ann, _, bob) = line("ann", "r", "bob", options="delay=10ms rate=7mbit drop=2")
    tap = Frames()
    for point in ("ann", "ann>r", "r", "r>bob", "bob"):
        simulation.tap(point, tap)
    Inbox(bob, 7)
    sender = Inbox(ann).port
    for payload in (b"one", b"two"):
        sender.sendto(payload, bob.address, 7)
    simulation.run()
    took = -(-31 * 8 * S // 7_000_000)  # 31 B at 7 Mbit/s, rounded up
    assert [(point, at, comment, outbound) for point, at, _, comment, outbound in tap.frames] == [
        ("ann", 0, None, True),
        ("ann", 0, None, True),
        ("ann>r", 0, "dropped: lost on the way (loss)", None),
        ("ann>r", 10 * MS + took, None, None),
        ("r", 10 * MS + took, None, False),
        ("r", 10 * MS + took, None, True),
        ("r>bob", 20 * MS + 2 * took, None, None),
        ("bob", 20 * MS + 2 * took, None, False),
    ]
    first = Ether(tap.frames[0][2])
    assert (first[IP].src, first[IP].dst, first[IP].ttl, first[UDP].dport) == ("10.0.0.1", "10.0.0.3", 64, 7)
    assert bytes(first[UDP].payload) == b"one"
    last = Ether(tap.frames[-1][2])
    assert (last[IP].ttl, last.src, last.dst) == (63, "02:00:00:00:00:02", "02:00:00:00:00:03")
    for _, _, frame, _, _ in tap.frames:  # scapy computes the same checksums
        packet = Ether(frame)
        rebuilt = packet.copy()
        del rebuilt[IP].chksum, rebuilt[UDP].chksum
        assert bytes(rebuilt) == frame


def test_nothing_is_encoded_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation, (ann, bob) = line("ann", "bob")
    monkeypatch.setattr("netlab.network.ip_packet.encode", None)
    inbox = Inbox(bob, 7)
    Inbox(ann).port.sendto(b"x", bob.address, 7)
    simulation.run()
    assert len(inbox.came) == 1


def chatter(seed: int) -> bytes:
    simulation, (ann, _, bob) = line("ann", "r", "bob", options="delay=5ms jitter=4ms loss=10% corrupt=10%", seed=seed)
    recording = Recording(comment=f"seed {seed}", epoch=S)
    for point in ("ann", "ann>r", "bob"):
        simulation.tap(point, recording)
    Inbox(bob, 7)
    sender = Inbox(ann).port
    for number in range(200):
        simulation.call_at(number * MS, lambda n: sender.sendto(bytes([n]) * 100, bob.address, 7), number)
    simulation.run()
    return recording.pcapng()


def test_a_recording_is_a_pcapng_file_and_repeats_from_its_seed() -> None:
    assert chatter(3) == chatter(3) != chatter(4)
    records = list(pcapng.read_records(chatter(3)))
    assert {record.interface.name for record in records} == {"ann", "ann>r", "bob"}
    assert records[0].time_ns == S
    comments = [record.comment for record in records if record.comment]
    assert any(comment.startswith("dropped: lost on the way") for comment in comments)
    assert any(comment.startswith("damaged: byte") for comment in comments)


def test_a_watcher_is_told_what_became_of_each_packet_by_the_number_that_a_fate_names() -> None:
    options = "delay=10ms drop=2 duplicate=100% corrupt=100%"
    simulation, (ann, bob) = line("ann", "bob", options=options)
    Inbox(bob, 7)
    sender = Inbox(ann).port
    sender.sendto(b"before anybody looks", bob.address, 7)
    passages: list[Passage] = []
    simulation.run(until=MS)
    simulation.watch("ann>bob", passages.append)
    for text in (b"lost", b"damaged"):
        sender.sendto(text, bob.address, 7)
    simulation.run()
    assert [(p.number, p.came, p.left, p.reason, p.corruption is not None) for p in passages] == [
        (2, MS, MS, "loss", False),
        (3, MS, 11 * MS, None, True),
        (3, MS, 11 * MS, None, True),
    ]
    assert passages[1].packet.body.payload == b"damaged"  # type: ignore[union-attr]  # as it came
    with pytest.raises(BadNetwork, match="ann>bob, bob>ann"):
        simulation.watch("ann", passages.append)


# Damage


def damaged(options: str, packets: int = 2000) -> tuple[list[bytes], Host, Host]:
    simulation, (ann, router, bob) = line("ann", "r", "bob", options=options)
    inbox = Inbox(bob, 7)
    sender = Inbox(ann).port
    for _ in range(packets):
        sender.sendto(b"the payload", bob.address, 7)
    simulation.run()
    return [came[1] for came in inbox.came], router, bob


@pytest.mark.parametrize("unit", ["bit", "byte"])
def test_damage_is_noticed_by_the_checksum_that_covers_it(unit: str) -> None:
    payloads, router, bob = damaged(f"corrupt=50% corrupt_unit={unit}")
    assert set(payloads) == {b"the payload"}
    assert router.dropped["bad_header_checksum"] > 100  # the IPv4 header, at the next hop
    assert router.dropped["bad_checksum"] == 0  # what is behind it is no business of a router
    assert bob.dropped["bad_checksum"] > 100
    assert len(payloads) == pytest.approx(500, abs=100)


def test_with_the_checksum_made_to_fit_damage_comes_through() -> None:
    payloads, _, bob = damaged("corrupt=50% corrupt_checksum=fix")
    wrong = [payload for payload in payloads if payload != b"the payload"]
    assert len(wrong) > 200
    assert bob.dropped["no_port"] > 0  # where the damage hit the port
    # What still fails is a UDP length that cannot be.
    header = {"bad_version", "bad_ihl", "bad_total_length", "bad_header_checksum"}
    assert set(bob.dropped) <= {"no_port", "bad_length"} | header


def test_a_link_changes_while_packets_are_under_way() -> None:
    simulation, (ann, bob) = line("ann", "bob", options="delay=30ms")
    inbox = Inbox(bob, 7)
    sender = Inbox(ann).port
    sender.sendto(b"1", bob.address, 7)
    simulation.run(until=10 * MS)
    simulation.channels["ann>bob"].configure(parse_link("delay=5ms"))
    sender.sendto(b"2", bob.address, 7)
    simulation.run()
    assert [(came[0], came[1]) for came in inbox.came] == [(15, b"2"), (30, b"1")]


def test_a_link_without_delay_does_not_call_the_receiver_within_the_senders_turn() -> None:
    """Two who answer each other at once must not grow the stack."""
    simulation, (ann, bob) = line("ann", "bob", options="")
    count = [0]
    ports: dict[str, UdpPort] = {}

    def answer(name: str, other: Host):  # type: ignore[no-untyped-def]
        def receive(payload: bytes, source: int, port: int) -> None:
            count[0] += 1
            if count[0] < 5000:
                ports[name].sendto(payload, other.address, 7)

        return receive

    ports["ann"] = ann.bind(7, answer("ann", bob))
    ports["bob"] = bob.bind(7, answer("bob", ann))
    ports["ann"].sendto(b"", bob.address, 7)
    simulation.run()
    assert count == [5000]
    assert simulation.now == 0
