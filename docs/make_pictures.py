"""Draws the pictures of the README and of docs/: `make docs`. All from recorded captures and seeded runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt

from netlab import figures
from netlab.capture.files import CapturedPacket
from netlab.capture.recorded import recorded
from netlab.figures.demo_runs import bulk, chat, datagrams
from netlab.figures.framing import spans_of

HERE = Path(__file__).parent / "pictures"


def greeting(name: str) -> CapturedPacket:
    """The packet of a recorded chat in which somebody says the first thing."""
    return next(packet for packet in recorded(name) if any("emit" in part.event for part in packet.summary.netlab))


LOSSY = "loss=10% duplicate=3%"

PICTURES: dict[str, tuple[str, Callable[[], Any], dict[str, Any]]] = {
    "tcp-begins": ("ladder", lambda: chat("tcp", people=1), {"most": 16}),
    "udp-begins": ("ladder", lambda: chat("udp", people=1), {"most": 10}),
    "greeting-bytes": ("byte_map", lambda: greeting("chat-udp"), {}),
    "greeting-boxes": ("encapsulation", lambda: greeting("chat-tcp"), {}),
    "models": ("model_comparison", lambda: recorded("chat-tcp"), {}),
    "overhead": ("overhead", lambda: {"TCP": chat("tcp"), "UDP": chat("udp")}, {}),
    "framing": ("framing", lambda: spans_of(chat("tcp", size="900B"), most=9), {}),
    "survivors": (
        "comparison",
        lambda: {"UDP": chat("udp", there=LOSSY, seed=6), "TCP": chat("tcp", there=LOSSY, seed=6)},
        {},
    ),
    "order": ("delivery_order", lambda: datagrams("loss=8% duplicate=6% reorder=12%"), {}),
    "window": ("congestion_window", lambda: bulk("cubic")[1], {}),
}
"""Each picture: the figure, what it is drawn from, and the figure's arguments."""


def draw(name: str, folder: Path = HERE) -> Path:
    """Draw one picture, with its words as its description, for programs that read pictures to people."""
    figure, made, arguments = PICTURES[name]
    shown = made()
    drawn = getattr(figures, figure)(shown, **arguments).get_figure(root=True)
    title, words = figures.FIGURES[figure].question, figures.words(figure, shown, **arguments)
    out = folder / f"{name}.png"
    drawn.savefig(out, facecolor=drawn.get_facecolor(), dpi=100, metadata={"Title": title, "Description": words})
    plt.close(drawn)
    return out


def main() -> None:
    """Draw all of them."""
    matplotlib.use("agg")
    HERE.mkdir(exist_ok=True)
    for name in PICTURES:
        sys.stderr.write(f"docs/pictures/{draw(name).name}\n")
    try:
        from docs import page_pictures
    except ImportError as missing:
        sys.stderr.write(f"the page's pictures stay as they are: {missing}\n")
        return
    if not page_pictures.can_draw():
        sys.stderr.write(f"the page's pictures stay as they are: no {page_pictures.CHROMIUM}\n")
        return
    for name in page_pictures.WORDS:
        sys.stderr.write(f"docs/pictures/{page_pictures.draw(name, HERE).name}\n")


if __name__ == "__main__":
    main()
