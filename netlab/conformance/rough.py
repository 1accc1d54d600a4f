"""Everything that goes wrong with datagrams, at once, and a transport that promises as much as a stream."""

from __future__ import annotations

from collections import Counter

from netlab.conformance.connected import LOSS_RATE, order
from netlab.conformance.evidence import DUPLICATES, LOSS, Evidence, Ground
from netlab.conformance.scene import Scene, scene

FAULTS = {"loss": LOSS_RATE, "duplicate": 0.1, "reorder": 0.2, "corrupt": 0.01}
"""Of each direction. Damage is made between two sockets, so that the UDP checksum fits again and notices nothing."""

WHAT = ("in", "lost", "duplicated", "held", "corrupted")
"""What the network counts of each direction."""

A_MESSAGE_S = 0.1
"""What a message may take at most, s: it crosses two such paths, and each way back an acknowledgement."""


async def rough(ground: Ground) -> list[Evidence]:
    """Two talk; a third of what goes either way is lost, a tenth doubled, a fifth held back, a hundredth damaged."""
    count = ground.scale.loss_messages // 2
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=2) as s:
        before = await _happened(s)
        await s.relay.ask("datagram_faults", 10, paths=s.paths, up=FAULTS, down=FAULTS)
        await s.send(count, 60 + count * A_MESSAGE_S)
        await s.relay.ask("datagram_faults", 10, paths=s.paths)
        network = await _happened(s)
        network.subtract(before)
        await s.settle()
        report = await s.finish()
    share = ", ".join(f"{100 * network[what] / max(1, network['in']):.0f} % {what}" for what in WHAT[1:])
    what = f"{report.sent} messages, {network['in']} datagrams, {share}"
    lost, duplicates, heard = report.total("lost"), report.total("duplicates"), report.total("heard")
    was_rough = all(network[what] > 0 for what in WHAT)
    return [
        *order(report, what),
        Evidence(
            guarantee=LOSS,
            kept=lost == 0 and report.ok == report.sent > 0 and was_rough,
            seen=f"{what}: {report.ok} ok, {lost} lost",
            figures={"sent": report.sent, "ok": report.ok, "lost": lost, "network": dict(network)},
        ),
        Evidence(
            guarantee=DUPLICATES,
            kept=duplicates == 0 and heard > 0 and was_rough,
            seen=f"{what}: {duplicates} duplicates of {heard} heard",
            figures={"heard": heard, "duplicates": duplicates},
        ),
    ]


async def _happened(s: Scene) -> Counter[str]:
    """What the network did so far, on all paths, both ways."""
    counts = [await s.counters(path) for path in s.paths]
    return Counter({what: sum(way.get(what, 0) for count in counts for way in count.values()) for what in WHAT})
