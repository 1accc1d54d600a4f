"""What crossed a scenario's link in one simulated run, packet by packet, in the order in which they came to it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import msgspec

from netlab.capture.field_names import tcp_flags
from netlab.capture.summary import netlab_parts
from netlab.network.ip_packet import LOOPBACK, IpPacket, Packet
from netlab.network.link import REASONS
from netlab.network.simulator import FIRST_ADDRESS, Passage
from netlab.packets.udp import UdpDatagram
from netlab.scenarios.simulated import BACK, CLIENT, GATEWAY, SERVER, THERE
from netlab.units import Ns

DELIVERED = "delivered"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One packet on the link.

    Attributes:
        direction: `gateway>server` or `server>gateway`.
        number: counted from 1 as packets come to this direction: what one names to force its fate.
        at: when it came to the link, ns.
        packet: who to whom, and what, in a few words; printable.
        size: of the whole packet, bytes.
        fate: `delivered`, or why it was dropped: one of `link.REASONS`.
        left: when it came out at the other end or was dropped, ns.
        damaged: whether the link corrupted it.
        copies: how many more of it came out.
    """

    direction: str
    number: int
    at: Ns
    packet: str
    size: int
    fate: str
    left: Ns
    damaged: bool = False
    copies: int = 0

    @property
    def is_delivered(self) -> bool:
        return self.fate == DELIVERED

    @property
    def came_to(self) -> str:
        """Its fate in words: `lost on the way`."""
        if not self.is_delivered:
            return REASONS[self.fate]
        words = (["damaged"] if self.damaged else []) + ([f"{1 + self.copies} times"] if self.copies else [])
        return ", ".join([DELIVERED, *words])


class Timeline:
    """A watcher of the scenario's link."""

    def __init__(self) -> None:
        self._passages: list[Passage] = []

    def __call__(self, passage: Passage) -> None:
        """As `simulator.Watcher`."""
        self._passages.append(passage)

    def steps(self) -> list[tuple[Hashable, Step]]:
        """Each packet, behind what it can be found again by in another run."""
        by_packet: dict[tuple[str, int], list[Passage]] = {}
        for passage in self._passages:
            by_packet.setdefault((passage.direction, passage.number), []).append(passage)
        in_order = sorted(by_packet.values(), key=lambda p: (p[0].came, p[0].direction == BACK, p[0].number))
        seen: dict[Hashable, int] = {}
        found: list[tuple[Hashable, Step]] = []
        for passages in in_order:
            identity = (passages[0].direction, _identity(passages[0].packet))
            seen[identity] = again = seen.get(identity, 0) + 1
            found.append(((identity, again), _step(passages)))
        return found


def _step(passages: Iterable[Passage]) -> Step:
    """Of a packet and its copies. Where the copy was dropped before the queue, the packet itself came out."""
    delivered = [passage for passage in passages if passage.reason is None]
    first = delivered[0] if delivered else next(iter(passages))
    return Step(
        direction=first.direction,
        number=first.number,
        at=first.came,
        packet=describe(first.packet),
        size=first.packet.size,
        fate=first.reason or DELIVERED,
        left=first.left,
        damaged=first.corruption is not None,
        copies=max(0, len(delivered) - 1),
    )


def _identity(packet: Packet) -> Hashable:
    """What makes a packet the same in two runs that went apart: not its bytes, which tell when it was sent."""
    if not isinstance(packet, IpPacket):
        return packet.data
    body = packet.body
    ends = packet.source, packet.destination, body.source_port, body.destination_port
    if not isinstance(body, UdpDatagram):
        acknowledged = None if body.payload else body.acknowledgment_number  # all that tells two bare ACKs apart
        return *ends, body.sequence_number, int(body.flags), len(body.payload), acknowledged
    parts = netlab_parts(body.payload)
    if parts:
        return *ends, *((part.type, part.event or part.message_id, part.index) for part in parts)
    return *ends, len(body.payload), body.payload[:8]


def describe(packet: Packet) -> str:
    """Who to whom, and what: `client1 > server: data 01c3ee2b emit say to lobby: 'hi'`."""
    if not isinstance(packet, IpPacket):
        return f"{len(packet.data)} damaged bytes"
    body = packet.body
    ends = f"{host_name(packet.source)} > {host_name(packet.destination)}"
    if not isinstance(body, UdpDatagram):
        flags = tcp_flags(body.flags)
        return f"{ends}: {flags} seq={body.sequence_number} ack={body.acknowledgment_number} len={len(body.payload)}"
    parts = netlab_parts(body.payload)
    return f"{ends}: " + (" | ".join(map(str, parts)) if parts else f"datagram of {len(body.payload)} B")


def host_name(address: int) -> str:
    """The name of a scenario's host by its address: they are numbered in the order in which they are made."""
    if address == LOOPBACK:
        return "localhost"
    place = address - int(FIRST_ADDRESS)
    return (SERVER, GATEWAY)[place] if place < 2 else f"{CLIENT}{place - 1}"


DIRECTIONS = {
    "client>server": THERE,
    "server>client": BACK,
    THERE: THERE,
    BACK: BACK,
    "there": THERE,
    "back": BACK,
}
"""What one may call the directions of the link."""
