"""A host's TCP: ports, addresses, listeners, and what comes for nobody."""

from __future__ import annotations

from ipaddress import IPv4Address

import msgspec
import pytest

from netlab.network import parse_link
from netlab.network.ip_packet import LOOPBACK, IpPacket
from netlab.network.seeds import seeded_simulation
from netlab.network.simulator import Passage
from netlab.network.tcp_stack import CannotConnect, PortTaken, TcpSocket
from netlab.packets.tcp import TcpFlags, TcpSegment
from netlab.protocols.tcp import Closed, Failed, State
from netlab.units import S


class User:
    def __init__(self, socket: TcpSocket | None = None) -> None:
        self.told: list[str] = []
        self.data = b""

    def established(self) -> None:
        self.told.append("established")

    def received(self, data: bytes) -> None:
        self.data += data

    def peer_closed(self) -> None:
        self.told.append("peer closed")

    def writable(self) -> None:
        self.told.append("writable")

    def over(self, how: Closed | Failed) -> None:
        self.told.append(how.code if isinstance(how, Failed) else "closed")


class Pair:
    def __init__(self) -> None:
        self.simulation = seeded_simulation(1)
        self.ann, self.bob = self.simulation.host("ann"), self.simulation.host("bob")
        self.there, self.back = self.simulation.connect(self.ann, self.bob, parse_link("delay=10ms"))
        self.passed: list[tuple[str, IpPacket]] = []
        for direction in ("ann>bob", "bob>ann"):
            self.simulation.watch(direction, self._saw)

    def _saw(self, passage: Passage) -> None:
        assert isinstance(passage.packet, IpPacket)
        self.passed.append((passage.direction, passage.packet))

    def send(self, segment: TcpSegment, source: int | None = None, destination: int | None = None) -> None:
        """A segment of nobody's from ann to bob."""
        packet = IpPacket(source or self.ann.address, destination or self.bob.address, segment, 40)
        self.bob.tcp.arrived(packet.source, packet.destination, segment)


def test_many_connections_to_a_port_that_goes_on_listening() -> None:
    """MUST-41, MUST-42."""
    pair, accepted = Pair(), list[User]()

    def accept(socket: TcpSocket) -> User:
        accepted.append(User())
        return accepted[-1]

    pair.bob.tcp.listen(80, accept)
    clients = [pair.ann.tcp.connect(pair.bob.address, 80, User()) for _ in range(20)]
    pair.simulation.run(until=S)
    assert len(accepted) == 20
    assert {socket.connection.state for socket in clients} == {State.ESTABLISHED}
    assert len({socket.local for socket in clients}) == 20
    with pytest.raises(PortTaken):
        pair.bob.tcp.listen(80, accept)
    assert {connection.state for connection in pair.bob.tcp.connections} == {State.ESTABLISHED}


def test_a_listener_may_take_one_address_alone() -> None:
    """MUST-43."""
    pair, user = Pair(), User()
    pair.bob.tcp.listen(80, lambda socket: User(), address=LOOPBACK)
    pair.ann.tcp.connect(pair.bob.address, 80, user)
    pair.simulation.run(until=S)
    assert user.told == ["refused"]
    own = User()
    pair.bob.tcp.connect(LOOPBACK, 80, own)
    pair.simulation.run(until=2 * S)
    assert own.told == ["established"]


def test_the_address_of_a_connection_is_chosen_by_where_it_goes_and_stays() -> None:
    """MUST-44, MUST-45."""
    pair = Pair()
    pair.bob.tcp.listen(80, lambda socket: User())
    socket = pair.ann.tcp.connect(pair.bob.address, 80, User())
    pair.simulation.run(until=S)
    socket.send(b"x" * 5000)
    pair.simulation.run(until=2 * S)
    assert {packet.source for direction, packet in pair.passed if direction == "ann>bob"} == {pair.ann.address}
    assert socket.local[0] == pair.ann.address


@pytest.mark.parametrize("address", ["224.0.0.1", "255.255.255.255", "0.0.0.0"])
def test_nobody_connects_to_an_address_that_is_not_one_hosts(address: str) -> None:
    """MUST-46."""
    with pytest.raises(CannotConnect):
        Pair().ann.tcp.connect(int(IPv4Address(address)), 80, User())


@pytest.mark.parametrize("field", ["source", "destination"])
@pytest.mark.parametrize("address", ["224.0.0.1", "255.255.255.255"])
def test_a_syn_from_or_to_such_an_address_is_ignored(field: str, address: str) -> None:
    """MUST-57, MUST-63."""
    pair = Pair()
    pair.bob.tcp.listen(80, lambda socket: User())
    pair.send(TcpSegment(1, 80, 5, 0, TcpFlags.SYN), **{field: int(IPv4Address(address))})
    pair.simulation.run()
    assert pair.passed == []
    assert pair.bob.tcp.connections == []
    assert pair.bob.tcp.dropped["not_unicast"] == 1


def test_what_comes_for_nobody_is_reset_but_no_reset_is() -> None:
    """RFC 9293 §3.10.7.1."""
    pair = Pair()
    pair.send(TcpSegment(1, 80, 5, 0, TcpFlags.SYN, payload=b"abc"))
    pair.send(TcpSegment(1, 80, 5, 77, TcpFlags.ACK))
    pair.send(TcpSegment(1, 80, 5, 0, TcpFlags.RST))
    pair.simulation.run()
    bodies = [packet.body for _, packet in pair.passed]
    assert bodies == [
        TcpSegment(80, 1, 0, 9, TcpFlags.RST | TcpFlags.ACK),
        TcpSegment(80, 1, 77, 0, TcpFlags.RST),
    ]


def test_from_time_wait_a_new_connection_has_higher_numbers() -> None:
    """MAY-2: the same two ports, 200 ms later."""
    pair, accepted = Pair(), list[TcpSocket]()

    def accept(socket: TcpSocket) -> User:
        accepted.append(socket)
        return User()

    pair.bob.tcp.listen(80, accept)
    first = pair.ann.tcp.connect(pair.bob.address, 80, User(), local_port=5000)
    pair.simulation.run(until=S)
    accepted[0].send(bytes(10_000_000 // 100))
    accepted[0].close()
    pair.simulation.run(until=2 * S)
    first.close()
    pair.simulation.run(until=3 * S)
    assert first.connection.over == Closed()
    assert accepted[0].connection.state is State.TIME_WAIT
    old = accepted[0].connection.tcb.sender.snd_nxt
    second = pair.ann.tcp.connect(pair.bob.address, 80, User(), local_port=5000)
    pair.simulation.run(until=4 * S)
    assert second.connection.state is State.ESTABLISHED
    assert (accepted[1].connection.tcb.sender.iss - old) % 2**32 < 2**31
    with pytest.raises(CannotConnect, match="already"):
        pair.ann.tcp.connect(pair.bob.address, 80, User(), local_port=5000)


def test_mss_follows_from_what_the_host_can_take() -> None:
    """MUST-67: it is set by who knows the link, and both ends keep to the smaller one."""
    pair = Pair()
    pair.ann.tcp.config = msgspec.structs.replace(pair.ann.tcp.config, mss=600 - 40)
    pair.bob.tcp.listen(80, lambda socket: User())
    socket = pair.ann.tcp.connect(pair.bob.address, 80, User())
    pair.simulation.run(until=S)
    socket.send(bytes(10_000))
    pair.simulation.run(until=3 * S)
    assert max(packet.size for _, packet in pair.passed) == 600
