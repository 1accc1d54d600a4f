"""The page's pure modules under node: cursor, scale, words, comparison, packets and chat; and what is built of them."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from netlab.packets.packet import Packet, PacketType, encode

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "netlab" / "web" / "static"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")]


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "page" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["chat", "class", "cursor", "words"])
def test_the_modules(name: str) -> None:
    hello = encode(Packet(payload=b'{"type":"hello","name":"ann"}', message_id=7, type=PacketType.HELLO))
    ran = subprocess.run(
        ["node", "--test", str(Path(__file__).parent / "modules" / f"{name}.test.mjs")],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"NETLAB_HELLO": hello.hex()},
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
    assert re.search(r"pass [1-9]", ran.stdout)


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_what_is_built_is_what_the_modules_make(tmp_path: Path) -> None:
    try:
        builder().build(tmp_path)
    except subprocess.CalledProcessError as error:
        if error.cmd[0] == "npm":
            pytest.skip("npm can't get esbuild")
        raise
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert made == {path.name: path.read_bytes() for path in (STATIC / "built").iterdir()}, "make page"


def test_the_lock_names_no_registry() -> None:
    assert "://" not in (ROOT / "page" / "package-lock.json").read_text(encoding="utf-8")


def test_no_module_names_an_address_or_parses_html() -> None:
    for path in [*STATIC.glob("*.*"), *(STATIC / "built").iterdir()]:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]", text), path
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), path
