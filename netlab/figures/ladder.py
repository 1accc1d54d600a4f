"""Who sent what, when, and did it arrive? Time runs down, hosts are columns, an arrow's slope is its delay.

A loss ends in a cross, what was sent again is dashed and bold. With one vantage point nobody knows both ends' times:
arrows are level then, and the caption says so. Where nothing happened for long the time axis is cut.

Taught in notebooks 06 and 07.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.field_names import tcp_flags
from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import Flight, flights, relative
from netlab.figures.scales import time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.units import MS, Ns

MOST = 45
"""Packets drawn where the caller does not say which."""

_QUIET = 0.14  # of the time drawn: a longer pause is cut to this
_MARGINS = style.Margins(left=2.0, right=1.5, above=0.8, below=0.6)


class Rung(msgspec.Struct, frozen=True):
    """One arrow: from which column to which (0, 1, ...), when it leaves and when it ends, ns from the first."""

    flight: Flight
    source: int
    target: int
    begins: Ns
    ends: Ns
    label: str


class Rungs(msgspec.Struct, frozen=True):
    """What a ladder shows.

    Attributes:
        columns: names of hosts, left to right.
        rungs: in the order in which they were sent.
        total: how many packets there are, also those that are not shown.
        slopes: whether delays are known.
    """

    columns: tuple[str, ...]
    rungs: tuple[Rung, ...]
    total: int
    slopes: bool


def rungs(capture: Capture, *, first: int = 1, most: int = MOST) -> Rungs:
    """The arrows of a capture, from record `first` on, `most` at most."""
    every = flights(capture)
    shown = [flight for flight in every if flight.number >= first][:most]
    slopes = any(flight.at for flight in every)
    columns = _columns(shown, slopes)
    zero = relative(every)
    began = shown[0].sent_at if shown else 0
    drawn = []
    for flight in shown:
        source, target = _ends(flight, slopes)
        begins = flight.sent_at - began
        ends = begins
        if flight.came_at is not None:
            ends = flight.came_at - began
        elif flight.to:  # it never came: drawn as steep as one that did
            ends = begins + _usual(every, flight)
        drawn.append(Rung(flight, columns.index(source), columns.index(target), begins, ends, _label(flight, zero)))
    return Rungs(tuple(columns), tuple(drawn), len(every), slopes)


def _columns(shown: Sequence[Flight], slopes: bool) -> list[str]:
    found: dict[str, None] = {}
    for flight in shown:
        found.update(dict.fromkeys(_ends(flight, slopes)))
    return list(found)


def _ends(flight: Flight, slopes: bool) -> tuple[str, str]:
    if slopes:
        return flight.at, flight.to or "?"
    return flight.source, flight.destination


def _usual(every: Sequence[Flight], like: Flight) -> Ns:
    delays = sorted(f.delay for f in every if f.at == like.at and f.delay is not None)
    return delays[len(delays) // 2] if delays else 0


def _label(flight: Flight, zero: dict[tuple[str, str], int]) -> str:
    segment = flight.segment
    again = "again: " if flight.again else "copy: " if flight.copy else ""
    if segment is None:
        said = flight.events[0].split(":")[0] if flight.events else f"{flight.protocol} len={flight.payload_len}"
        said = " ".join(word for word in said.split() if not _is_id(word))
        return f"{again}{said}" if len(said) < 34 else f"{again}{said[:32]}..."
    flags = [name for name in tcp_flags(segment.flags).split(", ") if name not in ("PSH", "ACK", "none")]
    words = [" ".join(flags)] if flags else []
    length = flight.payload_len
    if length or flags:
        words.append(f"seq={(segment.sequence_number - zero[flight.flow]) % 2**32}")
    if length:
        words.append(f"len={length}")
    elif "ACK" in tcp_flags(segment.flags):
        acked = segment.acknowledgment_number - zero.get((flight.destination, flight.source), 0)
        words.append(f"ack={acked % 2**32}")
    return again + " ".join(words)


def _is_id(word: str) -> bool:
    return len(word) == 8 and all(c in "0123456789abcdef" for c in word)


class _Clock:
    """Where a time stands: pauses are cut, so that what happens has room. Heights are seconds of what is drawn."""

    def __init__(self, moments: Sequence[Ns], busy: Sequence[tuple[Ns, Ns]]) -> None:
        times = sorted({0, *moments})
        span = max(times[-1] - times[0], MS)
        self.cuts: list[tuple[Ns, Ns]] = []
        for before, after in itertools.pairwise(times):
            under_way = any(begins < after and ends > before for begins, ends in busy)
            if after - before > _QUIET * span and not under_way:
                self.cuts.append((before, after))
        kept = span - sum(after - before for before, after in self.cuts)
        self.pause = round(kept * _QUIET / 2)

    def __call__(self, at: Ns) -> float:
        """Nanoseconds drawn up to this time."""
        gone = float(at)
        for before, after in self.cuts:
            length = after - before
            if at >= after:
                gone -= length - self.pause
            elif at > before:
                gone -= (at - before) * (1 - self.pause / length)
        return gone


def ladder(capture: Capture, *, first: int = 1, most: int = MOST, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the packets of a capture as a ladder.

    Args:
        first: number of the record to begin at.
        most: packets drawn at most.
    """
    what = rungs(capture, first=first, most=most)
    height = max(5.0, 1.5 + 0.2 * len(what.rungs))
    ax = style.axes(ax, theme, "ladder", size=(style.SIZE[0], height), margins=_MARGINS, pad=28)
    busy = [(rung.begins, rung.ends) for rung in what.rungs]
    clock = _Clock([moment for pair in busy for moment in pair], busy)
    last = max((clock(rung.ends) for rung in what.rungs), default=1.0)
    wide = max(len(what.columns) - 1, 1)
    ax.set(xlim=(0, wide), ylim=(last * 1.04 + 1, -last * 0.02 - 1))
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_xticks([])
    _draw_hosts(ax, theme, what)
    _time_axis(ax, theme, clock, last)
    for rung in what.rungs:
        _draw_rung(ax, theme, rung, clock)
    _Labels(ax, theme, clock).place(what.rungs)
    style.caption(ax, theme, *_notes(capture, what))
    return ax


def _draw_hosts(ax: Axes, theme: Theme, what: Rungs) -> None:
    for column, name in enumerate(what.columns):
        ax.axvline(column, color=theme.ink, linewidth=2, zorder=1, clip_on=False)
        ax.annotate(
            style.safe(name) if name else "?",
            (column, 1),
            xycoords=ax.get_xaxis_transform(),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=style.LABEL,
            fontweight="bold",
            color=theme.ink,
        )


def _time_axis(ax: Axes, theme: Theme, clock: _Clock, last: float) -> None:
    """Times at the left edge: round ones between the cuts."""
    ends = [0, *(moment for cut in clock.cuts for moment in cut)]
    real_end = max(last + sum(after - before - clock.pause for before, after in clock.cuts), 1)
    ends.append(round(real_end))
    step = max(_round_step(last / 8), 1)
    ticks: list[Ns] = []
    for begin, end in zip(ends[::2], ends[1::2], strict=True):
        ticks += range(-(-begin // step) * step, end + 1, step)
    ax.set_yticks([clock(tick) for tick in ticks], [_ms(tick) for tick in ticks])
    ax.tick_params(axis="y", pad=96, length=0, labelcolor=theme.faint, labelsize=style.TINY + 0.5)
    wide = round(ax.get_xlim()[1])
    for before, after in clock.cuts:
        middle = (clock(before) + clock(after)) / 2
        for x in range(wide + 1):
            ax.plot(
                x,
                middle,
                marker=(2, 0, 60),
                markersize=15,
                markeredgewidth=5,
                color=theme.paper,
                zorder=3,
                clip_on=False,
            )
            ax.plot(
                x, middle, marker=(2, 0, 60), markersize=9, markeredgewidth=1, color=theme.ink, zorder=4, clip_on=False
            )
        ax.text(
            0.5,  # between the first two columns
            middle,
            _pause(before, after, wide),
            ha="center",
            va="center",
            fontsize=style.TINY,
            style="italic",
            color=theme.faint,
        )


def _pause(before: Ns, after: Ns, wide: int) -> str:
    pause = time_unit(after - before).say(after - before)
    return f"{pause} in which nothing happens" if wide == 1 else f"{pause} pass"


def _round_step(about: float) -> Ns:
    scale = 10.0 ** math.floor(math.log10(max(about, 1)))
    return next(round(scale * factor) for factor in (1, 2, 5, 10) if scale * factor >= about)


def _ms(at: Ns) -> str:
    return f"{at / MS:g} ms"


def _draw_rung(ax: Axes, theme: Theme, rung: Rung, clock: _Clock) -> None:
    flight = rung.flight
    colour = theme.vermillion if flight.again else theme.blue if flight.payload_len else theme.ink
    line = (0, (4, 2)) if flight.again else (0, (1, 1.5)) if flight.copy else "-"
    tail = float(rung.source), clock(rung.begins)
    head = float(rung.target), clock(rung.ends)
    pending = bool(flight.to) and flight.came_at is None and not flight.lost
    if flight.lost or pending:
        share = 0.72 if flight.lost else 0.9
        head = (tail[0] + (head[0] - tail[0]) * share, tail[1] + (head[1] - tail[1]) * share)
    ax.annotate(
        "",
        xy=head,
        xytext=tail,
        arrowprops={
            "arrowstyle": "-" if flight.lost or pending else "-|>,head_length=0.45,head_width=0.17",
            "color": colour,
            "linestyle": line,
            "linewidth": 1.9 if flight.again else 1.2 if flight.payload_len else 0.9,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=2,
    )
    if flight.lost:
        ax.plot(*head, marker="x", markersize=9, markeredgewidth=2.4, color=theme.vermillion, zorder=4)


class _Labels:
    """Finds each label a place: on its arrow, where that is free; else beside the column that it leaves from."""

    def __init__(self, ax: Axes, theme: Theme, clock: _Clock) -> None:
        self._ax, self._theme, self._clock = ax, theme, clock
        figure = ax.get_figure(root=True)
        assert figure is not None
        box = ax.get_position()
        self._inches = figure.get_figwidth() * box.width, figure.get_figheight() * box.height
        self._taken = [self._said_at(cut) for cut in clock.cuts]  # left, low, right, high, inches

    def _said_at(self, cut: tuple[Ns, Ns]) -> tuple[float, float, float, float]:
        """What `_time_axis` writes of a pause."""
        wide = round(self._ax.get_xlim()[1])
        half = style.text_width(_pause(*cut, wide), style.TINY) / 2
        x, y = self._at(0.5, (self._clock(cut[0]) + self._clock(cut[1])) / 2)
        tall = style.TINY / 72 * 0.6
        return x - half, y - tall, x + half, y + tall

    def place(self, those: Sequence[Rung]) -> None:
        """Every label, those that matter most first; the others go to the margin and stand apart there."""
        lines = [self._line(rung) for rung in those]
        beside: dict[int, list[Rung]] = {}
        order = sorted(range(len(those)), key=lambda i: (not those[i].flight.lost, not those[i].flight.again, i))
        for i in order:
            if not self._on_arrow(those[i], lines[i], [line for k, line in enumerate(lines) if k != i]):
                beside.setdefault(those[i].source, []).append(those[i])
        for column, waiting in beside.items():
            self._in_margin(column, sorted(waiting, key=lambda rung: rung.begins))

    def _at(self, x: float, y: float) -> tuple[float, float]:
        """Inches from the axes' lower left corner."""
        (left, right), (low, high) = self._ax.get_xlim(), self._ax.get_ylim()
        return (x - left) / (right - left) * self._inches[0], (y - low) / (high - low) * self._inches[1]

    def _line(self, rung: Rung) -> tuple[float, float, float, float]:
        tail = self._at(rung.source, self._clock(rung.begins))
        return (*tail, *self._at(rung.target, self._clock(rung.ends)))

    def _on_arrow(
        self, rung: Rung, line: tuple[float, float, float, float], others: Sequence[tuple[float, float, float, float]]
    ) -> bool:
        x0, y0, x1, y1 = line
        angle = math.atan2(y1 - y0, x1 - x0)
        upright = angle - math.pi if math.cos(angle) < 0 else angle
        if abs(math.degrees(math.atan(math.tan(angle)))) > 40:
            return False
        size = style.TINY + 0.5
        half, tall = style.text_width(rung.label, size) / 2 + 0.03, size / 72 * 1.15
        for share in (0.5, 0.36, 0.62, 0.25):
            x = x0 + (x1 - x0) * share - math.sin(upright) * tall * 0.62
            y = y0 + (y1 - y0) * share + math.cos(upright) * tall * 0.62
            corners = [
                (x + a * half * math.cos(upright) - b * tall / 2 * math.sin(upright),
                 y + a * half * math.sin(upright) + b * tall / 2 * math.cos(upright))
                for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))
            ]  # fmt: skip
            box = (min(c[0] for c in corners), min(c[1] for c in corners),
                   max(c[0] for c in corners), max(c[1] for c in corners))  # fmt: skip
            if any(_meet(box, taken) for taken in self._taken):
                continue
            strip = [
                (x + a * half * math.cos(upright), y + a * half * math.sin(upright)) for a in (-1, -0.5, 0, 0.5, 1)
            ]
            if any(_distance(point, other) < tall * 0.5 for point in strip for other in others):
                continue
            self._taken.append(box)
            self._ax.annotate(
                rung.label,
                (x / self._inches[0], y / self._inches[1]),
                xycoords="axes fraction",
                ha="center",
                va="center",
                rotation=math.degrees(upright),
                rotation_mode="anchor",
                fontsize=size,
                color=self._theme.ink,
                fontweight="bold" if rung.flight.again or rung.flight.lost else "normal",
            )
            return True
        return False

    def _in_margin(self, column: int, waiting: Sequence[Rung]) -> None:
        """Labels of arrows that stand too close: one below the other at the outer side of their column."""
        size = style.TINY + 0.5
        gap = size * 1.3 / 72
        tails = [self._at(column, self._clock(rung.begins))[1] for rung in waiting]
        heights = style.spread([-tail for tail in tails], gap, low=gap - self._inches[1], high=0.1)
        outer = -1 if column == 0 else 1
        for rung, tail, height in zip(waiting, tails, heights, strict=True):
            x = self._at(column, 0)[0] + outer * 0.16
            self._ax.annotate(
                rung.label,
                (self._at(column, 0)[0] / self._inches[0], tail / self._inches[1]),
                xycoords="axes fraction",
                xytext=(x / self._inches[0], -height / self._inches[1]),
                textcoords="axes fraction",
                ha="right" if outer < 0 else "left",
                va="center",
                fontsize=size,
                color=self._theme.ink,
                fontweight="bold" if rung.flight.again or rung.flight.lost else "normal",
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": self._theme.faint,
                    "linewidth": 0.5,
                    "relpos": (1 if outer < 0 else 0, 0.5),
                    "shrinkA": 1,
                    "shrinkB": 0,
                },
            )


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _distance(point: tuple[float, float], line: tuple[float, float, float, float]) -> float:
    x0, y0, x1, y1 = line
    dx, dy = x1 - x0, y1 - y0
    length = dx * dx + dy * dy
    share = max(0.0, min(1.0, ((point[0] - x0) * dx + (point[1] - y0) * dy) / length)) if length else 0.0
    return math.hypot(point[0] - x0 - share * dx, point[1] - y0 - share * dy)


def _notes(capture: Capture, what: Rungs) -> list[str]:
    shown = len(what.rungs)
    parts = [style.safe(capture.path.name)]
    parts.append(f"{shown} packets" if shown == what.total else f"{shown} of {what.total} packets")
    lost = [rung for rung in what.rungs if rung.flight.lost]
    if lost:
        parts.append(f"{len(lost)} lost (cross)")
    pending = [rung for rung in what.rungs if rung.flight.to and not rung.flight.lost and rung.flight.came_at is None]
    if pending:
        parts.append(f"{len(pending)} on their way when the capture ends (no head)")
    again = sum(rung.flight.again for rung in what.rungs)
    if again:
        parts.append(f"{again} sent again (dashed)")
    copies = sum(rung.flight.copy for rung in what.rungs)
    if copies:
        parts.append(f"{copies} doubled by the link (dotted)")
    if not what.slopes:
        parts.append("one vantage point: delays are not known, so arrows are level")
    return parts


def text(capture: Capture, *, first: int = 1, most: int = MOST) -> str:
    """A line a packet: when, from whom to whom, what, and how it ended."""
    what = rungs(capture, first=first, most=most)
    lines = []
    for rung in what.rungs:
        between = f"{what.columns[rung.source]} -> {what.columns[rung.target]}"
        if rung.flight.lost:
            end = rung.flight.lost
        elif what.slopes and rung.flight.delay is not None:
            end = f"arrives at {rung.ends / MS:.3f} ms (delay {rung.flight.delay / MS:.3f} ms)"
        elif what.slopes and rung.flight.to:
            end = "on its way when the capture ends"
        else:
            end = ""
        lines.append(f"{rung.begins / MS:10.3f} ms  {between}  {rung.label}" + (f"  {end}" if end else ""))
    return "\n".join([*lines, "; ".join(_notes(capture, what))])


def demo() -> Capture:
    """A download by kernel TCP over a lossy link, from the recorded capture."""
    from netlab.capture.recorded import recorded

    return recorded("tcp-loss")


if __name__ == "__main__":
    from netlab.figures.show import show

    show(ladder(demo()))
