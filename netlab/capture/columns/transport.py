"""TCP, UDP and ICMP, and what is left for whoever stands above."""

from __future__ import annotations

import numpy as np

from netlab.capture.columns.portion import Portion
from netlab.capture.octets import Ints
from netlab.packets import tcp, udp

ICMP, ICMPV6 = 1, 58
_ICMP_HEADER_LEN = 8  # type, code, checksum, and four bytes that belong to the type (RFC 792; RFC 4443 §4)


def read(portion: Portion) -> None:
    """Read the headers of all packets that have one."""
    _read_tcp(portion, portion.whole(portion.carrying(tcp.PROTOCOL), tcp.HEADER_LEN))
    _read_udp(portion, portion.whole(portion.carrying(udp.PROTOCOL), udp.HEADER_LEN))
    for number in (ICMP, ICMPV6):
        _pass_header(portion, portion.whole(portion.carrying(number), _ICMP_HEADER_LEN), _ICMP_HEADER_LEN)
    columns = portion.columns
    columns["payload_len"][:] = np.maximum(portion.limit - portion.at, 0)
    columns["payload_captured_len"][:] = np.maximum(np.minimum(portion.limit, portion.end) - portion.at, 0)


def _read_tcp(portion: Portion, rows: Ints) -> None:
    octets, columns = portion.octets, portion.columns
    length = (octets.u8(portion.at[rows] + 12) >> 4) * 4
    sound = length >= tcp.HEADER_LEN
    rows, length = rows[sound], length[sound]
    at = portion.at[rows]
    columns["sport"][rows] = octets.u16(at)
    columns["dport"][rows] = octets.u16(at + 2)
    columns["seq"][rows] = octets.u32(at + 4)
    columns["ack"][rows] = octets.u32(at + 8)
    columns["flags"][rows] = octets.u8(at + 13)
    columns["window"][rows] = octets.u16(at + 14)
    _pass_header(portion, rows, length)


def _read_udp(portion: Portion, rows: Ints) -> None:
    octets, columns = portion.octets, portion.columns
    length = octets.u16(portion.at[rows] + 4)
    # RFC 768: "the minimum value of the length is eight"; 0 stands in datagrams over 64 KiB (RFC 2675 §4)
    sound = (length == 0) | (length >= udp.HEADER_LEN)
    rows, length = rows[sound], length[sound]
    at, limit = portion.at[rows], portion.limit[rows]
    columns["sport"][rows] = octets.u16(at)
    columns["dport"][rows] = octets.u16(at + 2)
    portion.limit[rows] = np.where(length == 0, limit, np.minimum(limit, at + length))
    _pass_header(portion, rows, udp.HEADER_LEN)


def _pass_header(portion: Portion, rows: Ints, length: Ints | int) -> None:
    header = np.minimum(length, portion.limit[rows] - portion.at[rows])
    portion.columns["transport_header_len"][rows] = header
    portion.at[rows] += header
