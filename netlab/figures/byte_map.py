"""What is each byte of this packet? Sixteen bytes a row, each in the colour of its layer, each field framed and named.

Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.files import CapturedPacket
from netlab.capture.layers import Field, Layer
from netlab.figures import style
from netlab.figures.layer_colours import layer_colour
from netlab.figures.style import LIGHT, Theme

ROW = 16
"""Bytes a row, as in every hex dump."""

MOST_ROWS = 16
"""Rows drawn at most: of a longer packet the first ones, and the last."""

_CELL = 0.385  # inches wide at the usual size
_ROW_HEIGHT = 0.37
_SHORT = {
    "header length (IHL)": "IHL",
    "DSCP and ECN": "DSCP",
    "time to live": "TTL",
    "destination address": "dst address",
    "header checksum": "checksum",
    "acknowledgment number": "ack number",
    "urgent pointer": "urgent",
    "data offset": "offset",
    "fragment offset": "offset",
    "fragment index": "index",
    "fragment count": "count",
    "identification": "ident",
    "control bits": "flags",
    "payload length": "length",
    "next header": "next",
    "hop limit": "hops",
    "protocol": "proto",
    "traffic class": "class",
    "version": "ver",
    "reserved": "rsvd",
}  # for cells that the specification's name does not fit into


class Piece(msgspec.Struct, frozen=True):
    """Bytes [start, end) that mean one thing: a field, several fields that share bytes, or what a layer carries.

    Attributes:
        layer: index of the layer, from the link's.
        fields: those that stand here; none for what is carried.
    """

    layer: int
    start: int
    end: int
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        return ", ".join(field.name for field in self.fields)

    @property
    def names(self) -> Iterator[str]:
        """Ways to say it, the longest first."""
        yield self.name
        yield ", ".join(_SHORT.get(field.name, field.name) for field in self.fields)
        yield "/".join(_SHORT.get(field.name, field.name) for field in self.fields)
        if len(self.fields) == 1:
            yield _SHORT.get(self.name, self.name).split()[0]


def pieces(layers: Sequence[Layer], length: int) -> list[Piece]:
    """Every byte of a packet in exactly one piece, in their order."""
    found: list[Piece] = []
    at = 0
    for number, layer in enumerate(layers):
        for field in layer.fields:
            if found and field.start < found[-1].end:  # shares a byte with the field before
                last = found.pop()
                found.append(Piece(number, last.start, max(last.end, field.end), (*last.fields, field)))
            else:
                if field.start > at:
                    found.append(Piece(number, at, field.start, ()))
                found.append(Piece(number, field.start, field.end, (field,)))
            at = found[-1].end
        inner = layers[number + 1].start if number + 1 < len(layers) else min(layer.end, length)
        if at < inner:
            found.append(Piece(number, at, inner, ()))
            at = inner
    if at < length:
        found.append(Piece(len(layers) - 1, at, length, ()))
    return found


def byte_map(packet: CapturedPacket, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw one packet byte by byte. A field's frame runs on over the end of a row."""
    data, clear, layers = packet.record.data, packet.clear, packet.layers
    shown, hidden = _rows(len(data))
    rows = max(len(shown), 1.75 * len(layers) + 0.2)
    margins = style.Margins(left=0.1, right=0.1, above=0.45, below=0.5)
    size = (style.SIZE[0], 0.95 + (rows + 0.75) * _ROW_HEIGHT)
    ax = style.axes(ax, theme, "byte_map", size=size, margins=margins, bare=True)
    ax.set(xlim=(-1.1, ROW + 5.7), ylim=(rows, -0.75))
    for column in range(ROW):
        ax.text(column + 0.5, -0.3, f"+{column}", ha="center", va="center", fontsize=style.TINY, color=theme.faint)
    for place, row in enumerate(shown):
        label = f"{hidden} bytes more" if row is None else str(row * ROW)
        at = ROW / 2 if row is None else -0.15
        ax.text(
            at,
            place + 0.5,
            f"... {label} of the same ..." if row is None else label,
            ha="center" if row is None else "right",
            va="center",
            fontsize=style.SMALL,
            color=theme.faint,
        )
    places = {row: place for place, row in enumerate(shown) if row is not None}
    for piece in pieces(layers, len(data)):
        _draw_piece(ax, theme, piece, layers[piece.layer], (data, clear), places)
    _name_layers(ax, theme, layers, places, len(shown))
    style.caption(ax, theme, _caption(packet))
    return ax


def _rows(length: int) -> tuple[list[int | None], int]:
    """The rows to draw, None for those left out; and how many bytes these hold."""
    rows = -(-length // ROW)
    if rows <= MOST_ROWS:
        return list(range(rows)), 0
    hidden = (rows - MOST_ROWS + 1) * ROW
    return [*range(MOST_ROWS - 2), None, rows - 1], hidden


def _spans(piece: Piece) -> Iterator[tuple[int, int, int]]:
    """The piece row by row: row, first column, column behind the last."""
    for row in range(piece.start // ROW, -(-piece.end // ROW)):
        yield row, max(piece.start - row * ROW, 0), min(piece.end - row * ROW, ROW)


def _draw_piece(
    ax: Axes, theme: Theme, piece: Piece, layer: Layer, both: tuple[bytes, bytes], places: dict[int, int]
) -> None:
    """`both`: the packet as it is, and without masks: letters say what was said, hex digits what was sent."""
    data, clear = both
    colour = layer_colour(layer, theme)
    spans = [span for span in _spans(piece) if span[0] in places]
    texts = layer.protocol in ("chat event", "data", "HTTP") or not piece.fields
    named, size = ("", style.TINY) if texts else _name_span(piece, spans)
    longest = max(spans, key=lambda span: span[2] - span[1], default=None)
    for span in spans:
        row, first, last = span
        top = places[row]
        ax.add_patch(
            Rectangle(
                (first, top), last - first, 0.92, facecolor=theme.tint(colour), edgecolor=theme.faint, linewidth=0.7
            )
        )
        ax.add_patch(Rectangle((first, top), last - first, 0.09, facecolor=colour, edgecolor="none"))
        if span == longest and named:
            middle = (first + last) / 2
            ax.text(middle, top + 0.31, named, ha="center", va="center", fontsize=size, color=theme.ink)
        for column in range(first, last):
            byte, said = data[row * ROW + column], clear[row * ROW + column]
            low = 0.7 if not texts else 0.68
            if texts and 0x20 < said < 0x7F:
                shown = style.safe(chr(said))
                ax.text(column + 0.5, top + 0.32, shown, ha="center", va="center", fontsize=style.TINY, color=theme.ink)
            ax.text(
                column + 0.5,
                top + low,
                f"{byte:02x}",
                ha="center",
                va="center",
                fontsize=style.SMALL - 0.5,
                color=theme.ink,
                family="monospace",
            )


def _name_span(piece: Piece, spans: Sequence[tuple[int, int, int]]) -> tuple[str, float]:
    """The longest name that fits, and the size of its letters: smaller ones before none."""
    width = max((last - first for _, first, last in spans), default=0) * _CELL - 0.06
    for size in (style.TINY, style.TINY - 1, style.TINY - 2):
        if name := style.fitting(piece.names, width, size):
            return name, size
    return "", style.TINY


def _name_layers(ax: Axes, theme: Theme, layers: Sequence[Layer], places: dict[int, int], rows: int) -> None:
    """To the right, each layer behind the number of its first byte, and at its height, in the order of the stack."""
    wanted = [places.get(layer.start // ROW, rows - 1) + 0.5 for layer in layers]
    heights = style.spread(wanted, 1.75, low=0.7, high=max(rows - 0.7, 0.7 + 1.75 * (len(layers) - 1)))
    left = ROW + 0.5
    for layer, height in zip(layers, heights, strict=True):
        colour = layer_colour(layer, theme)
        ax.add_patch(Rectangle((left, height - 0.62), 0.26, 1.26, facecolor=colour, edgecolor=theme.ink, linewidth=0.6))
        lines = (
            (-0.42, f"{layer.start}: {layer_name(layer)}", style.SMALL, "bold"),
            (0.05, _size(layer), style.TINY, "normal"),
            (
                0.47,
                f"OSI {layer.osi or '-'} | {layer.tcp_ip or '-'}{' *' * bool(layer.contested)}",
                style.TINY,
                "normal",
            ),
        )
        for down, said, points, weight in lines:
            ax.text(left + 0.5, height + down, said, va="center", fontsize=points, color=theme.ink, fontweight=weight)


def layer_name(layer: Layer) -> str:
    """The protocol and what one unit of it is called: `IPv4 packet`."""
    return style.safe(layer.protocol if layer.protocol.endswith(layer.pdu) else f"{layer.protocol} {layer.pdu}")


def _size(layer: Layer) -> str:
    if layer.header_len:
        return f"{layer.header_len} B header + {layer.payload_len} B payload"
    return f"{layer.payload_len} B, all of it payload"


def _caption(packet: CapturedPacket) -> str:
    record = packet.record
    cut = "" if len(record.data) == record.original_len else f", {len(record.data)} of them captured"
    star = "; * placement contested" if any(layer.contested for layer in packet.layers) else ""
    masked = "; letters without the mask" if any(layer.masked for layer in packet.layers) else ""
    return (
        f"packet {record.number}, {record.original_len} bytes{cut}; bytes in hexadecimal, rows counted from 0; "
        "before a name: its first byte"
        f"{masked}{star}"
    )


def text(packet: CapturedPacket) -> str:
    """A line a field: its bytes, its name, its value; under a heading a layer."""
    lines = [f"packet {packet.record.number}: {packet.record.original_len} bytes"]
    for layer in packet.layers:
        places = f"OSI {layer.osi or '-'}, TCP/IP {layer.tcp_ip or '-'}"
        contested = f"; contested: {layer.contested}" if layer.contested else ""
        lines.append(f"{layer_name(layer)}, {_size(layer)}; {places}{contested}")
        for field in layer.fields:
            last = "" if field.end == field.start + 1 else f"-{field.end - 1}"
            lines.append(f"  bytes {field.start}{last}: {field.name} = {field.shown}")
        if layer.masked is not None:
            there, says = bytes.fromhex(layer.masked.bytes)[:ROW], bytes.fromhex(layer.masked.says)[:ROW]
            key = (bytes.fromhex(layer.masked.key) * ROW)[: len(there)]
            lines.append(f"  unmasked: {there.hex(' ')} XOR {key.hex(' ')} = {says.hex(' ')}")
    return "\n".join(lines)


def demo() -> CapturedPacket:
    """A chat message over UDP, from the recorded capture."""
    from netlab.capture.recorded import recorded

    return next(packet for packet in recorded("chat-udp") if any("emit" in p.event for p in packet.summary.netlab))


if __name__ == "__main__":
    from netlab.figures.show import show

    show(byte_map(demo()))
