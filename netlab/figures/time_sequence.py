"""How does a stream get across? Each segment by its bytes and its time, with what is acknowledged and what may be sent.

In the way of Stevens and tcptrace: a bar for each segment, a line below it that rises with the acknowledgments, and one
above it that the receiver's window allows. Taught in notebooks 07 and 08.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import Flight, busiest_flow, flights, relative, sack_blocks, window_shifts
from netlab.figures.scales import size_unit, time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.packets.tcp import TcpFlags
from netlab.units import Ns


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What one direction of a connection did, as its sender saw it; offsets are bytes from the beginning of the stream.

    Attributes:
        segments: each with the time it was sent, the bytes [start, end) it carried, and the packet.
        acked: time and offset of each acknowledgment that came.
        allowed: time and offset of the right edge of the window that the receiver offered.
        sacked: time and bytes [start, end) that were acknowledged beyond a hole.
    """

    flow: tuple[str, str]
    began: Ns
    segments: tuple[tuple[Ns, int, int, Flight], ...]
    acked: tuple[tuple[Ns, int], ...]
    allowed: tuple[tuple[Ns, int], ...]
    sacked: tuple[tuple[Ns, int, int], ...]


def sequence_of(capture: Capture, flow: tuple[str, str] | None = None) -> Progress | None:
    """One direction of a connection, by default that which carried the most; None where the capture has no TCP."""
    every = flights(capture)
    flow = flow or busiest_flow(every, "TCP")
    if flow is None:
        return None
    back = flow[1], flow[0]
    zero, shifts = relative(every), window_shifts(every)
    mine = [one for one in every if one.flow == flow and one.segment is not None and not one.copy]
    began = mine[0].sent_at
    segments = []
    for one in mine:
        if one.payload_len and one.segment is not None:
            start = (one.segment.sequence_number - zero[flow] - 1) % 2**32
            segments.append((one.sent_at - began, start, start + one.payload_len, one))
    acked, allowed, sacked = [], [], []
    for one in every:
        came = one.came_at if one.at else one.sent_at
        if one.flow != back or one.segment is None or came is None or not one.segment.flags & TcpFlags.ACK:
            continue
        ack = (one.segment.acknowledgment_number - zero[flow] - 1) % 2**32
        if ack >= 2**31:  # of the SYN, at most
            ack = 0
        shift = 0 if one.segment.flags & TcpFlags.SYN else shifts.get(back[0], 0)
        acked.append((came - began, ack))
        allowed.append((came - began, ack + (one.segment.window << shift)))
        for left, right in sack_blocks(one):
            sacked.append((came - began, (left - zero[flow] - 1) % 2**32, (right - zero[flow] - 1) % 2**32))
    return Progress(
        flow=flow,
        began=began,
        segments=tuple(segments),
        acked=tuple(sorted(acked)),
        allowed=tuple(sorted(allowed)),
        sacked=tuple(sorted(sacked)),
    )


def time_sequence(
    capture: Capture, *, flow: tuple[str, str] | None = None, ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw one direction of a TCP connection.

    Args:
        flow: `("10.0.0.1:5000", "10.0.0.2:80")`; by default that which carried the most.
    """
    ax = style.axes(ax, theme, "time_sequence", margins=style.Margins(right=1.5))
    what = sequence_of(capture, flow)
    if what is None or not what.segments:
        ax.set(xlabel="time", ylabel="byte of the stream")
        style.caption(ax, theme, "there is no TCP data in this capture")
        return ax
    end = max([what.segments[-1][0], *(at for at, _ in what.acked[-1:])])
    top = max(stop for _, _, stop, _ in what.segments)
    time, size = time_unit(end), size_unit(top)
    ax.set(
        xlim=(-0.01 * time.of(end), time.of(end) * 1.01 or 1),
        ylim=(-0.02 * size.of(top), size.of(top) * 1.12),
        xlabel=f"time ({time.name})",
        ylabel=f"byte of the stream ({size.name})",
    )
    _draw_segments(ax, theme, what.segments, time.size, size.size)
    if what.acked:
        ax.step(*_scaled(what.acked, time.size, size.size), where="post", color=theme.green, linewidth=1.5)
    if what.allowed:
        ax.step(
            *_scaled(what.allowed, time.size, size.size),
            where="post",
            color=theme.orange,
            linewidth=1.4,
            linestyle=(0, (5, 2)),
        )
    if what.sacked:
        ax.vlines(
            [time.of(at) for at, _, _ in what.sacked],
            [size.of(left) for _, left, _ in what.sacked],
            [size.of(right) for _, _, right in what.sacked],
            color=theme.tint(theme.purple, 0.8),
            linewidth=1.0,
            zorder=1,
        )
    _name_lines(ax, theme, what, size.size)
    style.caption(ax, theme, *_notes(capture, what))
    return ax


def _draw_segments(
    ax: Axes, theme: Theme, segments: Sequence[tuple[Ns, int, int, Flight]], time: int, size: int
) -> None:
    for chosen, colour, width in (
        ([s for s in segments if not s[3].again], theme.blue, 2.0),
        ([s for s in segments if s[3].again], theme.vermillion, 3.2),
    ):
        ax.vlines(
            [at / time for at, _, _, _ in chosen],
            [start / size for _, start, _, _ in chosen],
            [stop / size for _, _, stop, _ in chosen],
            color=colour,
            linewidth=width,
            zorder=3,
        )
    marks = (
        ([s for s in segments if s[3].again], "^", theme.vermillion, 6),
        ([s for s in segments if s[3].lost], "x", theme.ink, 7),
    )
    for chosen, marker, colour, big in marks:
        ax.plot(
            [at / time for at, _, _, _ in chosen],
            [(start + stop) / 2 / size for _, start, stop, _ in chosen],
            linestyle="none",
            marker=marker,
            markersize=big,
            color=colour,
            zorder=4,
        )


def _scaled(points: Sequence[tuple[Ns, int]], time: int, size: int) -> tuple[list[float], list[float]]:
    return [at / time for at, _ in points], [offset / size for _, offset in points]


def _name_lines(ax: Axes, theme: Theme, what: Progress, size: int) -> None:
    top = ax.get_ylim()[1]
    labels = [(what.segments[-1][2] / size, "sent", theme.blue)]
    if what.acked:
        labels.append((what.acked[-1][1] / size, "acknowledged", theme.green))
    if what.allowed:
        labels.append((min(what.allowed[-1][1] / size, top), "window's edge", theme.orange))
    style.end_labels(ax, theme, labels)


def _notes(capture: Capture, what: Progress) -> list[str]:
    again = sum(one.again for *_, one in what.segments)
    lost = sum(bool(one.lost) for *_, one in what.segments)
    notes = [f"{style.safe(what.flow[0])} to {style.safe(what.flow[1])}, {len(what.segments)} segments with data"]
    if again:
        notes.append(f"▲ sent again: {again}")
    if lost:
        notes.append(f"× lost: {lost}")
    if what.sacked:
        notes.append("thin upright lines: what selective acknowledgments name")
    if all(edge > what.segments[-1][2] * 1.12 for _, edge in what.allowed):
        notes.append("the window's edge is above all of this")
    return notes


def text(capture: Capture, *, flow: tuple[str, str] | None = None) -> str:
    """How much was sent, acknowledged and repeated, and a line for each segment that was lost or sent again."""
    what = sequence_of(capture, flow)
    if what is None or not what.segments:
        return "there is no TCP data in this capture\n0 segments"
    time = time_unit(what.segments[-1][0])
    top = max(stop for _, _, stop, _ in what.segments)
    acked = what.acked[-1][1] if what.acked else 0
    least = min((edge - acked for (_, edge), (_, acked) in zip(what.allowed, what.acked, strict=True)), default=None)
    lines = [
        f"{what.flow[0]} to {what.flow[1]}: {len(what.segments)} segments, {top} bytes of the stream in "
        f"{time.say(what.segments[-1][0])}, {min(acked, top)} acknowledged",
        "no window was offered" if least is None else f"the smallest window offered: {least} B",
    ]
    for at, start, stop, one in what.segments:
        if one.lost or one.again:
            said = " and ".join(
                word for word in ("sent again" if one.again else "", "lost" if one.lost else "") if word
            )
            lines.append(f"{time.say(at):>10}  [{start}:{stop}] {said}")
    return "\n".join(lines)


def demo() -> Capture:
    """A bulk flow whose second window loses some segments, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("reno", there="loss=3%", size="150kB", seed=3)[0]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(time_sequence(demo()))
