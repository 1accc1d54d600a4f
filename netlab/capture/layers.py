"""One packet taken apart: a list of layers, each with its fields, each field with the bytes that it stands in.

scapy dissects; what stands here walks its layers and their fields (`fields_desc`, `getfield`) to find where every bit
went, gives the fields the names of the RFCs, places each layer in both models (`models`) and says what a number alone
does not: whether a checksum is right, not filled in yet, or wrong.

Read `scapy_layers` for netlab's own packet. Importing this does not import scapy; taking a packet apart does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from netlab.capture.field_names import NO_ADDRESS, names_of, shown, tcp_flags
from netlab.capture.models import PLACEMENTS, Placement
from netlab.capture.remarks import is_later_fragment, remarks
from netlab.packets import ipv6
from netlab.packets.capture_record import LinkType
from netlab.packets.packet import HEADER_LEN
from netlab.packets.text import printable_bytes

if TYPE_CHECKING:
    from netlab.capture.continued import Part
    from netlab.capture.web_layers import Web


class Field(msgspec.Struct, frozen=True):
    """One field of a header.

    Attributes:
        name: as the protocol's specification calls it.
        key: as scapy calls it.
        value: the number, or text; bytes as hex digits.
        shown: the value as people read it; printable.
        start: its first byte, counted from the packet's first.
        end: the byte behind its last.
        bits: for a field that is not whole bytes: its first bit, counted from the most significant of byte `start`, and
            how many.
    """

    name: str
    key: str
    value: int | str
    shown: str
    start: int
    end: int
    bits: tuple[int, int] | None = None


class Masked(msgspec.Struct, frozen=True):
    """What a frame of WebSocket carries, as it stands in the packet and as it was said (RFC 6455 §5.3).

    Attributes:
        start, end: the bytes of the packet.
        bytes: they, as hex digits.
        key: four bytes, repeated as often as needed; the first of them is for the first byte here.
        says: each byte XORed with the key's.
    """

    start: int
    end: int
    bytes: str
    key: str
    says: str


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One PDU within the packet: its header, and what it carries.

    Attributes:
        protocol: such as `IPv4`, a key of `models.PLACEMENTS`, or what scapy calls a protocol that is not in there.
        pdu: what one unit of it is called: frame, packet, segment, datagram, message.
        osi: its place in OSI, such as `4 Transport`; "" where none is known.
        tcp_ip: its place in RFC 1122, such as `Transport`.
        contested: why the placement is not everybody's, or None.
        start, payload_start, end: the header is [start, payload_start), what it carries [payload_start, end).
        fields: of the header, in order.
        notes: what is to be said of it, a sentence each.
        masked: of a frame of WebSocket that is masked: how what it carries is read. The layers in it are.
    """

    protocol: str
    pdu: str
    osi: str
    tcp_ip: str
    contested: str | None
    start: int
    payload_start: int
    end: int
    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()
    masked: Masked | None = None

    @property
    def header_len(self) -> int:
        return self.payload_start - self.start

    @property
    def payload_len(self) -> int:
        return self.end - self.payload_start

    def field(self, name: str) -> Field | None:
        """The field of this name (the specification's or scapy's), or None."""
        return next((field for field in self.fields if name in (field.name, field.key)), None)


_TITLES = {
    "Ether": "Ethernet",
    "Dot3": "Ethernet",
    "Loopback": "Loopback",
    "AnyLoopback": "Loopback",
    "CookedLinux": "Linux cooked",
    "CookedLinuxV2": "Linux cooked",
    "Dot1Q": "VLAN tag",
    "Dot1AD": "VLAN tag",
    "ARP": "ARP",
    "IP": "IPv4",
    "IPv6": "IPv6",
    "IPv6ExtHdrHopByHop": "IPv6 hop-by-hop options",
    "IPv6ExtHdrDestOpt": "IPv6 destination options",
    "IPv6ExtHdrRouting": "IPv6 routing header",
    "IPv6ExtHdrSegmentRouting": "IPv6 routing header",
    "IPv6ExtHdrFragment": "IPv6 fragment header",
    "ICMP": "ICMP",
    "IPerror": "quoted IPv4",
    "IPerror6": "quoted IPv6",
    "ICMPerror": "quoted ICMP",
    "TCPerror": "quoted TCP",
    "UDPerror": "quoted UDP",
    "TCP": "TCP",
    "UDP": "UDP",
    "NetlabPacket": "netlab packet",
    "RudpSegment": "rudp segment",
    "ChatEvent": "chat event",
    "NetlabContinued": "netlab packet (continued)",
    "NetlabData": "data",
    "Raw": "data",
    "Padding": "padding",
}  # scapy's class -> the protocol's name
_NO_HEADER = {"ChatEvent", "NetlabData", "NetlabContinued", "Raw", "Padding"}  # all of it is what was carried
_UNSAID = 2**32  # an end behind every packet's
_PLACELESS = Placement("", "packet", (), "", None, "")
_PLACELESS_DATA = Placement("data", "data", (), "", None, "")


def without_network_config() -> None:
    """Keep scapy from reading this machine's routes when it is imported: for a process that only looks at packets."""
    from scapy.config import conf

    conf.route_autoload = conf.route6_autoload = False


def to_scapy(data: bytes, linktype: int = LinkType.EN10MB) -> Any:
    """The packet as scapy has it; of an unknown link type, `Raw`."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import CookedLinux, CookedLinuxV2, Ether
    from scapy.packet import Raw

    from netlab.capture.scapy_layers import AnyLoopback  # and tells scapy of the netlab packet

    kind: Any
    match linktype:
        case LinkType.EN10MB:
            kind = Ether
        case LinkType.NULL | LinkType.LOOP:
            kind = AnyLoopback
        case LinkType.RAW:
            kind = IPv6 if data[:1] and data[0] >> 4 == 6 else IP
        case LinkType.LINUX_SLL:
            kind = CookedLinux
        case LinkType.LINUX_SLL2:
            kind = CookedLinuxV2
        case _:
            kind = Raw
    try:
        return kind(data) if data else Raw(data)  # of no bytes scapy would make a packet with all its defaults
    except Exception:  # cut short or damaged within the first header: scapy raises what its fields raise
        return Raw(data)


def dissect(data: bytes, linktype: int = LinkType.EN10MB) -> list[Layer]:
    """The layers of one packet, the link's first. Bytes that fit nothing are a layer called `data`; nothing raises."""
    return layers_of(to_scapy(data, linktype), data)


def layers_of(packet: Any, data: bytes, parts: Sequence[Part] = (), web: Web | None = None) -> list[Layer]:
    """The layers of a packet that scapy has dissected from `data`.

    Args:
        parts: what a TCP segment holds of netlab packets that do not begin in it with a whole header: the packet alone
            does not say (`continued`).
        web: what it holds of HTTP and WebSocket, which only the streams say.
    """
    chain = list(_chain(packet))
    if web is not None:
        above = 1 + next((number for number, part in enumerate(chain) if type(part).__name__ == "TCP"), len(chain))
        padding = [part for part in chain[above:] if type(part).__name__ == "Padding"]
        below = _layers(chain[:above], data)
        carried = list(web.layers(data))
        at = carried[-1].end if carried else len(data)
        return [*below, *carried, *_layers(padding, data, at=at)]
    if parts and parts[0].before:
        chain = _with_continued(chain, parts[0].length)
    return _layers(chain, data, parts)


def netlab_layers(data: bytes, start: int, end: int) -> list[Layer]:
    """The layers of netlab packets that are [start, end) of `data` and that something above TCP carries."""
    from netlab.capture.scapy_layers import NetlabPacket

    return _layers(list(_chain(NetlabPacket(data[start:end]))), data, at=start, limit=end, above_transport=True)


def placed(
    title: str,
    start: int,
    payload_start: int,
    end: int,
    fields: tuple[Field, ...],
    notes: tuple[str, ...] = (),
    masked: Masked | None = None,
    *,
    above_transport: bool = True,
) -> Layer:
    """A layer, with its place in both models."""
    placement = _placement(title, above_transport)
    return Layer(
        protocol=title,
        pdu=placement.pdu,
        osi=placement.osi_text,
        tcp_ip=placement.tcp_ip,
        contested=placement.contested,
        start=start,
        payload_start=payload_start,
        end=end,
        fields=fields,
        notes=notes,
        masked=masked,
    )


def _layers(
    chain: Sequence[Any],
    data: bytes,
    parts: Sequence[Part] = (),
    *,
    at: int = 0,
    limit: int | None = None,
    above_transport: bool = False,
) -> list[Layer]:
    """scapy's layers as ours: the first begins at `at`, and none ends behind `limit`."""
    layers: list[Layer] = []
    limit = len(data) if limit is None else limit
    for number, part in enumerate(chain):
        own = part.raw_packet_cache if part.raw_packet_cache is not None else part.self_build()
        kind = type(part).__name__
        start, at = at, min(at + len(own), len(data))
        if kind == "Padding":  # scapy hangs it onto the innermost layer, but it stands behind the outer one's end
            limit = len(data)
        end = min(_end_of(kind, part, start, at), limit)
        limit = end if kind in ("IP", "IPv6", "UDP") else limit
        payload_start = start if kind in _NO_HEADER else at
        fields = () if kind in _NO_HEADER else tuple(_fields(part, own, start))
        if kind in _NO_HEADER and at > start:
            fields = (_text_field(kind, data[start:at], start),)
        notes = tuple(remarks(kind, part, list(chain[:number]), data, start, end))
        if parts and kind == "NetlabContinued":
            notes = (parts[0].note,)
        elif parts and not parts[-1].before and kind == "Raw":
            notes = (parts[-1].note,)
        title = _title(kind, part, list(chain[:number]))
        layers.append(placed(title, start, payload_start, max(end, at), fields, notes, above_transport=above_transport))
        above_transport = above_transport or kind in ("TCP", "UDP", "TCPerror", "UDPerror")
    return layers


# ---- walking what scapy found ----------------------------------------------------------------------------------------


def _chain(packet: Any) -> Iterator[Any]:
    while type(packet).__name__ != "NoPayload":
        yield packet
        packet = packet.payload


def _with_continued(chain: list[Any], length: int) -> list[Any]:
    """The same layers, but the first `length` bytes that TCP carries are the middle of a netlab packet.

    Taken for themselves they may look like anything; the packets behind them stand where they end.
    """
    from netlab.capture.scapy_layers import NetlabContinued, NetlabPacket

    above = 1 + next((number for number, part in enumerate(chain) if type(part).__name__ == "TCP"), len(chain))
    if above >= len(chain):  # cut short by who captured: nothing of it is here
        return chain
    padding = [part for part in chain[above:] if type(part).__name__ == "Padding"]
    payload = bytes(chain[above])[: len(bytes(chain[above])) - sum(len(part.load) for part in padding)]
    behind = payload[length:]
    packets = _chain(NetlabPacket(behind)) if behind else ()
    return [*chain[:above], NetlabContinued(data=payload[:length]), *packets, *padding]


def _title(kind: str, part: Any, below: list[Any]) -> str:
    if kind == "Ether" and part.src == part.dst == NO_ADDRESS:
        return "Loopback"
    if kind.startswith("ICMPv6"):
        return "ICMPv6 option" if "Opt" in kind else "ICMPv6"
    if kind.startswith("IGMP"):
        return "IGMP"
    if kind == "Raw" and below and is_later_fragment(below[-1]):
        return "fragment"
    return _TITLES.get(kind, str(part.name))


def _placement(title: str, above_transport: bool) -> Placement:
    """Where a layer stands; data that no transport carries stands nowhere."""
    if title == "data" and not above_transport:
        return _PLACELESS_DATA
    return PLACEMENTS.get(
        title.removeprefix("quoted ").removesuffix(" (continued)"),
        PLACEMENTS["data"] if above_transport else _PLACELESS,
    )


def _end_of(kind: str, part: Any, start: int, header_end: int) -> int:
    """Where the PDU ends, as its own header says; for those that do not say, far away."""
    match kind:
        case "IP":
            return start + int(part.len) if part.len else _UNSAID  # 0: over 64 KiB, as offload makes them
        case "IPv6":
            # 0: the same, or a jumbogram (RFC 2675)
            return start + ipv6.HEADER_LEN + int(part.plen) if part.plen else _UNSAID
        case "UDP":
            return start + int(part.len)
        case "NetlabPacket":
            return start + HEADER_LEN + int(part.payload_length)
        case _ if kind in _NO_HEADER:
            return header_end
        case _:
            return _UNSAID


def _fields(part: Any, own: bytes, start: int) -> Iterator[Field]:
    """Each field of a header, found as scapy finds it, with the bits it takes."""
    names = names_of(type(part).__name__)
    rest: Any = own
    for field in part.fields_desc:
        if type(part).__name__ == "TCP" and field.name == "reserved" and len(own) >= 20:
            # RFC 9293 §3.1 reserves 4 bits; scapy still has the last of them as the flag NS of RFC 3540, now historic.
            yield Field("reserved", "reserved", own[12] & 15, str(own[12] & 15), start + 12, start + 13, (4, 4))
            yield Field("control bits", "flags", own[13], tcp_flags(own[13]), start + 13, start + 14)
        before = _bit_position(rest, own)
        try:
            rest, value = field.getfield(part, rest)
        except Exception:  # cut short: what is left is no field
            return
        after = _bit_position(rest, own)
        if after == before:  # a conditional field that is not there
            continue
        if type(part).__name__ == "TCP" and field.name in ("reserved", "flags"):
            continue
        first, last = start + before // 8, start + (after + 7) // 8
        bits = None if before % 8 == 0 and after % 8 == 0 else (before % 8, after - before)
        raw = own[before // 8 : (after + 7) // 8]
        yield Field(
            names.get(field.name, field.name),
            field.name,
            _plain(value, raw),
            shown(part, field, value, raw),
            first,
            last,
            bits,
        )


def _bit_position(rest: Any, own: bytes) -> int:
    """scapy's rest is bytes, or within a byte (bytes, bits of the first that are taken)."""
    left, bits = rest if isinstance(rest, tuple) else (rest, 0)
    return (len(own) - len(left)) * 8 + int(bits)


def _plain(value: Any, raw: bytes) -> int | str:
    """The value as JSON can hold it."""
    if isinstance(value, bool | int):
        return int(value)
    if isinstance(value, str):
        return value
    if hasattr(value, "value") and isinstance(value.value, int):  # scapy's FlagValue
        return int(value.value)
    return raw.hex()


def _text_field(kind: str, body: bytes, start: int) -> Field:
    if kind == "Padding":
        return Field("padding", "load", body.hex(), body.hex(), start, start + len(body))
    key = {"ChatEvent": "text", "NetlabData": "data"}.get(kind, "load")
    text = printable_bytes(body)
    return Field("JSON text" if kind == "ChatEvent" else "data", key, text, text, start, start + len(body))
