"""Notebook 06: lives of a connection, from how it was opened to how it ended, with the states of both ends."""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import CLIENT, SERVER, Program, TwoHosts, in_ms
from netlab.figures import style
from netlab.figures.state_machine import Walk, walk_of
from netlab.figures.style import LIGHT, Theme
from netlab.protocols.trace import Decision
from netlab.units import MS, Ns, S

PORT, ITS_PORT = 9000, 50000


class Life(msgspec.Struct, frozen=True):
    """One connection.

    Attributes:
        states: of each end: when it entered which.
        noted: of each end: what its program was told.
    """

    capture: Capture
    decisions: tuple[Decision, ...]
    states: dict[str, list[tuple[Ns, str]]]
    noted: dict[str, list[tuple[Ns, str]]]

    def walk(self, who: str) -> Walk:
        """The way of one end through the states, for the figure `state_machine`."""
        return walk_of(self.decisions, next(one.who for one in self.decisions if one.who.startswith(who)))

    def last(self, who: str, what: str) -> float:
        """When the program of one end was last told something that begins so, ms."""
        return in_ms(max(at for at, said in self.noted[who] if said.startswith(what)))

    def entered(self, who: str, state: str) -> float:
        """When one end entered a state for the first time, ms."""
        return in_ms(next(at for at, name in self.states[who] if name == state))

    @property
    def segments(self) -> int:
        """How many segments both ends sent."""
        return len(self.capture.where(interface=CLIENT))

    @property
    def numbers(self) -> Table:
        """Each segment as the client's host saw it: its sequence number, and the one that comes after it."""
        rows = []
        for packet in self.capture.where(interface=CLIENT):
            tcp = next(layer for layer in packet.layers if layer.protocol == "TCP")
            number, summary = int(tcp.field("sequence number").value), packet.summary  # type: ignore[union-attr]
            length = summary.payload_len or 0
            takes = length + ("SYN" in summary.flags) + ("FIN" in summary.flags)
            who = CLIENT if summary.source_port != PORT else SERVER
            rows.append((who, summary.flags, number, length, takes, number + takes))
        return Table(("from", "flags", "sequence number", "bytes of data", "numbers taken", "next one"), rows)

    def __str__(self) -> str:
        moves = [
            (at, who, what)
            for who in (CLIENT, SERVER)
            for at, what in [*((t, f"is {state}") for t, state in self.states[who]), *self.noted[who]]
        ]
        moves.sort(key=lambda move: move[:2])  # of what happens at the same time, as it was noted
        return str(Table(("ms", "who", "what"), [(f"{in_ms(at):g}", who, what) for at, who, what in moves]))

    __repr__ = __str__


def orderly(*, seed: int = 6) -> Life:
    """The client opens, says hi, and closes; the server answers and closes as soon as it has read the end."""

    def play(hosts: TwoHosts, client: Program, server: Program) -> None:
        server.at_end = (lambda: server.send(b"bye"), server.close)
        hosts.at(0, client.connect, hosts.server, PORT)
        hosts.at(50 * MS, client.send, b"hi")
        hosts.at(50 * MS, client.close)

    return _live(play, seed)


def half_closed(*, seed: int = 6) -> Life:
    """The client closes its direction at 100 ms; the server goes on sending until 400 ms, and closes then."""

    def play(hosts: TwoHosts, client: Program, server: Program) -> None:
        hosts.at(0, client.connect, hosts.server, PORT)
        hosts.at(100 * MS, client.close)
        for k in range(1, 4):
            hosts.at((100 + 100 * k) * MS, server.send, b"still here")
        hosts.at(400 * MS, server.close)

    return _live(play, seed)


def opened_by_both(*, seed: int = 6) -> Life:
    """Both ends open at once, each to the other's port; then both close at once."""

    def play(hosts: TwoHosts, client: Program, server: Program) -> None:
        hosts.at(0, client.connect, hosts.server, PORT, ITS_PORT)
        hosts.at(0, server.connect, hosts.client, ITS_PORT, PORT)
        for program in (client, server):
            hosts.at(100 * MS, program.close)

    return _live(play, seed)


def reset(*, seed: int = 6) -> Life:
    """The client sends and closes; the server's program aborts instead of reading."""

    def play(hosts: TwoHosts, client: Program, server: Program) -> None:
        hosts.at(0, client.connect, hosts.server, PORT)
        hosts.at(50 * MS, client.send, b"please keep this")
        hosts.at(50 * MS, client.close)
        hosts.at(58 * MS, server.abort)

    return _live(play, seed)


def refused(*, seed: int = 6) -> Life:
    """The client opens to a port at which nobody listens."""

    def play(hosts: TwoHosts, client: Program, server: Program) -> None:
        hosts.server.tcp.stop_listening(PORT)
        hosts.at(0, client.connect, hosts.server, PORT)

    return _live(play, seed)


def _live(play: Callable[[TwoHosts, Program, Program], None], seed: int) -> Life:
    hosts = TwoHosts("delay=10ms", seed=seed)
    client, server = Program(hosts, CLIENT), Program(hosts, SERVER)
    hosts.server.tcp.listen(PORT, server.take)
    play(hosts, client, server)
    hosts.run(300 * S)
    states: dict[str, list[tuple[Ns, str]]] = {CLIENT: [], SERVER: []}
    for one in hosts.decisions:
        mine = states[CLIENT if one.who.startswith(CLIENT) else SERVER]
        if one.state is not None and (not mine or mine[-1][1] != one.state):
            mine.append((0 if one.state == "LISTEN" else one.at, one.state))  # it listened before anybody came
    return Life(hosts.capture, tuple(hosts.decisions), states, {CLIENT: client.noted, SERVER: server.noted})


_PHASES = {
    "LISTEN": "line",
    "SYN-SENT": "sky",
    "SYN-RECEIVED": "sky",
    "ESTABLISHED": "green",
    "FIN-WAIT-1": "orange",
    "FIN-WAIT-2": "orange",
    "CLOSE-WAIT": "orange",
    "CLOSING": "orange",
    "LAST-ACK": "orange",
    "TIME-WAIT": "purple",
}
"""The colour of each state, by what it is for: opening, open, closing, waiting. The name stands in the bar too."""


def states_over_time(life: Life, *, until: Ns | None = None, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw the states of both ends as two bars over time.

    Args:
        until: where the time axis ends; by default shortly after the last segment.
    """
    if ax is None:
        ax = plt.figure(figsize=(9, 3.4), facecolor=theme.paper, layout="constrained").add_subplot()
    style.dress(ax, theme)
    end = until or _active_until(life)
    ax.set(xlim=(0, end / MS), ylim=(1.6, -0.6), xlabel="time (ms)")
    ax.set_yticks([0, 1], [CLIENT, SERVER], fontsize=style.LABEL)
    ax.set_title("In which state is each end, and when?", loc="left", fontsize=style.TITLE, fontweight="bold")
    ax.grid(visible=False, axis="y")
    for row, who in enumerate((CLIENT, SERVER)):
        entered = [pair for pair in life.states[who] if pair[0] < end]
        for k, (at, state) in enumerate(entered):
            stop = min(entered[k + 1][0], end) if k + 1 < len(entered) else end
            if stop == at:
                continue
            ax.barh(
                row, (stop - at) / MS,
                0.74, left=at / MS, edgecolor=theme.ink, linewidth=0.9,
                color=theme.tint(getattr(theme, _PHASES.get(state, "line")), 0.4),
            )  # fmt: skip
            narrow = style.text_width(state, style.SMALL) > (stop - at) / end * 7.6
            ax.text(
                (at + stop) / 2 / MS, row, state, ha="center", va="center", color=theme.ink,
                fontsize=style.TINY if narrow else style.SMALL, rotation=90 if narrow else 0,
            )  # fmt: skip
    return ax


def _active_until(life: Life) -> Ns:
    """Shortly after the last segment."""
    times = life.capture.columns.time_ns
    return round((int(times.max()) - int(times.min())) * 1.15)


def words(life: Life, *, until: Ns | None = None) -> str:
    """What `states_over_time` shows."""
    said = []
    for who in (CLIENT, SERVER):
        entered = [(at, state) for at, state in life.states[who] if until is None or at < until]
        said.append(f"{who}: " + ", ".join(f"{state} from {in_ms(at):g} ms" for at, state in entered))
    return "; ".join(said)
