"""A figure as the last line of a cell: a picture with alternative text, and the same in words where there are no
pictures."""

from __future__ import annotations

import io
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

DPI = 80
COLOURS = 200
"""A notebook with its pictures stays small."""


class Shown:
    """A picture, and what it says in words. The notebook shows it; `str` is the words."""

    def __init__(self, png: bytes, said: str) -> None:
        self.png = png
        self.said = said

    def __repr__(self) -> str:
        return self.said

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return {"image/png": self.png, "text/plain": self.said}, {"image/png": {"alt": self.said}}


def shown(ax: Axes, said: str) -> Shown:
    """The figure that these axes belong to, with its alternative text."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    plt.close(figure)
    small = io.BytesIO()
    Image.open(file).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
    return Shown(small.getvalue(), said)
