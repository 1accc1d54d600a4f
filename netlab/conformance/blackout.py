"""Experiments with datagrams where nothing passes for a while, or the hub is killed: what a transport that offers
nothing for that case does about it."""

from __future__ import annotations

from netlab.conformance.evidence import BEYOND, CUT, KILLED, RESUMED, Evidence, Ground
from netlab.conformance.scene import scene

SAID = 30


async def blackout(ground: Ground) -> list[Evidence]:
    """A sender's path carries nothing for a while, then a receiver's; a tenth of all datagrams comes twice."""
    faults = {"duplicate": 0.1}
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed) as s:
        await s.relay.ask("datagram_faults", 10, paths=s.paths, up=faults, down=faults)
        await s.send(2 * SAID)
        await s.settle()
        await s.relay.ask("block", 10, paths=["s0"], blocked=True)
        during = await s.send(SAID)
        await s.relay.ask("block", 10, paths=["s0"], blocked=False)
        await s.settle()
        before = (await s.receivers["r0"].ask("wait", 10))["different"]
        await s.relay.ask("block", 10, paths=["r0"], blocked=True)
        await s.send(SAID)
        await s.relay.ask("block", 10, paths=["r0"], blocked=False)
        await s.settle()
        after = (await s.receivers["r0"].ask("wait", 10))["different"]
        await s.relay.ask("datagram_faults", 10, paths=s.paths)
        await s.send(SAID)
        await s.settle()
        report = await s.finish()
    r0 = report.of("r0")
    duplicates, gaps = report.total("duplicates"), sum(len(receiver.gaps) for receiver in report.receivers)
    never = report.unknown - report.unknown_heard
    away = f"a receiver away for {SAID} messages missed {SAID - (after - before)}"
    return [
        Evidence(
            guarantee=CUT,
            kept=duplicates == 0 and never == 0,
            missing=duplicates > 0 and never > 0,
            seen=f"{SAID} said while cut: {during.get('unknown', 0)} unknown, {never} never came; with 10 % doubled"
            f" each way {duplicates} came more than once",
            figures={"unknown": report.unknown, "never_came": never, "duplicates": duplicates},
        ),
        Evidence(
            guarantee=RESUMED,
            kept=r0.lost == 0 and duplicates == 0 and report.ok == report.sent,
            missing=r0.lost > 0,
            seen=f"{away}; of {report.sent} messages {report.ok} ok, {r0.lost} lost although ok",
            figures={"sent": report.sent, "ok": report.ok, "lost": r0.lost},
        ),
        Evidence(
            guarantee=BEYOND,
            kept=r0.lost == r0.told,
            missing=r0.lost > r0.told,
            seen=f"{away}, {gaps} gaps told; its own counter says {report.counters['r0'].get('missing', 0)} missing",
            figures={"lost": r0.lost, "told": r0.told, "gaps": gaps},
        ),
    ]


async def killed(ground: Ground) -> list[Evidence]:
    """The hub is killed and started again; the sender finds out when it speaks, who only listens does not."""
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed) as s:
        await s.send(SAID)
        await s.settle()
        await s.hub.kill()
        await s.send(SAID)
        await s.restart_hub()
        await s.send(5)
        await s.senders["s0"].ask("wait", 60, restarted=1)
        await s.send(SAID)
        report = await s.finish()
    lost, told = report.total("lost"), report.total("told")
    return [
        Evidence(
            guarantee=KILLED,
            kept=lost == told and report.unknown == 0,
            missing=lost > told,
            seen=f"{report.unknown} said meanwhile are unknown, {report.unknown_heard} of them came; of what was said"
            f" afterwards and ended ok, {lost} never came to {len(report.receivers)} receivers, {told} of that told",
            figures={"ok": report.ok, "unknown": report.unknown, "lost": lost, "told": told},
        )
    ]
