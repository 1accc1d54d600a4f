"""The link's header: Ethernet with VLAN tags, Linux "cooked", loopback, or none at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netlab.capture.columns.group import Group, are_one_of
from netlab.capture.octets import Ints
from netlab.packets.capture_record import LinkType
from netlab.packets.ethernet import EtherType

_MOST_TAGS = 8
"""VLAN tags that are passed over in one frame; two are in use (IEEE 802.1ad)."""

_TAGS = (EtherType.VLAN, 0x88A8, 0x9100)
"""IEEE 802.1Q, 802.1ad, and what came before that."""

_SMALLEST_TYPE = 0x0600
"""Below it the field is the length of an IEEE 802.3 frame."""

_HEADERS: dict[int, tuple[int, int]] = {
    LinkType.EN10MB: (14, 12),
    LinkType.LINUX_SLL: (16, 14),
    LinkType.LINUX_SLL2: (20, 0),
}  # bytes of the header, and where in it the EtherType stands

_BY_VERSION: dict[int, int] = {LinkType.RAW: 0, 12: 0, 228: 0, 229: 0, LinkType.NULL: 4, LinkType.LOOP: 4}
"""Bytes before an IP packet whose version says what it is. 12 is BSD's number of RAW; 228 and 229 are IPv4 and IPv6.
Loopback's address family differs between systems, and in which byte order it stands."""

KNOWN = (*_HEADERS, *_BY_VERSION)
_CARRIED = (EtherType.IPV4, EtherType.IPV6, EtherType.ARP)


def read(link_type: int, group: Group) -> Iterator[tuple[int, Group]]:
    """Read the headers of packets of one `KNOWN` type. By EtherType, those whose network layer can be read."""
    if link_type in _BY_VERSION:
        group.pass_over(_BY_VERSION[link_type])
        group.fill("link_header_len", group.at)
        group = group.keep_whole(1)
        version = group.u8(0) >> 4
        kinds = np.where(version == 4, EtherType.IPV4, np.where(version == 6, EtherType.IPV6, 0))
        yield from group.by(kinds, _CARRIED)
        return
    length, type_at = _HEADERS[link_type]
    group = group.keep_whole(length)
    kinds = group.u16(type_at)
    group.pass_over(length)
    for tags in range(_MOST_TAGS + 1):
        group.fill("ethertype", np.where(kinds < _SMALLEST_TYPE, -1, kinds))
        group.fill("link_header_len", group.at)
        tagged = are_one_of(kinds, _TAGS)
        if not tagged.any():
            break
        yield from group.only(~tagged).by(kinds[~tagged], _CARRIED)
        group = group.only(tagged).keep_whole(4)
        kinds = _pass_tag(group, tags)
    yield from group.by(kinds, _CARRIED)


def _pass_tag(group: Group, tags: int) -> Ints:
    """Go over the next tag; what stands behind it."""
    if tags < 2:
        group.fill("vlan_inner" if tags else "vlan", group.u16(0) & 0x0FFF)
    kinds = group.u16(2)
    group.pass_over(4)
    return kinds
