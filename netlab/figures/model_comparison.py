"""Where do these protocols stand? OSI's seven layers beside the four of RFC 1122, with what a capture holds between.

Both are vocabularies: the Internet's protocols were not designed to OSI. Placements on which people do not agree are
marked, with the reason below.

Taught in notebook 01.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from netlab.capture.files import Capture
from netlab.capture.models import OSI, PLACEMENTS, TCP_IP, Placement
from netlab.figures import style
from netlab.figures.layer_colours import colour_of
from netlab.figures.style import LIGHT, Theme

_SPAN = {"Link": (0, 2), "Internet": (2, 3), "Transport": (3, 4), "Application": (4, 7)}
"""Which of OSI's layers each of RFC 1122's is drawn beside. Of OSI's session layer the RFC says nothing."""


MODELS = ("OSI", "TCP/IP")


class Seen(msgspec.Struct, frozen=True):
    """A protocol of a capture: where it stands, and how many packets have it."""

    placement: Placement
    packets: int


def protocols(capture: Capture) -> list[Seen]:
    """The protocols of a capture, from the link up."""
    counts: Counter[str] = Counter()
    for packet in capture:
        counts.update({layer.protocol for layer in packet.layers})
    seen = [Seen(PLACEMENTS[name], packets) for name, packets in counts.items() if name in PLACEMENTS]
    return sorted(seen, key=lambda one: (one.placement.osi, list(PLACEMENTS).index(one.placement.protocol)))


def model_comparison(
    capture: Capture, *, models: Sequence[str] = MODELS, ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw both models, and between them what the capture holds, each at its place; or beside one of `MODELS` alone."""
    seen = protocols(capture)
    notes = _notes(seen)
    margins = style.Margins(left=0.15, right=0.2, above=0.5, below=0.45 + 0.15 * len(notes))
    size = (style.SIZE[0], 4.4 + margins.below)
    ax = style.axes(ax, theme, "model_comparison", size=size, margins=margins, bare=True)
    ax.set(xlim=(0, 100), ylim=(0, 7.5))
    headings = {13: "OSI (ISO/IEC 7498-1)", 50: "in this capture", 87: "TCP/IP (RFC 1122)"}
    for x in (13 if "OSI" in models else 0, 50, 87 if "TCP/IP" in models else 0):
        ax.text(x, 7.25, headings.get(x, ""), ha="center", va="center", fontsize=style.LABEL, color=theme.faint)
    for place, layer in enumerate(OSI if "OSI" in models else ()):
        _box(ax, theme, (0, place, 26, 1), str(layer), theme.line)
    for layer in TCP_IP if "TCP/IP" in models else ():
        low, high = _SPAN[layer.name]
        _box(ax, theme, (74, low, 26, high - low), layer.name, colour_of("", layer.name, theme))
        ax.plot([26, 74], [low, low], color=theme.line, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0)
    _draw_seen(ax, theme, seen)
    below = "\n".join([*notes, f"{style.safe(capture.path.name)}: {len(capture)} packet{'s' * (len(capture) != 1)}"])
    ax.annotate(
        below,
        (0, 0),
        xycoords="axes fraction",
        xytext=(0, -8),
        textcoords="offset points",
        va="top",
        fontsize=style.SMALL,
        color=theme.faint,
    )
    return ax


def _box(ax: Axes, theme: Theme, where: tuple[float, float, float, float], name: str, colour: str) -> None:
    x, y, width, height = where
    ax.add_patch(Rectangle((x, y), width, height, facecolor=theme.tint(colour, 0.45), edgecolor=theme.ink, linewidth=1))
    ax.text(x + width / 2, y + height / 2, name, ha="center", va="center", fontsize=style.LABEL, color=theme.ink)


def _draw_seen(ax: Axes, theme: Theme, seen: Sequence[Seen]) -> None:
    """A chip a protocol, at the middle of the OSI layers it is put at; several at one height stand side by side."""
    rows: dict[float, list[Seen]] = {}
    for one in seen:
        rows.setdefault((one.placement.osi[0] + one.placement.osi[-1] - 1) / 2, []).append(one)
    for middle, chips in rows.items():
        each = 46 / len(chips)
        for number, one in enumerate(chips):
            placement = one.placement
            colour = colour_of(placement.protocol, placement.tcp_ip, theme)
            height = 0.72 + (placement.osi[-1] - placement.osi[0])
            x = 27 + number * each + 0.6
            chip = FancyBboxPatch(
                (x, middle - height / 2),
                each - 1.2,
                height,
                boxstyle="round,pad=0,rounding_size=0.8",
                facecolor=theme.tint(colour, 0.6),
                edgecolor=theme.ink,
                linewidth=1.6 if placement.contested else 0.8,
                linestyle=(0, (3, 2)) if placement.contested else "-",
                mutation_aspect=0.1,
            )
            ax.add_patch(chip)
            star = f" [{_contested(seen).index(one) + 1}]" if placement.contested else ""
            lines = [(0.13, placement.protocol + star, style.LABEL), (-0.19, _packets(one), style.TINY)]
            for up, said, points in lines:
                points = min(points, points * (each - 4) / 100 * 8.5 / style.text_width(said, points))
                ax.text(
                    x + each / 2 - 0.6, middle + up, said, ha="center", va="center", fontsize=points, color=theme.ink
                )


def _packets(one: Seen) -> str:
    return f"in {one.packets} packet{'s' * (one.packets != 1)}"


def _contested(seen: Sequence[Seen]) -> list[Seen]:
    return [one for one in seen if one.placement.contested]


def _notes(seen: Sequence[Seen]) -> list[str]:
    """Why a placement is contested, numbered as the chips are, broken into lines."""
    notes = [
        textwrap.wrap(f"[{number}] contested: {one.placement.contested}", 135, subsequent_indent="      ")
        for number, one in enumerate(_contested(seen), 1)
    ]
    return [line for note in notes for line in note]


def text(capture: Capture, *, models: Sequence[str] = MODELS) -> str:
    """A line a protocol: its place in these models, and why it is contested where it is."""
    lines = []
    for one in protocols(capture):
        places = {"OSI": one.placement.osi_text, "TCP/IP": one.placement.tcp_ip}
        where = "; ".join(f"{model} {places[model]}" for model in models)
        why = f" Contested: {one.placement.contested}" if one.placement.contested else ""
        lines.append(f"{one.placement.protocol}, {_packets(one)}: {where}. Source: {one.placement.source}.{why}")
    return "\n".join(lines)


def demo() -> Capture:
    """The recorded chat over TCP."""
    from netlab.capture.recorded import recorded

    return recorded("chat-tcp")


if __name__ == "__main__":
    from netlab.figures.show import show

    show(model_comparison(demo()))
