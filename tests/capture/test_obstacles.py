"""One sentence for each machine where nothing can be captured, and the command that changes it."""

from __future__ import annotations

import errno

import pytest

from netlab.capture.obstacles import Machine, explain, look
from netlab.network.namespace import StepFailed, Way

REFUSED = {Way.USER_NAMESPACE: StepFailed("unshare", errno.EPERM), Way.HOST: StepFailed("AF_PACKET", errno.EPERM)}
FULL = {Way.USER_NAMESPACE: StepFailed("unshare", errno.ENOSPC), Way.HOST: StepFailed("AF_PACKET", errno.EPERM)}
NOT_BUILT = {Way.USER_NAMESPACE: StepFailed("unshare", errno.EINVAL)}
APPARMOR = {"kernel.apparmor_restrict_unprivileged_userns": 1, "user.max_user_namespaces": 15000}

MACHINES = [
    (Machine(platform="darwin"), {}, "needs Linux", None),
    (Machine(platform="win32"), {}, "this is win32", None),
    (Machine(sysctls=APPARMOR), REFUSED, "AppArmor", "kernel.apparmor_restrict_unprivileged_userns=0"),
    (Machine(sysctls={"user.max_user_namespaces": 0}), FULL, "is 0", "sudo sysctl -w user.max_user_namespaces=15000"),
    (
        Machine(sysctls={"kernel.unprivileged_userns_clone": 0, "user.max_user_namespaces": 9}),
        REFUSED,
        "for root",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (Machine(sysctls={"user.max_user_namespaces": 9}), FULL, "no namespace left", "user.max_user_namespaces=15000"),
    (Machine(), NOT_BUILT, "built without", None),
    (Machine(container=True), REFUSED, "container", "--cap-add NET_RAW"),
    (Machine(container=True, root=True), REFUSED, "container", "--cap-add NET_RAW"),
    (Machine(root=True), REFUSED, "CAP_NET_RAW", None),
    (Machine(), REFUSED, "unshare: Operation not permitted", "sysctl"),
]


@pytest.mark.parametrize(("machine", "refused", "missing", "command"), MACHINES)
def test_what_is_missing_and_the_command_that_gets_it(
    machine: Machine, refused: dict[Way, StepFailed], missing: str, command: str | None
) -> None:
    obstacle = explain(machine, refused)
    assert missing in obstacle.missing
    assert "\n" not in str(obstacle)
    assert not obstacle.missing.endswith(".")
    if command is None:
        assert obstacle.command is None
    else:
        assert obstacle.command is not None
        assert command in obstacle.command
        assert obstacle.command in str(obstacle)


def test_this_machine_can_be_looked_at() -> None:
    assert look().platform
