"""`netlab doctor`: it says what it found, what gets the rest, and never fails itself."""

from __future__ import annotations

import errno
import importlib.metadata
import json
import subprocess

import pytest

from netlab.capture.live import Way
from netlab.capture.obstacles import Obstacle
from netlab.cli import doctor
from netlab.network.namespace import StepFailed
from netlab.network.testbed import CannotBuild
from netlab.network.testbed_wire import TOOL


def test_says_what_is_there_and_exits_with_0(netlab):
    done = netlab("doctor")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for name in (
        "Python",
        "netlab",
        "scapy",
        "live capture",
        "user namespaces",
        "testbed",
        "tshark",
        "jupyter",
        "aiohttp",
        "uvloop",
    ):
        assert f"  {name} " in text


def test_json_holds_the_same(netlab):
    told = json.loads(netlab("doctor", "--json").stdout)
    assert told["ok"] is True
    checks = {check["name"]: check for check in told["checks"]}
    assert checks["scapy"]["found"] == importlib.metadata.version("scapy")
    for check in told["checks"]:
        assert set(check) == {"name", "ok", "found", "command", "needed"}
        assert check["ok"] or check["found"]


def test_what_is_missing_comes_with_a_command(monkeypatch):
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    def no_testbed(self: object) -> None:
        raise CannotBuild({Way.USER_NAMESPACE: StepFailed(TOOL, errno.ENOENT)})

    refused = Obstacle("this system allows no namespaces", "sudo sysctl -w user.max_user_namespaces=15000")
    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(doctor.shutil, "which", lambda tool: "/usr/bin/dnf" if tool == "dnf" else None)
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 1000)
    monkeypatch.setattr("netlab.capture.live.find_way", lambda ways=None: refused)
    monkeypatch.setattr("netlab.network.testbed.Testbed.build", no_testbed)
    found = {check.name: check for check in doctor.examine()}
    assert found["live capture"].command == refused.command
    assert found["user namespaces"].command is None  # the same one: said once
    assert found["testbed"].command == "sudo dnf install iproute"
    assert found["tshark"].command == "sudo dnf install wireshark-cli"
    assert found["scapy"].needed
    assert found["jupyter"].command is not None
    assert found["jupyter"].command.endswith("-m pip install 'jupyter>=1.1'")
    assert [name for name, check in found.items() if check.ok] == ["Python", "netlab"]


@pytest.mark.parametrize("way", Way)
def test_each_way_of_capturing_is_told(monkeypatch, way):
    monkeypatch.setattr("netlab.capture.live.find_way", lambda ways=None: way)
    live = next(check for check in doctor.examine() if check.name == "live capture")
    assert live.ok
    assert ("without root" in live.found) is (way is Way.USER_NAMESPACE)


def test_a_tshark_that_does_not_run_is_told(monkeypatch):
    def broken(*arguments, **options):
        raise subprocess.TimeoutExpired("tshark", 10)

    monkeypatch.setattr(doctor.shutil, "which", lambda tool: f"/usr/bin/{tool}")
    monkeypatch.setattr(doctor.subprocess, "run", broken)
    tshark = doctor._tshark()
    assert (tshark.ok, "does not run" in tshark.found) == (False, True)
