"""The link's header: Ethernet with VLAN tags, Linux "cooked", loopback, or none at all."""

from __future__ import annotations

import numpy as np

from netlab.capture.columns.portion import NOTHING, Portion
from netlab.capture.octets import Ints, Octets
from netlab.packets.capture_record import LinkType
from netlab.packets.ethernet import EtherType

_MOST_TAGS = 8
"""VLAN tags that are passed over in one frame; two are in use (IEEE 802.1ad)."""

_TAGS = (EtherType.VLAN, 0x88A8, 0x9100)
"""IEEE 802.1Q, 802.1ad, and what came before that."""

_SMALLEST_TYPE = 0x0600
"""Below it the field is the length of an IEEE 802.3 frame."""

_HEADERS = {
    LinkType.EN10MB: (14, 12),
    LinkType.LINUX_SLL: (16, 14),
    LinkType.LINUX_SLL2: (20, 0),
}  # bytes of the header, and where in it the EtherType stands

_BY_VERSION = {LinkType.RAW: 0, 12: 0, 228: 0, 229: 0, LinkType.NULL: 4, LinkType.LOOP: 4}
"""Bytes before an IP packet whose version says what it is. 12 is BSD's number of RAW; 228 and 229 are IPv4 and IPv6.
Loopback's address family differs between systems, and in which byte order it stands."""


def read(portion: Portion, link_type: int, rows: Ints) -> None:
    """Read the headers of the `rows`, which are of this type; of an unknown one nothing is read."""
    if link_type in _HEADERS:
        length, type_at = _HEADERS[LinkType(link_type)]
        rows = portion.whole(rows, length)
        kinds = portion.octets.u16(portion.at[rows] + type_at)
        portion.at[rows] += length
        _read_tags(portion, rows, kinds)
        typed = kinds >= _SMALLEST_TYPE
        portion.carries[rows[typed]] = kinds[typed]
        portion.columns["ethertype"][rows[typed]] = kinds[typed]
    elif link_type in _BY_VERSION:
        portion.at[rows] += _BY_VERSION[link_type]
        rows = portion.whole(rows, 1)
        portion.carries[rows] = _by_version(portion.octets, portion.at[rows])
    portion.columns["link_header_len"][:] = portion.at - portion.begin


def _read_tags(portion: Portion, rows: Ints, kinds: Ints) -> None:
    """Pass over the tags of frames of these `kinds`, which become what stands behind the tags."""
    tagged = np.flatnonzero(np.isin(kinds, _TAGS))
    for depth in range(_MOST_TAGS):
        if not len(tagged):
            return
        # a tag is read if all of its four bytes are there: the identifier, and another EtherType
        tagged = tagged[np.isin(rows[tagged], portion.whole(rows[tagged], 4))]
        at = portion.at[rows[tagged]]
        if depth < 2:
            identifier = portion.octets.u16(at) & 0x0FFF
            portion.columns["vlan_inner" if depth else "vlan"][rows[tagged]] = identifier
        kinds[tagged] = portion.octets.u16(at + 2)
        portion.at[rows[tagged]] += 4
        tagged = tagged[np.isin(kinds[tagged], _TAGS)]


def _by_version(octets: Octets, at: Ints) -> Ints:
    version = octets.u8(at) >> 4
    return np.where(version == 4, EtherType.IPV4, np.where(version == 6, EtherType.IPV6, NOTHING)).astype(np.int32)
