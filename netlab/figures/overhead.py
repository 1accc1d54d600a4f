"""What are the bytes spent on? For each transport, the bytes of every layer, and of what was sent again.

One bar for each capture, or for each transport in one capture. Taught in notebooks 01 and 05.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.scales import size_unit
from netlab.figures.style import HATCHES, LIGHT, Theme
from netlab.packets import tcp, udp
from netlab.packets.packet import HEADER_LEN, SESSION, SESSION_LEN

KINDS = ("link", "internet", "transport", "netlab header", "envelope", "said", "other")
"""What bytes are for: headers of three layers and of netlab's packets, with rudp's behind them, the chat event around a
text, the text, and what is none of these: other data, and what was sent again."""

_COLOURS = {
    "link": "orange",
    "internet": "sky",
    "transport": "green",
    "netlab header": "purple",
    "envelope": "yellow",
    "said": "blue",
    "other": "faint",
}


_HATCHES = {**dict(zip(KINDS, [HATCHES[5], *HATCHES[1:5]], strict=False)), "said": "", "other": "++++"}


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of one transport, as its first vantage point saw them."""

    name: str
    packets: int
    bytes: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.bytes.values())


def spent(capture: Capture, name: str = "") -> list[Spent]:
    """Of each transport in a capture that carries netlab packets; of all, where none does."""
    found = []
    seen_at = capture.where(interface=int(capture.columns.interface[0])) if len(capture) else capture
    for protocol, called in ((tcp.PROTOCOL, "TCP"), (udp.PROTOCOL, "UDP")):
        mine = seen_at.where(protocol=protocol)
        if not len(mine):
            continue
        columns = mine.columns
        sums = dict.fromkeys(KINDS, 0)
        sums["link"] = int(columns.link_header_len.sum())
        sums["internet"] = int(columns.network_header_len.sum())
        sums["transport"] = int(columns.transport_header_len.sum())
        payload = int(columns.payload_len.sum())
        for message in mine.messages():
            sums["said"] += len(message.chat.text.encode())
            sums["envelope"] += len(message.data) - len(message.chat.text.encode())
        packets = capture.netlab_packets
        here = np.isin(packets.row + 1, columns.number)
        segments = capture.rudp_segments
        sums["netlab header"] = (
            int(here.sum()) * HEADER_LEN
            + int((packets.flags[here] & SESSION).sum()) * SESSION_LEN
            + int(segments.header_len[np.isin(segments.row + 1, columns.number)].sum())
        )
        sums["other"] = payload - sums["said"] - sums["envelope"] - sums["netlab header"]
        found.append(Spent(name=name or called, packets=len(mine), bytes=sums))
    return found


def overhead(data: Capture | Mapping[str, Capture], *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw a bar for each transport of a capture, or for each capture."""
    bars = _bars(data)
    margins = style.Margins(left=1.6, above=1.0, right=1.1)
    ax = style.axes(
        ax, theme, "overhead", size=(style.SIZE[0], 2.5 + 0.75 * max(len(bars), 1)), margins=margins, pad=32
    )
    if not bars:
        style.caption(ax, theme, "no packet of this capture is TCP or UDP")
        return ax
    most = max(bar.total for bar in bars)
    unit = size_unit(most)
    ax.set(xlim=(0, unit.of(most)), ylim=(len(bars) - 0.45, -0.6), xlabel=f"bytes on the link ({unit.name})")
    ax.set_yticks(range(len(bars)), [f"{style.safe(bar.name)}\n{bar.packets} packets" for bar in bars])
    ax.tick_params(axis="y", length=0, labelsize=style.LABEL)
    ax.grid(visible=False, axis="y")
    figure = ax.get_figure(root=True)
    assert figure is not None
    inch = ax.get_position().width * figure.get_figwidth() / unit.of(most)
    for row, bar in enumerate(bars):
        at = 0.0
        for kind in KINDS:
            wide = unit.of(bar.bytes[kind])
            ax.add_patch(
                Rectangle(
                    (at, row - 0.34),
                    wide,
                    0.68,
                    facecolor=theme.tint(getattr(theme, _COLOURS[kind]), 0.6),
                    edgecolor=theme.ink,
                    linewidth=0.8,
                    hatch=_HATCHES[kind],
                )
            )
            said = style.fitting([f"{bar.bytes[kind] / max(bar.total, 1):.0%}"], wide * inch - 0.06, style.SMALL)
            box = {"facecolor": theme.paper, "edgecolor": "none", "pad": 0.8} if said else None
            ax.text(at + wide / 2, row, said, ha="center", va="center", fontsize=style.SMALL, color=theme.ink, bbox=box)
            at += wide
        ax.annotate(
            f"{bar.total / max(bar.bytes['said'], 1):.1f} B sent\nfor 1 B said"
            if bar.bytes["said"]
            else unit.say(bar.total, 3),
            (at, row),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
            color=theme.ink,
            annotation_clip=False,
        )
    _key(ax, theme, bars)
    style.caption(ax, theme, "as seen at the first vantage point of each capture; what was sent twice counts twice")
    return ax


def _key(ax: Axes, theme: Theme, bars: list[Spent]) -> None:
    used = [kind for kind in KINDS if any(bar.bytes[kind] for bar in bars)]
    handles = [
        Rectangle(
            (0, 0),
            1,
            1,
            facecolor=theme.tint(getattr(theme, _COLOURS[kind]), 0.6),
            edgecolor=theme.ink,
            hatch=_HATCHES[kind],
        )
        for kind in used
    ]
    legend = ax.legend(
        handles,
        used,
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=len(used),
        frameon=False,
        fontsize=style.SMALL,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.3,
    )
    for said in legend.get_texts():
        said.set_color(theme.ink)


def _bars(data: Capture | Mapping[str, Capture]) -> list[Spent]:
    if isinstance(data, Capture):
        return spent(data)
    bars = []
    for name, capture in data.items():
        of_it = spent(capture)
        bars += [msgspec.structs.replace(bar, name=name if len(of_it) == 1 else f"{name}: {bar.name}") for bar in of_it]
    return bars


def text(data: Capture | Mapping[str, Capture]) -> str:
    """A line for each transport: bytes of each kind."""
    lines = []
    for bar in _bars(data):
        kinds = ", ".join(f"{kind} {bar.bytes[kind]} B" for kind in KINDS)
        lines.append(f"{bar.name}: {bar.total} B in {bar.packets} packets: {kinds}")
        if bar.bytes["said"]:
            lines.append(f"  {bar.total / bar.bytes['said']:.1f} B were sent for each byte that was said")
    return "\n".join(lines) if len(lines) > 1 else "\n".join([*lines, "0 B were said"])


def demo() -> Mapping[str, Capture]:
    """The same chat over three transports, simulated."""
    from netlab.figures.demo_runs import chat

    return {name: chat(over) for name, over in (("TCP", "tcp"), ("UDP", "udp"), ("reliable UDP", "rudp"))}


if __name__ == "__main__":
    from netlab.figures.show import show

    show(overhead(demo()))
