"""What became of each packet between the places where it was captured, a line each, and the sums by direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netlab.cli.packet_lines import beginning

if TYPE_CHECKING:
    from netlab.capture.files import Capture
    from netlab.capture.vantage import Journey, Sums


def show_journeys(capture: Capture, *, as_json: bool) -> None:
    """Print them.

    Raises:
        CaptureError: the capture was made at one place only.
    """
    import msgspec

    from netlab.capture.vantage import journeys, sums

    found = journeys(capture)
    if as_json:
        for journey in found:
            told: dict[str, Any] = msgspec.to_builtins(journey)
            click.echo(msgspec.json.encode(told | {"what_happened": journey.what_happened}))
        return
    began = min((journey.time_ns for journey in found if journey.time_ns is not None), default=0)
    for journey in found:
        click.echo(_line(capture, journey, began))
    click.echo()
    for direction, counted in sums(found).items():
        click.echo(_sums(direction, counted))


def _line(capture: Capture, journey: Journey, began: int) -> str:
    summary = capture.packet(journey.sent).summary
    words = [*beginning(summary, began), f"{summary.protocol:<5}", f"{journey.length:>5} B", f"{journey.direction}:"]
    seen = [str(number) for copy in journey.copies for number in (copy.received or copy.wire,) if number is not None]
    if seen:
        words.append(f"-> {', '.join(seen)}")
    happened = "; ".join(journey.what_happened) or "arrived at once"
    is_bad = any(copy.dropped is not None or copy.changed for copy in journey.copies)
    return " ".join([*words, click.style(happened, fg="red" if is_bad else None)])


def _sums(direction: str, counted: Sums) -> str:
    words = [f"{counted.sent} sent", f"{counted.delivered} arrived"]
    words += [f"{number} lost ({reason})" for reason, number in counted.dropped.items()]
    named = {"duplicated": counted.duplicated, "corrupted": counted.corrupted, "overtaken": counted.overtaken}
    named["still on the way"] = counted.on_the_way
    words += [f"{number} {what}" for what, number in named.items() if number]
    return f"{direction}: {', '.join(words)}"
