"""IPv4 with options and fragments, IPv6 with extension headers, and ARP."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns import transport
from netlab.capture.columns.group import Group, are_one_of
from netlab.capture.octets import Ints, Mask
from netlab.packets import ipv4, ipv6
from netlab.packets.ethernet import EtherType

_FRAGMENT_FOLLOWS = -2
"""Instead of a protocol, in a fragment that is not the first: what stands next is no header."""

_ARP_FIXED = 8
_MOST_EXTENSIONS = 16
"""Extension headers that are passed over in one packet; RFC 8200 §4.1 has seven in its recommended order."""

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, 135, 139, 140)
"""RFC 8200 §4; with Mobility (RFC 6275), HIP (RFC 7401) and Shim6 (RFC 5533), which are formed alike."""


def raw_addresses(count: int) -> dict[str, NDArray[Any]]:
    """Where addresses are put as they stand in the packets: IPv4's as one number, IPv6's as two halves."""
    halves = [f"{end}6_{half}" for end in ("src", "dst") for half in ("upper", "lower")]
    whole = {name: np.zeros(count, np.uint32) for name in ("src4", "dst4")}
    return whole | {name: np.zeros(count, np.uint64) for name in halves}


def read(ethertype: int, group: Group) -> list[tuple[int, Group]]:
    """Read the headers of packets that carry one protocol. By protocol, those whose transport layer can be read."""
    match ethertype:
        case EtherType.IPV4:
            return _read_ipv4(group.keep_whole(ipv4.HEADER_LEN))
        case EtherType.IPV6:
            return _read_ipv6(group.keep_whole(ipv6.HEADER_LEN))
        case _:
            _read_arp(group.keep_whole(_ARP_FIXED))
            return []


def _read_ipv4(group: Group) -> list[tuple[int, Group]]:
    first, total = group.u8(0), group.u16(2)
    length = (first & 15) * 4
    # a total length of 0 stands in packets over 64 KiB, as a sender's own host sees them before they are cut
    sound = (first >> 4 == 4) & (length >= ipv4.HEADER_LEN) & ((total == 0) | (total >= length))
    group, length, total = group.keep(sound), length[sound], total[sound]
    fragment, protocol = group.u16(6), group.u8(9)
    offset = (fragment & 0x1FFF) * 8
    group.fill("ip_version", 4)
    group.fill("ttl", group.u8(8))
    group.fill("protocol", protocol)
    group.fill("identification", group.u16(4))
    group.fill("fragment_offset", offset)
    group.fill("more_fragments", fragment >> 13 & 1)
    group.fill("src4", group.u32(12))
    group.fill("dst4", group.u32(16))
    group.fill("network_header_len", length)
    group.limit = np.where(total == 0, group.limit, np.minimum(group.limit, group.at + total))
    group.pass_over(length)
    return group.by(np.where(offset == 0, protocol, _FRAGMENT_FOLLOWS), transport.KNOWN)


def _read_ipv6(group: Group) -> list[tuple[int, Group]]:
    group = group.keep(group.u8(0) >> 4 == 6)
    payload, protocol = group.u16(4), group.u8(6)
    group.fill("ip_version", 6)
    group.fill("ttl", group.u8(7))
    group.fill("fragment_offset", 0)
    group.fill("more_fragments", 0)
    for place, name in ((8, "src6_upper"), (16, "src6_lower"), (24, "dst6_upper"), (32, "dst6_lower")):
        group.fill(name, group.u64(place))
    # a payload length of 0: over 64 KiB, cut by the sender's hardware later, or a jumbogram (RFC 2675)
    limit = np.minimum(group.limit, group.at + ipv6.HEADER_LEN + payload)
    group.limit = np.where(payload == 0, group.limit, limit)
    group.pass_over(ipv6.HEADER_LEN)
    return _pass_extensions(group, protocol)


def _pass_extensions(group: Group, protocol: Ints) -> list[tuple[int, Group]]:
    """Go over the extension headers, of which the first, or what there is instead, is of this `protocol`."""
    found: list[tuple[int, Group]] = []
    length = np.full(len(group), ipv6.HEADER_LEN)
    follows = protocol
    for _ in range(_MOST_EXTENSIONS):
        group.fill("protocol", protocol)
        group.fill("network_header_len", length)
        more = are_one_of(follows, _EXTENSIONS)
        if not more.any():
            break
        found += group.only(~more).by(follows[~more], transport.KNOWN)
        group, length, kind = group.only(more), length[more], follows[more]
        there = group.has(8)
        group, length, kind = group.keep(there), length[there], kind[there]
        protocol, words = group.u8(0), group.u8(1)
        # RFC 8200 §4.3: 8-octet units without the first; RFC 4302 §2.2: 4-octet units minus 2;
        # RFC 8200 §4.5: always 8 octets
        extension = np.where(kind == _AUTHENTICATION, (words + 2) * 4, (words + 1) * 8)
        extension[kind == _FRAGMENT] = 8
        later = _read_fragments(group, kind == _FRAGMENT)
        follows = np.where(later, _FRAGMENT_FOLLOWS, protocol)
        length = length + extension
        group.pass_over(extension)
    return found + group.by(follows, transport.KNOWN)


def _read_fragments(group: Group, are_fragments: Mask) -> Mask:
    """Read the fragment headers. Which of the group's packets are fragments that are not the first."""
    later = np.zeros(len(group), bool)
    if are_fragments.any():
        fragments = group.only(are_fragments)
        offset_and_more = fragments.u16(2)
        fragments.fill("fragment_offset", offset_and_more & 0xFFF8)
        fragments.fill("more_fragments", offset_and_more & 1)
        fragments.fill("identification", fragments.u32(4))
        later[are_fragments] = offset_and_more & 0xFFF8 != 0
    return later


def _read_arp(group: Group) -> None:
    # RFC 826: behind the fixed part two addresses of each kind, of the lengths that stand in it
    length = np.minimum(_ARP_FIXED + 2 * (group.u8(4) + group.u8(5)), group.limit - group.at)
    group.fill("network_header_len", length)
    group.limit = group.at + length
    group.pass_over(length)
    group.finish()
