"""What is asked of a run beside its timeline: one packet taken apart, and everything as a capture file."""

from __future__ import annotations

from typing import Any

from netlab.capture.files import parse
from netlab.scenarios.bench.lane import Ran, run_lane
from netlab.scenarios.bench.script import BACK, LANES, THERE, BadScript, Over, Script
from netlab.scenarios.bench.timeline import name_of


def packet(script: Script, over: str, name: str) -> dict[str, Any]:
    """One packet of a lane by layer and field, as `netlab layers --packet N --json` tells it: as it was sent, or where
    the link damaged it, as it came.

    Args:
        name: its id in the timeline: `client>server:5`.

    Raises:
        BadScript: there is no such lane, or no such packet.
    """
    ran = _ran(script, over)
    sent = next((sent for sent in ran.sent if name_of(sent) == name), None)
    if sent is None:
        raise BadScript(f"packet: {name!r} is none of this run's: write such as {THERE}:1 or {BACK}:1")
    return parse(ran.pcapng).packet(sent.damaged or sent.record).told


def capture(script: Script, over: str) -> bytes:
    """A lane as a pcapng file: what both hosts and both directions of the link saw, what was lost among it.

    Raises:
        BadScript: there is no such lane.
    """
    return _ran(script, over).pcapng


def _ran(script: Script, over: str) -> Ran:
    lanes: dict[str, Over] = {lane: lane for lane in LANES}
    if over not in lanes:
        raise BadScript(f"over: {over!r} is no lane: write one of {', '.join(LANES)}")
    return run_lane(script, lanes[over])
