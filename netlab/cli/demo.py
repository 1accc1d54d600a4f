"""`netlab demo`: one chat over TCP, the same over UDP, both captured live and taken apart."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab.cli.argument_types import File
from netlab.errors import NetlabError
from netlab.packets.endpoint import DEFAULT_PORTS
from netlab.packets.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from netlab.capture.files import Capture
    from netlab.capture.summary import Summary
    from netlab.course.demo_story import Episode, Traffic

BEGINNING = 8
"""Packets of each capture that are shown side by side."""

NOTABLE = {
    "Ethernet": {"EtherType": "EtherType"},
    "Loopback": {"EtherType": "EtherType"},
    "IPv4": {"source address": "from", "destination address": "to", "time to live": "TTL", "protocol": "protocol"},
    "TCP": {"source port": "from", "destination port": "to", "sequence number": "seq", "acknowledgment number": "ack"},
    "UDP": {"source port": "from", "destination port": "to", "length": "length"},
    "netlab packet": {"type": "type", "payload length": "length", "session token": "token"},
    "chat event": {"JSON text": ""},
}
"""By protocol: the fields that are shown of one message, and their short names; `netlab layers` shows all."""


WIDE = 100
"""Columns from which on a packet's direction is told in words."""


def escape(text: str) -> str:
    """`text` as rich's markup, which it is not."""
    from rich.markup import escape as escape_markup

    return escape_markup(text)


def _prose(console: Console, text: str, *, indent: str = "  ", style: str = "dim") -> None:
    """A paragraph, as wide as the terminal."""
    filled = textwrap.fill(text, console.width, initial_indent="  ", subsequent_indent=indent)
    console.print(escape(filled), style=style, soft_wrap=True)


@click.command()
@click.option(
    "--out",
    type=File(),
    metavar="FOLDER",
    default=Path("netlab-demo"),
    show_default=True,
    help="Folder for the two captures; those of an earlier demo are replaced.",
)
def command(out: Path) -> None:
    """The same chat over TCP and over UDP, captured live without root, and taken apart layer by layer.

    Three people, two rooms, a private message and one long message, over the kernel's TCP and then over its UDP, on
    loopback. Needs no answers and takes a few seconds. Where this machine allows no live capture, the chats run all the
    same and recorded captures are shown.
    """
    from rich.console import Console

    from netlab.capture.files import read
    from netlab.course.demo_story import SCHEMES, capture_chat, read_traffic

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NetlabError(f"{printable(str(out))}: {error.strerror}: name another with --out FOLDER") from None
    progress = Console(stderr=True)
    episodes = []
    for scheme in SCHEMES:
        with progress.status(f"playing the chat over {scheme.upper()} ..."):
            episodes.append(capture_chat(scheme, out / f"chat-{scheme}.pcapng"))
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    _tell_chat(console, episodes)
    captures = [read(episode.capture) for episode in episodes]
    traffics = [read_traffic(episode.capture) for episode in episodes]
    _tell_beginnings(console, captures)
    _tell_packets(console, traffics)
    _tell_message(console, captures, traffics)
    _tell_long_message(console, traffics)
    _tell_what_next(console, episodes)


def _tell_chat(console: Console, episodes: list[Episode]) -> None:
    console.rule("[bold]1. One chat, twice[/bold]", align="left")
    played = episodes[0].played
    for line in played.lines:
        to = f"{line.speaker} to {line.to} alone" if line.private else f"{line.speaker} in {line.to}"
        text = line.text if len(line.text) < 80 else f"{line.text[:39]} ... ({len(line.text.encode()):,} bytes)"
        console.print(f"  [bold]{to}:[/bold] {escape(printable(text))}")
    for episode in episodes:
        heard = sum(len(line.heard_by) for line in episode.played.lines)
        url = episode.played.url
        console.print(f"  over {url}: {len(played.lines)} messages said, {heard} heard by others", style="dim")
    missing = next((episode.recorded for episode in episodes if episode.recorded), "")
    if missing:
        why = f"No live capture here, so recorded captures of this chat are shown: {missing}"
        console.print(f"  [yellow]{escape(printable(why))}[/yellow]", soft_wrap=True)
    console.print()


ROWS = (
    ("opening a connection (SYN)", "opening"),
    ("netlab's own handshake (hello, cookie, ack)", "handshake"),
    ("carrying the chat", "chat"),
    ("only acknowledging", "acknowledging"),
    ("closing a connection (FIN)", "closing"),
)


def _tell_packets(console: Console, traffics: list[Traffic]) -> None:
    from rich.table import Table

    from netlab.course.demo_story import LAYERS

    console.rule("[bold]3. What it took[/bold]", align="left")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 2))
    for column, justify in (("", "left"), ("TCP", "right"), ("UDP", "right")):
        table.add_column(column, justify=justify)  # type: ignore[arg-type]
    table.add_row("[bold]packets captured[/bold]", *(f"[bold]{t.frames}[/bold]" for t in traffics))
    for title, purpose in ROWS:
        table.add_row(f"  {title}", *(str(t.purposes[purpose]) if t.purposes[purpose] else "-" for t in traffics))
    table.add_row("netlab packets in them", *(str(t.packets) for t in traffics))
    totals = [sum(t.layers.values()) for t in traffics]
    table.add_row("[bold]bytes captured[/bold]", *(f"[bold]{total:,}[/bold]" for total in totals))
    for layer in LAYERS:
        cells = [f"{t.layers[layer]:,}" if t.layers[layer] else "-" for t in traffics]
        table.add_row(f"  {layer}" + (" (what people wrote)" if layer == "text" else ""), *cells)
    shares = [f"{1 - t.layers['text'] / total:.1%}" for t, total in zip(traffics, totals, strict=True)]
    table.add_row("headers and events around the text", *shares)
    console.print(table)
    console.print()
    _prose(
        console,
        "Only TCP opens and closes: SYN, SYN+ACK, ACK, and a FIN each way; and its segments are acknowledged. "
        "UDP has no such thing: the cookie, the token and the repeated hello are netlab's, in the payload.",
    )
    console.print()


def _tell_beginnings(console: Console, captures: list[Capture]) -> None:
    """The first packets of each, side by side: only TCP opens a connection."""
    from rich.table import Table

    console.rule("[bold]2. How each begins[/bold]", align="left")
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 2))
    wide = console.width >= WIDE
    for title in ("TCP", "UDP"):
        table.add_column(f"first packets over {title}", overflow="fold")
    beginnings = [
        [_one_line(packet.summary, wide) for packet in itertools.islice(capture, BEGINNING)] for capture in captures
    ]
    for row in itertools.zip_longest(*beginnings, fillvalue=""):
        table.add_row(*row)
    console.print(table)
    console.print()
    key = "" if wide else "-> goes to the server, <- comes from it. "
    _prose(
        console,
        f"{key}SYN, SYN+ACK, ACK: TCP agrees on a connection before anything is said. UDP just sends; that the server "
        "asks for a cookie before it believes an address is netlab's doing, in the payload.",
    )
    console.print()


def _one_line(summary: Summary, wide: bool) -> str:
    to_server = summary.destination_port in DEFAULT_PORTS.values()
    arrow = ("client -> server" if to_server else "server -> client") if wide else ("->" if to_server else "<-")
    said = ", ".join(" ".join(filter(None, (part.type, part.event))) for part in summary.netlab)
    return escape(printable(f"{summary.number:>2} {arrow}  {summary.flags or ''} {said}".rstrip()))


def _tell_message(console: Console, captures: list[Capture], traffics: list[Traffic]) -> None:
    from rich.table import Table

    console.rule("[bold]4. One message, layer by layer[/bold]", align="left")
    for name, capture, traffic in zip(("TCP", "UDP"), captures, traffics, strict=True):
        if traffic.greeting is None:
            continue  # over UDP it may be lost
        packet = capture.packet(traffic.greeting)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        notable = []
        for title in ("layer", "OSI", "TCP/IP", "bytes", "header"):
            table.add_column(title, overflow="fold", justify="right" if title == "header" else "left")
        for layer in packet.layers:
            pdu = layer.protocol if layer.protocol.endswith(layer.pdu) else f"{layer.protocol} {layer.pdu}"
            mark = "*" if layer.contested else ""
            names = NOTABLE.get(layer.protocol, {})
            fields = (f"{names[field.name]} {field.shown}".strip() for field in layer.fields if field.name in names)
            notable.append((pdu, printable(", ".join(fields))))
            table.add_row(
                f"[bold]{pdu}[/bold]",
                f"{layer.osi}{mark}",
                f"{layer.tcp_ip}",
                f"{layer.start}-{layer.end - 1}",
                f"{layer.header_len} B" if layer.header_len else "-",
            )
        sums = packet.sums
        console.print(f"\n  [bold]{name}[/bold], packet {traffic.greeting}: {len(packet.record.data)} bytes")
        console.print(table)
        for pdu, shown in notable:
            _prose(console, f"{pdu}: {shown}", indent="    ", style="")
        console.print(f"  {sums.header} bytes of header and {sums.envelope} of event around {sums.text} bytes of text")
    console.print()
    _prose(console, "* where it stands in the models is contested: netlab layers FILE --packet N says why")
    console.print()


def _tell_long_message(console: Console, traffics: list[Traffic]) -> None:
    console.rule("[bold]5. The long message[/bold]", align="left")
    for name, traffic in zip(("TCP", "UDP"), traffics, strict=True):
        pieces = traffic.largest
        if not pieces:
            continue
        frames = len({frame for piece in pieces for frame in piece.frames})
        _prose(
            console,
            f"over {name}: cut into {pieces[0].count} netlab packets of at most {pieces[0].size:,} bytes, in "
            f"{frames} captured packets; put together again byte for byte",
            indent="    ",
            style="",
        )
    console.print()
    _prose(
        console,
        "Over UDP each piece is a datagram of at most 1200 bytes, so that IP need not cut it; lose one, and the "
        "message is lost. Over TCP the kernel cuts the stream where it likes: on loopback up to 64 KiB at once.",
    )
    console.print()


def _tell_what_next(console: Console, episodes: list[Episode]) -> None:
    console.rule("[bold]Where it is, and what to try next[/bold]", align="left")
    tcp, udp = (episode.capture for episode in episodes)
    for file in (tcp, udp):
        console.print(f"  {file}", soft_wrap=True)
    by_path = os.path.relpath(sys.argv[0])
    if os.path.basename(by_path) == "__main__.py":  # `python -m netlab`
        by_path = f"{os.path.relpath(sys.executable)} -m netlab"
    netlab = "netlab" if shutil.which("netlab") else by_path
    steps = (
        (f"{netlab} layers {tcp}", "every packet on a line"),
        (f"{netlab} layers {udp} --packet 1", "one packet, byte by byte"),
        (f"{netlab} tcp-chat --name ann", "talk yourself; bob joins in a second terminal"),
        (f"wireshark {tcp}", "the same bytes, as Wireshark sees them"),
        (f"{netlab} doctor", "what else this machine can do"),
    )
    console.print()
    width = max(len(step) for step, _ in steps)
    beside = width + max(len(why) for _, why in steps) + 4 <= console.width
    for step, why in steps:
        shown = f"  [bold]{step:{width}}[/bold]  {why}" if beside else f"  [bold]{step}[/bold]\n      {why}"
        console.print(shown, soft_wrap=True)
