"""Several servers with a real Redis between them: what people notice of it, and of its failures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from netlab.broker.redis_log import BrokerError, RedisLog
from netlab.broker.scripts import APPEND
from netlab.chat import messages as m
from netlab.transports import HubShell
from netlab.units import S

from .redis_server import PATIENCE_S, RedisServer, in_a_loop, person, process, redis_server, servers

pytestmark = pytest.mark.slow


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


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
