"""Comparing a figure with a reference image, so that other versions of the font renderer do not matter.

Both are reduced to a quarter of their width and height, where a letter is a grey smudge whoever drew it, and a line, a
bar or a label that is missing, moved or of another colour is not. References are made with `--new-references`.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).parent / "references"
DPI = 100
REDUCED = 4

TOLERANCE = 2.0
"""Root mean square of the difference of two reduced images, of 255."""

PATCH = 24
PATCH_TOLERANCE = 22.0
"""The same within a patch of so many pixels, so that a small thing that is missing from a large figure counts too."""


def drawn(figure: Figure) -> Image.Image:
    """The figure as it is compared."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor=figure.get_facecolor())
    buffer.seek(0)
    image = Image.open(buffer).convert("RGB")
    return image.resize((image.width // REDUCED, image.height // REDUCED), Image.Resampling.BOX)


def difference(image: Image.Image, reference: Image.Image) -> str:
    """What is wrong, or "" where they are alike."""
    if image.size != reference.size:
        return f"{image.size} pixels, and the reference {reference.size}"
    squared = (np.asarray(image, float) - np.asarray(reference, float)) ** 2
    whole = _rms(squared)
    if whole > TOLERANCE:
        return f"differs by {whole:.2f} of 255 (at most {TOLERANCE})"
    for top in range(0, squared.shape[0], PATCH // 2):
        for left in range(0, squared.shape[1], PATCH // 2):
            patch = _rms(squared[top : top + PATCH, left : left + PATCH])
            if patch > PATCH_TOLERANCE:
                return f"differs by {patch:.1f} of 255 at {left * REDUCED}, {top * REDUCED} (at most {PATCH_TOLERANCE})"
    return ""


def _rms(squared: NDArray[np.float64]) -> float:
    return float(np.sqrt(squared.mean()))


def check(name: str, figure: Figure, *, renew: bool) -> None:
    """Compare a figure with its reference, or make it the reference."""
    image, path = drawn(figure), HERE / f"{name}.png"
    if renew:
        path.parent.mkdir(exist_ok=True)
        image.save(path, optimize=True)
        return
    assert path.exists(), f"no reference {path.name}: look at the figure, then run pytest --new-references"
    wrong = difference(image, Image.open(path).convert("RGB"))
    if wrong:
        seen = path.with_suffix(".seen.png")
        image.save(seen)
        raise AssertionError(f"{name} {wrong}: look at {seen}, and if it is right run pytest --new-references")
