"""A sender: a member of the room that says stamped messages and writes down how each ended. A role of its own: see
`role` and `seat`."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections import Counter
from pathlib import Path

from netlab.conformance import role
from netlab.conformance.log import Began, Ended, Log, Sent
from netlab.conformance.seat import Seat
from netlab.conformance.stamp import MARK, stamp, text_of
from netlab.conformance.subject import Client, load_subject
from netlab.errors import LocalProtocolError, MessageTooBig
from netlab.transports.alarm import now_ns

WINDOW = 100
"""Messages under way at once: fewer than the client's own window, where what waited would go out together."""


class Sender:
    """Sends through a seat."""

    def __init__(self, seat: Seat, name: str, seed: str, log: Log) -> None:
        self._seat = seat
        self._name = name
        self._seed = seed
        self._log = log
        self._numbers = itertools.count(1)
        self._stop = asyncio.Event()

    async def send(
        self, count: int | None = None, sizes: list[int] | None = None, gap_ms: float = 2.0, window: int = WINDOW,
        skip_self: bool = False,
    ) -> dict[str, int]:  # fmt: skip
        """Say `count` messages (or, for None, go on until `stop`), one in each turn of the loop; how they ended.

        Args:
            sizes: bytes of the texts, in turn.
            gap_ms: from one to the next.
            window: how many may be under way at once; 1 = each waits for the end of the one before.
        """
        self._stop.clear()
        outcomes: Counter[str] = Counter()
        slots = asyncio.Semaphore(window)
        lengths = itertools.cycle(sizes or [40, 120, 400])
        async with asyncio.TaskGroup() as group:
            for _ in itertools.count() if count is None else range(count):
                await slots.acquire()
                client = await self._seat.seated()
                if self._stop.is_set():
                    break
                say = self._say(client, next(lengths), skip_self=skip_self, outcomes=outcomes, slots=slots)
                group.create_task(say)
                await asyncio.sleep(gap_ms / 1e3)  # the pace, and a turn of the loop for each message
        self._log.flush()
        return dict(outcomes)

    async def _say(
        self, client: Client, size: int, *, skip_self: bool, outcomes: Counter[str], slots: asyncio.Semaphore
    ) -> None:
        n = next(self._numbers)
        text = text_of(size, f"{self._seed}/{self._name}/{n}")
        stamped = stamp(self._name, n, text)
        self._log.write(Sent(self._name, n, stamped.length, stamped.sha256, self._now()))
        try:
            outcome = await client.emit(stamped.event(), text, to=self._seat.room, skip_self=skip_self)
        except LocalProtocolError as error:
            code = error.code if isinstance(error, MessageTooBig) else type(error).__name__
            self._log.write(Ended(self._name, n, "failed", code=code, raised=True, at=self._now()))
            outcomes[f"raised {code}"] += 1
        else:
            self._log.write(Ended(self._name, n, outcome.status, outcome.rooms, outcome.code, at=self._now()))
            outcomes[outcome.status] += 1
        finally:
            slots.release()

    def _now(self) -> int:
        return now_ns(asyncio.get_running_loop())

    async def stop(self) -> None:
        """End a `send` without a count."""
        self._stop.set()

    async def overlong(self, size: int, text: int) -> dict[str, int]:
        """Say an event whose *name* has `size` characters, with a text of `text` bytes; how that ended."""
        client = await self._seat.seated()
        try:
            outcome = await client.emit("x" * size, "x" * text, to=self._seat.room)
        except LocalProtocolError as error:
            return {f"raised {error.code if isinstance(error, MessageTooBig) else type(error).__name__}": 1}
        return {outcome.status: 1}

    async def mark(self, number: int) -> str:
        """Say the mark: who has heard it has heard what was sent before. How that ended."""
        client = await self._seat.seated()
        outcome = await client.emit(MARK, number, to=self._seat.room)
        return outcome.status


def main() -> None:
    """Play a sender."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.sender", description=main.__doc__)
    for argument in ("--subject", "--url", "--name", "--log", "--seed"):
        parser.add_argument(argument, required=True)
    parser.add_argument("--no-reconnect", action="store_true")
    args = parser.parse_args()

    async def body() -> None:
        log = Log(Path(args.log))
        log.write(Began("sender", args.name))
        seat = Seat(load_subject(args.subject), args.url, args.name, log, reconnect=not args.no_reconnect)
        sender = Sender(seat, args.name, args.seed, log)

        async def leave() -> None:
            await seat.leave()
            log.flush()

        try:
            await role.play(
                {
                    "sit": seat.sit,
                    "wait": seat.wait,
                    "send": sender.send,
                    "stop": sender.stop,
                    "overlong": sender.overlong,
                    "mark": sender.mark,
                    "leave": leave,
                }
            )
        finally:
            log.close()

    role.run(body)


if __name__ == "__main__":
    main()
