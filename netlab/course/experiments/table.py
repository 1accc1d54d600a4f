"""Numbers of an experiment as a small table: what a cell prints, and what its figure says in words."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns as wide as they need to be: words to the left, numbers to the right.

    >>> print(table(["who", "Mbit/s"], [["ann", 1.5], ["bob", 12]]))
    who  Mbit/s
    ann    1.50
    bob      12
    """
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    left = {0, *(k for row in rows for k, value in enumerate(row) if isinstance(value, str))}
    widths = [max(len(row[k]) for row in cells) for k in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if k in left else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 1
        else (f"{value:.2f}" if isinstance(value, float) else str(value))
    )
