"""The whole suite: every experiment for a transport's kind of link, and the rows that come of it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from pathlib import Path

import msgspec

from netlab.conformance import blackout, connected, cuts, rough, texts
from netlab.conformance.children import SceneFailed
from netlab.conformance.evidence import (
    BEYOND,
    BOUNDARY,
    CUT,
    DUPLICATES,
    INTEGRITY,
    KILLED,
    LOSS,
    ORDER_ROOM,
    ORDER_SENDER,
    PROMISES,
    RESUMED,
    TOO_BIG,
    Evidence,
    Ground,
    Row,
    Scale,
    judge,
    not_carried_out,
)
from netlab.conformance.subject import absolute_spec, load_subject


class Experiment(msgspec.Struct, frozen=True):
    """What is done, and the guarantees that it says something about."""

    run: Callable[[Ground], Awaitable[list[Evidence]]]
    guarantees: tuple[str, ...]


EXPERIMENTS: dict[str, dict[str, Experiment]] = {
    "stream": {
        "steady": Experiment(connected.steady, (ORDER_SENDER, ORDER_ROOM, LOSS)),
        "boundaries": Experiment(texts.boundaries, (BOUNDARY, TOO_BIG)),
        "damage": Experiment(texts.damage, (INTEGRITY,)),
        "resumed": Experiment(cuts.resumed, (DUPLICATES, RESUMED)),
        "unresumed": Experiment(cuts.unresumed, (CUT,)),
        "beyond": Experiment(cuts.beyond, (BEYOND,)),
        "killed": Experiment(cuts.killed, (KILLED,)),
    },
    "datagram": {
        "loss": Experiment(connected.loss, (LOSS,)),
        "reordering": Experiment(connected.reordering, (ORDER_SENDER, ORDER_ROOM)),
        "duplication": Experiment(connected.duplication, (DUPLICATES,)),
        "boundaries": Experiment(texts.boundaries, (BOUNDARY, TOO_BIG)),
        "damage": Experiment(texts.damage, (INTEGRITY,)),
        "blackout": Experiment(blackout.blackout, (CUT, RESUMED, BEYOND)),
        "killed": Experiment(blackout.killed, (KILLED,)),
    },
    "reliable datagram": {
        "rough": Experiment(rough.rough, (ORDER_SENDER, ORDER_ROOM, LOSS, DUPLICATES)),
        "boundaries": Experiment(texts.boundaries, (BOUNDARY, TOO_BIG)),
        "damage": Experiment(texts.damage, (INTEGRITY,)),
        "resumed": Experiment(cuts.resumed, (RESUMED,)),
        "unresumed": Experiment(cuts.unresumed, (CUT,)),
        "beyond": Experiment(cuts.beyond, (BEYOND,)),
        "killed": Experiment(cuts.killed, (KILLED,)),
    },
}
"""By the kind of subject."""

Say = Callable[[str], None]


async def run_suite(
    specs: Iterable[str],
    scale: Scale,
    seed: str,
    *,
    only: Collection[str] = (),
    say: Say = lambda line: None,
    at_once: int | None = None,
) -> list[Row]:
    """Run every experiment on every transport named; the rows in the table's order.

    Args:
        specs: as `load_subject` takes them.
        only: names of experiments; empty for all.
        say: told what is being done.
        at_once: experiments that run side by side; as many as there are processors, by default.

    Raises:
        UnknownSubject: a name that is none.
    """
    subjects = [(load_subject(spec), absolute_spec(spec)) for spec in specs]
    turns = asyncio.Semaphore(at_once or max(2, os.cpu_count() or 1))
    rows: list[Row] = []

    async def one(ground: Ground, name: str, experiment: Experiment) -> None:
        async with turns:
            began = time.monotonic()
            try:
                evidence = await experiment.run(ground)
            except (SceneFailed, TimeoutError) as error:
                why = str(error) or "it took too long"
                evidence = [not_carried_out(guarantee, why) for guarantee in experiment.guarantees]
            found = [judge(ground.subject, piece) for piece in evidence]
        rows.extend(found)
        bad = ", ".join(f"{row.guarantee}: {row.verdict}" for row in found if not row.good)
        say(f"{ground.subject.name}: {name}, {time.monotonic() - began:.1f} s{': ' + bad if bad else ''}")

    with tempfile.TemporaryDirectory(prefix="netlab-guarantees-") as directory:
        async with asyncio.TaskGroup() as group:
            for subject, spec in subjects:
                for name, experiment in EXPERIMENTS[subject.kind].items():
                    if not only or name in only:
                        where = Path(directory) / subject.name / name
                        own_seed = f"{seed}/{subject.kind}/{name}"
                        group.create_task(one(Ground(subject, spec, where, own_seed, scale), name, experiment))
    order = list(PROMISES)
    names = [subject.name for subject, _ in subjects]
    return sorted(rows, key=lambda row: (order.index(row.guarantee), names.index(row.transport)))
