"""From a capture, each packet once: who sent it and when, where it was seen on its way, and whether it came.

A capture with several vantage points shows each packet several times. Points whose name has a `>` are directions of a
link, seen at its far end; the others are hosts. With one vantage point there is one time for each packet, and nobody
knows when it was sent or came: `arrived_at` is None, and so is the delay.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from zlib import crc32

import msgspec

from netlab.capture.files import Capture, CapturedPacket
from netlab.errors import DecodeError
from netlab.packets import ethernet, ipv4, ipv6, tcp, udp
from netlab.packets.capture_record import LinkType
from netlab.packets.endpoint import format_host_port
from netlab.packets.tcp import Sack, TcpFlags, TcpSegment, WindowScale
from netlab.units import Ns

_MOST = 70_000  # bytes: no packet on a network is longer, whatever a file claims


class Flight(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One packet on its way.

    Attributes:
        number: of the first record that shows it.
        source, destination: `address:port`, or the address alone.
        protocol: TCP, UDP, or what summaries call it.
        at: the host whose capture shows it leaving; "" with one vantage point only.
        to: the host at the link's other end; "" where none is known.
        sent_at: when it left, or was seen at all, ns of the capture.
        left_at: when it came out of the link, or was lost there; None where nobody looked.
        arrived_at: when the host at the other end saw it; None where it did not.
        lost: why it never came, as the capture says or as it shows; "" where it came, or nobody could know.
        copy: it is one more of a packet that the link doubled.
        length: bytes on the link.
        payload_len: bytes that TCP or UDP carried.
        segment: TCP's header and options, without its payload; None for others.
        again: a TCP segment whose bytes had all been sent before (also a SYN or FIN).
        events: netlab packets in it, in words.
        digest: of the payload, to tell packets apart; 0 where it is not there.
    """

    number: int
    source: str
    destination: str
    protocol: str
    at: str
    to: str
    sent_at: Ns
    left_at: Ns | None = None
    arrived_at: Ns | None = None
    lost: str = ""
    copy: bool = False
    length: int
    payload_len: int
    segment: TcpSegment | None = None
    again: bool = False
    events: tuple[str, ...] = ()
    digest: int = 0

    @property
    def came_at(self) -> Ns | None:
        """When it reached the end of the link, from whoever looked there."""
        return self.arrived_at if self.arrived_at is not None else None if self.lost else self.left_at

    @property
    def delay(self) -> Ns | None:
        """One way, ns; None where it did not come, or one end was not looked at."""
        came = self.came_at
        return None if came is None else came - self.sent_at

    @property
    def flow(self) -> tuple[str, str]:
        """Source and destination."""
        return self.source, self.destination


class _Seen(msgspec.Struct, gc=False):
    """One record, as far as flights need it."""

    number: int
    point: str
    at: Ns
    key: tuple[object, ...]
    source: str
    destination: str
    protocol: str
    length: int
    payload_len: int
    segment: TcpSegment | None
    comment: str
    events: tuple[str, ...]
    digest: int


def flights(capture: Capture) -> list[Flight]:
    """Each packet of a capture once, in the order in which they were sent."""
    seen = sorted(_all_seen(capture), key=lambda one: (one.at, one.number))
    points = {one.point for one in seen}
    wires = {point: point.split(">", 1) for point in points if ">" in point}
    hosts = points - wires.keys()
    if len(points) < 2:
        return _mark_again([_flight(one, at="", to="") for one in seen])
    groups: dict[tuple[object, ...], list[_Seen]] = defaultdict(list)
    for one in seen:
        groups[one.key].append(one)
    found = [flight for group in groups.values() for flight in _follow(group, wires, hosts)]
    found.sort(key=lambda flight: (flight.sent_at, flight.number))
    return _mark_again(list(_never_seen(found, seen[-1].at)))


def _never_seen(found: Sequence[Flight], ended: Ns) -> Iterator[Flight]:
    """Somebody looked beyond, and these never came: lost, unless the capture ended while they may have been on their
    way."""
    longest: dict[str, Ns] = defaultdict(int)
    for flight in found:
        longest[flight.at] = max(longest[flight.at], flight.delay or 0)
    for flight in found:
        if flight.to and not flight.lost and flight.came_at is None and flight.sent_at + longest[flight.at] < ended:
            flight = msgspec.structs.replace(flight, lost="not seen to arrive")
        yield flight


def _flight(one: _Seen, *, at: str, to: str) -> Flight:
    return Flight(
        number=one.number,
        source=one.source,
        destination=one.destination,
        protocol=one.protocol,
        at=at,
        to=to,
        sent_at=one.at,
        length=one.length,
        payload_len=one.payload_len,
        segment=one.segment,
        events=one.events,
        digest=one.digest,
    )


def _follow(group: Sequence[_Seen], wires: dict[str, list[str]], hosts: set[str]) -> Iterator[Flight]:
    """The packets that look alike, from the host that sent them, through the link, to the host at its end."""
    going: deque[Flight] = deque()  # sent, and not yet out of the link
    out: deque[Flight] = deque()  # out of the link, and not yet seen by the host there
    over: list[Flight] = []
    for one in group:
        ends = wires.get(one.point)
        if ends is not None:
            sender, receiver = ends
            flight = going.popleft() if going else None
            if flight is None:  # a copy that the link made, or the sending host was not looked at
                like = next((f for f in [*out, *over] if f.to == receiver), None)
                flight = _flight(one, at=sender, to=receiver)
                if like is not None:
                    flight = msgspec.structs.replace(flight, sent_at=like.sent_at, copy=True)
            flight = msgspec.structs.replace(flight, at=sender, to=receiver, left_at=one.at)
            if one.comment.startswith("dropped"):
                over.append(msgspec.structs.replace(flight, lost=one.comment.partition(": ")[2] or "dropped"))
            else:
                damaged = "damaged on its way" if one.comment.startswith("damaged") else ""
                out.append(msgspec.structs.replace(flight, lost=damaged))
        elif out and out[0].to == one.point:
            over.append(msgspec.structs.replace(out.popleft(), arrived_at=one.at))
        elif not wires and going and going[0].at != one.point:  # two hosts, and nobody on the wire
            over.append(msgspec.structs.replace(going.popleft(), to=one.point, arrived_at=one.at))
        elif going and going[-1].at == one.point and going[-1].sent_at == one.at:
            continue  # a router is shown twice: what comes and what goes
        elif over and over[-1].arrived_at is not None and over[-1].to == one.point:
            continue  # the same router, on the far side
        else:
            others = hosts - {one.point}
            going.append(_flight(one, at=one.point, to=next(iter(others)) if len(others) == 1 else ""))
    yield from over
    yield from out
    yield from going


def _mark_again(found: list[Flight]) -> list[Flight]:
    """Tell TCP segments whose bytes were all sent before."""
    highest: dict[tuple[str, str], int] = {}
    marked = []
    for flight in found:
        segment = flight.segment
        if segment is not None and not flight.copy:
            length = flight.payload_len + bool(segment.flags & (TcpFlags.SYN | TcpFlags.FIN))
            if segment.flags & TcpFlags.SYN and not _opened_by(segment, highest.get(flight.flow)):
                highest.pop(flight.flow, None)
            end = (segment.sequence_number + length) % 2**32
            before = highest.get(flight.flow)
            if length:
                again = before is not None and (before - end) % 2**32 < 2**31
                if again:
                    flight = msgspec.structs.replace(flight, again=True)
                else:
                    highest[flight.flow] = end
        marked.append(flight)
    return marked


def _opened_by(segment: TcpSegment, highest: int | None) -> bool:
    """Whether the connection that reached `highest` is the one that this SYN opened, or opens again."""
    return highest is not None and (highest - segment.sequence_number) % 2**32 < 2**31


# ---- one record ------------------------------------------------------------------------------------------------------


def _all_seen(capture: Capture) -> Iterator[_Seen]:
    for packet in capture:
        if packet.record.time_ns is not None and (one := _seen(packet)) is not None:
            yield one


def _seen(packet: CapturedPacket) -> _Seen | None:
    record, summary = packet.record, packet.summary
    if not summary.source:
        return None
    data = record.data + bytes(max(0, min(record.original_len, _MOST) - len(record.data)))
    segment: TcpSegment | None = None
    payload, identification = b"", 0
    network: ipv4.Ipv4Packet | ipv6.Ipv6Packet
    try:
        at = _ip_at(record.interface.linktype, data)
        if data[at] >> 4 == 4:
            network = ipv4.decode(data[at:], verify=False)
            protocol, identification = network.protocol, network.identification << 13 | network.fragment_offset
        else:
            network = ipv6.decode(data[at:])
            protocol = network.next_header
        payload = network.payload
        if summary.protocol == "TCP":
            segment = tcp.decode(network.payload, network.source, network.destination, verify=False)
            payload = segment.payload
            segment = msgspec.structs.replace(segment, payload=b"")
        elif summary.protocol == "UDP":
            payload = udp.decode(network.payload, network.source, network.destination, verify=False).payload
    except (DecodeError, IndexError):
        protocol = 0
    digest = crc32(payload)
    ends = [
        host if port is None else format_host_port(host, port)
        for host, port in (
            (summary.source, summary.source_port),
            (summary.destination, summary.destination_port),
        )
    ]
    # IPv4's identification tells a packet from one that says the same; 0 or none of it, and only what is said is left
    told = (identification,) if identification else (digest, segment and segment.sequence_number)
    return _Seen(
        number=record.number,
        point=summary.interface,
        at=record.time_ns or 0,
        key=(summary.source, summary.destination, protocol, record.original_len, *told),
        source=ends[0],
        destination=ends[1],
        protocol=summary.protocol,
        length=record.original_len,
        payload_len=summary.payload_len or 0,
        segment=segment,
        comment=record.comment or "",
        events=tuple(str(part) for part in summary.netlab),
        digest=digest,
    )


def _ip_at(linktype: int, data: bytes) -> int:
    """Where the IP header begins."""
    match linktype:
        case LinkType.EN10MB:
            return ethernet.HEADER_LEN + 4 * (data[12:14] == ethernet.EtherType.VLAN.to_bytes(2, "big"))
        case LinkType.LINUX_SLL:
            return 16
        case LinkType.LINUX_SLL2:
            return 20
        case LinkType.NULL:
            return 4
    return 0


# ---- one TCP connection ----------------------------------------------------------------------------------------------


def busiest_flow(found: Sequence[Flight], protocol: str | None = None) -> tuple[str, str] | None:
    """The (source, destination) that carried the most payload; None where there is no packet of this protocol."""
    carried: dict[tuple[str, str], int] = defaultdict(int)
    for flight in found:
        if protocol is None or flight.protocol == protocol:
            carried[flight.flow] += flight.payload_len
    return max(carried, key=lambda flow: (carried[flow], flow), default=None)


def relative(segments: Sequence[Flight]) -> dict[tuple[str, str], int]:
    """For each flow, the sequence number that is 0 in pictures: of its SYN, or one before the first that was seen."""
    first: dict[tuple[str, str], int] = {}
    for flight in segments:
        segment = flight.segment
        if segment is None:
            continue
        if segment.flags & TcpFlags.SYN:
            first[flight.flow] = segment.sequence_number
        first.setdefault(flight.flow, (segment.sequence_number - 1) % 2**32)
        back = (flight.destination, flight.source)
        if segment.flags & TcpFlags.ACK:
            first.setdefault(back, (segment.acknowledgment_number - 1) % 2**32)
    return first


def window_shifts(segments: Sequence[Flight]) -> dict[str, int]:
    """How far the window that each end offers is shifted: as its SYN said, where both did (RFC 7323 §2.2)."""
    said: dict[str, int] = {}
    for flight in segments:
        if flight.segment is not None and flight.segment.flags & TcpFlags.SYN:
            option = flight.segment.option(WindowScale)
            if option is not None:
                said[flight.source] = option.shift_cnt
    return said if len(said) > 1 else {}


def sack_blocks(flight: Flight) -> tuple[tuple[int, int], ...]:
    """The blocks that a segment says it has beyond its acknowledgment number, sequence numbers."""
    option = flight.segment.option(Sack) if flight.segment is not None else None
    return option.blocks if option is not None else ()
