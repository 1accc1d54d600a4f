"""Who survives this network? The same talk over several transports: how much had been said, and how much had come, by
then.

One panel for each capture, on the same axes. Where the lower line stays below the upper one something was lost; how
far it is to the right of it is the delay. Taught in notebooks 05, 11 and 12.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.figures import style
from netlab.figures.scales import median, time_unit
from netlab.figures.style import LIGHT, Theme
from netlab.units import Ns

_ACROSS = 3


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What was said in one capture, and what came.

    Attributes:
        sent: when each text was first said, from the beginning of the capture, ns; in order.
        came: for each text that came, how often over all receivers; and when, in order.
        delays: of each copy, ns.
        expected: how many copies would have come, had nothing been lost.
        doubled: copies of what that receiver had.
    """

    name: str
    sent: tuple[Ns, ...]
    came: tuple[Ns, ...]
    delays: tuple[Ns, ...]
    expected: int
    doubled: int


def talk_of(capture: Capture, name: str) -> Talk:
    """What was said to rooms, and the copies that were seen to come to receivers."""
    flows = {flow.number: flow for flow in capture.flows()}
    began = int(capture.columns.time_ns.min()) if len(capture) else 0
    messages = [one for one in capture.messages() if one.flow in flows]
    said: dict[str, Ns] = {}
    for one in messages:
        if one.chat.type == "emit":
            said.setdefault(one.chat.text, one.began - began)
            said[one.chat.text] = min(said[one.chat.text], one.began - began)
    last_point: dict[str, Ns] = {}
    heard: dict[tuple[str, str], list[Ns]] = {}
    by_point: dict[tuple[str, str, tuple[int, int]], list[Ns]] = {}
    for one in messages:
        if one.chat.type == "message" and one.chat.text in said:
            flow = flows[one.flow]
            point = flow.interface, flow.direction
            by_point.setdefault((one.chat.text, f"{flow.dst}:{flow.dport}", point), []).append(one.ended - began)
    for (text_, receiver, _), times in by_point.items():  # of several vantage points the latest is the receiver's
        if max(times) >= last_point.get(f"{text_}\0{receiver}", -1):
            last_point[f"{text_}\0{receiver}"] = max(times)
            heard[text_, receiver] = sorted(times)
    receivers = {receiver for _, receiver in heard}
    came = sorted(times[0] for times in heard.values())
    return Talk(
        name=name,
        sent=tuple(sorted(said.values())),
        came=tuple(came),
        delays=tuple(times[0] - said[text_] for (text_, _), times in heard.items()),
        expected=len(said) * len(receivers),
        doubled=sum(len(times) - 1 for times in heard.values()),
    )


def comparison(data: Mapping[str, Capture], *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw a panel for each capture; `ax` is divided among them."""
    talks = [talk_of(capture, name) for name, capture in data.items()]
    rows = -(-len(talks) // _ACROSS) or 1
    margins = style.Margins(left=0.2, right=0.2, above=0.6, below=0.65)
    ax = style.axes(ax, theme, "comparison", size=(style.SIZE[0], 1.3 + 2.9 * rows), margins=margins, bare=True, pad=12)
    across = min(_ACROSS, len(talks)) or 1
    end = max((max([*talk.sent[-1:], *talk.came[-1:], 1]) for talk in talks), default=1)
    unit = time_unit(end)
    for k, talk in enumerate(talks):
        column, row = k % across, k // across
        room = 1 / across
        panel = ax.inset_axes(
            (column * room + 0.075, 1 - (row + 1) / rows + 0.19 / rows, room - 0.095, (1 - 0.34) / rows)
        )
        style.dress(panel, theme)
        _panel(panel, theme, talk, unit.of(end), unit.size)
        panel.set_xlabel(f"time ({unit.name})", fontsize=style.SMALL)
        if column == 0:
            panel.set_ylabel("share of the copies", fontsize=style.SMALL)
    style.caption(ax, theme, "dashed: what had been said by then; filled: what had come to all its receivers")
    return ax


def _panel(panel: Axes, theme: Theme, talk: Talk, end: float, size: int) -> None:
    panel.set(xlim=(0, end), ylim=(0, 1.08))
    panel.set_title(
        f"{style.safe(talk.name)}: {_outcome(talk)}",
        loc="left",
        fontsize=style.SMALL,
        color=theme.ink,
        fontweight="bold",
    )
    if not talk.sent:
        return
    sent = [(at / size, (k + 1) / len(talk.sent)) for k, at in enumerate(talk.sent)]
    came = [(at / size, (k + 1) / max(talk.expected, 1)) for k, at in enumerate(talk.came)]
    panel.step(
        [0, *(x for x, _ in sent), end],
        [0, *(y for _, y in sent), 1],
        where="post",
        color=theme.orange,
        linestyle=(0, (5, 2)),
        linewidth=1.5,
    )
    if came:
        xs, ys = [0, *(x for x, _ in came), end], [0, *(y for _, y in came), came[-1][1]]
        panel.fill_between(xs, ys, step="post", color=theme.tint(theme.blue, 0.3), linewidth=0)
        panel.step(xs, ys, where="post", color=theme.blue, linewidth=1.6)


def _outcome(talk: Talk) -> str:
    lost = talk.expected - len(talk.came)
    return "all came" if not lost and talk.expected else f"{lost} of {talk.expected} lost"


def text(data: Mapping[str, Capture]) -> str:
    """A line for each capture: said, come, lost, doubled, and how late."""
    lines = []
    for name, capture in data.items():
        talk = talk_of(capture, name)
        delays = sorted(talk.delays)
        late = ""
        if delays:
            unit = time_unit(delays[-1])
            late = f"; delay {unit.say(median(delays), 3)} (median), {unit.say(delays[-1], 3)} at most"
        lines.append(
            f"{name}: {len(talk.sent)} texts, {len(talk.came)} of {talk.expected} copies came, "
            f"{talk.expected - len(talk.came)} lost, {talk.doubled} doubled{late}"
        )
    return "\n".join(lines if len(lines) > 1 else [*lines, "compare it with another capture"])


def demo() -> Mapping[str, Capture]:
    """The same chat over three transports, on a line that loses one packet in ten each way."""
    from netlab.figures.demo_runs import chat

    transports = {"UDP": "udp", "reliable UDP": "rudp", "TCP": "tcp"}
    return {name: chat(over, there="loss=10% duplicate=3%", seed=6) for name, over in transports.items()}


if __name__ == "__main__":
    from netlab.figures.show import show

    show(comparison(demo()))
