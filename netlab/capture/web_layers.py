"""What a TCP segment holds of HTTP and WebSocket, as layers: also of a frame that began in an earlier segment.

A frame's payload is masked in the packet; the layers in it are read without the mask, and stand where their masked
bytes do. `Layer.masked` has the step between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from netlab.capture.columns.web_streams import Unit
from netlab.capture.layers import Field, Layer, Masked, netlab_layers, placed
from netlab.capture.web_contents import Content, contents, head_fields
from netlab.capture.web_messages import WebPart, part_of
from netlab.packets.text import printable_bytes

if TYPE_CHECKING:
    from netlab.capture.columns.whole_file import WholeFile


class Held(msgspec.Struct, frozen=True):
    """A unit, and the bytes of its stream [start, end) that a segment holds of it."""

    unit: Unit
    start: int
    end: int

    @property
    def has_head(self) -> bool:
        """Whether all of its head is here."""
        return self.start == self.unit.start and self.unit.body <= self.end

    @property
    def has_all(self) -> bool:
        """Whether all of what it carries is here."""
        return self.start <= self.unit.body and self.unit.end == self.end

    @property
    def body(self) -> int:
        """Where what is here of what it carries begins."""
        return min(max(self.start, self.unit.body), self.end)


class Web:
    """What one segment holds.

    Attributes:
        held: of which units, in order.
    """

    def __init__(self, whole: WholeFile, row: int) -> None:
        self._whole = whole
        self._offset = int(whole.column("stream_offset")[row])
        self._at = int(whole.payload_at[row] - whole.index.start[row])  # in the packet
        end = self._offset + int(whole.column("payload_captured_len")[row])
        self.held = [Held(unit, max(unit.start, self._offset), min(unit.end, end)) for unit in whole.web_units_of[row]]

    def clear(self, data: bytes) -> bytes:
        """The packet as it would be if no frame was masked."""
        bare = bytearray(data)
        for held in self.held:
            if held.unit.key and held.body < held.end:
                start, end = self._place(held.body), self._place(held.end)
                bare[start:end] = held.unit.clear(data[start:end], held.body - held.unit.body)
        return bytes(bare)

    def layers(self, data: bytes) -> Iterator[Layer]:
        """All of it as layers of the packet, which is `data`."""
        clear = self.clear(data)
        for held in self.held:
            yield self._head(held, data, clear)
            yield from self._body(held, clear)

    def parts(self) -> Iterator[tuple[WebPart, bytes]]:
        """What it holds, in a line; and the netlab packet that ends in it, unmasked, or b""."""
        for held in self.held:
            ends_here = held.end == held.unit.end
            began = None if held.start == held.unit.start else held.unit.row + 1
            yield part_of(self._whole, held.unit, ends_here=ends_here, began=began)

    def _place(self, offset: int) -> int:
        return self._at + offset - self._offset

    def _head(self, held: Held, data: bytes, clear: bytes) -> Layer:
        unit = held.unit
        start, body, end = (self._place(offset) for offset in (held.start, held.body, held.end))
        fields: tuple[Field, ...] = ()
        if held.has_head:
            fields = shifted(head_fields(unit.head, data[start:body]), start)
        elif body > start:
            text = printable_bytes(data[start:body])
            fields = (Field("part of its head", "head", text, text, start, body),)
        masked = None
        if unit.key is not None and body < end:
            turned = (body - self._place(unit.body)) % len(unit.key)
            key = unit.key[turned:] + unit.key[:turned]
            masked = Masked(body, end, data[body:end].hex(), key.hex(), clear[body:end].hex())
        name = unit.protocol if held.start == unit.start else f"{unit.protocol} (continued)"
        return placed(name, start, body, end, fields, tuple(self._notes(held)), masked)

    def _notes(self, held: Held) -> Iterator[str]:
        unit, noun = held.unit, "frame" if held.unit.protocol == "WebSocket" else "message"
        size = unit.end - unit.start
        whole = f"it is whole with packet {unit.last_row + 1}" if unit.last_row >= 0 else "not all of it was captured"
        if held.start > unit.start:
            first, last = held.start - unit.start, held.end - unit.start - 1
            where = f"bytes {first:,} to {last:,} of {size:,}"
            yield f"It continues the {noun} that began in packet {unit.row + 1}: {where}; {whole}."
        elif held.end < unit.end:
            here = held.end - held.start
            yield f"It goes on in a later segment: {here:,} of its {size:,} bytes are here; {whole}."
        if held.has_head and unit.protocol == "WebSocket" and not unit.is_one_message:
            yield "Not a whole message as it was said: it goes on in further frames, or an extension has changed it."

    def _body(self, held: Held, clear: bytes) -> Iterator[Layer]:
        unit = held.unit
        start, end = self._place(held.body), self._place(held.end)
        carried = contents(unit.head, clear[start:end], engine=unit.engine, whole=held.has_all and unit.is_one_message)
        for content in carried:
            if content.protocol == "netlab packet":
                yield from netlab_layers(clear, start, end)
            else:
                yield _as_layer(content, start)


def _as_layer(content: Content, at: int) -> Layer:
    fields = shifted(content.fields, at)
    return placed(content.protocol, at + content.start, at + content.payload_start, at + content.end, fields)


def shifted(fields: Sequence[Field], by: int) -> tuple[Field, ...]:
    """The same fields, so many bytes further on."""
    return tuple(msgspec.structs.replace(field, start=field.start + by, end=field.end + by) for field in fields)
