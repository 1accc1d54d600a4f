"""The names of header fields as their specifications have them, and values as people read them.

scapy has its own short names; the RFCs' are what students meet elsewhere.
"""

from __future__ import annotations

from typing import Any

from netlab.packets import segment
from netlab.packets.packet import HEADER, TOKEN
from netlab.packets.text import printable, printable_bytes

NO_ADDRESS = "00:00:00:00:00:00"
"""Of both ends of a frame on Linux's loopback."""

_NAMES = {
    "Ether": {"dst": "destination address", "src": "source address", "type": "EtherType"},  # RFC 894, IEEE 802.3
    "Dot1Q": {"prio": "priority", "dei": "drop eligible", "vlan": "VLAN identifier", "type": "EtherType"},
    "AnyLoopback": {"type": "address family"},
    "CookedLinux": {
        "pkttype": "packet type",
        "lladdrtype": "hardware type",
        "lladdrlen": "address length",
        "src": "address",
        "proto": "EtherType",
    },
    "CookedLinuxV2": {
        "proto": "EtherType",
        "ifindex": "interface index",
        "lladdrtype": "hardware type",
        "pkttype": "packet type",
        "lladdrlen": "address length",
        "src": "address",
    },  # LINKTYPE_LINUX_SLL2 of the registry of link types
    "ARP": {
        "hwtype": "hardware address space",
        "ptype": "protocol address space",
        "hwlen": "hardware address length",
        "plen": "protocol address length",
        "op": "opcode",
        "hwsrc": "sender hardware address",
        "psrc": "sender protocol address",
        "hwdst": "target hardware address",
        "pdst": "target protocol address",
    },  # RFC 826
    "IP": {
        "ihl": "header length (IHL)",
        "tos": "DSCP and ECN",
        "len": "total length",
        "id": "identification",
        "frag": "fragment offset",
        "ttl": "time to live",
        "proto": "protocol",
        "chksum": "header checksum",
        "src": "source address",
        "dst": "destination address",
    },  # RFC 791 §3.1, RFC 2474, RFC 3168
    "IPv6": {
        "tc": "traffic class",
        "fl": "flow label",
        "plen": "payload length",
        "nh": "next header",
        "hlim": "hop limit",
        "src": "source address",
        "dst": "destination address",
    },  # RFC 8200 §3
    "IPv6ExtHdrHopByHop": {"nh": "next header", "len": "length"},
    "IPv6ExtHdrDestOpt": {"nh": "next header", "len": "length"},
    "IPv6ExtHdrRouting": {"nh": "next header", "len": "length", "type": "routing type", "segleft": "segments left"},
    "IPv6ExtHdrFragment": {
        "nh": "next header",
        "res1": "reserved",
        "offset": "fragment offset",
        "res2": "reserved bits",
        "m": "more fragments",
        "id": "identification",
    },  # RFC 8200 §4
    "ICMP": {"chksum": "checksum", "id": "identifier", "seq": "sequence number"},  # RFC 792
    "TCP": {
        "sport": "source port",
        "dport": "destination port",
        "seq": "sequence number",
        "ack": "acknowledgment number",
        "dataofs": "data offset",
        "flags": "control bits",
        "chksum": "checksum",
        "urgptr": "urgent pointer",
    },  # RFC 9293 §3.1
    "UDP": {"sport": "source port", "dport": "destination port", "len": "length", "chksum": "checksum"},  # RFC 768
    "RudpSegment": {field.key: field.name for field in segment.HEADER.fields} | {"ranges": "acknowledged ranges"},
    "NetlabPacket": {field.key: field.name for field in (*HEADER.fields, *TOKEN.fields)},
}
_SAME_AS = {
    "IPerror": "IP",
    "IPerror6": "IPv6",
    "ICMPerror": "ICMP",
    "TCPerror": "TCP",
    "UDPerror": "UDP",
    "Dot1AD": "Dot1Q",
}
"""scapy has classes of their own for headers that an ICMP message quotes."""

_ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x8100: "VLAN tag", 0x86DD: "IPv6", 0x88A8: "VLAN tag"}
_FAMILIES = {2: "IPv4", 10: "IPv6", 24: "IPv6", 28: "IPv6", 30: "IPv6"}  # AF_INET6 differs from system to system
PROTOCOLS = {
    0: "hop-by-hop options",
    1: "ICMP",
    2: "IGMP",
    4: "IPv4",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    43: "routing",
    44: "fragment",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    59: "no next header",
    60: "destination options",
}
"""By the number in the protocol field of IPv4 and the next header of IPv6."""

_ICMP_TYPES = {
    1: {
        0: "echo reply",
        3: "destination unreachable",
        4: "source quench",
        5: "redirect",
        8: "echo request",
        11: "time exceeded",
        12: "parameter problem",
        13: "timestamp request",
        14: "timestamp reply",
    },  # RFC 792
    58: {
        1: "destination unreachable",
        2: "packet too big",
        3: "time exceeded",
        4: "parameter problem",
        128: "echo request",
        129: "echo reply",
        133: "router solicitation",
        134: "router advertisement",
        135: "neighbor solicitation",
        136: "neighbor advertisement",
        137: "redirect",
    },  # RFC 4443, RFC 4861
}
_ICMP_CODES = {
    (1, 3): {
        0: "net unreachable",
        1: "host unreachable",
        2: "protocol unreachable",
        3: "port unreachable",
        4: "fragmentation needed",
    },
    (1, 11): {0: "time to live exceeded in transit", 1: "fragment reassembly time exceeded"},
    (58, 1): {0: "no route to destination", 3: "address unreachable", 4: "port unreachable"},
    (58, 3): {0: "hop limit exceeded in transit", 1: "fragment reassembly time exceeded"},
}

TCP_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_IP_FLAGS = {1: "more fragments", 2: "don't fragment", 4: "reserved"}
_WORDS = {("IP", "ihl"), ("TCP", "dataofs")}  # counted in words of 4 bytes
_BYTES = {("IP", "len"), ("IPv6", "plen"), ("UDP", "len")}
_OPTIONS = {
    "MSS": "maximum segment size",
    "WScale": "window scale",
    "SAckOK": "SACK permitted",
    "SAck": "SACK",
    "NOP": "no operation",
    "EOL": "end of options",
}


def names_of(kind: str) -> dict[str, str]:
    """The specification's names of the fields of a scapy class; a field that is not in it keeps scapy's."""
    names = _NAMES.get(_SAME_AS.get(kind, kind), {})
    return names or ({"cksum": "checksum"} if kind.startswith("ICMPv6") else {})


def icmp_words(protocol: int, kind: int, code: int) -> str:
    """What an ICMP message is, by IP's number of its protocol, its type and its code.

    >>> icmp_words(1, 3, 3), icmp_words(58, 128, 0), icmp_words(1, 200, 7)
    ('destination unreachable: port unreachable', 'echo request', 'type 200 code 7')
    """
    name = _ICMP_TYPES[protocol].get(kind)
    if name is None:
        return f"type {kind} code {code}"
    known = _ICMP_CODES.get((protocol, kind), {}).get(code)
    return f"{name}: {known}" if known else f"{name}, code {code}" if code else name


def tcp_flags(bits: int) -> str:
    """`SYN, ACK` for 0x12; `none` for 0."""
    return ", ".join(name for bit, name in enumerate(TCP_FLAGS) if bits >> bit & 1) or "none"


def shown(part: Any, field: Any, value: Any, raw: bytes) -> str:
    """The value of a field as people read it: a number with what it stands for, a flag by its name."""
    kind, key = type(part).__name__, field.name
    kind = _SAME_AS.get(kind, kind)
    match kind, key:
        case ("Ether" | "Dot1Q", "type") | ("CookedLinux" | "CookedLinuxV2", "proto"):
            return f"{value:#06x} {_ETHERTYPES.get(value, '')}".rstrip()
        case ("AnyLoopback", "type"):
            family = min(int.from_bytes(raw, "big"), int.from_bytes(raw, "little"))
            return f"{family} {_FAMILIES.get(family, '')}".rstrip()
        case ("IP", "proto") | (_, "nh"):
            return f"{value} {PROTOCOLS.get(value, '')}".rstrip()
        case ("IP", "flags"):
            return ", ".join(name for bit, name in _IP_FLAGS.items() if int(value) & bit) or "none"
        case ("IP", "tos"):
            return f"DSCP {value >> 2}, ECN {value & 3}"
        case ("TCP", "options"):
            return "; ".join(_option(name, argument) for name, argument in value)
        case ("IP", "frag") | ("IPv6ExtHdrFragment", "offset"):
            return f"{value} = byte {value * 8}"
        case ("TCP" | "UDP", "sport" | "dport"):
            return str(value)
        case ("RudpSegment", "ranges"):
            pairs = zip(value[::2], value[1::2], strict=False)
            return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)
        case ("RudpSegment", _):
            return segment.HEADER.field(key).text(int(value))
        case ("NetlabPacket", "magic"):
            return printable_bytes(value)
        case ("NetlabPacket", "fragment_index"):
            return f"{value} = fragment {value + 1} of {part.fragment_count}"
        case ("NetlabPacket", "session"):
            return raw.hex(" ")
        case ("NetlabPacket", _):
            return HEADER.field(key).text(int(value))
    if (kind, key) in _WORDS:
        return f"{value} = {value * 4} bytes"
    if (kind, key) in _BYTES:
        return f"{value} bytes"
    if isinstance(value, int) and key in ("chksum", "cksum"):
        return f"{value:#06x}"
    try:
        return printable(str(field.i2repr(part, value)))
    except Exception:  # a field of some other protocol that scapy itself cannot show
        return raw.hex(" ")


def _option(name: Any, argument: Any) -> str:
    match name, argument:
        case "Timestamp", (own, echoed):
            return f"timestamps {own}, echoing {echoed}"
        case "SAck", tuple():
            edges = [str(edge) for edge in argument]  # RFC 2018 §3: pairs of left and right edge
            return f"SACK {', '.join(map('-'.join, zip(edges[::2], edges[1::2], strict=False)))}"
        case "MSS" | "WScale", int():
            return f"{_OPTIONS[name]} {argument}"
    return _OPTIONS.get(name, printable(f"option {name}"))
