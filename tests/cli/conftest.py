"""How the tests run the command: as a user does, in processes of their own, through pipes and pseudo-terminals."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pexpect
import pytest

TIMEOUT_S = 30
"""A test that waits longer than this hangs."""

Run: TypeAlias = Callable[..., subprocess.CompletedProcess[bytes]]
Start: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]


def environment(**more: str) -> dict[str, str]:
    """This one's, without what changes how netlab behaves."""
    own = {key: value for key, value in os.environ.items() if key not in ("NETLAB_TOKEN", "NO_COLOR", "TERM")}
    return own | {"LOGNAME": "tester", "USER": "tester"} | more


@pytest.fixture
def netlab() -> Run:
    """Run `netlab` with these arguments to its end."""

    def run(*arguments: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "netlab", *arguments],
            input=stdin,
            capture_output=True,
            env=environment(**more),
            timeout=TIMEOUT_S,
        )

    return run


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `netlab` with these arguments and pipes; it is ended with the test."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [sys.executable, "-m", "netlab", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(**more),
            )
            stack.callback(_end, process)
            return process

        yield begin


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    process.wait(TIMEOUT_S)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Any]]:
    """Start `netlab` in a pseudo-terminal of its own."""
    with contextlib.ExitStack() as stack:

        def begin(*arguments: str, term: str = "xterm", **more: str) -> Any:
            child = pexpect.spawn(
                sys.executable,
                ["-m", "netlab", *arguments],
                env=environment(TERM=term, PROMPT_TOOLKIT_NO_CPR="1", **more),
                timeout=TIMEOUT_S,
                dimensions=(40, 120),
            )
            stack.callback(child.close, force=True)
            return child

        yield begin


class Served:
    """A running `netlab serve`, and where it listens."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self.process = process
        self.told = json.loads(process.stdout.readline())
        self.urls = [entry["url"] for entry in self.told["listening"]]

    def port(self, scheme: str) -> str:
        """The port of one transport."""
        (url,) = [url for url in self.urls if url.startswith(f"{scheme}://")]
        return str(url.rsplit(":", 1)[1])

    def reach(self, scheme: str) -> list[str]:
        """Arguments of a client that joins it."""
        return [f"{scheme}-chat", "join", "--port", self.port(scheme)]


@pytest.fixture
def serve(start: Start) -> Callable[..., Served]:
    """Start a server on free ports."""
    return lambda *arguments, **more: Served(start("serve", "--port", "0", "--json", *arguments, **more))


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    """A server with the default limits, over tcp and udp."""
    return serve()
