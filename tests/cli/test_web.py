"""`netlab web` as it is typed: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

ENV = {name: text for name, text in os.environ.items() if name not in ("NETLAB_TOKEN", "DISPLAY", "BROWSER")}


@contextmanager
def web(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "netlab", "web", "--port", "0", "--no-browser", *words]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def refused(*words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "netlab", "web", "--no-browser", *words],
        capture_output=True,
        text=True,
        env=ENV,
        timeout=30,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_the_page_and_its_rooms_until_ctrl_c() -> None:
    with web() as started:
        assert started.stdout is not None
        found = re.match(r"the page is at (http://127\.0\.0\.1:\d+)/$", started.stdout.readline().strip())
        assert found is not None
        told = get(f"{found[1]}/settings.json")
        assert told["class"] is False
        assert f"rooms at {told['ws']}" == started.stdout.readline().strip()
        started.send_signal(signal.SIGINT)
        _, errors = started.communicate(timeout=20)
        assert started.returncode == 130
        assert "Traceback" not in errors
        assert errors.rstrip().endswith("Ctrl-C ends it")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (["--host", "0.0.0.0"], 2, "others than this machine reach 0.0.0.0: say --token auto"),
        (["--class", "--host", "0.0.0.0"], 2, "others than this machine reach 0.0.0.0: say --token auto"),
        (["--token", "tea"], 2, "the token is worth 18 bits"),
        (["--class", "--chat", "ws://127.0.0.1:9003"], 2, "leave --chat out"),
        (["--chat", "tcp://127.0.0.1:9000"], 2, "write ws://127.0.0.1:9003"),
        (["--chat", "nonsense"], 2, "write ws://127.0.0.1:9003"),
        (["--host", "192.0.2.1", "--token", "auto"], 1, "cannot listen at http://192.0.2.1:9080: "),
    ],
)
def test_what_is_refused(words: list[str], status: int, complaint: str) -> None:
    code, errors = refused(*words)
    assert code == status
    assert len(errors.splitlines()) == 1
    assert complaint in errors


@pytest.mark.slow
def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, errors = refused("--port", str(taken.getsockname()[1]))
    assert code == 1
    assert re.search(r"the port is taken: choose another, or --port 0$", errors.strip())


@pytest.mark.slow
def test_without_the_extra() -> None:
    code = "import sys; sys.modules['aiohttp'] = None; from netlab.cli import main; main(['web', '--no-browser'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENV, timeout=30)
    assert done.returncode == 1
    assert done.stderr.strip() == "netlab: error: netlab web needs aiohttp: pip install 'netlab-edu[web]'"
