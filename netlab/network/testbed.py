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
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from netlab.errors import NetlabError
from netlab.network import testbed_inside as inside
from netlab.network import testbed_orders as orders
from netlab.network.foreign_sockets import ForeignSockets
from netlab.network.interpreter import fresh_interpreter
from netlab.network.link import Account
from netlab.network.link_config import LinkConfig
from netlab.network.namespace import StepFailed, Way, kill_all_in

_INTERRUPTING = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM) if os.name == "posix" else ()
_AVAILABLE = Path("/proc/sys/net/ipv4/tcp_available_congestion_control")
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
        peer_status: the same of the program on B, if it ended before COMMAND did; else None.
        accounts: of each direction, `A>B` and `B>A`.
        missed: frames that were lost beside the link, because this machine was too slow.
        frames: records in the capture.
        failed: why writing it ended early, or None.
    """

    exit_status: int
    peer_status: int | None
    accounts: dict[str, Account]
    missed: int
    frames: int
    failed: str | None


class Testbed:
    """One command on host A, and perhaps one on host B. `run` does everything; or `build` first, and then `run`.

    As a context manager it is built when entered, and taken away when left.
    """

    module = inside.__name__
    """Whose `main` is the testbed's process."""

    def __init__(
        self,
        command: Sequence[str],
        config: LinkConfig,
        *,
        seed: int = 0,
        peer: Sequence[str] = (),
        congestion: str | None = None,
        bare: str | None = None,
        capture: int | None = None,
        link_line: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Say what to run; nothing happens yet.

        Args:
            command: runs on A (10.0.0.1), with B's address as NETLAB_PEER.
            config: of the link; its MTU is also that of both hosts' devices.
            peer: runs on B (10.0.0.2), begins before `command`, and is ended after it.
            congestion: control of both kernels: one of net.ipv4.tcp_available_congestion_control.
            bare: the host, A or B, whose kernel gets no address: its program takes and sends frames itself, at a
                `LinkEnd`.
            capture: descriptor of a file for the pcapng, which stays the caller's.
            link_line: `command` gets a line on which it may change the link: `LinkLine.inherited`.
            env: of both programs, instead of this process's.
        """
        self._command, self._peer, self._env = list(command), list(peer), env
        self._config, self._seed, self._congestion, self._bare = config, seed, congestion, bare
        self._capture, self._link_line = capture, link_line
        self._line: socket.socket | None = None
        self._sockets: ForeignSockets | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._networks: list[str] = []

    def build(self) -> None:
        """Build hosts and wire; nothing runs yet.

        Raises:
            CannotBuild: no way is open to this user here.
        """
        refused: dict[Way, StepFailed] = {}
        for way in (Way.NETWORK_NAMESPACE, Way.USER_NAMESPACE) if _is_root() else (Way.USER_NAMESPACE,):
            try:
                self._spawn(way)
                match self._receive():
                    case orders.Built(networks):
                        self._networks = networks
                        return
                    case orders.Refused(step, errno):
                        refused[way] = StepFailed(step, errno)
                        self._end()
                    case _:
                        raise self._lost()
            except BaseException:
                self._end()
                raise
        raise CannotBuild(refused)

    def run(self) -> Result:
        """Build what is not built, run COMMAND to its end, take everything away.

        Raises:
            CannotBuild: no way is open to this user here.
            CannotStart: a program can't be run.
        """
        try:
            if self._process is None:
                self.build()
            self._order(orders.Start())
            match self._receive():
                case orders.NotStarted(program, errno):
                    raise CannotStart(f"{program}: {os.strerror(errno)}", 127 if errno == 2 else 126)
                case orders.Done(status, beyond, accounts, missed, frames, failed):
                    return Result(
                        exit_status=_as_a_shell_says(status),
                        peer_status=None if beyond is None else _as_a_shell_says(beyond),
                        accounts=accounts,
                        missed=missed,
                        frames=frames,
                        failed=failed,
                    )
                case _:
                    raise self._lost()
        finally:
            self._end()

    def __enter__(self) -> Testbed:
        self.build()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def socket_on(self, host: str, family: int, kind: int) -> socket.socket:
        """A socket of host A or B, to be used in this process. From any thread, once built.

        Raises:
            OSError: the host has none to give, or is gone.
        """
        if self._sockets is None:
            raise NetlabError("the testbed is not built")
        return self._sockets.make(family, kind, host)

    @property
    def pid(self) -> int:
        """The testbed's process, once built."""
        if self._process is None:
            raise NetlabError("the testbed is not built")
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send COMMAND a signal. May be called from a signal handler."""
        self._order(orders.Signal(number))

    def stop(self) -> None:
        """Ask COMMAND to end (SIGTERM, and SIGKILL after a while); `run` then returns. From a signal handler too."""
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.shutdown(socket.SHUT_WR)

    def _spawn(self, way: Way) -> None:
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sockets = sockets = ForeignSockets()
        setup = orders.Setup(
            way=way,
            config=self._config,
            seed=self._seed,
            command=self._command,
            peer=self._peer,
            congestion=self._congestion,
            bare=self._bare,
            capture=self._capture,
            link_line=self._link_line,
        )
        with tempfile.TemporaryFile() as file:  # not an argument: a measured link's trace may be longer than those may
            file.write(msgspec.json.encode(setup))
            file.seek(0)
            given = [theirs.fileno(), sockets.answering.fileno(), file.fileno()]
            inherited = [*given, *(() if self._capture is None else (self._capture,))]
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
            try:
                self._process = subprocess.Popen(
                    [*fresh_interpreter(self.module), *map(str, given)],
                    pass_fds=inherited,
                    env=None if self._env is None else dict(self._env),
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                theirs.close()
                sockets.answering.close()

    def _order(self, order: orders.Order) -> None:
        if self._line is not None:
            with contextlib.suppress(OSError):
                self._line.send(msgspec.json.encode(order))

    def _receive(self) -> orders.Report | None:
        assert self._line is not None
        try:
            words = self._line.recv(_MAX_REPORT)
        except ConnectionError:
            words = b""
        return msgspec.json.decode(words, type=orders.Report) if words else None

    def _lost(self) -> NetlabError:
        return NetlabError("the testbed's process ended before its time, and everything with it")

    def _end(self) -> None:
        line, sockets, process = self._line, self._sockets, self._process
        self._line = self._sockets = self._process = None
        if line is not None:
            line.close()
        if sockets is not None:
            sockets.close()
        if process is not None and process.wait() != 0:  # killed: what its programs had started was not
            for network in self._networks:
                kill_all_in(network)


def _as_a_shell_says(status: int) -> int:
    return status if status >= 0 else 128 - status


def congestion_controls() -> list[str]:
    """Those of this kernel, which the hosts may have."""
    try:
        return _AVAILABLE.read_text().split()
    except OSError:
        return []


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
