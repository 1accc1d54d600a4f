"""Sentences in a terminal of any width."""

from __future__ import annotations

import shutil
import sys
import textwrap


def broken(text: str, indent: int = 0) -> str:
    """A sentence that begins at column `indent`: in a terminal broken between its words, else on one line."""
    room = terminal_width()
    if room is None:
        return text
    margin = " " * indent
    filled = textwrap.fill(
        text, max(room, indent + 20), initial_indent=margin, subsequent_indent=margin, break_on_hyphens=False
    )
    return filled[indent:]


def terminal_width() -> int | None:
    """Columns of the terminal that output goes to; None where it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
