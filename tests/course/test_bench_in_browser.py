"""The bench in a real JupyterLab: lose a text, step back, drop one packet, compare; a real kernel answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .in_jupyterlab import CHROMIUM, ran

pytest.importorskip("nbformat", reason="jupyter is not installed: pip install 'netlab-edu[lab]'")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed: pip install 'netlab-edu[lab]'")
pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'netlab-edu[lab]'")
pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import expect

from netlab.capture.files import read

MARKUP = "<script>document.title = 'run'</script><b>text</b>"
CELLS = [
    "from netlab.course.bench import bench\nbench(loss='30%', seed=7)",
    f"bench({MARKUP!r}, seed=1)",
    "print('run', 'through')",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with ran(tmp_path_factory.mktemp("lab"), CELLS, until="run through", size=(1500, 3600)) as page:
        yield page


def test_send_step_back_drop_one_and_compare(page: Any, tmp_path: Path) -> None:
    bench = page.locator(".netlab-bench").first
    expect(bench.locator(".lane")).to_have_count(4)
    sentence = {over: bench.locator(f".lane[data-over={over}] .sentence") for over in ("udp", "tcp", "rudp", "ws")}
    expect(sentence["udp"]).to_contain_text("was lost; nobody sends it again")

    bench.get_by_label("Pace").select_option("1")
    bench.get_by_label("Ann says").fill("and this?")
    bench.get_by_role("button", name="Send over all").click()
    expect(sentence["ws"]).to_contain_text(re.compile("bob heard “and this\\?”", re.IGNORECASE))
    expect(bench.get_by_role("button", name="Play", exact=True)).to_be_visible()
    clock = bench.locator(".clock")
    at_the_end = clock.text_content()
    bench.get_by_role("button", name="Step back").click()
    expect(clock).not_to_have_text(at_the_end or "")

    bench.locator(".lane[data-over=ws] .packet.carries").first.press("Enter")
    details = bench.get_by_label("The chosen packet")
    expect(details).to_contain_text("OSI 4 Transport · TCP/IP Transport")
    details.get_by_role("button", name="Drop this packet").click()
    expect(bench.locator(".compare .what")).to_have_text("WebSocket: one packet was dropped by hand.")
    expect(bench.locator(".differences [data-over=ws]")).to_contain_text(re.compile(r"Bob hears “hi” \d+ ms later"))
    expect(bench.locator(".differences [data-over=udp]")).to_contain_text("packet for packet")

    bench.get_by_label("Capture of").select_option("ws")
    with page.expect_download() as waiting:
        bench.get_by_role("button", name="Download the capture").click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)
    assert any("emit" in part.event for packet in read(file) for part in packet.summary.netlab)


def test_a_key_of_the_bench_is_no_command_of_the_notebook(page: Any) -> None:
    """In JupyterLab's command mode `d` twice deletes a cell, and `z` brings it back."""
    bench = page.locator(".netlab-bench").nth(1)
    cells = page.locator(".jp-Notebook .jp-CodeCell").count()
    packet = bench.locator(".lane[data-over=udp] .packet").first
    packet.press("d")
    expect(bench.locator(".compare .what")).to_have_text("UDP: one packet was dropped by hand.")
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.keyboard.press("z")
    expect(bench.get_by_role("button", name="Back to before")).to_be_disabled()
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == cells


def test_markup_is_shown_as_text(page: Any) -> None:
    bench = page.locator(".netlab-bench").nth(1)
    expect(bench.locator(".lane[data-over=ws] .bubble").first).to_contain_text("<script>document")
    outputs = page.locator(".jp-OutputArea-output")
    assert outputs.locator("script").count() == 0
    assert outputs.locator("b", has_text=re.compile("^text")).count() == 0
    assert page.title() != "run"
