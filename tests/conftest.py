"""Which tests run, how hypothesis looks for examples, and as whom.

What needs namespaces is tried as whoever runs the tests and, where that is root, as an ordinary user too.

Slow tests run where CI=true, with `--slow`, or when they are asked for with `-m slow`.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from netlab.capture.live import Way, find_way

IN_CI = os.environ.get("CI") == "true"

# No deadline: a busy machine is not a bug. In CI the same examples every time: a red run is about the change.
settings.register_profile("netlab", deadline=None)
settings.register_profile("netlab-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("netlab-ci" if IN_CI else "netlab")

# A job that a shell started in the background ignores Ctrl-C, and so would every program that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")
    parser.addoption("--new-references", action="store_true", help="take the figures as they are for the reference")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if IN_CI or config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: runs with CI=true or --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)


REPOSITORY = Path(__file__).parents[1]


class User:
    """Runs Python as somebody, in a directory of theirs, which can import netlab."""

    def __init__(self, account: pwd.struct_passwd | None, home: Path) -> None:
        self.home = home
        self.arguments: dict[str, Any] = {}
        self.python = sys.executable
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        if account is not None:
            self.arguments = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            os.chown(home, account.pw_uid, account.pw_gid)
            path += os.pathsep + sysconfig.get_path("purelib")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if account is not None:
            version = f"import sys, netlab, msgspec; assert sys.version_info[:2] == {sys.version_info[:2]}"
            for self.python in (sys.executable, "/usr/bin/python3"):
                try:
                    if self.popen([self.python, "-c", version], stderr=subprocess.DEVNULL).wait() == 0:
                        break
                except PermissionError:
                    continue
            else:
                pytest.skip("no interpreter here that an ordinary user may run and that has netlab's packages")

    def popen(self, command: list[str], **arguments: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=self.environment, cwd=self.home, text=True, **self.arguments, **arguments)

    def start(self, source: str, *words: str, **arguments: Any) -> subprocess.Popen[str]:
        return self.popen([self.python, "-c", source, *words], **arguments)

    def run(self, source: str, *words: str) -> Any:
        """The JSON that the program prints last."""
        with self.start(source, *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert err == ""
        return json.loads(out.splitlines()[-1])


def _ordinary() -> pwd.struct_passwd:
    ordinary = [account for account in pwd.getpwall() if 1000 <= account.pw_uid < 60_000]
    return ordinary[0] if ordinary else pwd.getpwnam("nobody")


@pytest.fixture(scope="module")
def ordinary_user() -> Iterator[User]:
    """Who may do nothing special: another account where root tests. With namespaces or without."""
    home = Path(tempfile.mkdtemp(prefix="netlab-test-"))
    try:
        yield User(_ordinary() if os.geteuid() == 0 else None, home)
    finally:
        shutil.rmtree(home)


@pytest.fixture(params=["whoever tests", "an ordinary user"])
def user(request: pytest.FixtureRequest) -> Iterator[User]:
    ordinary = request.param == "an ordinary user"
    if ordinary and os.geteuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    home = Path(tempfile.mkdtemp(prefix="netlab-test-"))
    try:
        found = User(_ordinary() if ordinary else None, home)
        probe = "import json; from netlab.capture.live import find_way; print(json.dumps(str(find_way())))"
        if (way := found.run(probe)) not in (Way.USER_NAMESPACE, Way.NETWORK_NAMESPACE):
            pytest.skip(f"no namespaces here: {way}")
        yield found
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def npm_packages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Gets the packages of a folder's package-lock.json into a folder of the test's, or skips."""

    def got(wanted: Path) -> Path:
        folder = tmp_path_factory.mktemp(wanted.name)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(wanted / name, folder)
        ran = subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=False, capture_output=True, text=True)
        if ran.returncode:
            pytest.skip(f"npm can't get the packages of {wanted.name}: {ran.stderr[-200:]}")
        return folder

    return got


@pytest.fixture(scope="session")
def live() -> Way:
    """Skips where this user gets no namespaces."""
    way = find_way()
    if way not in (Way.USER_NAMESPACE, Way.NETWORK_NAMESPACE):
        pytest.skip(f"no namespaces here: {way}")
    return way
