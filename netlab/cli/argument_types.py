"""Words of the command line that become a number or a file, and what is said of one that does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

if TYPE_CHECKING:
    NumberType: TypeAlias = click.ParamType[int]
    PathType: TypeAlias = click.ParamType[Path]
else:
    NumberType = PathType = click.ParamType  # a generic class since click 8.5 only


class Number(NumberType):
    """A whole number from `least` to `most`, or from `least` on where that is None."""

    def __init__(self, name: str, least: int, most: int | None = None) -> None:
        self.name = name
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """From what was typed."""
        text = str(value)
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else self._least - 1
        if number < self._least or (self._most is not None and number > self._most):
            upwards = "or more" if self._most is None else f"to {self._most}"
            self.fail(f"{text!r} is no {self.name}: write a whole number, {self._least} {upwards}", param, ctx)
        return number


class File(PathType):
    """The path of a file or a folder. An empty one, as an unset variable of a script gives, is refused."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """From what was typed."""
        if isinstance(value, Path):
            return value
        if not str(value):
            self.fail("the name is empty", param, ctx)
        return Path(value)


PORT = Number("port", 0, 65535)
