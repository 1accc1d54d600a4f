"""A table as what a function returns: as the last line of a cell it shows itself."""

from __future__ import annotations

from collections.abc import Sequence

from netlab.course.experiments.table import table


class Table:
    """Rows below headings, and a sentence below them."""

    def __init__(self, headings: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
        self.headings = tuple(headings)
        self.rows = tuple(tuple(row) for row in rows)
        self.note = note

    def __str__(self) -> str:
        return "\n".join(filter(None, [table(self.headings, self.rows), self.note]))

    __repr__ = __str__
