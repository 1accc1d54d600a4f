"""How a process that runs somebody's command stands between the terminal and it.

What the keyboard sends is for the command; SIGTERM asks for an orderly end; and whatever else happens, such as the end
of a child, wakes the loop that waits. The command itself starts with what was inherited.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

KEYBOARD = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Signals:
    """The signals of this process. Made before any of them is changed: it remembers what was inherited."""

    def __init__(self) -> None:
        self._inherited = {number: signal.getsignal(number) for number in (*KEYBOARD, signal.SIGTERM)}
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)

    def take(self, stop: Callable[[], None]) -> socket.socket:
        """From now on SIGTERM calls `stop`, and any signal makes the socket that comes back readable."""
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in KEYBOARD:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: stop())
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        return self._wake_read

    def woken(self) -> None:
        """Take from that socket what woke the loop."""
        self._wake_read.recv(4096)

    def give_back(self) -> None:
        """In a child, before it becomes the command: as they were inherited."""
        for number, handler in self._inherited.items():
            signal.signal(number, signal.SIG_IGN if handler is signal.SIG_IGN else signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
