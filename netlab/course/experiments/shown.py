"""A figure as the last line of a cell: a picture with alternative text, and the same in words below it, to be opened.

JupyterLab gives a picture that is an output of its own no alternative text; so it goes into a page's `img`.
"""

from __future__ import annotations

import base64
import html
import io
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from netlab.figures import style
from netlab.figures.style import LIGHT

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

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        words = html.escape(self.said)
        picture = f'<img alt="{words}" src="data:image/png;base64,{base64.b64encode(self.png).decode()}">'
        opened = f"<details><summary>the figure in words</summary><pre>{words}</pre></details>"
        return {"text/html": f"{picture}\n{opened}", "text/plain": self.said}


def shown(ax: Axes, said: str, *, seed: int | None = None) -> Shown:
    """The figure that these axes belong to, with its alternative text; below it the seed that it came from, if any."""
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    if seed is not None:
        figure.text(0.99, 0.01, f"seed {seed}", ha="right", va="bottom", fontsize=style.TINY, color=LIGHT.faint)
        said = f"{said}\nseed {seed}"
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    plt.close(figure)
    return Shown(smaller(file.getvalue()), said)


def smaller(png: bytes) -> bytes:
    """The same picture in fewer colours and bytes."""
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()
