"""Hubs as they are served, and their log: the face of `simulated.Cluster`, on the clock of the machine. The loop runs
only while something is waited for, as there."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable
from typing import Any

from netlab.broker.redis_log import RedisLog
from netlab.chat.client_events import TimerFired
from netlab.chat.hub import Hub
from netlab.chat.limits import ChatLimits
from netlab.chat.messages import Goodbye
from netlab.transports.alarm import now_ns
from netlab.transports.hub_shell import Batch, HubShell
from netlab.transports.url import parse_url
from netlab.units import Ns

from ..transports.arena import Relay
from .redis_server import PATIENCE_S, RedisServer
from .simulated import WINDOW

NOBODY = "tcp://127.0.0.1:1"
"""Where nobody listens."""


class Server:
    """A hub in its shell. What goes between it and Redis goes through a relay of its own."""

    def __init__(self, shell: HubShell, relay: Relay | None) -> None:
        self.shell = shell
        self.relay = relay
        self.alive = True

    @property
    def hub(self) -> Hub:
        return self.shell.hub


class Port:
    """A connection of somebody whose machine is `end`."""

    def __init__(self, conn: int, end: Any) -> None:
        self.conn = conn
        self.end = end

    def admit(self) -> None:
        pass

    def send(self, batches: list[Batch]) -> None:
        for batch in batches:
            for _, data in batch.messages:
                self.end.received(self.conn, data)

    def close(self, reason: Goodbye) -> None:
        self.end.closed(self.conn, reason)


class Live:
    """Servers, their log, and people.

    Args:
        redis: where the log is; None for one server whose log is in its memory.
        keep: a snapshot every so many batches.
        history: what the hubs keep of each room.
    """

    def __init__(
        self, servers: int, redis: RedisServer | None = None, *, keep: int = 1_000, history: int = 256
    ) -> None:
        assert servers == 1 or redis is not None
        self.redis, self.keep, self.history = redis, keep, history
        self.people: list[Any] = []
        self.servers: list[Server] = []
        self._runner = asyncio.Runner()
        self._failed: list[dict[str, Any]] = []
        self._loop = self._runner.get_loop()
        self._loop.set_exception_handler(lambda _, context: self._failed.append(context))
        for _ in range(servers):
            self.start()

    def start(self) -> Server:
        server = self._runner.run(self._start())
        self.servers.append(server)
        return server

    async def _start(self) -> Server:
        relay, broker = None, None
        if self.redis is not None:
            relay = await Relay(f"tcp://127.0.0.1:{self.redis.port}").__aenter__()
            broker = RedisLog(f"redis://{relay.url.partition('://')[2]}", keep=self.keep)
        limits = ChatLimits(message_rate=0, resume_window=WINDOW, history=self.history)
        shell = HubShell(broker=broker, limits=limits, entropy=random.Random(len(self.servers)).randbytes)
        await shell.link()
        return Server(shell, relay)

    def end(self) -> None:
        self._runner.run(self._end())
        self._runner.close()

    async def _end(self) -> None:
        for server in self.servers:
            await server.shell.close()
            if server.relay is not None:
                await server.relay.__aexit__()

    # What may happen to the log

    def stop(self) -> None:
        self._redis.signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._redis.signal(signal.SIGCONT)

    def kill(self) -> None:
        self._redis.kill()

    def restart(self) -> None:
        self._redis.start()

    def forget(self) -> None:
        self._redis.command("FLUSHALL")

    def leave_out(self, server: Server) -> None:
        assert server.relay is not None
        server.relay.target = parse_url(NOBODY)
        server.relay.cut()

    def let_in(self, server: Server) -> None:
        assert server.relay is not None
        server.relay.target = parse_url(f"tcp://127.0.0.1:{self._redis.port}")

    @property
    def _redis(self) -> RedisServer:
        assert self.redis is not None
        return self.redis

    # Connections

    def connect(self, server: Server, end: Any) -> int:
        conn = server.shell.new_conn()
        server.shell.open(conn, Port(conn, end), reliable=True, validated=True)
        return conn

    def say(self, server: Server, conn: int, data: bytes) -> None:
        server.shell.received(conn, data)

    def cut(self, server: Server, conn: int, *, said: bool = False) -> None:
        server.shell.closed(conn, said=said)

    # The clock

    @property
    def now(self) -> Ns:
        return now_ns(self._loop)

    def at(self, _delay: Ns, action: Callable[[], Any]) -> None:
        """In turn: a link within one process takes no time."""
        self._loop.call_soon(action)

    def until(self, condition: Callable[[], Any]) -> None:
        """Let time pass until it holds."""
        self._runner.run(self._until(condition))

    async def _until(self, condition: Callable[[], Any]) -> None:
        patience = self._loop.time() + PATIENCE_S
        while not condition():
            assert self._loop.time() < patience, "it does not come to that"
            await asyncio.sleep(0.001)
            for person in self.people:
                if person.deadline is not None and person.deadline <= self.now:
                    person.step(TimerFired())
            assert not self._failed, self._failed
