"""Who gets how much of the bottleneck? The goodput of each flow over time, and Jain's index of all of them.

The index is 1 where all get the same and 1/n where one of n gets everything. Taught in notebook 09.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import flights
from netlab.figures.scales import rate_unit, time_unit
from netlab.figures.style import DASHES, HATCHES, LIGHT, Theme
from netlab.units import MS, Ns, S

_BINS = 30
_LEAST = 0.02  # of all payload: a flow that carried less only acknowledges


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """Goodput of flows that share a link, in equal spans of time.

    Attributes:
        span: ns.
        flows: for each, bits a second in each span.
    """

    span: Ns
    flows: dict[str, tuple[float, ...]]

    def index(self, k: int | None = None) -> float:
        """Jain's fairness index of one span, or of the whole time.

        Source:
            R. Jain, D.-M. Chiu, W. Hawe, DEC-TR-301, 1984: (sum x)^2 / (n sum x^2).
        """
        rates = [sum(rates) if k is None else rates[k] for rates in self.flows.values()]
        squares = sum(rate * rate for rate in rates)
        return sum(rates) ** 2 / (len(rates) * squares) if squares else 1.0


def shares(capture: Capture) -> Shares | None:
    """Of all flows that carry data, in the direction that carries the most; None where there is none."""
    came = [one for one in flights(capture) if one.payload_len and not one.lost and not one.copy]
    ways: dict[tuple[str, str], int] = {}
    for one in came:
        ways[(one.at, one.to)] = ways.get((one.at, one.to), 0) + one.payload_len
    if not ways:
        return None
    way = max(ways, key=lambda each: ways[each])
    mine = [one for one in came if (one.at, one.to) == way]
    began = mine[0].sent_at
    ended = max(one.came_at or one.sent_at for one in mine)
    span = max((ended - began) // _BINS, MS)
    count = (ended - began) // span + 1
    seen: set[object] = set()
    sums: dict[str, list[float]] = {}
    for one in sorted(mine, key=lambda one: one.came_at or one.sent_at):
        piece = (
            (one.flow, one.segment.sequence_number) if one.segment is not None else (one.flow, one.sent_at, one.digest)
        )
        if piece in seen:
            continue
        seen.add(piece)
        bins = sums.setdefault(f"{one.source} to {one.destination}", [0.0] * count)
        bins[((one.came_at or one.sent_at) - began) // span] += one.payload_len * 8 * S / span
    total = sum(map(sum, sums.values()))
    return Shares(span=span, flows={flow: tuple(bins) for flow, bins in sums.items() if sum(bins) >= _LEAST * total})


def fairness(
    data: Capture | Shares, *, names: Sequence[str] = (), ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw the shares one above the other, and the index below them.

    Args:
        data: a capture, or its shares where they were worked out before: a long capture takes seconds.
        names: of the flows in the order in which they began, such as those of their congestion controls.
    """
    ax = style.axes(ax, theme, "fairness", margins=style.Margins(right=1.9))
    what = data if isinstance(data, Shares) else shares(data)
    if what is None:
        style.caption(ax, theme, "nothing in this capture carries data")
        return ax
    flows = list(what.flows)
    called = [names[k] if k < len(names) else style.safe(flow.split(" to ")[0]) for k, flow in enumerate(flows)]
    count = len(next(iter(what.flows.values())))
    end = what.span * count
    time = time_unit(end)
    stacked = [0.0] * count
    peak = max(sum(rates[k] for rates in what.flows.values()) for k in range(count))
    rate = rate_unit(peak)
    edges = [time.of(what.span * k) for k in range(count + 1)]
    ax.set(
        xlim=(0, edges[-1]),
        ylim=(-0.42 * rate.of(peak), rate.of(peak) * 1.06),
        xlabel=f"time ({time.name})",
        ylabel=f"goodput ({rate.name})",
    )
    labels = []
    for k, flow in enumerate(flows):
        colour = theme.series[k % 6]
        above = [low + high for low, high in zip(stacked, what.flows[flow], strict=True)]
        ax.stairs(
            [rate.of(v) for v in above],
            edges,
            baseline=[rate.of(v) for v in stacked],
            fill=True,
            facecolor=theme.tint(colour, 0.45),
            edgecolor=theme.ink,
            linewidth=0.6,
            hatch=HATCHES[k % 6],
        )
        middle = sum((low + high) / 2 for low, high in zip(stacked[-6:-1], above[-6:-1], strict=True)) / max(
            1, len(above[-6:-1])
        )
        labels.append((rate.of(middle), called[k], colour))
        stacked = above
    _draw_index(ax, theme, what, edges, rate.of(peak))
    labels.append((-0.42 * rate.of(peak) * (1 - 0.8 * what.index()), "Jain's index", theme.ink))
    style.end_labels(ax, theme, labels)
    ax.set_yticks([tick for tick in ax.get_yticks() if 0 <= tick <= rate.of(peak) * 1.06])
    style.caption(ax, theme, *_notes(what, called))
    return ax


def _draw_index(ax: Axes, theme: Theme, what: Shares, edges: Sequence[float], peak: float) -> None:
    """Below the axis, from 0 at the bottom to 1."""
    low, high = -0.42 * peak, -0.084 * peak
    values = [what.index(k) for k in range(len(edges) - 1)]
    ax.stairs([low + v * (high - low) for v in values], edges, color=theme.ink, linewidth=1.6, baseline=None)
    for value, said in ((1.0, "1"), (1 / len(what.flows), f"1/{len(what.flows)}")):
        y = low + value * (high - low)
        ax.axhline(y, color=theme.faint, linewidth=0.9, linestyle=DASHES[2])
        ax.annotate(
            said,
            (0, y),
            xycoords=ax.get_yaxis_transform(),
            xytext=(-5, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=style.SMALL,
            color=theme.ink,
            annotation_clip=False,
        )
    ax.axhline(0, color=theme.faint, linewidth=0.8)


def _notes(what: Shares, called: Sequence[str]) -> list[str]:
    total = sum(map(sum, what.flows.values())) or 1.0
    said = ", ".join(
        f"{name} {sum(rates) / total:.0%}" for name, rates in zip(called, what.flows.values(), strict=True)
    )
    return [
        f"shares of the whole: {said}",
        f"below: Jain's index in each span of {time_unit(what.span).say(what.span, 3)}, dotted at 1 (all alike) and at "
        f"1/{len(what.flows)} (one has all); {what.index():.3f} over the whole time",
    ]


def text(data: Capture | Shares, *, names: Sequence[str] = ()) -> str:
    """Each flow's share and goodput, and the index."""
    what = data if isinstance(data, Shares) else shares(data)
    if what is None:
        return "nothing in this capture carries data\n0 flows"
    lines = []
    for k, (flow, rates) in enumerate(what.flows.items()):
        mean = sum(rates) / len(rates)
        name = f"{names[k]}: " if k < len(names) else ""
        lines.append(f"{name}{flow}: {rate_unit(mean).say(mean)} on average")
    return "\n".join([*lines, f"Jain's fairness index {what.index():.3f}"])


def demo() -> Capture:
    """Two flows of CUBIC and one of Reno that begin one after the other, simulated."""
    from netlab.figures.demo_runs import three_flows

    return three_flows()


if __name__ == "__main__":
    from netlab.figures.show import show

    show(fairness(demo(), names=("cubic", "cubic", "reno")))
