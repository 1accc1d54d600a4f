"""Several servers with a real Redis between them: what people notice of it, and of its failures."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netlab.broker.redis_log import BrokerError, RedisLog
from netlab.broker.scripts import APPEND
from netlab.chat import messages as m
from netlab.errors import Refused
from netlab.transports import HubShell
from netlab.units import S

from .redis_server import PATIENCE_S, Ear, RedisServer, in_a_loop, person, process, redis_server, servers

pytestmark = pytest.mark.slow


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def numbers(ear: Ear, room: str) -> list[int]:
    return [event.rooms[room] for event in ear.heard if room in getattr(event, "rooms", ())]


def texts(ear: Ear) -> list[Any]:
    return [event.args[0] for event in ear.heard if isinstance(event, m.Message)]


@in_a_loop
async def test_people_on_three_servers_are_in_one_room(redis: RedisServer) -> None:
    async with (
        servers(redis, 3) as (a, b, c),
        person(a, "ann", "tea") as ann,
        person(b, "bob", "tea") as bob,
        person(c, "cat", "tea") as cat,
    ):
        people = (ann, bob, cat)
        outcomes = await asyncio.gather(
            *(one.chat.emit("say", f"{one.chat.name}{n}", to="tea") for n in range(20) for one in people)
        )
        assert {outcome.status for outcome in outcomes} == {"ok"}
        last = max(outcome.rooms["tea"] for outcome in outcomes)
        assert sorted(outcome.rooms["tea"] for outcome in outcomes) == list(range(last - 59, last + 1))
        for one in people:
            await one.until(lambda event: getattr(event, "rooms", {}).get("tea") == last)
            assert numbers(one, "tea")[-60:] == list(range(last - 59, last + 1)), "in one order, each once"
        assert texts(ann) == texts(bob) == texts(cat)
        for one in people:
            assert [row["name"] for row in await one.chat.who("tea")] == ["ann", "bob", "cat"]


@in_a_loop
async def test_a_join_and_a_leave_are_told_once_on_every_server(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann", "tea") as ann, person(b, "bob", "tea") as bob:
        async with person(b, "cat", "tea"):
            pass
        await ann.chat.emit("say", "end", to="tea")
        for one in (ann, bob):
            await one.text("end")
            told = [(type(e).__name__, e.name) for e in one.heard if isinstance(e, m.Joined | m.Left)]
            assert told[-2:] == [("Joined", "cat"), ("Left", "cat")]
            assert told.count(("Joined", "cat")) == told.count(("Left", "cat")) == 1


@in_a_loop
async def test_private_messages_and_answers_go_from_server_to_server(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann", "tea") as ann, person(b, "bob", "tea") as bob:
        sid = await ann.chat.find("bob")
        assert sid == bob.chat.sid
        assert (await ann.chat.emit("say", "psst", to=sid)).status == "ok"
        await bob.text("psst")

        @bob.chat.on("double")
        def double(n: int) -> int:
            return 2 * n

        assert await ann.chat.call("double", 21, to="tea") == {sid: [42]}


@in_a_loop
async def test_a_name_is_given_once_over_all_servers(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann"):
        with pytest.raises(Refused) as refused:
            async with person(b, "ann"):
                pass
        assert refused.value.code == "name_taken"
    async with servers(redis, 2) as (a, b):
        came = await asyncio.gather(*(person(url, "bob").__aenter__() for url in (a, b)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in came) == ["Ear", "Refused"], "also where both ask at once"
        for one in came:
            if isinstance(one, Ear):
                await one.chat.close()


@in_a_loop
async def test_a_session_resumes_on_another_server_and_hears_what_it_missed(redis: RedisServer) -> None:
    async with servers(redis, 1) as (a,), person(a, "ann", "tea") as ann:
        with process(redis) as (url, server):
            async with person(url, "bob", "tea", elsewhere=[a]) as bob:
                sid = bob.chat.sid
                server.kill()
                await bob.status("reconnecting")
                await ann.chat.emit("say", "meanwhile", to="tea")
                await bob.text("meanwhile")
                assert bob.chat.sid == sid
                assert bob.chat.status == "resumed"
                assert not [event for event in bob.heard if isinstance(event, m.Gap)]
                assert (await bob.chat.emit("say", "back", to="tea")).status == "ok"
                await ann.text("back")
                assert not [event for event in ann.heard if isinstance(event, m.Left)]


@in_a_loop
async def test_redis_is_killed_and_comes_back(redis: RedisServer) -> None:
    async with (
        servers(redis, 2) as (a, b),
        person(a, "ann", "tea") as ann,
        person(a, "amy", "tea") as amy,
        person(b, "bob", "tea") as bob,
    ):
        assert (await ann.chat.emit("say", "before", to="tea")).status == "ok"
        redis.kill()
        await ann.status("degraded")
        outcome = await ann.chat.emit("say", "alone", to="tea")
        assert (outcome.status, outcome.code, outcome.rooms) == ("unknown", "broker_gone", {})
        heard = await amy.text("alone")
        assert (heard.rooms, heard.unnumbered) == ({}, ["tea"])
        with pytest.raises(Refused):
            await ann.chat.join("pub")
        redis.start()
        for one in (ann, amy, bob):
            await one.status("restored")
        assert (await bob.chat.emit("say", "after", to="tea")).status == "ok"
        for one in (ann, amy, bob):
            await one.text("after")
            seen = numbers(one, "tea")
            assert seen == list(range(seen[0], seen[-1] + 1)), "nothing that has a number is missing"
        assert "alone" not in texts(bob), "it was not stored, and is not said to have been"
        assert texts(amy) == ["before", "alone", "after"]


@in_a_loop
async def test_a_stopped_redis_does_not_stall_a_server(redis: RedisServer) -> None:
    async with (
        servers(redis, 2) as (a, b),
        person(a, "ann", "tea") as ann,
        person(a, "amy", "tea") as amy,
        person(b, "bob", "tea") as bob,
    ):
        redis.signal(signal.SIGSTOP)
        outcome = await asyncio.wait_for(ann.chat.emit("say", "stuck", to="tea"), 3)
        assert outcome.status == "unknown"
        assert (await amy.text("stuck")).unnumbered == ["tea"]
        assert (await asyncio.wait_for(ann.chat.emit("say", "alone", to="tea"), 3)).status == "unknown"
        redis.signal(signal.SIGCONT)
        for one in (ann, amy):  # where nobody said anything it may not have been noticed
            await one.status("restored")
        await ann.chat.emit("say", "after", to="tea")
        for one in (ann, amy, bob):
            await one.text("after")
            assert len(set(texts(one))) == len(texts(one)), "what came without a number does not come again"
        assert texts(amy) == ["stuck", "alone", "after"]
        assert "alone" not in texts(bob)


@in_a_loop
async def test_a_redis_that_has_forgotten_everything_begins_a_new_log(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann", "tea") as ann, person(b, "bob", "tea") as bob:
        await ann.chat.emit("say", "before", to="tea")
        epoch = redis.command("HGET", "{netlab}:meta", "epoch")
        redis.command("FLUSHALL")
        for one in (ann, bob):
            gap = await one.until(lambda event: isinstance(event, m.Gap) and event.room == "tea")
            assert gap.last is None
            assert gap.epoch
        for one in (ann, bob):
            await one.status("restored")
        assert redis.command("HGET", "{netlab}:meta", "epoch") != epoch
        assert (await bob.chat.emit("say", "after", to="tea")).status == "ok"
        for one in (ann, bob):
            await one.text("after")
        assert [row["name"] for row in await ann.chat.who("tea")] == ["ann", "bob"]


@in_a_loop
async def test_a_server_that_was_away_longer_than_the_log_is_kept_tells_the_exact_gap(redis: RedisServer) -> None:
    async with servers(redis, 1, keep=10) as (a,), person(a, "ann", "tea") as ann:
        with process(redis, "--redis-keep", "10") as (url, server):
            async with person(url, "bob", "tea") as bob:
                await bob.until(lambda event: isinstance(event, m.Joined))
                server.send_signal(signal.SIGSTOP)
                for n in range(120):
                    await ann.chat.emit("say", n, to="tea")
                server.send_signal(signal.SIGCONT)
                gap = await bob.until(lambda event: isinstance(event, m.Gap))
                behind = (await ann.chat.emit("say", "behind", to="tea")).rooms["tea"]
                await bob.text("behind")
                assert gap.last is not None
                told = numbers(bob, "tea")
                assert [*told[: told.index(gap.first - 1) + 1], *range(gap.first, gap.last + 1)] == list(
                    range(told[0], gap.last + 1)
                ), "what is kept is told; what is not is a gap, and nothing else is"
                assert told[told.index(gap.first - 1) + 1 :] == list(range(gap.last + 1, behind + 1))


@in_a_loop
async def test_the_people_of_a_dead_server_are_cut_and_then_lost_and_that_is_told_once(redis: RedisServer) -> None:
    async with (
        servers(redis, 2, resume_window=2 * S) as (a, b),
        person(a, "ann", "tea") as ann,
        person(b, "bea", "tea") as bea,
    ):
        with process(redis) as (url, server):
            async with person(url, "bob", "tea"):
                server.kill()
                left = await ann.until(lambda event: isinstance(event, m.Left))
                assert (left.name, left.reason) == ("bob", "lost")
        await ann.chat.emit("say", "end", to="tea")
        for one in (ann, bea):
            await one.text("end")
            assert len([event for event in one.heard if isinstance(event, m.Left)]) == 1


@in_a_loop
async def test_a_server_that_closes_says_that_its_people_left(redis: RedisServer) -> None:
    async with servers(redis, 1) as (a,), person(a, "ann", "tea") as ann:
        with process(redis) as (url, server):
            async with person(url, "bob", "tea"):
                server.send_signal(signal.SIGTERM)
                left = await ann.until(lambda event: isinstance(event, m.Left))
                assert (left.name, left.reason) == ("bob", "quit")
                assert server.wait(PATIENCE_S) == 0


@in_a_loop
async def test_what_is_no_batch_is_counted_and_passed_over(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann", "tea") as ann, person(b, "bob", "tea") as bob:
        epoch = redis.command("HGET", "{netlab}:meta", "epoch").split(b"\r\n")[1].decode()
        for data in ("", "no JSON", '{"server":"x","entries":[{}]}', '{"server":"x","entries":' + "[" * 5_000):
            redis.command("EVAL", APPEND, "2", "{netlab}:meta", "{netlab}:log", epoch, data)
        await ann.chat.emit("say", "after", to="tea")
        await bob.text("after")


@in_a_loop
async def test_a_log_with_a_hole_is_given_up_for_a_new_one(redis: RedisServer) -> None:
    async with servers(redis, 2) as (a, b), person(a, "ann", "tea") as ann, person(b, "bob", "tea") as bob:
        redis.command("HINCRBY", "{netlab}:meta", "last", "5")
        await bob.until(lambda event: isinstance(event, m.Gap))
        await bob.status("restored")
        await ann.until(lambda event: isinstance(event, m.Gap))
        await ann.status("restored")
        assert (await ann.chat.emit("say", "after", to="tea")).status == "ok"
        await bob.text("after")


@pytest.mark.parametrize(
    "url", ["redis://:secret@127.0.0.1:1", "redis://:secret@no.such.host.invalid", "redis://:secret/x@h"]
)
@in_a_loop
async def test_without_redis_a_server_does_not_begin_and_tells_no_password(url: str) -> None:
    with pytest.raises(BrokerError) as error:
        await HubShell(broker=RedisLog(url)).link()
    assert "secret" not in str(error.value)
    assert "no broker at redis://" in str(error.value)
