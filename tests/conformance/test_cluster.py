"""The cluster that is broken on purpose, and the judging of its members' logs: on logs written by hand, and on servers
that know nothing of each other. With a broker between them: tests/broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from netlab.conformance.cluster import cluster
from netlab.conformance.cluster_account import Account
from netlab.conformance.log import Began, Ended, Heard, Line, Log, Missed, Sent, Turned
from netlab.units import MS, S

SAID = {n: 1_000 * MS + n * 100 * MS for n in range(1, 6)}


def heard(n: int, took: int, number: int | None = None) -> Heard:
    rooms = {"tea": n if number is None else number}
    return Heard(rooms, "ann", n, 2, "aa", 2, "aa", SAID[n] + took)


def sent(n: int, status: str = "ok") -> list[Line]:
    rooms = {"tea": n} if status == "ok" else {}
    return [Sent("ann", n, 2, "aa", SAID[n]), Ended("ann", n, status, rooms, at=SAID[n] + MS)]  # type: ignore[arg-type]


def account(folder: Path, **logs: list[Line]) -> Account:
    (folder / "tea").mkdir()
    for name, lines in logs.items():
        log = Log(folder / "tea" / f"{name}.jsonl")
        for line in [Began("receiver", name), *lines]:
            log.write(line)
        log.close()
    return Account(folder)


def test_lost_told_and_doubled(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        ann=[*sent(1), heard(1, 0), *sent(2), heard(2, 0), *sent(3, "unknown"), *sent(4), heard(4, 0)],
        bob=[heard(1, 5), heard(1, 9), heard(4, 5)],
        cid=[heard(1, 5), Missed("tea", 2, 2), heard(4, 5)],
    )
    assert (found.total("lost"), found.total("told"), found.lost_and_not_reported) == (2, 1, 1)
    assert found.total("duplicates") == 1
    assert (found.of_rooms("ok"), found.of_rooms("unknown")) == (3, 1)
    assert found.outcomes(SAID[2], SAID[4]) == {"ok": 1, "unknown": 1}
    assert found.last_not_ok(SAID[1], SAID[5]) == SAID[3]
    assert found.last_not_ok(SAID[4], SAID[5]) is None


def test_delays_are_of_both_ends_within_a_group(tmp_path: Path) -> None:
    lines = [line for n in SAID for line in sent(n)]
    found = account(
        tmp_path,
        ann=lines,
        bob=[heard(n, n * 10 * MS) for n in SAID],
        cid=[heard(n, 900 * MS) for n in SAID],
    )
    near = found.delays(0, 2 * S, [{"ann", "bob"}, {"cid"}])
    assert near is not None
    assert (near.deliveries, near.p50, near.longest) == (5, 30.0, 50.0)
    far = found.delays(0, 2 * S, [{"ann", "bob", "cid"}])
    assert far is not None
    assert (far.deliveries, far.longest) == (10, 900.0)
    assert found.delays(5 * S, 6 * S, [{"ann", "bob"}]) is None


def test_whom_something_befell_and_when_first(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        ann=[Turned("degraded", "it is slow", at=5), Turned("restored", at=6), Turned("degraded", at=8)],
        bob=[Turned("degraded", at=2), Turned("degraded", at=7)],
        cid=[Turned("restored", at=6), Turned("degraded", at=9)],
    )
    assert found.turned("degraded", 3, 9) == {"ann": 5, "bob": 7}


def test_back_is_from_the_cut_to_the_connection(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        ann=[Turned("joined", at=1), Turned("reconnecting", at=12), Turned("resumed", at=20)],
        bob=[Turned("reconnecting", at=3), Turned("resumed", at=4), Turned("reconnecting", at=12)],
        cid=[Turned("joined", at=1)],
    )
    assert found.back(["ann", "bob", "cid"], 10) == {"ann": 10, "bob": None}


@pytest.mark.slow
def test_a_server_that_is_killed_and_comes_back_where_it_was(tmp_path: Path) -> None:
    """Without a broker: what it knew is gone, and everybody is told so."""

    async def run() -> None:
        async with cluster(tmp_path, servers=1, broker=False) as c:
            await c.seat(12, rooms=2, talkers=2, crowds=2)
            async with c.talking(gap_ms=20):
                await c.more(20, 20)
                await c.servers[0].kill()
                await c.servers[0].start()
                await c.back(0, 20)
                await c.more(20, 20)
            await c.settle()
            await c.leave()

    asyncio.run(run())
    found = Account(tmp_path / "logs")
    assert len(found.members) == 12
    assert found.of_rooms("ok") > 100
    assert found.lost_and_not_reported == found.total("duplicates") == found.of_rooms("unended") == 0


@pytest.mark.slow
def test_servers_that_do_not_share_their_rooms_are_found_out(tmp_path: Path) -> None:
    async def run() -> None:
        async with cluster(tmp_path, servers=2, broker=False) as c:
            await c.seat(8, rooms=1, talkers=2, crowds=1)
            async with c.talking(gap_ms=20):
                await c.more(20, 20)
            await c.leave()

    asyncio.run(run())
    found = Account(tmp_path / "logs")
    assert found.lost_and_not_reported > found.of_rooms("ok")
