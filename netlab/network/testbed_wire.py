"""Two hosts and the wire between them, as network namespaces of one process. `testbed_inside` builds them and forwards.

    namespace A              this process's namespace                namespace B
      eth0  ==== veth ====  wire-a   [ Link each way ]   wire-b  ==== veth ====  eth0
    10.0.0.1                                                                   10.0.0.2

A bare host has no address, so that its kernel stays out of what comes: it neither answers ARP nor resets connections
that it does not know. A program of its own then takes and sends frames at `eth0` (`link_end`), ARP among them.

Offloads are off at all four ends: else one "packet" of 64 KB would cross the link, without its checksum. Neighbours are
known beforehand and IPv6 is off, so that nothing but what programs send crosses the link.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable
from typing import TextIO, TypeVar

from netlab.network.namespace import StepFailed, hand_down_capabilities

T = TypeVar("T")

ADDRESSES = {"A": "10.0.0.1", "B": "10.0.0.2"}
_NETWORK = "10.0.0.0/24"
_HARDWARE = {"A": "02:00:00:00:00:01", "B": "02:00:00:00:00:02"}
OTHER = {"A": "B", "B": "A"}

MTU = 1500
TOOL = "ip"
"""The program, of iproute2, that makes devices and routes. The step of that name fails where it is not installed."""

_CLONE_NEWNET = 0x40000000
_LISTENING = {"tcp": {"0A"}, "tcp6": {"0A"}, "udp": {"07"}, "udp6": {"07"}, "packet": {"0003"}}  # 3: ETH_P_ALL
_SPEAKING = {"tcp": {"04", "09", "0B"}, "tcp6": {"04", "09", "0B"}}  # FIN-WAIT-1, LAST-ACK, CLOSING
_SIOCETHTOOL = 0x8946
_SET_OFF = {"tx checksum": 0x17, "sg": 0x19, "tso": 0x1F, "gso": 0x24, "gro": 0x2C, "rx checksum": 0x15}
_IFREQ = struct.Struct("16sP16x")


class Wire:
    """The namespaces of two hosts, and `wire-a` and `wire-b` in this process's own.

    Attributes:
        namespaces: descriptor of each host's namespace.
    """

    def __init__(self, congestion: str | None, *, mtu: int | None = None, bare: str | None = None) -> None:
        """Build everything.

        Args:
            congestion: control of both hosts' kernels, or None for the system's.
            mtu: of the link, which both hosts know, as one knows that of a cable.
            bare: the host whose kernel gets no address.

        Raises:
            StepFailed: the kernel refused a step.
        """
        tool = shutil.which(TOOL, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")
        if tool is None:
            raise StepFailed(TOOL, errno.ENOENT)
        self._ip, self._libc = tool, ctypes.CDLL(None, use_errno=True)
        self._own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.namespaces: dict[str, int] = {}
        for host in ADDRESSES:
            self._check("a second network namespace", self._libc.unshare(_CLONE_NEWNET))
            self.namespaces[host] = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            self.move_to(self._own)
        for host, namespace in self.namespaces.items():
            end = f"wire-{host.lower()}"
            self._run(
                None,
                f"link add {end} type veth peer name eth0 address {_HARDWARE[host]} netns /proc/self/fd/{namespace}",
                f"link set {end} up arp off",
            )
        for host in self.namespaces:
            self.within(host, self._no_ipv6)
            addressed = self._addressed(host, congestion, neighbour=bare is None) if host != bare else []
            self._run(
                host,
                "link set lo up",
                f"link set eth0 mtu {min(mtu or MTU, MTU)} up",
                *addressed,
            )
            self.within(host, lambda: self._offloads_off("eth0"))
            self._offloads_off(f"wire-{host.lower()}")
        self._no_ipv6()
        self._tables = {host: self.within(host, self._open_tables) for host in self.namespaces}

    def _addressed(self, host: str, congestion: str | None, *, neighbour: bool) -> list[str]:
        """What gives a host its address, and a neighbour that it need not ask for."""
        own, other = ADDRESSES[host], OTHER[host]
        orders = [f"addr add {own}/24 dev eth0"]
        if neighbour:
            orders.append(f"neigh replace {ADDRESSES[other]} lladdr {_HARDWARE[other]} dev eth0 nud permanent")
        if congestion:
            orders.append(f"route replace {_NETWORK} dev eth0 proto kernel scope link src {own} congctl {congestion}")
        return orders

    def move_to(self, namespace: int) -> None:
        """Put this process, or the child before its exec, into a namespace."""
        self._check("setns", self._libc.setns(namespace, _CLONE_NEWNET))

    def within(self, host: str, work: Callable[[], T]) -> T:
        """Do something in a host's namespace."""
        self.move_to(self.namespaces[host])
        try:
            return work()
        finally:
            self.move_to(self._own)

    def listens(self, host: str) -> bool:
        """Whether anything there listens over TCP, or has a UDP port, or takes frames."""
        return self._any_socket(host, _LISTENING)

    def has_something_to_say(self, host: str) -> bool:
        """Whether a connection there that was closed has bytes, or its end, that are not acknowledged."""
        return self._any_socket(host, _SPEAKING)

    def _any_socket(self, host: str, wanted: dict[str, set[str]]) -> bool:
        # proc_pid_net(5): one line a socket; the state of those of TCP and UDP in the fourth column, the protocol of
        # packet sockets
        for name, states in wanted.items():
            table = self._tables[host].get(name)
            if table is not None:
                table.seek(0)
                if any(line.split()[3] in states for line in table.readlines()[1:]):
                    return True
        return False

    def _open_tables(self) -> dict[str, TextIO]:
        """A table stays that of the namespace in which it was opened."""
        tables: dict[str, TextIO] = {}
        for name in _LISTENING:
            with contextlib.suppress(OSError):  # a kernel without IPv6 has no tcp6
                tables[name] = open(f"/proc/thread-self/net/{name}")  # noqa: SIM115 (as long as the process)
        return tables

    def _check(self, step: str, result: int) -> None:
        if result != 0:
            raise StepFailed(step, ctypes.get_errno())

    def _run(self, host: str | None, *orders: str) -> None:
        def before() -> None:
            if host is not None:
                self.move_to(self.namespaces[host])
            if os.geteuid() != 0:
                hand_down_capabilities()

        done = subprocess.run(
            [self._ip, "-batch", "-"],
            input="\n".join(orders) + "\n",
            capture_output=True,
            text=True,
            preexec_fn=before,
            pass_fds=tuple(self.namespaces.values()),
        )
        if done.returncode != 0:
            said = " ".join(line for line in done.stderr.split("\n") if line and not line.startswith("Command failed"))
            raise StepFailed(f"{TOOL}: {said.strip()}", 0)

    def _no_ipv6(self) -> None:
        for scope in ("all", "default"):
            path = f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6"
            with contextlib.suppress(OSError), open(path, "w") as switch:
                switch.write("1")

    def _offloads_off(self, interface: str) -> None:
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            for command in _SET_OFF.values():
                value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
                request = _IFREQ.pack(interface.encode(), ctypes.addressof(value))
                with contextlib.suppress(OSError):  # what can't be set is off or fixed; `check_offloads` sees
                    fcntl.ioctl(control, _SIOCETHTOOL, request)
