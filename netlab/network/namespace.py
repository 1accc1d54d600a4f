"""A network of one's own without root: what `unshare -Urn` does, done by a fresh process to itself.

`enter` must run in a process with one thread (user_namespaces(7): CLONE_NEWUSER in a threaded process is EINVAL), so
it is called only by processes made for it: `testbed_inside`, and `sensor` of the room `capture`.

The user keeps their own id inside (`whoami` says what it says outside, files belong to whom they belong). COMMAND gets
CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE as ambient capabilities (capabilities(7)): they count in the new
namespace only, and let `ping`, `tcpdump`, `tc` and port 80 work there.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import os
import signal
import socket
import struct

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1
_IFREQ_FLAGS = struct.Struct("16sh22x")

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_CAP_NET_BIND_SERVICE, _CAP_NET_ADMIN, _CAP_NET_RAW = 10, 12, 13
_FOR_COMMAND = (_CAP_NET_BIND_SERVICE, _CAP_NET_ADMIN, _CAP_NET_RAW)


class Way(enum.StrEnum):
    """How one gets at the kernel's packets."""

    USER_NAMESPACE = "user-namespace"
    """A user and a network namespace of its own: no root needed."""
    NETWORK_NAMESPACE = "network-namespace"
    """Root, in a network namespace of its own: only COMMAND's packets are seen."""
    HOST = "host"
    """Root or CAP_NET_RAW, on the host's own loopback: whatever else passes there is seen too."""


class StepFailed(Exception):
    """One step of getting at the packets was refused. `step` is a short name, `errno` the kernel's number."""

    def __init__(self, step: str, errno: int) -> None:
        super().__init__(f"{step}: {os.strerror(errno)}")
        self.step = step
        self.errno = errno


def enter(way: Way) -> None:
    """Put this process, which must have one thread only, into the namespaces of `way`, and bring up `lo` there.

    Raises:
        StepFailed: the kernel refused a step; the process is then good for nothing but to exit.
    """
    import fcntl  # POSIX only: this module is read on other systems too, which are told what they lack

    if way is Way.HOST:
        return
    uid, gid = os.geteuid(), os.getegid()
    _unshare(_CLONE_NEWNET if way is Way.NETWORK_NAMESPACE else _CLONE_NEWUSER | _CLONE_NEWNET)
    if way is Way.USER_NAMESPACE:
        # user_namespaces(7): a process without privilege maps its own ids only, and gives up setgroups(2) first.
        for file, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            try:
                with open(f"/proc/self/{file}", "w") as mapping:
                    mapping.write(line)
            except OSError as error:
                raise StepFailed(file, error.errno or 0) from None
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = fcntl.ioctl(control, _SIOCGIFFLAGS, _IFREQ_FLAGS.pack(b"lo", 0))
            flags = _IFREQ_FLAGS.unpack(request)[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, _IFREQ_FLAGS.pack(b"lo", flags | _IFF_UP))
    except OSError as error:
        raise StepFailed("lo up", error.errno or 0) from None


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own: none can slip away."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies. Undone by a change of credentials (prctl(2))."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def hand_down_capabilities() -> None:
    """Keep the network capabilities of this namespace over the next exec, for a user who is not root inside."""

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    class Data(ctypes.Structure):
        _fields_ = (
            ("effective", ctypes.c_uint32),
            ("permitted", ctypes.c_uint32),
            ("inheritable", ctypes.c_uint32),
        )

    libc = ctypes.CDLL(None, use_errno=True)
    header, data = Header(_LINUX_CAPABILITY_VERSION_3, 0), (Data * 2)()
    if libc.capget(ctypes.byref(header), ctypes.byref(data)) != 0:
        return  # COMMAND then runs without them: nothing of ours depends on it
    for capability in _FOR_COMMAND:
        data[0].inheritable |= 1 << capability
    if libc.capset(ctypes.byref(header), ctypes.byref(data)) == 0:
        for capability in _FOR_COMMAND:
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def network_of(pid: int) -> str | None:
    """The name of a process's network namespace, such as `net:[4026531840]`, or None where it is not to be had."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None


def kill_all_in(network: str) -> None:
    """Kill every process of a network namespace that is not this process's own."""
    if network == network_of(os.getpid()):
        return
    for name in os.listdir("/proc"):
        if name.isdecimal() and network_of(int(name)) == network:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(name), signal.SIGKILL)


def _unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise StepFailed("unshare", ctypes.get_errno())


def _prctl(option: int, first: int, second: int = 0) -> None:
    unsigned = ctypes.c_ulong
    ctypes.CDLL(None, use_errno=True).prctl(option, unsigned(first), unsigned(second), unsigned(0), unsigned(0))
