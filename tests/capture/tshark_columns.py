"""What tshark says of every packet of a file, under the names of our columns: a witness that we did not write."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from netlab.capture.columns import COLUMNS
from netlab.capture.files import Capture, read

Fields = dict[str, list[str]]
"""Of one packet: each field's values, from the outermost layer inward; none where it has no such field."""

# As the columns are: every packet for itself, numbers as they stand there.
PREFERENCES = (
    "ip.defragment:FALSE",
    "ipv6.defragment:FALSE",
    "tcp.desegment_tcp_streams:FALSE",
    "tcp.relative_sequence_numbers:FALSE",
)


class Told(NamedTuple):
    """What tshark says a column must hold: the fields that it takes, and how; None is that they say nothing."""

    fields: tuple[str, ...]
    value: Callable[[Fields], Any]


def number(text: str) -> int:
    return int(text, 0)


def low_byte(text: str) -> int:
    return int(text, 0) & 0xFF


def ns(text: str) -> int:
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def first(*names: str, absent: Any = -1, to: Callable[[str], Any] = number) -> Told:
    """The outermost value of the first of these fields that the packet has."""

    def value(fields: Fields) -> Any:
        found = next((fields[name][0] for name in names if fields[name]), None)
        return absent if found is None else to(found)

    return Told(names, value)


EXTENSIONS = {0: "ipv6.hopopts.nxt", 43: "ipv6.routing.nxt", 44: "ipv6.fraghdr.nxt", 60: "ipv6.dstopts.nxt"}
EXTENSIONS[51] = "ah.next_header"


def protocol(fields: Fields) -> int:
    if fields["ip.proto"]:
        return int(fields["ip.proto"][0])
    if not fields["ipv6.nxt"]:
        return -1
    found = int(fields["ipv6.nxt"][0])
    while found in EXTENSIONS and fields[EXTENSIONS[found]]:
        found = int(fields[EXTENSIONS[found]][0])
    return found


PROTOCOL = Told(("ip.proto", "ipv6.nxt", *EXTENSIONS.values()), protocol)


def of_transport(*names: str, to: Callable[[str], Any] = number) -> Told:
    """As `first`, of the packet's own transport header: not of one that an ICMP error quotes."""
    told = first(*names, to=to)
    return Told((*names, *PROTOCOL.fields), lambda fields: told.value(fields) if protocol(fields) in (6, 17) else -1)


def ethertype(fields: Fields) -> int:
    types = fields["vlan.etype"] or fields["eth.type"] or fields["sll.etype"]
    return int(types[-1], 0) if types else -1


def vlan(depth: int) -> Told:
    tags = ("ieee8021ad.id", "vlan.id")
    return Told(tags, lambda fields: [*(int(one) for tag in tags for one in fields[tag]), -1, -1][depth])


def fragment_offset(fields: Fields) -> int:
    if fields["ip.frag_offset"]:
        return int(fields["ip.frag_offset"][0]) * 8
    if fields["ipv6.fraghdr.offset"]:
        return int(fields["ipv6.fraghdr.offset"][0]) * 8
    return 0 if fields["ipv6.nxt"] else -1


def more_fragments(fields: Fields) -> int:
    more = fields["ip.flags.mf"] or fields["ipv6.fraghdr.more"] or (["0"] if fields["ipv6.nxt"] else ["-1"])
    return int(more[0])


def payload_len(fields: Fields) -> int | None:
    match protocol(fields):
        case 6 if fields["tcp.len"]:
            return int(fields["tcp.len"][0])
        case 17 if fields["udp.length"] and not more_fragments(fields):
            return int(fields["udp.length"][0]) - 8
    return None


def sack(fields: Fields) -> list[list[int]] | None:
    if protocol(fields) != 6 or not fields["tcp.flags"]:
        return None
    edges = zip(fields["tcp.options.sack_le"], fields["tcp.options.sack_re"], strict=True)
    blocks = [[int(left), int(right)] for left, right in edges]
    return blocks + [[-1, -1]] * (4 - len(blocks))


def header_len(protocol_number: int, name: str) -> Told:
    def value(fields: Fields) -> int | None:
        return int(fields[name][0]) if protocol(fields) == protocol_number and fields[name] else None

    return Told((name, *PROTOCOL.fields), value)


def window_scaled(fields: Fields) -> int | None:
    """tshark takes a SYN's word alone; we wait for both (RFC 7323 §2.2), so only what both know is compared."""
    if protocol(fields) != 6 or fields["tcp.window_size_scalefactor"] == ["-1"]:
        return None
    return int(fields["tcp.window_size"][0])


MORE = ("ip.flags.mf", "ipv6.fraghdr.more", "ipv6.nxt")
TOLD = {
    "number": first("frame.number"),
    "time_ns": first("frame.time_epoch", to=ns),
    "interface": first("frame.interface_id", absent=0),
    "captured_len": first("frame.cap_len"),
    "original_len": first("frame.len"),
    "ethertype": Told(("vlan.etype", "eth.type", "sll.etype"), ethertype),
    "vlan": vlan(0),
    "vlan_inner": vlan(1),
    "ip_version": first("ip.version", "ipv6.version"),
    "src": first("ip.src", "ipv6.src", absent="", to=str),
    "dst": first("ip.dst", "ipv6.dst", absent="", to=str),
    "protocol": PROTOCOL,
    "ttl": first("ip.ttl", "ipv6.hlim"),
    "identification": first("ip.id", "ipv6.fraghdr.ident"),
    "fragment_offset": Told(("ip.frag_offset", "ipv6.fraghdr.offset", "ipv6.nxt"), fragment_offset),
    "more_fragments": Told(MORE, more_fragments),
    "sport": of_transport("tcp.srcport", "udp.srcport"),
    "dport": of_transport("tcp.dstport", "udp.dstport"),
    "flags": of_transport("tcp.flags", to=low_byte),
    "seq": of_transport("tcp.seq_raw"),
    "ack": of_transport("tcp.ack_raw"),
    "window": of_transport("tcp.window_size_value"),
    "payload_len": Told(("tcp.len", "udp.length", *MORE, *PROTOCOL.fields), payload_len),
    "window_scaled": Told(("tcp.window_size", "tcp.window_size_scalefactor", *PROTOCOL.fields), window_scaled),
    "mss": of_transport("tcp.options.mss_val"),
    "window_scale": of_transport("tcp.options.wscale.shift"),
    "timestamp": of_transport("tcp.options.timestamp.tsval"),
    "timestamp_echo": of_transport("tcp.options.timestamp.tsecr"),
    "sack_permitted": Told(
        ("tcp.options.sack_perm", "tcp.flags", *PROTOCOL.fields),
        lambda fields: len(fields["tcp.options.sack_perm"]) if protocol(fields) == 6 and fields["tcp.flags"] else -1,
    ),
    "sack": Told(("tcp.options.sack_le", "tcp.options.sack_re", "tcp.flags", *PROTOCOL.fields), sack),
    "transport_header_len": header_len(6, "tcp.hdr_len"),
    "network_header_len": Told(
        ("ip.hdr_len",), lambda fields: int(fields["ip.hdr_len"][0]) if fields["ip.hdr_len"] else None
    ),
    "dscp": first("ip.dsfield.dscp", "ipv6.tclass.dscp"),
    "ecn": first("ip.dsfield.ecn", "ipv6.tclass.ecn"),
    "dont_fragment": first("ip.flags.df"),
    "flow_label": first("ipv6.flow"),
    "icmp_type": first("icmp.type", "icmpv6.type"),
    "icmp_code": first("icmp.code", "icmpv6.code"),
    "icmp_identifier": first("icmp.ident", "icmpv6.echo.identifier"),
    "icmp_sequence": first("icmp.seq", "icmpv6.echo.sequence_number"),
    "arp_operation": first("arp.opcode"),
    "arp_sender": first("arp.src.proto_ipv4", absent="", to=str),
    "arp_target": first("arp.dst.proto_ipv4", absent="", to=str),
    "link_src": first("eth.src", absent="", to=str),
    "link_dst": first("eth.dst", absent="", to=str),
}
"""By column."""


def tshark(path: Path, *arguments: str) -> list[str]:
    """The lines that tshark prints of a file. Skips the test where there is no tshark."""
    if shutil.which("tshark") is None:
        pytest.skip("no tshark here")
    preferences = [word for one in PREFERENCES for word in ("-o", one)]
    command = ["tshark", "-n", "-r", str(path), *preferences, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def fields_of(path: Path, names: list[str]) -> list[Fields]:
    """These fields of every packet."""
    asked = [word for name in names for word in ("-e", name)]
    lines = tshark(path, "-T", "fields", "-E", "separator=/t", "-E", "aggregator=/s", *asked)
    return [{name: value.split() for name, value in zip(names, line.split("\t"), strict=True)} for line in lines]


def ours(capture: Capture, name: str) -> list[Any]:
    """A column, with addresses as text."""
    columns = capture.columns
    array = getattr(columns, name)
    if name in ("src", "dst"):
        array = columns.addresses[array]
    elif name in ("link_src", "link_dst"):
        array = columns.link_addresses[array]
    values: list[Any] = array.tolist()
    return values


def agree(path: Path, *, without: tuple[str, ...] = ()) -> Capture:
    """Every column is, packet by packet, what tshark says, and every column is as it is promised to be."""
    capture = read(path)
    told = {name: one for name, one in TOLD.items() if name not in without}
    packets = fields_of(path, sorted({field for one in told.values() for field in one.fields}))
    assert len(packets) == len(capture)
    for name, one in told.items():
        both = zip(ours(capture, name), map(one.value, packets), strict=True)
        wrong = [(at, mine, theirs) for at, (mine, theirs) in enumerate(both, 1) if theirs not in (None, mine)]
        assert not wrong, f"{name}: (packet, ours, tshark's) {wrong[:5]}, {len(wrong)} in all"
    for name, column in COLUMNS.items():
        array = getattr(capture.columns, name)
        assert (len(array), array.dtype) == (len(capture), np.dtype(column.dtype)), name
    return capture
