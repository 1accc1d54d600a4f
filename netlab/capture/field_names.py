"""The names of header fields as their specifications have them, and values as people read them.

scapy has its own short names; the RFCs' are what students meet elsewhere.
"""

from __future__ import annotations

from typing import Any

from netlab.packets.packet import HEADER, TOKEN
from netlab.packets.text import printable, printable_bytes

_NAMES = {
    "Ether": {"dst": "destination address", "src": "source address", "type": "EtherType"},  # RFC 894, IEEE 802.3
    "Dot1Q": {"prio": "priority", "dei": "drop eligible", "vlan": "VLAN identifier", "type": "EtherType"},
    "Loopback": {"type": "address family"},
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
    "NetlabPacket": {field.key: field.name for field in (*HEADER.fields, *TOKEN.fields)},
}
_ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x8100: "VLAN tag", 0x86DD: "IPv6"}
PROTOCOLS = {0: "hop-by-hop options", 1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 44: "fragment", 58: "ICMPv6"}
"""By the number in the protocol field of IPv4 and the next header of IPv6."""

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
    return _NAMES.get(kind, {})


def tcp_flags(bits: int) -> str:
    """`SYN, ACK` for 0x12; `none` for 0."""
    return ", ".join(name for bit, name in enumerate(TCP_FLAGS) if bits >> bit & 1) or "none"


def shown(part: Any, field: Any, value: Any, raw: bytes) -> str:
    """The value of a field as people read it: a number with what it stands for, a flag by its name."""
    kind, key = type(part).__name__, field.name
    match kind, key:
        case ("Ether" | "Dot1Q", "type"):
            return f"{value:#06x} {_ETHERTYPES.get(value, '')}".rstrip()
        case ("IP", "proto") | ("IPv6", "nh"):
            return f"{value} {PROTOCOLS.get(value, '')}".rstrip()
        case ("IP", "flags"):
            return ", ".join(name for bit, name in _IP_FLAGS.items() if int(value) & bit) or "none"
        case ("IP", "tos"):
            return f"DSCP {value >> 2}, ECN {value & 3}"
        case ("TCP", "options"):
            return "; ".join(_option(name, argument) for name, argument in value)
        case ("IP", "frag"):
            return f"{value} = byte {value * 8}"
        case ("TCP" | "UDP", "sport" | "dport"):
            return str(value)
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
    if isinstance(value, int) and key == "chksum":
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
            return f"SACK {'-'.join(str(edge) for edge in argument)}"
        case "MSS" | "WScale", int():
            return f"{_OPTIONS[name]} {argument}"
    return _OPTIONS.get(name, printable(f"option {name}"))
