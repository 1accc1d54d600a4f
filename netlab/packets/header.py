"""A header described once: its fields in order, each with its name, its bits and how people read it.

From one description come the codec's layout, the drawing in the documents, the layer in scapy, what `netlab layers`
shows and the dissector for Wireshark. So they cannot disagree.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator

import msgspec

_CODES = {1: "B", 2: "H", 4: "I", 8: "Q"}
_ROW = 32  # bits in a row of a drawing, as RFCs draw headers


class Shown(enum.Enum):
    """How people read a field."""

    DECIMAL = "decimal"
    HEX = "hex"
    NAMED = "named"  # a number that stands for a name
    FLAGS = "flags"  # each bit stands for a name
    TEXT = "text"
    BYTES = "bytes"


class HeaderField(msgspec.Struct, frozen=True):
    """One field.

    Attributes:
        key: its name in code, in scapy and, behind the protocol's, in Wireshark's filters.
        name: its name for people.
        bits: how many it takes.
        shown: how it is read.
        means: what it says, in half a sentence.
        unit: what it counts, such as `bytes`; "" where nothing.
        names: what its values are called (NAMED) or its bits, each by its mask (FLAGS).
        drawn: what the drawing says in its place; "" is its name.
    """

    key: str
    name: str
    bits: int
    shown: Shown
    means: str
    unit: str = ""
    names: dict[int, str] = {}
    drawn: str = ""

    def text(self, value: int) -> str:
        """A number as people read it.

        >>> HeaderField("kind", "kind", 4, Shown.NAMED, "", names={2: "query"}).text(2)
        '2 query'
        """
        match self.shown:
            case Shown.NAMED:
                return f"{value} {self.names.get(value, 'unknown')}"
            case Shown.FLAGS:
                known = [name for mask, name in self.names.items() if value & mask]
                unknown = value & ~sum(self.names)
                return ", ".join(known + [f"{unknown:#04x}"] * bool(unknown)) or "none"
            case Shown.HEX:
                return f"{value:#0{2 + self.bits // 4}x}"
            case _:
                return f"{value} {self.unit}".rstrip()


class Header:
    """A header of whole bytes, big-endian.

    Attributes:
        protocol: what its filters begin with, such as `netlab`.
        name: what people call it.
        fields: in order.
        len: bytes.
    """

    def __init__(self, protocol: str, name: str, *fields: HeaderField) -> None:
        self.protocol, self.name, self.fields = protocol, name, fields
        self._by_key = {field.key: field for field in fields}
        self._first_bit: dict[str, int] = {}
        at = 0
        for field in fields:
            self._first_bit[field.key] = at
            at += field.bits
        if at % 8:
            raise ValueError(f"a header of {at} bits is not whole bytes")
        self.len = at // 8
        self._groups = list(_groups(fields))
        self._layout = struct.Struct(self.layout())

    def field(self, key: str) -> HeaderField:
        return self._by_key[key]

    def first_bit(self, key: str) -> int:
        """Where a field begins, counted from the header's first bit."""
        return self._first_bit[key]

    def byte(self, key: str) -> int:
        """The byte that a field begins in."""
        return self._first_bit[key] // 8

    def layout(self, *, until: str | None = None) -> str:
        """The header, or its part before the field `until`, as `struct` writes it; fields that share bytes are one."""
        codes = []
        for group in self._groups:
            if any(field.key == until for field in group):
                break
            size = sum(field.bits for field in group) // 8
            is_text = group[0].shown in (Shown.TEXT, Shown.BYTES)
            codes.append(f"{size}s" if is_text or size not in _CODES else _CODES[size])
        return "!" + "".join(codes)

    def read(self, data: bytes, start: int = 0) -> dict[str, int]:
        """Every field's value as a number, by key. The header stands whole at `start`."""
        values: dict[str, int] = {}
        for group, packed in zip(self._groups, self._layout.unpack_from(data, start), strict=True):
            number = int.from_bytes(packed, "big") if isinstance(packed, bytes) else packed
            left = sum(field.bits for field in group)
            for field in group:
                left -= field.bits
                values[field.key] = number >> left & (1 << field.bits) - 1
        return values

    def drawing(self) -> str:
        """The header as RFCs draw it: 32 bits in a row.

        >>> word = Header("word", "word", HeaderField("w", "word", 32, Shown.DECIMAL, ""))
        >>> print(word.drawing().splitlines()[3])
        |                              word                             |
        """
        rows = list(self._rows())
        tens = " " + " ".join(f"{bit // 10}" if bit % 10 == 0 else " " for bit in range(_ROW)).rstrip()
        lines = [tens, " " + " ".join(str(bit % 10) for bit in range(_ROW))]
        edges: set[int] = set()
        for row in rows:
            below = {0, _ROW} | {end for _, end in row}
            lines.append(_rule(edges | below))
            cells, at = [], 0
            for text, end in row:
                cells.append(text.center(2 * (end - at) - 1))
                at = end
            lines.append(f"|{'|'.join(cells)}|")
            edges = below
        lines.append(_rule(edges))
        return "\n".join(lines)

    def _rows(self) -> Iterator[list[tuple[str, int]]]:
        """Each row: what stands in a cell, and the bit behind it. A field longer than a row begins one."""
        row: list[tuple[str, int]] = []
        at = 0
        for field in self.fields:
            left, text = field.bits, field.drawn or field.name
            while left:
                taken = min(left, _ROW - at)
                at, left = at + taken, left - taken
                row.append((text, at))
                text = ""
                if at == _ROW:
                    yield row
                    row, at = [], 0
        if row:
            yield row


def _groups(fields: tuple[HeaderField, ...]) -> Iterator[list[HeaderField]]:
    """The fields, those that share a byte together."""
    group: list[HeaderField] = []
    for field in fields:
        group.append(field)
        if sum(one.bits for one in group) % 8 == 0:
            yield group
            group = []


def _rule(edges: set[int]) -> str:
    return "".join(("+" if bit in edges else "-") + ("-" if bit < _ROW else "") for bit in range(_ROW + 1))
