"""How many packets wait at the bottleneck, and which found it full? From when each packet came to the link and left it.

The shortest time that any packet took is the way itself; what another took longer, it waited. So a capture that shows
both ends of a link shows its queue. (Where the delay of the link varies, that counts as waiting too.) Taught in
notebook 09.
"""

from __future__ import annotations

from collections import Counter

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.flights import flights
from netlab.figures.scales import median, time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.units import MS, Ns


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Who waited at one end of a link.

    Attributes:
        direction: `gateway>server`.
        way: the shortest time that a packet took, ns.
        steps: time and the number of packets in the queue from then on, the one that is being sent included.
        waits: how long each packet waited, ns.
        dropped: when a packet was dropped for the queue's sake, ns.
    """

    direction: str
    way: Ns
    steps: tuple[tuple[Ns, int], ...]
    waits: tuple[Ns, ...]
    dropped: tuple[Ns, ...]


def queue_of(capture: Capture) -> Queue | None:
    """Of the direction in which packets waited the longest; None where a capture does not show both ends of a link."""
    every = [one for one in flights(capture) if one.at and one.to]
    found = []
    for end in dict.fromkeys((one.at, one.to) for one in every):
        mine = [one for one in every if (one.at, one.to) == end]
        took = [one.came_at - one.sent_at for one in mine if one.came_at is not None]
        if took:
            way = min(took)
            changes = Counter[Ns]()
            for one in mine:
                if one.came_at is not None and one.came_at - way > one.sent_at:
                    changes[one.sent_at] += 1
                    changes[one.came_at - way] -= 1
            began, waiting, steps = mine[0].sent_at, 0, [(0, 0)]
            for at in sorted(changes):
                waiting += changes[at]
                steps.append((at - began, waiting))
            dropped = tuple(one.sent_at - began for one in mine if any(word in one.lost for word in _FULL))
            waits = tuple(t - way for t in took)
            found.append(
                Queue(direction=f"{end[0]}>{end[1]}", way=way, steps=tuple(steps), waits=waits, dropped=dropped)
            )
    return max(found, key=lambda queue: max(queue.waits), default=None)


_FULL = ("queue", "RED", "CoDel", "red", "codel")


def queue_occupancy(capture: Capture, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the queue's length over time."""
    ax = style.axes(ax, theme, "queue_occupancy")
    what = queue_of(capture)
    if what is None:
        style.caption(ax, theme, "this capture does not show both ends of a link")
        return ax
    end = max(what.steps[-1][0], MS)
    time = time_unit(end)
    at, waiting = [time.of(t) for t, _ in what.steps], [n for _, n in what.steps]
    top = max([*waiting, 1])
    ax.set(xlim=(0, time.of(end)), ylim=(0, top * 1.18), xlabel=f"time ({time.name})", ylabel="packets in the queue")
    ax.fill_between(at, waiting, step="post", color=theme.tint(theme.sky, 0.5), linewidth=0)
    ax.step(at, waiting, where="post", color=theme.blue, linewidth=1.2)
    ax.plot(
        [time.of(t) for t in what.dropped],
        [top * 1.08] * len(what.dropped),
        linestyle="none",
        marker="x",
        markersize=7,
        color=theme.vermillion,
    )
    style.caption(ax, theme, *_notes(what))
    return ax


def _notes(what: Queue) -> list[str]:
    waits = sorted(what.waits)
    unit = time_unit(max(waits[-1], MS))
    notes = [
        f"{style.safe(what.direction)}: {len(waits)} packets went through; they waited "
        f"{unit.say(median(waits), 3)} (median), {unit.say(waits[-1], 3)} at most, "
        f"beside the {unit.say(what.way, 3)} of the way"
    ]
    if what.dropped:
        notes.append(f"× dropped, {len(what.dropped)}")
    return notes


def text(capture: Capture) -> str:
    """How long packets waited, how many at most, and how many were dropped."""
    what = queue_of(capture)
    if what is None:
        return "this capture does not show both ends of a link\n0 packets"
    longest = max(n for _, n in what.steps)
    return "\n".join([*_notes(what), f"at most {longest} packets in the queue", f"{len(what.dropped)} dropped for it"])


def demo() -> Capture:
    """CUBIC on a line with a short queue, simulated."""
    from netlab.figures.demo_runs import bulk

    return bulk("cubic", lasts="3s")[0]


if __name__ == "__main__":
    from netlab.figures.show import show

    show(queue_occupancy(demo()))
