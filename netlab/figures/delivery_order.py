"""Does it come in the order in which it was sent? Each packet by its place among those sent and among those that came.

On the diagonal nothing happened. Below the axis stand those that never came. Taught in notebook 05.
"""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import busiest_flow, flights
from netlab.figures.style import LIGHT, Theme


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the packets of one direction, by their places from 1.

    Attributes:
        came: for each arrival, in order: the place among those sent, and whether it had come before.
        lost: places of those that never came.
    """

    flow: tuple[str, str]
    sent: int
    came: tuple[tuple[int, bool], ...]
    lost: tuple[int, ...]

    @property
    def late(self) -> list[int]:
        """Places of those that came, for the first time, after one that was sent later."""
        highest, late = 0, []
        for place, again in self.came:
            if not again and place < highest:
                late.append(place)
            highest = max(highest, place)
        return late

    @property
    def doubled(self) -> int:
        """Arrivals of what had come before."""
        return sum(again for _, again in self.came)


def order_of(capture: Capture) -> Order | None:
    """Of the direction that carried the most; None where nothing carried anything."""
    every = flights(capture)
    flow = busiest_flow(every)
    mine = [one for one in every if one.flow == flow and one.payload_len]
    if flow is None or not mine:
        return None
    places: dict[tuple[object, ...], int] = {}
    arrivals = []
    for one in mine:
        key = (one.sent_at, one.digest)
        place = places.setdefault(key, len(places) + 1)
        if one.came_at is not None:
            arrivals.append((one.came_at, place))
    arrivals.sort()
    seen: set[int] = set()
    came = []
    for _, place in arrivals:
        came.append((place, place in seen))
        seen.add(place)
    lost = tuple(place for place in places.values() if place not in seen)
    return Order(flow=flow, sent=len(places), came=tuple(came), lost=lost)


def delivery_order(capture: Capture, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the order of one direction."""
    ax = style.axes(ax, theme, "delivery_order")
    what = order_of(capture)
    if what is None:
        style.caption(ax, theme, "nothing in this capture carries data")
        return ax
    late = set(what.late)
    below = -0.06 * max(len(what.came), 10)
    ax.set(
        xlim=(0, what.sent + 1),
        ylim=(below * 1.9, len(what.came) + 1),
        xlabel="place among the packets that were sent",
        ylabel="place among those that came",
    )
    ax.plot([0, what.sent + 1], [0, what.sent + 1], color=theme.faint, linewidth=1, linestyle=(0, (4, 3)))
    ax.axhline(0, color=theme.faint, linewidth=0.8)
    groups = (
        ([(p, n) for n, (p, again) in enumerate(what.came, 1) if not again and p not in late], "o", theme.blue, 5),
        ([(p, n) for n, (p, again) in enumerate(what.came, 1) if not again and p in late], "^", theme.orange, 8),
        ([(p, n) for n, (p, again) in enumerate(what.came, 1) if again], "s", theme.green, 7),
        ([(p, below) for p in what.lost], "x", theme.vermillion, 8),
    )
    for points, marker, colour, big in groups:
        ax.plot(
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=marker,
            markersize=big,
            color=colour,
            markeredgecolor=colour if marker == "x" else theme.ink,
            markeredgewidth=2 if marker == "x" else 0.6,
            zorder=3,
        )
    style.caption(ax, theme, *_notes(what))
    return ax


def _notes(what: Order) -> list[str]:
    return [
        f"{style.safe(what.flow[0])} to {style.safe(what.flow[1])}: {what.sent} sent",
        f"● in order {len(what.came) - len(what.late) - what.doubled}",
        f"▲ late {len(what.late)}",
        f"■ came again {what.doubled}",
        f"× never came {len(what.lost)}",
        "dashed: nothing lost, nothing out of order",
    ]


def text(capture: Capture) -> str:
    """How many came in order, late, again or never, and which."""
    what = order_of(capture)
    if what is None:
        return "nothing in this capture carries data\n0 packets"
    lines = ["; ".join(_notes(what)[:-1])]
    for name, places in (("late", what.late), ("never came", list(what.lost))):
        if places:
            more = "" if len(places) <= 20 else f" and {len(places) - 20} more"
            lines.append(f"{name}: {', '.join(map(str, places[:20]))}{more}")
    return "\n".join(lines if len(lines) > 1 else [*lines, "in the order in which they were sent"])


def demo() -> Capture:
    """Datagrams over a line that loses, doubles and reorders, simulated."""
    from netlab.figures.demo_runs import datagrams

    return datagrams("loss=8% duplicate=6% reorder=12%")


if __name__ == "__main__":
    from netlab.figures.show import show

    show(delivery_order(demo()))
