"""`netlab doctor`: what this machine can do, and for each thing missing the one command that gets it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import click
import msgspec

import netlab
from netlab.cli.sentences import broken
from netlab.cli.system_packages import install_command
from netlab.errors import NetlabError
from netlab.packets.text import printable


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked for.

    Attributes:
        name: what it is.
        ok: whether it is there.
        found: what was found; or what goes without it.
        command: what gets it, where it is missing and one command does.
        needed: whether netlab's main job needs it.
    """

    name: str
    ok: bool
    found: str
    command: str | None = None
    needed: bool = False


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def command(as_json: bool) -> None:
    """What this machine can do: Python, scapy, live capture and by which way, testbed, tshark, and packages
    that only some of it needs.

    For each thing missing, the one command that gets it.
    """
    checks = examine()
    if as_json:
        click.echo(msgspec.json.encode({"ok": all(check.ok for check in checks if check.needed), "checks": checks}))
        return
    colour = False if os.environ.get("NO_COLOR") else None
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = (
            click.style("yes", fg="green") if check.ok else click.style("no ", fg="red" if check.needed else "yellow")
        )
        beside = width + 7
        click.echo(f"{mark}  {check.name:<{width}}  {broken(printable(check.found), beside)}", color=colour)
        if check.command is not None:  # in one line, so that it can be copied
            click.echo(f"{'':<{beside}}-> {printable(check.command)}", color=colour)


def examine() -> list[Check]:
    """Look for everything, in the order shown."""
    return [
        _python(),
        Check("netlab", True, f"{netlab.__version__} in {Path(netlab.__file__).parent}", needed=True),
        _package("scapy", "packets are not taken apart", "scapy>=2.6", needed=True),
        *_capturing(),
        _testbed(),
        _tshark(),
        _package("jupyter", "the notebooks cannot be opened", "jupyter>=1.1"),
        _package("aiohttp", "no server of Socket.IO", "aiohttp>=3.10"),
        _package("uvloop", "servers run on asyncio's own loop, which is slower", "uvloop>=0.19"),
    ]


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}, on {platform.system()} {platform.release()}"
    return Check("Python", sys.version_info >= (3, 11), found, needed=True)


def _package(name: str, without: str, requirement: str, *, needed: bool = False) -> Check:
    try:
        return Check(name, True, importlib.metadata.version(name), needed=needed)
    except importlib.metadata.PackageNotFoundError:
        return Check(
            name, False, f"not installed: {without}", f"{sys.executable} -m pip install '{requirement}'", needed=needed
        )


def _capturing() -> list[Check]:
    from netlab.capture.live import Way, find_way

    ways = {
        Way.USER_NAMESPACE: "in a network of its own, without root",
        Way.NETWORK_NAMESPACE: "in a network of its own, as root",
        Way.HOST: "on this machine's own loopback, as namespaces are refused: other programs' packets are captured too",
    }
    way = find_way()
    if isinstance(way, Way):
        live = Check("live capture", True, ways[way])
    else:
        live = Check("live capture", False, f"{way.missing}; recorded captures are shown instead", way.command)
    namespace = way if way is Way.USER_NAMESPACE else find_way([Way.USER_NAMESPACE])
    if isinstance(namespace, Way):
        return [live, Check("user namespaces", True, "this user may make them")]
    if not live.ok:
        return [live, Check("user namespaces", False, "refused, as said above")]
    return [live, Check("user namespaces", False, namespace.missing, namespace.command)]


def _testbed() -> Check:
    """Build one, with nothing in it."""
    from netlab.cli.building import obstacle
    from netlab.network.link_config import LinkConfig
    from netlab.network.testbed import CannotBuild, Testbed, congestion_controls

    if sys.platform != "linux":
        return Check("testbed", False, f"it needs Linux (its network namespaces), and this is {sys.platform}")
    try:
        with Testbed(["true"], LinkConfig()):
            controls = ", ".join(congestion_controls())
    except CannotBuild as error:
        why = obstacle(error)
        return Check("testbed", False, f"{why.missing}; netlab simulate needs none", why.command)
    except NetlabError as error:
        return Check("testbed", False, str(error))
    return Check("testbed", True, f"two hosts can be built; their congestion controls: {controls}")


def _tshark() -> Check:
    path = shutil.which("tshark")
    if path is None:
        missing = "not installed: captures are opened by netlab and scapy alone"
        return Check("tshark", False, missing, install_command("tshark"))
    try:
        told = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Check("tshark", False, f"{path} does not run: {error}")
    first = told.splitlines()[0].partition(" (Git")[0] if told else "of unknown version"
    return Check("tshark", True, f"{first} at {path}")
