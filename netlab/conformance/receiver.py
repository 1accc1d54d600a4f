"""A receiver: a member of the room that says nothing. A role of its own: see `role` and `seat`."""

from __future__ import annotations

import argparse
from pathlib import Path

from netlab.conformance import role
from netlab.conformance.log import Began, Log
from netlab.conformance.seat import Seat
from netlab.conformance.subject import load_subject


def main() -> None:
    """Play a receiver."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.receiver", description=main.__doc__)
    for argument in ("--subject", "--url", "--name", "--log"):
        parser.add_argument(argument, required=True)
    parser.add_argument("--no-reconnect", action="store_true")
    args = parser.parse_args()

    async def body() -> None:
        log = Log(Path(args.log))
        log.write(Began("receiver", args.name))
        seat = Seat(load_subject(args.subject), args.url, args.name, log, reconnect=not args.no_reconnect)

        async def leave() -> None:
            await seat.leave()
            log.flush()

        try:
            await role.play({"sit": seat.sit, "wait": seat.wait, "leave": leave})
        finally:
            log.close()

    role.run(body)


if __name__ == "__main__":
    main()
