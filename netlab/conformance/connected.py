"""Experiments while connected: order, loss, duplicates."""

from __future__ import annotations

import math
from typing import Any

from netlab.conformance.compare import Receiver, Report
from netlab.conformance.evidence import DUPLICATES, LOSS, ORDER_ROOM, ORDER_SENDER, Evidence, Ground
from netlab.conformance.scene import WITNESS, Scene, scene

LOSS_RATE = 0.3
SMALL = 100
FRAGMENTED = 2_000
"""Bytes of a text that crosses in one datagram, and of one that needs two."""

FRAGMENTED_GAP_MS = 180.0
"""Pace of those, ms. Under loss many never become whole; a receiver keeps at most 16 unfinished messages of a peer,
each for 5 s (LIMITS), and beyond that loses more than the link does."""


async def steady(ground: Ground) -> list[Evidence]:
    """Over a stream that comes in pieces and stalls: everybody's messages, in order, none missing."""
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=3, witness=True) as s:
        faults = {"chunk": 300, "stall_within": 30_000}
        await s.relay.ask("stream_faults", 10, paths=s.paths, faults=faults)
        within_s = 60 + ground.scale.messages / 10
        await s.send(ground.scale.messages, within_s)
        await s.settle()
        report = await s.finish()
    everybody_ok = report.ok == report.sent
    what = f"{report.sent} messages of 3 senders"
    lost = report.total("lost")
    return [
        *order(report, f"{what}, {len(report.receivers)} receivers"),
        Evidence(
            guarantee=LOSS,
            kept=lost == 0 and everybody_ok,
            seen=f"{what} in pieces of at most 300 B: {report.ok} ok, {lost} lost",
            figures={"sent": report.sent, "ok": report.ok, "lost": lost},
        ),
    ]


def order(report: Report, what: str) -> list[Evidence]:
    """What a report says about order."""
    reordered = report.total("reordered")
    numbers = report.total("falling_numbers") + report.renumbered
    return [
        Evidence(
            guarantee=ORDER_SENDER,
            kept=reordered == 0 and report.total("heard") > 0,
            missing=reordered > 0,
            seen=f"{what}: {reordered} of {report.total('heard')} came after a later one",
            figures={"heard": report.total("heard"), "reordered": reordered},
        ),
        Evidence(
            guarantee=ORDER_ROOM,
            kept=report.swapped == 0 and numbers == 0 and report.total("heard") > 0,
            missing=report.swapped > 0,
            seen=f"{what}: {report.swapped} stood differently at two receivers",
            figures={"swapped": report.swapped, "numbers_wrong": numbers},
        ),
    ]


async def reordering(ground: Ground) -> list[Evidence]:
    """Over datagrams of which a fifth is held back: order."""
    faults = {"reorder": 0.2}
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=2) as s:
        await s.relay.ask("datagram_faults", 10, paths=s.paths, up=faults, down=faults)
        await s.send(ground.scale.messages, 60 + ground.scale.messages / 10, gap_ms=1.0)
        await s.relay.ask("datagram_faults", 10, paths=s.paths)
        await s.settle()
        report = await s.finish()
    return order(report, f"20 % held back each way, {report.sent} messages")


async def duplication(ground: Ground) -> list[Evidence]:
    """Over datagrams of which a tenth comes twice: duplicates."""
    faults = {"duplicate": 0.1}
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=2) as s:
        await s.relay.ask("datagram_faults", 10, paths=s.paths, up=faults, down=faults)
        await s.send(ground.scale.messages, 60 + ground.scale.messages / 10)
        await s.relay.ask("datagram_faults", 10, paths=s.paths)
        await s.settle()
        report = await s.finish()
    duplicates, heard = report.total("duplicates"), report.total("heard")
    return [
        Evidence(
            guarantee=DUPLICATES,
            kept=duplicates == 0 and heard > 0,
            seen=f"10 % doubled each way: {duplicates} duplicates of {heard} heard"
            f" ({100 * duplicates / max(1, heard):.0f} %, expected 21 %)",
            figures={"heard": heard, "duplicates": duplicates},
        )
    ]


async def loss(ground: Ground) -> list[Evidence]:
    """Over datagrams of which 30 % are lost each way: how many messages arrive, against (1-p)^k.

    k is measured, not assumed: first, on a clean link, how many datagrams one message makes on its way up and on its
    way down. During the proof the network counts datagrams, and the witness, who reaches the hub directly, knows which
    messages came that far; so it is also measured that no two messages shared a datagram, which would leave the
    expectation as it is but not the variance.
    """
    scale = ground.scale
    plan = [(SMALL, scale.loss_messages // 4, 2.0)]
    if scale.fragmented_messages:
        plan.append((FRAGMENTED, scale.fragmented_messages // 4, 4 * FRAGMENTED_GAP_MS))
    faults = {"loss": LOSS_RATE}
    fragments: dict[int, tuple[int, int]] = {}
    alone = True
    async with scene(ground.subject, ground.spec, ground.directory, ground.seed, senders=4, witness=True) as s:
        await s.settle()
        for size, _, _ in plan:
            fragments[size] = await _fragments(s, size)
        down_before = await _came(s, "r", "down")
        for size, count, gap_ms in plan:
            before = await _came(s, "s", "up")
            await s.relay.ask("datagram_faults", 10, paths=s.paths, up=faults, down=faults)
            within_s = 60 + count * max(gap_ms, 20) / 1e3
            await s.send(count, within_s, sizes=[size], gap_ms=gap_ms, skip_self=True)
            await s.relay.ask("datagram_faults", 10, paths=s.paths)
            alone &= await _came(s, "s", "up") - before == 4 * count * fragments[size][0]
        down = await _came(s, "r", "down") - down_before
        await s.settle()
        report = await s.finish()
    calibrations = 1
    reached_hub = {size: report.of(WITNESS).by_length.get(size, 0) - calibrations for size, _, _ in plan}
    receivers = [receiver for receiver in report.receivers if receiver.name != WITNESS]
    alone &= down == len(receivers) * sum(reached_hub[size] * fragments[size][1] for size, _, _ in plan)
    proofs = [
        binomial(receiver, size, 4 * count, sum(fragments[size]), calibrations)
        for size, count, _ in plan
        for receiver in receivers
    ]
    return [_loss_evidence(report, receivers, proofs, alone=alone)]


def _loss_evidence(report: Report, receivers: list[Receiver], proofs: list[dict[str, Any]], *, alone: bool) -> Evidence:
    lost = sum(receiver.lost for receiver in receivers)
    never_came = sum(proof["sent"] - proof["heard"] for proof in proofs)
    within = all(abs(proof["sigmas"]) <= 4 for proof in proofs)
    words = "; ".join(
        f"k={proof['k']}: {proof['heard']} of {proof['sent']} came to {proof['receiver']},"
        f" expected {proof['expected']:.0f} ({proof['sigmas']:+.1f} sigma)"
        for proof in proofs
    )
    together = "" if alone else "; messages shared datagrams, so this proves nothing"
    return Evidence(
        guarantee=LOSS,
        kept=lost == 0 and never_came == 0,
        missing=never_came > 0 and within and alone,
        seen=f"{LOSS_RATE * 100:.0f} % loss each way, {words}; {lost} lost although ok{together}",
        figures={"proofs": proofs, "lost": lost, "ok": report.ok, "unknown": report.unknown, "alone": alone},
    )


def binomial(receiver: Receiver, size: int, sent: int, k: int, calibrations: int = 0) -> dict[str, Any]:
    """How far what came is from the (1-p)^k of what was sent, in standard deviations.

    Of one receiver alone: what two of them got is not independent, since both lack what was lost on its way up.
    """
    heard = receiver.by_length.get(size, 0) - calibrations
    share = (1 - LOSS_RATE) ** k
    sigma = math.sqrt(sent * share * (1 - share))
    sigmas = round((heard - sent * share) / sigma, 2)
    return {
        "receiver": receiver.name, "k": k, "sent": sent, "heard": heard,
        "expected": round(sent * share, 1), "sigmas": sigmas,
    }  # fmt: skip


async def _fragments(s: Scene, size: int) -> tuple[int, int]:
    """Datagrams that one message of this size makes, up from its sender and down to a receiver."""
    sender = next(iter(s.senders))
    up, down = await _came(s, sender, "up"), await _came(s, "r0", "down")
    heard = (await s.receivers["r0"].ask("wait", 10)).get("different", 0)
    await s.senders[sender].ask("send", 30, count=1, sizes=[size], skip_self=True)
    await s.receivers["r0"].ask("wait", 30, different=heard + 1)
    return await _came(s, sender, "up") - up, await _came(s, "r0", "down") - down


async def _came(s: Scene, prefix: str, direction: str) -> int:
    """Datagrams with messages that came into the network in one direction, on all paths whose names begin so."""
    counts = [await s.counters(path) for path in s.paths if path.startswith(prefix)]
    return sum(count[direction].get("large", 0) for count in counts)
