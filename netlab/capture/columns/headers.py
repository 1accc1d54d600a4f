"""The columns of the link to transport layers: all packets at once, one protocol after the other.

What stands here walks through many packets in step: an array says for each where its next header begins, and each
protocol takes the packets that are its own, reads its fields out of all of them, and says where the next header is.
Packets are taken in portions, so that what is worked on stays in the processor's cache and memory stays bounded.

Read `link`, `network`, `transport` in this order. A field is read only where the whole fixed part of its header was
captured; lengths come from the headers, and no longer than the packet was.
"""

from __future__ import annotations

import numpy as np

from netlab.capture.columns import link, network, transport
from netlab.capture.columns.addresses import Addresses, number_addresses
from netlab.capture.columns.portion import Portion
from netlab.capture.columns.table import COLUMNS
from netlab.capture.octets import Ints, Octets
from netlab.capture.record_index import RecordIndex

PORTION = 8192
"""Packets taken at once."""


def header_columns(octets: Octets, index: RecordIndex) -> tuple[dict[str, Ints], Addresses]:
    """The columns of group `headers`, and the addresses that `src` and `dst` are indices of."""
    count = len(index)
    columns: dict[str, Ints] = {}
    for name, column in COLUMNS.items():
        if column.group == "headers":
            assert not isinstance(column.absent, str)
            columns[name] = np.full(count, column.absent or 0, column.dtype)
    link_types = np.array([interface.linktype for interface in index.interfaces], np.int32)
    raw = network.RawAddresses.of(count)
    for first in range(0, count, PORTION):
        rows = slice(first, min(first + PORTION, count))
        portion = Portion(octets, {name: array[rows] for name, array in columns.items()}, index, rows)
        for link_type in np.unique(index.interface[rows]):
            link.read(portion, int(link_types[link_type]), np.flatnonzero(index.interface[rows] == link_type))
        network.read(portion, raw.portion(rows))
        transport.read(portion)
    columns["src"], columns["dst"], addresses = number_addresses(raw, columns["ip_version"])
    return columns, addresses
