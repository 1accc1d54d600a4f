"""The table of guarantees: for a terminal, for the README, for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from netlab.conformance.evidence import PROMISES, Row


def as_text(rows: Sequence[Row], width: int = 110) -> str:
    """One block a guarantee, one paragraph a transport.

    >>> row = Row(guarantee="duplicates", transport="tcp", promised=True, promise="0", seen="0 of 9", verdict="holds")
    >>> print(as_text([row]))
    duplicates
      tcp  promised: 0                                 -> holds
           0 of 9
    """
    lines: list[str] = []
    wide = max((len(row.transport) for row in rows), default=0)
    indent = " " * (wide + 4)
    for guarantee in PROMISES:
        found = [row for row in rows if row.guarantee == guarantee]
        if not found:
            continue
        lines += [""] * bool(lines) + [guarantee]
        for row in found:
            promise = f"promised: {row.promise}" if row.promised else f"not promised: {row.promise}"
            lines.append(f"  {row.transport:<{wide}}  {promise:<43} -> {row.verdict}")
            lines += textwrap.wrap(row.seen, width, initial_indent=indent, subsequent_indent=indent)
    return "\n".join(lines)


def as_markdown(rows: Sequence[Row]) -> str:
    """Guarantee x transport, each cell with what is promised and what was seen."""
    transports = list(dict.fromkeys(row.transport for row in rows))
    lines = [f"| | {' | '.join(transports)} |", f"|{' --- |' * (len(transports) + 1)}"]
    for guarantee in PROMISES:
        found = {row.transport: row for row in rows if row.guarantee == guarantee}
        if found:
            cells = [_cell(found[name]) if name in found else "" for name in transports]
            lines.append(f"| {guarantee} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Row) -> str:
    seen = row.seen.replace("|", "\\|")
    return (
        f"**{row.promise}** ({row.verdict}): {seen}"
        if row.good
        else f"**{row.promise}: {row.verdict.upper()}**: {seen}"
    )


def summary(rows: Sequence[Row]) -> str:
    """One sentence for all."""
    bad = [row for row in rows if not row.good]
    if not rows:
        return "nothing was tried"
    if not bad:
        return f"all {len(rows)} rows as declared"
    broken = sum(row.verdict == "broken" for row in bad)
    return f"{broken} of {len(rows)} promises broken, {len(bad) - broken} missing guarantees not shown missing"
