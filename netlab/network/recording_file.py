"""A recording that goes into a file while it is made. The file is opened and closed by its owner."""

from __future__ import annotations

import os
import stat

from netlab.network.recording import Recording
from netlab.units import Ns

EVERY = 256
"""Frames from one writing to the next, where it goes into a file."""


class RecordingFile(Recording):
    """A tap that writes.

    Args:
        file: descriptor, at the file's beginning.

    Attributes:
        failed: why writing ended early, or None.
    """

    def __init__(self, file: int, *, comment: str, epoch: Ns) -> None:
        super().__init__(comment=comment, epoch=epoch)
        self.failed: str | None = None
        self._file = file
        self._every = 1 if stat.S_ISFIFO(os.fstat(file).st_mode) else EVERY  # who reads a pipe waits for each

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """As `simulator.Tap`."""
        super().seen(point, at, frame, comment, outbound=outbound)
        if self.frames % self._every == 0:
            self.write()

    def write(self) -> None:
        """Hand over what was recorded since this was called last."""
        blocks = memoryview(self.take())
        try:
            while blocks and self.failed is None:
                blocks = blocks[os.write(self._file, blocks) :]
        except OSError as error:
            self.failed = error.strerror
