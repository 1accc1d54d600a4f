"""The real `netlab web`, and Debian's Chromium in front of it; what a page did that it should not is kept."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
STATIC = Path(__file__).parents[2] / "netlab" / "web" / "static"


@contextmanager
def netlab_web(*options: str) -> Iterator[str]:
    """The line that it prints first: it ends with the page's address."""
    command = [sys.executable, "-m", "netlab", "web", "--no-browser", "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


CLASS = """
import asyncio, sys
from netlab.web.classroom import in_class
from netlab.web.server import Page, listen, serving

async def main():
    at = listen("127.0.0.1", 0)
    async with in_class("127.0.0.1", token=sys.argv[1], secret="s", ports={"udp": 0, "rudp": 0}) as classroom:
        async with serving(Page("127.0.0.1", classroom=classroom).app, at):
            print(f"http://127.0.0.1:{at.getsockname()[1]}/class", flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""
"""A class as `netlab web --class` has it, at ports that are free: its own may be taken by whoever teaches here."""


@contextmanager
def class_page(token: str) -> Iterator[str]:
    """The address of a class's page; the teacher's secret is `s`."""
    with subprocess.Popen([sys.executable, "-c", CLASS, token], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; as root it can't have a sandbox."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        with playwright.chromium.launch(executable_path=CHROMIUM, args=arguments) as browser:
            yield browser


@contextmanager
def opened(browser: Browser, address: str, **context: object) -> Iterator[Page]:
    """A page, which at the end must have said nothing on its console, and have asked nobody but this machine.

    Raises:
        AssertionError: it did.
    """
    wrong: list[str] = []
    with browser.new_context(**context) as made:  # type: ignore[arg-type]
        page = made.new_page()
        page.on("console", lambda said: wrong.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda asked: wrong.extend(_foreign(asked.url)))
        page.on("websocket", lambda socket: wrong.extend(_foreign(socket.url)))
        page.goto(address)
        yield page
        assert wrong == []


def _foreign(url: str) -> list[str]:
    parts = urlsplit(url)
    here = parts.scheme in ("about", "data", "blob") or parts.hostname in ("127.0.0.1", "localhost", "::1")
    return [] if here else [f"asked {url}"]
