"""TCP's options: those of all segments at once, option by option."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netlab.capture.octets import Ints
from netlab.packets import tcp
from netlab.packets.tcp import TcpFlags

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_END, _NO_OPERATION, _MSS, _WINDOW_SCALE, _SACK_PERMITTED, _SACK, _TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
_LENGTHS = {_MSS: 4, _WINDOW_SCALE: 3, _SACK_PERMITTED: 2, _TIMESTAMPS: 10}
MOST_BLOCKS = 4
"""SACK blocks in one segment: what 40 bytes of options hold (RFC 2018 §3)."""

_LARGEST_SHIFT = 14
"""RFC 7323 §2.3: a larger shift count counts as 14."""

_NOT_SEEN, _NOT_OFFERED = -2, -1


def option_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The columns of group `options`. Of options that come twice the first counts; from one that cannot be, none."""
    octets, count = whole.octets, len(whole.index)
    columns: dict[str, NDArray[Any]] = {
        "mss": np.full(count, -1, np.int32),
        "window_scale": np.full(count, -1, np.int16),
        "sack_permitted": np.full(count, -1, np.int8),
        "timestamp": np.full(count, -1, np.int64),
        "timestamp_echo": np.full(count, -1, np.int64),
        "sack_blocks": np.full(count, -1, np.int8),
        "sack": np.full((count, MOST_BLOCKS, 2), -1, np.int64),
    }
    rows = np.flatnonzero((whole.column("protocol") == tcp.PROTOCOL) & (whole.column("sport") >= 0))
    columns["sack_permitted"][rows] = columns["sack_blocks"][rows] = 0
    end = whole.payload_at[rows]
    at = end - whole.column("transport_header_len")[rows] + tcp.HEADER_LEN
    end = np.minimum(end, (whole.index.start + whole.index.captured)[rows])
    while len(rows):
        here = at < end
        rows, at, end = rows[here], at[here], end[here]
        kind = octets.u8(at)
        behind = np.minimum(at + 1, end - 1)
        length = np.where(kind == _NO_OPERATION, 1, octets.u8(behind))
        # RFC 9293 §3.1, MUST-7: a length that cannot be, such as 0, must do no harm
        sound = (kind != _END) & (at + length <= end) & ((length >= 2) | (kind == _NO_OPERATION))
        rows, at, end, kind, length = rows[sound], at[sound], end[sound], kind[sound], length[sound]
        _read(whole, columns, rows, at, kind, length)
        at = at + length
    return columns


def _read(whole: WholeFile, columns: dict[str, NDArray[Any]], rows: Ints, at: Ints, kind: Ints, length: Ints) -> None:
    """Read one option of each of the `rows`."""
    octets = whole.octets

    def first(number: int, column: str) -> tuple[Ints, Ints]:
        """Where the option has this number and the length that it must have, and the column is still empty."""
        empty = 0 if number == _SACK_PERMITTED else -1
        chosen = (kind == number) & (length == _LENGTHS[number]) & (columns[column][rows] == empty)
        return rows[chosen], at[chosen]

    here, place = first(_MSS, "mss")
    columns["mss"][here] = octets.u16(place + 2)
    here, place = first(_WINDOW_SCALE, "window_scale")
    columns["window_scale"][here] = octets.u8(place + 2)
    here, place = first(_SACK_PERMITTED, "sack_permitted")
    columns["sack_permitted"][here] = 1
    here, place = first(_TIMESTAMPS, "timestamp")
    columns["timestamp"][here] = octets.u32(place + 2)
    columns["timestamp_echo"][here] = octets.u32(place + 6)
    # RFC 2018 §3: n blocks have a length of 8*n+2 bytes
    chosen = (kind == _SACK) & (length > 2) & (length % 8 == 2) & (columns["sack_blocks"][rows] == 0)
    here, place, blocks = rows[chosen], at[chosen], length[chosen] // 8
    columns["sack_blocks"][here] = blocks
    for block in range(MOST_BLOCKS):
        there = blocks > block
        for edge in (0, 1):
            value = octets.u32(place[there] + 2 + 8 * block + 4 * edge)
            columns["sack"][here[there], block, edge] = value


def window_columns(whole: WholeFile) -> dict[str, NDArray[Any]]:
    """The column of group `windows`: the window in bytes, where the connection's two SYNs were seen.

    RFC 7323 §2.2: windows are scaled only if both SYNs have the option; a SYN's own window never is.
    """
    flags, window, stream = whole.column("flags"), whole.column("window"), whole.column("stream")
    streams = whole.streams
    shift = np.full(len(streams.begun) + 1, _NOT_SEEN, np.int64)  # the last is that of no stream
    syn = np.flatnonzero((stream >= 0) & (flags & (TcpFlags.SYN | TcpFlags.RST) == TcpFlags.SYN))
    shift[stream[syn]] = whole.column("window_scale")[syn]
    peers = shift[streams.peer]
    own = shift[:-1]
    known = (own != _NOT_SEEN) & (peers != _NOT_SEEN)
    both = (own >= 0) & (peers >= 0)
    by = np.where(both, np.minimum(own, _LARGEST_SHIFT), 0)

    scaled = np.full(len(whole.index), -1, np.int64)
    rows = np.flatnonzero(stream >= 0)
    is_syn = flags[rows] & TcpFlags.SYN != 0
    of = stream[rows]
    value = window[rows].astype(np.int64) << np.where(is_syn, 0, by[of])
    scaled[rows] = np.where(is_syn | known[of], value, -1)
    return {"window_scaled": scaled}
