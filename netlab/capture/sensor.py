"""The capturing process: enters a namespace, opens the ring, runs COMMAND, writes what passes on `lo`.

`live` starts it as a fresh interpreter with one thread. It shares COMMAND's terminal but takes no part in it: signals
from the keyboard are COMMAND's. It ends when COMMAND has ended and everything is written, and also when its caller
dies: the line that it takes orders from is then at its end, so COMMAND is ended too and the file closed.

    ready -> (relays are set up) -> start -> started -> ... -> ended -> (relays are closed) -> drain -> done

Read `orders` for what is said, `ring` for where packets come from, `recording` for where they go.
"""

from __future__ import annotations

import os
import selectors
import socket
import time

import msgspec

from netlab.capture import orders
from netlab.capture.limits import DRAIN_LIMIT, DRAIN_QUIET, SENSOR_PATIENCE, STOP_GRACE
from netlab.capture.recording import Recording
from netlab.capture.ring import Ring
from netlab.network import foreign_sockets
from netlab.network.namespace import StepFailed, Way, enter
from netlab.network.programs import Programs
from netlab.network.signals import Signals
from netlab.units import S

_NOT_YET = -1  # no descriptor
_COMMAND = "COMMAND"


class Sensor:
    """One live capture, from within."""

    def __init__(
        self, line: socket.socket, sockets: socket.socket, way: Way, command: list[str], max_file: int
    ) -> None:
        """Get at the packets.

        Args:
            line: orders come from here, reports go there.
            sockets: asked here for sockets of the namespace.

        Raises:
            StepFailed: the kernel refused.
        """
        enter(way)
        self._ring = Ring("lo")
        self._line, self._sockets, self._way, self._command = line, sockets, way, command
        self._max_file = max_file
        self._recording: Recording | None = None
        self._begun = False
        self._status: int | None = None
        self._relays_closed = False
        self._caller_lost = False
        self._handed_over: int | None = None  # the next file's descriptor
        self._signals = Signals()
        capable = way is Way.USER_NAMESPACE and os.geteuid() != 0
        self._programs = Programs(self._signals, grace=STOP_GRACE, capable=capable)

    def run(self) -> None:
        """Serve the caller until everything is done."""
        woken = self._signals.take(self._stop)
        orders.send(self._line, orders.Ready(self._way))
        with selectors.DefaultSelector() as selector:
            selector.register(self._ring, selectors.EVENT_READ, self._take)
            selector.register(self._line, selectors.EVENT_READ, self._listen)
            selector.register(self._sockets, selectors.EVENT_READ, self._make_socket)
            selector.register(woken, selectors.EVENT_READ, self._signals.woken)
            while not self._finished():
                for key, _ in selector.select(self._patience()):
                    if key.data() is False:
                        selector.unregister(key.fileobj)  # its end: do not look at it again and again
                self._reap()
                self._programs.insist()
        if self._recording is not None:
            self._drain(self._recording)
        self._ring.close()

    # ---- packets ---------------------------------------------------------------------------------------------------

    def _take(self) -> None:
        """Move what the ring holds to the file."""
        while block := list(self._ring.read()):
            if self._recording is not None:
                for seen in block:
                    self._recording.add(*seen)
        if self._recording is not None:
            self._recording.flush()

    def _drain(self, recording: Recording) -> None:
        """Read on until the kernel's own count is reached and nothing comes any more."""
        until = time.monotonic_ns() + DRAIN_LIMIT
        with selectors.DefaultSelector() as selector:
            selector.register(self._ring, selectors.EVENT_READ)
            while time.monotonic_ns() < until:
                quiet = not selector.select(DRAIN_QUIET / S)
                self._take()
                self._ring.count()
                if quiet and self._ring.taken >= self._ring.kernel_seen:
                    break
        recording.close(time.time_ns(), dropped=self._ring.kernel_drops)
        orders.send(
            self._line,
            orders.Done(recording.packets, recording.bytes, self._ring.kernel_drops, recording.files, recording.failed),
        )

    # ---- the caller ------------------------------------------------------------------------------------------------

    def _listen(self) -> bool:
        """Take one order, if there is one; False at the end of the line."""
        try:
            words, files = orders.receive(self._line, wait=False)
        except BlockingIOError:  # what made the selector report it was taken meanwhile, in `_next_file`
            return True
        if not words:
            self._caller_lost = self._relays_closed = True
            self._stop()
            return False
        match msgspec.json.decode(words, type=orders.Order):
            case orders.Start():
                self._start(*files)
            case orders.NextFile(refused):
                self._handed_over = files[0] if refused is None else None
            case orders.Signal(number):
                self._programs.signal(_COMMAND, number)
            case orders.Stop():
                self._stop()
            case orders.RelaysClosed():
                self._relays_closed = True
        return True

    def _make_socket(self) -> bool:
        """Answer one request for a socket of this namespace; False at the end of the line."""
        return foreign_sockets.answer(self._sockets, lambda wanted: socket.socket(wanted.family, wanted.kind))

    def _next_file(self, number: int) -> int | None:
        """Ask the caller for another file, and wait for it: the ring holds what comes in the meantime."""
        self._handed_over = _NOT_YET
        orders.send(self._line, orders.WantFile(number))
        until = time.monotonic_ns() + SENSOR_PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self._line, selectors.EVENT_READ)
            while self._handed_over == _NOT_YET and not self._caller_lost:
                left = until - time.monotonic_ns()
                if left <= 0 or not selector.select(left / S) or not self._listen():
                    return None
        return self._handed_over

    # ---- COMMAND ---------------------------------------------------------------------------------------------------

    def _start(self, file: int, live: int | None = None) -> None:
        self._take()  # what passed before COMMAND (setting up relays) is not part of it
        self._recording = Recording(file, self._next_file, application="netlab", max_file=self._max_file, live=live)
        try:
            pid = self._programs.start(_COMMAND, self._command)
        except OSError as error:
            orders.send(self._line, orders.NotStarted(error.errno or 0))
            self._status = 127
            return
        self._begun = True
        orders.send(self._line, orders.Started(pid))

    def _reap(self) -> None:
        """Wait for whichever child has ended; when COMMAND has, end what it left running."""
        status = self._programs.reap().get(_COMMAND)
        if status is not None:
            self._status = status
            orders.send(self._line, orders.Ended(status))
            self._stop()

    def _stop(self) -> None:
        """Ask everything that COMMAND started to end, and see to it that it does."""
        if self._begun:
            self._programs.end()
        else:
            self._status = 0 if self._status is None else self._status
            self._relays_closed = True

    def _finished(self) -> bool:
        return self._status is not None and self._relays_closed and self._programs.over

    def _patience(self) -> float | None:
        """How long to wait for the next event at most, s."""
        deadline = self._programs.deadline
        return None if deadline is None else max(0, deadline - time.monotonic_ns()) / S


def main(arguments: list[str]) -> None:
    """Entry of the process: descriptors of the two lines, the way, bytes of one file, and COMMAND."""
    line = socket.socket(fileno=int(arguments[0]))
    sockets = socket.socket(fileno=int(arguments[1]))
    for own in (line, sockets):
        own.set_inheritable(False)
    try:
        sensor = Sensor(line, sockets, Way(arguments[2]), arguments[4:], int(arguments[3]))
    except StepFailed as failed:
        orders.send(line, orders.Refused(failed.step, failed.errno))
        return
    sensor.run()
