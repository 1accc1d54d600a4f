"""The file of a live capture: made so that it is nobody else's, filled record by record, rotated when it is full.

Two processes share the work. The one that called makes the files (`create`), with the caller's rights; the capturing
one, which may sit in a namespace where those rights count for nothing, only writes to what it was handed (`Recording`).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

from netlab.capture.limits import FILE_MODE, MAX_FILE
from netlab.errors import CaptureError
from netlab.packets import pcapng
from netlab.packets.capture_record import MAX_CAPTURED
from netlab.units import Ns

_BUFFER = 256 * 1024  # bytes gathered before one write


class AlreadyThere(CaptureError):
    """There is a file of that name, and nobody said that it may be replaced."""


def check(path: Path, *, force: bool) -> None:
    """See whether `create` would do, and change nothing.

    Raises:
        AlreadyThere: the file is there already, and `force` is not said.
        CaptureError: it is no ordinary file, or has no directory.
    """
    try:
        there = path.lstat()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise CaptureError(f"{path}: there is no directory {path.parent}") from None
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None
    else:
        if not stat.S_ISREG(there.st_mode):
            raise CaptureError(f"{path} is there and is no ordinary file: name another")
        if not force:
            raise AlreadyThere(f"{path} is there already: name another, or remove it")


def create(path: Path, *, force: bool) -> int:
    """Make a new file that only its owner may read and write, and give back its descriptor.

    With `force` the file of that name is replaced, not written into: no link leads anywhere else.

    Raises:
        CaptureError: as `check`, or the system refuses.
    """
    check(path, force=force)
    try:
        if force:
            path.unlink(missing_ok=True)
        # O_EXCL: not through a symbolic link, and not over a file that came in between
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        raise AlreadyThere(f"{path} is there already: name another, or remove it") from None
    except OSError as error:
        raise CaptureError(f"{path}: {error.strerror}") from None


def rotated(path: Path, number: int) -> Path:
    """The name of the `number`th file, counted from 1.

    >>> rotated(Path("chat.pcapng"), 1).name, rotated(Path("chat.pcapng"), 2).name
    ('chat.pcapng', 'chat.2.pcapng')
    """
    return path if number == 1 else path.with_name(f"{path.stem}.{number}{path.suffix}")


class Recording:
    """Writes records as pcapng. A failing disk does not raise: what was written stays whole, and `failed` says why.

    Attributes:
        packets: records written.
        bytes: bytes of these packets, before any was cut to MAX_CAPTURED.
        files: files begun so far.
        failed: why nothing is written any more, or None.
    """

    def __init__(
        self,
        file: int,
        following: Callable[[int], int | None],
        *,
        application: str,
        max_file: int = MAX_FILE,
        live: int | None = None,
    ) -> None:
        """Take over the descriptors `file` and `live`.

        Args:
            following: asked for the descriptor of the next file, by its number, when one is full; None: go on in this.
            max_file: bytes of one file.
            live: a pipe that gets the same bytes as the files, of all files one behind the other, until nobody reads
                it. Who reads it slowly slows writing down: what comes too fast then is dropped by the kernel.
        """
        self.packets = self.bytes = 0
        self.files = 1
        self.failed: str | None = None
        self._file = file
        self._following = following
        self._live = live
        self._max_file: int | None = max_file
        self._head = pcapng.section_header(application=application, os="Linux")
        self._head += pcapng.interface("lo", snaplen=MAX_CAPTURED)
        self._buffer = bytearray(self._head)
        self._written = 0  # bytes of whole records in the file
        self.flush()

    def add(self, time: Ns, length: int, data: bytes) -> None:
        """Add one packet of `length` bytes, of which `data` was captured."""
        if self.failed is not None:
            return
        block = pcapng.enhanced_packet(0, time, data, length)
        size = self._written + len(self._buffer)
        if self._max_file is not None and size + len(block) > self._max_file and size > len(self._head):
            self._rotate()
        self._buffer += block
        self.packets += 1
        self.bytes += length
        if len(self._buffer) >= _BUFFER:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        if self.failed is None and self._buffer:
            done = 0
            try:
                while done < len(self._buffer):
                    with memoryview(self._buffer) as rest:
                        done += os.write(self._file, rest[done:])
            except OSError as error:
                self.failed = error.strerror
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._written)  # to the last whole record that surely is there
            else:
                self._written += done
        self._tell_live()
        self._buffer.clear()

    def _tell_live(self) -> None:
        """The pipe is not the file: it gets what is gathered also where the disk failed."""
        left = memoryview(bytes(self._buffer))
        while self._live is not None and left:
            try:
                left = left[os.write(self._live, left) :]
            except OSError:  # nobody reads it any more
                os.close(self._live)
                self._live = None

    def close(self, time: Ns, *, dropped: int) -> None:
        """Write what is left, with the kernel's count of packets it had no room for, and close the file."""
        self._buffer += pcapng.interface_statistics(0, time, received=self.packets, dropped=dropped)
        self.flush()
        os.close(self._file)
        if self._live is not None:
            os.close(self._live)

    def _rotate(self) -> None:
        self.flush()
        file = self._following(self.files + 1)
        if file is None:
            self._max_file = None
            return
        os.close(self._file)
        self._file, self._written = file, 0
        self.files += 1
        self._buffer += self._head
