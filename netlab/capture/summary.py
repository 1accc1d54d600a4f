"""One packet in one line: who to whom, by which protocol, and what netlab sees in it. By netlab's own codecs, without
scapy, since a capture has many packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from netlab.capture.field_names import NO_ADDRESS, PROTOCOLS, icmp_words, tcp_flags
from netlab.errors import DecodeError
from netlab.packets import ethernet, ipv4, ipv6, segment, tcp, udp
from netlab.packets.capture_record import LinkType, Record
from netlab.packets.checksum import IPAddress
from netlab.packets.packet import HEADER, HEADER_LEN, SESSION, SESSION_LEN, PacketType, begins_like_a_packet
from netlab.packets.text import printable
from netlab.units import Ns

if TYPE_CHECKING:
    from netlab.capture.continued import Part
    from netlab.capture.web_layers import Web
    from netlab.capture.web_messages import WebPart

_MOST = 70_000  # bytes: no packet on a network is longer, whatever a file claims
_LINKS: dict[int, str] = {
    LinkType.EN10MB: "Ethernet",
    LinkType.NULL: "Loopback",
    LinkType.LOOP: "Loopback",
    LinkType.LINUX_SLL: "Linux cooked",
    LinkType.LINUX_SLL2: "Linux cooked",
}
_TAGS = {ethernet.EtherType.VLAN, 0x88A8}  # IEEE 802.1Q, and 802.1ad's outer one
_FRAGMENT = 44
_EXTENSIONS = {0, 43, _FRAGMENT, 60}  # RFC 8200 §4: hop-by-hop, routing, fragment, destination options
_SEGMENT = HEADER.field("type").names[PacketType.SEGMENT]
_SHOWN = 60  # characters of an event


class NetlabPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One netlab packet within a datagram or segment.

    Attributes:
        type: such as `data`.
        message_id, index, count: fragment `index` (from 0) of `count` of this message.
        payload_len: as its header says, bytes, the session token included.
        event: the chat event in it, in a few words; "" where it holds no whole one. Printable.
        whole: whether its end is here; over TCP it may go on in the next segment.
        began: the number of the capture's packet that it began in, where that is another one.
    """

    type: str
    message_id: int
    index: int
    count: int
    payload_len: int
    event: str = ""
    whole: bool = True
    began: int | None = None

    def __str__(self) -> str:
        if self.type == _SEGMENT:  # it has no message id
            return f"{self.type} {self.event}{'' if self.whole else ', goes on'}"
        fragment = "" if self.count == 1 else f" {self.index + 1}/{self.count}"
        more = ("" if self.began is None else f", from {self.began}") + ("" if self.whole else ", goes on")
        event = f" {self.event}" if self.event else ""
        return f"{self.type} {self.message_id:08x}{fragment}{more}{event}"


class Summary(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line of a packet list.

    Attributes:
        time_ns: ns since 1970, or None where the file has none.
        source, destination: IP addresses, or those of the link where there is no IP.
        flags: TCP's, such as `SYN, ACK`.
        icmp: what a message of ICMP or ICMPv6 is, such as `echo request`.
        length: bytes the packet had on the link, also where fewer were captured.
        header_lens: bytes of each header up to TCP's or UDP's, by protocol, the link's first.
        payload_len: bytes that TCP or UDP carried.
        web: HTTP messages and frames of WebSocket that it holds any bytes of; a netlab packet in one that ends here is
            among `netlab`.
        damaged: what is wrong with it, or "".
    """

    number: int
    time_ns: Ns | None
    interface: str
    source: str = ""
    source_port: int | None = None
    destination: str = ""
    destination_port: int | None = None
    protocol: str
    flags: str = ""
    icmp: str = ""
    length: int
    header_lens: dict[str, int] = {}
    payload_len: int | None = None
    netlab: tuple[NetlabPart, ...] = ()
    web: tuple[WebPart, ...] = ()
    damaged: str = ""
    comment: str = ""


def summarize(record: Record, parts: Sequence[Part] = (), web: Web | None = None) -> Summary:
    """The line of one record. Bytes that do not decode are named `damaged`; nothing raises.

    Args:
        parts: what a TCP segment holds of netlab packets that do not begin in it with a whole header (`continued`).
        web: what it holds of HTTP and WebSocket.
    """
    found: dict[str, Any] = {"protocol": f"link type {record.interface.linktype}", "header_lens": {}}
    data = record.data + bytes(min(record.original_len, _MOST) - len(record.data))  # what was cut off counts as zeros
    try:
        _link(data, record.interface.linktype, found, len(record.data))
    except DecodeError as error:
        found["damaged"] = str(error)
    carried = found.pop("carried", b"")
    if web is not None:
        held = list(web.parts())
        found["web"] = tuple(part for part, _ in held)
        found["netlab"] = tuple(part for _, packet in held for part in netlab_parts(packet))
    else:
        continued = [_continued(part) for part in parts[:1] if part.before]
        behind = carried[parts[0].length :] if continued else carried
        found["netlab"] = (*continued, *netlab_parts(behind))
    return Summary(
        number=record.number,
        time_ns=record.time_ns,
        interface=printable(record.interface.name or ""),
        length=record.original_len,
        comment=printable(record.comment or ""),
        **found,
    )


def _continued(part: Part) -> NetlabPart:
    is_whole = part.before + part.length == part.size
    size = part.size - HEADER_LEN
    return NetlabPart(part.type, part.message_id, part.index, part.count, size, whole=is_whole, began=part.began)


def _link(data: bytes, linktype: int, found: dict[str, Any], captured: int) -> None:
    match linktype:
        case LinkType.EN10MB:
            frame = ethernet.decode(data)
            found |= {
                "protocol": f"EtherType {frame.ethertype:#06x}",
                "source": ethernet.format_address(frame.source),
                "destination": ethernet.format_address(frame.destination),
            }
            kind, payload = frame.ethertype, frame.payload
            while kind in _TAGS and len(payload) >= 4:
                kind, payload = int.from_bytes(payload[2:4], "big"), payload[4:]
            found["protocol"] = f"EtherType {kind:#06x}"
        case LinkType.LINUX_SLL if len(data) >= 16:
            kind, payload = int.from_bytes(data[14:16], "big"), data[16:]
        case LinkType.LINUX_SLL2 if len(data) >= 20:
            kind, payload = int.from_bytes(data[:2], "big"), data[20:]
        case LinkType.RAW | LinkType.NULL | LinkType.LOOP if len(data) > 4:
            payload = data if linktype == LinkType.RAW else data[4:]
            kind = {4: ethernet.EtherType.IPV4, 6: ethernet.EtherType.IPV6}.get(payload[0] >> 4, 0)
        case _:
            return
    link = "Loopback" if found.get("source") == found.get("destination") == NO_ADDRESS else _LINKS.get(linktype, "")
    if header := len(data) - len(payload):
        found["header_lens"][link] = header
    captured -= header
    match kind:
        case ethernet.EtherType.IPV4:
            found["protocol"] = "IPv4"
            packet = ipv4.decode(payload, verify=False)
            found |= {"source": str(packet.source), "destination": str(packet.destination)}
            found["header_lens"]["IPv4"] = ipv4.HEADER_LEN + len(packet.options)
            captured -= found["header_lens"]["IPv4"]
            if packet.fragment_offset:
                found["protocol"] = f"{PROTOCOLS.get(packet.protocol, packet.protocol)} fragment"
            elif packet.flags & ipv4.Ipv4Flags.MORE_FRAGMENTS and packet.protocol == udp.PROTOCOL:
                found["protocol"] = "UDP fragment"  # its length is that of the whole
            else:
                _transport(packet.protocol, packet.payload, packet.source, packet.destination, found, captured)
        case ethernet.EtherType.IPV6:
            found["protocol"] = "IPv6"
            packet6 = ipv6.decode(payload)
            found |= {"source": str(packet6.source), "destination": str(packet6.destination)}
            upper, at, is_later = _behind_extensions(packet6.next_header, packet6.payload)
            found["header_lens"]["IPv6"] = ipv6.HEADER_LEN + at
            captured -= ipv6.HEADER_LEN + at
            if is_later:
                found["protocol"] = f"{PROTOCOLS.get(upper, upper)} fragment"
            else:
                _transport(upper, packet6.payload[at:], packet6.source, packet6.destination, found, captured)
        case ethernet.EtherType.ARP:
            found["protocol"] = "ARP"
            found["header_lens"]["ARP"] = min(28, len(payload))


def _behind_extensions(kind: int, data: bytes) -> tuple[int, int, bool]:
    """What stands behind IPv6's extension headers (RFC 8200 §4) and where; whether it is a piece of something cut.

    Of a datagram over UDP that is cut, the first fragment counts as one too: its length is that of the whole.
    """
    at = 0
    while kind in _EXTENSIONS and len(data) - at >= 8:
        following, size = data[at], 8 if kind == _FRAGMENT else (data[at + 1] + 1) * 8
        if kind == _FRAGMENT:
            offset_and_more = int.from_bytes(data[at + 2 : at + 4], "big")
            if offset_and_more & 0xFFF8 or (offset_and_more & 1 and following == udp.PROTOCOL):
                return following, at + size, True
        kind, at = following, at + size
    return kind, at, False


def _transport(
    protocol: int, data: bytes, source: IPAddress, destination: IPAddress, found: dict[str, Any], captured: int
) -> None:
    match protocol:
        case tcp.PROTOCOL:
            found["protocol"] = "TCP"
            tcp_segment = tcp.decode(data, source, destination, verify=False)
            found["flags"] = tcp_flags(tcp_segment.flags)
            found |= {"source_port": tcp_segment.source_port, "destination_port": tcp_segment.destination_port}
            payload = tcp_segment.payload
        case udp.PROTOCOL:
            found["protocol"] = "UDP"
            datagram = udp.decode(data, source, destination, verify=False)
            found |= {"source_port": datagram.source_port, "destination_port": datagram.destination_port}
            payload = datagram.payload
        case 1 | 58 if len(data) >= 2:
            found["protocol"] = PROTOCOLS[protocol]
            if captured >= 2:
                found["icmp"] = icmp_words(protocol, data[0], data[1])
            return
        case _:
            found["protocol"] = PROTOCOLS.get(protocol, f"IP protocol {protocol}")
            return
    found["header_lens"][found["protocol"]] = len(data) - len(payload)
    found["payload_len"] = len(payload)
    found["carried"] = payload[: max(0, captured - (len(data) - len(payload)))]


def netlab_parts(payload: bytes) -> list[NetlabPart]:
    """The netlab packets that a datagram or segment begins with, one after the other."""
    parts: list[NetlabPart] = []
    at = 0
    while begins_like_a_packet(payload, at):
        fields = HEADER.read(payload, at)
        kind, index, count = fields["type"], fields["fragment_index"], fields["fragment_count"]
        length, message_id = fields["payload_length"], fields["message_id"]
        end = at + HEADER_LEN + length
        body = payload[at + HEADER_LEN + (SESSION_LEN if fields["flags"] & SESSION else 0) : end]
        name = HEADER.field("type").names.get(kind, f"type {kind}")
        whole = end <= len(payload)
        if kind == PacketType.SEGMENT and len(body) >= segment.HEADER_LEN:
            parts += _segment_parts(name, length, body, whole)
        else:
            event = describe(body) if whole and count == 1 else ""
            parts.append(NetlabPart(name, message_id, index, count, length, event, whole))
        at = end
    return parts


def _segment_parts(name: str, length: int, body: bytes, whole: bool) -> list[NetlabPart]:
    """A segment of rudp, and the netlab packets that its data begins with: they stand there as on a TCP stream."""
    fields = segment.HEADER.read(body)
    data_at = segment.HEADER_LEN + segment.RANGE_LEN * fields["ack_ranges"]
    ranges = [segment.RANGE.read(body, at) for at in range(segment.HEADER_LEN, min(data_at, len(body) - 7), 8)]
    edges = [edge for one in ranges for edge in (one["first"], one["last"])]
    words = describe_segment(fields["number"], fields["flags"], edges)
    if data := body[data_at:]:
        words += f" bytes {fields['offset']} to {fields['offset'] + len(data) - 1}"
    return [NetlabPart(name, 0, 0, 1, length, words.strip(), whole), *netlab_parts(data)]


def describe_segment(number: int, flags: int, edges: Sequence[int]) -> str:
    """A segment of rudp in a few words: its number, what is special, what it acknowledges.

    >>> describe_segment(17, 3, [5, 9, 2, 2])
    '17 FIN acknowledges 5-9, 2'
    """
    words = [str(number)] if flags & segment.ELICITS else []  # else its number says nothing
    words += [name for mask, name in segment.HEADER.field("flags").names.items() if flags & mask & ~segment.ELICITS]
    if edges:
        pairs = zip(edges[::2], edges[1::2], strict=False)
        ranges = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)
        words.append(f"acknowledges {ranges}")
    return " ".join(words)


def describe(body: bytes) -> str:
    """A chat event in a few words: its type, and what tells it from others. "" where it is none. Printable.

    >>> describe(b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi"]}')
    "emit chat to lobby: 'hi'"
    """
    try:
        event = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        return ""
    words = [event["type"]]
    words += [event[key] for key in ("event", "name", "status", "code") if isinstance(event.get(key), str)]
    for key, word in (("to", "to"), ("rooms", "in"), ("room", "in")):
        where = event.get(key)
        if isinstance(where, str) and where:
            words.append(f"{word} {where}")
        elif isinstance(where, list | dict) and where:
            words.append(f"{word} {', '.join(str(name) for name in where)}")
    text = " ".join(words)
    args = event.get("args")
    if isinstance(args, list) and args:
        text += f": {args[0]!r}" if isinstance(args[0], str) else f": {msgspec.json.encode(args[0]).decode()}"
    return printable(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
