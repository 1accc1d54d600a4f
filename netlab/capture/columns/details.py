"""Columns that are asked for more rarely: link addresses, what else stands in IP's headers, ICMP, ARP."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.transport import ICMP, ICMPV6
from netlab.packets import ethernet
from netlab.packets.capture_record import LinkType
from netlab.packets.ethernet import EtherType

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_ECHO = {ICMP: (8, 0), ICMPV6: (128, 129)}  # request and reply: RFC 792, RFC 4443 §4


def link_address_columns(whole: WholeFile) -> tuple[dict[str, NDArray[Any]], NDArray[Any]]:
    """The columns of group `link_addresses`, and the texts that they are indices of."""
    octets, index = whole.octets, whole.index
    rows = np.flatnonzero((whole.column("link_type") == LinkType.EN10MB) & (index.captured >= ethernet.HEADER_LEN))
    start = index.start[rows]
    numbers = [octets.u16(start + at).astype(np.int64) << 32 | octets.u32(start + at + 2) for at in (6, 0)]
    values, inverse = np.unique(np.stack(numbers), return_inverse=True)
    columns = {name: np.full(len(index), -1, np.int32) for name in ("link_src", "link_dst")}
    columns["link_src"][rows], columns["link_dst"][rows] = inverse.reshape(2, -1)
    texts = [ethernet.format_address(int(value).to_bytes(ethernet.ADDRESS_LEN, "big")) for value in values]
    return dict(columns), np.array([*texts, ""], object)


def network_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The columns of group `ip_details`."""
    octets, version = whole.octets, whole.column("ip_version")
    columns: dict[str, NDArray[Any]] = {
        name: np.full(len(whole.index), -1, np.int32) for name in ("dscp", "ecn", "dont_fragment", "flow_label")
    }
    four, six = np.flatnonzero(version == 4), np.flatnonzero(version == 6)
    at = whole.network_at
    first = octets.u32(at[six])
    traffic = {4: octets.u8(at[four] + 1), 6: first >> 20 & 0xFF}
    for rows, octet in ((four, traffic[4]), (six, traffic[6])):  # RFC 2474 §3, RFC 3168 §5
        columns["dscp"][rows], columns["ecn"][rows] = octet >> 2, octet & 3
    columns["dont_fragment"][four] = octets.u8(at[four] + 6) >> 6 & 1
    columns["flow_label"][six] = first & 0xFFFFF
    return columns


def icmp_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The columns of group `icmp`."""
    octets, count = whole.octets, len(whole.index)
    names = ("icmp_type", "icmp_code", "icmp_identifier", "icmp_sequence")
    columns: dict[str, NDArray[Any]] = {name: np.full(count, -1, np.int32) for name in names}
    for protocol, echo in _ECHO.items():
        read = (whole.column("protocol") == protocol) & (whole.column("transport_header_len") > 0)
        rows = np.flatnonzero(read)
        at = whole.payload_at[rows] - whole.column("transport_header_len")[rows]
        kind = octets.u8(at)
        columns["icmp_type"][rows], columns["icmp_code"][rows] = kind, octets.u8(at + 1)
        asks = np.isin(kind, echo)
        columns["icmp_identifier"][rows[asks]] = octets.u16(at[asks] + 4)
        columns["icmp_sequence"][rows[asks]] = octets.u16(at[asks] + 6)
    return columns


def arp_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The columns of group `arp`."""
    index, data = whole.index, whole.data
    columns: dict[str, NDArray[Any]] = {"arp_operation": np.full(len(index), -1, np.int32)}
    columns |= {name: np.full(len(index), "", object) for name in ("arp_sender", "arp_target")}
    rows = np.flatnonzero((whole.column("ethertype") == EtherType.ARP) & (whole.column("network_header_len") > 0))
    at = whole.network_at[rows]
    columns["arp_operation"][rows] = whole.octets.u16(at + 6)
    end = index.start[rows] + index.captured[rows]
    for row, place, limit in zip(rows.tolist(), at.tolist(), end.tolist(), strict=True):
        hardware, protocol = data[place + 4], data[place + 5]
        if protocol != 4 or place + 8 + 2 * (hardware + protocol) > limit:
            continue
        sender = place + 8 + hardware
        target = sender + protocol + hardware
        columns["arp_sender"][row] = str(ipaddress.IPv4Address(bytes(data[sender : sender + 4])))
        columns["arp_target"][row] = str(ipaddress.IPv4Address(bytes(data[target : target + 4])))
    return columns
