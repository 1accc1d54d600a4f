"""Experiments with cut connections: with resume, without, beyond its window, and with the hub killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from netlab.conformance.compare import Report
from netlab.conformance.evidence import BEYOND, CUT, DUPLICATES, KILLED, RESUMED, Evidence, Ground
from netlab.conformance.scene import WITNESS, Scene, scene, together
from netlab.units import MS, S

CUT_WITHIN = 6_000
"""A connection that is resumed is cut within so many bytes: some dozens of messages."""

CUT_UNRESUMED_WITHIN = 30_000
"""One that is not, within so many: a new session is there at once, so more can be said in the same time."""

EARLY_SHARE = 0.15
"""Share of connections cut during their handshake."""

A_CUT_S = 8.0
"""What one cut may take at most, s: the pauses between attempts to connect double."""


async def resumed(ground: Ground) -> list[Evidence]:
    """Cut at random points, resumed in time: nothing lost, nothing twice."""
    subject, cuts = ground.subject, ground.scale.cuts
    async with scene(subject, ground.spec, ground.directory, ground.seed, senders=2, witness=True) as s:
        async with talking(s, gap_ms=8.0):
            await _cut(s, _talkers(s), cuts, CUT_WITHIN)
        await s.settle(60)
        resumes = sum([await _tally(s, name, "resumed") for name in s.paths])
        report = await s.finish()
    lost, duplicates = report.total("lost"), report.total("duplicates")
    exact = lost == duplicates == report.swapped == report.total("reordered") == report.total("unexpected") == 0
    all_ok = report.ok == report.sent > 0
    seen = f"{cuts} cuts at random points, {resumes} resumed: of {report.sent} messages {report.ok} ok,"
    again = [
        Evidence(
            guarantee=DUPLICATES,
            kept=duplicates == 0 and report.total("heard") > 0,
            seen=f"{cuts} cuts, everything in flight sent again: {duplicates} duplicates of"
            f" {report.total('heard')} heard",
            figures={"heard": report.total("heard"), "duplicates": duplicates},
        )
    ]
    return (again if subject.link == "stream" else []) + [  # over datagrams the network doubles: see `rough`
        Evidence(
            guarantee=RESUMED,
            kept=exact and all_ok and report.total("untold") == 0 and report.unended == 0,
            seen=f"{seen} {lost} lost, {duplicates} duplicates, {report.total('reordered')} out of order",
            figures={"cuts": cuts, "resumed": resumes, "sent": report.sent, "ok": report.ok, "lost": lost},
        ),
    ]


async def unresumed(ground: Ground) -> list[Evidence]:
    """Cut at random points, and not resumed: at most once, and nobody claims to know what became of what was in
    flight."""
    subject, cuts = ground.subject, ground.scale.cuts
    limits = {"resume_window": 1000 * MS}
    async with scene(
        subject, ground.spec, ground.directory, ground.seed, senders=2, reconnect=False, limits=limits
    ) as s:
        async with talking(s, gap_ms=1.0):
            await _cut(s, list(s.senders), cuts, CUT_UNRESUMED_WITHIN)
        await s.settle(60)
        report = await s.finish()
    duplicates, lost = report.total("duplicates"), report.total("lost")
    kept = duplicates == lost == report.failed_yet_heard == report.unended == report.total("unexpected") == 0
    return [
        Evidence(
            guarantee=CUT,
            kept=kept and report.ok > 0 and report.unknown > 0,
            seen=f"{cuts} cuts at random points: {report.ok} ok ({lost} lost), {report.unknown} unknown"
            f" ({report.unknown_heard} of them had arrived), {report.failed} failed ({report.failed_yet_heard} had"
            f" arrived), {duplicates} duplicates",
            figures={
                "cuts": cuts, "ok": report.ok, "unknown": report.unknown, "unknown_heard": report.unknown_heard,
                "failed": report.failed, "failed_yet_heard": report.failed_yet_heard, "lost": lost,
                "duplicates": duplicates,
            },
        )
    ]  # fmt: skip


def _talkers(s: Scene) -> list[str]:
    """The paths that are cut: a stream's end is told to both sides, but who only listens to datagrams finds out by its
    next ping, 15 s later."""
    return s.paths if s.subject.link == "stream" else list(s.senders)


async def _cut(s: Scene, paths: list[str], cuts: int, within: int) -> None:
    """Cut the connections of these paths so many times in all."""
    faults = {"cut_within": within, "cut_early": EARLY_SHARE}
    shares = [cuts // len(paths) + (i < cuts % len(paths)) for i in range(len(paths))]
    await together(
        s.relay.ask("cuts", 60 + A_CUT_S * share, path=path, count=share, faults=faults)
        for path, share in zip(paths, shares, strict=True)
    )


@asynccontextmanager
async def talking(s: Scene, *, gap_ms: float) -> AsyncIterator[None]:
    """Every sender talks, until the block ends and what is under way has ended too."""
    talk = [asyncio.create_task(sender.ask("send", 3600, count=None, gap_ms=gap_ms)) for sender in s.senders.values()]
    try:
        yield
        await together(sender.ask("stop", 10) for sender in s.senders.values())
        async with asyncio.timeout(60):
            await asyncio.gather(*talk)
    finally:
        for task in talk:
            task.cancel()
        await asyncio.gather(*talk, return_exceptions=True)


async def _tally(s: Scene, name: str, key: str) -> int:
    child = s.senders.get(name) or s.receivers[name]
    tally: dict[str, int] = await child.ask("wait", 10)
    return tally.get(key, 0)


async def beyond(ground: Ground) -> list[Evidence]:
    """Away for longer than the hub remembers: the gap is told, and covers exactly what is missing. Once because the
    session's time ran out, once because the room's history did."""
    scale = ground.scale
    window, history = await together(
        [
            _away(ground, ground.directory / "window", _impatient(ground), scale.absences, expired=True),
            _away(ground, ground.directory / "history", {"history": 5}, scale.absences, expired=False),
        ]
    )
    gaps = [gap for report in (window, history) for gap in report.of("r0").gaps]
    reports = (window, history)
    lost = sum(report.of("r0").lost for report in reports)
    told = sum(report.of("r0").told for report in reports)
    missed = sum(report.of("r0").missed for report in reports)
    untold = sum(report.of("r0").untold for report in reports)
    wrong = sum(report.of("r0").wrongly_told for report in reports)
    others = sum(report.total("lost") for report in reports) - lost
    kept = untold == wrong == others == 0 and lost == told > 0 and len(gaps) >= 2 * scale.absences
    return [
        Evidence(
            guarantee=BEYOND,
            kept=kept and all(last is not None for _, _, last in gaps),
            seen=f"{2 * scale.absences} absences, {len(gaps)} gaps told: {missed} numbers missing, {untold} of them"
            f" not told, {wrong} told although they came",
            figures={"gaps": len(gaps), "missing": missed, "untold": untold, "wrongly_told": wrong, "lost": lost},
        )
    ]


def _impatient(ground: Ground) -> dict[str, int]:
    """Limits of a hub that soon gives a session up. That a datagram's peer is gone shows by its silence alone."""
    return {"resume_window": 300 * MS, **({"dead_after": 16 * S} if ground.subject.link == "datagram" else {})}


async def _away(ground: Ground, directory: Path, limits: dict[str, int], rounds: int, *, expired: bool) -> Report:
    async with scene(ground.subject, ground.spec, directory, ground.seed, witness=True, limits=limits) as s:
        r0, witness = s.receivers["r0"], s.receivers[WITNESS]
        for i in range(1, rounds + 1):
            await s.send(10)
            await s.settle()
            await s.relay.ask("block", 10, paths=["r0"], blocked=True)
            await s.send(7 + i)
            if expired:
                await witness.ask("wait", 30, **{"left:r0": i})
                await s.send(5)
            await s.relay.ask("cut", 10, paths=["r0"])
            await s.relay.ask("block", 10, paths=["r0"], blocked=False)
            await r0.ask("wait", 60, **({"joined:r0": i + 1} if expired else {"resumed": i}))
        await s.send(10)
        await s.settle()
        return await s.finish()


async def killed(ground: Ground) -> list[Evidence]:
    """The hub is killed and started again: nobody knows how much is missing, and everybody is told so."""
    kills = ground.scale.absences
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=2) as s:
        everybody = {**s.senders, **s.receivers}
        async with talking(s, gap_ms=4.0):
            for i in range(kills + 1):
                back = {"restarted": i} if i else {}
                await together(c.ask("wait", 30, **back, **{f"joined:{name}": i + 1}) for name, c in everybody.items())
                heard = [await _tally(s, name, "different") for name in everybody]
                await together(
                    child.ask("wait", 30, different=before + 40)
                    for child, before in zip(everybody.values(), heard, strict=True)
                )
                if i < kills:
                    await s.hub.kill()
                    await s.restart_hub()
        await s.settle()
        report = await s.finish()
    times = "once" if kills == 1 else f"{kills} times"
    gaps = [gap for receiver in report.receivers for gap in receiver.gaps]
    lost, told = report.total("lost"), report.total("told")
    exact = report.total("untold") == report.total("wrongly_told") == 0
    clean = report.total("duplicates") == report.failed_yet_heard == report.unended == 0
    return [
        Evidence(
            guarantee=KILLED,
            kept=exact and clean and lost == told and len(gaps) == kills * len(report.receivers)
            and all(last is None for _, _, last in gaps),
            seen=f"killed {times} while two talked: {len(gaps)} gaps of unknown size told to"
            f" {len(report.receivers)} receivers; {report.ok} ok, {lost} of them missing, {lost - told} not"
            f" told; {report.unknown} unknown"
            f" ({report.unknown_heard} had arrived)",
            figures={
                "gaps": len(gaps), "ok": report.ok, "lost": lost, "told": told, "unknown": report.unknown,
                "untold": report.total("untold"), "wrongly_told": report.total("wrongly_told"),
            },
        )
    ]  # fmt: skip
