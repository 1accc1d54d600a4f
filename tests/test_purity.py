"""Pure files are pure (DESIGN.md section 2): no I/O, clock or entropy, over the whole import graph, without exceptions.

What is looked at is the syntax tree, not what happens to run: an import under `if TYPE_CHECKING` or inside a function
counts as any other.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ALLOWED = {
    *("__future__", "typing", "collections", "enum", "functools", "itertools", "heapq", "bisect", "math", "operator"),
    *("struct", "zlib", "hashlib", "hmac", "ipaddress", "unicodedata", "msgspec"),
    "re",  # bytes and text in, matches out
    "base64",  # bytes in, text out: sids, secrets and cookies are shown as base64url
}

FORBIDDEN = {
    *("open", "print", "input", "breakpoint"),  # I/O
    *("hash", "id"),  # differ from run to run
    *(
        "eval",
        "exec",
        "compile",
        "__import__",
        "globals",
        "vars",
        "__builtins__",
        "__loader__",
        "__spec__",
    ),  # ways past this
}

SHELLS_OF_THE_NETWORK = {
    *("link_host.py", "stack_services.py"),
    *("virtual_loop.py", "virtual_endpoint.py", "virtual_stream.py", "seeds.py", "precise_wait.py", "proxy.py"),
    *(
        "namespace.py",
        "processes.py",
        "interpreter.py",
        "packet_ring.py",
        "signals.py",
        "foreign_sockets.py",
        "link_end.py",
        "link_line.py",
        "programs.py",
        "recording_file.py",
        "testbed.py",
        "testbed_inside.py",
        "testbed_orders.py",
        "testbed_wire.py",
    ),
}

PURE_FILES = sorted(
    path
    for pattern in ("packets/**/*.py", "chat/**/*.py", "protocols/**/*.py", "units.py", "errors.py")
    for path in (ROOT / "netlab").glob(pattern)
)
PURE_FILES += [  # in network/ all but its shells
    path for path in sorted((ROOT / "netlab" / "network").glob("*.py")) if path.name not in SHELLS_OF_THE_NETWORK
]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PURE_MODULES = {module_name(path) for path in PURE_FILES}


def impurities(source: str, pure: set[str]) -> list[str]:
    """What a file does that a pure file must not, each as `line: what`."""
    found: list[tuple[int, str]] = []

    def check_module(name: str, line: int) -> bool:
        pure_name = name in pure if name.split(".")[0] == "netlab" else name.split(".")[0] in ALLOWED
        if not pure_name:
            found.append((line, f"imports {name}"))
        return pure_name

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    check_module(alias.name, node.lineno)
            case ast.ImportFrom(level=level) if level:
                found.append((node.lineno, "imports relatively"))
            case ast.ImportFrom(module="netlab", names=names):  # submodules only: the package itself is a shell
                for alias in names:
                    check_module(f"netlab.{alias.name}", node.lineno)
            case ast.ImportFrom(module=str(module), names=names) if check_module(module, node.lineno):
                for alias in names:
                    is_module = (ROOT / Path(*module.split("."), alias.name)).with_suffix(".py").exists()
                    if is_module and module.startswith("netlab"):
                        check_module(f"{module}.{alias.name}", node.lineno)
            case ast.Name(id=name) if name in FORBIDDEN:
                found.append((node.lineno, f"uses {name}"))
    return [f"{line}: {what}" for line, what in sorted(found)]


@pytest.mark.parametrize("path", PURE_FILES, ids=module_name)
def test_a_pure_file_has_no_io_clock_or_entropy(path: Path) -> None:
    assert impurities(path.read_text(), PURE_MODULES) == []


def test_the_pure_rooms_are_all_there() -> None:
    assert {"netlab.packets", "netlab.chat.hub", "netlab.protocols.stream", "netlab.units"} <= PURE_MODULES
    assert "netlab" not in PURE_MODULES
    assert "netlab.transports.udp" not in PURE_MODULES


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("import time", "imports time"),
        ("import os.path as p", "imports os.path"),
        ("from random import random", "imports random"),
        ("from collections import deque\nimport socket", "imports socket"),
        ("def f():\n    import secrets", "imports secrets"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncio", "imports asyncio"),
        ("from netlab.transports.udp import UdpServer", "imports netlab.transports.udp"),
        ("import netlab.capture", "imports netlab.capture"),
        ("import netlab", "imports netlab"),
        ("from netlab import connect", "imports netlab.connect"),
        ("from netlab import transports", "imports netlab.transports"),
        ("from . import split", "imports relatively"),
        ("from ..transports import udp", "imports relatively"),
        ("import numpy as np", "imports numpy"),
        ("import collectionsx", "imports collectionsx"),
        ("try:\n    import uvloop\nexcept ImportError:\n    pass", "imports uvloop"),
        ("data = open('x').read()", "uses open"),
        ("write = print", "uses print"),
        ("key = hash(address)", "uses hash"),
        ("class A:\n    def f(self): return id(self)", "uses id"),
        ("x = lambda: input()", "uses input"),
        ("eval('1')", "uses eval"),
        ("exec('1')", "uses exec"),
        ("__import__('time')", "uses __import__"),
        ("__builtins__['open']", "uses __builtins__"),
    ],
)
def test_the_check_notices(source: str, what: str) -> None:
    assert [found.split(": ")[1] for found in impurities(source, PURE_MODULES)] == [what]


@pytest.mark.parametrize(
    "source",
    [
        "import struct, zlib\nfrom collections.abc import Iterable",
        "from netlab.packets import pcapng\nfrom netlab.packets.packet import decode",
        "from netlab import units\nfrom netlab.units import S",
        "class A:\n    def open(self): return self.id",  # a method of that name is no I/O
    ],
)
def test_the_check_lets_pass(source: str) -> None:
    assert impurities(source, PURE_MODULES) == []


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT, check=True)


def test_the_whole_graph_of_a_pure_module_stays_pure_when_it_runs() -> None:
    """What the syntax tree cannot show, such as the package's own `__init__`: all pure modules, imported together."""
    imports = "; ".join(f"import {name}" for name in sorted(PURE_MODULES))
    loaded = set(python("-c", f"{imports}; import sys; print(*sys.modules)").stdout.split())
    assert {name for name in loaded if name.split(".")[0] == "netlab"} == PURE_MODULES | {"netlab"}
    assert not loaded & {"asyncio", "socket", "random", "secrets", "subprocess", "scapy", "numpy", "matplotlib"}


HEAVY = {"scapy", "numpy", "matplotlib"}


def test_import_netlab_is_light() -> None:
    loaded = set(python("-c", "import netlab, sys; print(*sys.modules)").stdout.split())
    assert not loaded & (HEAVY | {"asyncio", "netlab.transports"})


def test_netlab_help_is_light() -> None:
    """`-X importtime` writes each import to stderr, also those that are gone from `sys.modules` at the end."""
    report = python("-X", "importtime", "-m", "netlab", "--help").stderr
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in report.splitlines() if "|" in line}
    assert {"netlab", "click"} <= loaded
    assert not loaded & HEAVY
