"""A member of the room, as sender and receiver both are: connects, joins, and writes down all that it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from contextlib import AsyncExitStack

from netlab.chat import messages as m
from netlab.chat.client_events import Changed
from netlab.conformance.log import Counted, Heard, Log, Missed, Noted, Turned
from netlab.conformance.stamp import MARK, measure, read_stamp
from netlab.conformance.subject import Client, Subject
from netlab.errors import ConnectionEnded, Refused
from netlab.transports.alarm import now_ns

ROOM = "lab"


class Seat:
    """One member.

    Args:
        reconnect: after a cut the transport connects again and resumes. Otherwise this seat begins a new session, under
            a new name, because the lost one keeps its own for a while.
    """

    def __init__(self, subject: Subject, url: str, name: str, log: Log, *, reconnect: bool, room: str = ROOM) -> None:
        self.room = room
        self.tally: Counter[str] = Counter()
        """What happened so far: `heard`, `gaps`, `resumed`, `back` (however), `left:NAME`, `mark:N`, ..."""
        self.client: Client | None = None
        """Joined, or None between two sessions."""
        self._subject = subject
        self._url = url
        self._name = name
        self._log = log
        self._reconnect = reconnect
        self._changed = asyncio.Event()
        self._leaving = asyncio.Event()
        self._joined = asyncio.Event()
        self._session: asyncio.Task[None] | None = None
        self._heard: set[tuple[str, int]] = set()

    async def sit(self) -> str:
        """Connect and join the room; the name it has there.

        Raises:
            NetlabError: the hub does not take this client, or nobody answers.
        """
        self._session = asyncio.create_task(self._sessions())
        joined = asyncio.create_task(self._joined.wait())
        await asyncio.wait({self._session, joined}, return_when=asyncio.FIRST_COMPLETED)
        joined.cancel()
        if self._session.done():
            self._session.result()
        return self._name

    async def seated(self) -> Client:
        """The client, once it is joined."""
        while self.client is None:
            await self._joined.wait()
        return self.client

    async def wait(self, **counts: int) -> dict[str, int]:
        """Come back when each tally named has reached its count; the whole tally."""
        while any(self.tally[key] < count for key, count in counts.items()):
            self._changed.clear()
            await self._changed.wait()
        return dict(self.tally)

    async def leave(self) -> None:
        """Leave in order."""
        self._leaving.set()
        if self._session is not None:
            await self._session

    async def _sessions(self) -> None:
        names = itertools.chain([self._name], (f"{self._name}.{i}" for i in itertools.count(1)))
        for name in names:
            try:
                await self._one_session(name)
            except (ConnectionEnded, Refused) as error:
                if self._reconnect or not self._joined_once:
                    raise
                self._turned("ended", str(error))
            if self._reconnect or self._leaving.is_set():
                return

    @property
    def _joined_once(self) -> bool:
        return self.tally["joined"] > 0

    async def _one_session(self, name: str) -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                self._subject.connect(self._url, name=name, reconnect=self._reconnect)
            )
            reading = asyncio.create_task(self._read(client))
            try:
                await client.join(self.room)
                self.client = client
                self._turned("joined")
                self._joined.set()
                leaving = asyncio.create_task(self._leaving.wait())
                await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
                leaving.cancel()
            finally:
                self.client = None
                self._joined.clear()
                reading.cancel()
                counters = {key: count for key, count in client.counters.items() if isinstance(count, int)}
                self._log.write(Counted({**counters, "missing": client.missing}))

    async def _read(self, client: Client) -> None:
        async for event in client.events():
            match event:
                case m.Message():
                    self._message(event)
                case m.Joined() | m.Left():
                    what = "joined" if isinstance(event, m.Joined) else "left"
                    self._log.write(Noted(what, event.rooms, event.name))
                    self._count(f"{what}:{event.name}")
                case m.Gap(room, first, last):
                    self._log.write(Missed(room, first, last, at=self._now()))
                    self._count("gaps")
                case m.Goodbye(code, detail):
                    self._turned(f"told {code}", detail)
                case Changed(status, code, detail):
                    self._turned(status, f"{code} {detail}".strip())

    def _message(self, message: m.Message) -> None:
        if message.event == MARK and len(message.args) == 1:
            self._log.write(Noted(MARK, message.rooms))
            self._count(f"{MARK}:{message.args[0]}")
            return
        stamp = read_stamp(message.event)
        text = message.args[0] if len(message.args) == 1 and isinstance(message.args[0], str) else None
        length, sha256 = (-1, "") if text is None else measure(text)
        if stamp is None:
            self._log.write(Heard(message.rooms, "", 0, 0, "", length, sha256, self._now()))
        else:
            said = (stamp.sender, stamp.n, stamp.length, stamp.sha256)
            self._log.write(Heard(message.rooms, *said, length, sha256, self._now()))
            if (stamp.sender, stamp.n) not in self._heard:
                self._heard.add((stamp.sender, stamp.n))
                self.tally["different"] += 1
        self._count("heard")

    def _turned(self, status: str, detail: str = "") -> None:
        self._log.write(Turned(status, detail, self._now()))
        if status in ("resumed", "restarted"):
            self.tally["back"] += 1
        self._count(status)

    def _now(self) -> int:
        return now_ns(asyncio.get_running_loop())

    def _count(self, key: str) -> None:
        self.tally[key] += 1
        self._changed.set()
