"""Where Wireshark looks for what a user adds to it, and putting netlab's files there.

`tshark -G folders` says where; without Wireshark the folders are those that its documentation names. A folder of the
user's own for extcap programs is known to Wireshark 4.2 and later; before, it looks in its own folder only.

Source: Wireshark User's Guide, "Configuration Files and Plugin Folders"; extcap(4).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from netlab.capture.wireshark.dissector import dissector
from netlab.errors import CaptureError

DISSECTOR, EXTCAP = "netlab.lua", "netlab.bat" if sys.platform == "win32" else "netlab"
"""The files, by name: the dissector, and the program that is the interfaces."""

MARK = "netlab wireshark"
"""Stands in every file that was installed: no other is overwritten or removed."""

_ASKING_S = 20
_PROGRAMS = ("tshark", "wireshark")
_ELSEWHERE = {
    "win32": (r"C:\Program Files\Wireshark",),
    "darwin": ("/Applications/Wireshark.app/Contents/MacOS",),
}
"""Where Wireshark's programs are that are not on the PATH."""


class Folders(msgspec.Struct, frozen=True):
    """Where files go.

    Attributes:
        plugins: for dissectors in Lua.
        extcap: for programs that are interfaces.
        version: of Wireshark, such as `4.0.17`; None where none was found.
        looks_in_extcap: whether this Wireshark looks into `extcap` by itself.
    """

    plugins: Path
    extcap: Path
    version: str | None
    looks_in_extcap: bool


def find_folders(environment: Mapping[str, str] = os.environ) -> Folders:
    """Ask the Wireshark that is installed; without one, those of the documentation."""
    documented = documented_folders(environment)
    program = _program(environment)
    if program is None:
        return documented
    told = _ask(program, "-G", "folders")
    personal = dict(re.findall(r"^(Personal [^:]*):\s*(.+?)\s*$", told, re.MULTILINE))
    version = re.search(r"(\d+)\.(\d+)\.(\d+)", _ask(program, "--version"))
    extcap = personal.get("Personal Extcap path")
    return Folders(
        plugins=Path(personal.get("Personal Lua Plugins") or documented.plugins),
        extcap=Path(extcap or documented.extcap),
        version=version[0] if version else None,
        looks_in_extcap=extcap is not None,
    )


def documented_folders(environment: Mapping[str, str] = os.environ) -> Folders:
    """Where Wireshark's documentation says that it looks."""
    if sys.platform == "win32":
        base = Path(environment.get("APPDATA", str(Path.home() / "AppData" / "Roaming"))) / "Wireshark"
    else:
        base = Path(environment.get("HOME", str(Path.home()))) / ".local" / "lib" / "wireshark"
    return Folders(base / "plugins", base / "extcap", None, looks_in_extcap=True)


def in_directory(directory: Path) -> Folders:
    """Both files in one folder that the user names."""
    return Folders(directory, directory, None, looks_in_extcap=False)


def extcap_program() -> str:
    """The program that Wireshark runs as an interface: it hands on to this Python."""
    if sys.platform == "win32":
        return f'@echo off\r\nrem Written by {MARK}\r\n"{sys.executable}" -m netlab extcap %*\r\n'
    quoted = "'" + sys.executable.replace("'", "'\\''") + "'"
    return f'#!/bin/sh\n# Written by {MARK}\nexec {quoted} -m netlab extcap "$@"\n'


def install(folders: Folders) -> list[Path]:
    """Write both files; what stood there before was netlab's.

    Raises:
        CaptureError: a folder cannot be written to, or a file of that name is not netlab's.
    """
    written = []
    for path, text in ((folders.plugins / DISSECTOR, dissector()), (folders.extcap / EXTCAP, extcap_program())):
        if not _is_ours(path):
            raise CaptureError(f"{path} is there and not netlab's: move it away, or name another folder with --dir")
        beside = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(text, encoding="utf-8", newline="")
            if path.name == EXTCAP:
                beside.chmod(beside.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
            beside.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise CaptureError(f"{path}: {error.strerror}") from None
        written.append(path)
    return written


def uninstall(folders: Folders) -> list[Path]:
    """Remove both files, and give back which were there.

    Raises:
        CaptureError: a file cannot be removed, or is not netlab's.
    """
    removed = []
    for path in (folders.plugins / DISSECTOR, folders.extcap / EXTCAP):
        if not _is_ours(path):
            raise CaptureError(f"{path} is not netlab's: it was left alone")
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CaptureError(f"{path}: {error.strerror}") from None
        removed.append(path)
    return removed


def _is_ours(path: Path) -> bool:
    """Whether there is no such file, or one that netlab wrote."""
    try:
        return MARK in path.read_text("utf-8", "replace")[:200]
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _program(environment: Mapping[str, str]) -> str | None:
    places = [environment.get("PATH", os.defpath), *_ELSEWHERE.get(sys.platform, ())]
    for name in _PROGRAMS:
        if found := shutil.which(name, path=os.pathsep.join(places)):
            return found
    return None


def _ask(program: str, *arguments: str) -> str:
    try:
        done = subprocess.run([program, *arguments], capture_output=True, timeout=_ASKING_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")
