"""The log in Redis: one stream that all servers of a chat append to and read. All of the I/O, none of the rules.

Batches go out one at a time: what is appended while one is on its way is the next one. A call that Redis does not
answer within `ANSWER_S` ends the connection, and another is made; what the hub still waits for then, it has given up
itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from netlab.broker.scripts import APPEND, BEGIN, SAVE
from netlab.chat.entries import Batch, Entry, decode_batch, encode_batch
from netlab.chat.hub_events import Event
from netlab.chat.store import Append, Heard, Linked, Loaded, Lost, Save
from netlab.chat.tokens import base64url
from netlab.errors import NetlabError

ANSWER_S = 1.0
"""How long Redis may take to answer, s."""

READ_S = 0.5
"""How long a read waits for something to come before it asks again, s."""

PAUSE_S = 0.05
PAUSE_MOST_S = 1.0
"""Pause before connecting again, and the longest; it doubles in between, s."""

BATCH = 256
BATCH_BYTES = 1024 * 1024
"""Entries and bytes of one batch."""

READ_BATCHES = 64
"""Batches read at once."""


class BrokerError(NetlabError):
    """The broker can't be reached, or can't be used."""


class _OtherLog(Exception):
    """What Redis has is not, or no longer, the log that this server was reading."""


EXPECTED = (RedisError, OSError, TimeoutError, ValueError, _OtherLog)
"""What a connection to Redis ends by."""


class Known(Protocol):
    """What a hub knows of the log."""

    @property
    def epoch(self) -> str:
        """Of the log it knows."""

    @property
    def position(self) -> int:
        """Where in it it is."""

    def snapshot(self) -> bytes:
        """What is known there."""


class RedisLog:
    """The log of a chat, kept in Redis.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`, with a password where it needs one.
        prefix: what the names of its keys begin with: chats with different ones know nothing of each other.
        keep: a snapshot is kept every so many batches; the log from the third last on.
    """

    def __init__(self, url: str, *, prefix: str = "netlab", keep: int = 2_000) -> None:
        self.keep = keep
        self.where = without_secrets(url)
        self._url = url
        key = f"{{{prefix}}}:"  # in braces: in a Redis Cluster all of them belong to one slot
        self._meta, self._log, self._snapshots = key + "meta", key + "log", key + "snapshots"
        self._queue: list[Append] = []
        self._queued = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._saves: list[Save] = []
        self._relink = asyncio.Event()
        self._closing = asyncio.Event()
        self._last_read: bytes | None = None
        self._task: asyncio.Task[None] | None = None
        self.malformed = 0

    # What the hub asks for

    def append(self, request: Append) -> None:
        """Add to the log; it is heard later."""
        self._drained.clear()
        self._queue.append(request)
        self._queued.set()

    def save(self, request: Save) -> None:
        """Keep a snapshot."""
        self._saves.append(request)
        self._queued.set()

    def relink(self) -> None:
        """Connect anew."""
        self._relink.set()

    async def open(self, hub: Known, step: Callable[[Event], None]) -> None:
        """Reach Redis, and hand the hub what the log says from then on.

        Raises:
            BrokerError: it can't be reached, or can't be used.
        """
        opened = asyncio.get_running_loop().create_future()
        self._task = asyncio.get_running_loop().create_task(self._run(hub, step, opened))
        try:
            await opened
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            raise BrokerError(f"no broker at {self.where}: {_why(error)}") from None

    async def close(self) -> None:
        """Leave it, when all that was appended is on its way, or Redis does not take it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._drained.wait()
        if self._task is not None:
            self._closing.set()
            self._relink.set()
            await self._task

    # Connections

    async def _run(self, hub: Known, step: Callable[[Event], None], opened: asyncio.Future[None]) -> None:
        pause = PAUSE_S
        while not self._closing.is_set():
            linked = False

            def is_linked() -> None:
                nonlocal linked
                linked = True
                step(Linked())
                if not opened.done():
                    opened.set_result(None)

            self._relink.clear()
            try:
                await self._connected(hub, step, is_linked)
            except Exception as raised:
                error = _expected(raised)
                if not opened.done():
                    opened.set_exception(error)
                    return
                if self._closing.is_set():
                    return
                if not isinstance(error, EXPECTED):  # a mistake of ours: told as asyncio tells one, and tried again
                    about = f"what the broker at {self.where} said could not be taken"
                    asyncio.get_running_loop().call_exception_handler({"message": about, "exception": error})
                self._queue.clear()
                self._saves.clear()
                self._drained.set()
                step(Lost(_why(error)))
            pause = PAUSE_S if linked else min(2 * pause, PAUSE_MOST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()

    async def _connected(self, hub: Known, step: Callable[[Event], None], linked: Callable[[], None]) -> None:
        """One connection, until it ends, by an exception."""
        async with self._client() as writer, self._client() as reader:
            await self._find_place(writer, hub, step)
            linked()
            tasks = [
                asyncio.ensure_future(work)
                for work in (self._write(writer, hub), self._read(reader, hub, step), self._told_to_relink())
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            finally:
                errors = await _end(*tasks)
            if errors:
                raise errors[0]

    def _client(self) -> Redis:
        return Redis.from_url(
            self._url,
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S + READ_S,
            single_connection_client=True,
        )

    async def _told_to_relink(self) -> None:
        await self._relink.wait()
        raise TimeoutError

    # Where to go on

    async def _find_place(self, redis: Redis, hub: Known, step: Callable[[Event], None]) -> None:
        """Go on behind what the hub has heard; where that can't be, from a snapshot; where there is none, begin."""
        for _ in range(3):
            async with redis.pipeline(transaction=True) as pipe:
                at = f"{hub.position}-0"
                pipe.hmget(self._meta, "epoch", "last")
                pipe.xrange(self._log, at, at) if hub.position else pipe.xlen(self._log)
                pipe.xrange(self._log, count=1)
                pipe.xrange(self._log, min=f"({at}", count=1)
                pipe.xrange(self._snapshots, count=1)
                (epoch, last), here, oldest, following, saved = await _answered(pipe.execute())
            first = _position(oldest[0][0]) if oldest else int(last or 0) + 1
            mine = _text(epoch) == hub.epoch
            changed = self._last_read is not None and here and here[0][1].get(b"batch") != self._last_read
            hole = following and first <= hub.position + 1 < _position(following[0][0])
            if mine and (int(last or 0) < hub.position or changed or hole):
                if await self._begin(redis, hub, step):  # Redis has lost some of it
                    return
            elif mine and first <= hub.position + 1:
                return
            elif epoch is not None and saved:
                self._last_read = None
                at_position = _position(saved[0][0]) - 1
                step(Loaded(_text(epoch), at_position, saved[0][1].get(b"snapshot", b"")))
                return
            elif await self._begin(redis, hub, step, _text(epoch)):
                return
        raise _OtherLog

    async def _begin(self, redis: Redis, hub: Known, step: Callable[[Event], None], lost: str | None = None) -> bool:
        epoch, position, snapshot = base64url(secrets.token_bytes(6)), hub.position, hub.snapshot()
        keys = [self._meta, self._log, self._snapshots]
        args: list[str | int | bytes] = [hub.epoch if lost is None else lost, epoch, position, snapshot]
        begun = await _answered(redis.register_script(BEGIN)(keys=keys, args=args))
        if begun:
            self._last_read = None
            step(Loaded(epoch, position, snapshot))
        return bool(begun)

    # Both ways

    async def _write(self, redis: Redis, hub: Known) -> None:
        append = redis.register_script(APPEND)
        save = redis.register_script(SAVE)
        while True:
            await self._queued.wait()
            self._queued.clear()
            while self._queue:
                data = self._next_batch()
                position = await _answered(append(keys=[self._meta, self._log], args=[hub.epoch, data]))
                if not position:
                    raise _OtherLog
            self._drained.set()
            while self._saves:
                kept = self._saves.pop(0)
                keys = [self._meta, self._log, self._snapshots]
                await _answered(save(keys=keys, args=[hub.epoch, kept.position, kept.snapshot]))

    def _next_batch(self) -> bytes:
        """What one server has appended, as much as goes into one batch."""
        server, entries, size = self._queue[0].server, list[Entry](), 0
        for request in self._queue[:BATCH]:
            if request.server != server or size > BATCH_BYTES:
                break
            entries.append(request.entry)
            size += len(encode_batch(request.entry))
        del self._queue[: len(entries)]
        return encode_batch(Batch(server, entries))

    async def _read(self, redis: Redis, hub: Known, step: Callable[[Event], None]) -> None:
        while True:
            after = hub.position
            came = await _answered(
                redis.xread({self._log: f"{after}-0"}, count=READ_BATCHES, block=round(READ_S * 1e3)), ANSWER_S + READ_S
            )
            for _, batches in came or ():
                for id, fields in batches:
                    if _position(id) != hub.position + 1 or _text(fields.get(b"epoch")) != hub.epoch:
                        raise _OtherLog
                    data = fields.get(b"batch", b"")
                    self._last_read = data
                    batch = decode_batch(data)
                    self.malformed += batch is None
                    server, entries = ("", []) if batch is None else (batch.server, batch.entries)
                    step(Heard(_position(id), server, entries, len(data)))


def without_secrets(url: str) -> str:
    """The URL without user, password and query.

    >>> without_secrets("redis://ann:secret@127.0.0.1:6379/1?x=y")
    'redis://127.0.0.1:6379/1'
    >>> without_secrets("redis://:se/cr#et@127.0.0.1")
    'redis://127.0.0.1'
    """
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"


async def _end(*tasks: asyncio.Task[None]) -> list[BaseException]:
    """Cancel them until they have ended (a cancellation that comes together with a timeout or an answer may be lost);
    what they ended by, if not by that."""
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PAUSE_S)
    return [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]


async def _answered(call: Awaitable[Any], within: float = ANSWER_S) -> Any:
    async with asyncio.timeout(within):
        return await call


def _expected(error: Exception) -> Exception:
    """What a connection ended by, where the library stumbles over it once more."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, EXPECTED):
        cause = cause.__context__
    return cause if isinstance(cause, EXPECTED) else error


def _position(id: bytes) -> int:
    return int(id.partition(b"-")[0])


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("ascii", "replace")


def _why(error: Exception) -> str:
    if isinstance(error, _OtherLog):
        return "it has lost the log, or some of it"
    if isinstance(error, ValueError):  # its own words may quote a password
        return "its URL is not understood (in a password, / ? # @ : and % are written %2F %3F %23 %40 %3A %25)"
    if isinstance(error, TimeoutError | RedisTimeoutError) or not str(error):
        return "it does not answer in time"
    if isinstance(error, AuthenticationError | NoPermissionError):
        return "it does not let us in: give a password in its URL (redis://:PASSWORD@HOST)"
    if isinstance(error, RedisConnectionError):
        return "nobody answers there"
    return str(error).partition("\n")[0][:200]
