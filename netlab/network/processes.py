"""Who descends from whom, so that whatever a command has started can be ended with it."""

from __future__ import annotations

import contextlib
import os


def has_children() -> bool:
    """Whether this process has children, ended ones that were not waited for included."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def descendants(ancestor: int) -> list[int]:
    """The processes below `ancestor`, as /proc tells."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # proc_pid_stat(5): the name is in parentheses and may hold any byte, the parent is the second after it
                parent = int(file.read().rpartition(b")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    below, look_at = [], [ancestor]
    while look_at:
        found = children.get(look_at.pop(), [])
        below += found
        look_at += found
    return below
