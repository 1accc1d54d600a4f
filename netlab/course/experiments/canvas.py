"""Axes for what an experiment found, and its lines: in the look of `netlab.figures`, with the question as the title."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from netlab.figures import style
from netlab.figures.style import DASHES, LIGHT, MARKERS


def canvas(question: str, *, x: str, y: str, ax: Axes | None = None, height: float = 4.2) -> Axes:
    """Axes of a new figure, or those given, with the names of both axes."""
    if ax is None:
        _, ax = plt.subplots(figsize=(style.SIZE[0], height), facecolor=LIGHT.paper, layout="constrained")
    style.dress(ax, LIGHT)
    ax.set_title(question, loc="left", fontsize=style.TITLE, color=LIGHT.ink, fontweight="bold", pad=10)
    ax.set(xlabel=x, ylabel=y)
    return ax


def line(
    ax: Axes, number: int, name: str, points: Sequence[tuple[float, float]], *, theory: bool = False, mark: bool = True
) -> None:
    """A line of its own colour, marker and dash; dashed and without markers where it is theory."""
    ax.plot(
        [x for x, _ in points],
        [y for _, y in points],
        label=name,
        color=LIGHT.series[number % len(LIGHT.series)],
        linestyle=(0, (2, 2)) if theory else DASHES[number % len(DASHES)] if not mark else "-",
        marker="" if theory or not mark else MARKERS[number % len(MARKERS)],
        linewidth=1.2 if theory else 1.8,
        markersize=6,
    )


def legend(ax: Axes) -> None:
    """Names of the lines, where the axes have most room."""
    names = ax.legend(frameon=True, facecolor="white", edgecolor="none", fontsize=style.SMALL, loc="best")
    names.set_zorder(7)  # above a guess, which is drawn later
