"""A chat over TCP through a bad network: the client runs on host A of a testbed, and reaches the server through a relay
on host B, at the link's far end. So its kernel's own TCP crosses the link, and repairs what that breaks.

      host A                                  host B              this process          wherever it is
    tcp-chat join  ====  link, each way  ====  10.0.0.2:9000  ---  relay  ------------  the server

The server, where it has to be hosted for this client, runs in this process too, on the machine's real loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket

from netlab.capture import recording
from netlab.capture.relay import Relay, RelayThread
from netlab.cli import chat_child
from netlab.cli.building import building, capture_file
from netlab.cli.chat_entering import host_where_nobody_does, presented, tell_link
from netlab.cli.chat_options import Options
from netlab.cli.link_options import read_link
from netlab.cli.running import run
from netlab.network.testbed import Testbed
from netlab.network.testbed_wire import ADDRESSES
from netlab.packets.text import printable

INSTEAD = "udp-chat --link and netlab simulate need none"


def through_testbed(options: Options, text: str, seed: int) -> int:
    """Chat through a link like `text`; the exit status comes back.

    Raises:
        NetlabError: no testbed can be built here, or nobody listens at the server's address; the message says what
            to do.
    """
    if options.capture is not None:
        recording.check(options.capture, force=False)  # before a chat is hosted for it
    return run(lambda stop: _client(options, text, seed, stop))


async def _client(options: Options, text: str, seed: int, stop: asyncio.Future[int]) -> int:
    near, token = (ADDRESSES["B"], options.port), presented(options)
    async with contextlib.AsyncExitStack() as stack:
        bed = Testbed(
            chat_child.join_command(options, *near),
            read_link(text),
            seed=seed,
            capture=stack.enter_context(capture_file(options.capture)),
            link_line=True,
            env=chat_child.environment(token),
        )
        with building(INSTEAD):
            await asyncio.to_thread(stack.enter_context, bed)

        await host_where_nobody_does(options, token, stop, stack)

        def inside(family: int, kind: int) -> socket.socket:
            return bed.socket_on("B", family, kind)

        relay = Relay("tcp", listen=near, to=(options.host, options.port))
        thread = await asyncio.to_thread(RelayThread, [relay], inside)
        stack.push_async_callback(asyncio.to_thread, thread.close)  # delivers what the client said last
        tell_link(options, text, seed)
        if options.capture is not None:
            path = printable(str(options.capture))
            options.tell(f"capturing the leg between this client and the relay at the link's far end into {path}")
        result = await chat_child.until_ended(bed.run, stop, bed.signal)
    if options.capture is not None:
        options.tell(f"{result.frames} records -> {printable(str(options.capture))}")
    if result.missed:
        options.tell(f"{result.missed} packets came too fast for this machine and were lost beside the link")
    if result.failed is not None:
        options.tell(f"the capture ends early: {printable(result.failed)}")
    return result.exit_status or int(result.failed is not None)
