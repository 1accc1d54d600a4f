"""The counters of a server as a table. Its shape is the server's word: nothing is taken for granted."""

from __future__ import annotations

from typing import Any

from netlab.packets.text import printable

LONGEST = 100
"""Characters of a value that are shown."""


def flat(counters: dict[str, Any], section: str = "server") -> list[tuple[str, str, str]]:
    """Section, name and value of every counter: numbers of the server itself first, then those of its parts.

    >>> flat({"rooms": 1, "hub": {"hello": 2}, "transports": {"tcp://127.0.0.1:9000": {"bytes_in": 3}}})
    [('server', 'rooms', '1'), ('hub', 'hello', '2'), ('tcp://127.0.0.1:9000', 'bytes_in', '3')]
    """
    rows = [
        (printable(section), printable(name), printable(str(value))[:LONGEST])
        for name, value in counters.items()
        if not isinstance(value, dict)
    ]
    for name, value in counters.items():
        if isinstance(value, dict):
            rows += flat(value, name)
    return rows


def table(rows: list[tuple[str, str, str]]) -> list[str]:
    """The rows as aligned lines, under a line for each section.

    >>> print(*table([("server", "rooms", "1"), ("server", "sessions", "12")]), sep="\\n")
    server
      rooms      1
      sessions  12
    """
    name_width = max((len(name) for _, name, _ in rows), default=0)
    value_width = max((len(value) for _, _, value in rows), default=0)
    lines: list[str] = []
    before = None
    for section, name, value in rows:
        if section != before:
            lines.append(section)
            before = section
        lines.append(f"  {name:{name_width}}  {value:>{value_width}}")
    return lines
