"""The hub: whatever `subject.serve` makes, in a process of its own that can be killed. See `role`."""

from __future__ import annotations

import argparse
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from netlab.chat.limits import ChatLimits
from netlab.conformance import role
from netlab.conformance.log import Began, Counted, Log
from netlab.conformance.subject import Server, load_subject


def main() -> None:
    """Play the hub."""
    parser = argparse.ArgumentParser(prog="python -m netlab.conformance.hub", description=main.__doc__)
    for argument in ("--subject", "--log"):
        parser.add_argument(argument, required=True)
    args = parser.parse_args()

    async def body() -> None:
        subject = load_subject(args.subject)
        log = Log(Path(args.log))
        log.write(Began("hub", "hub"))
        servers: list[Server] = []
        async with AsyncExitStack() as stack:

            async def listen(limits: dict[str, Any]) -> str:
                made = msgspec.convert(limits, ChatLimits)
                server = await stack.enter_async_context(subject.serve(f"{subject.scheme}://127.0.0.1:0", limits=made))
                servers.append(server)
                return server.url

            async def leave() -> None:
                for server in servers:
                    log.write(Counted(dict(server.counters)))
                log.flush()

            await role.play({"listen": listen, "leave": leave})
        log.close()

    role.run(body)


if __name__ == "__main__":
    main()
