"""Notebook 08: flow control. A reader that sleeps, and the lost update of a window that had closed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.network.link_config import Fate, LinkConfig
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_simulation
from netlab.network.simulator import Passage, Simulation
from netlab.network.tcp_socket import TcpSocket
from netlab.packets.tcp import TcpSegment
from netlab.protocols.tcp import LINUX, Closed, Failed
from netlab.protocols.trace import Decision
from netlab.units import KIB, MS, Ns, S

PORT = 5001
LINK = "rate=10mbit delay=20ms queue=1000packets"
LOOK_EVERY: Ns = 20 * MS


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Both ends at one time: bytes on their way, the window that the sender knows, and what waits for the reader."""

    at: Ns
    in_flight: int
    rwnd: int
    waiting: int


class SleepingReader(msgspec.Struct, frozen=True, kw_only=True):
    """What happened while a reader slept.

    Attributes:
        closed_at, opened_at: when the sender was first told a window of 0, and when the first of more than 0 after it.
        probes: how many segments it sent into the closed window.
        update_lost: whether the network lost the first news of the open window.
    """

    moments: tuple[Moment, ...]
    sleeps: tuple[Ns, Ns]
    closed_at: Ns
    opened_at: Ns
    probes: int
    update_lost: bool
    decisions: tuple[Decision, ...]
    capture: Capture

    @property
    def silence_s(self) -> float:
        """From when the reader read again to when the sender knew it, seconds."""
        return (self.opened_at - self.sleeps[1]) / S

    def __str__(self) -> str:
        rows: list[tuple[str, float]] = [
            ("the reader falls asleep", self.sleeps[0] / S),
            ("the sender hears of a window of 0", self.closed_at / S),
            ("the reader reads again", self.sleeps[1] / S),
            ("the sender hears of an open window", self.opened_at / S),
        ]
        most = max(moment.waiting for moment in self.moments)
        return table(["event", "at (s)"], rows) + f"\n{self.probes} probes; at most {most} B waited to be read"

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """In flight, window and buffer over time."""
        ax = canvas("Who is too slow?", x="time (s)", y="KiB", ax=ax)
        parts = (
            ("window that the receiver offers", "rwnd"),
            ("in flight", "in_flight"),
            ("waits to be read", "waiting"),
        )
        for k, (name, key) in enumerate(parts):
            points = [(one.at / S, getattr(one, key) / KIB) for one in self.moments]
            line(ax, k, name, points, mark=False)
        ax.axvspan(
            self.sleeps[0] / S, self.sleeps[1] / S, color="#BBBBBB", alpha=0.3, hatch="//", label="the reader sleeps"
        )
        ax.set(xlim=(0, self.moments[-1].at / S), ylim=(0, None))
        legend(ax)
        return ax


class _Ends:
    """A sender that always has more to send, and a receiver that only reads while it is awake."""

    def __init__(self) -> None:
        self.sender: TcpSocket | None = None
        self.receiver: TcpSocket | None = None

    def established(self) -> None:
        """It stands: send much."""
        if self.sender is not None:
            self.sender.send(bytes(8 * 1024 * KIB))

    def received(self, data: bytes) -> None:
        """Read."""

    def peer_closed(self) -> None:
        """It does not."""

    def writable(self) -> None:
        """All was given to it at once."""

    def over(self, how: Closed | Failed) -> None:
        """The experiment ends before."""


def sleeping_reader(
    *,
    buffer: int = 64 * KIB,
    sleeps_s: tuple[float, float] = (0.5, 2.0),
    lose_update: bool = False,
    lasts_s: float = 4.0,
    seed: int = 7,
) -> SleepingReader:
    """A bulk sender and a reader that sleeps from one time to another.

    Args:
        buffer: of the receiver's TCP, bytes.
        lose_update: the network loses the packets that tell of the open window, until the sender asks.
    """
    sleeps = round(sleeps_s[0] * S), round(sleeps_s[1] * S)
    lost: tuple[int, ...] = ()
    if lose_update:
        lost = tuple(_Run(buffer, sleeps, round(lasts_s * S), (), seed).updates()[:1])
    return _Run(buffer, sleeps, round(lasts_s * S), lost, seed).result()


class _Run:
    def __init__(self, buffer: int, sleeps: tuple[Ns, Ns], lasts: Ns, lost: Sequence[int], seed: int) -> None:
        self.lost = lost
        self.sleeps = sleeps
        self.decisions: list[Decision] = []
        self.moments: list[Moment] = []
        self.back: list[tuple[int, Ns, int]] = []  # packets from the receiver: number, when sent, window
        self.probes = 0
        self.closed_at = self.opened_at = -1
        self.tap = Recording(comment=f"a reader that sleeps, seed {seed}")
        self.simulation = simulation = seeded_simulation(seed)
        simulation.trace = self.decisions.append
        client, server = simulation.host("client"), simulation.host("server")
        there = parse_link(LINK)
        back: LinkConfig = msgspec.structs.replace(there, fates=tuple(Fate(number, "drop") for number in lost))
        simulation.connect(client, server, there, back)
        for point in ("client", "client>server", "server>client", "server"):
            simulation.tap(point, self.tap)
        simulation.watch("server>client", self._heard)
        simulation.watch("client>server", self._sent)
        ends, self.ends = _Ends(), _Ends()
        server.tcp.listen(PORT, self._accept, config=msgspec.structs.replace(LINUX, receive_buffer=buffer))
        ends.sender = self.sender = client.tcp.connect(server.address, PORT, ends, config=LINUX)
        simulation.call_at(sleeps[0], lambda _: self._receiver.pause_reading(), None)
        simulation.call_at(sleeps[1], lambda _: self._receiver.resume_reading(), None)
        for at in range(0, lasts, LOOK_EVERY):
            simulation.call_at(at, self._look, simulation)
        simulation.run(until=lasts)

    def _accept(self, socket: TcpSocket) -> _Ends:
        self._receiver = socket
        return self.ends

    def _look(self, simulation: Simulation) -> None:
        tcb = self.sender.connection.tcb
        receiver = getattr(self, "_receiver", None)
        self.moments.append(
            Moment(
                at=simulation.now,
                in_flight=tcb.sender.outstanding,
                rwnd=tcb.sender.snd_wnd,
                waiting=0 if receiver is None else receiver.connection.waiting,
            )
        )

    def _heard(self, passage: Passage) -> None:
        segment = getattr(passage.packet, "body", None)
        if not isinstance(segment, TcpSegment):
            return
        self.back.append((passage.number, passage.came, segment.window))
        if passage.reason is None and segment.window == 0 and self.closed_at < 0:
            self.closed_at = passage.left
        if passage.reason is None and segment.window > 0 and self.closed_at >= 0 and self.opened_at < 0:
            self.opened_at = passage.left

    def _sent(self, passage: Passage) -> None:
        segment = getattr(passage.packet, "body", None)
        if isinstance(segment, TcpSegment) and self.closed_at >= 0 and self.opened_at < 0:
            self.probes += passage.came > self.closed_at

    def updates(self) -> list[int]:
        """Numbers of the packets that told of the open window, before the sender asked."""
        return [number for number, at, window in self.back if at >= self.sleeps[1] and window > 0]

    def result(self) -> SleepingReader:
        return SleepingReader(
            moments=tuple(self.moments),
            sleeps=self.sleeps,
            closed_at=self.closed_at,
            opened_at=self.opened_at,
            probes=self.probes,
            update_lost=bool(self.lost),
            decisions=tuple(self.decisions),
            capture=parse(self.tap.pcapng()),
        )
