"""npm's own socket.io-client under node, over WebSocket and polling: what it is told and what others hear."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netlab.broker.redis_log import RedisLog

from ..broker.redis_server import redis_server
from .arena import Relay, live, person, server

HERE = Path(__file__).parents[1] / "npm"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="Node and npm are not installed"),
]

both = pytest.mark.parametrize("transports", ["websocket", "polling", "polling,websocket"])


@pytest.fixture(scope="session")
def packages(npm_packages: Callable[[Path], Path]) -> Path:
    """A folder with socket.io-client."""
    return npm_packages(HERE)


class Node:
    """A program under node that prints its steps."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def step(self, wanted: str) -> Any:
        """The value of the next step of this name; others before it are passed over."""
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = msgspec.json.decode(line)
            if told["step"] == wanted:
                return told["value"]
        raise AssertionError(f"it ended before {wanted!r}")

    async def steps(self) -> list[tuple[str, Any]]:
        """All that are left."""
        assert self._process.stdout is not None
        rest = [msgspec.json.decode(line) async for line in self._process.stdout]
        return [(told["step"], told["value"]) for told in rest]


@asynccontextmanager
async def npm(packages: Path, url: str, transports: str, scenario: str) -> AsyncIterator[Node]:
    """Run a scenario of client.mjs; it has to end well."""
    where = url.partition("://")[2]
    process = await asyncio.create_subprocess_exec(
        *("node", str(HERE / "client.mjs"), str(packages), f"http://{where}", transports, scenario),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Node(process)
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@both
@live(60)
async def test_it_talks_in_a_room(packages: Path, transports: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann:
        async with npm(packages, at.sio, transports, "talk") as node:
            assert await node.step("welcome") == "npm"
            assert await node.step("id") == "string"
            joined = await node.step("join")
            assert (joined["status"], joined["rooms"]) == ("ok", {"tea": 2})
            assert (await node.step("say"))["rooms"] == {"tea": 3}
            assert await node.step("who") == ["ann", "npm"]
            assert await ann.hears(1) == ["from npm \U0001f375"]
            [message] = [event for event in ann.events if getattr(event, "args", None)]
            assert (message.name, message.event, message.args[1]) == ("npm", "say", {"deep": [1, 2.5, None]})
            await ann.chat.emit("say", "and from tcp", to="tea")
            assert await node.step("message") == ["ann", ["tea"], "say", ["and from tcp"]]
            assert (await node.step("leave"))["status"] == "ok"
        await ann.until(lambda: [event for event in ann.events if getattr(event, "reason", "") == "left"])


@both
@live(60)
async def test_private_messages_and_answers(packages: Path, transports: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann:

        @ann.chat.on("ping")
        def answer(text: str) -> str:
            return f"ann heard {text}"

        async with npm(packages, at.sio, transports, "ask") as node:
            assert await node.step("hello") == ["npm", 22]
            assert await node.step("sid") == ann.chat.sid
            assert await node.step("private") == "ok"
            assert (await node.step("answers"))["answers"] == {ann.chat.sid: ["ann heard ?"]}
            him = await ann.chat.find("npm")
            assert await ann.chat.call("and you?", 1, to=him) == {him: ["npm answers", 7]}
            assert await node.step("message") == ["and you?", [1], "number"]
        assert await ann.hears(2) == ["for you alone", "?", "bye"]
        assert [event.reason for event in ann.events if hasattr(event, "reason")] in ([], ["quit"])


@both
@live(60)
async def test_what_is_refused_and_what_is_mistaken(packages: Path, transports: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea"), npm(packages, at.sio, transports, "refused") as node:
        assert await node.step("taken") == ["name_taken", "name_taken"]
        assert await node.step("namespace") == "malformed"
        told = await node.step("no room")
        assert (told["status"], told["code"]) == ("failed", "malformed")
        assert "room" in told["detail"]
        assert await node.step("not a member") == "not_in_room"
        assert await node.step("told") == "malformed"
        assert await node.step("still there") == "ok"


@both
@live(60)
async def test_it_is_cut_comes_back_and_misses_nothing(packages: Path, transports: str) -> None:
    async with server() as at, person(at.tcp, "ann", "tea") as ann, Relay(at.sio) as relay:
        async with npm(packages, relay.url, transports, "reconnect") as node:
            await node.step("in")
            for n in range(5):
                await ann.chat.emit("say", f"{n}, before", to="tea")
                relay.cut()
                await ann.chat.emit("say", f"{n}, cut", to="tea")
                resumed = asyncio.create_task(node.step("resumed"))
                while not (await asyncio.wait({resumed}, timeout=1))[0]:
                    relay.cut()  # who polls has no connection between two polls
                assert await resumed is True
            await ann.chat.emit("say", "end", to="tea")
            steps = dict(await node.steps())
        wanted = [f"{n}, {when}" for n in range(5) for when in ("before", "cut")]
        assert steps["heard"] == [*wanted, "end"]
        assert steps["connects"] >= 6
        assert not [event for event in ann.events if getattr(event, "reason", "") == "lost"]


@both
@live(60)
async def test_it_is_told_that_its_server_has_lost_its_broker(packages: Path, transports: str, tmp_path: Path) -> None:
    with redis_server(tmp_path) as redis:
        async with (
            server(broker=RedisLog(redis.url)) as at,
            server(broker=RedisLog(redis.url)) as elsewhere,
            person(at.tcp, "ann", "tea") as ann,
            person(elsewhere.tcp, "bob", "tea") as bob,
            npm(packages, at.sio, transports, "degraded") as node,
        ):
            assert await node.step("message") == ["before", ["tea"], []]
            before = await node.step("before")
            assert before["status"] == "ok"
            assert await bob.hears(1) == ["before"]
            redis.signal(signal.SIGSTOP)
            assert await node.step("degraded") == "string"
            assert await node.step("message") == ["alone", [], ["tea"]]
            alone = await node.step("alone")
            assert (alone["status"], alone["code"], alone.get("rooms", {})) == ("unknown", "broker_gone", {})
            refused = await node.step("join pub")
            assert (refused["status"], refused["code"]) == ("failed", "broker_gone")
            redis.signal(signal.SIGCONT)
            after = await node.step("after")
            assert (after["status"], after["rooms"]) == ("ok", {"tea": before["rooms"]["tea"] + 1})
            assert await ann.hears(3) == ["before", "alone", "after"]
            assert await bob.hears(2) == ["before", "after"], "what was not stored is told to nobody elsewhere"
            await ann.chat.emit("say", "bye", to="tea")


@live(60)
async def test_the_script_of_the_document(packages: Path) -> None:
    """docs/socketio.md shows a program that talks."""
    document = (HERE.parents[1] / "docs" / "socketio.md").read_text()
    [script] = re.findall(r"```js\n(.*?)```", document, re.DOTALL)
    async with server() as at, person(at.tcp, "ann", "lobby") as ann:
        at_here = script.replace("127.0.0.1:9004", at.sio.removeprefix("sio://"))
        assert at_here != script
        (packages / "talk.mjs").write_text(at_here)
        node = await asyncio.create_subprocess_exec("node", str(packages / "talk.mjs"), stdout=asyncio.subprocess.PIPE)
        try:
            assert node.stdout is not None
            assert await ann.hears(2) == ["hello from node", "only for you, ann"]
            him = await ann.chat.find("node")
            assert await ann.chat.call("hi", to=him) == {him: ["node heard it"]}
            printed = b""
            while b"ann in" not in printed:
                printed += await node.stdout.readline()
            lines = printed.decode().splitlines()
            assert lines[0] == f"my room is {him}"
            assert "join: ok" in lines
            assert "said: { lobby: 3 }" in lines
            assert lines[-1] == f"ann in {him}: hi []"
        finally:
            node.kill()
            await node.communicate()


@live(60)
async def test_polling_becomes_a_websocket_and_loses_nothing(packages: Path) -> None:
    async with server() as at, npm(packages, at.sio, "polling,websocket", "upgrade") as node:
        assert await node.step("begins") == "polling"
        assert await node.step("outcomes") == ["ok"]
        assert await node.step("goes on") == "websocket"
        assert await node.step("in order") == 90
