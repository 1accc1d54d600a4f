"""How late do packets come? The share of packets that took so long or less, one way; those that never came are missing.

A curve that ends below 1 ends there because the rest was lost. Taught in notebooks 05 and 09.
"""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import flights
from netlab.figures.scales import time_unit
from netlab.figures.style import DASHES, LIGHT, MARKERS, Theme
from netlab.units import MS, Ns


class Delays(msgspec.Struct, frozen=True, kw_only=True):
    """One direction of a link: how long each packet took that came, in rising order, ns; and how many were sent."""

    direction: str
    took: tuple[Ns, ...]
    sent: int

    def quantile(self, share: float) -> Ns | None:
        """The time within which so many of all that were sent had come; None where so many never came."""
        place = max(0, -int(-share * self.sent // 1) - 1)
        return self.took[place] if place < len(self.took) else None


def delays(capture: Capture) -> list[Delays]:
    """Of each direction that carried something."""
    every = [one for one in flights(capture) if one.at and one.to and not one.copy]
    found = []
    for at, to in dict.fromkeys((one.at, one.to) for one in every):
        mine = [one for one in every if (one.at, one.to) == (at, to)]
        took = sorted(one.delay for one in mine if one.delay is not None)
        found.append(Delays(direction=f"{at}>{to}", took=tuple(took), sent=len(mine)))
    return found


def delay_cdf(capture: Capture, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw a curve for each direction."""
    ax = style.axes(ax, theme, "delay_cdf", margins=style.Margins(right=1.6))
    what = delays(capture)
    longest = max((one.took[-1] for one in what if one.took), default=MS)
    time = time_unit(longest)
    ax.set(
        xlim=(0, time.of(longest) * 1.04),
        ylim=(0, 1.05),
        xlabel=f"delay, one way ({time.name})",
        ylabel="share of packets",
    )
    labels = []
    for k, one in enumerate(what):
        if not one.took:
            continue
        colour = theme.series[k % 6]
        xs = [time.of(one.took[0]), *(time.of(t) for t in one.took), time.of(longest) * 1.04]
        ys = [0.0, *((n + 1) / one.sent for n in range(len(one.took))), len(one.took) / one.sent]
        ax.step(xs, ys, where="post", color=colour, linewidth=1.8, linestyle=DASHES[k % 6])
        for share in (0.5, 0.99):
            if (at := one.quantile(share)) is not None:
                ax.plot(
                    [time.of(at)], [share], marker=MARKERS[k % 6], markersize=7, color=colour, markeredgecolor=theme.ink
                )
        labels.append((ys[-1], style.safe(one.direction), colour))
    style.end_labels(ax, theme, labels)
    style.caption(ax, theme, "the marks are the median and the 99th percentile of all that were sent", *_notes(what))
    return ax


def _notes(what: list[Delays]) -> list[str]:
    notes = []
    for one in what:
        lost = one.sent - len(one.took)
        notes.append(f"{style.safe(one.direction)}: {one.sent} sent, {lost} never came ({lost / max(one.sent, 1):.1%})")
    return notes or ["this capture does not show both ends of a link"]


def text(capture: Capture) -> str:
    """Median, 99th percentile and loss of each direction."""
    what = delays(capture)
    lines = []
    for one, note in zip(what, _notes(what), strict=False):
        quantiles = ((name, one.quantile(share)) for name, share in (("median", 0.5), ("p99", 0.99)))
        said = ", ".join(f"{name} {'never' if at is None else f'{at / MS:.4g} ms'}" for name, at in quantiles)
        lines.append(f"{note}; {said}")
    return "\n".join(lines if len(lines) > 1 else [*lines, *_notes(what)])


def demo() -> Capture:
    """Datagrams there, over a line that loses and delays unevenly; acknowledgments of a bulk flow are not there."""
    from netlab.figures.demo_runs import bulk

    return bulk("cubic", there="loss=3% jitter=5ms distribution=pareto", lasts="2s")[0]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(delay_cdf(demo()))
