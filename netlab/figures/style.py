"""How figures look: the colours of Okabe and Ito, light and dark, and the parts that figures are built of.

Nothing here touches matplotlib's global settings. What a colour says is said a second time by a marker, a hatch, a line
style or a label that stands at the thing itself, so that a figure can be read in grey and by the colour-blind.

Source: M. Okabe and K. Ito, "Color Universal Design", 2008: eight colours that are told apart with any kind of colour
vision.
"""

from __future__ import annotations

import contextlib
import functools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import matplotlib.pyplot as plt
import msgspec
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from netlab.figures.registry import FIGURES
from netlab.packets.text import printable

SIZE = (9.0, 5.0)
"""Inches of a figure that is not told another size: what a notebook shows."""

TITLE, LABEL, SMALL, TINY = 13.0, 10.0, 8.5, 7.0
"""Sizes of text, points."""

_SIZE: ContextVar[tuple[float, float] | None] = ContextVar("size of new figures", default=None)
_OWN = "netlab figure"  # label of axes whose whole figure is ours: then the caption may use its lower edge
_EDGE = 0.12  # inches that text keeps from the figure's edge


class Theme(msgspec.Struct, frozen=True, kw_only=True):
    """Colours of a figure.

    Attributes:
        paper, ink: background, and what is written on it.
        faint: what is said by the way; still readable.
        line: grids and frames.
        orange, sky, green, yellow, blue, vermillion, purple: of Okabe and Ito (their black is `ink`).
    """

    name: str
    paper: str
    ink: str
    faint: str
    line: str
    orange: str = "#E69F00"
    sky: str = "#56B4E9"
    green: str = "#009E73"
    yellow: str = "#F0E442"
    blue: str = "#0072B2"
    vermillion: str = "#D55E00"
    purple: str = "#CC79A7"

    @property
    def series(self) -> tuple[str, ...]:
        """Colours of lines and points, in the order in which they are given out: the most different first."""
        return (self.blue, self.orange, self.green, self.purple, self.vermillion, self.sky)

    def tint(self, colour: str, share: float = 0.35) -> str:
        """The colour as a ground that ink can be read on: so much of it, the rest paper."""
        mixed = [share * c + (1 - share) * p for c, p in zip(to_rgb(colour), to_rgb(self.paper), strict=True)]
        return to_hex((mixed[0], mixed[1], mixed[2]))


LIGHT = Theme(name="light", paper="#FFFFFF", ink="#000000", faint="#555555", line="#C8C8C8")
DARK = Theme(
    name="dark",
    paper="#16191D",
    ink="#F2F2F2",
    faint="#B4B8BD",
    line="#4A4F55",
    blue="#4BA3DC",  # Okabe and Ito's own is too near to the ground
    green="#1DBF91",
    vermillion="#F0762B",
)

MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 2)))
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")


@contextlib.contextmanager
def sized(inches: tuple[float, float]) -> Iterator[None]:
    """New figures made within are of this size, and lay out what they show in it."""
    token = _SIZE.set(inches)
    try:
        yield
    finally:
        _SIZE.reset(token)


class Margins(msgspec.Struct, frozen=True):
    """Inches around the axes of a new figure; `below` has room for ticks, the axis's name and two lines of caption."""

    left: float = 0.85
    right: float = 0.3
    above: float = 0.55
    below: float = 1.0


_USUAL = Margins()


def axes(
    ax: Axes | None,
    theme: Theme,
    name: str,
    *,
    size: tuple[float, float] = SIZE,
    margins: Margins = _USUAL,
    bare: bool = False,
    pad: float = 10,
) -> Axes:
    """The axes to draw on, in the theme's colours and with the figure's question as its title.

    Args:
        ax: of the caller, or None: a new figure is made.
        name: of the figure, a key of `FIGURES`.
        size, margins: of a new figure, inches.
        bare: without frame, ticks and grid: for drawings that have no scales.
        pad: points between the axes and the title.
    """
    title_x = 0.0
    if ax is None:
        size = _SIZE.get() or size
        figure = plt.figure(figsize=size, facecolor=theme.paper)
        width = max(size[0] - margins.left - margins.right, 0.5)
        height = max(size[1] - margins.above - margins.below, 0.5)
        ax = figure.add_axes(
            (margins.left / size[0], margins.below / size[1], width / size[0], height / size[1]), label=_OWN
        )
        title_x = (_EDGE - margins.left) / width
    dress(ax, theme, bare=bare)
    question = FIGURES[name].question
    ax.set_title(question, loc="left", x=title_x, fontsize=TITLE, color=theme.ink, fontweight="bold", pad=pad)
    return ax


def dress(ax: Axes, theme: Theme, *, bare: bool = False) -> None:
    """Give axes the theme's colours."""
    ax.set_facecolor(theme.paper)
    if bare:
        ax.set_axis_off()
        return
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.faint)
    ax.tick_params(colors=theme.faint, labelcolor=theme.ink, labelsize=SMALL)
    ax.xaxis.label.set(color=theme.ink, fontsize=LABEL)
    ax.yaxis.label.set(color=theme.ink, fontsize=LABEL)
    ax.grid(visible=True, color=theme.line, linewidth=0.6, alpha=0.6)
    ax.set_axisbelow(True)


def caption(ax: Axes, theme: Theme, *parts: str) -> None:
    """What is to be known of the run, below everything else: the parts that are not empty, broken into lines."""
    said = "; ".join(part for part in parts if part)
    if not said:
        return
    own = ax.get_label() == _OWN
    figure = ax.get_figure(root=True)
    assert figure is not None
    width = figure.get_figwidth() * (1 if own else ax.get_position().width) - 2 * _EDGE
    lines = textwrap.wrap(said, max(int(0.94 * width / text_width(said, SMALL) * len(said)), 20))
    ax.annotate(
        "\n".join(lines),
        (_EDGE * 72, _EDGE * 72) if own else (0, 0),
        xycoords="figure points" if own else "axes fraction",
        xytext=None if own else (0, -38),
        textcoords=None if own else "offset points",
        va="bottom" if own else "top",
        fontsize=SMALL,
        color=theme.faint,
        annotation_clip=False,
    )


def end_labels(ax: Axes, theme: Theme, labels: Iterable[tuple[float, str, str]], *, size: float = SMALL) -> None:
    """Names of lines at the right edge, each at the height where its line ends, moved apart where they would meet.

    Args:
        labels: (y, name, colour); limits and scales of the axes must be what they stay.
    """
    placed = sorted((float(_fraction(ax, y)), name, colour) for y, name, colour in labels)
    gap = size * 1.35 / (72 * ax.figure.get_figheight() * ax.get_position().height * 0.9)  # type: ignore[union-attr]
    heights = spread([height for height, _, _ in placed], gap)
    for (_, name, colour), height in zip(placed, heights, strict=True):
        ax.annotate(
            name,
            (1, height),
            xycoords="axes fraction",
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=size,
            color=theme.ink,
            annotation_clip=False,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": theme.tint(colour), "edgecolor": "none"},
        )


def _fraction(ax: Axes, y: float) -> float:
    scaled = ax.transScale.transform((ax.get_xlim()[0], y))
    return float(ax.transLimits.transform(scaled)[1])


def spread(wanted: Sequence[float], gap: float, *, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Places as near to those wanted as they can be with `gap` between neighbours, within [low, high] where they fit.

    >>> spread([0.5, 0.5, 0.9], 0.1)
    [0.45, 0.55, 0.9]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    groups: list[list[float]] = []  # [sum of what its members want of the first, members]
    for place, i in enumerate(order):
        groups.append([wanted[i] - place * gap, 1.0])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, members = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += members
    bases = [total / members for total, members in groups for _ in range(int(members))]
    top = high - (len(order) - 1) * gap
    places = [0.0] * len(order)
    for place, (i, base) in enumerate(zip(order, bases, strict=True)):
        places[i] = round(max(low, min(base, top)) + place * gap, 9)
    return places


@functools.cache
def text_width(text: str, size: float) -> float:
    """How wide a text is, inches."""
    if not text:
        return 0.0
    return float(TextPath((0, 0), text, size=size, prop=FontProperties()).get_extents().width) / 72


def fitting(texts: Iterable[str], width: float, size: float) -> str:
    """The first of the texts that is not wider than `width` inches; "" where none is."""
    return next((text for text in texts if text_width(text, size) <= width), "")


def safe(text: str) -> str:
    """A text from the network or a file as it can be drawn: printable, of glyphs that the font has, no formulas."""
    drawable = "".join(c if c.isascii() or "\xa0" < c < "\u0250" else "?" for c in printable(text))
    return drawable.replace("$", r"\$")
