"""`netlab wireshark`: two files, put where Wireshark looks, and nothing else touched."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from netlab.capture.recorded import recorded
from netlab.capture.wireshark.folders import find_folders

NO_WIRESHARK = "/nowhere"


def plugins(home: Path) -> Path:
    return home / ".local" / "lib" / "wireshark" / "plugins" / "netlab.lua"


def extcap(home: Path) -> Path:
    return home / ".local" / "lib" / "wireshark" / "extcap" / "netlab"


def test_without_wireshark_it_goes_where_wireshark_will_look(netlab, tmp_path):
    told = netlab("wireshark", HOME=str(tmp_path), PATH=NO_WIRESHARK)
    assert told.stdout.decode().splitlines() == [
        "no Wireshark was found; it looks here by default:",
        f"  dissector   {plugins(tmp_path)} (not installed)",
        f"  interfaces  {extcap(tmp_path)} (not installed)",
        "netlab wireshark --install puts them there",
    ]
    done = netlab("wireshark", "--install", HOME=str(tmp_path), PATH=NO_WIRESHARK)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"written: {plugins(tmp_path)}" in done.stdout.decode()
    assert b"no Wireshark was found" in done.stdout
    assert os.access(extcap(tmp_path), os.X_OK)
    assert "not installed" not in netlab("wireshark", HOME=str(tmp_path), PATH=NO_WIRESHARK).stdout.decode()
    again = netlab("wireshark", "--install", HOME=str(tmp_path), PATH=NO_WIRESHARK)
    assert again.stdout == done.stdout
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["netlab", "netlab.lua"]


def test_uninstalling_leaves_nothing(netlab, tmp_path):
    netlab("wireshark", "--install", HOME=str(tmp_path))
    done = netlab("wireshark", "--uninstall", HOME=str(tmp_path))
    assert done.stdout.decode().splitlines() == [f"removed: {plugins(tmp_path)}", f"removed: {extcap(tmp_path)}"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert netlab("wireshark", "--uninstall", HOME=str(tmp_path)).stdout.startswith(b"nothing of netlab's is in")


def test_what_prints_is_what_is_installed(netlab, tmp_path):
    netlab("wireshark", "--install", "--dir", str(tmp_path))
    assert netlab("wireshark", "--print").stdout == (tmp_path / "netlab.lua").read_bytes()


@pytest.mark.parametrize("action", ["--install", "--uninstall"])
def test_files_of_others_are_left_alone(netlab, tmp_path, action):
    (tmp_path / "netlab.lua").write_text("-- mine")
    done = netlab("wireshark", action, "--dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"netlab.lua is " in done.stderr
    assert b"not netlab's" in done.stderr
    assert (tmp_path / "netlab.lua").read_text() == "-- mine"


def test_a_folder_that_cannot_be_made_is_one_line(netlab, tmp_path):
    (tmp_path / "file").write_text("")
    done = netlab("wireshark", "--install", "--dir", str(tmp_path / "file" / "folder"))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert b"Not a directory" in done.stderr


def test_what_an_installed_wireshark_says_counts(tmp_path):
    tshark = tmp_path / "tshark"
    tshark.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "TShark (Wireshark) 4.4.7." && exit\n'
        'echo "Personal Lua Plugins:\t/a/plugins"\necho "Personal Extcap path:   \t/a/extcap"\n'
        'echo "Global Extcap path:\t/b"\n'
    )
    tshark.chmod(0o755)
    found = find_folders({"PATH": str(tmp_path), "HOME": "/home/ann"})
    assert (found.plugins, found.extcap, found.version) == (Path("/a/plugins"), Path("/a/extcap"), "4.4.7")
    assert found.looks_in_extcap


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_finds_the_installed_dissector_by_itself(netlab, tmp_path):
    netlab("wireshark", "--install", HOME=str(tmp_path))
    command = ["tshark", "-r", str(recorded("chat-udp").path), "-c", "1"]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
    told = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    assert "netlab 91 hello" in told


def test_to_install_and_to_uninstall_is_refused(netlab, tmp_path):
    done = netlab("wireshark", "--install", "--uninstall", HOME=str(tmp_path), PATH=NO_WIRESHARK)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--install, --uninstall, --print: choose one" in done.stderr
    assert list(tmp_path.iterdir()) == []
