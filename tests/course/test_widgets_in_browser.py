"""The widgets in a real JupyterLab, in a real browser, by keyboard alone: no click is made here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .in_jupyterlab import CHROMIUM, begin, ran

pytest.importorskip("nbformat", reason="jupyter is not installed: pip install 'netlab-edu[lab]'")
pytest.importorskip("jupyterlab", reason="jupyterlab is not installed: pip install 'netlab-edu[lab]'")
pytest.importorskip("playwright", reason="playwright is not installed")

EVIL = "<script>document.title = 'run'</script><b>text</b>"
CELLS = [
    "from netlab.course import check, widgets\nfrom netlab.course.predict import predict",
    "quiz = widgets.ask('05', seed='before')\nquiz",
    "from netlab.course.experiments import connection\nwidgets.scrub(connection.half_closed(seed=6).capture)",
    f"evil = {EVIL!r}\nwidgets.bad_link(lambda loss, delay: f'{{loss:g}} % {{delay:g}} ms {{evil}}')",
    "guess = predict(evil, 3)\nprint(evil)\nguess.compare(4)",
    "def take_apart(frame):\n    raise ValueError(evil)\n\n\ncheck.headers(take_apart)",
    "from netlab.capture.recorded import recorded\nwidgets.Models(recorded('websocket'))",
    "print('of', quiz.score)",
]
MOST_TABS = 80

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The notebook, run from its first cell to its last."""
    with ran(tmp_path_factory.mktemp("lab"), CELLS, until="of (0, 0)", size=(1200, 4200)) as page:
        page.wait_for_selector("[role=slider]")
        yield page
        page.screenshot(path=str(tmp_path_factory.mktemp("seen") / "widgets.png"))


def tab_to(page: Any, what: str) -> None:
    """Press Tab until the focused element is such a one (of JavaScript, called `e`)."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(f"() => {{ const e = document.activeElement; return Boolean({what}) }}"):
            return
    pytest.fail(f"no Tab leads to {what}")


def shows(page: Any, text: str) -> None:
    page.get_by_text(text).first.wait_for()


def test_an_answer_is_taken_with_space_and_met_with_a_reason(page: Any) -> None:
    begin(page)
    tab_to(page, "e.type === 'radio'")
    page.keyboard.press("Space")
    page.locator("text=/(Right|No)\\. ./").first.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.locator("input[type=radio]:checked").count() == 1


def test_the_ladder_is_stepped_through_with_arrows_and_by_number(page: Any) -> None:
    begin(page)
    tab_to(page, "e.getAttribute('role') === 'slider'")
    for key, packet in (("ArrowRight", 2), ("ArrowRight", 3), ("End", 13), ("ArrowLeft", 12), ("Home", 1)):
        page.keyboard.press(key)
        shows(page, f"packet {packet} of 13")
    page.keyboard.press("Shift+Tab")
    field = page.get_by_label("packet").first
    assert field.evaluate("e => e === document.activeElement")
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    shows(page, "packet 7 of 13")
    page.locator("img[alt^='packet 7 of 13']").wait_for()


def test_loss_and_delay_move_with_arrows_and_what_they_say_is_text(page: Any) -> None:
    begin(page)
    tab_to(page, "e.getAttribute('role') === 'slider'")
    for _ in range(2):
        tab_to(page, "e.getAttribute('role') === 'slider'")
        page.keyboard.press("ArrowRight")
    shows(page, f"1 % 25 ms {EVIL}")
    assert page.get_by_label("loss (%)").first.input_value() == "1"


def test_the_models_are_chosen_with_space(page: Any) -> None:
    begin(page)
    tab_to(page, "e.tagName === 'BUTTON' && e.textContent.startsWith('OSI')")
    page.keyboard.press("Space")
    page.locator("img[alt*='OSI 4 Transport. Source']").wait_for()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.locator("img[alt*=': TCP/IP Transport. Source']").wait_for()


def test_markup_is_shown_as_text_in_widgets_outputs_and_verdicts(page: Any) -> None:
    outputs = page.locator(".jp-OutputArea-output")
    assert outputs.get_by_text("<script>document.title").count() >= 4  # a widget, a print, a guess, a verdict
    assert page.locator(".jp-OutputArea-output script").count() == 0
    assert page.locator(".jp-OutputArea-output b", has_text="text").count() == 0
    assert page.title() != "run"


def test_no_output_scrolls_and_none_is_an_error(page: Any) -> None:
    assert (
        page.locator(
            ".jp-OutputArea-output[data-mime-type*='stderr'], .jp-RenderedText[data-mime-type*='error']"
        ).count()
        == 0
    )
    scrolls = """() => [...document.querySelectorAll('.jp-OutputArea-output')].filter(
        e => e.scrollHeight > e.clientHeight + 2 && /auto|scroll/.test(getComputedStyle(e).overflowY)).length"""
    assert page.evaluate(scrolls) == 0
