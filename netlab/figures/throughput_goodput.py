"""How much was sent, and how much of it was of use? Bytes a second on the link, and those of them that were new.

Throughput counts every byte of every packet that was sent, headers and repetitions too; goodput counts what reached the
other end for the first time, payload alone. Taught in notebooks 07 and 09.
"""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import Flight, busiest_flow, flights
from netlab.figures.scales import rate_unit, time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.units import MS, Ns, S

_BINS = 40


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Bits a second of one direction, in equal spans of time.

    Attributes:
        span: of each, ns.
        throughput, goodput: bits a second in each.
    """

    flow: tuple[str, str]
    span: Ns
    throughput: tuple[float, ...]
    goodput: tuple[float, ...]
    sent: int
    delivered: int


def rates(capture: Capture, *, span: Ns | None = None) -> Rates | None:
    """Of the direction that carried the most; None where nothing carried anything."""
    every = flights(capture)
    flow = busiest_flow(every)
    mine = [one for one in every if one.flow == flow]
    new = _new(mine)
    if flow is None or not new:
        return None
    began = mine[0].sent_at
    ended = max(one.came_at or one.sent_at for one in mine)
    step = span or max((ended - began) // _BINS, MS)
    count = (ended - began) // step + 1
    sent, got = [0] * count, [0] * count
    for one in mine:
        if not one.copy:
            sent[(one.sent_at - began) // step] += one.length
    for one in new:
        got[((one.came_at or one.sent_at) - began) // step] += one.payload_len
    scale = 8 * S / step
    return Rates(
        flow=flow,
        span=step,
        throughput=tuple(size * scale for size in sent),
        goodput=tuple(size * scale for size in got),
        sent=sum(sent),
        delivered=sum(got),
    )


def _new(mine: list[Flight]) -> list[Flight]:
    """What came, in the order in which it came, each piece once."""
    came = [one for one in mine if not one.lost and (one.came_at is not None or not one.at) and one.payload_len]
    seen: set[object] = set()
    new = []
    for one in sorted(came, key=lambda one: one.came_at or one.sent_at):
        key = (one.segment.sequence_number, one.payload_len) if one.segment is not None else (one.digest, one.sent_at)
        if key not in seen:
            seen.add(key)
            new.append(one)
    return new


def throughput_goodput(capture: Capture, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw both rates over time."""
    ax = style.axes(ax, theme, "throughput_goodput", margins=style.Margins(right=1.4))
    what = rates(capture)
    if what is None:
        style.caption(ax, theme, "nothing in this capture carries data")
        return ax
    end = what.span * len(what.throughput)
    time, rate = time_unit(end), rate_unit(max(what.throughput))
    edges = [time.of(what.span * k) for k in range(len(what.throughput) + 1)]
    sent, got = [rate.of(v) for v in what.throughput], [rate.of(v) for v in what.goodput]
    top = max([*sent, *got])
    ax.set(xlim=(0, edges[-1]), ylim=(0, top * 1.1), xlabel=f"time ({time.name})", ylabel=f"rate ({rate.name})")
    ax.stairs(sent, edges, color=theme.orange, linewidth=1.6, linestyle=(0, (5, 1.5)), baseline=None)
    ax.stairs(got, edges, fill=True, color=theme.tint(theme.blue, 0.35), linewidth=0)
    ax.stairs(got, edges, color=theme.blue, linewidth=1.6, baseline=None)
    style.end_labels(
        ax,
        theme,
        [(_usual(sent), "throughput", theme.orange), (_usual(got), "goodput", theme.blue)],
    )
    style.caption(ax, theme, *_notes(what))
    return ax


def _usual(values: list[float]) -> float:
    """Where a line mostly is."""
    return sorted(values)[len(values) // 2]


def _notes(what: Rates) -> list[str]:
    seconds = what.span * len(what.goodput) / S
    rate = rate_unit(what.sent * 8 / seconds)
    return [
        f"{style.safe(what.flow[0])} to {style.safe(what.flow[1])}",
        f"{what.sent} B were sent ({rate.say(what.sent * 8 / seconds)}), {what.delivered} B of them "
        f"({what.delivered / max(what.sent, 1):.0%}) were new data ({rate.say(what.delivered * 8 / seconds)})",
        f"in spans of {time_unit(what.span).say(what.span)}",
    ]


def text(capture: Capture) -> str:
    """Both totals, and the lowest and highest goodput."""
    what = rates(capture)
    if what is None:
        return "nothing in this capture carries data\n0 B"
    rate = rate_unit(max(what.goodput))
    inner = what.goodput[:-1] or what.goodput
    lines = [
        f"goodput from {rate.say(min(inner))} to {rate.say(max(inner))}",
        f"throughput up to {rate.say(max(what.throughput))}",
    ]
    return "\n".join([*_notes(what), *lines])


def demo() -> Capture:
    """CUBIC on a line with a short queue, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("cubic", lasts="3s")[0]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(throughput_goodput(demo()))
