"""The columns of the link to transport layers: all packets at once, one protocol after the other.

What stands here goes through many packets in step. A `Group` knows where in each of its packets the next header begins;
each protocol takes the packets that are its own, reads its fields out of all of them, and says where the next header is
and what it is. Packets are taken in portions, so that what is worked on stays in the processor's cache.

Read `link`, `network`, `transport` in this order. A field is read only where the whole fixed part of its header was
captured; lengths come from the headers, and no longer than the packet was.
"""

from __future__ import annotations

import numpy as np

from netlab.capture.columns import link, network, transport
from netlab.capture.columns.addresses import Addresses, number_addresses
from netlab.capture.columns.group import Group
from netlab.capture.columns.table import COLUMNS
from netlab.capture.octets import Ints, Octets
from netlab.capture.record_index import RecordIndex

_PORTION = 16_384
"""Packets taken at once."""


def header_columns(octets: Octets, index: RecordIndex) -> tuple[dict[str, Ints], Addresses]:
    """The columns of group `headers`, and the addresses that `src` and `dst` are indices of."""
    count = len(index)
    columns: dict[str, Ints] = {}
    for name, column in COLUMNS.items():
        if column.group == "headers":
            assert not isinstance(column.absent, str)
            columns[name] = np.full(count, column.absent or 0, column.dtype)
    raw = network.raw_addresses(count)
    filled = columns | raw
    types_of_interfaces = np.array([interface.linktype for interface in index.interfaces], np.int32)
    for first in range(0, count, _PORTION):
        rows = slice(first, min(first + _PORTION, count))
        begin = index.start[rows]
        group = Group(
            octets,
            {name: array[rows] for name, array in filled.items()},
            np.arange(len(begin)),
            begin,
            index.captured[rows].astype(np.int64),
            index.original[rows],
        )
        for link_type, of_link in group.by(types_of_interfaces[index.interface[rows]], link.KNOWN):
            for ethertype, of_network in link.read(link_type, of_link):
                for protocol, of_transport in network.read(ethertype, of_network):
                    transport.read(protocol, of_transport)
    columns["src"], columns["dst"], addresses = number_addresses(raw, columns["ip_version"])
    return columns, addresses
