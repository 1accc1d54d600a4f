"""A packet in one line: of a list, or layer by layer while it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netlab.cli.byte_map import Paint
from netlab.packets.endpoint import format_host_port

if TYPE_CHECKING:
    from netlab.capture.summary import Summary

_NETLAB = "netlab packet"
_HEADER = 20  # of a netlab packet, bytes


def line_of(summary: Summary, began: int, *, interface: int = 0) -> str:
    """A line of a list, in columns.

    Args:
        began: when the capture did, ns.
        interface: columns for its name; 0: it is not named.
    """
    words = beginning(summary, began)
    if interface:
        words.insert(1, f"{summary.interface:<{interface}}")
    payload = "" if summary.payload_len is None else f" ({summary.payload_len})"
    words += [f"{summary.protocol:<5}", f"{summary.flags or summary.icmp:<8}", f"{f'{summary.length} B{payload}':<14}"]
    if summary.web:
        words.append(click.style(" | ".join(str(part) for part in summary.web), fg="cyan"))
    if summary.netlab:
        words.append(click.style(" | ".join(str(part) for part in summary.netlab), fg="green"))
    return " ".join(words + _ending(summary)).rstrip()


def stack_of(summary: Summary, began: int, paint: Paint | None, width: int | None) -> str:
    """A line that shows the packet layer by layer, the link's first, each with its bytes.

    Args:
        width: what does not fit into so many columns is cut off; None: nothing is.
    """
    stack = [(name, f"{name} {size}") for name, size in summary.header_lens.items()]
    if summary.flags:
        stack[-1] = (stack[-1][0], f"{stack[-1][1]} {summary.flags}")
    stack += [(_NETLAB, f"netlab {_HEADER} + {part.payload_len}: {part}") for part in summary.netlab]
    if summary.payload_len is None:
        if summary.protocol not in summary.header_lens:
            stack.append((summary.protocol, f"{summary.protocol} {summary.icmp}".rstrip()))
    elif summary.payload_len and not summary.netlab:
        stack.append(("data", f"data {summary.payload_len}"))
    before = " ".join(beginning(summary, began))
    room = None if width is None else width - len(before) - 1
    shown = ""
    for number, (protocol, text) in enumerate(stack):
        text = f" {text} " if paint is not None else f" / {text}" if number else text
        if room is not None:
            fits, room = room, max(0, room - len(text))
            text = text if len(text) <= fits else text[: max(fits - 1, 0)] + "…"[:fits]
        if text:
            shown += text if paint is None else paint(text, protocol, number)
    return " ".join([before, shown, *_ending(summary)]).rstrip()


def beginning(summary: Summary, began: int) -> list[str]:
    """What every line begins with: number, time, who to whom."""
    time = "-" if summary.time_ns is None else f"{(summary.time_ns - began) / 1e9:.6f}"
    ends = ((summary.source, summary.source_port), (summary.destination, summary.destination_port))
    between = " > ".join(host if port is None else format_host_port(host, port) for host, port in ends)
    return [f"{summary.number:>5} {time:>10}", f"{between if between != ' > ' else '':<35}"]


def _ending(summary: Summary) -> list[str]:
    words = [click.style(f"damaged: {summary.damaged}", fg="red")] if summary.damaged else []
    return words + ([f"# {summary.comment}"] if summary.comment else [])
