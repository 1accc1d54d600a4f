"""What a link did, as a table for people and as plain data."""

from __future__ import annotations

from typing import Any

import msgspec

from netlab.network.link import REASONS, Account


def as_data(accounts: dict[str, Account]) -> dict[str, Any]:
    """For JSON."""
    return {direction: msgspec.to_builtins(account) for direction, account in accounts.items()}


def rows(account: Account) -> list[tuple[str, int]]:
    """What is worth telling: what came and went, and whatever else was not nothing."""
    told = [("arrived", account.arrived), ("delivered", account.delivered)]
    told += [(REASONS.get(reason, reason), count) for reason, count in account.dropped.items()]
    more = {
        "sent twice": account.duplicated,
        "damaged": account.corrupted,
        "let past others": account.reordered,
        "still on their way": account.held,
    }
    return told + [(name, count) for name, count in more.items() if count]


def table(accounts: dict[str, Account]) -> list[str]:
    """A line for each thing that happened, a column for each direction.

    >>> one = Account(arrived=9, delivered=8, dropped={"loss": 1}, held=0, duplicated=0, corrupted=0, reordered=0,
    ...               bytes_arrived=900, bytes_delivered=800)
    >>> print(*table({"a>b": one, "b>a": one}), sep="\\n")
                     a>b  b>a
    arrived            9    9
    delivered          8    8
    lost on the way    1    1
    """
    columns = {direction: dict(rows(account)) for direction, account in accounts.items()}
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    name_width = max(len(name) for name in names)
    widths = {d: max(len(d), *(len(str(count)) for count in column.values())) for d, column in columns.items()}
    lines = [" ".join([" " * name_width, *(f" {direction:>{widths[direction]}}" for direction in columns)])]
    for name in names:
        counts = (f" {column.get(name, 0):>{widths[direction]}}" for direction, column in columns.items())
        lines.append(" ".join([f"{name:{name_width}}", *counts]))
    return lines
