"""What the calling process and the capturing one say to each other, over a socket that keeps messages apart.

File descriptors travel beside the words (SCM_RIGHTS, unix(7)). Either side's death is the end of the stream, which is
how the capturing process learns that its caller was killed.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TypeAlias

import msgspec

from netlab.network.namespace import Way

_MAX_WORDS = 8192


class Start(msgspec.Struct, frozen=True, tag="start"):
    """Run COMMAND and capture into the file beside this, and into the pipe if there is one beside it too."""


class NextFile(msgspec.Struct, frozen=True, tag="next-file"):
    """The next file is beside this; or, where `refused` says why, there is none."""

    refused: str | None = None


class Signal(msgspec.Struct, frozen=True, tag="signal"):
    """Send COMMAND this signal."""

    number: int


class Stop(msgspec.Struct, frozen=True, tag="stop"):
    """End COMMAND: SIGTERM, and SIGKILL after a while. Losing the caller means the same."""


class RelaysClosed(msgspec.Struct, frozen=True, tag="relays-closed"):
    """Nothing passes in or out of the namespace any more: drain."""


Order: TypeAlias = Start | NextFile | Signal | Stop | RelaysClosed
"""From the calling process to the capturing one."""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The namespace is there and packets are being taken."""

    way: Way


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The kernel refused a step of getting there."""

    step: str
    errno: int


class Started(msgspec.Struct, frozen=True, tag="started"):
    """COMMAND runs."""

    pid: int


class NotStarted(msgspec.Struct, frozen=True, tag="not-started"):
    """COMMAND could not be run."""

    errno: int


class WantFile(msgspec.Struct, frozen=True, tag="want-file"):
    """The file is full: hand over the one of this number."""

    number: int


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """COMMAND has ended; as `os.waitstatus_to_exitcode`, so -9 is SIGKILL."""

    status: int


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The file is closed. The counters are those of `CaptureResult`."""

    packets: int
    bytes: int
    kernel_drops: int
    files: int
    failed: str | None


Report: TypeAlias = Ready | Refused | Started | NotStarted | WantFile | Ended | Done
"""From the capturing process to the calling one."""


def send(line: socket.socket, words: Order | Report, *files: int) -> None:
    """Say one thing. A line that is cut already is no error: the other side's end is seen when it is read."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(line, [msgspec.json.encode(words)], files)


def receive(line: socket.socket, *, wait: bool = True) -> tuple[bytes, list[int]]:
    """The next words and the descriptors beside them; `b""` is the other side's end.

    Raises:
        BlockingIOError: nothing is there, and the caller does not wait.
        TimeoutError: nothing came within the line's timeout.
    """
    if not wait:
        line.setblocking(False)  # not by MSG_DONTWAIT: `recv_fds` takes flags, and does not hand them on
    try:
        words, files, _flags, _address = socket.recv_fds(line, _MAX_WORDS, 2)
    except ConnectionResetError:
        return b"", []
    finally:
        if not wait:
            line.setblocking(True)
    for file in files:
        os.set_inheritable(file, False)
    return words, files
