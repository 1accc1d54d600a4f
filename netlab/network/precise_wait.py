"""Waiting for sockets and for a moment at once, to some tens of microseconds.

asyncio's timers and epoll's timeout are rounded to whole milliseconds, which on a link of 5 ms would be a fifth.
select(2) takes microseconds; the kernel adds its timer slack of 50 us (prctl(2)), which this thread gives up, and the
last moment before the deadline is spent looking again and again.
"""

from __future__ import annotations

import contextlib
import ctypes
import select
import selectors
import sys
import time
from collections.abc import Callable
from typing import Any

from netlab.units import US, Ns, S

SPIN: Ns = 60 * US
"""How long before the deadline looking begins: so much of a processor is spent on each deadline."""

_PR_SET_TIMERSLACK = 29
_MOST_SELECTABLE = 1024
"""select(2) knows no descriptors from FD_SETSIZE on."""


class PreciseSelector:
    """Sockets, each with what is to be called when it is readable. Belongs to one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        # select waits for the one descriptor that stands for all of them: so there may be any number.
        number = getattr(self._selector, "fileno", lambda: _MOST_SELECTABLE)()
        self._all = [number] if sys.platform == "linux" and number < _MOST_SELECTABLE else None

    def add(self, file: Any, readable: Callable[[], None]) -> None:
        """Watch a socket."""
        self._selector.register(file, selectors.EVENT_READ, readable)

    def remove(self, file: Any) -> None:
        """Do not watch it any more."""
        self._selector.unregister(file)

    def wait(self, until: Ns | None) -> list[Callable[[], None]]:
        """What is to be called; empty when it is `until`, on time.monotonic_ns, and nothing was readable before."""
        if until is None:
            return self._ready(None)
        left = until - time.monotonic_ns() - SPIN
        if left > 0:
            if self._all is None:
                if ready := self._ready(left / S):
                    return ready
            elif select.select(self._all, (), (), left / S)[0]:
                return self._ready(0)
        while not (ready := self._ready(0)) and time.monotonic_ns() < until:
            pass
        return ready

    def close(self) -> None:
        """Watch nothing any more."""
        self._selector.close()

    def _ready(self, timeout_s: float | None) -> list[Callable[[], None]]:
        return [key.data for key, _ in self._selector.select(timeout_s)]


def wake_on_time() -> None:
    """Let the kernel wake the calling thread when it asked for, where it can be asked."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            unsigned = ctypes.c_ulong
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, unsigned(1), unsigned(0), unsigned(0), unsigned(0))
