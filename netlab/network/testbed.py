"""Two hosts with the kernel's own TCP and UDP, and netlab's link between them: no root, no virtual machine.

    result = Testbed(["iperf3", "-c", "10.0.0.2"], parse_link("delay=20ms loss=1%"), peer=["iperf3", "-s"]).run()
    result.accounts["A>B"].dropped

`testbed_wire` says what is built, `testbed_inside` is the process that builds it and forwards. This is its caller; if
it dies, at any moment and by any signal, the other sees the line between them end, and ends with everything in it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

import msgspec

from netlab.errors import NetlabError
from netlab.network import testbed_inside as inside
from netlab.network.interpreter import fresh_interpreter
from netlab.network.link import Account
from netlab.network.link_config import LinkConfig
from netlab.network.namespace import StepFailed, Way, kill_all_in

_INTERRUPTING = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM) if os.name == "posix" else ()
_MAX_REPORT = 65_536


class CannotBuild(NetlabError):
    """The kernel refused namespaces, each way at some step."""

    def __init__(self, refused: Mapping[Way, StepFailed]) -> None:
        super().__init__("; ".join(f"{way}: {failed}" for way, failed in refused.items()))
        self.refused = refused


class CannotStart(NetlabError):
    """There is no such program, or it can't be run. `status` is what a shell gives: 127 or 126."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Result(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        exit_status: COMMAND's, 0 to 255; 128 + n where signal n ended it.
        accounts: of each direction, `A>B` and `B>A`.
        missed: frames that were lost beside the link, because this machine was too slow.
        frames: records in the capture.
        failed: why writing it ended early, or None.
    """

    exit_status: int
    accounts: dict[str, Account]
    missed: int
    frames: int
    failed: str | None


class Testbed:
    """One command on host A, and perhaps one on host B."""

    def __init__(
        self,
        command: Sequence[str],
        config: LinkConfig,
        *,
        seed: int = 0,
        peer: Sequence[str] = (),
        congestion: str | None = None,
        capture: int | None = None,
    ) -> None:
        """Say what to run; nothing happens yet.

        Args:
            command: runs on A (10.0.0.1), with B's address as NETLAB_PEER.
            peer: runs on B (10.0.0.2), begins before `command`, and is ended after it.
            congestion: control of both kernels: one of net.ipv4.tcp_available_congestion_control.
            capture: descriptor of a file for the pcapng, which stays the caller's.
        """
        self._command, self._peer = list(command), list(peer)
        self._config, self._seed, self._congestion, self._capture = config, seed, congestion, capture
        self._line: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._networks: list[str] = []

    def run(self) -> Result:
        """Build, run COMMAND to its end, take away.

        Raises:
            CannotBuild: no way is open to this user here.
            CannotStart: a program can't be run.
        """
        refused: dict[Way, StepFailed] = {}
        ways = (Way.NETWORK_NAMESPACE, Way.USER_NAMESPACE) if _is_root() else (Way.USER_NAMESPACE,)
        for way in ways:
            try:
                self._spawn(way)
                while True:
                    match self._receive():
                        case inside.Refused(step, errno):
                            refused[way] = StepFailed(step, errno)
                            break
                        case inside.NotStarted(program, errno):
                            raise CannotStart(f"{program}: {os.strerror(errno)}", 127 if errno == 2 else 126)
                        case inside.Built(networks):
                            self._networks = networks
                        case inside.Done(status, accounts, missed, frames, failed):
                            return Result(status if status >= 0 else 128 - status, accounts, missed, frames, failed)
                        case _:
                            raise NetlabError("the testbed's process ended before its time, and everything with it")
            finally:
                self._end()
        raise CannotBuild(refused)

    def signal(self, number: int) -> None:
        """Send COMMAND a signal. May be called from a signal handler."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.send(str(number).encode())

    def stop(self) -> None:
        """Ask COMMAND to end (SIGTERM, and SIGKILL after a while); `run` then returns. From a signal handler too."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)

    def _spawn(self, way: Way) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        setup = inside.Setup(way, self._config, self._seed, self._command, self._peer, self._congestion, self._capture)
        numbers = (theirs.fileno(), *(() if self._capture is None else (self._capture,)))
        arguments = [str(theirs.fileno()), msgspec.json.encode(setup).decode()]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
        try:
            self._process = subprocess.Popen([*fresh_interpreter(inside.__name__), *arguments], pass_fds=numbers)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def _receive(self) -> inside.Report | None:
        assert self._line is not None
        try:
            words = self._line.recv(_MAX_REPORT)
        except ConnectionError:
            words = b""
        return msgspec.json.decode(words, type=inside.Report) if words else None

    def _end(self) -> None:
        line, process = self._line, self._process
        self._line = self._process = None
        if line is not None:
            line.close()
        if process is not None and process.wait() != 0:  # killed: what its programs had started was not
            for network in self._networks:
                kill_all_in(network)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
