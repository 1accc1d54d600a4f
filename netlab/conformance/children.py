"""The processes of an experiment, and the programs it asks afterwards: started, told what to do, and always reaped.

A child ends when its stdin does, so none outlives this process even where that is killed; and since a child has a
session of its own, Ctrl-C in a terminal reaches this process alone, which then ends its children in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from netlab.errors import NetlabError

LINE_MOST = 1 << 22
PATIENCE_S = 5.0
"""How long a child may take to end once it is told to, s; then it is killed."""


class SceneFailed(NetlabError):
    """An experiment could not be carried to its end: a role failed, or did not do in time what it was told."""


async def run_program(module: str, *arguments: str) -> bytes:
    """Run `python -m netlab.conformance.MODULE` to its end; what it wrote to stdout.

    Raises:
        SceneFailed: it failed.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"netlab.conformance.{module}", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SceneFailed(f"{module} failed: {errors.decode(errors='replace').strip()[-300:]}")
    return out


class Child:
    """One role's process. `ask` sends it a command and waits for the answer."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, stderr: Path) -> None:
        self.name = name
        self._process = process
        self._stderr = stderr
        self._ids = itertools.count(1)
        self._waiting: dict[int, tuple[str, asyncio.Future[Any]]] = {}
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, name: str, role: str, directory: Path, *arguments: str) -> Child:
        """Start `python -m netlab.conformance.ROLE` with these arguments."""
        stderr = directory / f"{name}.stderr"
        with stderr.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"netlab.conformance.{role}", *arguments),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                limit=LINE_MOST,
                start_new_session=True,
            )
        return cls(name, process, stderr)

    async def ask(self, do: str, within_s: float, /, **arguments: Any) -> Any:
        """Have it done.

        Raises:
            SceneFailed: it can't be, it was not within `within_s`, or the process is gone.
        """
        number = next(self._ids)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._reading.done():
            raise SceneFailed(f"{self.name} is gone{self.complaint()}")
        self._waiting[number] = (do, future)
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"id": number, "do": do, **arguments}) + b"\n")
        try:
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError:
            wanted = ", ".join(f"{key} {value}" for key, value in arguments.items())
            raise SceneFailed(f"{self.name}: no end of {do} ({wanted[:100]}) within {within_s:g} s") from None
        finally:
            self._waiting.pop(number, None)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            reply = msgspec.json.decode(line)
            do, future = self._waiting.get(reply["id"], ("", None))
            if future is None or future.done():
                continue
            if "error" in reply:
                future.set_exception(SceneFailed(f"{self.name}: {do}: {reply['error']}"))
            else:
                future.set_result(reply["answer"])
        for do, future in self._waiting.values():
            if not future.done():
                future.set_exception(SceneFailed(f"{self.name} was gone before the end of {do}{self.complaint()}"))

    def complaint(self) -> str:
        """The last line it wrote to stderr, behind a colon; or nothing."""
        with contextlib.suppress(OSError):
            lines = self._stderr.read_text(errors="replace").strip().splitlines()
            return f": {lines[-1]}" if lines else ""
        return ""

    async def kill(self) -> None:
        """SIGKILL, as a crash."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def end(self) -> None:
        """End its stdin, wait, and kill it if that does not help."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        await self._reading


class Children:
    """All children of one experiment: `async with` ends every one, whatever happens."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    async def __aenter__(self) -> Children:
        return self

    async def start(self, name: str, role: str, directory: Path, *arguments: str) -> Child:
        """As `Child.start`."""
        child = await Child.start(name, role, directory, *arguments)
        self._children.append(child)
        return child

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await asyncio.gather(*(child.end() for child in self._children))
        except asyncio.CancelledError:
            await asyncio.gather(*(child.kill() for child in self._children))
            raise
