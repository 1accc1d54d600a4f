"""Which way did it go? A protocol's states and every move between them, with the path of one connection on it.

Drawn from the table that the machine obeys. Taught in notebooks 06 and 07.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from netlab.figures import style
from netlab.figures.style import LIGHT, Theme
from netlab.protocols.arq.states import TRANSITIONS as ARQ_TRANSITIONS
from netlab.protocols.tcp.states import DRAWN as TCP_TRANSITIONS
from netlab.protocols.trace import Decision

Table = Mapping[tuple[str, str], str]
"""State and cause: the state after it."""

PLACES: dict[str, tuple[float, float]] = {
    "CLOSED": (2.0, 0.0),
    "LISTEN": (0.7, 1.15),
    "SYN-SENT": (3.3, 1.15),
    "SYN-RECEIVED": (0.7, 2.5),
    "ESTABLISHED": (2.0, 3.5),
    "FIN-WAIT-1": (0.7, 4.6),
    "CLOSE-WAIT": (3.3, 4.6),
    "FIN-WAIT-2": (0.0, 5.8),
    "CLOSING": (1.4, 5.8),
    "LAST-ACK": (3.3, 5.8),
    "TIME-WAIT": (0.7, 7.0),
    "CLOSED again": (3.3, 7.0),
    "IDLE": (0.5, 0.0),
    "OPEN": (0.5, 1.6),
    "FULL": (2.6, 1.6),
    "FAILED": (1.55, 3.1),
}
"""Where states stand: TCP's eleven as in Figure 5 of RFC 9293, and an ARQ's. Others go on a circle. As in
the RFC's figure, CLOSED stands at the top, where a connection begins, and again at the bottom, where it ends."""

_AGAIN = " again"

_BOX = (1.02, 0.46)


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """A table of moves, and the states that somebody went through, in order."""

    table: Table
    path: tuple[str, ...]
    who: str = ""


def walk_of(trace: Sequence[Decision], who: str | None = None) -> Walk:
    """What one sender of a trace went through, on the table that knows its states.

    Args:
        who: the sender; by default the one that went through the most states.
    """
    paths: dict[str, list[str]] = {}
    for one in trace:
        if one.state is not None:
            so_far = paths.setdefault(one.who, [])
            if not so_far or so_far[-1] != one.state:
                so_far.append(one.state)
    chosen = who if who is not None else max(paths, key=lambda each: len(paths[each]), default="")
    path = tuple(paths.get(chosen, ()))
    names = {state.value for state, _ in ARQ_TRANSITIONS}
    if path and set(path) <= names:
        return Walk(table=_in_words(ARQ_TRANSITIONS), path=path, who=chosen)
    return Walk(table=_in_words(TCP_TRANSITIONS), path=path, who=chosen)


def _in_words(table: Mapping[tuple[Any, Any], Any]) -> Table:
    return {(old.value, cause.value): new.value for (old, cause), new in table.items()}


def state_machine(
    data: Sequence[Decision] | Walk, *, who: str | None = None, ax: Axes | None = None, theme: Theme = LIGHT
) -> Axes:
    """Draw a table, and the path through it."""
    what = data if isinstance(data, Walk) else walk_of(data, who)
    places = _places(what.table)
    rows = max(y for _, y in places.values()) + 1
    margins = style.Margins(left=0.25, right=0.25, above=0.55, below=0.75)
    height = 1.6 + 0.86 * rows
    ax = style.axes(ax, theme, "state_machine", size=(style.SIZE[0], height), margins=margins, bare=True)
    wide = max(x for x, _ in places.values())
    ax.set(xlim=(-0.75, wide + 0.75), ylim=(rows - 0.55, -0.45))
    moves: dict[tuple[str, str], list[str]] = {}
    for (old, cause), new in what.table.items():
        moves.setdefault((old, _at_the_end(old, new)), []).append(cause)
    gone = {(old, _at_the_end(old, new)) for old, new in pairwise(what.path)}
    visited = {*what.path[:1], *(new for _, new in gone)}
    for (old, new), causes in moves.items():
        _arrow(ax, theme, places, old, new, causes, taken=(old, new) in gone, both=(new, old) in moves)
    for state, (x, y) in places.items():
        _state(ax, theme, state, x, y, visited=state in visited)
    style.caption(ax, theme, *_notes(what))
    return ax


def _at_the_end(old: str, new: str) -> str:
    """Which CLOSED a move leads to."""
    ends = new == "CLOSED" and old in PLACES and PLACES[old][1] > PLACES["ESTABLISHED"][1]
    return new + _AGAIN if ends else new


def _places(table: Table) -> dict[str, tuple[float, float]]:
    states = list(dict.fromkeys(state for (old, _), new in table.items() for state in (old, new)))
    if all(state in PLACES for state in states):
        again = [state + _AGAIN for state in states if state + _AGAIN in PLACES]
        return {state: PLACES[state] for state in [*states, *again]}
    angle = 2 * math.pi / len(states)
    return {state: (2 + 2 * math.sin(k * angle), 2.2 - 2.2 * math.cos(k * angle)) for k, state in enumerate(states)}


def _state(ax: Axes, theme: Theme, name: str, x: float, y: float, *, visited: bool) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - _BOX[0] / 2, y - _BOX[1] / 2),
            *_BOX,
            boxstyle="round,pad=0,rounding_size=0.12",
            facecolor=theme.tint(theme.blue, 0.45) if visited else theme.paper,
            edgecolor=theme.ink,
            linewidth=2.2 if visited else 1.0,
            zorder=3,
        )
    )
    weight = "bold" if visited else "normal"
    ax.text(
        x,
        y,
        name.removesuffix(_AGAIN),
        ha="center",
        va="center",
        fontsize=style.SMALL,
        color=theme.ink,
        fontweight=weight,
        zorder=4,
    )


def _arrow(
    ax: Axes,
    theme: Theme,
    places: Mapping[str, tuple[float, float]],
    old: str,
    new: str,
    causes: Sequence[str],
    *,
    taken: bool,
    both: bool,
) -> None:
    (x, y), (u, v) = places[old], places[new]
    colour = theme.vermillion if taken else theme.faint
    look: dict[str, Any] = {
        "color": colour,
        "linewidth": 2.6 if taken else 1.0,
        "zorder": 2,
        "mutation_scale": 15 if taken else 10,
    }
    words = "\n".join(causes)
    ink = theme.ink if taken else theme.faint
    if old == new:
        side = -1 if x <= 1.0 else 1
        edge = x + side * _BOX[0] / 2
        loop = f"arc3,rad={0.9 * side}"
        ax.add_patch(
            FancyArrowPatch((edge, y - 0.12), (edge, y + 0.12), connectionstyle=loop, arrowstyle="-|>", **look)
        )
        ax.text(
            edge + side * 0.2, y, words, ha="right" if side < 0 else "left", va="center", fontsize=style.TINY, color=ink
        )
        return
    start, end = _edge((x, y), (u, v)), _edge((u, v), (x, y))
    bend = 0.18 if both else 0.0
    ax.add_patch(FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", **look))
    dx, dy = end[0] - start[0], end[1] - start[1]
    # an arc bends to the left of its way as the screen shows it, where y runs down
    at = start[0] + dx / 2 + dy * bend * 0.5, start[1] + dy / 2 - dx * bend * 0.5
    ax.text(
        *at,
        words,
        ha="center",
        va="center",
        fontsize=style.TINY,
        color=ink,
        fontweight="bold" if taken else "normal",
        linespacing=1.0,
        bbox={"facecolor": theme.paper, "edgecolor": "none", "pad": 0.8},
        zorder=2.5,
    )


def _edge(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the way from a box's centre leaves it."""
    dx, dy = towards[0] - centre[0], towards[1] - centre[1]
    scale = min(
        _BOX[0] / 2 / abs(dx) if dx else math.inf,
        (_BOX[1] / 2 + 0.02) / abs(dy) if dy else math.inf,
    )
    return centre[0] + dx * scale, centre[1] + dy * scale


def _notes(what: Walk) -> list[str]:
    if not what.path:
        return ["no path: nobody went through these states"]
    path = list(what.path)
    if len(path) > 14:
        path = [*path[:12], "...", path[-1]]
    return [f"the way of {style.safe(what.who or 'the connection')}, bold: {' → '.join(path)}"]


def text(data: Sequence[Decision] | Walk, *, who: str | None = None) -> str:
    """The path, and every move of the table."""
    what = data if isinstance(data, Walk) else walk_of(data, who)
    lines = _notes(what)
    lines.append(f"{len(what.table)} moves:")
    lines += [f"  {old}, {cause}: {new}" for (old, cause), new in what.table.items()]
    return "\n".join(lines)


def demo() -> Sequence[Decision]:
    """A client that sent a little and closed first, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("reno", size="20kB")[1]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(state_machine(demo()))
