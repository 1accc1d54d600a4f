"""`netlab layers`: the packets of a capture, one a line; or one packet by layer, field and byte."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab.cli.argument_types import File, Number
from netlab.cli.byte_map import ByteMap, Paint, letter_of, painter
from netlab.cli.journeys import show_journeys
from netlab.cli.packet_lines import line_of
from netlab.cli.sentences import broken, terminal_width
from netlab.packets.text import printable, printable_bytes

if TYPE_CHECKING:
    from netlab.capture.byte_sums import Sums
    from netlab.capture.files import Capture, CapturedPacket
    from netlab.capture.layers import Field, Layer, Masked

_LINES_OF_A_VALUE = 4
UNMASKED = 16
"""Bytes of which the unmasking is shown."""

_NARROW = 80
"""Columns, where the output is no terminal."""


@click.command("layers", epilog="Example: netlab layers netlab-demo/chat-udp.pcapng --packet 1")
@click.argument("file", type=File(), metavar="FILE")
@click.option("-p", "--packet", "number", type=Number("packet number", 1), metavar="N", help="Take packet N apart.")
@click.option("--all-bytes", is_flag=True, help="With --packet: also the middle of long data.")
@click.option("--compare", is_flag=True, help="What became of each packet between the places it was captured at.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
def command(file: Path, number: int | None, all_bytes: bool, compare: bool, as_json: bool) -> None:
    """The packets of FILE (pcap or pcapng), one a line: number, time, addresses, protocol, flags, length, and what
    netlab sees in it: type, message id, fragment, event.

    With --packet, one packet: its layers, and where each stands in the OSI model and in that of the Internet (TCP/IP);
    its bytes, each in the colour of its layer and the shade of its field; and every field with its bytes and value.

    With --compare, for a capture of both ends of a link and the wire (netlab testbed --capture, netlab simulate
    --capture): every packet that was sent, and what became of it: lost, duplicated, corrupted, delayed, overtaken.
    """
    from netlab.capture.files import read

    capture = read(file)
    if compare:
        if number is not None:
            raise click.UsageError("--compare is about all packets: leave --packet out")
        show_journeys(capture, as_json=as_json)
    elif number is not None:
        packet = capture.packet(number)
        _say(_one_json(packet)) if as_json else _show_one(packet, whole=all_bytes)
    elif as_json:
        _say_all_json(capture)
    else:
        _list(capture)
    if capture.ends_early is not None:
        click.echo(f"netlab layers: {printable(str(file))}: {capture.ends_early}; what came before is shown", err=True)


def _say(line: str) -> None:
    click.echo(line, color=False if os.environ.get("NO_COLOR") else None)


# ---- all packets -----------------------------------------------------------------------------------------------------


def _list(capture: Capture) -> None:
    began = next((packet.record.time_ns for packet in capture if packet.record.time_ns is not None), 0)
    names = {printable(packet.record.interface.name or "") for packet in capture}
    width = max(map(len, names)) if len(names) > 1 else 0
    for packet in capture:
        _say(line_of(packet.summary, began, interface=width))
    if not len(capture):
        click.echo(f"netlab layers: {printable(str(capture.path))} holds no packets", err=True)


def _say_all_json(capture: Capture) -> None:
    import msgspec

    for packet in capture:
        click.echo(msgspec.json.encode(packet.summary))


# ---- one packet ------------------------------------------------------------------------------------------------------


def _take_apart(packet: CapturedPacket) -> tuple[list[Layer], Sums]:
    from netlab.capture.layers import without_network_config

    without_network_config()
    return packet.layers, packet.sums


def _show_one(packet: CapturedPacket, *, whole: bool) -> None:
    layers, sums = _take_apart(packet)
    record = packet.record
    paint = painter()
    cut = "" if len(record.data) == record.original_len else f", {len(record.data)} of them captured"
    where = f" at {printable(record.interface.name)}" if record.interface.name else ""
    _say(click.style(f"packet {record.number}{where}: {record.original_len} bytes{cut}", bold=True))
    if record.comment:
        _say(f"# {printable(record.comment)}")
    _say("")
    _show_models(layers, paint)
    _say("")
    for line in ByteMap(layers, record.data, width=terminal_width() or _NARROW, paint=paint, whole=whole).lines():
        _say(line.rstrip())
    for place, layer in enumerate(layers):
        _say("")
        _show_layer(layer, letter_of(place), paint)
    _say("")
    headers = " + ".join(f"{size} {protocol}" for protocol, size in sums.headers.items())
    other = f", {sums.other} bytes of other data" if sums.other else ""
    _say(
        broken(
            f"{sums.header} bytes of header ({headers}), {sums.text} bytes of text, {sums.envelope} bytes around the "
            f"text{other}"
        )
    )


def _show_models(layers: list[Layer], paint: Paint | None) -> None:
    """A line for each layer: its letter and colour, its sizes, and where it stands in both models."""
    rows = [("", "layer", "PDU", "header", "payload", "OSI", "TCP/IP")]
    for place, layer in enumerate(layers):
        contested = " *" * (layer.contested is not None)
        header = str(layer.header_len) if layer.header_len else "-"
        osi, tcp_ip = (f"{name or '-'}{contested}" for name in (layer.osi, layer.tcp_ip))
        rows.append((letter_of(place), layer.protocol, layer.pdu, header, str(layer.payload_len), osi, tcp_ip))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for place, row in enumerate(rows, -1):
        letter, name, pdu, header, payload, osi, tcp_ip = row
        swatch = f" {letter or ' '} " if paint is None or place < 0 else paint(f" {letter} ", layers[place].protocol, 0)
        sizes = f"{header:>{widths[3]}}  {payload:>{widths[4]}}"
        line = f"{swatch} {name:<{widths[1]}}  {pdu:<{widths[2]}}  {sizes}  {osi:<{widths[5]}}  {tcp_ip}"
        _say(click.style(line, bold=True) if place < 0 else line)
    if any(layer.contested for layer in layers):
        _say("    * not everybody puts it there: why is said below")


def _show_layer(layer: Layer, letter: str, paint: Paint | None) -> None:
    head = layer.protocol if layer.pdu in layer.protocol.split() else f"{layer.protocol} {layer.pdu}"
    size = f"{layer.header_len} B header + {layer.payload_len} B payload" if layer.header_len else "all payload"
    span = f"bytes {layer.start}-{layer.end - 1}: {size}" if layer.end > layer.start else "no bytes"
    swatch = f"{letter} " if paint is None else paint(f" {letter} ", layer.protocol, 0) + " "
    _say(f"{swatch}{click.style(head, bold=True)}, {span}")
    width = max((len(field.name) for field in layer.fields), default=0)
    for number, field in enumerate(layer.fields):
        mark = "" if paint is None else paint(" ", layer.protocol, number)
        _say(f"{mark or ' '} {_span(field):>14}  {field.name:<{width}}  {_beginning(field.shown)}")
    if layer.masked is not None:
        for line in _unmasking(layer.masked):
            _say(line)
    for note in layer.notes:
        _say_note(note)
    if layer.contested:
        _say_note(f"Contested: {layer.contested}")


def _unmasking(masked: Masked) -> list[str]:
    """The step from the bytes in the packet to what was said: a row of each, one byte under the other."""
    there, says = bytes.fromhex(masked.bytes), bytes.fromhex(masked.says)
    key = (bytes.fromhex(masked.key) * UNMASKED)[: min(len(there), UNMASKED)]
    more = "" if len(there) <= UNMASKED else f"  ... {len(there) - UNMASKED:,} more bytes in the same way"
    return [
        f"  * Unmasking, each byte XORed with the key's (RFC 6455 §5.3):{more}",
        f"      masked  {there[:UNMASKED].hex(' ')}",
        f"      key     {key.hex(' ')}",
        f"      says    {says[:UNMASKED].hex(' ')}  {printable_bytes(says[:UNMASKED])}",
    ]


def _say_note(text: str) -> None:
    _say(f"  * {broken(text, indent=4)}")


def _beginning(shown: str) -> str:
    """A value: in a terminal no more than some lines of it, since the map shows its bytes."""
    most = _LINES_OF_A_VALUE * shutil.get_terminal_size().columns
    return shown if len(shown) <= most or not sys.stdout.isatty() else f"{shown[:most]}… ({len(shown):,} characters)"


def _span(field: Field) -> str:
    """`12-13`, `14`, or `14 bits 0-3`."""
    if field.bits is not None:
        first, count = field.bits
        return f"{field.start} bit {first}" if count == 1 else f"{field.start} bits {first}-{first + count - 1}"
    return str(field.start) if field.end == field.start + 1 else f"{field.start}-{field.end - 1}"


def _one_json(packet: CapturedPacket) -> str:
    import msgspec

    from netlab.capture.layers import without_network_config

    without_network_config()
    return msgspec.json.encode(packet.told).decode()
