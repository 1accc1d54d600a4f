"""How much may be on its way, and what changed that? cwnd, ssthresh and what is not
acknowledged yet, with every loss and timeout.

From the decisions of any sender here, or of the kernel's TCP when it was asked. Taught in notebook 09.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from netlab.capture.traces import of_sender
from netlab.figures import style
from netlab.figures.scales import size_unit, time_unit
from netlab.figures.style import HATCHES, LIGHT, Theme
from netlab.protocols.trace import Decision
from netlab.units import S

_MARKS = {"loss": ("v", "a loss was noticed"), "rto": ("X", "the timer ran out")}
_BAND = 0.055  # of the height: the strip that names the phase


def congestion_window(
    trace: Sequence[Decision], *, who: str | None = None, ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw the window of one sender over time.

    Args:
        who: the sender; by default the one that sent the most.
    """
    mine = [one for one in of_sender(trace, who) if one.cwnd is not None]
    ax = style.axes(ax, theme, "congestion_window", margins=style.Margins(right=1.5))
    end = max((one.at for one in mine), default=S)
    time, size = time_unit(end), size_unit(max((one.cwnd or 0 for one in mine), default=0))
    at = [time.of(one.at) for one in mine]
    cwnd = [size.of(one.cwnd or 0) for one in mine]
    flight = [size.of(one.flight_size or 0) for one in mine]
    top = 1.16 * max([*cwnd, *flight, 1e-9])
    ax.set(xlim=(0, time.of(end) or 1), ylim=(0, top), xlabel=f"time ({time.name})", ylabel=f"window ({size.name})")
    ax.fill_between(at, flight, step="post", color=theme.tint(theme.sky, 0.55), linewidth=0)
    ax.step(at, cwnd, where="post", color=theme.blue, linewidth=1.8)
    _draw_ssthresh(ax, theme, mine, time.size, size.size)
    for cause, (marker, _) in _MARKS.items():
        hit = [k for k, one in enumerate(mine) if one.cause == cause]
        ax.plot(
            [at[k] for k in hit],
            [cwnd[k - 1] if k else cwnd[k] for k in hit],
            linestyle="none",
            marker=marker,
            markersize=8,
            markerfacecolor=theme.vermillion,
            markeredgecolor=theme.ink,
            zorder=4,
        )
    _draw_phases(ax, theme, mine, time.size, top)
    if mine:
        labels = [(cwnd[-1], "cwnd", theme.blue), (flight[-1], "not yet acked", theme.sky)]
        if mine[-1].ssthresh is not None:
            labels.append((min(size.of(mine[-1].ssthresh), top), "ssthresh", theme.orange))
        style.end_labels(ax, theme, labels)
    style.caption(ax, theme, _caption(mine))
    return ax


def _draw_ssthresh(ax: Axes, theme: Theme, mine: Sequence[Decision], time: int, size: int) -> None:
    known = [(one.at / time, one.ssthresh / size) for one in mine if one.ssthresh is not None]
    if known:
        xs, ys = zip(*known, strict=True)
        ax.step(xs, ys, where="post", color=theme.orange, linewidth=1.4, linestyle=(0, (5, 2)))


def phases(mine: Sequence[Decision]) -> list[tuple[str, int, int]]:
    """Each phase with the times of its beginning and end, ns."""
    found: list[tuple[str, int, int]] = []
    for phase, group in groupby(mine, key=lambda one: one.phase or ""):
        began = next(iter(group)).at
        if found:
            found[-1] = (*found[-1][:2], began)
        found.append((phase, began, mine[-1].at))
    return found


def _draw_phases(ax: Axes, theme: Theme, mine: Sequence[Decision], time: int, top: float) -> None:
    names = list(dict.fromkeys(one.phase or "" for one in mine))
    width = ax.get_position().width * ax.figure.get_figwidth()  # type: ignore[union-attr]
    span = ax.get_xlim()[1]
    for phase, began, ended in phases(mine):
        k = names.index(phase)
        x, wide = began / time, (ended - began) / time
        ax.add_patch(_box(x, wide, top, theme.tint(theme.series[k % 6], 0.3), HATCHES[k % 6], theme.faint))
        said = style.fitting([phase, phase[:1].upper()], wide / span * width - 0.06, style.TINY)
        ax.text(
            x + wide / 2,
            top * (1 - _BAND / 2),
            said,
            ha="center",
            va="center",
            fontsize=style.TINY,
            color=theme.ink,
            bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 0.6} if said else None,
        )


def _box(x: float, wide: float, top: float, colour: str, hatch: str, edge: str) -> Rectangle:
    return Rectangle(
        (x, top * (1 - _BAND)), wide, top * _BAND, facecolor=colour, hatch=hatch, edgecolor=edge, linewidth=0.4
    )


def _caption(mine: Sequence[Decision]) -> str:
    if not mine:
        return "nobody who decided anything has a congestion window"
    marks = [f"{'▼' if cause == 'loss' else '✖'} {words}" for cause, (_, words) in _MARKS.items()]
    used = [mark for mark, cause in zip(marks, _MARKS, strict=True) if any(one.cause == cause for one in mine)]
    return "; ".join(
        [
            f"sender {style.safe(mine[0].who)}",
            *used,
            "above: the phase of the congestion control",
            "not yet acked counts also what only selective acknowledgments have named",
        ]
    )


def text(trace: Sequence[Decision], *, who: str | None = None) -> str:
    """Where the window began and ended, and a line for each time it was cut."""
    mine = [one for one in of_sender(trace, who) if one.cwnd is not None]
    if not mine:
        return _caption(mine)
    end = mine[-1].at
    time, size = time_unit(end), size_unit(max(one.cwnd or 0 for one in mine))
    lines = [
        f"{mine[0].who}: cwnd {size.say(mine[0].cwnd or 0)} at the beginning, {size.say(mine[-1].cwnd or 0)} at the end"
    ]
    for before, one in pairwise(mine):
        if one.cause in _MARKS:
            half = "" if one.ssthresh is None else f", ssthresh {size.say(one.ssthresh)}"
            lines.append(
                f"{time.say(one.at):>10}  {_MARKS[one.cause][1]}: cwnd {size.say(before.cwnd or 0)} -> "
                f"{size.say(one.cwnd or 0)}{half}"
            )
    shares: dict[str, int] = {}
    for phase, began, ended in phases(mine):
        shares[phase] = shares.get(phase, 0) + ended - began
    lines.append(", ".join(f"{phase} {took / max(end, 1):.0%}" for phase, took in shares.items()) + " of the time")
    return "\n".join(lines)


def demo() -> Sequence[Decision]:
    """CUBIC on a line with a short queue, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("cubic")[1]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(congestion_window(demo()))
