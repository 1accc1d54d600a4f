"""Pictures of the page of `netlab web`: the real one, in Debian's Chromium, from seeded runs."""

from __future__ import annotations

import re
from pathlib import Path

from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, Page, expect

from tests.web.pages import CHROMIUM, chromium, class_page, netlab_web, opened

WORDS = {
    "web-bench": "One text over four transports at 30 % loss: UDP loses it, TCP sends it again, the others deliver it.",
    "web-compare": "Before and after a packet of WebSocket was dropped by hand: what differs is marked, and said.",
    "web-narrow": "The page on a phone, in dark colours.",
    "web-class": "The teacher's page: a host is held, and its packets wait for the teacher's hand.",
}
"""Each picture, and what it shows."""


def can_draw() -> bool:
    """Whether the browser is there."""
    return CHROMIUM.exists()


def draw(name: str, folder: Path) -> Path:
    """Draw one picture, with its words as its description, for programs that read pictures to people."""
    out = folder / f"{name}.png"
    with chromium() as browser:
        if name == "web-class":
            _class(browser, out)
        else:
            _bench(browser, name, out)
    described = PngImagePlugin.PngInfo()
    described.add_text("Description", WORDS[name])
    with Image.open(out) as picture:
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(out, pnginfo=described, optimize=True)
    return out


def _bench(browser: Browser, name: str, out: Path) -> None:
    narrow = name == "web-narrow"
    size = {"width": 390, "height": 844} if narrow else {"width": 1360, "height": 1120}
    scheme = "dark" if narrow else "light"
    with netlab_web() as line, opened(browser, line.split()[-1], viewport=size, color_scheme=scheme) as page:
        page.get_by_label("Pace").select_option("1")
        page.get_by_role("button", name="Send over all").click()
        expect(page.locator(".clock")).to_have_text(re.compile(r"^(?!0\.000)([\d.]+ s) of \1$"), timeout=20_000)
        if name == "web-compare":
            page.get_by_label("Pace").select_option("10")
            page.locator(".lane[data-over=ws] .packet.carries").first.press("d")
            expect(page.locator(".compare .what")).to_be_visible()
        page.locator(".show > .lanes").evaluate("node => node.scrollTop = 0")
        page.mouse.move(0, 0)
        page.screenshot(path=out)


def _class(browser: Browser, out: Path) -> None:
    with (
        class_page("gull-42") as address,
        opened(browser, f"{address}#teach=s", viewport={"width": 1280, "height": 620}) as teacher,
        opened(browser, f"{address}#token=gull-42") as ann,
        opened(browser, f"{address}#token=gull-42") as bob,
    ):
        for page, name in ((ann, "ann"), (bob, "bob")):
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Join the class").click()
            expect(page.get_by_label("Say")).to_be_focused()
        teacher.get_by_role("button", name="Hold ann").click()
        expect(teacher.get_by_role("button", name="Let go ann")).to_be_visible()
        for text in ("hello everybody", "can you hear me?"):
            _say(ann, text)
        expect(teacher.get_by_role("button", name=re.compile("^Drop: "))).to_have_count(2)
        teacher.screenshot(path=out)


def _say(page: Page, text: str) -> None:
    page.get_by_label("Say").fill(text)
    page.get_by_role("button", name="Send").click()
