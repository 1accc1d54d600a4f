"""The one timer of a shell, the one way a shell reads the time, and a bound on what has begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from netlab.units import Ns


def now_ns(loop: asyncio.AbstractEventLoop) -> Ns:
    """The loop's clock in integer nanoseconds: real, or virtual on a virtual loop."""
    return round(loop.time() * 1e9)


class Alarm:
    """Calls back at a deadline. When the deadline moves later it keeps the earlier call, which then finds nothing to
    do: machines don't mind an early timer, and a busy connection need not make and cancel a timer for each packet."""

    __slots__ = ("_at", "_callback", "_handle", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._at: Ns | None = None
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: Ns | None) -> None:
        """Call back at `at` (absolute ns, or None for never), or a little early."""
        if self._handle is not None:
            if at is not None and self._at is not None and self._at <= at:
                return
            self._handle.cancel()
            self._handle = None
        self._at = at
        if at is not None:
            self._handle = self._loop.call_at(at / 1e9, self._fire)

    def _fire(self) -> None:
        self._handle = None
        self._callback()


class TimeLimit:
    """Something that begins has to end in time, as a frame of which a part came.

    Args:
        most: what it may take, ns.
        late: called when it has taken that long.
    """

    __slots__ = ("_alarm", "_late", "_loop", "_most", "_since")

    def __init__(self, loop: asyncio.AbstractEventLoop, most: Ns, late: Callable[[], None]) -> None:
        self._loop = loop
        self._most = most
        self._late = late
        self._since: Ns | None = None
        self._alarm = Alarm(loop, self._fired)

    def watch(self, under_way: bool) -> None:
        """Whether something is under way now. It began when this was first said."""
        if not under_way:
            self._since = None
            self._alarm.set(None)
            return
        if self._since is None:
            self._since = now_ns(self._loop)
        self._alarm.set(self._since + self._most)

    def ended(self) -> None:
        """It has ended in time: what `watch` finds under way next has just begun."""
        self._since = None

    def _fired(self) -> None:
        if self._since is None:
            return
        due = self._since + self._most
        if now_ns(self._loop) < due:
            self._alarm.set(due)
        else:
            self._late()
