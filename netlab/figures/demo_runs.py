"""Runs that demos of figures are drawn from: small, seeded, and the same everywhere."""

from __future__ import annotations

import functools

from netlab.capture.files import Capture, parse
from netlab.network.recording import Recording
from netlab.protocols.trace import Decision
from netlab.scenarios.scenario import parse_scenario
from netlab.scenarios.simulated import EPOCH, run

BULK = """
about = "One bulk flow on a line with a short queue"
source = "chosen for drawing"
there = "rate=4mbit delay=20ms queue=20packets {there}"
back = "delay=20ms"

[[flows]]
kind = "bulk"
lasts = "{lasts}"
size = "{size}"
cc = "{cc}"
"""

DATAGRAMS = """
about = "Datagrams on a line that loses, doubles and reorders"
source = "chosen for drawing"
there = "rate=2mbit delay=20ms {there}"
back = "delay=20ms"

[[flows]]
kind = "datagrams"
rate = "{rate}"
size = "500B"
lasts = "{lasts}"
"""

CHAT = """
about = "People in one room"
source = "chosen for drawing"
link = "rate=1mbit delay=30ms {there}"

[[flows]]
kind = "chat"
people = {people}
messages = 3
size = "{size}"
over = "{over}"
"""


@functools.cache
def simulated(toml: str, seed: int) -> tuple[Capture, tuple[Decision, ...]]:
    """The capture of a scenario's run, and what its senders decided."""
    tap, decisions = Recording(epoch=EPOCH), list[Decision]()
    run(parse_scenario(toml), seed=seed, tap=tap, trace=decisions.append)
    return parse(tap.pcapng()), tuple(decisions)


def bulk(
    cc: str = "cubic", *, there: str = "", lasts: str = "6s", size: str = "", seed: int = 4
) -> tuple[Capture, tuple[Decision, ...]]:
    """One bulk flow over our TCP, for so long or of so many bytes."""
    return simulated(BULK.format(cc=cc, there=there, lasts=lasts, size=size), seed)


def datagrams(there: str, *, rate: str = "1mbit", lasts: str = "300ms", seed: int = 4) -> Capture:
    """Numbered datagrams."""
    return simulated(DATAGRAMS.format(there=there, rate=rate, lasts=lasts), seed)[0]


def chat(over: str, *, there: str = "", size: str = "100B", people: int = 4, seed: int = 4) -> Capture:
    """People in a room."""
    return simulated(CHAT.format(over=over, there=there, size=size, people=people), seed)[0]


def three_flows(seed: int = 4) -> Capture:
    """Two flows of CUBIC and one of Reno on one line, begun one after the other."""
    first, _, _ = BULK.partition("[[flows]]")
    toml = first + "".join(
        f'[[flows]]\nkind = "bulk"\nbegins = "{begins}s"\nlasts = "{7 - begins}s"\ncc = "{cc}"\n'
        for cc, begins in (("cubic", 0), ("cubic", 2), ("reno", 4))
    )
    return simulated(toml.format(there=""), seed)[0]
