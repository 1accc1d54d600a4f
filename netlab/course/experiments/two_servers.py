"""Notebook 12: one chat of two servers. What concerns people at both is an entry of a log, kept by a broker.

    python -m netlab.course.experiments.two_servers

records such a log anew.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from netlab.chat.messages import Message
from netlab.conformance.cluster import Redis
from netlab.course.experiments.table import table
from netlab.packets.text import printable
from netlab.transports import HubShell, connect, serve

RECORDED = Path(__file__).parents[1] / "two_servers.log.jsonl"
ROOM = "lobby"
SEATS = (("ann", 0), ("bob", 1), ("cem", 0))
SAID = (("ann", "hi"), ("bob", "hello from the other server"))
_HEARD_WITHIN_S = 5.0
_PREFIX = "lesson"


class Talk(msgspec.Struct, frozen=True):
    """What became of it.

    Attributes:
        heard: who (at which server) heard what, with its number in the room.
        log: the batches of the log, as JSON, in its order.
    """

    heard: tuple[tuple[str, int, str, str, int], ...]
    log: tuple[str, ...]

    def __str__(self) -> str:
        return table(["who", "at server", "hears", "say", "number"], self.heard)

    __repr__ = __str__

    @property
    def entries(self) -> Log:
        """The log's entries that make the room and what is said in it."""
        return Log.read(self.log)


class Log(msgspec.Struct, frozen=True):
    """Entries of a log: `(position, server, entry, of whom, what)`. Servers are numbered as they first appear."""

    rows: tuple[tuple[int, str, str, str, str], ...]

    @classmethod
    def read(cls, batches: tuple[str, ...]) -> Log:
        """Those that anybody in the room notices: who came, entered, said something, went."""
        rows: list[tuple[int, str, str, str, str]] = []
        servers: dict[str, int] = {}
        names: dict[str, str] = {}
        for position, line in enumerate(batches, 1):
            batch = json.loads(line)
            for entry in batch["entries"]:
                kind, sid = entry["type"], entry.get("sid", "")
                if kind not in ("came", "entered", "said", "gone"):
                    continue
                names.setdefault(sid, entry.get("name", ""))
                server = servers.setdefault(batch["server"], len(servers) + 1)
                what = entry.get("room", "") or printable(", ".join(map(str, entry.get("args", []))))
                rows.append((position, str(server), kind, names[sid], what))
        return cls(tuple(rows))

    def __str__(self) -> str:
        return table(["position", "server", "entry", "of", "what"], self.rows)

    __repr__ = __str__


def recorded_log() -> Log:
    """The log of such a talk, recorded earlier."""
    return Log.read(tuple(RECORDED.read_text().splitlines()))


async def talk() -> Talk | None:
    """Two servers with a Redis of their own between them; ann and cem are at one, bob at the other. All of it is on
    this machine, and ends here. None where there is no redis-server, or no client for it: a line is printed that says
    what to install.
    """
    if shutil.which("redis-server") is None or not _has_client():
        sys.stdout.write(
            "No Redis can be had here (apt-get install redis-server; pip install 'netlab-edu[redis]'): "
            "below is a log recorded earlier.\n"
        )
        return None
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(Path(folder))
        await redis.start()
        try:
            return await _talk(redis.url)
        finally:
            await redis.kill()


def _has_client() -> bool:
    """Whether the package redis is here, whole: on some versions of Python it needs another."""
    try:
        import redis.asyncio  # noqa: F401
    except ImportError:
        return False
    return True


async def _talk(url: str) -> Talk:
    from redis.asyncio import Redis as RedisClient

    from netlab.broker.redis_log import RedisLog

    heard: list[tuple[str, int, str, str, int]] = []
    all_heard = asyncio.Event()

    def listener(who: str, server: int) -> Callable[[str, Message], None]:
        def hear(text: str, message: Message) -> None:
            heard.append((who, server, message.name, printable(text), message.rooms[ROOM]))
            if len(heard) == len(SAID) * len(SEATS):
                all_heard.set()

        return hear

    async with AsyncExitStack() as stack:
        servers = []
        for _ in range(2):
            hub = HubShell(broker=RedisLog(url, prefix=_PREFIX))
            await hub.link()
            stack.push_async_callback(hub.close)
            servers.append(await stack.enter_async_context(serve("tcp://127.0.0.1:0", hub=hub)))
        chats = {}
        for who, server in SEATS:
            chats[who] = await stack.enter_async_context(connect(servers[server].url, name=who))
            chats[who].on("say")(listener(who, server + 1))
            await chats[who].join(ROOM)
        for who, text in SAID:
            await chats[who].emit("say", text, to=ROOM)
        async with asyncio.timeout(_HEARD_WITHIN_S):
            await all_heard.wait()
        client = await stack.enter_async_context(RedisClient.from_url(url))
        kept: Any = await client.xrange(f"{{{_PREFIX}}}:log")
    batches = tuple(fields[b"batch"].decode() for _, fields in kept)
    return Talk(tuple(sorted(heard, key=lambda one: (one[4], one[1], one[0]))), batches)


def main() -> None:
    """Record the log."""
    made = asyncio.run(talk())
    if made is not None:
        RECORDED.write_text("".join(f"{line}\n" for line in made.log))


if __name__ == "__main__":
    main()
