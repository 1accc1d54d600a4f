"""Whether a packet was seen as it came or as it went, where the file or the link's header says so."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netlab.capture.octets import Ints, Octets
from netlab.capture.record_index import RecordIndex
from netlab.packets.capture_record import LinkType
from netlab.packets.pcapng import FLAGS, INBOUND, OUTBOUND

_MOST_OPTIONS = 64
"""Options of one record that are looked through."""

_PACKET_TYPE_AT = {LinkType.LINUX_SLL: 1, LinkType.LINUX_SLL2: 10}  # the byte that tells; the other of SLL's two is 0
_OUTGOING = 4


def direction_column(octets: Octets, index: RecordIndex, link_type: Ints) -> NDArray[np.int8]:
    """INBOUND, OUTBOUND or 0 for each record."""
    found = np.zeros(len(index), np.int8)
    for rows, order in index.byte_orders():
        found[rows] = _flags(Octets(index.data, order), index, rows) & 3
    for kind, at in _PACKET_TYPE_AT.items():
        cooked = np.flatnonzero((link_type == kind) & (index.captured > at) & (found == 0))
        outgoing = octets.u8(index.start[cooked] + at) == _OUTGOING
        found[cooked] = np.where(outgoing, OUTBOUND, INBOUND)
    return found


def _flags(octets: Octets, index: RecordIndex, rows: slice) -> Ints:
    """The option `epb_flags` of each record, 0 where it has none."""
    at = index.at[rows]
    end = at + octets.u32(at + 4) - 4
    behind = index.start[rows] + index.captured[rows]
    option = behind + (at - behind) % 4
    flags = np.zeros(len(at), np.int64)
    left = np.arange(len(at))
    for _ in range(_MOST_OPTIONS):
        left = left[option[left] + 8 <= end[left]]
        if not len(left):
            break
        code, length = octets.u16(option[left]), octets.u16(option[left] + 2)
        is_flags = (code == FLAGS) & (length == 4)
        flags[left[is_flags]] = octets.u32(option[left[is_flags]] + 4)
        option[left] += 4 + length + -length % 4
        left = left[(code != 0) & ~is_flags]
    return flags
