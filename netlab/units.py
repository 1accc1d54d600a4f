"""Quantities as people write them (`20ms`, `1%`, `10mbit`, `64KiB`) and as the code holds them.

Time is integer nanoseconds everywhere in pure code: equality is exact and long runs do not drift. Rates are bits a
second, sizes are bytes, probabilities are floats in [0, 1]. A number without a unit is refused, with a right one shown.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

from netlab.errors import UnitError

Ns: TypeAlias = int
"""A time or a duration in integer nanoseconds."""

US: Ns = 1_000
MS: Ns = 1_000_000
S: Ns = 1_000_000_000

KIB = 1024
MIB = 1024 * KIB

_DURATIONS = {"ns": 1, "us": US, "µs": US, "ms": MS, "s": S, "min": 60 * S}  # µs is U+00B5
_RATES = {"bit": 1, "kbit": 10**3, "mbit": 10**6, "gbit": 10**9}
_SIZES = {"B": 1, "kB": 10**3, "MB": 10**6, "KiB": KIB, "MiB": MIB}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Zµ%]*)")


def parse_duration(text: str) -> Ns:
    """`"20ms"` -> 20_000_000.

    Raises:
        UnitError: no unit, an unknown one, or not a number.

    >>> parse_duration("1.5ms"), parse_duration("2s")
    (1500000, 2000000000)
    """
    return round(_scaled(text, _DURATIONS, "a duration", "20ms"))


def parse_rate(text: str) -> int:
    """`"10mbit"` -> 10_000_000 bits a second.

    Raises:
        UnitError: no unit, an unknown one, or not a number.
    """
    return round(_scaled(text, _RATES, "a rate", "10mbit"))


def parse_size(text: str) -> int:
    """`"64KiB"` -> 65536 bytes.

    Raises:
        UnitError: no unit, an unknown one, or not a number.
    """
    return round(_scaled(text, _SIZES, "a size", "64KiB"))


def parse_probability(text: str) -> float:
    """`"1%"` -> 0.01.

    Raises:
        UnitError: no percent sign, not a number, or over 100 %.
    """
    share = _scaled(text, {"%": 1}, "a probability", "1%") / 100
    if share > 1:
        raise _unit_error(text, "a probability from 0% to 100%", "1%")
    return share


def format_duration(duration: Ns) -> str:
    """The shortest of `12ns`, `3.5us`, `20ms`, `1.5s` that keeps four significant digits; whole seconds from 1000 s on.

    >>> [format_duration(d) for d in (0, 12, 3_500, 20 * MS, 90 * S, 86_400 * S)]
    ['0s', '12ns', '3.5us', '20ms', '90s', '86400s']
    """
    if duration == 0:
        return "0s"
    units = (("s", S), ("ms", MS), ("us", US), ("ns", 1))
    unit, scale = next((unit, scale) for unit, scale in units if abs(duration) >= scale)
    if abs(duration) >= 1000 * S:
        return f"{duration / S:.0f}s"  # with four digits 86400 would be 8.64e+04, which does not read back
    return f"{duration / scale:.4g}{unit}"


def format_size(size: int) -> str:
    """`262144` -> `256 KiB`, `1200` -> `1200 B`: exact or in bytes.

    >>> [format_size(n) for n in (1200, 65536, 4 * MIB)]
    ['1200 B', '64 KiB', '4 MiB']
    """
    for unit, scale in (("MiB", MIB), ("KiB", KIB)):
        if size and size % scale == 0:
            return f"{size // scale} {unit}"
    return f"{size} B"


def _scaled(text: str, units: dict[str, int], what: str, example: str) -> float:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in units:
        raise _unit_error(text, what, example)
    value = float(match[1]) * units[match[2]]
    if not math.isfinite(value):
        raise _unit_error(text, what, example)
    return value


def _unit_error(text: str, what: str, example: str) -> UnitError:
    return UnitError(f"{text!r} is not {what}: write it with its unit, such as {example}")
