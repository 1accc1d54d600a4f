"""Where the name of a line that crosses a whole figure may stand, so that it covers as little as can be of the rest."""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.text import Text

_PLACES = tuple(
    (along, part, side)
    for along, part in ((0.99, "right"), (0.01, "left"), (0.5, "center"))
    for side in ("bottom", "top")
)
"""Where along the line, which part of the name stands there, and which of its sides is at the line."""

_A_TEXT, _A_LINE = 50, 5
"""How many marks a covered text and a covered line count as."""


def put_where_least_is_covered(name: Text, ax: Axes, value: float, axis: Literal["x", "y"]) -> None:
    """At an end of the line at `value` or its middle, on one side of it, away from what is drawn already."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()  # only now are limits and the legend's place known
    drawn = [line for line in ax.lines if line.get_transform() == ax.transData]
    lines = [Path(ax.transData.transform(np.column_stack(line.get_data(orig=False)))) for line in drawn]
    marks = [each.get_offset_transform().transform(each.get_offsets()) for each in ax.collections]
    points = np.concatenate([np.empty((0, 2)), *(line.vertices for line in lines), *marks])
    texts = [text.get_window_extent() for text in ax.texts if text is not name]
    if (legend := ax.get_legend()) is not None:
        texts.append(legend.get_window_extent())

    def covered(place: tuple[float, str, str]) -> int:
        _put(name, value, axis, place)
        box = name.get_window_extent()
        over_texts = sum(box.overlaps(other) for other in texts)
        over_lines = sum(line.intersects_bbox(box, filled=False) for line in lines)
        return _A_TEXT * over_texts + _A_LINE * over_lines + box.count_contains(points)

    _put(name, value, axis, min(_PLACES, key=covered))


def _put(name: Text, value: float, axis: Literal["x", "y"], place: tuple[float, str, str]) -> None:
    along, part, side = place
    if axis == "y":
        name.set(position=(along, value), horizontalalignment=part, verticalalignment=side)
    else:
        sideways = {"bottom": "right", "top": "left"}[side]
        upright = {"right": "top", "left": "bottom", "center": "center"}[part]
        name.set(position=(value, along), horizontalalignment=sideways, verticalalignment=upright)
