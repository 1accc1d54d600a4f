"""The capstone: chat, live positions and a file on one bad link, carried as the student decides."""

from __future__ import annotations

import msgspec
from matplotlib.axes import Axes

from netlab.capture.files import Capture, parse
from netlab.course.experiments.canvas import canvas, legend, line
from netlab.course.experiments.table import table
from netlab.figures.comparison import talk_of
from netlab.network.recording import Recording
from netlab.scenarios import Ran, run
from netlab.scenarios.scenario import parse_scenario

LINK = "rate=5mbit delay=30ms loss=0.1% queue=150packets"

_THREE = """
about = "Chat, positions and a file"
source = "chosen for teaching"
link = "{link}"

[[flows]]
kind = "chat"
people = 4
messages = 30
over = "{chat}"

[[flows]]
kind = "datagrams"
rate = "{positions}"
size = "100B"
lasts = "8s"

[[flows]]
kind = "bulk"
size = "{file}"
cc = "{control}"
"""


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be decided.

    Attributes:
        chat: the transport of the chat: `udp`, `tcp` or `rudp`.
        control: the congestion control of the file, over TCP: `reno`, `cubic`, `bbr`.
        positions: the rate of the positions, in datagrams of 100 bytes.
    """

    chat: str = "tcp"
    control: str = "cubic"
    positions: str = "40kbit"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of designs, by name."""

    link: str
    runs: dict[str, Ran]

    def position_ms(self, name: str) -> float:
        """The age of nearly every position when it came, 99th percentile, ms."""
        return self.runs[name].flows[1].p99_ms or 0.0

    def __str__(self) -> str:
        rows = []
        for name, ran in self.runs.items():
            chat, position, file = ran.flows
            rows.append(
                (
                    name,
                    chat.lost,
                    f"{chat.p99_ms or 0:.0f}",
                    position.lost,
                    f"{position.p99_ms or 0:.0f}",
                    file.goodput_bit_s / 1e6,
                )
            )
        head = ["design", "texts lost", "text p99 (ms)", "positions lost", "position p99 (ms)", "file (Mbit/s)"]
        return table(head, rows)

    __repr__ = __str__

    def draw(self, ax: Axes | None = None) -> Axes:
        """How old positions are, over how fast the file is: a mark a design."""
        ax = canvas("What does each design cost?", x="file (Mbit/s)", y="age of a position, p99 (ms)", ax=ax)
        for k, (name, ran) in enumerate(self.runs.items()):
            line(ax, k, name, [(ran.flows[2].goodput_bit_s / 1e6, self.position_ms(name))])
        ax.margins(0.12)
        ax.set(xlim=(0, ax.get_xlim()[1] + 0.5), ylim=(0, None))
        legend(ax)
        return ax


def measure(designs: dict[str, Design], *, link: str = LINK, file: str = "2MB", seed: int = 7) -> Outcome:
    """Run each design on the same link, from the same seed."""
    runs = {}
    for name, design in designs.items():
        toml = _THREE.format(link=link, chat=design.chat, control=design.control, positions=design.positions, file=file)
        runs[name] = run(parse_scenario(toml), seed=seed)
    return Outcome(link=link, runs=runs)


_CHAT = """
about = "Four people in a room"
source = "chosen for teaching"
link = "rate=1mbit delay=30ms loss={loss:g}%"

[[flows]]
kind = "chat"
people = 4
messages = 8
over = "{over}"
"""


def chats(*, loss: float = 5.0, seed: int = 7) -> dict[str, Capture]:
    """A capture of the same chat over each transport, on a link that loses `loss` percent each way."""
    captures = {}
    for over in ("udp", "tcp", "rudp"):
        tap = Recording(comment=f"a chat over {over}, seed {seed}")
        run(parse_scenario(_CHAT.format(loss=loss, over=over)), seed=seed, tap=tap)
        captures[over.upper() if over != "rudp" else over] = parse(tap.pcapng())
    return captures


def copies_lost(capture: Capture) -> int:
    """How many copies of what was said in a chat never came to a receiver."""
    talk = talk_of(capture, "chat")
    return talk.expected - len(talk.came)
