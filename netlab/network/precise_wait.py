"""Waiting for sockets and for a moment at once, to some tens of microseconds.

asyncio's timers and epoll's timeout are rounded to whole milliseconds, which on a link of 5 ms would be a fifth.
select(2) takes microseconds; the kernel adds its timer slack of 50 us (prctl(2)), which this thread gives up, and the
last moment before the deadline is spent looking again and again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import selectors
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from netlab.units import US, Ns, S

SPIN: Ns = 60 * US
"""How long before the deadline looking begins: so much of a processor is spent on each deadline."""

TURN: Ns = 100 * US
"""How long a turn on a processor is asked for, so that it comes soon."""

_PR_SET_TIMERSLACK = 29
_USUAL_SLACK = 50_000  # ns: prctl(2)
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")  # size, policy, flags, nice, priority, runtime, deadline, period
_SCHED_OTHER, _RESET_ON_FORK = 0, 1
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
    """Let the kernel wake the calling thread when it asked for, and let it run at once, where it can be asked."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            _prctl(_PR_SET_TIMERSLACK, 1)
            _ask_for_short_turns()


def wake_as_usual() -> None:
    """In a child of such a thread, which has inherited the slack but not the turns: as every program begins."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            _prctl(_PR_SET_TIMERSLACK, _USUAL_SLACK)


def _ask_for_short_turns() -> None:
    """Who asks for short turns is given its turn sooner when others compute (EEVDF, Linux 6.12 and later).

    Source: sched_setattr(2); Documentation/scheduler/sched-eevdf.rst of Linux.
    """
    number = _SCHED_SETATTR.get(os.uname().machine)
    if number is not None:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, _SCHED_OTHER, _RESET_ON_FORK, nice, 0, TURN, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, attributes, 0)


def _prctl(option: int, value: int) -> None:
    unsigned = ctypes.c_ulong
    ctypes.CDLL(None).prctl(option, unsigned(value), unsigned(0), unsigned(0), unsigned(0))
