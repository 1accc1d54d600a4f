"""Which flow, and which conversation, each packet belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns.grouping import number_alike
from netlab.packets.capture_record import Interface
from netlab.packets.pcapng import INBOUND, OUTBOUND


def flow_columns(column: Callable[[str], NDArray[Any]], interfaces: list[Interface]) -> dict[str, NDArray[Any]]:
    """The columns of group `flows`.

    A flow is what one vantage point saw of one direction of a conversation. Where it saw a packet twice, as it came and
    as it went, these are two flows: a router has both.
    """
    rows = np.flatnonzero(column("protocol") >= 0)
    interface, direction = column("interface")[rows], column("direction")[rows]
    protocol = column("protocol")[rows]
    near = column("src")[rows].astype(np.int64) << 17 | column("sport")[rows] + 1
    far = column("dst")[rows].astype(np.int64) << 17 | column("dport")[rows] + 1
    # of a conversation the one half is seen as it comes, the other as it goes: then both were on the same side
    side = np.where(near <= far, direction, _OPPOSITE[direction])
    flows = number_alike(interface, direction, protocol, near, far)
    place = _places(interfaces)[interface]
    conversations = number_alike(place, side, protocol, np.minimum(near, far), np.maximum(near, far))
    columns = {}
    for name, numbers in (("flow", flows), ("conversation", conversations)):
        columns[name] = np.full(len(column("protocol")), -1, np.int32)
        columns[name][rows] = numbers
    return columns


def _places(interfaces: list[Interface]) -> NDArray[np.int32]:
    """Which interfaces are at one place: each for itself, but of a link named `A>B` the other way is `B>A`."""
    names = {interface.name: number for number, interface in enumerate(interfaces)}
    places = np.arange(len(interfaces), dtype=np.int32)
    for name, number in names.items():
        way = (name or "").split(">")
        if len(way) == 2 and (other := names.get(f"{way[1]}>{way[0]}")) is not None:
            places[number] = min(number, other)
    return places


_OPPOSITE = np.array([0, OUTBOUND, INBOUND, 3], np.int8)
