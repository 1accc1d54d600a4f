"""Notebook 09: how fast may I send? Congestion controls on one bottleneck, its buffer, and who does not give way."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.figures.fairness import Shares, shares
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.protocols.congestion import named
from netlab.protocols.trace import Decision
from netlab.scenarios import run
from netlab.scenarios.race_cc import CcRace, CcRules, race_controls
from netlab.scenarios.scenario import parse_scenario
from netlab.units import S

RATE, DELAY_MS = "10mbit", 20
BDP_BYTES = 10_000_000 // 8 * 2 * DELAY_MS // 1000
"""What fits on the path, there and back: 50,000 B."""


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """One race.

    Attributes:
        decisions: of all senders; who they are stands in `who`.
        capture: what both ends of the bottleneck saw; None where it was not asked for.
    """

    link: str
    race: CcRace
    decisions: tuple[Decision, ...]
    capture: Capture | None

    def __str__(self) -> str:
        rows = [
            (
                f.name,
                f.goodput_bit_s / 1e6,
                f"{f.share:.0%}",
                f"{f.queueing_p50_ms or 0:.0f}",
                f.lost,
                f.retransmissions,
            )
            for f in self.race.flows
        ]
        text = table(["control", "goodput Mbit/s", "share", "wait (ms)", "lost", "sent again"], rows)
        return text + (f"\nJain's index {self.race.jain:.2f}" if len(rows) > 1 else "")

    __repr__ = __str__

    def shares(self) -> Shares | None:
        """Who got how much, for `figures.fairness`; None without a capture."""
        return None if self.capture is None else shares(self.capture)


def race(*controls: str, link: str, seed: int = 7, lasts_s: int = 20, apart_s: int = 0, capture: bool = False) -> Race:
    """Bulk flows that share one link, each with a congestion control of that name."""
    config = parse_link(link)
    decisions: list[Decision] = []
    tap = Recording(comment=f"{', '.join(controls)} on {link}, seed {seed}") if capture else None
    result = race_controls(
        [named(control) for control in controls],
        (config, config),
        CcRules(lasts=lasts_s * S, apart=apart_s * S),
        seed=seed,
        tap=tap,
        trace=decisions.append,
    )
    seen = None if tap is None else parse(tap.pcapng())
    return Race(link=link, race=result, decisions=tuple(decisions), capture=seen)


class Buffers(msgspec.Struct, frozen=True, kw_only=True):
    """What a larger buffer gives and costs: for each control, of each buffer in BDP, goodput (Mbit/s) and wait (ms)."""

    lines: dict[str, list[tuple[float, float, float]]]

    def __str__(self) -> str:
        rows = [
            (name, f"{bdp:g}", goodput, wait) for name, points in self.lines.items() for bdp, goodput, wait in points
        ]
        return table(["sender", "buffer (BDP)", "goodput Mbit/s", "wait (ms)"], rows)

    __repr__ = __str__

    def wait(self, name: str, bdp: float) -> float:
        """How long the middle packet waited, ms."""
        return next(wait for at, _, wait in self.lines[name] if at == bdp)

    def draw(self, ax: Axes | None = None) -> Axes:
        """The wait by buffer, a line a control; the goodput stands at the points."""
        ax = canvas("What does a larger buffer give?", x="buffer (BDP)", y="wait in the queue (ms)", ax=ax)
        for k, (name, points) in enumerate(self.lines.items()):
            line(ax, k, name, [(bdp, wait) for bdp, _, wait in points])
            if k == 0:
                for bdp, goodput, wait in points:
                    words, end = f"{goodput:.1f} Mbit/s", "right" if bdp > points[0][0] else "left"
                    ax.annotate(
                        words, (bdp, wait), (-4, 7), textcoords="offset points", ha=end, fontsize=8, zorder=7,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                    )  # fmt: skip
        ticks = [bdp for bdp, _, _ in next(iter(self.lines.values()))]
        ax.set_xscale("log")
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
        ax.margins(y=0.12)
        ax.set_ylim(-0.03 * ax.get_ylim()[1], None)  # a line at 0 stands above the axis
        legend(ax)
        return ax


def buffers(
    *, controls: Sequence[str] = ("cubic", "bbr"), sizes: Sequence[float] = (0.1, 0.5, 1, 3, 10), seed: int = 7
) -> Buffers:
    """One flow at a time, through buffers of so many bandwidth-delay products; and CUBIC with CoDel in each."""
    lines: dict[str, list[tuple[float, float, float]]] = {}
    for name, control, extra in [*((c, c, "") for c in controls), ("cubic, CoDel", "cubic", " aqm=codel")]:
        lines[name] = []
        for size in sizes:
            link = f"rate={RATE} delay={DELAY_MS}ms queue={max(round(size * BDP_BYTES), 1600)}B{extra}"
            flow = race(control, link=link, seed=seed, lasts_s=8).race.flows[0]
            lines[name].append((size, flow.goodput_bit_s / 1e6, flow.queueing_p50_ms or 0.0))
    return Buffers(lines=lines)


class Unresponsive(msgspec.Struct, frozen=True, kw_only=True):
    """TCP beside datagrams that never slow down: (rate of the datagrams, what of them came, what TCP got), Mbit/s."""

    rows: tuple[tuple[float, float, float], ...]

    def __str__(self) -> str:
        return table(["UDP sends (Mbit/s)", "UDP gets", "TCP gets"], [(f"{r:g}", u, t) for r, u, t in self.rows])

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """Both rates by what the datagrams' sender sends."""
        ax = canvas("Who gives way?", x="what UDP sends (Mbit/s)", y="what each gets (Mbit/s)", ax=ax)
        line(ax, 1, "UDP, which does not listen", [(rate, udp) for rate, udp, _ in self.rows])
        line(ax, 0, "TCP (CUBIC), which does", [(rate, tcp) for rate, _, tcp in self.rows])
        ax.set_ylim(0, None)
        legend(ax)
        return ax


_SHARED = """
about = "One TCP download, and datagrams at a fixed rate"
source = "chosen for teaching"
link = "rate=10mbit delay=20ms queue=50packets"

[[flows]]
kind = "bulk"
lasts = "10s"

[[flows]]
kind = "datagrams"
rate = "{rate}mbit"
lasts = "10s"
"""


def unresponsive(*, rates: Sequence[float] = (1, 3, 6, 9, 12), seed: int = 7) -> Unresponsive:
    """Datagrams at each rate beside one TCP flow, on 10 Mbit/s."""
    rows = []
    for rate in rates:
        tcp, udp = run(parse_scenario(_SHARED.format(rate=rate)), seed=seed).flows
        rows.append((rate, udp.goodput_bit_s / 1e6, tcp.goodput_bit_s / 1e6))
    return Unresponsive(rows=tuple(rows))
