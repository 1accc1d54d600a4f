"""TCP, UDP and ICMP, and what is left for whoever stands above."""

from __future__ import annotations

import numpy as np

from netlab.capture.columns.group import Group
from netlab.capture.octets import Ints
from netlab.packets import tcp, udp

ICMP, ICMPV6 = 1, 58
KNOWN = (tcp.PROTOCOL, udp.PROTOCOL, ICMP, ICMPV6)

_ICMP_HEADER_LEN = 8
"""Type, code, checksum, and four bytes that belong to the type (RFC 792; RFC 4443 §4)."""


def read(protocol: int, group: Group) -> None:
    """Read the headers of packets of one `KNOWN` protocol."""
    match protocol:
        case tcp.PROTOCOL:
            _read_tcp(group.keep_whole(tcp.HEADER_LEN))
        case udp.PROTOCOL:
            _read_udp(group.keep_whole(udp.HEADER_LEN))
        case _:
            _pass_header(group.keep_whole(_ICMP_HEADER_LEN), _ICMP_HEADER_LEN)


def _read_tcp(group: Group) -> None:
    length = (group.u8(12) >> 4) * 4
    sound = length >= tcp.HEADER_LEN
    group, length = group.keep(sound), length[sound]
    group.fill("sport", group.u16(0))
    group.fill("dport", group.u16(2))
    group.fill("seq", group.u32(4))
    group.fill("ack", group.u32(8))
    group.fill("flags", group.u8(13))
    group.fill("window", group.u16(14))
    _pass_header(group, length)


def _read_udp(group: Group) -> None:
    length = group.u16(4)
    # RFC 768: "the minimum value of the length is eight"; 0 stands in datagrams over 64 KiB (RFC 2675 §4)
    sound = (length == 0) | (length >= udp.HEADER_LEN)
    group, length = group.keep(sound), length[sound]
    group.fill("sport", group.u16(0))
    group.fill("dport", group.u16(2))
    group.limit = np.where(length == 0, group.limit, np.minimum(group.limit, group.at + length))
    _pass_header(group, udp.HEADER_LEN)


def _pass_header(group: Group, length: Ints | int) -> None:
    header = np.minimum(length, group.limit - group.at)
    group.fill("transport_header_len", header)
    group.pass_over(header)
    group.finish()
