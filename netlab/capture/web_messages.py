"""HTTP messages and frames of WebSocket in a line each: layer by layer, with what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from netlab.capture.columns.web_streams import Unit
from netlab.capture.web_contents import carried_words, contents, head_words
from netlab.units import MIB, Ns

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile

_MOST_LOOKED_INTO = MIB
"""Bytes of what one carries; what is longer is no message of a chat."""


class WebPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """An HTTP message or a frame of WebSocket of which a segment holds bytes.

    Attributes:
        layers: its layers by name, each with what is special about it. Printable.
        whole: whether its end is here.
        began: the number of the capture's packet that it began in, where that is another one.
    """

    layers: tuple[tuple[str, str], ...]
    whole: bool = True
    began: int | None = None

    def __str__(self) -> str:
        words = ""
        for name, what in self.layers:
            if name == "data":
                words += f": {what}"
            else:
                words += f"{' / ' if words else ''}{name} {what}".rstrip()
        return words + ("" if self.began is None else f", from {self.began}") + ("" if self.whole else ", goes on")


class WebMessage(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP message or a frame of WebSocket, put together.

    Attributes:
        protocol: `HTTP` or `WebSocket`.
        stream: which stream of `capture.streams()`.
        numbers: of the capture's packets that carried its bytes first, in their order.
        last_number: of the packet with which it could be read.
        time_ns: of that packet.
        masked: whether it is a frame with a masking key.
        part: its layers, in words; `str` of it is a line.
        data: what it carries, without the mask.
    """

    protocol: str
    stream: int
    numbers: tuple[int, ...]
    last_number: int
    time_ns: Ns
    masked: bool
    part: WebPart
    data: bytes

    def __str__(self) -> str:
        return str(self.part)


def web_messages(whole: WholeFile) -> Iterator[WebMessage]:
    """Those of a file of which nothing is missing, in the order in which they could be read."""
    times = whole.column("time_ns")
    units = [unit for stream in whole.web_units.values() for unit in stream if unit.last_row >= 0]
    for unit in sorted(units, key=lambda unit: (unit.last_row, unit.start)):
        rows = whole.stream_bytes(unit.stream).rows(unit.start, unit.end)
        part, _ = part_of(whole, unit, ends_here=True, began=None)
        yield WebMessage(
            protocol=unit.protocol,
            stream=unit.stream,
            numbers=tuple(row + 1 for row in rows),
            last_number=unit.last_row + 1,
            time_ns=int(times[unit.last_row]),
            masked=unit.key is not None,
            part=part,
            data=_carried(whole, unit),
        )


def part_of(whole: WholeFile, unit: Unit, *, ends_here: bool, began: int | None) -> tuple[WebPart, bytes]:
    """A unit in words, and the netlab packet that ends it, unmasked, or b"".

    Args:
        ends_here: what it carries is told, too.
        began: the number of the packet that it began in, where that is another one.
    """
    layers, packet = [(unit.protocol, head_words(unit.head, unit.message))], b""
    if ends_here and unit.end - unit.body <= _MOST_LOOKED_INTO:
        data = _carried(whole, unit)
        found = contents(unit.head, data, engine=unit.engine, whole=unit.is_one_message)
        layers += carried_words(found)
        packet = data if any(content.protocol == "netlab packet" for content in found) else b""
    return WebPart(tuple(layers), ends_here, began), packet


def _carried(whole: WholeFile, unit: Unit) -> bytes:
    """All that it carries, without the mask; b"" where not all of it was captured."""
    return unit.clear(whole.stream_bytes(unit.stream).read(unit.body, unit.end) or b"")
