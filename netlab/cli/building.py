"""A testbed for a command: the file that it captures into, and what is said where none can be built."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from netlab.capture.obstacles import Obstacle, explain, look
from netlab.cli.system_packages import install_command
from netlab.errors import NetlabError
from netlab.network.testbed import CannotBuild
from netlab.network.testbed_wire import TOOL


@contextlib.contextmanager
def capture_file(path: Path | None, *, force: bool = False) -> Iterator[int | None]:
    """The capture's descriptor. Where nothing was run, no file is left.

    Raises:
        CaptureError: it can't be made.
    """
    if path is None:
        yield None
        return
    from netlab.capture import recording

    file = recording.create(path, force=force)
    try:
        yield file
    finally:
        empty = os.fstat(file).st_size == 0
        os.close(file)
        if empty:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def building(instead: str) -> Iterator[None]:
    """Around what builds a testbed.

    Args:
        instead: what does without one, as a clause.

    Raises:
        NetlabError: none can be built; the message says what is missing, what gets it, and what to use instead.
    """
    if sys.platform != "linux":
        raise NetlabError(f"a testbed needs Linux (its network namespaces), and this is {sys.platform}; {instead}")
    try:
        yield
    except CannotBuild as error:
        raise NetlabError(f"no testbed can be built: {obstacle(error)}; {instead}") from None


def obstacle(error: CannotBuild) -> Obstacle:
    """What is in the way of a testbed, and the command that gets it."""
    for failed in error.refused.values():
        if failed.step == TOOL:
            return Obstacle("the program ip is not installed", install_command("ip"))
        if failed.step.startswith(f"{TOOL}:"):  # not the kernel's word: the tool refuses
            return Obstacle(failed.step, None)
    return explain(look(), error.refused)
