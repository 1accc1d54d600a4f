"""Series of a figure that only colour tells apart: alike for who sees none, and on paper that has none."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

ENOUGH = 12.0
"""Of 100 steps of lightness (CIE L*): two greys so far apart are seen as two."""


def alike_in_grey(figure: Figure) -> list[str]:
    """Pairs of lines, bars or areas of two colours that share marker, dash and hatch, and are equally light."""
    found = []
    for axes in _all_axes(figure):
        for one, other in combinations(sorted(_looks(axes)), 2):
            (sign, colour), (sign_of_other, colour_of_other) = one, other
            if sign == sign_of_other and abs(lightness(colour) - lightness(colour_of_other)) < ENOUGH:
                found.append(f"{sign} in {colour} and in {colour_of_other}")
    return found


def lightness(colour: Any) -> float:
    """CIE L* of an sRGB colour: 0 is black, 100 white."""
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in to_rgb(colour))
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 903.3 * luminance if luminance <= 0.008856 else 116 * float(luminance ** (1 / 3)) - 16


def _all_axes(figure: Figure) -> list[Axes]:
    found, waiting = [], list(figure.axes)
    while waiting:
        axes = waiting.pop()
        waiting += axes.child_axes
        found.append(axes)
    return found


def _looks(axes: Axes) -> set[tuple[str, tuple[float, float, float]]]:
    """What each artist looks like: its signs, and its colour."""
    looks = {(f"line, {line.get_marker()}, {line._dash_pattern}", to_rgb(line.get_color())) for line in axes.lines}  # type: ignore[attr-defined]
    looks |= {(f"box, {patch.get_hatch() or ''}", to_rgb(patch.get_facecolor())) for patch in axes.patches}
    for drawn in axes.collections:
        signs = f"{type(drawn).__name__}, {drawn.get_hatch() or ''}, {len(drawn.get_paths()[0].vertices)} corners"
        looks |= {(signs, to_rgb(colour)) for colour in drawn.get_facecolor()[:1]}
    return looks
