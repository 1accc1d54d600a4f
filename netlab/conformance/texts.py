"""Experiments with texts: of every size that is a boundary of something, too large ones, damaged ones."""

from __future__ import annotations

import asyncio

import msgspec

from netlab.conformance.children import run_program
from netlab.conformance.evidence import BOUNDARY, INTEGRITY, TOO_BIG, Evidence, Ground
from netlab.conformance.flips import Flips
from netlab.conformance.scene import scene
from netlab.units import KIB

EDGES = (0, 1, 1199, 1200, 1201, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1)
"""Around nothing, a datagram, and what 16 bits can count; around the largest message comes with the subject."""

TAIL = 40
"""Bytes of an ordinary text: sent after what was refused, to see that the connection lives."""

CORRUPT_WITHIN = 40_000
"""One bit in up to so many bytes of a stream: the window of a sender, which it sends again, is about as many."""

LONG_NAME = 200 * KIB
"""Bytes of an event's name that no limit on texts stops."""


async def boundaries(ground: Ground) -> list[Evidence]:
    """One send, one message, from nothing to the maximum; above it an error to the caller."""
    subject, repeats = ground.subject, ground.scale.sizes_repeated
    most = subject.guarantees.max_message
    sizes = [size for size in EDGES if size < most - 1] + [most - 1, most]
    async with scene(subject, ground.spec, ground.directory, ground.seed, limits={"message": most}) as s:
        if subject.link == "stream":
            faults = {"single_bytes": 6_000, "chunk": 16_384}
            await s.relay.ask("stream_faults", 10, paths=s.paths, faults=faults)
        sender = s.senders["s0"]
        await sender.ask("send", 30 + 20 * repeats, count=repeats * len(sizes), sizes=sizes, window=1)
        await s.settle()
        refusals = [
            await sender.ask("send", 20, count=1, sizes=[most + 1]),
            await sender.ask("send", 20, count=1, sizes=[2 * most]),
            await sender.ask("overlong", 20, size=LONG_NAME, text=most),
        ]
        after = await sender.ask("send", 20, count=10, sizes=[TAIL], window=1)
        await s.settle()
        report = await s.finish()
    heard = {size: [receiver.by_length.get(size, 0) for receiver in report.receivers] for size in sizes}
    enough = repeats if subject.guarantees.reliable else 1
    absent = [size for size, counts in heard.items() if min(counts) < enough]
    broken = report.total("torn") + report.total("unexpected")
    tail = min(receiver.by_length.get(TAIL, 0) for receiver in report.receivers)
    told = all(_told(refusal) for refusal in refusals)
    return [
        Evidence(
            guarantee=BOUNDARY,
            kept=not absent and broken == 0,
            seen=f"texts of {', '.join(map(str, sizes))} B, {repeats} of each: "
            + (f"sizes that did not come: {absent}; " if absent else "all came, ")
            + f"{broken} torn or joined",
            figures={"sizes": sizes, "heard": {str(size): counts for size, counts in heard.items()}, "torn": broken},
        ),
        Evidence(
            guarantee=TOO_BIG,
            kept=told and after == {"ok": 10} and tail == 10 and report.unended == 0,
            seen=f"maximum + 1: {_words(refusals[0])}, twice the maximum: {_words(refusals[1])}, a name of "
            f"{LONG_NAME // KIB} KiB: {_words(refusals[2])}; then {tail} of 10 messages of {TAIL} B came",
            figures={"refusals": refusals, "after": after},
        ),
    ]


def _told(refusal: dict[str, int]) -> bool:
    """Was the caller told: an error raised, or an operation that ended `failed`? Silence and `ok` are none."""
    return bool(refusal) and all(outcome == "failed" or outcome.startswith("raised") for outcome in refusal)


def _words(outcomes: dict[str, int]) -> str:
    return ", ".join(outcomes) or "nothing"


async def damage(ground: Ground) -> list[Evidence]:
    """Bits flipped on the way: what comes is exact, or does not come."""
    flipping = asyncio.create_task(_flips(ground))
    try:
        wire, wire_ok, figures = await _damaged_wire(ground)
        flips = await flipping
    finally:
        flipping.cancel()
        await asyncio.gather(flipping, return_exceptions=True)
    return [
        Evidence(
            guarantee=INTEGRITY,
            kept=flips.accepted == 0 and wire_ok,
            seen=f"{flips.tried:,} damaged {ground.subject.form}s, {flips.accepted} accepted; {wire}",
            figures={"tried": flips.tried, "accepted": flips.accepted, **figures},
        )
    ]


async def _flips(ground: Ground) -> Flips:
    out = await run_program(
        "flips", "--count", str(ground.scale.flips), "--seed", ground.seed, "--form", ground.subject.form
    )
    return msgspec.json.decode(out, type=Flips)


async def _damaged_wire(ground: Ground) -> tuple[str, bool, dict[str, int]]:
    subject, messages = ground.subject, ground.scale.wire_messages
    async with scene(subject, ground.spec, ground.directory, ground.seed, senders=2) as s:
        if subject.link == "datagram":
            faults = {"corrupt": 0.3}
            await s.relay.ask("datagram_faults", 10, paths=s.paths, up=faults, down=faults)
            await s.send(messages // 2, 60 + messages / 10)
            await s.relay.ask("datagram_faults", 10, paths=s.paths)
        else:
            stream = {"corrupt_within": CORRUPT_WITHIN}
            await s.relay.ask("stream_faults", 10, paths=s.paths, faults=stream)
            await s.send(messages // 2, 120 + messages / 10)
            await s.relay.ask("stream_faults", 10, paths=s.paths, faults={})
        await s.settle(60)
        counts = [await s.counters(path) for path in s.paths]
        report = await s.finish()
    flipped = sum(count[direction].get("corrupted", 0) for count in counts for direction in ("up", "down"))
    wrong = report.total("damaged") + report.total("unexpected") + report.total("torn")
    lost = report.total("lost")
    ok = wrong == 0 and flipped > 0 and report.total("heard") > 0 and (lost == 0 or not subject.guarantees.reliable)
    seen = f"{flipped} flipped on the wire, {wrong} wrong texts of {report.total('heard')}, {lost} lost"
    return seen, ok, {"flipped_on_the_wire": flipped, "wrong": wrong, "heard": report.total("heard"), "lost": lost}
