"""What an experiment shows about a guarantee, and what that says about a transport's promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from netlab.conformance.subject import Subject

ORDER_SENDER = "order, one sender"
ORDER_ROOM = "order, one room"
LOSS = "loss while connected"
DUPLICATES = "duplicates"
BOUNDARY = "boundary"
INTEGRITY = "integrity"
TOO_BIG = "too big"
CUT = "cut, no resume"
RESUMED = "cut, resumed in time"
BEYOND = "beyond the resume window"
KILLED = "server killed"

PROMISES: dict[str, tuple[str, str]] = {
    ORDER_SENDER: ("as sent", "none"),
    ORDER_ROOM: ("one order for all", "none"),
    LOSS: ("0", "allowed, counted"),
    DUPLICATES: ("0", "allowed, counted"),
    BOUNDARY: ("one send, one message", "none"),
    INTEGRITY: ("exact or nothing", "none"),
    TOO_BIG: ("an error, the connection lives", "none"),
    CUT: ("at most once, in flight = unknown", "none"),
    RESUMED: ("exactly-once effect", "not offered"),
    BEYOND: ("gap(from, to)", "not offered"),
    KILLED: ("gap(from, unknown)", "not offered"),
}
"""Every guarantee in the order of the table: what it says where it is promised, and where it is not."""


def promised(subject: Subject, guarantee: str) -> bool:
    """Does the transport promise it?"""
    declared = subject.guarantees
    match guarantee:
        case "order, one sender" | "order, one room":
            return declared.ordered
        case "loss while connected":
            return declared.reliable
        case "duplicates":
            return not declared.duplicates
        case "boundary":
            return declared.boundaries
        case "integrity" | "too big":
            return True
        case _:
            return subject.resumes


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        kept: nothing contradicts the guarantee.
        missing: it was seen to fail, and in the way that was to be expected. None: as `kept` says. Both may be false:
            a loss that no binomial explains.
        seen: in words, with figures.
    """

    guarantee: str
    kept: bool
    seen: str
    missing: bool | None = None
    figures: dict[str, Any] = {}


Verdict: TypeAlias = Literal["holds", "broken", "missing, as declared", "not shown missing"]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One guarantee of one transport: what was promised, what was seen, and what follows."""

    guarantee: str
    transport: str
    promised: bool
    promise: str
    seen: str
    verdict: Verdict
    figures: dict[str, Any] = {}

    @property
    def good(self) -> bool:
        """The transport is what it says it is."""
        return self.verdict in ("holds", "missing, as declared")


def judge(subject: Subject, evidence: Evidence) -> Row:
    """The row of the table that this evidence makes."""
    is_promised = promised(subject, evidence.guarantee)
    missing = not evidence.kept if evidence.missing is None else evidence.missing
    verdict: Verdict
    if is_promised:
        verdict = "holds" if evidence.kept else "broken"
    else:
        verdict = "missing, as declared" if missing else "not shown missing"
    said, not_said = PROMISES[evidence.guarantee]
    return Row(
        guarantee=evidence.guarantee,
        transport=subject.name,
        promised=is_promised,
        promise=said if is_promised else not_said,
        seen=evidence.seen,
        verdict=verdict,
        figures=evidence.figures,
    )


def not_carried_out(guarantee: str, why: str) -> Evidence:
    """An experiment that did not come to its end shows nothing: neither a promise kept nor one missing."""
    return Evidence(guarantee=guarantee, kept=False, missing=False, seen=f"not carried out: {why}")


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything.

    Attributes:
        messages: of each sender.
        loss_messages: in all, for the proof of loss; fragmented_messages: of two packets each.
        cuts: at random points, with resume and without.
        flips: damaged packets handed to the decoder; wire_messages: sent over a damaging link.
        sizes_repeated: how often each size crosses.
        absences: how often a receiver stays away beyond the resume window.
    """

    messages: int
    loss_messages: int
    fragmented_messages: int
    cuts: int
    flips: int
    wire_messages: int
    sizes_repeated: int
    absences: int


QUICK = Scale(
    messages=150,
    loss_messages=400,
    fragmented_messages=0,
    cuts=12,
    flips=20_000,
    wire_messages=250,
    sizes_repeated=1,
    absences=1,
)
FULL = Scale(
    messages=5_000,
    loss_messages=10_000,
    fragmented_messages=300,
    cuts=200,
    flips=1_000_000,
    wire_messages=5_000,
    sizes_repeated=10,
    absences=10,
)


class Ground(msgspec.Struct, frozen=True):
    """What every experiment is given."""

    subject: Subject
    spec: str
    directory: Path
    seed: str
    scale: Scale
