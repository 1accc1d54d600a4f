"""The process of a testbed: enters namespaces, builds two hosts, runs programs on them and forwards between them.

`testbed` starts it as a fresh interpreter with one thread, which is the forwarding loop: it is woken by frames, by the
links' deadlines, by children that end and by its caller. Losing the caller is an order to end. When it ends, its
programs are killed and the kernel takes the namespaces, devices and all, away.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from typing import TypeAlias

import msgspec

from netlab.network import ip_packet
from netlab.network.link import REASONS, Account, Arrived, Delivered, Link, Output, TimerFired
from netlab.network.link_config import LinkConfig
from netlab.network.namespace import StepFailed, Way, adopt_orphans, die_with_parent, enter, hand_down_capabilities
from netlab.network.packet_ring import PacketRing
from netlab.network.precise_wait import PreciseSelector, wake_on_time
from netlab.network.processes import descendants, has_children
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_streams
from netlab.network.signals import Signals
from netlab.network.testbed_wire import ADDRESSES, Wire
from netlab.packets.ethernet import HEADER_LEN
from netlab.units import MS, Ns, S

BATCH = 64
GRACE: Ns = 1 * S
PEER_READY: Ns = 2 * S


class Setup(msgspec.Struct, frozen=True):
    """What the caller asks for.

    Attributes:
        command, peer: run on A and on B; `peer` may be empty.
        congestion: control of both hosts' kernels, or None for the system's.
        capture: descriptor of the file, or None.
    """

    way: Way
    config: LinkConfig
    seed: int
    command: list[str]
    peer: list[str]
    congestion: str | None
    capture: int | None


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The kernel refused a step."""

    step: str
    errno: int


class NotStarted(msgspec.Struct, frozen=True, tag="not-started"):
    """A program could not be run."""

    program: str
    errno: int


class Built(msgspec.Struct, frozen=True, tag="built"):
    """The hosts are there; `networks` are their namespaces, as `namespace.network_of` names them."""

    networks: list[str]


class Done(msgspec.Struct, frozen=True, tag="done"):
    """COMMAND has ended. See `testbed.Result`."""

    status: int
    accounts: dict[str, Account]
    missed: int
    frames: int
    failed: str | None


Report: TypeAlias = Refused | NotStarted | Built | Done
"""What the caller is told."""


class _Direction:
    """One way across: from a host's end of the wire to the other's."""

    def __init__(self, sender: str, receiver: str, rings: dict[str, PacketRing], setup: Setup) -> None:
        self.sender, self.receiver = sender, receiver
        self.source, self.sink = rings[sender], rings[receiver]
        stream, now = seeded_streams(setup.seed), time.monotonic_ns()
        self.link: Link[bytes] = Link(setup.config, stream, name=f"{sender}>{receiver}", began=now)


class Testbed:
    """Everything inside."""

    def __init__(self, line: socket.socket, setup: Setup) -> None:
        """Build the hosts and the wire.

        Raises:
            StepFailed: the kernel refused.
        """
        enter(setup.way)
        self._line, self._setup = line, setup
        self._wire = Wire(setup.congestion)
        self._rings = {host: PacketRing(f"wire-{host.lower()}") for host in ADDRESSES}
        self._directions = [_Direction(a, b, self._rings, setup) for a, b in (("A", "B"), ("B", "A"))]
        self._tap: Recording | None = None
        self._failed: str | None = None
        if setup.capture is not None:
            comment = f"netlab testbed, seed {setup.seed}"
            self._tap = Recording(comment=comment, epoch=time.time_ns() - time.monotonic_ns())
        self._selector = PreciseSelector()
        self._pids: dict[str, int] = {}
        self._status: int | None = None
        self._kill_at: Ns | None = None
        self._signals = Signals()

    def run(self) -> None:
        """Run the programs, forward until COMMAND has ended, and tell what came of it."""
        adopt_orphans()
        wake_on_time()
        woken = self._signals.take(self._stop)
        self._selector.add(woken, self._signals.woken)
        self._selector.add(self._line, self._listen)
        self._tell(Built([f"net:[{os.fstat(file).st_ino}]" for file in self._wire.namespaces.values()]))
        for direction in self._directions:
            self._selector.add(direction.source, partial(self._forward, direction))
        if self._setup.peer:
            self._start("B", self._setup.peer)
            self._await_peer()
        if self._status is None:
            self._start("A", self._setup.command)
        while self._status is None or (has_children() and not self._given_up()):
            for take in self._selector.wait(self._deadline()):
                take()
            now = time.monotonic_ns()
            for direction in self._directions:
                deadline = direction.link.deadline
                if deadline is not None and deadline <= now:
                    self._carry_out(direction, direction.link.handle(TimerFired(), now))
            self._reap()
            if self._kill_at is not None and now >= self._kill_at:
                self._end_all(signal.SIGKILL)
        self._write()
        missed = sum(ring.drops() + ring.unsent for ring in self._rings.values())
        accounts = {direction.link.name: direction.link.account for direction in self._directions}
        frames = 0 if self._tap is None else self._tap.frames
        self._tell(Done(self._status, accounts, missed, frames, self._failed))

    # ---- frames ----------------------------------------------------------------------------------------------------

    def _forward(self, direction: _Direction) -> None:
        take, handle, tap = direction.source.take, direction.link.handle, self._tap
        for _ in range(BATCH):
            frame = take()
            if frame is None:
                return
            now = time.monotonic_ns()
            if tap is not None:
                tap.seen(direction.sender, now, frame, None, outbound=True)
            outputs = handle(Arrived(frame, len(frame) - HEADER_LEN), now)
            if outputs:
                self._carry_out(direction, outputs)

    def _carry_out(self, direction: _Direction, outputs: list[Output[bytes]]) -> None:
        tap, name = self._tap, direction.link.name
        for output in outputs:
            frame, comment = output.packet, None
            if isinstance(output, Delivered):
                damage = output.corruption
                if damage is not None:
                    frame = frame[:HEADER_LEN] + ip_packet.damage(frame[HEADER_LEN:], damage)
                    comment = f"damaged: byte {damage.at} by {damage.mask:#04x}"
                direction.sink.send(frame)
                if tap is not None:
                    now = time.monotonic_ns()
                    tap.seen(name, now, frame, comment, outbound=None)
                    tap.seen(direction.receiver, now, frame, None, outbound=False)
            elif tap is not None:
                comment = f"dropped: {REASONS[output.reason]} ({output.reason})"
                tap.seen(name, output.at, frame, comment, outbound=None)
        if tap is not None and tap.frames & 0xFF == 0:
            self._write()

    def _write(self) -> None:
        """Hand what was captured to the file."""
        if self._tap is None or self._setup.capture is None:
            return
        blocks = memoryview(self._tap.take())
        try:
            while blocks and self._failed is None:
                blocks = blocks[os.write(self._setup.capture, blocks) :]
        except OSError as error:
            self._failed = error.strerror

    def _deadline(self) -> Ns | None:
        times = [way.link.deadline for way in self._directions if way.link.deadline is not None]
        if self._kill_at is not None:
            times.append(max(self._kill_at, time.monotonic_ns() + 20 * MS))
        return min(times, default=None)

    # ---- programs --------------------------------------------------------------------------------------------------

    def _start(self, host: str, command: list[str]) -> None:
        parent, namespace = os.getpid(), self._wire.namespaces[host]

        def before_exec() -> None:
            self._signals.give_back()
            self._wire.move_to(namespace)
            if self._setup.way is Way.USER_NAMESPACE and os.geteuid() != 0:
                hand_down_capabilities()
            die_with_parent()
            if os.getppid() != parent:
                os._exit(1)

        other = next(address for name, address in ADDRESSES.items() if name != host)
        environment = os.environ | {"NETLAB_PEER": other, "NETLAB_HOST": ADDRESSES[host]}
        peer = host == "B"  # it has no input, and its output is no result
        stdin, stdout = (subprocess.DEVNULL, sys.stderr) if peer else (None, None)
        try:
            child = subprocess.Popen(command, preexec_fn=before_exec, env=environment, stdin=stdin, stdout=stdout)
        except OSError as error:
            self._tell(NotStarted(command[0], error.errno or 0))
            self._status = 127
            self._stop()
            return
        self._pids[host] = child.pid
        child.returncode = 0  # it is waited for in `_reap`

    def _await_peer(self) -> None:
        """Wait until the program on B listens, has ended, or has had its time."""
        until = time.monotonic_ns() + PEER_READY
        while self._status is None and "B" in self._pids and time.monotonic_ns() < until:
            for take in self._selector.wait(time.monotonic_ns() + 10 * MS):
                take()
            self._reap()
            if "B" in self._pids and _listens(self._pids["B"]):
                return

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for host in [host for host, own in self._pids.items() if own == pid]:
                del self._pids[host]
                if host == "A":
                    self._status = os.waitstatus_to_exitcode(status)
                    self._stop()

    def _listen(self) -> None:
        try:
            words = self._line.recv(64, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            words = b""
        if not words:  # the caller is gone, or wants the end
            self._selector.remove(self._line)
            self._stop()
        elif "A" in self._pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._pids["A"], int(words))

    def _stop(self) -> None:
        """End everything that runs."""
        if self._kill_at is None:
            self._kill_at = time.monotonic_ns() + GRACE
            self._end_all(signal.SIGTERM)
        if self._status is None and "A" not in self._pids:
            self._status = 128 + signal.SIGTERM

    def _end_all(self, number: int) -> None:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)

    def _given_up(self) -> bool:
        return self._kill_at is not None and time.monotonic_ns() > self._kill_at + GRACE

    def _tell(self, report: Report) -> None:
        with contextlib.suppress(OSError):
            self._line.send(msgspec.json.encode(report))


def _listens(pid: int) -> bool:
    """Whether anything listens over TCP, or has a UDP port, in the network of a process."""
    for table, states in (("tcp", {"0A"}), ("udp", {"07"})):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}") as file:
            if any(line.split()[3] in states for line in file.readlines()[1:]):
                return True
    return False


def main(arguments: list[str]) -> None:
    """Entry of the process: the descriptor of the line to the caller, and the setup as JSON."""
    line = socket.socket(fileno=int(arguments[0]))
    line.set_inheritable(False)
    setup = msgspec.json.decode(arguments[1], type=Setup)
    if setup.capture is not None:
        os.set_inheritable(setup.capture, False)
    try:
        testbed = Testbed(line, setup)
    except StepFailed as failed:
        with contextlib.suppress(OSError):
            line.send(msgspec.json.encode(Refused(failed.step, failed.errno)))
        return
    testbed.run()
