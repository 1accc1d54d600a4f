"""The process of a testbed: enters namespaces, builds two hosts, runs programs on them and forwards between them.

`testbed` starts it as a fresh interpreter with one thread, which is the forwarding loop: it is woken by frames, by the
links' deadlines, by children that end and by its caller. Losing the caller is an order to end. When it ends, its
programs are killed and the kernel takes the namespaces, devices and all, away.

Read `testbed_orders` for what is said, `testbed_wire` for what is built, `programs` for who runs there.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial

import msgspec

from netlab.network import foreign_sockets, ip_packet, link_line
from netlab.network import testbed_orders as orders
from netlab.network.foreign_sockets import Wanted
from netlab.network.link import REASONS, Account, Configure, Delivered, Link, Output, TimerFired
from netlab.network.namespace import StepFailed, Way, enter
from netlab.network.packet_ring import PacketRing
from netlab.network.precise_wait import PreciseSelector, wake_as_usual, wake_on_time
from netlab.network.programs import Programs
from netlab.network.recording_file import RecordingFile
from netlab.network.seeds import seeded_streams
from netlab.network.signals import Signals
from netlab.network.testbed_wire import ADDRESSES, OTHER, Wire
from netlab.packets.ethernet import HEADER_LEN
from netlab.units import MS, Ns, S

BATCH = 64
GRACE: Ns = 1 * S
PEER_READY: Ns = 2 * S
LAST_WORDS: Ns = 3 * S
"""So long at most is what COMMAND has left to its kernel to send, and its kernel to the link, still carried."""

_LOOK_AGAIN: Ns = 10 * MS


class _Direction:
    """One way across: from a host's end of the wire to the other's."""

    def __init__(self, sender: str, rings: dict[str, PacketRing], setup: orders.Setup) -> None:
        self.sender, self.receiver = sender, OTHER[sender]
        self.source, self.sink = rings[self.sender], rings[self.receiver]
        stream, now = seeded_streams(setup.seed), time.monotonic_ns()
        self.link: Link[bytes] = Link(setup.config, stream, name=f"{self.sender}>{self.receiver}", began=now)


class Testbed:
    """Everything inside.

    Args:
        line: to the caller.
        sockets: there the caller asks for sockets of the hosts.
    """

    def __init__(self, line: socket.socket, sockets: socket.socket, setup: orders.Setup) -> None:
        """Build the hosts and the wire.

        Raises:
            StepFailed: the kernel refused.
        """
        enter(setup.way)
        self._line, self._sockets, self._setup = line, sockets, setup
        self._wire = Wire(setup.congestion, mtu=setup.config.mtu, bare=setup.bare)
        self._rings = {host: PacketRing(f"wire-{host.lower()}") for host in ADDRESSES}
        self._directions = [_Direction(host, self._rings, setup) for host in ADDRESSES]
        self._tap: RecordingFile | None = None
        if setup.capture is not None:
            comment, epoch = f"netlab testbed, seed {setup.seed}", time.time_ns() - time.monotonic_ns()
            self._tap = RecordingFile(setup.capture, comment=comment, epoch=epoch)
        self._selector = PreciseSelector()
        self._signals = Signals()
        capable = setup.way is Way.USER_NAMESPACE and os.geteuid() != 0
        self._programs = Programs(self._signals, grace=GRACE, capable=capable)
        self._answering = link_line.Answering(self._asked_by_command) if setup.link_line else None
        self._missed = 0
        self._begun = False
        self._status: int | None = None
        self._peer_status: int | None = None

    def run(self) -> None:
        """Run the programs, forward until COMMAND has ended, and tell what came of it."""
        wake_on_time()
        gc.freeze()  # what is here by now stays: while frames wait, no collection looks at it
        self._selector.add(self._signals.take(self._stop), self._child_ended)
        self._selector.add(self._line, self._listen)
        self._selector.add(self._sockets, self._make_socket)
        if self._answering is not None:
            self._selector.add(self._answering.line, self._answer)
        for direction in self._directions:
            self._selector.add(direction.source, partial(self._forward, direction))
        self._tell(orders.Built([f"net:[{os.fstat(file).st_ino}]" for file in self._wire.namespaces.values()]))
        while not self._begun and self._status is None:
            self._turn()
        if self._setup.peer and self._status is None:
            self._start("B", self._setup.peer)
            self._await_peer()
        if self._status is None:
            self._start("A", self._setup.command)
        while self._status is None:
            self._turn()
        self._carry_last_words()
        self._programs.end()
        while not self._programs.over:
            self._turn()
            self._programs.insist()
        self._report(self._status)

    def _turn(self, until: Ns | None = None) -> None:
        """Wait for the next thing to do, and do it; until a moment at the latest."""
        deadlines = [direction.link.deadline for direction in self._directions]
        deadlines += (until, self._programs.deadline)
        for readable in self._selector.wait(min(filter(None, deadlines), default=None)):
            readable()
        now = time.monotonic_ns()
        for direction in self._directions:
            deadline = direction.link.deadline
            if deadline is not None and deadline <= now:
                self._fire(direction, now)

    # ---- frames ----------------------------------------------------------------------------------------------------

    def _forward(self, direction: _Direction) -> None:
        take, arrive, carry_out = direction.source.take, direction.link.arrive, self._carry_out
        tap, clock, send = self._tap, time.monotonic_ns, direction.sink.send
        for _ in range(BATCH):
            frame = take()
            if frame is None:
                return
            now = clock()
            if tap is not None:
                tap.seen(direction.sender, now, frame, None, outbound=True)
            for output in arrive(frame, len(frame) - HEADER_LEN, now):
                if tap is None and type(output) is Delivered and output.corruption is None:
                    send(output.packet)  # the usual case, without a detour
                else:
                    carry_out(direction, output)

    def _fire(self, direction: _Direction, now: Ns) -> None:
        for output in direction.link.fire(now):
            self._carry_out(direction, output)

    def _carry_out(self, direction: _Direction, output: Output[bytes]) -> None:
        tap, name = self._tap, direction.link.name
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

    # ---- programs --------------------------------------------------------------------------------------------------

    def _start(self, host: str, command: list[str]) -> None:
        environment = os.environ | {"NETLAB_PEER": ADDRESSES[OTHER[host]], "NETLAB_HOST": ADDRESSES[host]}
        lines: tuple[int, ...] = ()
        if self._answering is not None and host == "A":
            lines = (self._answering.theirs.fileno(),)
            environment[link_line.VARIABLE] = str(lines[0])
        peer = host == "B"  # it has no input, and its output is no result
        stdin, stdout = (subprocess.DEVNULL, sys.stderr) if peer else (None, None)

        def before() -> None:
            self._wire.move_to(self._wire.namespaces[host])
            wake_as_usual()

        try:
            self._programs.start(host, command, before, env=environment, stdin=stdin, stdout=stdout, pass_fds=lines)
        except OSError as error:
            self._tell(orders.NotStarted(command[0], error.errno or 0))
            self._status = 127
        if lines and self._answering is not None:
            self._answering.theirs.close()

    def _await_peer(self) -> None:
        """Wait until the program on B listens, has ended, or has had its time."""
        until = time.monotonic_ns() + PEER_READY
        while self._status is None and "B" in self._programs and time.monotonic_ns() < until:
            if self._wire.listens("B"):
                return
            self._turn(time.monotonic_ns() + _LOOK_AGAIN)

    def _carry_last_words(self) -> None:
        """COMMAND has ended. What it sent last may still wait in its kernel to be acknowledged, or be on its way."""
        until = time.monotonic_ns() + LAST_WORDS
        there = self._directions[0].link
        while not self._programs.ending and time.monotonic_ns() < until:
            if there.deadline is None and not self._wire.has_something_to_say("A"):
                return
            self._turn(time.monotonic_ns() + _LOOK_AGAIN)

    def _child_ended(self) -> None:
        self._signals.woken()
        ended = self._programs.reap()
        if self._status is None:
            self._status = ended.get("A")
        if self._status is None:
            self._peer_status = ended.get("B", self._peer_status)

    def _stop(self) -> None:
        """End everything that runs. From a signal handler too."""
        self._programs.end()
        if self._status is None and "A" not in self._programs:
            self._status = 128 + signal.SIGTERM

    # ---- whoever asks ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            words = self._line.recv(512, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError:
            words = b""
        if not words:  # the caller is gone, or wants the end
            self._selector.remove(self._line)
            self._stop()
            return
        match msgspec.json.decode(words, type=orders.Order):
            case orders.Start():
                self._begun = True
            case orders.Signal(number):
                self._programs.signal("A", number)

    def _make_socket(self) -> None:
        def make(wanted: Wanted) -> socket.socket:
            return self._wire.within(wanted.network, lambda: socket.socket(wanted.family, wanted.kind))

        if not foreign_sockets.answer(self._sockets, make):
            self._selector.remove(self._sockets)

    def _answer(self) -> None:
        if self._answering is not None and not self._answering.readable():
            self._selector.remove(self._answering.line)

    def _asked_by_command(self, asked: link_line.Asked) -> link_line.Told:
        event = Configure(asked.config) if isinstance(asked, link_line.Change) else TimerFired()
        for direction in self._directions:
            for output in direction.link.handle(event, time.monotonic_ns()):
                self._carry_out(direction, output)
        self._missed += sum(ring.drops() for ring in self._rings.values())
        return link_line.Told(self._accounts(), self._missed + self._unsent())

    def _report(self, status: int) -> None:
        self._missed += sum(ring.drops() for ring in self._rings.values())
        frames, failed = 0, None
        if self._tap is not None:
            self._tap.write()
            frames, failed = self._tap.frames, self._tap.failed
        self._tell(
            orders.Done(status, self._peer_status, self._accounts(), self._missed + self._unsent(), frames, failed)
        )

    def _accounts(self) -> dict[str, Account]:
        return {direction.link.name: direction.link.account for direction in self._directions}

    def _unsent(self) -> int:
        return sum(ring.unsent for ring in self._rings.values())

    def _tell(self, report: orders.Report) -> None:
        with contextlib.suppress(OSError):
            self._line.send(msgspec.json.encode(report))


def main(arguments: list[str], make: type[Testbed] = Testbed) -> None:
    """Entry of the process: descriptors of the line to the caller, of that for sockets, and of the setup as JSON."""
    line, sockets = (socket.socket(fileno=int(number)) for number in arguments[:2])
    with open(int(arguments[2]), "rb") as file:
        setup = msgspec.json.decode(file.read(), type=orders.Setup)
    for number in (line.fileno(), sockets.fileno(), *(() if setup.capture is None else (setup.capture,))):
        os.set_inheritable(number, False)
    try:
        testbed = make(line, sockets, setup)
    except StepFailed as failed:
        with contextlib.suppress(OSError):
            line.send(msgspec.json.encode(orders.Refused(failed.step, failed.errno)))
        return
    testbed.run()
