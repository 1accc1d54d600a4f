"""Notebook 03: sockets of one host, and which of them gets what comes."""

from __future__ import annotations

import socket as sockets
from collections.abc import Callable
from ipaddress import IPv4Address

import matplotlib.pyplot as plt
import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import Program, TwoHosts
from netlab.figures import style
from netlab.figures.style import LIGHT, Theme
from netlab.units import MS

PORT = 9000


class Connection(msgspec.Struct, frozen=True):
    """A socket of the server: its own end, and the other one; None: it listens."""

    local: tuple[str, int]
    remote: tuple[str, int] | None
    got: str = ""


class Served(msgspec.Struct, frozen=True):
    """The server's sockets after everybody has connected and said something."""

    capture: Capture
    sockets: tuple[Connection, ...]

    @property
    def ports(self) -> int:
        """How many ports of the server these sockets use."""
        return len({one.local[1] for one in self.sockets})

    def __str__(self) -> str:
        rows = [
            (name(k), one.local[1], "anybody" if one.remote is None else f"{one.remote[0]}:{one.remote[1]}", one.got)
            for k, one in enumerate(self.sockets, 1)
        ]
        headings = ("the server's socket", "its port", "the other end", "what it got")
        return str(Table(headings, rows, f"{len(rows)} sockets, {self.ports} port"))

    __repr__ = __str__


def name(place: int) -> str:
    """What the server's sockets are called here: the first one listens."""
    return "listening" if place == 1 else f"connection {place - 1}"


def serve(clients: int = 3, *, seed: int = 5) -> Served:
    """Programs of one client host connect to one port of the server; each says who it is."""
    hosts = TwoHosts("delay=10ms", seed=seed)
    programs: list[Program] = []

    def accept(socket: object) -> Program:
        programs.append(program := Program(hosts, "server"))
        return program.take(socket)  # type: ignore[arg-type]

    hosts.server.tcp.listen(PORT, accept)
    for number in range(1, clients + 1):
        own = Program(hosts, f"client {number}")
        said = f"I am client {number}".encode()
        hosts.at(number * 30 * MS, own.connect, hosts.server, PORT)
        hosts.at(number * 30 * MS + 25 * MS, own.send, said)
    hosts.run(300 * MS)
    found = [Connection((hosts.server.address_text, PORT), None)]
    for program in programs:
        assert program.socket is not None
        local, remote = (_end(*pair) for pair in (program.socket.local, program.socket.remote))
        found.append(Connection(local, remote, program.recv(100).decode()))
    return Served(hosts.capture, tuple(found))


def _end(address: int, port: int) -> tuple[str, int]:
    return str(IPv4Address(address)), port


def diagram(served: Served, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw who talks with which socket: clients at the left, the server's sockets at the right."""
    if ax is None:
        ax = plt.figure(figsize=(9, 4.2), facecolor=theme.paper, layout="constrained").add_subplot()
    style.dress(ax, theme)
    count = len(served.sockets)
    ax.set(xlim=(-0.5, 3.1), ylim=(count + 0.7, 0.3), ylabel="sockets at the server")
    ax.set_title("Which socket gets it?", loc="left", fontsize=style.TITLE, fontweight="bold", color=theme.ink)
    ax.set_yticks(range(1, count + 1))
    ax.set_xticks([0, 1.05, 2.1], ["came from", f"all to port {PORT}", "goes to"], fontsize=style.LABEL)
    ax.grid(visible=False)
    for row, one in enumerate(served.sockets, 1):
        source = "a SYN from anybody new" if one.remote is None else f"{one.remote[0]}:{one.remote[1]}"
        ends = "any" if one.remote is None else f"{one.remote[0]}:{one.remote[1]}"
        target = f"{name(row)}\n{one.local[0]}:{one.local[1]}  with  {ends}"
        line = (0, (4, 2)) if one.remote is None else "-"
        ax.annotate(
            "", (1.42, row), (0.55, row), arrowprops={"arrowstyle": "-|>", "color": theme.ink, "linestyle": line}
        )
        for x, said, colour in ((0.05, source, theme.orange), (2.0, target, theme.blue)):
            ax.text(
                x, row, said, ha="center", va="center", fontsize=style.SMALL, color=theme.ink, zorder=8,
                bbox={"boxstyle": "round,pad=0.4", "facecolor": theme.tint(colour, 0.3), "edgecolor": theme.ink},
            )  # fmt: skip
    return ax


def words(served: Served) -> str:
    """What `diagram` shows."""
    said = []
    for place, one in enumerate(served.sockets, 1):
        source = "a SYN from anybody new" if one.remote is None else f"what comes from {one.remote[0]}:{one.remote[1]}"
        said.append(f"{source} to port {one.local[1]} goes to socket {place}, {name(place)}")
    return "; ".join(said)


def source_ports(sends: int = 3) -> Table:
    """UDP sockets of this machine that were not bound: which port does each send from? Asked of the kernel."""
    rows = []
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(2)
        for number in range(1, sends + 1):
            with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as sender:
                before = sender.getsockname()[1] if hasattr(sockets, "AF_UNIX") else 0
                sender.sendto(b"hi", receiver.getsockname())
                seen = receiver.recvfrom(100)[1][1]
                rows.append((f"socket {number}", before, sender.getsockname()[1], seen))
    return Table(("sender", "port before sendto", "and after", "port that the receiver sees"), rows)


def to_a_closed_port() -> Table:
    """Send to a UDP port of this machine where nobody is, from a socket that is connected and from one that is not."""
    with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    rows = []
    for connected in (False, True):
        with sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as sender:
            sender.settimeout(0.5)
            if connected:
                sender.connect(nobody)
            sent = _outcome(sender.send, b"hi") if connected else _outcome(sender.sendto, b"hi", nobody)
            rows.append(("connected" if connected else "not connected", sent, _outcome(sender.recv, 9)))
    return Table(("socket", "send", "recv"), rows)


def _outcome(call: Callable[..., object], *arguments: object) -> str:
    try:
        call(*arguments)
    except TimeoutError:
        return "nothing, for half a second"
    except OSError as error:
        return type(error).__name__
    return "returned"
