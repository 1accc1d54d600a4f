"""The bench of `netlab web` in a notebook: one text over four transports side by side, stepped through, broken by hand.

    from netlab.course.bench import bench

    bench("hi", loss="30%", seed=7)

A cell that ends with this shows the widget where anywidget is installed and a kernel runs. The same seed gives the same
run, which stands in the notebook as a picture and as words too, so that the notebook reads well without being run. What
the run gave is in `.timeline`; `print(bench(...))` says it in words.

Whatever a text holds is shown as text. The widget's file is made of the page's own modules by `make page`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from importlib import resources
from typing import Any

import msgspec

from netlab.course.experiments.shown import Shown, smaller
from netlab.errors import NetlabError
from netlab.packets.text import printable
from netlab.scenarios.bench import Timeline, capture, packet, read_script, timeline
from netlab.units import MS, S, parse_duration

AFTERWARDS = 10 * S
"""How long a run goes on after its last text."""

LINK = {"loss": "0%", "delay": "40ms", "jitter": "0ms", "duplicate": "0%", "reorder": "0%", "rate": "1mbit"}
"""The link where nothing else is said: what the page begins with."""

_MOST = 18  # packets of a lane in the picture


def bench(*texts: str, seed: int = 7, apart: str = "2s", **link: str) -> Bench:
    """Four transports carry the texts, each across its own copy of one link.

    Args:
        texts: what ann says, one after the other; "hi" where none is given.
        seed: of the link's dice.
        apart: from one text to the next.
        link: options as everywhere: `loss="30%"`, `delay="40ms"`, `jitter`, `duplicate`, `reorder`, `rate`.

    Raises:
        BadScript: such a link, or such texts, can't be run; the message says what to write.
    """
    spoken, step = texts or ("hi",), parse_duration(apart)
    said = [{"at": step * number, "text": text} for number, text in enumerate(spoken)]
    until = step * (len(spoken) - 1) + AFTERWARDS
    return Bench({"seed": seed, "link": LINK | link, "changes": [], "texts": said, "fates": [], "until": until})


class Bench:
    """A run of the bench, and the widget that shows it.

    Attributes:
        script: what was asked for, as JSON has it.
        timeline: what came of it.
        widget: the anywidget, or None where that is not installed.
    """

    def __init__(self, script: Mapping[str, Any]) -> None:
        self.script = dict(script)
        self.timeline: Timeline = timeline(read_script(script))
        self.widget = _widget(self.script)

    def __str__(self) -> str:
        return in_words(self.timeline)

    __repr__ = __str__

    def picture(self) -> bytes:
        """The four ladders as a PNG."""
        return _picture(self.timeline)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        if self.widget is not None:
            made = self.widget._repr_mimebundle_(**options)
            shown = dict(made[0] if isinstance(made, tuple) else made)
        return {**shown, **Shown(smaller(self.picture()), str(self))._repr_mimebundle_()}


def in_words(ran: Timeline) -> str:
    """A line a lane, and one for each text."""
    lines = []
    for lane in ran.lanes:
        come = lane.summary
        lines.append(
            f"{lane.title}: {come.sent} packets, {come.bytes:,} B, {come.lost} lost, {come.again} sent again; "
            f"bob heard {come.heard} of {come.said}"
        )
        waiting = list(lane.heard)
        for said in lane.said:
            heard = next((one for one in waiting if one.text == said.text), None)
            if heard is not None:
                waiting.remove(heard)
            fate = "never heard" if heard is None else f"heard after {(heard.at - said.at) / MS:.1f} ms"
            text = printable(said.text)
            lines.append(f"  {text if len(text) <= 40 else text[:39] + '…'}: {fate}")
    return "\n".join(lines)


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What the widget asks, answered: `run`, `packet` or `capture` of a script, under the question's own number."""
    n = question.get("n")
    try:
        script = read_script(question.get("script", {}))
        match question.get("ask"):
            case "run":
                return {"n": n, "timeline": msgspec.to_builtins(timeline(script))}
            case "packet":
                taken = packet(script, str(question.get("over")), str(question.get("packet")))
                return {"n": n, "packet": msgspec.to_builtins(taken)}
            case "capture":
                file = capture(script, str(question.get("over")))
                return {"n": n, "capture": base64.b64encode(file).decode("ascii")}
            case other:
                return {"n": n, "error": f"nobody here knows {other!r}: ask for run, packet or capture"}
    except NetlabError as error:
        return {"n": n, "error": str(error)}


def _widget(script: Mapping[str, Any]) -> Any:
    """The anywidget of a script; None where anywidget is not installed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        return None
    built = resources.files("netlab") / "web" / "static" / "built"

    class BenchWidget(anywidget.AnyWidget):
        _esm = (built / "widget.js").read_text(encoding="utf-8")
        _css = (built / "widget.css").read_text(encoding="utf-8")
        script = traitlets.Dict().tag(sync=True)

    shown = BenchWidget(script=dict(script))
    shown.on_msg(lambda widget, content, _: widget.send(answer(content)))
    return shown


def _picture(ran: Timeline) -> bytes:
    import matplotlib.pyplot as plt

    from netlab.capture.files import parse
    from netlab.figures.flights import flights
    from netlab.figures.ladder import ladder

    figure, places = plt.subplots(2, 2, figsize=(15.5, 12), facecolor="white")
    figure.subplots_adjust(
        left=0.13, right=0.86, top=0.93, bottom=0.07, wspace=1.05, hspace=0.35
    )  # before: labels look for room
    for ax, lane in zip(places.flat, ran.lanes, strict=True):
        seen = parse(capture(ran.script, lane.over))
        began = flights(seen)[0].sent_at - lane.packets[0].sent
        first = next((flight.number for flight in flights(seen) if flight.sent_at >= began), None)
        if first is not None:
            ladder(seen, ax=ax, first=first, most=_MOST)
        ax.tick_params(axis="y", pad=110)  # beyond the labels at the left
        ax.set_title(lane.title, loc="left", x=-0.3, pad=26, fontweight="bold")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=70)
    plt.close(figure)
    return file.getvalue()
