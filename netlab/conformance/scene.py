"""The scene of an experiment: a hub, a bad network, senders and receivers, each a process, and their logs in one
directory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from netlab.conformance.children import Child, Children, run_program
from netlab.conformance.compare import Report
from netlab.conformance.subject import Subject

T = TypeVar("T")

OPEN_S = 30.0
"""How long a role may take to start, connect and join, s: over a lossy link handshakes are repeated."""

WITNESS = "w0"
"""The receiver that reaches the hub directly: it knows what the hub knew."""


class Scene:
    """The roles of one experiment, and what is asked of them."""

    def __init__(self, subject: Subject, spec: str, directory: Path, seed: str, children: Children) -> None:
        self.subject = subject
        self.directory = directory
        self.senders: dict[str, Child] = {}
        self.receivers: dict[str, Child] = {}
        self._spec = spec
        self._seed = seed
        self._children = children
        self._marks = 0
        self._hubs = 0
        self._limits: dict[str, Any] = {}

    async def start_hub(self, limits: dict[str, Any]) -> str:
        """Start a hub (again); its URL."""
        self._hubs += 1
        self._limits = limits
        name = f"hub{self._hubs}"
        arguments = ("--subject", self._spec, "--log", str(self.directory / f"{name}.jsonl"))
        self.hub = await self._children.start(name, "hub", self.directory, *arguments)
        url: str = await self.hub.ask("listen", OPEN_S, limits=limits)
        self.url = url
        return url

    async def restart_hub(self) -> None:
        """Start another hub where the killed one's clients find it."""
        await self.start_hub(self._limits)
        await self.relay.ask("move", OPEN_S, upstream=self.url)

    async def start_relay(self) -> None:
        """Start the network."""
        self.relay = await self._children.start("relay", "relay", self.directory, "--seed", self._seed)

    async def add(self, role: str, name: str, *, direct: bool = False, reconnect: bool = True) -> str:
        """Seat a sender or receiver, on a path of its own; the name it has on the hub."""
        url = self.url if direct else await self.path(name)
        log = str(self.directory / f"{name}.jsonl")
        arguments = ["--subject", self._spec, "--url", url, "--name", name, "--log", log]
        if role == "sender":
            arguments += ["--seed", self._seed]
        if not reconnect:
            arguments.append("--no-reconnect")
        child = await self._children.start(name, role, self.directory, *arguments)
        (self.senders if role == "sender" else self.receivers)[name] = child
        seated: str = await child.ask("sit", OPEN_S)
        return seated

    async def path(self, name: str) -> str:
        """A path through the network; where it begins."""
        subject = self.subject
        url: str = await self.relay.ask(
            "open", OPEN_S, path=name, scheme=subject.scheme, link=subject.link, upstream=self.url
        )
        return url

    @property
    def paths(self) -> list[str]:
        """The names of all that reach the hub through the network."""
        return [name for name in (*self.senders, *self.receivers) if not name.startswith("w")]

    async def send(self, count: int, within_s: float = 60.0, /, **how: Any) -> dict[str, int]:
        """Have every sender say `count` messages, and wait until each has ended; how they ended, all together."""
        answers = await together(child.ask("send", within_s, count=count, **how) for child in self.senders.values())
        outcomes: dict[str, int] = {}
        for answer in answers:
            for outcome, number in answer.items():
                outcomes[outcome] = outcomes.get(outcome, 0) + number
        return outcomes

    async def settle(self, within_s: float = 30.0, but: Iterable[str] = ()) -> None:
        """Wait until everything that was sent has arrived or never will: a mark is sent behind it, until all have it.

        Raises:
            SceneFailed: a receiver did not get it.
        """
        receivers = [child for name, child in self.receivers.items() if name not in set(but)]
        for sender in self.senders.values():
            self._marks += 1
            mark, tries = self._marks, 4
            waiting = [asyncio.create_task(child.ask("wait", within_s, **{f"mark:{mark}": 1})) for child in receivers]
            try:
                for _ in range(tries):
                    await sender.ask("mark", within_s, number=mark)
                    _, pending = await asyncio.wait(waiting, timeout=within_s / tries)
                    if not pending:
                        break
                for task in waiting:
                    await task
            finally:
                for task in waiting:
                    task.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)

    async def counters(self, path: str) -> dict[str, dict[str, int]]:
        """What the network did on a path."""
        counts: dict[str, dict[str, int]] = await self.relay.ask("counters", OPEN_S, path=path)
        return counts

    async def finish(self) -> Report:
        """Everybody leaves; another program compares what they wrote."""
        await together(child.ask("leave", OPEN_S) for child in [*self.senders.values(), *self.receivers.values()])
        await self.hub.ask("leave", OPEN_S)
        return msgspec.json.decode(await run_program("compare", str(self.directory)), type=Report)


@asynccontextmanager
async def scene(
    subject: Subject,
    spec: str,
    directory: Path,
    seed: str,
    *,
    senders: int = 1,
    receivers: int = 2,
    witness: bool = False,
    reconnect: bool = True,
    limits: dict[str, Any] | None = None,
) -> AsyncIterator[Scene]:
    """Build a scene: senders s0.. and receivers r0.. each on a path of its own through the network, all in one room.

    Args:
        spec: the subject's name, for the roles.
        reconnect: of the senders.
        limits: of the hub, beside "no limit on the rate".
    """
    directory.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    async with Children() as children:
        made = Scene(subject, spec, directory, seed, children)
        await together([made.start_hub({"message_rate": 0, "history": 20_000, **(limits or {})}), made.start_relay()])
        seats = [made.add("receiver", f"r{i}") for i in range(receivers)]
        seats += [made.add("sender", f"s{i}", reconnect=reconnect) for i in range(senders)]
        if witness:
            seats.append(made.add("receiver", WITNESS, direct=True))
        await together(seats)
        yield made


async def together(things: Iterable[Awaitable[T]]) -> list[T]:
    """All of them at once; the first failure ends the others and is raised."""
    tasks = [asyncio.ensure_future(thing) for thing in things]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
