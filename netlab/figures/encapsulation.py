"""What is wrapped in what? One packet as boxes in boxes, each as long as its bytes are many.

Taught in notebook 01.
"""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.files import CapturedPacket
from netlab.capture.layers import Layer
from netlab.figures import style
from netlab.figures.byte_map import layer_name
from netlab.figures.layer_colours import layer_colour
from netlab.figures.style import HATCHES, LIGHT, Theme

_STRIP = 1.0  # height of what is seen of each box above the next
_INSET = 0.22  # and below it


def encapsulation(packet: CapturedPacket, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the layers of one packet to scale. What a box has left of the next one is its header; right of it stands
    what the link filled up."""
    layers, length = packet.layers, max(len(packet.record.data), 1)
    margins = style.Margins(left=2.3, right=0.35, above=0.6, below=1.0)
    ax = style.axes(ax, theme, "encapsulation", size=(style.SIZE[0], 1.8 + 0.6 * len(layers)), margins=margins)
    ax.grid(visible=False)
    bottom = (len(layers) + 0.25) * _STRIP + len(layers) * _INSET
    ax.set(xlim=(0, length), ylim=(bottom, -0.05), xlabel="byte of the packet")
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    for depth, layer in enumerate(layers):
        _draw_box(ax, theme, layer, depth, bottom)
    style.caption(ax, theme, _caption(packet))
    return ax


def _draw_box(ax: Axes, theme: Theme, layer: Layer, depth: int, bottom: float) -> None:
    colour = layer_colour(layer, theme)
    top, low = depth * _STRIP, bottom - 0.1 - depth * _INSET
    end = min(layer.end, int(ax.get_xlim()[1]))
    ax.add_patch(
        Rectangle(
            (layer.start, top),
            max(end - layer.start, 0),
            low - top,
            facecolor=theme.tint(colour, 0.22),
            edgecolor=theme.ink,
            linewidth=1.0,
            clip_on=False,
        )
    )
    ax.add_patch(
        Rectangle(
            (layer.start, top),
            layer.header_len,
            low - top,
            facecolor=theme.tint(colour, 0.8),
            edgecolor=theme.ink,
            linewidth=1.0,
            hatch=HATCHES[1 + depth % 2] if layer.header_len else "",
            clip_on=False,
        )
    )
    star = " *" if layer.contested else ""
    size = f"{layer.header_len} B header + {layer.payload_len} B payload" if layer.header_len else "all payload"
    for down, said, points, ink in (
        (0.36, layer_name(layer) + star, style.LABEL, theme.ink),
        (0.72, size, style.SMALL, theme.faint),
    ):
        ax.annotate(
            said,
            (0, top + down * _STRIP),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-14, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=points,
            color=ink,
        )


def _caption(packet: CapturedPacket) -> str:
    sums = packet.sums
    length = max(len(packet.record.data), 1)
    star = "; * placement contested" if any(layer.contested for layer in packet.layers) else ""
    share = f"{sums.header / length:.0%}"
    return (
        f"packet {packet.record.number}, {length} bytes: {sums.header} of them ({share}) are headers (hatched), "
        f"{sums.envelope} envelope, {sums.text} what was said, {sums.other} other data{star}"
    )


def text(packet: CapturedPacket) -> str:
    """A line a layer, indented as deep as it is wrapped, and the sums."""
    lines = [
        f"{'  ' * depth}{layer_name(layer)}: {layer.header_len} B header + {layer.payload_len} B payload"
        for depth, layer in enumerate(packet.layers)
    ]
    return "\n".join([*lines, _caption(packet)])


def demo() -> CapturedPacket:
    """A chat message over TCP, from the recorded capture."""
    from netlab.capture.recorded import recorded

    return next(packet for packet in recorded("chat-tcp") if any("emit" in p.event for p in packet.summary.netlab))


if __name__ == "__main__":
    from netlab.figures.show import show

    show(encapsulation(demo()))
