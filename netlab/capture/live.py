"""Live capture without root: run a command, and keep every packet that it sends and gets over loopback.

    result = capture_command(["curl", "http://127.0.0.1:8000"], "curl.pcapng")
    result.packets, result.kernel_drops, result.exit_status

The command runs in a network of its own (`namespace`), so what is captured is its own traffic and nothing else; what it
must reach outside, or be reached at, is said as `relays`. Where namespaces are refused but capturing is allowed (root
in some containers), it runs in the host's network and whatever else passes on the host's loopback is captured too.

Read `sensor` for the process that does it, `obstacles` for what is said where nothing can be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypeAlias

import msgspec

from netlab.capture import obstacles, orders, recording
from netlab.capture.limits import MAX_FILE, SENSOR_PATIENCE
from netlab.capture.relay import Address, MakeSocket, Relay, RelayThread
from netlab.errors import CaptureError
from netlab.network.foreign_sockets import ForeignSockets
from netlab.network.interpreter import fresh_interpreter
from netlab.network.namespace import StepFailed, Way, kill_all_in, network_of
from netlab.units import S

__all__ = [
    "CaptureResult",
    "CommandNotFound",
    "LiveCapture",
    "Relay",
    "Unavailable",
    "Way",
    "capture_command",
    "capture_command_async",
    "find_way",
]

_Stream: TypeAlias = int | IO[Any] | None

_INTERRUPTING = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM) if os.name == "posix" else ()


class Unavailable(CaptureError):
    """No live capture can be had here. `obstacle` says what is missing and the command that gets it."""

    def __init__(self, obstacle: obstacles.Obstacle) -> None:
        super().__init__(str(obstacle))
        self.obstacle = obstacle


class CommandNotFound(CaptureError):
    """There is no such program, or it may not be run. `status` is what a shell gives: 127 or 126."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class CaptureResult(msgspec.Struct, frozen=True):
    """What a live capture came to.

    Attributes:
        exit_status: COMMAND's, 0 to 255; 128 + n where signal n ended it, as shells say it.
        packets: packets in the file.
        bytes: their bytes, link-layer headers included.
        kernel_drops: packets that passed while the kernel's ring was full, and are missing from the file.
        way: how the packets were got at.
        files: the file, and those it was continued in when it was full.
        relay_drops: datagrams that a relay lost.
        failed: why writing ended early (such as a full disk), or None.
    """

    exit_status: int
    packets: int
    bytes: int
    kernel_drops: int
    way: Way
    files: tuple[Path, ...]
    relay_drops: int = 0
    failed: str | None = None


class LiveCapture:
    """One command, captured. `start`, then `wait`; as a context manager it is stopped when left.

    Methods may be called from any one thread; `signal` and `stop` from another one, or from a signal handler.

    Attributes:
        way: how packets are got at, once started.
        relay_addresses: where each relay listens, once started.
        stream: where `live` was asked for and once started: the end of a pipe that says the file's bytes as they are
            written. It is the caller's to read, while `wait` runs in another thread, and to close.
    """

    def __init__(
        self,
        command: Sequence[str],
        file: str | os.PathLike[str] | None,
        *,
        live: bool = False,
        relays: Sequence[Relay] = (),
        force: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stdin: _Stream = None,
        stdout: _Stream = None,
        stderr: _Stream = None,
        max_file: int = MAX_FILE,
        ways: Sequence[Way] | None = None,
    ) -> None:
        """Say what to run and where to write; nothing happens yet.

        Args:
            command: the program and its arguments. Without `stdin`, `stdout` and `stderr` (as `subprocess.Popen` takes
                them, except PIPE) it has this process's, its terminal too.
            file: made with mode 0600; continued in `name.2.pcapng` and so on beyond `max_file` bytes. None: no file.
            live: say what is captured while it is, on `stream`.
            relays: addresses carried in or out of COMMAND's network.
            force: replace `file` if it is there.
            ways: what to try, in this order; by default what fits this user.
        """
        if not command:
            raise CaptureError("no command was given to capture")
        self.way: Way | None = None
        self.relay_addresses: list[Address] = []
        self._command = list(command)
        self.stream: int | None = None
        self._path = None if file is None else Path(file)
        self._live = live
        self._force, self._relays = force, tuple(relays)
        self._env, self._cwd = env, cwd
        self._streams = (stdin, stdout, stderr)
        self._max_file = sys.maxsize if file is None else max_file
        self._ways = default_ways() if ways is None else tuple(ways)
        self._files: list[Path] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._network: str | None = None
        self._line: socket.socket | None = None
        self._sockets: ForeignSockets | None = None
        self._relay_thread: RelayThread | None = None

    def start(self) -> Way:
        """Start COMMAND, captured from its first packet on.

        Raises:
            Unavailable: no way of capturing is open to this user on this machine.
            CommandNotFound: COMMAND is not there or cannot be run.
            CaptureError: the file cannot be made (nothing was run then), or a relay's address is taken.
        """
        if self._path is not None:
            recording.check(self._path, force=self._force)
        self._find_command()
        way = self._open_any(self._ways)
        try:
            self._start_relays(way)
            self._hand_over_first()
            match self._receive():
                case orders.Started():
                    self.way = way
                    return way
                case orders.NotStarted(errno):
                    if self._path is not None:
                        self._path.unlink(missing_ok=True)
                    raise CommandNotFound(f"{self._command[0]}: {os.strerror(errno)}", 126)
                case _:
                    raise self._lost()
        except BaseException:
            self._end()
            if self.stream is not None:
                os.close(self.stream)
                self.stream = None
            raise

    def wait(self) -> CaptureResult:
        """Wait for COMMAND, write what is left, and say what it came to.

        Raises:
            CaptureError: the capturing process was killed: COMMAND died with it, and the file ends with its last whole
                record. Or nothing was started.
        """
        if self.way is None:
            raise CaptureError("nothing was started: start() comes before wait()")
        status = 0
        try:
            while True:
                match self._receive():
                    case orders.WantFile(number):
                        self._hand_over(number)
                    case orders.Ended(status):
                        self._close_relays()
                        self._send(orders.RelaysClosed())
                    case orders.Done(packets, size, drops, files, failed):
                        return CaptureResult(
                            exit_status=status if status >= 0 else 128 - status,
                            packets=packets,
                            bytes=size,
                            kernel_drops=drops,
                            way=self.way,
                            files=tuple(self._files[:files]),
                            relay_drops=0 if self._relay_thread is None else self._relay_thread.dropped,
                            failed=failed,
                        )
                    case _:
                        raise self._lost()
        finally:
            self._end()

    def signal(self, number: int) -> None:
        """Send COMMAND a signal."""
        self._send(orders.Signal(number))

    def stop(self) -> None:
        """Ask COMMAND to end (SIGTERM, and SIGKILL after a while); `wait` then returns."""
        self._send(orders.Stop())

    def __enter__(self) -> LiveCapture:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    # ---- the capturing process -------------------------------------------------------------------------------------

    def _open_any(self, ways: Sequence[Way]) -> Way:
        """Start a capturing process by the first way that is open."""
        refused: dict[Way, StepFailed] = {}
        machine = obstacles.look()
        for way in ways if machine.platform == "linux" else ():
            self._spawn(way)
            match self._receive(patient=False):
                case orders.Ready(way):
                    assert self._process is not None
                    self._network = network_of(self._process.pid)
                    return way
                case orders.Refused(step, errno):
                    refused[way] = StepFailed(step, errno)
                    self._end()
                case _:
                    raise self._lost()
        raise Unavailable(obstacles.explain(machine, refused))

    def _spawn(self, way: Way) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line, self._sockets = ours, (sockets := ForeignSockets())
        numbers = (theirs.fileno(), sockets.answering.fileno())
        arguments = [str(numbers[0]), str(numbers[1]), str(way), str(self._max_file), *self._command]
        # The child inherits the mask: a Ctrl-C in its first moments is not for it. It clears the mask when it is ready.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
        try:
            self._process = subprocess.Popen(
                [*fresh_interpreter("netlab.capture.sensor"), *arguments],
                pass_fds=numbers,
                env=None if self._env is None else dict(self._env),
                cwd=self._cwd,
                stdin=self._streams[0],
                stdout=self._streams[1],
                stderr=self._streams[2],
            )
        except BaseException:
            self._end()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            sockets.answering.close()

    def _send(self, words: orders.Order, *files: int) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                orders.send(self._line, words, *files)

    def _receive(self, *, patient: bool = True) -> orders.Report | None:
        """The next report; None where there will be none."""
        line = self._line
        if line is None:
            return None
        line.settimeout(None if patient else SENSOR_PATIENCE / S)
        try:
            words, _ = orders.receive(line)
        except TimeoutError:
            return None
        finally:
            line.settimeout(None)
        return msgspec.json.decode(words, type=orders.Report) if words else None

    def _hand_over_first(self) -> None:
        """The order to start, with what is written to beside it."""
        if self._path is None:
            files = [os.open(os.devnull, os.O_WRONLY)]
        else:
            files = [recording.create(self._path, force=self._force)]
            self._files.append(self._path)
        if self._live:
            self.stream, writing = os.pipe()
            files.append(writing)
        self._send(orders.Start(), *files)
        for file in files:
            os.close(file)

    def _hand_over(self, number: int) -> None:
        assert self._path is not None  # without one, none is ever full
        path = recording.rotated(self._path, number)
        try:
            file = recording.create(path, force=self._force)
        except CaptureError as error:
            self._send(orders.NextFile(str(error)))
            return
        self._files.append(path)
        self._send(orders.NextFile(), file)
        os.close(file)

    def _lost(self) -> CaptureError:
        """The capturing process died. COMMAND died with it, but what COMMAND had started did not."""
        self._end()
        if self._network is not None:
            kill_all_in(self._network)
        return CaptureError("the capturing process ended before its time; the file holds what was written until then")

    def _end(self) -> None:
        """Close everything: the capturing process sees its line end, ends COMMAND, closes the file and exits."""
        self._close_relays()
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None
        if self._process is not None:
            self._process.wait()
            self._process = None

    # ---- relays ----------------------------------------------------------------------------------------------------

    def _start_relays(self, way: Way) -> None:
        relays = self._relays
        assert self._sockets is not None
        inside: MakeSocket = self._sockets.make
        if way is Way.HOST:  # one network only: a relay to the address it listens on has nothing to do
            relays, inside = tuple(r for r in relays if r.listen != r.to), socket.socket
        if relays:
            self._relay_thread = RelayThread(relays, inside)
            self.relay_addresses = self._relay_thread.addresses

    def _close_relays(self) -> None:
        if self._relay_thread is not None:
            self._relay_thread.close()

    def _find_command(self) -> None:
        name = self._command[0]
        environment = os.environ if self._env is None else self._env
        if os.sep in name:
            here = Path(self._cwd or ".", name)
            if not here.exists():
                raise CommandNotFound(f"{name}: there is no such program", 127)
        elif shutil.which(name, path=environment.get("PATH", os.defpath)) is None:
            raise CommandNotFound(f"{name}: there is no such program on the PATH", 127)


def default_ways() -> tuple[Way, ...]:
    """What this user would try, in order: the most private first."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return (Way.NETWORK_NAMESPACE, Way.USER_NAMESPACE, Way.HOST)
    return (Way.USER_NAMESPACE, Way.HOST)


def find_way(ways: Sequence[Way] | None = None) -> Way | obstacles.Obstacle:
    """Try what a live capture needs, on this machine and as this user: the way that is open, or what is in the way.

    Args:
        ways: what to try, in this order; by default what fits this user.
    """
    probe = LiveCapture(["true"], os.devnull, ways=ways)
    try:
        return probe._open_any(probe._ways)
    except Unavailable as error:
        return error.obstacle
    except (CaptureError, OSError) as error:
        return obstacles.Obstacle(f"the process that captures does not start: {error}", None)
    finally:
        probe._end()


def capture_command(command: Sequence[str], file: str | os.PathLike[str], **options: Any) -> CaptureResult:
    """Run `command` to its end and capture it into `file`; `options` are those of `LiveCapture`.

    Interrupted (Ctrl-C, or any exception out of a signal handler), it ends COMMAND and closes the file before the
    exception goes on.

    Raises:
        Unavailable: no live capture can be had here; `command` was not run.
        CommandNotFound: `command` is not there or cannot be run.
        CaptureError: the file cannot be made, a relay's address is taken, or the capturing process was killed.
    """
    with LiveCapture(command, file, **options) as capture:
        return capture.wait()


async def capture_command_async(command: Sequence[str], file: str | os.PathLike[str], **options: Any) -> CaptureResult:
    """`capture_command`, awaited: the loop goes on meanwhile. Cancelling it ends COMMAND and closes the file first."""
    capture = LiveCapture(command, file, **options)

    def run() -> CaptureResult:
        with capture:
            return capture.wait()

    work = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        capture.stop()
        with contextlib.suppress(CaptureError):
            await work
        raise
