"""Who gets a copy, and when? What people said to a room, and each copy that the hub sent out for it.

A column for each thing that was said, a row for each receiver; how dark a mark is says nothing, where it stands does:
how long after the text came to the hub its copy went out. Taught in notebook 12.
"""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.scales import time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.units import Ns

MOST = 12
"""Texts that are drawn where nobody says how many."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said to a room.

    Attributes:
        who: the name of who said it.
        room: with its number there.
        came: when it came to the hub; None where the capture does not show it.
        copies: for each receiver, `address:port`, when its copy went out.
        size: bytes of one copy.
    """

    who: str
    room: str
    text: str
    came: Ns | None
    copies: dict[str, Ns]
    size: int


def said(capture: Capture) -> list[Said]:
    """What was said to rooms, as the vantage point nearest to the hub saw it."""
    flows = {flow.number: flow for flow in capture.flows()}
    messages = [one for one in capture.messages() if one.chat.type in ("emit", "message") and one.flow in flows]
    out = [one for one in messages if one.chat.type == "message" and one.chat.room_number >= 0]
    if not out:
        return []
    earliest: dict[tuple[str, int], tuple[Ns, int]] = {}
    for one in out:
        key = one.chat.room, one.chat.room_number
        earliest[key] = min(
            earliest.get(key, (one.began, flows[one.flow].interface)), (one.began, flows[one.flow].interface)
        )
    hub_at = min(earliest.values())[1]  # where copies are seen first
    found: dict[tuple[str, int], Said] = {}
    for one in out:
        flow = flows[one.flow]
        key = one.chat.room, one.chat.room_number
        if flow.interface != hub_at:
            continue
        entry = found.get(key)
        if entry is None:
            came = [
                other.ended
                for other in messages
                if other.chat.type == "emit"
                and flows[other.flow].interface == hub_at
                and other.chat.text == one.chat.text
                and other.ended <= one.began
            ]
            entry = found[key] = Said(
                who=one.chat.name,
                room=f"{key[0]} {key[1]}",
                text=one.chat.text,
                came=max(came, default=None),
                copies={},
                size=len(one.data),
            )
        entry.copies.setdefault(f"{flow.dst}:{flow.dport}", one.began)
    return sorted(found.values(), key=lambda entry: min(entry.copies.values()))


def fan_out(capture: Capture, *, most: int = MOST, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw what was said, and its copies.

    Args:
        most: texts that are drawn, the first ones.
    """
    what = said(capture)
    receivers = list(dict.fromkeys(receiver for entry in what for receiver in entry.copies))
    margins = style.Margins(left=1.75, right=0.4, above=0.6)
    ax = style.axes(ax, theme, "fan_out", size=(style.SIZE[0], 2.7 + 0.42 * max(len(receivers), 2)), margins=margins)
    shown = what[:most]
    if not shown:
        style.caption(ax, theme, "nobody in this capture said anything to a room")
        return ax
    began = min(entry.came if entry.came is not None else min(entry.copies.values()) for entry in shown)
    end = max(max(entry.copies.values()) for entry in shown) - began
    unit = time_unit(max(end, 1))
    ax.set(
        xlim=(-0.03 * unit.of(end) - 1e-9, unit.of(end) * 1.05 + 1e-9),
        ylim=(len(receivers) + 0.6, -0.6),
        xlabel=f"time at the hub ({unit.name})",
    )
    ax.set_yticks(range(len(receivers) + 1), ["came to the hub", *map(style.safe, receivers)])
    ax.tick_params(axis="y", length=0)
    ax.grid(visible=False, axis="y")
    for k, entry in enumerate(shown):
        colour = theme.series[k % 6]
        came = entry.came if entry.came is not None else min(entry.copies.values())
        x = unit.of(came - began)
        rows = [receivers.index(receiver) + 1 for receiver in entry.copies]
        ax.vlines(x, 0, max(rows), color=theme.tint(colour, 0.6), linewidth=1.4, zorder=1)
        ax.plot([x], [0], marker="D", markersize=8, color=colour, markeredgecolor=theme.ink)
        for receiver, went in entry.copies.items():
            row = receivers.index(receiver) + 1
            ax.plot([x, unit.of(went - began)], [row, row], color=theme.tint(colour, 0.6), linewidth=1.4, zorder=1)
            ax.plot([unit.of(went - began)], [row], marker="o", markersize=6, color=colour, markeredgecolor=theme.ink)
    style.caption(ax, theme, "◆ a text came; ● a copy of it went out", *_notes(what, len(receivers)))
    return ax


def _notes(what: list[Said], receivers: int) -> list[str]:
    copies = sum(len(entry.copies) for entry in what)
    size = sum(entry.size * len(entry.copies) for entry in what)
    return [f"{len(what)} texts became {copies} copies for {receivers} receivers: {size} B, headers not counted"]


def text(capture: Capture) -> str:
    """A line for each text: who, where, how many copies, and how soon."""
    what = said(capture)
    receivers = {receiver for entry in what for receiver in entry.copies}
    if not what:
        return "nobody in this capture said anything to a room\n0 copies"
    lines = _notes(what, len(receivers))
    for entry in what[:30]:
        soon = (
            "" if entry.came is None else f", the last {_after(max(entry.copies.values()) - entry.came)} after it came"
        )
        lines.append(f"{entry.who} in {entry.room}: {len(entry.copies)} copies of {entry.size} B{soon}")
    if len(what) > 30:
        lines.append(f"... and {len(what) - 30} more")
    return "\n".join(lines)


def _after(took: Ns) -> str:
    return time_unit(max(took, 1)).say(took, 3)


def demo() -> Capture:
    """Four people in a room, simulated."""
    from netlab.figures.demo_runs import chat

    return chat("udp")


if __name__ == "__main__":
    from netlab.figures.show import show

    show(fan_out(demo()))
