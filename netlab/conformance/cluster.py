"""A cluster to break: servers that share their rooms through a Redis, all of them killed and started again at will, and
crowds of members spread over the servers. `judge_cluster` reads what the members wrote when all is over.

    crowd, crowd, ...  ----  netlab serve --redis, three times  ----  redis-server, appendfsync always
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from netlab.conformance.children import Child, Children, SceneFailed
from netlab.conformance.crowd import Place
from netlab.conformance.scene import together
from netlab.transports.url import DEFAULT_HOST

READY_S = 30.0
"""How long a process may take until it listens, s."""

SAID_BEFORE = 200
"""Bytes of a process's last words that are told when it does not start."""


class Program:
    """A process that listens somewhere, and can be killed and started again where it was.

    Args:
        stderr: its last words are appended there.
    """

    def __init__(self, name: str, command: list[str], stderr: Path) -> None:
        self.name = name
        self._command = command
        self._stderr = stderr
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            SceneFailed: it ends, or does not listen in time.
        """
        with self._stderr.open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=asyncio.subprocess.PIPE, stderr=errors, start_new_session=True
            )
        try:
            async with asyncio.timeout(READY_S):
                await self._listens(self._process)
        except TimeoutError:
            raise SceneFailed(f"{self.name} does not listen within {READY_S:g} s: {self._complaint()}") from None

    async def _listens(self, process: asyncio.subprocess.Process) -> None:
        """Come back when it does: it says so in one line."""
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise SceneFailed(f"{self.name} does not start: {self._complaint()}")

    def _complaint(self) -> str:
        return self._stderr.read_text(errors="replace").strip()[-SAID_BEFORE:]

    def signal(self, number: int) -> None:
        """Send it a signal, as one that stops it for a while; nothing where it has ended."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # not by `send_signal`, which would take its end from asyncio
                os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """SIGKILL: it has no last word."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.communicate()


class Redis(Program):
    """A Redis of our own, on a port that was free. What it was told is on its disk before it answers.

    Raises:
        SceneFailed: there is no redis-server here.
    """

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SceneFailed("there is no redis-server here: apt-get install redis-server")
        self.port = free_port()
        data = directory / "redis"
        data.mkdir()
        settings = {
            "bind": DEFAULT_HOST, "port": self.port, "dir": data, "logfile": "log", "save": "",
            "appendonly": "yes", "appendfsync": "always",
        }  # fmt: skip
        words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        super().__init__("redis-server", [program, *words], directory / "redis.stderr")

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://{DEFAULT_HOST}:{self.port}"

    async def _listens(self, process: asyncio.subprocess.Process) -> None:
        """After a crash it reads its log first."""
        while not await self._answers():
            if process.returncode is not None:
                raise SceneFailed(f"{self.name} does not start: {self._complaint()}")
            await asyncio.sleep(0.01)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection(DEFAULT_HOST, self.port)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return await reader.readline() == b"+PONG\r\n"
        except ConnectionError:
            return False
        finally:
            writer.close()


class Cluster:
    """Servers, crowds, and the Redis between them.

    Attributes:
        urls: of the servers; each keeps its own when it is killed and started again.
    """

    def __init__(self, directory: Path, children: Children, *, scheme: str, redis: Redis | None) -> None:
        self.directory = directory
        self.logs = directory / "logs"
        self.redis = redis
        self.servers: list[Program] = []
        self.urls: list[str] = []
        self.crowds: list[Child] = []
        self.places: list[Place] = []
        self._children = children
        self._scheme = scheme
        self._marks = 0

    async def add_server(self, *options: str) -> None:
        """Start one more `netlab serve`."""
        name = f"server{len(self.servers)}"
        port = free_port()
        command = [sys.executable, "-m", "netlab", "serve", f"--{self._scheme}", f"{DEFAULT_HOST}:{port}", "--json"]
        command += ["--no-rate-limit", *options, *(["--redis", self.redis.url] if self.redis is not None else [])]
        server = Program(name, command, self.directory / f"{name}.stderr")
        self.servers.append(server)
        await server.start()
        self.urls.append(f"{self._scheme}://{DEFAULT_HOST}:{port}")

    async def seat(self, members: int, *, rooms: int, talkers: int, crowds: int) -> None:
        """Seat members in rooms, so that the members of each room are spread over all servers.

        Args:
            talkers: members of each room that say something; on different servers.
            crowds: processes for them.
        """
        servers = len(self.urls)
        for n in range(members):
            room, at = n % rooms, n // rooms
            urls = [self.urls[(at + room + k) % servers] for k in range(servers)]
            self.places.append(Place(f"m{n}", f"room{room}", urls, talks=at < talkers))
        for n in range(crowds):
            arguments = ("--subject", self._scheme, "--logs", str(self.logs), "--seed", "cluster")
            self.crowds.append(await self._children.start(f"crowd{n}", "crowd", self.directory, *arguments))
        await together(
            crowd.ask("sit", 120, places=msgspec.to_builtins(self.places[n::crowds]))
            for n, crowd in enumerate(self.crowds)
        )

    def at_home(self, server: int) -> set[str]:
        """The members whose own server this is."""
        return {place.name for place in self.places if place.urls[0] == self.urls[server]}

    @asynccontextmanager
    async def talking(self, *, gap_ms: float, size: int = 64, window: int = 20) -> AsyncIterator[None]:
        """All talkers talk until the block ends and what they said last has ended."""
        talk = [
            asyncio.create_task(crowd.ask("talk", 3600, gap_ms=gap_ms, size=size, window=window))
            for crowd in self.crowds
        ]
        try:
            yield
            await together(crowd.ask("stop", 10) for crowd in self.crowds)
            async with asyncio.timeout(60):
                await asyncio.gather(*talk)
        finally:
            for task in talk:
                task.cancel()
            await asyncio.gather(*talk, return_exceptions=True)

    async def settle(self, within_s: float = 60.0) -> None:
        """Wait until whatever was said has arrived or never will: a mark is said in each room behind it.

        Raises:
            SceneFailed: somebody did not hear it.
        """
        self._marks += 1
        speakers: dict[str, str] = {}
        for place in self.places:
            if place.talks:
                speakers.setdefault(place.room, place.name)
        waiting = [
            asyncio.create_task(crowd.ask("wait", within_s, **{f"mark:{self._marks}": 1})) for crowd in self.crowds
        ]
        for n, crowd in enumerate(self.crowds):
            here = {place.name for place in self.places[n :: len(self.crowds)]}
            names = [name for name in speakers.values() if name in here]
            await crowd.ask("mark", within_s, names=names, number=self._marks)
        await together(waiting)

    async def back(self, server: int, within_s: float) -> None:
        """Wait until the members of a server that was killed have their connections again, there or elsewhere."""
        names = sorted(self.at_home(server))
        await together(crowd.ask("back", within_s, names=names) for crowd in self.crowds)

    async def more(self, count: int, within_s: float) -> None:
        """Wait until everybody has heard so many messages more."""
        await together(crowd.ask("more", within_s, count=count) for crowd in self.crowds)

    async def late_ms(self) -> float:
        """The most that a crowd's own process was late since this was asked last: no delay is measured more exactly."""
        answers: list[float] = await together(crowd.ask("late_ms", 30) for crowd in self.crowds)
        return max(answers)

    async def tally(self) -> dict[str, int]:
        """What happened to all members together."""
        total: dict[str, int] = {}
        for answer in await together(crowd.ask("tally", 30) for crowd in self.crowds):
            for key, count in answer.items():
                total[key] = total.get(key, 0) + count
        return total

    async def leave(self) -> None:
        """Everybody leaves, and their logs are whole."""
        await together(crowd.ask("leave", 60) for crowd in self.crowds)

    async def end(self) -> None:
        """End the servers and the Redis."""
        programs = [*self.servers, *([self.redis] if self.redis is not None else [])]
        for program in programs:
            program.signal(signal.SIGKILL)  # all of them before this task waits, where it may be cancelled
        for program in programs:
            await program.kill()


@asynccontextmanager
async def cluster(
    directory: Path, *, servers: int, scheme: str = "tcp", broker: bool = True, options: Iterable[str] = ()
) -> AsyncIterator[Cluster]:
    """Start a Redis and servers on it; all end with the block.

    Args:
        broker: False for servers that know nothing of each other.
        options: of `netlab serve`.
    """
    async with Children() as children:
        redis = Redis(directory) if broker else None
        made = Cluster(directory, children, scheme=scheme, redis=redis)
        try:
            if redis is not None:
                await redis.start()
            for _ in range(servers):
                await made.add_server(*options)
            yield made
        finally:
            await made.end()


def free_port() -> int:
    """A port that was free just now, to be kept by whoever is killed and comes back."""
    with socket.socket() as probe:
        probe.bind((DEFAULT_HOST, 0))
        return int(probe.getsockname()[1])
