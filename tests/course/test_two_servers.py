"""Notebook 12's two servers: what is recorded, and the same again with a Redis of its own."""

from __future__ import annotations

import asyncio
import gc
import shutil

import pytest

from netlab.course.experiments import two_servers

pytest.importorskip("redis.asyncio", reason="the package redis is not here, or not whole")


def test_the_recorded_log_says_who_entered_where_and_who_said_what() -> None:
    rows = two_servers.recorded_log().rows
    assert [(server, kind, who) for _, server, kind, who, _ in rows[:4]] == [
        ("1", "came", "ann"),
        ("1", "entered", "ann"),
        ("2", "came", "bob"),
        ("2", "entered", "bob"),
    ]
    assert [(who, what) for _, _, kind, who, what in rows if kind == "said"] == list(two_servers.SAID)
    assert [position for position, *_ in rows] == sorted(position for position, *_ in rows)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server")
def test_both_servers_hear_the_same_with_the_same_numbers() -> None:
    talk, complaints = asyncio.run(_talk_and_complaints())
    assert complaints == []
    assert talk is not None
    numbers = {(speaker, text, number) for _, _, speaker, text, number in talk.heard}
    assert len(numbers) == len(two_servers.SAID)
    assert {(who, server) for who, server, *_ in talk.heard} == {(who, at + 1) for who, at in two_servers.SEATS}
    assert len(talk.heard) == len(two_servers.SAID) * len(two_servers.SEATS)
    recorded = two_servers.recorded_log().rows
    assert [row[1:] for row in talk.entries.rows if row[2] != "gone"] == [row[1:] for row in recorded]


async def _talk_and_complaints() -> tuple[two_servers.Talk | None, list[object]]:
    """The talk, and what asyncio complained of: in a notebook it would stand below some later cell."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    talk = await two_servers.talk()
    gc.collect()
    await asyncio.sleep(0)
    return talk, complaints


def test_without_redis_a_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert asyncio.run(two_servers.talk()) is None
    assert capsys.readouterr().out.count("\n") == 1
