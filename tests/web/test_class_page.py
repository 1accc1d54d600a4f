"""The class in Chromium: two students talk, the teacher holds one and drops a packet of theirs by hand."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Page, expect

from tests.web.pages import CHROMIUM, chromium, class_page, opened

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


def join(page: Page, name: str) -> None:
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Join the class").click()
    expect(page.get_by_label("Say")).to_be_focused()


def test_the_teacher_drops_a_packet_of_a_student() -> None:
    with chromium() as browser, class_page("right") as address:
        teaching, learning = f"{address}#teach=s", f"{address}#token=right"
        with (
            opened(browser, teaching, viewport={"width": 1280, "height": 720}) as teacher,
            opened(browser, learning) as ann,
            opened(browser, learning) as bob,
        ):
            join(ann, "ann")
            join(bob, "bob")
            teacher.get_by_role("button", name="Hold ann").click()
            expect(teacher.get_by_role("button", name="Let go ann")).to_be_visible()
            ann.get_by_label("Say").fill("<b>first</b>")
            ann.get_by_role("button", name="Send").click()
            drop = teacher.get_by_role("button", name=re.compile("^Drop: ann → hub: .*<b>first<.b>"))
            drop.press("Enter")
            expect(drop).to_have_count(0)
            expect(teacher.get_by_label("What has passed")).to_contain_text("dropped by hand ann → hub")
            teacher.get_by_role("button", name="Let go ann").click()
            expect(teacher.get_by_role("button", name="Hold ann")).to_be_visible()
            ann.get_by_label("Say").fill("second")
            ann.get_by_role("button", name="Send").click()
            expect(bob.get_by_role("log")).to_contain_text("ann: second")
            expect(bob.get_by_role("log")).not_to_contain_text("first")


def test_a_wrong_token_is_told() -> None:
    with chromium() as browser, class_page("right") as address, opened(browser, f"{address}#token=wrong") as page:
        page.get_by_label("Your name").fill("ann")
        page.get_by_role("button", name="Join the class").click()
        expect(page.get_by_role("status")).to_contain_text("another token: ask the teacher")
