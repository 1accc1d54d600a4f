"""Which piece came when, and what is missing? The fragments of one datagram, or of one netlab message, put together.

A row for each fragment that came, in the order in which they came; each stands where its bytes belong. What overlaps,
comes twice or never stands out. Taught in notebook 10.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.scales import time_unit
from netlab.figures.style import HATCHES, LIGHT, Theme
from netlab.packets.packet import SESSION, SESSION_LEN
from netlab.units import MS, Ns

_POINT = ("interface", "direction")  # where it was seen, and whether as it came or as it went


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A fragment: the packet that brought it, when (from the first one), and its bytes [start, end) of the whole."""

    number: int
    at: Ns
    start: int
    end: int


class Whole(msgspec.Struct, frozen=True, kw_only=True):
    """What is put together.

    Attributes:
        what: in words.
        size: bytes of all of it; None where the last fragment did not come.
        pieces: in the order in which they came.
    """

    what: str
    size: int | None
    pieces: tuple[Piece, ...]

    @property
    def holes(self) -> list[tuple[int, int]]:
        """Bytes [start, end) that never came."""
        holes, at = [], 0
        for piece in sorted(self.pieces, key=lambda piece: piece.start):
            if piece.start > at:
                holes.append((at, piece.start))
            at = max(at, piece.end)
        if self.size is not None and at < self.size:
            holes.append((at, self.size))
        return holes


def wholes(capture: Capture) -> list[Whole]:
    """Every IPv4 datagram that was fragmented, and every netlab message of several packets, as the last vantage point
    that has them saw them."""
    return [*_datagrams(capture), *_messages(capture)]


def _datagrams(capture: Capture) -> list[Whole]:
    columns = capture.columns
    cut = (columns.ip_version == 4) & ((columns.fragment_offset > 0) | (columns.more_fragments > 0))
    found: dict[tuple[int, ...], list[int]] = {}
    for row in np.flatnonzero(cut).tolist():
        key = tuple(int(getattr(columns, name)[row]) for name in (*_POINT, "src", "dst", "protocol", "identification"))
        found.setdefault(key, []).append(row)
    by_datagram: dict[tuple[int, ...], list[int]] = {}
    for key, rows in found.items():  # of several vantage points the last one is nearest to who reassembles
        by_datagram[key[2:]] = rows
    wholes = []
    for key, rows in by_datagram.items():
        first = int(columns.time_ns[rows[0]])
        pieces = []
        size = None
        for row in rows:
            start = int(columns.fragment_offset[row])
            end = start + int(columns.transport_header_len[row] + columns.payload_len[row])
            pieces.append(
                Piece(number=int(columns.number[row]), at=int(columns.time_ns[row]) - first, start=start, end=end)
            )
            if not columns.more_fragments[row]:
                size = end
        name = f"IPv4 datagram {key[3]} from {columns.addresses[key[0]]} to {columns.addresses[key[1]]}"
        wholes.append(Whole(what=name, size=size, pieces=tuple(pieces)))
    return wholes


def _messages(capture: Capture) -> list[Whole]:
    packets, columns = capture.netlab_packets, capture.whole.columns
    many = np.flatnonzero((packets.fragment_count > 1) & (packets.stream < 0) & (packets.rudp_stream < 0))
    found: dict[tuple[int, ...], list[int]] = {}
    for k in many.tolist():
        row = int(packets.row[k])
        ends = (columns.src[row], columns.dst[row], columns.sport[row], columns.dport[row])
        point = (int(getattr(columns, name)[row]) for name in _POINT)
        key = (*point, *map(int, ends), int(packets.message_id[k]))
        found.setdefault(key, []).append(k)
    by_message = {key[2:]: ks for key, ks in found.items()}
    wholes = []
    for key, ks in by_message.items():
        sizes = {k: int(packets.payload_length[k]) - SESSION_LEN * (int(packets.flags[k]) & SESSION) for k in ks}
        full = max(sizes.values())
        first = int(columns.time_ns[int(packets.row[ks[0]])])
        count, size, pieces = int(packets.fragment_count[ks[0]]), None, []
        for k in ks:
            row, index = int(packets.row[k]), int(packets.fragment_index[k])
            start = index * full
            end = start + sizes[k]
            pieces.append(
                Piece(number=int(columns.number[row]), at=int(columns.time_ns[row]) - first, start=start, end=end)
            )
            if index == count - 1:
                size = end
        name = f"netlab message {key[-1]:08x} from {columns.addresses[key[0]]} port {key[2]}, in {count} packets"
        wholes.append(Whole(what=name, size=size, pieces=tuple(pieces)))
    return wholes


def reassembly_map(data: Capture | Whole, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw what is put together; of a capture, that which came in the most pieces."""
    what = _chosen(data)
    rows = len(what.pieces) if what is not None else 0
    height = min(max(2.6 + 0.3 * rows, 3.2), 8.0)
    margins = style.Margins(left=1.6, above=0.6, right=0.35)
    ax = style.axes(ax, theme, "reassembly_map", size=(style.SIZE[0], height), margins=margins)
    if what is None:
        style.caption(ax, theme, "nothing in this capture was cut into fragments")
        return ax
    last = max(what.size or 0, *(piece.end for piece in what.pieces))
    ax.set(xlim=(0, last), ylim=(rows + 1.1, -0.7), xlabel="byte of the whole")
    unit = time_unit(max(what.pieces[-1].at, MS))
    ax.set_yticks(
        [*range(rows), rows + 0.35],
        [*(f"packet {p.number}, {unit.say(p.at, 3)}" for p in what.pieces), "together"],
    )
    ax.tick_params(axis="y", length=0, labelsize=style.SMALL if rows < 20 else style.TINY)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)
    figure = ax.get_figure(root=True)
    assert figure is not None
    inch = ax.get_position().width * figure.get_figwidth() / last
    came: list[tuple[int, int]] = []
    for row, piece in enumerate(what.pieces):
        again = any(piece.start < end and start < piece.end for start, end in came)
        came.append((piece.start, piece.end))
        colour, hatch = (theme.vermillion, HATCHES[1]) if again else (theme.blue, "")
        _bar(ax, theme, piece.start, piece.end, row, colour, hatch)
        said = f"{'again: ' if again else ''}{piece.start} to {piece.end}"
        _write(ax, theme, said, piece, row, inch)
        _bar(ax, theme, piece.start, piece.end, rows + 0.35, theme.blue, "")
    for start, end in what.holes:
        _bar(ax, theme, start, end, rows + 0.35, theme.paper, HATCHES[4])
    style.caption(ax, theme, *_notes(what))
    return ax


def _bar(ax: Axes, theme: Theme, start: int, end: int, row: float, colour: str, hatch: str) -> None:
    ground = colour if colour == theme.paper else theme.tint(colour, 0.5)
    ax.add_patch(
        Rectangle(
            (start, row - 0.36), end - start, 0.72, facecolor=ground, edgecolor=theme.ink, linewidth=0.9, hatch=hatch
        )
    )


def _write(ax: Axes, theme: Theme, said: str, piece: Piece, row: int, inch: float) -> None:
    """In the bar, or beside it where there is more room."""
    wide = style.text_width(said, style.SMALL)
    within = wide <= (piece.end - piece.start) * inch - 0.08
    right = ax.get_xlim()[1]
    x, ha = (piece.start + piece.end) / 2, "center"
    if not within:
        x, ha = (piece.end + 0.05 / inch, "left") if piece.end < right / 2 else (piece.start - 0.05 / inch, "right")
    box = {"facecolor": theme.paper, "edgecolor": "none", "pad": 0.8, "alpha": 0.85} if within else None
    ax.text(x, row, said, ha=ha, va="center", fontsize=style.SMALL, color=theme.ink, bbox=box)


def _chosen(data: Capture | Whole) -> Whole | None:
    if isinstance(data, Whole):
        return data
    return max(wholes(data), key=lambda whole: len(whole.pieces), default=None)


def _notes(what: Whole) -> list[str]:
    holes = what.holes
    missing = sum(end - start for start, end in holes)
    size = "of unknown size" if what.size is None else f"{what.size} B"
    state = "whole" if not holes and what.size is not None else f"incomplete: {missing} B are missing (crossed)"
    again = _again(what.pieces)
    return [style.safe(what.what), f"{size} in {len(what.pieces)} fragments that came", state, again]


def _again(pieces: Sequence[Piece]) -> str:
    came: list[tuple[int, int]] = []
    count = 0
    for piece in pieces:
        count += any(piece.start < end and start < piece.end for start, end in came)
        came.append((piece.start, piece.end))
    return f"{count} brought bytes that were there (hatched)" if count else ""


def text(data: Capture | Whole) -> str:
    """A line for each fragment, and what is missing."""
    what = _chosen(data)
    if what is None:
        return "nothing in this capture was cut into fragments\n0 fragments"
    unit = time_unit(max(what.pieces[-1].at, MS))
    lines = ["; ".join(part for part in _notes(what) if part)]
    lines += [f"{unit.say(p.at):>10}  packet {p.number}: bytes {p.start} to {p.end}" for p in what.pieces]
    lines += [f"missing: bytes {start} to {end}" for start, end in what.holes]
    return "\n".join(lines)


def demo() -> Whole:
    """A message of six packets over a line that loses and reorders."""
    from netlab.figures.demo_runs import chat

    capture = chat("udp", there="loss=6% duplicate=5% reorder=10%", size="7000B")
    return max(
        wholes(capture), key=lambda whole: (len(whole.holes) == 1, bool(_again(whole.pieces)), len(whole.pieces))
    )


if __name__ == "__main__":
    from netlab.figures.show import show

    show(reassembly_map(demo()))
