"""The notebook's widget in Chromium, its questions answered by the Python that a kernel would run."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import expect

from netlab.course.bench import answer, bench
from tests.web.pages import CHROMIUM, STATIC, chromium, opened

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

MARKUP = "<script>document.title='broken'</script>"

SHOW = """
async ([source, script]) => {
  const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  let told;
  const model = {
    get: () => script,
    on: (name, listener) => { told = listener; },
    send: async (question) => told(await window.kernel(question)),
  };
  module.default.render({ model, el: document.body });
}
"""
"""What anywidget does with the file, and a kernel with the messages."""

SHOW_WITH_A_SILENT_KERNEL = (
    SHOW.replace("let told;", "")
    .replace("told = listener", "window.told = listener")
    .replace("told(await window.kernel(question))", "window.kernel(question)")
)
"""The same, but that the answer is given by `window.told`."""


def test_the_widget_opens_at_the_end_shows_text_as_text_and_compares() -> None:
    asked: list[str] = []

    def kernel(question: dict[str, Any]) -> dict[str, Any]:
        asked.append(question["ask"])
        return answer(question)

    with chromium() as browser, opened(browser, "about:blank") as page:
        page.expose_function("kernel", kernel)
        page.add_style_tag(content=(STATIC / "built" / "widget.css").read_text(encoding="utf-8"))
        source = (STATIC / "built" / "widget.js").read_text(encoding="utf-8")
        page.evaluate(SHOW, [source, bench(MARKUP, loss="30%", seed=7).script])
        expect(page.locator(".lane")).to_have_count(4)
        expect(page.locator(".lane[data-over=ws] .bubble").first).to_contain_text("<script>document")
        expect(page.locator(".lane[data-over=udp] .sentence")).to_contain_text("<script>")
        assert page.title() == ""
        page.locator(".lane[data-over=ws] .packet.carries").first.press("Enter")
        expect(page.locator(".byte-map")).to_contain_text("OSI 4 Transport")
        page.get_by_role("button", name="Drop this packet").click()
        expect(page.locator(".compare .what")).to_have_text("WebSocket: one packet was dropped by hand.")
    assert asked == ["run", "packet", "run"]


def test_a_kernel_that_is_silent_is_told_until_it_answers() -> None:
    waiting: list[dict[str, Any]] = []

    def kernel(question: dict[str, Any]) -> None:
        waiting.append(question)

    with chromium() as browser, opened(browser, "about:blank") as page:
        page.clock.install()
        page.expose_function("kernel", kernel)
        source = (STATIC / "built" / "widget.js").read_text(encoding="utf-8")
        page.evaluate(SHOW_WITH_A_SILENT_KERNEL, [source, bench("hi").script])
        alert = page.get_by_role("alert")
        expect(alert).to_have_text("")
        page.clock.fast_forward(3_001)
        expect(alert).to_contain_text("the kernel has not answered yet")
        page.evaluate("(answer) => told(answer)", answer(waiting[0]))
        expect(page.locator(".lane")).to_have_count(4)
        expect(alert).to_have_text("")
