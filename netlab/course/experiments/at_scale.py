"""Notebook 12: from a socket to a chat at scale: repeated requests, copies to a room, what each transport promises."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.network.recording import Recording
from netlab.scenarios import run
from netlab.scenarios.scenario import parse_scenario
from netlab.transports import GUARANTEES

Ask = Callable[[int], None]


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """What became of `requests` under three policies: `(name, done once, done several times, never done)`."""

    requests: int
    loss: float
    rows: tuple[tuple[str, int, int, int], ...]

    def done_again(self, name: str) -> int:
        """How many requests were carried out several times."""
        return next(again for policy, _, again, _ in self.rows if policy == name)

    def __str__(self) -> str:
        return table(["the client", "done once", "done again", "never done"], self.rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """The three numbers of each policy."""
        ax = canvas("How often is each request carried out?", x="", y=f"of {self.requests} requests", ax=ax)
        for k, name in enumerate(("done once", "done several times", "never done")):
            line(ax, k, name, [(x, float(row[k + 1])) for x, row in enumerate(self.rows)])
            ax.lines[-1].set_linestyle("none")
        ax.set_xticks(range(len(self.rows)), [name for name, *_ in self.rows])
        ax.set(xlim=(-0.5, len(self.rows) - 0.5), ylim=(-20, self.requests * 1.05))
        legend(ax)
        return ax


def policies(*, requests: int = 500, loss: float = 20.0, seed: int = 7) -> Policies:
    """A request and its answer are each lost in `loss` percent of cases. One client asks once; one repeats until the
    answer comes; one does too, and its server remembers what it has done."""
    rows = []
    for name, repeats, remembers in (
        ("asks once", False, False),
        ("repeats", True, False),
        ("repeats, server remembers", True, True),
    ):
        dice, done = Random(seed), [0] * requests
        for number in range(requests):
            answered = False
            while not answered:
                came = dice.random() * 100 >= loss
                if came and not (remembers and done[number]):
                    done[number] += 1
                answered = (came and dice.random() * 100 >= loss) or not repeats
        rows.append((name, done.count(1), sum(times > 1 for times in done), done.count(0)))
    return Policies(requests=requests, loss=loss, rows=tuple(rows))


_CHAT = """
about = "People in one room"
source = "chosen for teaching"
link = "rate=10mbit delay=20ms"

[[flows]]
kind = "chat"
people = {people}
messages = {messages}
over = "{over}"
"""


def room(*, people: int = 4, messages: int = 2, over: str = "udp", seed: int = 7) -> Capture:
    """A capture at the hub of people who talk in one room."""
    tap = Recording(comment=f"{people} people, seed {seed}")
    run(parse_scenario(_CHAT.format(people=people, messages=messages, over=over)), seed=seed, tap=tap)
    return parse(tap.pcapng())


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """How much a hub sends, by how many people share its room: `(people, bytes in, bytes out)`."""

    rows: tuple[tuple[int, int, int], ...]

    def __str__(self) -> str:
        return table(["people", "bytes to the hub", "bytes from the hub"], self.rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """Both, by people."""
        ax = canvas("What does a larger room cost?", x="people in the room", y="kB, each says one thing", ax=ax)
        line(ax, 0, "to the hub", [(people, came / 1000) for people, came, _ in self.rows])
        line(ax, 1, "from the hub", [(people, went / 1000) for people, _, went in self.rows])
        legend(ax)
        return ax


def copies(*, sizes: tuple[int, ...] = (2, 4, 8, 16, 32), seed: int = 7) -> Copies:
    """Everybody in a room says one thing: what that costs the hub."""
    rows = []
    for people in sizes:
        ran = run(parse_scenario(_CHAT.format(people=people, messages=1, over="udp")), seed=seed)
        links = ran.links
        rows.append((people, links["gateway>server"].bytes_delivered, links["server>gateway"].bytes_delivered))
    return Copies(rows=tuple(rows))


def guarantees() -> str:
    """What each transport of netlab promises, as it declares it; `netlab guarantees` proves it."""
    rows = [
        (name, *("yes" if kept else "no" for kept in (g.reliable, g.ordered, g.boundaries, not g.duplicates)))
        for name, g in GUARANTEES.items()
    ]
    return table(["over", "nothing lost", "in order", "whole messages", "never twice"], rows)
