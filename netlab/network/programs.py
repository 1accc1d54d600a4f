"""The programs that a process runs for somebody: started, signalled, waited for, and ended with all that they started.

The process has one thread and is made for this: whatever a program leaves behind becomes its child (`adopt_orphans`),
so that nothing outlives it unseen; and if it is killed itself, the kernel kills the programs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

from netlab.network.namespace import adopt_orphans, die_with_parent, hand_down_capabilities
from netlab.network.processes import descendants, has_children
from netlab.network.signals import Signals
from netlab.units import MS, Ns

_LOOK_AGAIN: Ns = 20 * MS
"""After this much, whoever was started meanwhile by somebody who is being killed is killed as well."""


class Programs:
    """Programs by name.

    Args:
        signals: of this process; a program starts with those that were inherited.
        grace: from the order to end until what has not ended is killed.
        capable: whether programs get the network capabilities of this namespace.
    """

    def __init__(self, signals: Signals, *, grace: Ns, capable: bool) -> None:
        self._signals, self._grace, self._capable = signals, grace, capable
        self._pids: dict[str, int] = {}
        self._kill_at: Ns | None = None

    def start(self, name: str, command: Sequence[str], before: Callable[[], None] | None = None, **how: Any) -> int:
        """Start one; its process id comes back.

        Args:
            before: called in the child before it becomes the program.
            how: as for `subprocess.Popen`.

        Raises:
            OSError: it can't be run.
        """
        parent = os.getpid()

        def before_exec() -> None:
            self._signals.give_back()
            if before is not None:
                before()
            if self._capable:
                hand_down_capabilities()
            die_with_parent()
            if os.getppid() != parent:
                os._exit(1)

        adopt_orphans()
        child = subprocess.Popen(command, preexec_fn=before_exec, **how)
        child.returncode = 0  # it is waited for in `reap`, with whatever else is left behind
        self._pids[name] = child.pid
        return child.pid

    def __contains__(self, name: str) -> bool:
        return name in self._pids

    def pid(self, name: str) -> int | None:
        """Of one that runs."""
        return self._pids.get(name)

    def signal(self, name: str, number: int) -> None:
        """Send one a signal, if it still runs."""
        if name in self._pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pids[name], number)

    def reap(self) -> dict[str, int]:
        """Those that have ended, with what `os.waitstatus_to_exitcode` makes of how: -9 is SIGKILL."""
        ended: dict[str, int] = {}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended
            if pid == 0:
                return ended
            for name in [name for name, own in self._pids.items() if own == pid]:
                del self._pids[name]
                ended[name] = os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """Ask everything that runs to end. From a signal handler too."""
        if self._kill_at is None:
            self._kill_at = time.monotonic_ns() + self._grace
        self._end_all(signal.SIGTERM)

    @property
    def ending(self) -> bool:
        """Whether they were asked to end."""
        return self._kill_at is not None

    @property
    def deadline(self) -> Ns | None:
        """When to call `insist` next; on time.monotonic_ns."""
        return None if self._kill_at is None else max(self._kill_at, time.monotonic_ns() + _LOOK_AGAIN)

    def insist(self) -> None:
        """Kill what had its time."""
        if self._kill_at is not None and time.monotonic_ns() >= self._kill_at:
            self._end_all(signal.SIGKILL)

    @property
    def over(self) -> bool:
        """Whether nothing is left; what can't be killed (set-user-id, or stuck in the kernel) is let go."""
        return not has_children() or (self._kill_at is not None and time.monotonic_ns() > self._kill_at + self._grace)

    def _end_all(self, number: int) -> None:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)  # a stopped process would not see SIGTERM
