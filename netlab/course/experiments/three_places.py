"""Notebook 02: the same packets seen at the sender, on the wire and at the receiver."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path
from zlib import crc32

import matplotlib.pyplot as plt
import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture
from netlab.capture.vantage import Journey, journeys
from netlab.course.check.conversation import framed_datagram
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import CLIENT, EPOCH, SERVER, TwoHosts, in_ms
from netlab.figures import style
from netlab.figures.style import LIGHT, Theme
from netlab.units import MS, Ns

PORT = 9001
WIRE = f"{CLIENT}>{SERVER}"
WHERE = {CLIENT: "at the client", WIRE: "on the wire", SERVER: "at the server"}
PLACES = tuple(WHERE)


class ThreePlaces(msgspec.Struct, frozen=True):
    """One flow, seen at three places.

    Attributes:
        capture: of all of them.
        journeys: of each datagram, in the order of sending.
    """

    capture: Capture
    journeys: tuple[Journey, ...]

    @property
    def lists(self) -> dict[str, list[tuple[Ns, int, bool]]]:
        """What each place saw, in its order: when, which datagram (from 1), and whether it was dropped there."""
        seen: dict[str, list[tuple[Ns, int, bool]]] = {place: [] for place in PLACES}
        for number, journey in enumerate(self.journeys, 1):
            seen[CLIENT].append((self._when(journey.sent), number, False))
            for copy in journey.copies:
                if copy.wire is not None:
                    seen[WIRE].append((self._when(copy.wire), number, copy.dropped is not None))
                if copy.received is not None:
                    seen[SERVER].append((self._when(copy.received), number, False))
        return {place: sorted(those) for place, those in seen.items()}

    def _when(self, number: int) -> Ns:
        return (self.capture.packet(number).record.time_ns or EPOCH) - EPOCH

    def __str__(self) -> str:
        return str(self.table)

    __repr__ = __str__

    @property
    def table(self) -> Table:
        """The three lists, aligned: a row a datagram, its times in ms."""
        cells: dict[int, dict[str, str]] = {number: {} for number in range(1, len(self.journeys) + 1)}
        for place, those in self.lists.items():
            for at, number, dropped in those:
                said = f"{in_ms(at):.1f}" + (" dropped" if dropped else "")
                cells[number][place] = ", ".join(filter(None, [cells[number].get(place, ""), said]))
        rows = [(number, *(found.get(place, "never seen") for place in PLACES)) for number, found in cells.items()]
        counts = ", ".join(f"{len(self.lists[place])} {where}" for place, where in WHERE.items())
        return Table(("datagram", *(f"{where}, ms" for where in WHERE.values())), rows, f"seen: {counts}")


def look(
    link: str = "delay=20ms drop=3 duplicate=15% reorder=20%", *, count: int = 8, every: Ns = 5 * MS, seed: int = 3
) -> ThreePlaces:
    """Send numbered datagrams over a link that is not kind, and look at three places."""
    hosts = TwoHosts(link, seed=seed)
    hosts.server.bind(PORT, lambda payload, address, port: None)
    socket = hosts.client.bind(0, lambda payload, address, port: None)
    for number in range(1, count + 1):
        text = f"datagram {number}".encode()
        hosts.at(number * every, socket.sendto, text, hosts.server.address, PORT)
    hosts.run()
    capture = hosts.capture
    return ThreePlaces(capture, tuple(journeys(capture)))


def lists(seen: ThreePlaces, *, ax: Axes | None = None, theme: Theme = LIGHT) -> Axes:
    """Draw what each place's capture holds, record by record; a line joins what is the same datagram."""
    if ax is None:
        ax = plt.figure(figsize=(9, 4.6), facecolor=theme.paper, layout="constrained").add_subplot()
    style.dress(ax, theme)
    those = seen.lists
    most = max(map(len, those.values()))
    ax.set(xlim=(-0.6, 2.6), ylim=(most + 0.9, 0.3), ylabel="record of that capture")
    ax.set_title(
        "Three captures of one flow: do they agree?",
        loc="left",
        fontsize=style.TITLE,
        fontweight="bold",
        color=theme.ink,
    )
    ax.set_xticks(range(3), list(WHERE.values()), fontsize=style.LABEL)
    ax.set_yticks(range(1, most + 1))
    ax.grid(visible=False)
    where: dict[str, dict[int, list[int]]] = {place: {} for place in PLACES}
    for place, records in those.items():
        for row, (_, number, _) in enumerate(records, 1):
            where[place].setdefault(number, []).append(row)
    for x, (one, other) in enumerate(((CLIENT, WIRE), (WIRE, SERVER))):
        for number, rows in where[one].items():
            for k, target in enumerate(where[other].get(number, [])):
                start = rows[min(k, len(rows) - 1)]
                ax.plot((x + 0.27, x + 0.73), (start, target), color=theme.faint, linewidth=1.1, linestyle=(0, (4, 2)))
    for x, records in enumerate(those.values()):
        copies: Counter[int] = Counter()
        for row, (at, number, dropped) in enumerate(records, 1):
            copies[number] += 1
            again = " again" if copies[number] > 1 else ""
            said = f"{number}{again}, {in_ms(at):.1f} ms" + ("  ×" if dropped else "")
            colour = theme.vermillion if dropped else theme.orange if again else theme.blue
            ax.text(
                x, row, said, ha="center", va="center", fontsize=style.SMALL, color=theme.ink, zorder=8,
                bbox={"boxstyle": "round,pad=0.3", "facecolor": theme.tint(colour, 0.3), "edgecolor": theme.ink},
            )  # fmt: skip
    return ax


def words(seen: ThreePlaces) -> str:
    """What `lists` shows."""
    said = []
    for place, records in seen.lists.items():
        held = ", ".join(f"{number}{' (dropped)' if dropped else ''}" for _, number, dropped in records)
        said.append(f"{WHERE[place]}: datagrams {held}")
    return "; ".join(said)


def oddities(capture: Capture) -> Table:
    """What looks wrong in a capture and is not: checksums that are not filled in, and packets above Ethernet's MTU."""
    unfilled = large = right = 0
    for packet in capture:
        notes = " ".join(note for layer in packet.layers for note in layer.notes)
        summed = any(layer.protocol in ("TCP", "UDP") for layer in packet.layers)
        unfilled += summed and "checksum is not filled in" in notes
        right += summed and "checksum" not in notes
        large += packet.summary.length > 1514
    largest = max((packet.summary.length for packet in capture), default=0)
    rows = [
        ("packets in the capture", len(capture)),
        ("with a transport checksum that is right", right),
        ("with one that is not filled in yet", unfilled),
        ("longer than an Ethernet frame of 1514 B", large),
        ("bytes of the longest", largest),
    ]
    return Table(("what", "how many"), rows)


def mtus() -> Table:
    """The largest packets that this machine's interfaces take, asked of the kernel."""
    folder = Path("/sys/class/net")
    rows = [(one.name, int((one / "mtu").read_text())) for one in sorted(folder.glob("*")) if (one / "mtu").is_file()]
    return Table(("interface", "MTU, bytes"), rows, "" if rows else "this system does not say it in files")


def seen_going_and_coming() -> Table:
    """What a tool that looks at a loopback interface in both directions notes of two datagrams with the same text:
    each goes out and comes in again, equal to the last byte. IP's identification tells one datagram from the other."""
    here = IPv4Address("127.0.0.1")
    rows: list[tuple[object, ...]] = []
    for number, sent_us in ((1, 0), (2, 100_000)):
        frame = framed_datagram(b"hi", here, here, number=number)
        for at in (sent_us, sent_us + 4):
            rows.append((len(rows) + 1, at, int.from_bytes(frame[18:20], "big"), frame[42:].decode(), crc32(frame)))
    return Table(("record", "time, µs", "identification", "text", "CRC-32 of its bytes"), rows)
