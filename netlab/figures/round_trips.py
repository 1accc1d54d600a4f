"""How long does a round trip take, and how long does the sender wait? Samples, their smoothed mean, and the timeout.

From the decisions of any sender. Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from netlab.capture.traces import of_sender
from netlab.figures import style
from netlab.figures.scales import median, time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.protocols.trace import Decision
from netlab.units import MS


def round_trips(
    trace: Sequence[Decision], *, who: str | None = None, ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw the round trips of one sender over time, on a logarithmic scale.

    Args:
        who: the sender; by default the one that sent the most.
    """
    mine = of_sender(trace, who)
    ax = style.axes(ax, theme, "round_trips", margins=style.Margins(right=1.5))
    end = max(mine[-1].at, MS)
    time = time_unit(end)
    samples = [(time.of(one.at), one.rtt / MS) for one in mine if one.rtt]
    srtt = [(time.of(one.at), one.srtt / MS) for one in mine if one.srtt]
    rto = [(time.of(one.at), one.rto / MS) for one in mine if one.rto]
    expired = [(time.of(one.at), one.rto / MS) for one in mine if one.cause == "rto" and one.rto]
    ax.set_yscale("log")
    everything = [y for _, y in (*samples, *srtt, *rto)] or [1.0]
    ax.set(
        xlim=(0, time.of(end)),
        ylim=(min(everything) * 0.7, max(everything) * 1.5),
        xlabel=f"time ({time.name})",
        ylabel="round trip (ms)",
    )
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    ax.yaxis.set_minor_formatter(lambda y, _: f"{y:g}" if f"{y:.0e}"[0] in "25" else "")
    ax.tick_params(which="minor", colors=theme.faint, labelcolor=theme.ink, labelsize=style.TINY)
    if samples:
        ax.plot(
            *zip(*samples, strict=True), linestyle="none", marker="o", markersize=3, color=theme.tint(theme.green, 0.75)
        )
    if srtt:
        ax.step(*zip(*srtt, strict=True), where="post", color=theme.blue, linewidth=1.8)
    if rto:
        ax.step(*zip(*rto, strict=True), where="post", color=theme.orange, linewidth=1.6, linestyle=(0, (5, 2)))
    if expired:
        ax.plot(
            *zip(*expired, strict=True),
            linestyle="none",
            marker="X",
            markersize=8,
            markerfacecolor=theme.vermillion,
            markeredgecolor=theme.ink,
        )
    labels = [
        (line[-1][1], name, colour)
        for line, name, colour in (
            (samples, "samples", theme.green),
            (srtt, "srtt", theme.blue),
            (rto, "rto", theme.orange),
        )
        if line
    ]
    style.end_labels(ax, theme, labels)
    note = "✖ the timer ran out, and the RTO doubled" if expired else ""
    style.caption(ax, theme, f"sender {style.safe(mine[0].who)}, {len(samples)} samples", note)
    return ax


def text(trace: Sequence[Decision], *, who: str | None = None) -> str:
    """The samples' range, the estimate and the timeout at the end, and every time the timer ran out."""
    mine = of_sender(trace, who)
    samples = [one.rtt for one in mine if one.rtt]
    if not samples:
        return f"{mine[0].who} took no sample\nits RTO stayed {(mine[-1].rto or 0) / MS:g} ms"
    last = next(one for one in reversed(mine) if one.srtt)
    lines = [
        f"{mine[0].who}: {len(samples)} samples, {min(samples) / MS:.3g} to {max(samples) / MS:.3g} ms, "
        f"median {median(samples) / MS:.3g} ms",
        f"at the end srtt {(last.srtt or 0) / MS:.4g} ms, rttvar {(last.rttvar or 0) / MS:.4g} ms, "
        f"rto {(last.rto or 0) / MS:.4g} ms",
    ]
    time = time_unit(mine[-1].at)
    lines += [
        f"{time.say(one.at):>10}  the timer ran out; rto {(one.rto or 0) / MS:.4g} ms"
        for one in mine
        if one.cause == "rto"
    ]
    return "\n".join(lines)


def demo() -> Sequence[Decision]:
    """CUBIC on a line with a short queue that loses a packet now and then, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("cubic", there="jitter=6ms distribution=normal loss=3%", lasts="8s", seed=5)[1]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(round_trips(demo()))
