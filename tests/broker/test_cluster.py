"""Three servers and a Redis as one chat: one of each is killed under load, Redis is stopped too, and the logs of all
members are judged. The same at its full size, with figures: benchmarks/cluster.py."""

from __future__ import annotations

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from netlab.conformance.cluster import cluster
from netlab.conformance.cluster_account import Account

MEMBERS, ROOMS, KILLED = 60, 3, 2
PATIENCE_S = 40.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed"),
]


def test_a_server_and_redis_are_killed_and_nothing_is_lost_unsaid(tmp_path: Path) -> None:
    async def run() -> set[str]:
        async with cluster(tmp_path, servers=3) as c:
            await c.seat(MEMBERS, rooms=ROOMS, talkers=3, crowds=2)
            async with c.talking(gap_ms=100):  # in each room somebody on each server
                await c.more(20, PATIENCE_S)
                await c.servers[KILLED].kill()
                await c.back(KILLED, PATIENCE_S)
                await c.more(20, PATIENCE_S)
                await c.servers[KILLED].start()
                assert c.redis is not None
                await c.redis.kill()
                await c.more(5, PATIENCE_S)  # from those on the same server
                await c.redis.start()
                await c.more(40, PATIENCE_S)
                c.redis.signal(signal.SIGSTOP)  # what it is told meanwhile it stores later, and it is heard again
                await c.more(5, PATIENCE_S)
                c.redis.signal(signal.SIGCONT)
                await c.more(20, PATIENCE_S)
            await c.settle(PATIENCE_S)
            await c.leave()
            return c.at_home(KILLED)

    cut = asyncio.run(run())
    found = Account(tmp_path / "logs")
    assert len(found.members) == MEMBERS
    assert set(found.back(cut, 0)) >= cut
    assert found.of_rooms("ok") > 100
    assert found.of_rooms("unknown") > 0, "some were said while Redis was away"
    figures = {name: found.total(name) for name in ("duplicates", "unexpected", "reordered", "torn", "damaged")}
    figures |= {name: found.of_rooms(name) for name in ("swapped", "unended", "failed_yet_heard")}
    figures["lost and not reported"] = found.lost_and_not_reported
    assert set(figures.values()) == {0}, figures
