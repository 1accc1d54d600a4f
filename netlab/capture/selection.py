"""Which packets are meant by `capture.where(protocol="tcp", port=9000)`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from netlab.capture.columns import COLUMNS, Columns
from netlab.capture.field_names import PROTOCOLS, TCP_FLAGS
from netlab.errors import CaptureError
from netlab.packets.capture_record import Interface

Wanted: TypeAlias = int | str | range | Collection[int | str]

_EITHER = {"address": ("src", "dst"), "port": ("sport", "dport")}
_NUMBERS = {name.lower(): number for number, name in PROTOCOLS.items()}


def selected(columns: Columns, interfaces: list[Interface], wanted: dict[str, Wanted]) -> NDArray[np.bool_]:
    """One truth value a packet: whether it is all that is `wanted`.

    Raises:
        CaptureError: there is no such column, interface, protocol or flag, or no such address can be.
    """
    chosen = np.ones(len(columns), bool)
    for name, value in wanted.items():
        either = np.zeros(len(columns), bool)
        for column in _EITHER.get(name, (name,)):
            if column not in COLUMNS:
                raise CaptureError(f"no column {column!r}: there are {', '.join([*COLUMNS, *_EITHER])}")
            either |= _holds(columns, interfaces, column, value)
        chosen &= either
    return chosen


def _holds(columns: Columns, interfaces: list[Interface], name: str, value: Wanted) -> NDArray[np.bool_]:
    array: NDArray[Any] = getattr(columns, name)
    if isinstance(value, range) and value.step == 1:
        within: NDArray[np.bool_] = (array >= value.start) & (array < value.stop)
        return within
    if name == "flags" and isinstance(value, str):
        bits = _flags(value)
        are_set: NDArray[np.bool_] = (array >= 0) & (array & bits == bits)
        return are_set
    values = [value] if isinstance(value, int | str) else list(value)
    wanted: list[Any] = []
    for one in values:
        as_number = isinstance(one, str) and COLUMNS[name].dtype != "O"
        wanted += _numbers(columns, interfaces, name, str(one)) if as_number else [one]
    return np.isin(array, wanted)


def _numbers(columns: Columns, interfaces: list[Interface], name: str, text: str) -> list[int]:
    """The numbers in a column that a text stands for."""
    match name:
        case "src" | "dst":
            try:
                return [int(number) for number in columns.within(text)]
            except ValueError:
                raise CaptureError(f"{text!r} is no address or network, such as 10.0.0.1 or 10.0.0.0/8") from None
        case "protocol" if text.lower() in _NUMBERS:
            return [_NUMBERS[text.lower()]]
        case "protocol":
            raise CaptureError(f"no protocol {text!r}: there are {', '.join(_NUMBERS)}, and numbers")
        case "interface":
            found = [number for number, interface in enumerate(interfaces) if interface.name == text]
            if not found:
                names = ", ".join(str(interface.name) for interface in interfaces)
                raise CaptureError(f"no interface {text!r}: there are {names or 'none'}")
            return found
    raise CaptureError(f"column {name!r} holds numbers, and {text!r} is none")


def _flags(text: str) -> int:
    bits: Any = 0
    for name in text.replace("|", ",").split(","):
        if name.strip().upper() not in TCP_FLAGS:
            raise CaptureError(f"no flag {name.strip()!r}: there are {', '.join(TCP_FLAGS)}")
        bits |= 1 << TCP_FLAGS.index(name.strip().upper())
    return int(bits)
