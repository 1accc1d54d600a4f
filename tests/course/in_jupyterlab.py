"""A real JupyterLab with one notebook in it, and Debian's Chromium in front of that, its cells run by a real kernel."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def ran(folder: Path, cells: Sequence[str], *, until: str, size: tuple[int, int]) -> Iterator[Any]:
    """The notebook's page, run from its first cell to its last.

    Args:
        folder: an empty one, for the notebook and what JupyterLab keeps.
        cells: the notebook's.
        until: what the last cell prints.
        size: of the window, pixels: JupyterLab draws only the cells that are in view.
    """
    from playwright.sync_api import sync_playwright

    with _lab(folder, cells) as address, sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(30_000)
        page.goto(f"{address}/lab/tree/widgets.ipynb")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell")
        _run_all(page, until)
        yield page
        browser.close()


def begin(page: Any) -> None:
    """Stand in the notebook, on the cell that is selected there."""
    page.locator(".jp-Notebook").first.focus()


@contextmanager
def _lab(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """The address of a JupyterLab of our own."""
    import nbformat

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}  # else JupyterLab asks for one
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells], metadata={"kernelspec": kernel}
    )
    nbformat.write(notebook, folder / "widgets.ipynb")
    program = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    own = {f"JUPYTER_{kind}_DIR": str(folder / f".{kind.lower()}") for kind in ("CONFIG", "RUNTIME")}
    with subprocess.Popen(
        program, cwd=folder, env={**os.environ, **own}, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stderr is not None
        said = []
        try:
            for line in server.stderr:
                said.append(line)
                if "http://127.0.0.1:" in line:
                    yield line[line.index("http://") :].split("/lab")[0].strip()
                    break
            else:
                pytest.fail("JupyterLab did not start:\n" + "".join(said[-20:]))
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def _run_all(page: Any, until: str) -> None:
    """Select all cells and run them, once the kernel is there; where it was not ready after all, once more."""
    from playwright.sync_api import TimeoutError

    page.get_by_text(re.compile(r"\| Idle$")).first.wait_for()
    for _ in range(6):
        begin(page)
        page.keyboard.press("Control+A")
        page.keyboard.press("Control+Enter")
        try:
            page.get_by_text(until, exact=True).wait_for(timeout=8_000)
        except TimeoutError:
            continue
        return
    pytest.fail("JupyterLab did not run the notebook to its end")
