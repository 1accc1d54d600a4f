"""A real Redis for tests: Debian's, on a free port, with a folder of its own; and servers of a chat that share it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netlab.broker.redis_log import RedisLog
from netlab.chat.limits import ChatLimits
from netlab.transports import HubShell, connect, serve
from netlab.transports.client_shell import Chat

PATIENCE_S = 20.0


def in_a_loop(test: Callable[..., Any]) -> Callable[..., None]:
    """Run an async test."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class RedisServer:
    """The process, which may be killed, stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        for _ in range(5):  # between choosing a port and listening there, somebody else may take it
            port = self.port or _free_port()
            self._process = subprocess.Popen(
                [
                    *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(self.folder)),
                    # What is written outlives the process without fsync, which waits for all that the disk has to do.
                    *("--appendonly", "yes", "--appendfsync", "no", "--save", ""),
                ],
                stdout=subprocess.DEVNULL,
            )
            if self._answers(port):
                self.port = port
                return
            self._process.kill()
            self._process.wait()
        raise AssertionError("redis-server does not start")

    def _answers(self, port: int) -> bool:
        assert self._process is not None
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
                probe.sendall(b"PING\r\n")
                if probe.recv(64).startswith(b"+PONG"):
                    return True
            time.sleep(0.02)
        return False

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def command(self, *words: str) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), 5) as connection:
            sent = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            connection.sendall(f"*{len(words)}\r\n{''.join(sent)}".encode())
            return connection.recv(4096)

    def end(self) -> None:
        self.signal(signal.SIGCONT)
        self.kill()


@contextlib.contextmanager
def redis_server(folder: Path) -> Any:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.end()


@contextlib.asynccontextmanager
async def servers(redis: RedisServer, count: int, *, keep: int = 2_000, **limits: Any) -> AsyncIterator[list[str]]:
    """The URLs of so many servers in this process, each with a hub of its own."""
    async with contextlib.AsyncExitStack() as stack:
        urls = []
        for _ in range(count):
            hub = HubShell(broker=RedisLog(redis.url, keep=keep), limits=ChatLimits(**limits))
            await hub.link()
            stack.push_async_callback(hub.close)
            urls.append((await stack.enter_async_context(serve("tcp://127.0.0.1:0", hub=hub))).url)
        yield urls


@contextlib.contextmanager
def process(redis: RedisServer, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server that is a process of its own, as `netlab serve` makes it: its URL, and what may be killed."""
    command = [sys.executable, "-m", "netlab", "serve", "--tcp", "127.0.0.1:0", "--redis", redis.url, "--json"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield json.loads(server.stdout.readline())["listening"][0]["url"], server
        finally:
            server.kill()


class Ear:
    """One client, and what it has heard: `until` waits for something that has come or is still to come."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.heard: list[Any] = []
        self._events = chat.events()

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The first such event not asked for before."""
        async with asyncio.timeout(PATIENCE_S):
            async for event in self._events:
                self.heard.append(event)
                if wanted(event):
                    return event
        raise AssertionError(f"the chat ended: {self.heard}")

    async def text(self, text: str) -> Any:
        return await self.until(lambda event: getattr(event, "args", None) == [text])

    async def status(self, status: str) -> Any:
        return await self.until(lambda event: getattr(event, "status", None) == status)


@contextlib.asynccontextmanager
async def person(url: str, name: str, *rooms: str, **options: Any) -> AsyncIterator[Ear]:
    async with connect(url, name=name, **options) as chat:
        for room in rooms:
            await chat.join(room)
        yield Ear(chat)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
