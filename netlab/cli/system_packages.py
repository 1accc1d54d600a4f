"""The command that installs a program of the system, by whichever package manager is here."""

from __future__ import annotations

import os
import shutil

_INSTALL = {
    "apt-get": "apt-get install",
    "dnf": "dnf install",
    "zypper": "zypper install",
    "pacman": "pacman -S",
    "apk": "apk add",
    "brew": "brew install",
}

_PACKAGES = {
    "tshark": {
        "apt-get": "tshark",
        "dnf": "wireshark-cli",
        "zypper": "wireshark",
        "pacman": "wireshark-cli",
        "apk": "tshark",
        "brew": "wireshark",
    },
    "ip": {"apt-get": "iproute2", "dnf": "iproute", "zypper": "iproute2", "pacman": "iproute2", "apk": "iproute2"},
}


def install_command(program: str) -> str | None:
    """What brings the program, or None where no package manager known here has it."""
    for manager, package in _PACKAGES[program].items():
        if shutil.which(manager):
            root = manager == "brew" or (hasattr(os, "geteuid") and os.geteuid() == 0)
            return f"{'' if root else 'sudo '}{_INSTALL[manager]} {package}"
    return None
