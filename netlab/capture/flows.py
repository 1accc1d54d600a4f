"""Who speaks with whom: flows, which have one direction, and conversations, which have both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from netlab.packets.endpoint import format_host_port
from netlab.units import Ns

if TYPE_CHECKING:
    from netlab.capture.files import Capture


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a conversation, as one vantage point saw it.

    Attributes:
        number: what the column `flow` has for its packets.
        conversation: likewise, for both directions.
        interface: an index of `capture.interfaces`.
        direction: 1 where its packets were seen as they came, 2 as they went, 0 where nothing says so.
        protocol: IP's number of it: 6 TCP, 17 UDP.
        src, dst: IP addresses.
        sport, dport: of TCP or UDP, else None.
        packets: how many.
        bytes: of them on the link.
        payload: bytes that TCP or UDP carried, retransmissions too.
        began, ended: `time_ns` of its first and last packet.
        capture: its packets.
    """

    number: int
    conversation: int
    interface: int
    direction: int
    protocol: int
    src: str
    sport: int | None
    dst: str
    dport: int | None
    packets: int
    bytes: int
    payload: int
    began: Ns
    ended: Ns
    capture: Any

    def __str__(self) -> str:
        return f"{_end(self.src, self.sport)} > {_end(self.dst, self.dport)}"


class Conversation(msgspec.Struct, frozen=True):
    """Both directions of what two ends say to each other, as one vantage point saw it.

    Attributes:
        number: what the column `conversation` has for its packets.
        forth: the flow that began.
        back: the one that answers, or None.
        capture: the packets of both.
    """

    number: int
    forth: Flow
    back: Flow | None
    capture: Any


def flows(capture: Capture) -> list[Flow]:
    """The flows of the capture's packets, in the order they began."""
    columns = capture.columns
    found = []
    for rows in _rows_alike(columns.flow):
        first = rows[0]
        times = columns.time_ns[rows]
        port = int(columns.sport[first]), int(columns.dport[first])
        found.append(
            Flow(
                number=int(columns.flow[first]),
                conversation=int(columns.conversation[first]),
                interface=int(columns.interface[first]),
                direction=int(columns.direction[first]),
                protocol=int(columns.protocol[first]),
                src=columns.addresses[columns.src[first]],
                sport=None if port[0] < 0 else port[0],
                dst=columns.addresses[columns.dst[first]],
                dport=None if port[1] < 0 else port[1],
                packets=len(rows),
                bytes=int(columns.original_len[rows].sum()),
                payload=int(columns.payload_len[rows].sum()),
                began=int(times.min()),
                ended=int(times.max()),
                capture=capture.at(rows),
            )
        )
    return found


def conversations(capture: Capture) -> list[Conversation]:
    """The conversations of the capture's packets, in the order they began."""
    both: dict[int, list[Flow]] = {}
    for flow in flows(capture):
        both.setdefault(flow.conversation, []).append(flow)
    columns = capture.columns
    found = []
    for rows in _rows_alike(columns.conversation):
        number = int(columns.conversation[rows[0]])
        forth, *back = both[number]
        found.append(Conversation(number, forth, back[0] if back else None, capture.at(rows)))
    return found


def _rows_alike(numbers: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    """The rows of each number but -1, in the order in which the numbers first come."""
    order = np.argsort(numbers, kind="stable")
    order = order[np.searchsorted(numbers[order], 0) :]
    if not len(order):
        return []
    groups = np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)
    return sorted(groups, key=lambda rows: int(rows[0]))


def _end(host: str, port: int | None) -> str:
    return host if port is None else format_host_port(host, port)
