"""Real packets: a small program run over the kernel's own sockets and captured without root, or a recorded capture.

    capture = await captured(["-m", "netlab.course.demo_chat", "tcp"], instead="chat-tcp")

It runs in a child process and is awaited: a notebook goes on living meanwhile.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from netlab.capture.files import Capture, read
from netlab.capture.live import Unavailable, capture_command_async
from netlab.capture.recorded import recorded


async def captured(arguments: Sequence[str], *, instead: str) -> Capture:
    """Run this Python with these arguments, captured; where that can't be had, the recorded capture of that name. One
    line is printed that says which it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{instead}.pcapng"
        try:
            result = await capture_command_async(
                [sys.executable, *arguments], file, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except Unavailable:
            capture = recorded(instead)
            sys.stdout.write(f"No live capture can be had here: this is {instead}, recorded earlier.\n")
            return capture
        sys.stdout.write(f"Captured live, just now: {result.packets} packets of the kernel's own sockets.\n")
        return read(file)


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection of this machine with itself."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as one,
        server.accept()[0] as other,
    ):
        other.settimeout(2)
        yield one, other
