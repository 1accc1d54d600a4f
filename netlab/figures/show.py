"""A figure in a window, or where there is no screen, as a file: for `python -m netlab.figures.NAME`."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def show(ax: Axes) -> None:
    """Show the figure that these axes belong to."""
    if plt.get_backend().lower() == "agg":
        file = Path(f"{Path(sys.argv[0]).stem}.png")
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.savefig(file, facecolor=figure.get_facecolor())
        sys.stderr.write(f"no screen here: {file}\n")
    else:
        plt.show()
