"""The simulated world in Pyodide, a browser's Python: without sockets and threads, and with the same bytes as here."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from netlab.scenarios import load, run
from netlab.scenarios.bench import capture, read_script

HERE = Path(__file__).parent / "pyodide"
ROOT = HERE.parents[1]

WASM = (
    "--platform",
    "pyemscripten_2026_0_wasm32",
    "--python-version",
    "3.14",
    "--implementation",
    "cp",
    "--abi",
    "cp314",
)
"""The Python of this Pyodide, which package.json pins."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("npm") is None, reason="Node and npm are not installed"),
]


@pytest.fixture(scope="session")
def browser(npm_packages: Callable[[Path], Path]) -> list[str]:
    """A command that runs a scenario in Pyodide: the npm package, and msgspec's wheel for it."""
    folder = npm_packages(HERE)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *WASM, "-d", str(folder)]
    if subprocess.run([*pip, "msgspec"], check=False, capture_output=True).returncode:
        pytest.skip("pip can't get msgspec for Pyodide")
    [wheel] = folder.glob("msgspec-*.whl")
    return ["node", str(HERE / "run.mjs"), str(folder / "node_modules" / "pyodide"), str(ROOT), str(wheel)]


@pytest.mark.parametrize("scenario", ["tcp-bulk", "home-wifi", "reorder"])
def test_a_scenario_gives_the_same_bytes_as_here(browser: list[str], scenario: str) -> None:
    ran = subprocess.run([*browser, scenario, "7"], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.strip().splitlines()[-1] == msgspec.json.encode(run(load(scenario), seed=7)).decode()


def test_the_bench_gives_the_same_captures_as_here(browser: list[str]) -> None:
    """Of all lanes but WebSocket's, whose library is not there: which is told, and stops nobody."""
    ran = subprocess.run([*browser, "bench", "7"], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = msgspec.json.decode(ran.stdout.strip().splitlines()[-1])
    assert told.pop("ws") == "websockets is not installed here"
    script = read_script({"seed": 7, "link": {"loss": "30%", "delay": "40ms"}, "texts": [{"at": 0, "text": "hi"}]})
    assert told == {over: sha256(capture(script, over)).hexdigest() for over in ("udp", "tcp", "rudp")}


def test_the_lock_names_no_registry() -> None:
    assert not re.search(
        r"https?://", (HERE / "package-lock.json").read_text().replace("https://opencollective.com", "")
    )
