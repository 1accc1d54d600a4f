"""IPv4 with options and fragments, IPv6 with extension headers, and ARP."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.portion import NOTHING, Portion
from netlab.capture.octets import Ints
from netlab.packets import ipv4, ipv6
from netlab.packets.ethernet import EtherType

FRAGMENT = -2
"""`carries` of a fragment that is not the first: what stands next is no header."""

_ARP_FIXED = 8
_MOST_EXTENSIONS = 16
"""Extension headers that are passed over in one packet; RFC 8200 §4.1 has eight in its recommended order."""

_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION = 0, 43, 44, 51, 60
_EXTENSIONS = (_HOP_BY_HOP, _ROUTING, _FRAGMENT, _AUTHENTICATION, _DESTINATION, 135, 139, 140)
"""RFC 8200 §4; with Mobility (RFC 6275), HIP (RFC 7401) and Shim6 (RFC 5533), which are formed alike."""


class RawAddresses(NamedTuple):
    """Addresses as they stand in the packets: IPv4's as one number, IPv6's as two halves."""

    v4: NDArray[np.uint32]  # (2, packets): source, destination
    v6: NDArray[np.uint64]  # (2, 2, packets): source, destination; upper, lower half

    @classmethod
    def of(cls, count: int) -> RawAddresses:
        return cls(np.zeros((2, count), np.uint32), np.zeros((2, 2, count), np.uint64))

    def portion(self, rows: slice) -> RawAddresses:
        return RawAddresses(self.v4[:, rows], self.v6[:, :, rows])


def read(portion: Portion, addresses: RawAddresses) -> None:
    """Read the headers of all packets that have one."""
    _read_ipv4(portion, portion.carrying(EtherType.IPV4), addresses)
    _read_ipv6(portion, portion.carrying(EtherType.IPV6), addresses)
    _read_arp(portion, portion.carrying(EtherType.ARP))


def _read_ipv4(portion: Portion, rows: Ints, addresses: RawAddresses) -> None:
    octets, columns = portion.octets, portion.columns
    rows = portion.whole(rows, ipv4.HEADER_LEN)
    first, total = octets.u8(portion.at[rows]), octets.u16(portion.at[rows] + 2)
    length = (first & 15) * 4
    # a total length of 0 stands in packets over 64 KiB, as a sender's own host sees them before they are cut
    sound = (first >> 4 == 4) & (length >= ipv4.HEADER_LEN) & ((total == 0) | (total >= length))
    portion.carries[rows[~sound]] = NOTHING
    rows, length, total = rows[sound], length[sound], total[sound]
    at = portion.at[rows]
    fragment = octets.u16(at + 6)
    offset = (fragment & 0x1FFF) * 8
    protocol = octets.u8(at + 9)
    columns["ip_version"][rows] = 4
    columns["ttl"][rows] = octets.u8(at + 8)
    columns["protocol"][rows] = protocol
    columns["identification"][rows] = octets.u16(at + 4)
    columns["fragment_offset"][rows] = offset
    columns["more_fragments"][rows] = fragment >> 13 & 1
    addresses.v4[0, rows] = octets.u32(at + 12)
    addresses.v4[1, rows] = octets.u32(at + 16)
    limit = portion.limit[rows]
    portion.limit[rows] = np.where(total == 0, limit, np.minimum(limit, at + total))
    portion.carries[rows] = np.where(offset == 0, protocol, FRAGMENT)
    columns["network_header_len"][rows] = length
    portion.at[rows] = at + length


def _read_ipv6(portion: Portion, rows: Ints, addresses: RawAddresses) -> None:
    octets, columns = portion.octets, portion.columns
    rows = portion.whole(rows, ipv6.HEADER_LEN)
    sound = octets.u8(portion.at[rows]) >> 4 == 6
    portion.carries[rows[~sound]] = NOTHING
    rows = rows[sound]
    if not len(rows):
        return
    at = portion.at[rows]
    payload = octets.u16(at + 4)
    columns["ip_version"][rows] = 6
    columns["ttl"][rows] = octets.u8(at + 7)
    columns["fragment_offset"][rows] = columns["more_fragments"][rows] = 0
    for which, half, where in ((0, 0, 8), (0, 1, 16), (1, 0, 24), (1, 1, 32)):
        addresses.v6[which, half, rows] = octets.u64(at + where)
    limit = portion.limit[rows]
    # a payload length of 0: over 64 KiB, cut by the sender's hardware later, or a jumbogram (RFC 2675)
    portion.limit[rows] = np.where(payload == 0, limit, np.minimum(limit, at + ipv6.HEADER_LEN + payload))
    portion.carries[rows] = octets.u8(at + 6)
    portion.at[rows] = at + ipv6.HEADER_LEN
    _pass_extensions(portion, rows)
    columns["network_header_len"][rows] = portion.at[rows] - at


def _pass_extensions(portion: Portion, rows: Ints) -> None:
    """Go over the extension headers of the `rows`, and say what stands behind them."""
    octets, columns = portion.octets, portion.columns
    columns["protocol"][rows] = portion.carries[rows]
    for _ in range(_MOST_EXTENSIONS):
        rows = portion.whole(rows[np.isin(portion.carries[rows], _EXTENSIONS)], 8)
        if not len(rows):
            return
        at, kind = portion.at[rows], portion.carries[rows]
        words = octets.u8(at + 1)
        # RFC 8200 §4.3: 8-octet units without the first; RFC 4302 §2.2: 4-octet units minus 2; §4.5: always 8 octets
        length = np.where(kind == _AUTHENTICATION, (words + 2) * 4, (words + 1) * 8)
        length[kind == _FRAGMENT] = 8
        fragments = kind == _FRAGMENT
        here = rows[fragments]
        offset_and_more = octets.u16(at[fragments] + 2)
        columns["fragment_offset"][here] = offset_and_more & 0xFFF8
        columns["more_fragments"][here] = offset_and_more & 1
        columns["identification"][here] = octets.u32(at[fragments] + 4)
        behind = octets.u8(at)
        columns["protocol"][rows] = behind
        portion.carries[rows] = np.where(columns["fragment_offset"][rows] == 0, behind, FRAGMENT)
        portion.at[rows] = at + length


def _read_arp(portion: Portion, rows: Ints) -> None:
    rows = portion.whole(rows, _ARP_FIXED)
    at = portion.at[rows]
    # RFC 826: behind the fixed part two addresses of each kind, of the lengths that stand in it
    length = _ARP_FIXED + 2 * (portion.octets.u8(at + 4) + portion.octets.u8(at + 5))
    end = np.minimum(at + length, portion.limit[rows])
    portion.columns["network_header_len"][rows] = end - at
    portion.at[rows] = portion.limit[rows] = end
