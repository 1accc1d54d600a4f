"""Notebook 07: a reliable channel on one that is not: three ARQs on the same losses; what an ambiguous sample does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.network.link_config import Fate
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.simulator import Tap
from netlab.packets.ethernet import HEADER_LEN as ETHERNET_HEADER
from netlab.protocols.arq import Arq, Data, GoBackN, SelectiveRepeat, StopAndWait, decode
from netlab.protocols.round_trips import RoundTrips
from netlab.scenarios.race_arq import HEADERS, ArqResult, ArqRules, race_arqs
from netlab.units import MS, Ns, S

NAMES: dict[str, type[Arq]] = {
    "stop-and-wait": StopAndWait,
    "go-back-n": GoBackN,
    "selective-repeat": SelectiveRepeat,
}
LINK = "rate=10mbit delay=20ms loss={loss:g}%"


class Race(msgspec.Struct, frozen=True, kw_only=True):
    """What the three got through on one link."""

    link: str
    window: int
    results: tuple[ArqResult, ...]

    def goodput(self, name: str) -> float:
        """Of the ARQ of that name, Mbit/s."""
        return next(result.goodput_bit_s for result in self.results if result.name == name) / 1e6

    def __str__(self) -> str:
        rows = [
            (r.name, r.goodput_bit_s / 1e6, (r.theory_bit_s or 0) / 1e6, r.delivered, r.sent, r.retransmissions)
            for r in self.results
        ]
        return table(["ARQ", "goodput Mbit/s", "theory", "delivered", "sent", "of them again"], rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """Goodput of each, beside what theory says."""
        ax = canvas("Which ARQ gets how much through?", x="", y="goodput (Mbit/s)", ax=ax)
        for k, result in enumerate(self.results):
            goodput, theory = result.goodput_bit_s / 1e6, (result.theory_bit_s or 0) / 1e6
            line(ax, k, f"_{result.name}", [(k, goodput)])  # its name stands below it, and not in the legend
            away = 4 if goodput > theory else -13
            ax.annotate(f"{goodput:.2f}", (k, goodput), (9, away), textcoords="offset points")
            if theory:
                named = "theory" if k == 0 else ""
                ax.plot([k - 0.25, k + 0.25], [theory] * 2, color="black", linestyle="--", linewidth=1, label=named)
        ax.set_xticks(range(len(self.results)), [result.name for result in self.results])
        ax.set(xlim=(-0.6, len(self.results) - 0.4), ylim=(0, None))
        ax.set_title(f"{self.link}, window {self.window}", loc="right", fontsize=8)
        legend(ax)
        return ax


def race(*, loss: float, window: int = 16, seed: int = 7, lasts_s: int = 30) -> Race:
    """The three ARQs, each alone on a link of 10 Mbit/s and 20 ms each way that loses `loss` percent both ways."""
    link = LINK.format(loss=loss)
    config = parse_link(link)
    rules = ArqRules(window=window, lasts=lasts_s * S)
    results = race_arqs(list(NAMES.values()), (config, config), rules, seed=seed)
    return Race(link=link, window=window, results=tuple(results))


class Windows(msgspec.Struct, frozen=True, kw_only=True):
    """Goodput of each ARQ by window, Mbit/s: `{(name, loss): [(window, goodput), ...]}`."""

    lines: dict[tuple[str, float], list[tuple[int, float]]]

    def __str__(self) -> str:
        windows = [window for window, _ in next(iter(self.lines.values()))]
        rows = [
            (f"{name}, {loss:g} % loss", *(f"{goodput:.2f}" for _, goodput in points))
            for (name, loss), points in self.lines.items()
        ]
        return table(["Mbit/s with a window of", *map(str, windows)], rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """A line for each ARQ and loss."""
        ax = canvas("How large a window is worth having?", x="window (packets)", y="goodput (Mbit/s)", ax=ax)
        for k, ((name, loss), points) in enumerate(self.lines.items()):
            line(ax, k, f"{name}, {loss:g} % loss", points)
        windows = [window for window, _ in next(iter(self.lines.values()))]
        ax.set_xscale("log", base=2)
        ax.set_xticks(windows, [str(window) for window in windows])
        ax.set_ylim(0, None)
        legend(ax)
        return ax


def by_window(
    *, losses: Sequence[float] = (0.1, 2.0), windows: Sequence[int] = (1, 2, 4, 8, 16, 32), seed: int = 7
) -> Windows:
    """Go-back-N and selective repeat with larger and larger windows, at a little loss and at more."""
    lines: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for loss in losses:
        config = parse_link(LINK.format(loss=loss))
        for name in ("go-back-n", "selective-repeat"):
            lines[name, loss] = [(window, _goodput(NAMES[name], config, window, seed)) for window in windows]
    return Windows(lines=lines)


def _goodput(arq: type[Arq], config: object, window: int, seed: int) -> float:
    rules = ArqRules(window=window, lasts=10 * S)
    return race_arqs([arq], (config, config), rules, seed=seed)[0].goodput_bit_s / 1e6  # type: ignore[arg-type]


class OneLoss(msgspec.Struct, frozen=True, kw_only=True):
    """What each ARQ sent, packet by packet, on a link that lost one.

    Attributes:
        lost: which data packet, in the order in which they were sent, counted from 1.
        sent: for each ARQ the numbers of its data packets, in the order in which they were sent.
        captures: what a tap at both ends and on the link saw.
    """

    lost: int
    sent: dict[str, tuple[int, ...]]
    captures: dict[str, Capture]

    def __str__(self) -> str:
        rows = [(name, " ".join(map(str, numbers[:16]))) for name, numbers in self.sent.items()]
        return table(["ARQ", f"numbers of its data packets, in the order sent; sending {self.lost} was lost"], rows)

    __repr__ = __str__


def one_loss(*, lost: int = 5, window: int = 4, lasts_ms: int = 270) -> OneLoss:
    """Each ARQ loses one data packet, and nothing else."""
    clean = parse_link("rate=1mbit delay=20ms")
    there = msgspec.structs.replace(clean, fates=(Fate(lost, "drop"),))
    rules = ArqRules(window=window, size=200, min_rto=100 * MS, lasts=lasts_ms * MS)
    captures, sent = {}, {}
    for name, arq in NAMES.items():
        tap, numbers = Recording(comment=f"{name}: data packet {lost} is lost"), _Numbers()
        race_arqs([arq], (there, clean), rules, seed=1, tap=_Both(tap, numbers))
        captures[name], sent[name] = parse(tap.pcapng()), tuple(numbers.seen_numbers)
    return OneLoss(lost=lost, sent=sent, captures=captures)


class _Numbers:
    """A tap that reads the numbers of the data packets that the client sends."""

    def __init__(self) -> None:
        self.seen_numbers: list[int] = []

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`."""
        if point == "client" and outbound:
            pdu = decode(frame[ETHERNET_HEADER + HEADERS :])
            if isinstance(pdu, Data):
                self.seen_numbers.append(pdu.number)


class _Both:
    """Two taps as one."""

    def __init__(self, *taps: Tap) -> None:
        self._taps = taps

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`."""
        for tap in self._taps:
            tap.seen(point, at, frame, comment, outbound=outbound)


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """The retransmission timeout of two senders, packet by packet, on a path that became slower.

    Attributes:
        rtts: the true round trip of each packet, ms.
        karn, naive: the timeout after each packet, ms.
        karn_again, naive_again: how often each sent a packet again that was not lost.
    """

    rtts: tuple[int, ...]
    karn: tuple[float, ...]
    naive: tuple[float, ...]
    karn_again: int
    naive_again: int

    def __str__(self) -> str:
        half = len(self.rtts) // 2
        rows = [
            ("with Karn's rule", self.karn[half - 1], self.karn[-1], self.karn_again),
            ("without", self.naive[half - 1], self.naive[-1], self.naive_again),
        ]
        return table(["sender", "RTO before (ms)", "RTO at the end (ms)", "sent again for nothing"], rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """Both timeouts over the true round trip."""
        ax = canvas("What does an ambiguous sample do to the timeout?", x="packet", y="time (ms)", ax=ax)
        line(ax, 0, "timeout with Karn's rule", list(enumerate(self.karn, 1)))
        line(ax, 1, "timeout without", list(enumerate(self.naive, 1)))
        ax.step(
            range(1, len(self.rtts) + 1),
            self.rtts,
            where="mid",
            color="black",
            linestyle="--",
            label="the true round trip",
        )
        ax.set_ylim(0, None)
        legend(ax)
        return ax


def ambiguous(*, before_ms: int = 100, after_ms: int = 700, packets: int = 24) -> Samples:
    """Nothing is lost; half-way the round trip grows beyond the timeout. One sender takes no sample of what it sent
    twice; the other takes the time from the last sending."""
    rtts = tuple(before_ms if k < packets // 2 else after_ms for k in range(packets))
    karn, karn_again = _timeouts(rtts, lambda trips, rtt, waited: None)
    naive, naive_again = _timeouts(rtts, lambda trips, rtt, waited: trips.update((rtt - waited) * MS))
    return Samples(rtts=rtts, karn=karn, naive=naive, karn_again=karn_again, naive_again=naive_again)


def _timeouts(
    rtts: Sequence[int], when_ambiguous: Callable[[RoundTrips, int, int], object]
) -> tuple[tuple[float, ...], int]:
    trips, again, timeouts = RoundTrips(min_rto=200 * MS), 0, []
    for rtt in rtts:
        waited = 0
        while waited + trips.rto // MS < rtt:  # it comes to the first sending's acknowledgement after all
            waited += trips.rto // MS
            trips.back_off()
            again += 1
        if waited:
            when_ambiguous(trips, rtt, waited)
        else:
            trips.update(rtt * MS)
        timeouts.append(trips.rto / MS)
    return tuple(timeouts), again
