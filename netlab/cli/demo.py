"""`netlab demo`: one chat over TCP, the same over UDP, both captured live and taken apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from netlab.course.demo_story import Episode, Traffic


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
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

    from netlab.course.demo_story import SCHEMES, capture_chat, read_traffic

    out.mkdir(parents=True, exist_ok=True)
    progress = Console(stderr=True)
    episodes = []
    for scheme in SCHEMES:
        with progress.status(f"playing the chat over {scheme.upper()} ..."):
            episodes.append(capture_chat(scheme, out / f"chat-{scheme}.pcapng"))
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    _tell_chat(console, episodes)
    traffics = [read_traffic(episode.capture) for episode in episodes]
    _tell_packets(console, traffics)
    _tell_message(console, episodes, traffics)
    _tell_long_message(console, traffics)
    _tell_what_next(console, episodes)


def _tell_chat(console: Console, episodes: list[Episode]) -> None:
    from rich.markup import escape

    from netlab.packets.text import printable

    console.rule("[bold]1. One chat, twice[/bold]", align="left")
    played = episodes[0].played
    for line in played.lines:
        to = f"{line.speaker} to {line.to} alone" if line.private else f"{line.speaker} in {line.to}"
        text = line.text if len(line.text) < 80 else f"{line.text[:54]} ... ({len(line.text.encode()):,} bytes)"
        console.print(f"  [bold]{to}:[/bold] {escape(printable(text))}")
    for episode in episodes:
        heard = sum(len(line.heard_by) for line in episode.played.lines)
        url = episode.played.url
        console.print(f"  over {url}: {len(played.lines)} messages said, {heard} heard by others", style="dim")
        if episode.recorded:
            console.print(f"  [yellow]No live capture here: {escape(episode.recorded)}[/yellow]")
            console.print("  [yellow]What follows is read from a recorded capture of the same chat.[/yellow]")
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

    console.rule("[bold]2. What it took[/bold]", align="left")
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
    console.print(
        "\n  Only TCP opens and closes: SYN, SYN+ACK, ACK, and a FIN each way; and its segments are acknowledged.\n"
        "  UDP has no such thing: the cookie, the token and the repeated hello are netlab's, in the payload.\n",
        style="dim",
    )


def _tell_message(console: Console, episodes: list[Episode], traffics: list[Traffic]) -> None:
    from netlab.capture.files import read
    from netlab.cli.layers import print_layers

    console.rule("[bold]3. One message, layer by layer[/bold]", align="left")
    for episode, traffic in zip(episodes, traffics, strict=True):
        if traffic.greeting is None:
            continue  # over UDP it may be lost
        scheme = episode.played.scheme.upper()
        console.print(f"\n  [bold]{scheme}[/bold]: packet {traffic.greeting} of {episode.capture}", soft_wrap=True)
        print_layers(console, read(episode.capture).packet(traffic.greeting))
    console.print()


def _tell_long_message(console: Console, traffics: list[Traffic]) -> None:
    console.rule("[bold]4. The long message[/bold]", align="left")
    for name, traffic in zip(("TCP", "UDP"), traffics, strict=True):
        pieces = traffic.largest
        if not pieces:
            continue
        frames = len({piece.frame for piece in pieces})
        console.print(
            f"  over {name}: cut into {pieces[0].count} netlab packets of {pieces[0].size:,} bytes (the last "
            f"{pieces[-1].size:,}), in {frames} captured packets; put together again byte for byte"
        )
    console.print(
        "\n  Over UDP each piece is a datagram of at most 1200 bytes, so that IP need not cut it; lose one, and the\n"
        "  message is lost. Over TCP the kernel cuts the stream where it likes: on loopback up to 64 KiB at once.\n",
        style="dim",
    )


def _tell_what_next(console: Console, episodes: list[Episode]) -> None:
    console.rule("[bold]Where it is, and what to try next[/bold]", align="left")
    tcp, udp = (episode.capture for episode in episodes)
    for file in (tcp, udp):
        console.print(f"  {file}", soft_wrap=True)
    steps = (
        (f"netlab layers {tcp}", "every packet on a line"),
        (f"netlab layers {udp} --packet 1", "one packet, byte by byte"),
        ("netlab tcp-chat --name ann", "talk yourself; bob joins in a second terminal"),
        (f"wireshark {tcp}", "the same bytes, as Wireshark sees them"),
        ("netlab doctor", "what else this machine can do"),
    )
    width = max(len(step) for step, _ in steps)
    for step, why in steps:
        console.print(f"  [bold]{step:{width}}[/bold]  {why}", soft_wrap=True)
