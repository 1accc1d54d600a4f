"""Transports broken on purpose, each in one way (`broken.py`): the suite must say so, in the right row."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from netlab.conformance import QUICK, run_suite
from netlab.conformance.evidence import (
    BEYOND,
    CUT,
    DUPLICATES,
    INTEGRITY,
    KILLED,
    LOSS,
    ORDER_ROOM,
    ORDER_SENDER,
    RESUMED,
)

BROKEN = Path(__file__).with_name("broken.py")

# which transport, which experiments, and the rows that are not as declared; every other row of these must be
CAUGHT = [
    ("udp_declared_reliable", ["loss", "duplication", "reordering"], {LOSS, DUPLICATES, ORDER_SENDER, ORDER_ROOM}),
    ("udp_declared_lossless", ["loss", "reordering"], {LOSS}),
    ("ws_swallowing", ["steady"], {LOSS}),
    ("ws_swapping", ["steady"], {ORDER_SENDER, ORDER_ROOM}),
    ("sio_swallowing", ["steady"], {LOSS}),
    ("sio_swapping", ["steady"], {ORDER_SENDER, ORDER_ROOM}),
    ("tcp_declared_lossy", ["steady"], {LOSS, ORDER_SENDER, ORDER_ROOM}),
    ("swallowing", ["steady"], {LOSS}),
    ("swapping", ["steady"], {ORDER_SENDER, ORDER_ROOM}),
    ("doubling", ["resumed"], {DUPLICATES, RESUMED}),
    ("deaf_to_damage", ["damage"], {INTEGRITY}),
    ("silent_about_gaps", ["beyond", "killed"], {BEYOND, KILLED}),
    ("boasting", ["unresumed"], {CUT}),
    ("rudp_swallowing", ["rough"], {LOSS}),
    ("rudp_swapping", ["rough"], {ORDER_SENDER, ORDER_ROOM}),
    ("rudp_doubling", ["resumed"], {RESUMED}),
    ("rudp_silent", ["killed"], {KILLED}),
]


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("name", "only", "caught"), CAUGHT, ids=[row[0] for row in CAUGHT])
def test_a_transport_that_is_not_what_it_says_is_caught(name: str, only: list[str], caught: set[str]) -> None:
    # Only a cut between what is done and the word of it makes a double: over datagrams one in several that are resumed.
    scale = msgspec.structs.replace(QUICK, cuts=60) if name == "rudp_doubling" else QUICK
    rows = asyncio.run(run_suite([f"{BROKEN}:{name}"], scale, "1", only=only))
    assert {row.guarantee for row in rows if not row.good} == caught, "\n".join(map(str, rows))
    assert not any(row.seen.startswith("not carried out") for row in rows), "\n".join(map(str, rows))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_who_does_not_even_begin_is_broken_and_leaves_no_row_out() -> None:
    rows = asyncio.run(run_suite([f"{BROKEN}:refusing"], QUICK, "1", only=["steady"]))
    assert {row.guarantee for row in rows} == {LOSS, ORDER_SENDER, ORDER_ROOM}
    assert all(row.verdict == "broken" and "not carried out: " in row.seen for row in rows)
