"""A crowd: many members in one process, in several rooms and on several servers of a cluster. A role of its own: see
`role` and `seat`. Each member writes a log of its own, in the directory of its room, which `compare` takes as it is."""

from __future__ import annotations

import argparse
import asyncio
import functools
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from netlab.conformance import role
from netlab.conformance.log import Began, Log
from netlab.conformance.seat import Seat
from netlab.conformance.sender import Sender
from netlab.conformance.subject import Subject, load_subject
from netlab.transports import connect

AT_ONCE = 40
"""Members that connect at once."""

LOOK_EVERY_S = 0.02
"""How often this process looks whether it is late itself, s."""


class Place(msgspec.Struct, frozen=True):
    """Where a member sits.

    Attributes:
        urls: of the servers: its own first, then those that it goes to when that is gone.
        talks: it says something now and then.
    """

    name: str
    room: str
    urls: list[str]
    talks: bool


class Crowd:
    """The members of one process."""

    def __init__(self, subject: Subject, directory: Path, seed: str) -> None:
        self._subject = subject
        self._directory = directory
        self._seed = seed
        self._seats: dict[str, Seat] = {}
        self._talkers: dict[str, Sender] = {}
        self._logs: list[Log] = []
        self._late_s = 0.0
        self._watching: asyncio.Task[None] | None = None

    async def sit(self, places: list[dict[str, Any]]) -> int:
        """Have all of them connect and join; how many sit."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(place: Place) -> None:
            async with slots:
                await self._sit(place)

        async with asyncio.TaskGroup() as group:
            for place in msgspec.convert(places, list[Place]):
                group.create_task(one(place))
        self._watching = asyncio.create_task(self._watch())
        return len(self._seats)

    async def _sit(self, place: Place) -> None:
        folder = self._directory / place.room
        folder.mkdir(parents=True, exist_ok=True)
        log = Log(folder / f"{place.name}.jsonl")
        log.write(Began("receiver", place.name))
        self._logs.append(log)
        anywhere = functools.partial(connect, elsewhere=place.urls[1:])
        subject = msgspec.structs.replace(self._subject, connect=anywhere)
        seat = Seat(subject, place.urls[0], place.name, log, reconnect=True, room=place.room)
        await seat.sit()
        self._seats[place.name] = seat
        if place.talks:
            self._talkers[place.name] = Sender(seat, place.name, self._seed, log)

    async def _watch(self) -> None:
        """Delays are measured here: what this process itself is late must be known."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            self._late_s = max(self._late_s, loop.time() - due)

    async def talk(self, gap_ms: float, size: int, window: int) -> dict[str, int]:
        """Have the talkers talk until `stop`, each a message every `gap_ms`; how all those ended."""
        outcomes: Counter[str] = Counter()

        async def one(sender: Sender, after_s: float) -> None:
            await asyncio.sleep(after_s)  # not all in the same instant
            outcomes.update(await sender.send(None, sizes=[size], gap_ms=gap_ms, window=window))

        async with asyncio.TaskGroup() as group:
            for index, sender in enumerate(self._talkers.values()):
                group.create_task(one(sender, gap_ms / 1e3 * index / len(self._talkers)))
        return dict(outcomes)

    async def stop(self) -> None:
        """End `talk`."""
        for sender in self._talkers.values():
            await sender.stop()

    async def late_ms(self) -> float:
        """The most that this process was late since it was asked last."""
        late, self._late_s = self._late_s, 0.0
        return round(late * 1e3, 1)

    async def mark(self, names: list[str], number: int) -> None:
        """Have these members say the mark, until it is `ok`."""

        async def one(name: str) -> None:
            while await self._talkers[name].mark(number) != "ok":  # noqa: ASYNC110  # asked again: nothing tells when
                await asyncio.sleep(0.2)

        await asyncio.gather(*(one(name) for name in names))

    async def wait(self, **counts: int) -> None:
        """Come back when everybody's tally has reached these counts."""
        await asyncio.gather(*(seat.wait(**counts) for seat in self._seats.values()))

    async def back(self, names: list[str]) -> None:
        """Come back when each of these that sits here has its connection again, after a first cut."""
        await asyncio.gather(*(self._seats[name].wait(back=1) for name in names if name in self._seats))

    async def more(self, count: int) -> None:
        """Come back when everybody has heard so many messages more, none of them for a second time."""
        seats = list(self._seats.values())
        await asyncio.gather(*(seat.wait(different=seat.tally["different"] + count) for seat in seats))

    async def tally(self) -> dict[str, int]:
        """What happened to all of them together: `heard`, `gaps`, `resumed`, `restarted`, ..."""
        return dict(sum((seat.tally for seat in self._seats.values()), Counter()))

    async def leave(self) -> None:
        """Everybody leaves."""
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(*(seat.leave() for seat in self._seats.values()))
        for log in self._logs:
            log.close()


def main() -> None:
    """Play a crowd."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.crowd", description=main.__doc__)
    for argument in ("--subject", "--logs", "--seed"):
        parser.add_argument(argument, required=True)
    args = parser.parse_args()

    async def body() -> None:
        crowd = Crowd(load_subject(args.subject), Path(args.logs), args.seed)
        handlers = ("sit", "talk", "stop", "late_ms", "mark", "wait", "back", "more", "tally", "leave")
        await role.play({name: getattr(crowd, name) for name in handlers})

    role.run(body)


if __name__ == "__main__":
    main()
