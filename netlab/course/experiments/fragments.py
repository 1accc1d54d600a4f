"""Notebook 10: how big may a packet be? A datagram cut into IPv4 fragments, and what one lost fragment costs."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address
from math import ceil, sqrt

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_simulation
from netlab.packets import ethernet, ipv4, udp
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Flags, Ipv4Packet
from netlab.packets.udp import UdpDatagram
from netlab.units import MS

PORT = 7000
CLIENT, SERVER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
HARDWARE = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A UDP datagram in fragments.

    Attributes:
        packets: the IPv4 packets, in order.
        capture: as they came.
    """

    payload: int
    mtu: int
    packets: tuple[Ipv4Packet, ...]
    capture: Capture

    def __str__(self) -> str:
        rows = [
            (
                number,
                packet.fragment_offset,
                packet.fragment_offset * 8,
                len(packet.payload),
                "yes" if packet.flags & Ipv4Flags.MORE_FRAGMENTS else "no",
                ipv4.HEADER_LEN + len(packet.payload),
            )
            for number, packet in enumerate(self.packets, 1)
        ]
        return table(["fragment", "offset field", "is byte", "bytes of payload", "more", "packet"], rows)

    __repr__ = __str__


def cut(payload: int, *, mtu: int = 1500, order: Sequence[int] = (), without: Sequence[int] = ()) -> Cut:
    """A UDP datagram of so many bytes of payload, in the fragments that a link of this MTU asks for.

    Args:
        order: in which the fragments come, by their numbers from 1; as they stand, where it is empty.
        without: fragments that never come.
    """
    whole = udp.encode(UdpDatagram(50_000, PORT, bytes(k % 256 for k in range(payload))), CLIENT, SERVER)
    most = (mtu - ipv4.HEADER_LEN) // 8 * 8 if len(whole) > mtu - ipv4.HEADER_LEN else len(whole)
    packets = tuple(
        Ipv4Packet(
            CLIENT,
            SERVER,
            udp.PROTOCOL,
            whole[at : at + most],
            identification=4711,
            flags=Ipv4Flags.MORE_FRAGMENTS if at + most < len(whole) else Ipv4Flags(0),
            fragment_offset=at // 8,
        )
        for at in range(0, len(whole), most)
    )
    tap = Recording(comment=f"a datagram of {payload} B in fragments, MTU {mtu}")
    for k, number in enumerate(order or range(1, len(packets) + 1)):
        if number not in without:
            data = ipv4.encode(packets[number - 1])
            frame = ethernet.encode(EthernetFrame(HARDWARE[1], HARDWARE[0], EtherType.IPV4, data))
            tap.seen("server", 2 * k * MS, frame, None, outbound=False)
    return Cut(payload=payload, mtu=mtu, packets=packets, capture=parse(tap.pcapng()))


class Survival(msgspec.Struct, frozen=True, kw_only=True):
    """How many datagrams came whole: `(fragments, measured share, (1 - p)**fragments)`."""

    loss: float
    datagrams: int
    rows: tuple[tuple[int, float, float], ...]

    def share(self, fragments: int) -> float:
        """Of the datagrams of so many fragments that came whole, percent."""
        return next(100 * measured for count, measured, _ in self.rows if count == fragments)

    def __str__(self) -> str:
        rows = [(f"{n}", f"{100 * measured:.1f}", f"{100 * theory:.1f}") for n, measured, theory in self.rows]
        return table(["fragments", "came whole (%)", "theory (%)"], rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """The share that came, with two standard deviations, over the theory."""
        ax = canvas("How much comes whole?", x="fragments of a datagram", y="datagrams that come whole (%)", ax=ax)
        line(ax, 1, f"(1 - p)^n, p = {self.loss:g} %", [(n, 100 * theory) for n, _, theory in self.rows], theory=True)
        off = [200 * sqrt(t * (1 - t) / self.datagrams) for _, _, t in self.rows]
        xs, ys = [n for n, _, _ in self.rows], [100 * measured for _, measured, _ in self.rows]
        ax.errorbar(
            xs, ys, off, fmt="o", color="#0072B2", capsize=3, label=f"measured, {self.datagrams} datagrams each"
        )
        ax.set_ylim(0, 103)
        legend(ax)
        return ax


def survival(
    *, loss: float = 5.0, counts: Sequence[int] = (1, 2, 3, 5, 8, 12, 20, 30, 45), datagrams: int = 1000, seed: int = 7
) -> Survival:
    """Datagrams of 1 to 45 fragments, the most there can be, over a link that loses `loss` percent of all packets.

    Each fragment is a packet of its own on the simulated link, and says which datagram it is a piece of.
    """
    rows = []
    for count in counts:
        simulation = seeded_simulation(f"{seed}/{count}")
        client, server = simulation.host("client"), simulation.host("server")
        simulation.connect(client, server, parse_link(f"loss={loss:g}% delay=10ms"))
        came: dict[int, int] = {}

        def arrived(payload: bytes, _address: int, _port: int, came: dict[int, int] = came) -> None:
            number = int.from_bytes(payload, "big")
            came[number] = came.get(number, 0) + 1

        server.bind(PORT, arrived)
        port = client.bind(0, lambda *_: None)
        for number in range(datagrams):
            for _ in range(count):
                port.sendto(number.to_bytes(4, "big"), server.address, PORT)
        simulation.run()
        whole = sum(pieces == count for pieces in came.values())
        rows.append((count, whole / datagrams, (1 - loss / 100) ** count))
    return Survival(loss=loss, datagrams=datagrams, rows=tuple(rows))


def fragments_of(payload: int, mtu: int = 1500) -> int:
    """How many fragments a UDP datagram of so many bytes is cut into, with IPv4 headers of 20 bytes.

    >>> fragments_of(1472), fragments_of(1473), fragments_of(65_507)
    (1, 2, 45)
    """
    whole = payload + udp.HEADER_LEN
    room = mtu - ipv4.HEADER_LEN
    return 1 if whole <= room else ceil(whole / (room // 8 * 8))
