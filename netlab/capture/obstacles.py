"""Why no live capture can be had here, in one sentence, and the command that gets it.

`look` reads what this machine says of itself; `explain` decides from that and from the steps that were refused, and is
told everything as arguments, so that machines which are not at hand can be tested too.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netlab.network.namespace import StepFailed, Way

_SYSCTLS = {
    "kernel.apparmor_restrict_unprivileged_userns": "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "kernel.unprivileged_userns_clone": "/proc/sys/kernel/unprivileged_userns_clone",
    "user.max_user_namespaces": "/proc/sys/user/max_user_namespaces",
    "user.max_net_namespaces": "/proc/sys/user/max_net_namespaces",
}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What matters of the machine.

    Attributes:
        platform: as `sys.platform`.
        root: whether this is user 0.
        container: whether this is the inside of a container.
        sysctls: the value of each switch that exists here.
    """

    platform: str = "linux"
    root: bool = False
    container: bool = False
    sysctls: Mapping[str, int] = {}


class Obstacle(msgspec.Struct, frozen=True):
    """What is missing, as a sentence without its full stop, and the command that gets it, or None where none does."""

    missing: str
    command: str | None

    def __str__(self) -> str:
        return self.missing if self.command is None else f"{self.missing}; to get it: {self.command}"


def look() -> Machine:
    """This machine."""
    sysctls = {}
    for name, path in _SYSCTLS.items():
        try:
            sysctls[name] = int(Path(path).read_text())
        except (OSError, ValueError):
            continue
    container = Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() or "container" in os.environ
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return Machine(platform=sys.platform, root=root, container=container, sysctls=sysctls)


def explain(machine: Machine, refused: Mapping[Way, StepFailed]) -> Obstacle:
    """The one thing that stands in the way, given the step at which each way was refused.

    Source: user_namespaces(7), namespaces(7) for the limits; Ubuntu 24.04's release notes for AppArmor's restriction;
        Debian's and Arch's kernels for kernel.unprivileged_userns_clone.
    """
    if machine.platform != "linux":
        return Obstacle(
            f"live capture needs Linux (its AF_PACKET sockets and network namespaces), and this is {machine.platform}:"
            " use a Linux machine, virtual or WSL 2; recorded captures can be read here",
            None,
        )
    failed = refused.get(Way.USER_NAMESPACE)
    nor_host = " and this user may not capture on the host" if Way.HOST in refused else ""
    nor_capturing = " and capturing" if Way.HOST in refused else ""
    sysctls = machine.sysctls
    sudo = "" if machine.root else "sudo "
    for name in ("user.max_user_namespaces", "user.max_net_namespaces"):
        if sysctls.get(name) == 0:
            return Obstacle(
                f"this system allows no namespaces ({name} is 0){nor_host}",
                f"{sudo}sysctl -w {name}=15000",
            )
    if not machine.root and sysctls.get("kernel.unprivileged_userns_clone") == 0:
        return Obstacle(
            "this system keeps user namespaces for root (kernel.unprivileged_userns_clone is 0)",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1",
        )
    if not machine.root and sysctls.get("kernel.apparmor_restrict_unprivileged_userns", 0) != 0:
        return Obstacle(
            "AppArmor takes the rights away from user namespaces of ordinary programs, as Ubuntu does since 23.10 "
            "(kernel.apparmor_restrict_unprivileged_userns is 1)",
            "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        )
    what = "" if failed is None else f" ({failed})"
    if failed is not None and failed.errno == errno.ENOSPC:
        return Obstacle(
            f"this user has no namespace left{what}", f"{sudo}sysctl -w user.max_user_namespaces=15000"
        )  # namespaces(7): ENOSPC is the limit of the user, or the nesting of 32
    if failed is not None and failed.errno in (errno.ENOSYS, errno.EINVAL):
        return Obstacle(f"this kernel was built without user or network namespaces{what}, and root is needed", None)
    if machine.container:
        return Obstacle(
            f"this container forbids namespaces{what}{nor_capturing}",
            "docker run --cap-add NET_RAW --cap-add NET_ADMIN --security-opt seccomp=unconfined ...",
        )
    if machine.root:
        nor_root = ", and root without CAP_NET_RAW may not capture" if Way.HOST in refused else ""
        return Obstacle(f"namespaces are refused{what}{nor_root}", None)
    return Obstacle(
        f"user namespaces are refused{what}{nor_host}",
        "sudo sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1",
    )
