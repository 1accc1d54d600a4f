"""Figures: each answers one question, returns its `Axes`, and can be said in words.

    netlab.figures.ladder(netlab.capture.read("chat.pcapng"))           # Axes, to be shown, changed, saved
    netlab.figures.words("ladder", netlab.capture.read("chat.pcapng"))  # the same as text

Every figure takes `ax` (to draw into axes of yours) and `theme` (`LIGHT` or `DARK`). A figure of several panels divides
`ax` among them, and returns it. `python -m netlab.figures.ladder` shows one of recorded data.

Read `registry` for which there are, `style` for how they look, `ladder` for how one is made.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netlab.figures.registry import FIGURES

if TYPE_CHECKING:
    from netlab.figures.style import DARK, LIGHT, Theme

__all__ = ["DARK", "FIGURES", "LIGHT", "Theme", "words", *FIGURES]  # noqa: PLE0604  # the keys are strings


def words(name: str, data: Any, **arguments: Any) -> str:
    """What the figure of this name shows of `data`, as text: for who does not see it, and for a terminal."""
    said: str = importlib.import_module(f"{__name__}.{name}").text(data, **arguments)
    return said


class _Package(ModuleType):
    """`netlab.figures.ladder` is the figure, also once the file of that name has been imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIGURES and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in FIGURES:
            return getattr(importlib.import_module(f"{self.__name__}.{name}"), name)
        if name in ("DARK", "LIGHT", "Theme"):
            return getattr(importlib.import_module(f"{self.__name__}.style"), name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
