"""What would have been, had this packet met another fate? The same run twice, and where the two part.

Time runs down. On the left what was, on the right what is with the change; a line joins the same packet in both. Level
lines are packets that nothing happened to. Taught in notebooks 07 and 09.
"""

from __future__ import annotations

from matplotlib.axes import Axes

from netlab.figures import style
from netlab.figures.scales import time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.scenarios.timeline import Step
from netlab.scenarios.what_if import DONE, Row, WhatIf
from netlab.units import MS

BEFORE, DIFFERING, MOST = 6, 18, 90
"""Packets that are drawn before the two runs part, how many that differ from there on, and how many in all."""


def shown(found: WhatIf) -> list[Row]:
    """The rows that are drawn: around the place where the two part."""
    parts_at = found.parts_at if found.parts_at is not None else 0
    differing = [place for place in range(parts_at, len(found.rows)) if _notable(found.rows[place])][:DIFFERING]
    first = max(0, parts_at - BEFORE)
    return found.rows[first : min(differing[-1] + 2 if differing else parts_at + BEFORE, first + MOST)]


def _notable(row: Row) -> bool:
    """Whether more differs than when a packet came out: it was sent in one run alone, at another time, or met another
    fate."""
    first, second = row.first, row.second
    if first is None or second is None:
        return True
    return (first.at, first.fate, first.damaged, first.copies) != (
        second.at,
        second.fate,
        second.damaged,
        second.copies,
    )


def what_if(data: WhatIf, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw both timelines from shortly before they part."""
    rows = shown(data)
    margins = style.Margins(left=3.4, right=3.4, above=0.85, below=0.95)
    ax = style.axes(ax, theme, "what_if", size=(style.SIZE[0], 6.5), margins=margins, pad=24)
    times = [step.at for row in rows for step in (row.first, row.second) if step is not None]
    if not times:
        style.caption(ax, theme, "nothing crossed the link")
        return ax
    began, ended = min(times), max(times)
    unit = time_unit(max(ended - began, MS))
    span = unit.of(ended - began) or 1.0
    ax.set(xlim=(0, 1), ylim=(span * 1.03, -span * 0.03))
    ax.set_xticks([0, 1], ["as it was", "with the change"])
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", length=0, labelsize=style.LABEL)
    ax.tick_params(axis="y", length=0, labelleft=False)
    ax.grid(visible=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.axvline(0, color=theme.ink, linewidth=1.2)
    ax.axvline(1, color=theme.ink, linewidth=1.2)
    labels: tuple[list[tuple[float, str, bool]], list[tuple[float, str, bool]]] = ([], [])
    forced = {(one.direction, fate.packet) for one in data.forced for fate in one.fates}
    for row in rows:
        ends = []
        for x, step in enumerate((row.first, row.second)):
            if step is None:
                continue
            y = unit.of(step.at - began)
            ends.append((x, y))
            changed = _notable(row)
            _mark(ax, theme, x, y, step, changed=changed)
            if changed:
                labels[x].append(
                    (y, _said(step, unit.say(step.at - began, 3)), (step.direction, step.number) in forced and x == 1)
                )
        if len(ends) == 2:
            colour, width = (theme.vermillion, 1.5) if _notable(row) else (theme.line, 0.9)
            ax.plot([0, 1], [ends[0][1], ends[1][1]], zorder=1, color=colour, linewidth=width)
    for x in (0, 1):
        _write(ax, theme, x, labels[x], span)
    style.caption(ax, theme, *_notes(data, rows))
    return ax


def _mark(ax: Axes, theme: Theme, x: int, y: float, step: Step, *, changed: bool) -> None:
    marker, colour = ("o", theme.blue) if step.is_delivered else ("X", theme.vermillion)
    face = colour if changed else theme.tint(colour, 0.35)
    ax.plot(
        [x],
        [y],
        marker=marker,
        markersize=8 if changed else 5,
        color=face,
        markeredgecolor=theme.ink,
        clip_on=False,
        zorder=3 if step.is_delivered else 4,
    )


def _said(step: Step, at: str) -> str:
    packet = " ".join(word for word in style.safe(step.packet).split() if not word.startswith(("seq=", "ack=")))
    fate = (
        ""
        if step.is_delivered and not step.copies and not step.damaged
        else f" - {step.came_to}"
        if step.is_delivered
        else " - lost"
    )
    return f"{at}  #{step.number} {packet}{fate}"


def _write(ax: Axes, theme: Theme, x: int, labels: list[tuple[float, str, bool]], span: float) -> None:
    """Beside the marks, moved apart; as many as there is room for."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    height = figure.get_figheight() * ax.get_position().height
    most = int(height / (style.TINY * 1.5 / 72))
    chosen = sorted(labels)[:most]
    gap = style.TINY * 1.5 / 72 / height * 1.06
    places = style.spread([y / span for y, _, _ in chosen], gap)
    for (_, said, forced), place in zip(chosen, places, strict=True):
        ax.annotate(
            _fitting(said),
            (x, place * span),
            xytext=(-10 if x == 0 else 10, 0),
            textcoords="offset points",
            ha="right" if x == 0 else "left",
            va="center",
            fontsize=style.TINY,
            color=theme.ink,
            fontweight="bold" if forced else "normal",
            annotation_clip=False,
        )


def _fitting(said: str, room: float = 2.75) -> str:
    while style.text_width(said, style.TINY) > room and len(said) > 8:
        said = said[:-4] + ".."
    return said


def _notes(data: WhatIf, rows: list[Row]) -> list[str]:
    changes = [
        f"{one.direction} packet {fate.packet} is {DONE[fate.does]}" for one in data.forced for fate in one.fates[:3]
    ]
    same = sum(row.is_same for row in data.rows)
    return [
        f"seed {data.seed}",
        *changes,
        "○ delivered, ✖ lost",
        f"{len(rows)} of {len(data.rows)} packets are drawn, {same} of all are alike in both",
    ]


def text(data: WhatIf) -> str:
    """What was changed, and what differs."""
    unit = time_unit(MS * 2)
    lines = ["; ".join(part for part in _notes(data, shown(data)) if "○" not in part)]
    if data.parts_at is not None:
        lines.append(f"they part at {unit.say(data.rows[data.parts_at].step.at)}")
    return "\n".join([*lines, *data.differences])


def demo() -> WhatIf:
    """A short transfer over TCP, in which one segment is dropped by hand."""
    from netlab.figures.demo_runs import BULK
    from netlab.scenarios.scenario import parse_scenario
    from netlab.scenarios.what_if import read_fates, what_if

    scenario = parse_scenario(BULK.format(cc="reno", there="", lasts="5s", size="60kB"))
    return what_if(scenario, seed=4, forced=[read_fates("drop", "client>server:30")])


if __name__ == "__main__":
    from netlab.figures.show import show

    show(what_if(demo()))
