"""Sockets of another network: made there by a process that belongs to it, and used in this one.

A socket belongs to the namespace that it was made in, whichever process uses it (network_namespaces(7)). Who wants one
asks on a line of its own, and the socket comes back beside the answer (SCM_RIGHTS, unix(7)).
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import threading
from collections.abc import Callable

import msgspec

_MAX_WORDS = 512


class Wanted(msgspec.Struct, frozen=True):
    """A socket of a network; `network` is empty where there is but one."""

    family: int
    kind: int
    network: str = ""


class ForeignSockets:
    """The asking end.

    Attributes:
        answering: the other process's end; closed here once that process has it.
    """

    def __init__(self) -> None:
        self._asking: socket.socket | None
        self._asking, self.answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._one_at_a_time = threading.Lock()

    def make(self, family: int, kind: int, network: str = "") -> socket.socket:
        """`(family, kind) -> socket`, like `socket.socket`. From any thread.

        Raises:
            OSError: the other network has none to give, or is gone.
        """
        with self._one_at_a_time:
            if self._asking is None:
                raise OSError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._asking.send(msgspec.json.encode(Wanted(family, kind, network)))
            try:
                answer, files, _, _ = socket.recv_fds(self._asking, _MAX_WORDS, 1)
            except ConnectionResetError:
                answer, files = b"", []
        if not files:
            number = int(answer or 0)
            raise (
                OSError(number, os.strerror(number)) if number else ConnectionAbortedError("the other network is gone")
            )
        os.set_inheritable(files[0], False)
        return socket.socket(fileno=files[0])

    def close(self) -> None:
        """Ask no more."""
        self.answering.close()
        if self._asking is not None:
            self._asking.shutdown(socket.SHUT_RDWR)  # another thread may be waiting for an answer
            with self._one_at_a_time:
                self._asking.close()
                self._asking = None


def answer(line: socket.socket, make: Callable[[Wanted], socket.socket]) -> bool:
    """Answer one who asks, with what `make` gives; False at the end of the line."""
    try:
        words = line.recv(_MAX_WORDS)
    except ConnectionResetError:
        words = b""
    if not words:
        return False
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        try:
            made = make(msgspec.json.decode(words, type=Wanted))
        except OSError as error:
            line.send(str(error.errno).encode())
        else:
            with made:
                socket.send_fds(line, [b"0"], [made.fileno()])
    return True
