"""A run of the bench as it is shown: every lane with its packets, what was said and heard, and the states of its ends.

Times are ns from 0 o'clock, when everybody is in the room; what is below 0 is how they came in.
"""

from __future__ import annotations

import msgspec

from netlab.network.simulator import Passage
from netlab.scenarios.bench.contents import Contents, contents
from netlab.scenarios.bench.lane import Heard, Ran, Said, Sent, State, run_lane
from netlab.scenarios.bench.script import CLIENT, LANES, SERVER, THERE, Over, Script
from netlab.units import Ns

TITLES: dict[Over, str] = {"udp": "UDP", "tcp": "TCP", "rudp": "reliable UDP", "ws": "WebSocket"}

FATES = {
    "loss": "lost",
    "fate": "dropped by hand",
    "queue_full": "queue full",
    "too_big": "too big",
    "red": "dropped early by RED",
    "codel": "dropped by CoDel",
}
"""Why a packet did not come, by the link's reason for it."""

DELIVERED, CORRUPTED, ON_ITS_WAY = "delivered", "corrupted", "on its way"


class Packet(msgspec.Struct, frozen=True, kw_only=True):
    """One packet on the link.

    Attributes:
        id: what names it, such as `client>server:5`: counted in its direction, from 1.
        source, destination: hosts.
        sent: when.
        came: when it came out at the other end; empty where it did not, two where it was duplicated.
        gone: when it was lost, where it was.
        fate: `delivered`, `corrupted` (it came, and whoever it came to throws it away), `on its way` when the run ends,
            or one of `FATES`.
        by_hand: what the script does to it; "" where the dice had their way.
        says: what is in it, in a line; printable.
        carries: the text that it carries, or a part of it; None where it carries none.
        again: all of its data was sent before.
        bytes: of the whole frame.
    """

    id: str
    source: str
    destination: str
    sent: Ns
    came: tuple[Ns, ...]
    gone: Ns | None
    fate: str
    by_hand: str
    says: str
    carries: str | None
    again: bool
    bytes: int


class Summed(msgspec.Struct, frozen=True, kw_only=True):
    """What one lane comes to, from 0 o'clock on.

    Attributes:
        sent: packets; `bytes`: of their frames.
        lost: of these, those that never came or came damaged; `again`: those whose data was sent before.
        said: texts; `heard`: those that bob heard, each as often as he heard it.
    """

    sent: int
    bytes: int
    lost: int
    again: int
    said: int
    heard: int


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One transport's copy of the run. `broken` tells why it ended early; "" where it did not."""

    over: Over
    title: str
    began: Ns
    broken: str
    packets: list[Packet]
    said: list[Said]
    heard: list[Heard]
    states: list[State]
    summary: Summed


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The whole run; `script` is as it was understood."""

    seed: int
    until: Ns
    script: Script
    lanes: list[Lane]


def timeline(script: Script) -> Timeline:
    """Run a script from its beginning to its end, in every lane."""
    lanes = [lane_of(run_lane(script, over), script) for over in LANES]
    return Timeline(seed=script.seed, until=script.until, script=script, lanes=lanes)


def lane_of(ran: Ran, script: Script) -> Lane:
    """What came of one lane, as it is shown."""
    zero = ran.ended if ran.zero is None else ran.zero
    by_hand = {fate.packet: fate.do for fate in script.fates if fate.over == ran.over}
    packets = [
        _packet(sent, zero, by_hand.get(name_of(sent), ""), inside)
        for sent, inside in zip(ran.sent, contents(ran), strict=True)
    ]
    said = [
        msgspec.structs.replace(one, at=one.at - zero, ended=None if one.ended is None else one.ended - zero)
        for one in ran.said
    ]
    return Lane(
        over=ran.over,
        title=TITLES[ran.over],
        began=-zero,
        broken=ran.broken,
        packets=packets,
        said=said,
        heard=[Heard(one.at - zero, one.text) for one in ran.heard],
        states=[msgspec.structs.replace(state, at=state.at - zero) for state in ran.states],
        summary=_summed(packets, len(said), len(ran.heard)),
    )


def name_of(sent: Sent) -> str:
    """What a packet is called."""
    return f"{sent.direction}:{sent.number}"


def _packet(sent: Sent, zero: Ns, by_hand: str, inside: Contents) -> Packet:
    came = tuple(sorted(passage.left - zero for passage in sent.passages if passage.reason is None))
    source, destination = (CLIENT, SERVER) if sent.direction == THERE else (SERVER, CLIENT)
    return Packet(
        id=name_of(sent),
        source=source,
        destination=destination,
        sent=sent.at - zero,
        came=came,
        gone=None if came or not sent.passages else sent.passages[0].left - zero,
        fate=_fate(sent.passages, came),
        by_hand=by_hand,
        says=inside.says,
        carries=inside.carries,
        again=inside.again,
        bytes=len(sent.frame),
    )


def _fate(passages: list[Passage], came: tuple[Ns, ...]) -> str:
    if any(passage.corruption is not None for passage in passages):
        return CORRUPTED
    if came:
        return DELIVERED
    return FATES[passages[0].reason or ""] if passages else ON_ITS_WAY


def _summed(packets: list[Packet], said: int, heard: int) -> Summed:
    since = [packet for packet in packets if packet.sent >= 0]
    return Summed(
        sent=len(since),
        bytes=sum(packet.bytes for packet in since),
        lost=sum(packet.fate not in (DELIVERED, ON_ITS_WAY) for packet in since),
        again=sum(packet.again for packet in since),
        said=said,
        heard=heard,
    )
