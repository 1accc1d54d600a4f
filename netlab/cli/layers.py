"""`netlab layers`: the packets of a capture, one a line; or one packet by layer, field and byte."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netlab.cli.argument_types import File, Number
from netlab.packets.endpoint import format_host_port
from netlab.packets.text import printable

if TYPE_CHECKING:
    from netlab.capture.files import Capture, CapturedPacket
    from netlab.capture.layers import Field, Layer, Sums
    from netlab.capture.summary import Summary

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "red")


@click.command("layers", epilog="Example: netlab layers netlab-demo/chat-udp.pcapng --packet 1")
@click.argument("file", type=File(), metavar="FILE")
@click.option("-p", "--packet", "number", type=Number("packet number", 1), metavar="N", help="Take packet N apart.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object a line.")
def command(file: Path, number: int | None, as_json: bool) -> None:
    """The packets of FILE (pcap or pcapng), one a line: number, time, addresses, protocol, flags, length, and what
    netlab sees in it: type, message id, fragment, event.

    With --packet, one packet by layer: each field with the bytes it stands in, and where the layer stands in the OSI
    model and in that of the Internet (TCP/IP).
    """
    from netlab.capture.files import read

    capture = read(file)
    if number is not None:
        packet = capture.packet(number)
        _say(_one_json(packet)) if as_json else _show_one(packet)
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
    several = len({packet.record.interface.name for packet in capture}) > 1
    for packet in capture:
        _say(_line(packet.summary, began, several))
    if not len(capture):
        click.echo(f"netlab layers: {printable(str(capture.path))} holds no packets", err=True)


def _line(summary: Summary, began: int, several: bool) -> str:
    time = "-" if summary.time_ns is None else f"{(summary.time_ns - began) / 1e9:.6f}"
    ends = ((summary.source, summary.source_port), (summary.destination, summary.destination_port))
    between = " > ".join(host if port is None else format_host_port(host, port) for host, port in ends)
    words = [f"{summary.number:>5} {time:>10}"]
    if several:
        words.append(summary.interface)
    payload = "" if summary.payload_len is None else f" ({summary.payload_len})"
    words += [f"{between if between != ' > ' else '':<35}", f"{summary.protocol:<5}", f"{summary.flags:<8}"]
    words.append(f"{summary.length} B{payload:<8}")
    if summary.netlab:
        words.append(click.style(" | ".join(str(part) for part in summary.netlab), fg="green"))
    if summary.damaged:
        words.append(click.style(f"damaged: {summary.damaged}", fg="red"))
    if summary.comment:
        words.append(f"# {summary.comment}")
    return " ".join(words).rstrip()


def _say_all_json(capture: Capture) -> None:
    import msgspec

    for packet in capture:
        click.echo(msgspec.json.encode(packet.summary))


# ---- one packet ------------------------------------------------------------------------------------------------------


def _take_apart(packet: CapturedPacket) -> tuple[list[Layer], Sums]:
    from netlab.capture.layers import without_network_config

    without_network_config()
    return packet.layers, packet.sums


def _show_one(packet: CapturedPacket) -> None:
    layers, sums = _take_apart(packet)
    record = packet.record
    cut = "" if len(record.data) == record.original_len else f", {len(record.data)} of them captured"
    where = f" at {printable(record.interface.name)}" if record.interface.name else ""
    _say(click.style(f"packet {record.number}{where}: {record.original_len} bytes{cut}", bold=True))
    if record.comment:
        _say(f"# {printable(record.comment)}")
    for depth, layer in enumerate(layers):
        _say("")
        _show_layer(layer, _COLOURS[depth % len(_COLOURS)])
    _say("")
    headers = " + ".join(f"{size} {protocol}" for protocol, size in sums.headers.items())
    _say(f"{sums.header} bytes of header ({headers}), {sums.text} bytes of text, {sums.envelope} bytes around the text")
    if sums.other:
        _say(f"and {sums.other} bytes of other data")


def _show_layer(layer: Layer, colour: str) -> None:
    head = f"{layer.protocol} {layer.pdu}" if not layer.protocol.endswith(layer.pdu) else layer.protocol
    contested = " (contested)" if layer.contested else ""
    models = f"OSI {layer.osi or '-'} | TCP/IP {layer.tcp_ip or '-'}{contested}"
    size = f"{layer.header_len} B header + {layer.payload_len} B payload" if layer.header_len else "all payload"
    _say(f"{click.style(f'{head:<24}', fg=colour, bold=True)} {models}")
    _say(f"  bytes {layer.start}-{layer.end - 1}: {size}" if layer.end > layer.start else "  no bytes")
    width = max((len(field.name) for field in layer.fields), default=0)
    for field in layer.fields:
        _say(f"  {click.style(f'{_span(field):>13}', fg=colour)}  {field.name:<{width}}  {field.shown}")
    for note in layer.notes:
        _say_note(note)
    if layer.contested:
        _say_note(f"Contested: {layer.contested}")


def _say_note(text: str) -> None:
    """A sentence: in a terminal broken between its words, else on one line."""
    if sys.stdout.isatty():
        columns = shutil.get_terminal_size().columns
        text = textwrap.fill(text, max(columns - 4, 20), subsequent_indent="    ", break_on_hyphens=False)
    _say(f"  * {text}")


def _span(field: Field) -> str:
    """`12-13`, `14`, or `14 bits 0-3`."""
    if field.bits is not None:
        first, count = field.bits
        return f"{field.start} bit {first}" if count == 1 else f"{field.start} bits {first}-{first + count - 1}"
    return str(field.start) if field.end == field.start + 1 else f"{field.start}-{field.end - 1}"


def _one_json(packet: CapturedPacket) -> str:
    import msgspec

    layers, sums = _take_apart(packet)
    told: list[dict[str, Any]] = []
    for layer in layers:
        told.append(msgspec.to_builtins(layer) | {"header_len": layer.header_len, "payload_len": layer.payload_len})
    whole = {
        **msgspec.to_builtins(packet.summary),
        "captured": len(packet.record.data),
        "bytes": packet.record.data.hex(),
        "layers": told,
        "sums": {**msgspec.to_builtins(sums), "header": sums.header},
    }
    return msgspec.json.encode(whole).decode()
