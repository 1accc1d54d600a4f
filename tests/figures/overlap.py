"""Texts of a figure that cover each other or leave it."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

SLACK = 1.0
"""Pixels by which two boxes may meet: their borders hold no ink."""


def problems(figure: Figure) -> list[str]:
    """What is wrong, a line each; none where every text stands free and whole."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [(text.get_text().strip(), _corners(text)) for text in drawn_texts(figure)]
    found = [
        f"{said!r} leaves the figure"
        for said, corners in boxes
        if corners.min() < -SLACK or (corners.max(axis=0) > (width + SLACK, height + SLACK)).any()
    ]
    found += [f"{a!r} covers {b!r}" for (a, one), (b, other) in combinations(boxes, 2) if _overlap(one, other)]
    return found


def drawn_texts(figure: Figure) -> list[Text]:
    """Every text that is seen. An axis keeps more labels than it shows: not all that there are."""
    texts = list(figure.texts)
    waiting = list(figure.axes)
    while waiting:
        axes = waiting.pop()
        waiting += axes.child_axes
        if not axes.get_visible():
            continue
        texts += {*axes.texts, *_titles(axes)}
        if (legend := axes.get_legend()) is not None:
            texts += legend.get_texts()
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            shown = [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]
            texts += [*shown, axis.label]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def _titles(axes: Axes) -> list[Text]:
    titles = {axes.get_title(where) for where in ("left", "center", "right")} - {""}
    return [child for child in axes.get_children() if isinstance(child, Text) and child.get_text() in titles]


def _corners(text: Text) -> np.ndarray:
    """The four corners of the text's own box, in pixels, also where it is turned."""
    upright = text.get_rotation()
    turned = Text.get_window_extent(text)  # an annotation's own would take its arrow in
    middle = np.array([(turned.x0 + turned.x1) / 2, (turned.y0 + turned.y1) / 2])
    text.set_rotation(0)
    flat = Text.get_window_extent(text)
    text.set_rotation(upright)
    angle = math.radians(upright)
    along, across = np.array([math.cos(angle), math.sin(angle)]), np.array([-math.sin(angle), math.cos(angle)])
    half = (flat.width / 2) * along, (flat.height / 2) * across
    return np.array([middle + a * half[0] + b * half[1] for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))])


def _overlap(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two rectangles share more than `SLACK` pixels in every direction: no line parts them."""
    for shape in (one, other):
        for edge in (shape[1] - shape[0], shape[2] - shape[1]):
            length = np.hypot(*edge)
            if length == 0:
                return False
            axis = edge / length
            a, b = one @ axis, other @ axis
            if min(a.max(), b.max()) - max(a.min(), b.min()) <= SLACK:
                return False
    return True
