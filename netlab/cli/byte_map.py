"""A packet's bytes in the terminal: each with the colour of its layer, fields told apart by shade.

Without colour a line of letters stands below each row: the layer's letter where a field begins, and dashes as long as
it goes on; a small letter where it goes on from the row above. The colours are those of Okabe and Ito, which people
with any colour vision tell apart, as backgrounds for black text: so the terminal may be light or dark.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from netlab.capture.layers import Field, Layer

ROW = 16
"""Bytes in a row."""

_LETTERS = string.ascii_uppercase
_LONGEST = 12  # rows of one field; of a longer one the first and the last are shown
_FIRST_ROWS = 8
_MARGIN = 6
_WIDTH = _MARGIN + 3 * ROW + 1 + ROW  # of a row without names beside it
_NAMES_FROM = 100  # columns from which on there is room for them

_TINTS = {
    "Link": ("#9ad1f2", "#56b4e9", "cyan", "bright_cyan"),
    "Internet": ("#7fcfb6", "#2fb38c", "green", "bright_green"),
    "Transport": ("#f5cc70", "#e69f00", "yellow", "bright_yellow"),
    "netlab packet": ("#e6bcd3", "#cc79a7", "bright_magenta", "bright_red"),
    "chat event": ("#f8f2a0", "#e5d92f", "white", "bright_white"),
    "HTTP": ("#9fc5e8", "#6fa8dc", "blue", "bright_blue"),
    "WebSocket": ("#f0b592", "#e08850", "red", "bright_red"),
    "Engine.IO": ("#e6bcd3", "#cc79a7", "bright_magenta", "magenta"),
    "Socket.IO": ("#f8f2a0", "#e5d92f", "white", "bright_white"),
    "data": ("#d0d0d0", "#b8b8b8", "white", "bright_white"),
}
"""By the protocol, or where RFC 1122 puts it: two shades as true colour, and two for terminals of 16 colours."""

Paint: TypeAlias = Callable[[str, str, int], str]
"""`paint(text, protocol, number of its field)`: the text in the field's shade."""


def painter() -> Paint | None:
    """What paints for this terminal, in as many colours as it has; None where it has none, or none are wanted."""
    from rich.color import ColorSystem
    from rich.console import Console
    from rich.style import Style

    console = Console()
    if console.color_system is None or console.no_color:
        return None
    known = {"256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}
    system = known.get(console.color_system, ColorSystem.STANDARD)

    def paint(text: str, protocol: str, field: int) -> str:
        shade = _tints(protocol)[field % 2 + 2 * (system is ColorSystem.STANDARD)]
        return Style(color="black", bgcolor=shade).render(text, color_system=system)

    return paint


def letter_of(place: int) -> str:
    """The letter of a layer, by its place from 0."""
    return _LETTERS[place % len(_LETTERS)]


def _tints(protocol: str) -> tuple[str, str, str, str]:
    from netlab.capture.models import PLACEMENTS

    name = protocol.removeprefix("quoted ").removesuffix(" (continued)")
    placement = PLACEMENTS.get(name)
    return _TINTS.get(name) or _TINTS.get(placement.tcp_ip if placement else "") or _TINTS["data"]


class _Placed(NamedTuple):
    """A field in its layer."""

    place: int
    layer: Layer
    number: int
    field: Field


class ByteMap:
    """The bytes of one packet.

    Args:
        width: columns of the terminal; the names of fields stand beside the bytes where there is room.
        paint: what gives them colour, or None.
        whole: every row also of a long field.
    """

    def __init__(self, layers: list[Layer], data: bytes, *, width: int, paint: Paint | None, whole: bool) -> None:
        self._data, self._width, self._paint = data, width, paint
        self._cells: list[list[_Placed]] = [[] for _ in data]
        for place, layer in enumerate(layers):
            for number, field in enumerate(layer.fields):
                placed = _Placed(place, layer, number, field)
                for cell in self._cells[field.start : field.end]:
                    cell.append(placed)
        self._skipped = set() if whole else self._middles()

    def lines(self) -> Iterator[str]:
        """One line for each row, two where nothing paints."""
        yield " " * _MARGIN + " ".join(f"{number:2x}" for number in range(ROW))
        for is_hidden, rows in groupby(range(0, len(self._data), ROW), self._skipped.__contains__):
            starts = list(rows)
            if is_hidden:
                name = self._cells[starts[0]][-1].field.name
                yield f"{'':{_MARGIN}}... {len(starts) * ROW:,} more bytes of the same {name}"
                continue
            for start in starts:
                yield self._row(start)
                if self._paint is None and (ruler := self._ruler(start)):
                    yield " " * _MARGIN + ruler

    def _middles(self) -> set[int]:
        """Rows in the middle of a long field, of which the first and the last are enough."""
        skipped: set[int] = set()

        def only_field(start: int) -> list[_Placed] | None:
            row = self._cells[start : start + ROW]
            return row[0] if row[0] and all(cell == row[0] for cell in row) else None

        for only, rows in groupby(range(0, len(self._data), ROW), only_field):
            starts = list(rows)
            if only is not None and len(starts) > _LONGEST:
                skipped.update(starts[_FIRST_ROWS:-1])
        return skipped

    def _row(self, start: int) -> str:
        hexes, texts = "", ""
        cells = self._cells[start : start + ROW]
        for at, cell in enumerate(cells, start):
            byte = self._data[at]
            text = chr(byte) if 0x20 <= byte < 0x7F else "."
            if self._paint is None or not cell:
                hexes += f"{byte:02x} "
                texts += text
            else:
                *_, (_, layer, number, _) = cell
                joined = self._joined(at, start)
                hexes += self._paint(f"{byte:02x}{' ' * joined}", layer.protocol, number) + " " * (not joined)
                texts += self._paint(text, layer.protocol, number)
        row = f"{start:04x}  {hexes}{'   ' * (ROW - len(cells))} {texts}"
        names = ", ".join(placed.field.name for at, cell in enumerate(cells, start) for placed in self._begun(cell, at))
        if self._width < _NAMES_FROM or not names:
            return row
        room = self._width - _WIDTH - 2
        return f"{row}{' ' * (ROW - len(cells))}  {names if len(names) <= room else names[: room - 1] + '…'}"

    def _ruler(self, start: int) -> str:
        """Capitals where fields begin, dashes where they go on; a small letter for what goes on from the row above."""
        ruler = ""
        for at, cell in enumerate(self._cells[start : start + ROW], start):
            begun = self._begun(cell, at)
            goes_on = letter_of(cell[-1].place).lower() if cell and at == start else "-" if cell else " "
            letters = "".join(letter_of(placed.place) for placed in begun)[:2] or goes_on
            joined = self._joined(at, start)
            ruler += f"{letters:{'-' if joined else ' '}<2}{'-' if joined else ' '}"
        return ruler.rstrip()

    def _joined(self, at: int, start: int) -> bool:
        """Whether the next byte of this row belongs to the same field."""
        return at + 1 < min(len(self._data), start + ROW) and self._cells[at + 1] == self._cells[at] != []

    @staticmethod
    def _begun(cell: list[_Placed], at: int) -> list[_Placed]:
        return [placed for placed in cell if placed.field.start == at]
