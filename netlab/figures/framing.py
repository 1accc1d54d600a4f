"""Where does a message end? What was said, the segments that carried it, and what each read returned: three rulers.

The edges do not meet: TCP carries a stream of bytes (RFC 9293 §2.2). Where a read ended only the program knows that
read; it may be given. Taught in notebook 04.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.style import HATCHES, LIGHT, Theme
from netlab.packets.packet import HEADER_LEN

MOST = 14
"""Messages that are drawn where nobody says how many."""

_HIGH = 0.62


class Spans(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a connection as three ways to cut the same bytes: offsets [start, end) from its beginning.

    Attributes:
        sends: what was said: each message, or what each call of `send` handed over.
        segments: with the number of the packet that brought them.
        recvs: what each call of `recv` returned; empty where nobody told.
    """

    flow: str
    sends: tuple[tuple[int, int], ...]
    segments: tuple[tuple[int, int, int], ...]
    recvs: tuple[tuple[int, int], ...] = ()


def spans_of(capture: Capture, *, recvs: Sequence[int] = (), most: int = MOST) -> Spans | None:
    """Of the stream in which the most netlab packets stand; of its first messages.

    Args:
        recvs: the sizes that reads returned, bytes, in order.
    """
    packets = capture.netlab_packets
    streams = {stream.number: stream for stream in capture.streams()}
    counts = {number: int((packets.stream == number).sum()) for number in streams}
    if not counts or max(counts.values()) == 0:
        return None
    number = max(counts, key=lambda n: (counts[n], -n))
    stream = streams[number]
    mine = packets.stream == number
    starts = packets.offset[mine].tolist()
    ends = (packets.offset[mine] + HEADER_LEN + packets.payload_length[mine]).tolist()
    sends = tuple(zip(starts, ends, strict=True))[:most]
    last = sends[-1][1]
    return Spans(
        flow=f"{stream.src} port {stream.sport} to {stream.dst} port {stream.dport}",
        sends=sends,
        segments=tuple((start, min(end, last), row) for start, end, row in stream.spans if start < last),
        recvs=_from_sizes(recvs, last),
    )


def _from_sizes(sizes: Sequence[int], last: int) -> tuple[tuple[int, int], ...]:
    edges = [0]
    for size in sizes:
        edges.append(min(edges[-1] + size, last))
    return tuple(span for span in pairwise(edges) if span[0] < span[1])


def framing(data: Capture | Spans, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the three rulers of a capture's stream, or of spans that a program kept itself."""
    what = data if isinstance(data, Spans) else spans_of(data)
    margins = style.Margins(left=1.35, above=0.6, right=0.35)
    ax = style.axes(ax, theme, "framing", size=(style.SIZE[0], 3.6), margins=margins)
    if what is None:
        style.caption(ax, theme, "no stream of this capture carries netlab packets")
        return ax
    rulers = [("messages", what.sends, theme.purple), ("segments", [s[:2] for s in what.segments], theme.green)]
    if what.recvs:
        rulers.append(("reads", what.recvs, theme.blue))
    last = max(end for _, spans, _ in rulers for _, end in spans)
    ax.set(xlim=(0, last), ylim=(len(rulers) - 0.35, -0.6), xlabel="byte of the stream")
    ax.set_yticks(range(len(rulers)), [name for name, _, _ in rulers])
    ax.tick_params(axis="y", length=0, labelsize=style.LABEL)
    ax.grid(visible=False)
    ax.spines["left"].set_visible(False)
    ax.vlines(
        sorted({edge for span in what.sends for edge in span}),
        -0.5,
        len(rulers) - 0.5,
        color=theme.purple,
        linewidth=0.8,
        linestyle=(0, (3, 3)),
        zorder=1,
    )
    figure = ax.get_figure(root=True)
    assert figure is not None
    inch = ax.get_position().width * figure.get_figwidth() / last
    for row, (name, spans, colour) in enumerate(rulers):
        for k, (start, end) in enumerate(spans):
            hatch = HATCHES[1] if name == "messages" and k % 2 else ""
            ax.add_patch(
                Rectangle(
                    (start, row - _HIGH / 2),
                    end - start,
                    _HIGH,
                    facecolor=theme.tint(colour, 0.45 if k % 2 else 0.25),
                    edgecolor=theme.ink,
                    linewidth=0.9,
                    hatch=hatch,
                )
            )
            said = style.fitting([f"{end - start} B", str(end - start)], (end - start) * inch - 0.06, style.SMALL)
            ax.text(
                (start + end) / 2,
                row,
                said,
                ha="center",
                va="center",
                fontsize=style.SMALL,
                color=theme.ink,
                bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 0.8, "alpha": 0.8}
                if hatch and said
                else None,
            )
    style.caption(ax, theme, *_notes(what))
    return ax


def _notes(what: Spans) -> list[str]:
    edges = {end for _, end in what.sends}
    apart = sum(end not in edges for _, end, _ in what.segments)
    notes = [
        style.safe(what.flow),
        f"{_counted(len(what.sends), 'message')} in {_counted(len(what.segments), 'segment')}, "
        f"{apart} of which end within a message",
    ]
    if what.recvs:
        apart = sum(end not in edges for _, end in what.recvs)
        notes.append(f"{_counted(len(what.recvs), 'read')}, {apart} of which end within one")
    return notes


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def text(data: Capture | Spans) -> str:
    """Each ruler in numbers."""
    what = data if isinstance(data, Spans) else spans_of(data)
    if what is None:
        return "no stream of this capture carries netlab packets\n0 messages"
    lines = ["; ".join(_notes(what))]
    lines.append("messages: " + ", ".join(f"[{start}:{end}]" for start, end in what.sends))
    lines.append("segments: " + ", ".join(f"[{start}:{end}] in packet {row}" for start, end, row in what.segments))
    if what.recvs:
        lines.append("reads: " + ", ".join(f"[{start}:{end}]" for start, end in what.recvs))
    return "\n".join(lines)


def demo() -> Spans:
    """A chat over TCP, simulated, and reads of 1200 bytes each."""
    from netlab.figures.demo_runs import chat

    found = spans_of(chat("tcp", size="900B"), recvs=[1200] * 12, most=9)
    assert found is not None
    return found


if __name__ == "__main__":
    from netlab.figures.show import show

    show(framing(demo()))
