"""The page in Chromium: lose a text, step back, drop a packet by hand, compare, take the capture; by keys alone too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser, Page, expect

from netlab.capture.files import read
from tests.web.pages import CHROMIUM, chromium, netlab_web, opened

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

AT_ITS_END = re.compile(r"^(?!0\.000)([\d.]+ s) of \1$")
"""What the clock shows then."""

MARKUP = "<script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with netlab_web() as line:
        yield line.split()[-1]


def say(page: Page, text: str) -> None:
    """At real time, until the run has come to its end."""
    page.get_by_label("Pace").select_option("1")
    page.get_by_label("Ann says").fill(text)
    page.get_by_role("button", name="Send over all").click()
    expect(page.locator(".clock")).to_have_text(AT_ITS_END, timeout=20_000)


def test_lose_it_step_back_drop_one_compare_keep_the_capture(browser: Browser, address: str, tmp_path: Path) -> None:
    with opened(browser, address) as page:
        expect(page.get_by_label("Loss")).to_have_attribute("aria-valuetext", "30 %")
        say(page, "hi")
        sentence = {over: page.locator(f".lane[data-over={over}] .sentence") for over in ("udp", "tcp", "rudp", "ws")}
        expect(sentence["udp"]).to_contain_text("was lost; nobody sends it again")
        for over in ("tcp", "rudp", "ws"):
            expect(sentence[over]).to_contain_text(re.compile("bob heard", re.IGNORECASE))
        expect(page.locator(".lane[data-over=tcp] .packet.again")).to_be_visible()

        page.get_by_role("button", name="Step back").click()
        expect(page.locator(".lane[data-over=tcp] .packet.again")).to_be_visible()
        while page.locator(".lane[data-over=tcp] .packet.again:not(.later)").count():
            page.get_by_role("button", name="Step back").click()

        page.locator(".lane[data-over=ws] .ladder").hover()
        page.mouse.wheel(0, -1_000)
        page.locator(".lane[data-over=ws] .packet.carries .label").first.click()
        details = page.get_by_label("The chosen packet")
        expect(details).to_contain_text("TCP segment")
        expect(details).to_contain_text("OSI 4 Transport · TCP/IP Transport")
        expect(details.get_by_role("button", name=re.compile("^source port: "))).to_be_visible()
        details.get_by_role("button", name="Drop this packet").click()

        expect(page.locator(".compare .what")).to_have_text("WebSocket: one packet was dropped by hand.")
        changed = page.locator(".differences [data-over=ws]")
        expect(changed).to_contain_text(re.compile(r"Bob hears “hi” \d+ ms later"))
        expect(page.locator(".differences [data-over=udp]")).to_contain_text("packet for packet")
        expect(page.get_by_label("WebSocket now", exact=True)).to_contain_text("dropped by hand")

        page.get_by_role("button", name="Back to all lanes").click()
        page.get_by_role("button", name="Replay").click()
        expect(page.locator(".clock")).to_have_text(AT_ITS_END, timeout=20_000)
        page.get_by_label("Capture of").select_option("tcp")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download the capture").click()
        file = tmp_path / waiting.value.suggested_filename
        shutil.copy(waiting.value.path(), file)
        assert any("emit" in part.event for packet in read(file) for part in packet.summary.netlab)


def test_by_keyboard_alone(browser: Browser, address: str) -> None:
    with opened(browser, address, reduced_motion="reduce") as page:
        expect(page.locator(".lane")).to_have_count(4)
        keys = page.keyboard
        keys.press("/")
        expect(page.get_by_label("Ann says")).to_be_focused()
        keys.press("Control+A")
        keys.type("hello")
        keys.press("Enter")
        keys.press("Tab")
        expect(page.locator(".bubble:not(.later)").first).to_be_visible()
        page.locator("body").press("Escape")
        for _ in range(40):
            if page.evaluate("document.activeElement.matches('.lane .packet')"):
                break
            keys.press("Tab")
        focused = page.locator(".packet:focus")
        expect(focused).to_have_attribute("aria-label", re.compile("^ann to the hub at 0.000 s"))
        keys.press("Enter")
        expect(page.get_by_label("The chosen packet").get_by_role("heading", level=3)).to_be_focused()
        keys.press("Escape")
        expect(page.get_by_label("The chosen packet")).to_be_hidden()
        expect(focused).to_have_count(1)
        keys.press("ArrowRight")
        expect(page.locator(".lane[data-over=tcp] .packet:focus")).to_have_count(1)
        keys.press("d")
        expect(page.locator(".compare .what")).to_have_text("TCP: one packet was dropped by hand.")
        expect(page.get_by_role("radio", name=re.compile("^TCP"))).to_be_focused()
        keys.press("ArrowUp")
        expect(page.get_by_role("radio", name=re.compile("^UDP"))).to_be_focused()
        expect(page.get_by_label("UDP now", exact=True)).to_be_visible()
        keys.press("c")
        expect(page.locator(".compare")).to_be_hidden()
        expect(page.get_by_role("button", name="Compare with before")).to_be_focused()
        keys.press("z")
        expect(page.get_by_role("button", name="Back to before")).to_be_disabled()


def test_markup_is_shown_as_text(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        say(page, MARKUP)
        expect(page.locator(".lane[data-over=ws] .bubble").first).to_contain_text("<script>document")
        page.get_by_role("button", name="Enter", exact=True).click()
        page.get_by_label("Message").fill(MARKUP)
        page.get_by_role("button", name="Say", exact=True).click()
        expect(page.get_by_role("log")).to_contain_text(MARKUP)
        assert page.title().startswith("netlab")


def test_two_pages_meet_in_the_real_rooms_and_talk_alone(browser: Browser, address: str) -> None:
    with opened(browser, address) as ann, opened(browser, address) as bob:
        for page, name in ((ann, "ann"), (bob, "bob")):
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Enter", exact=True).click()
            expect(page.get_by_label("Message")).to_be_focused()
        ann.get_by_label("To", exact=True).select_option("bob")
        ann.get_by_label("Message").fill("psst")
        ann.keyboard.press("Enter")
        expect(bob.get_by_role("log")).to_contain_text("ann, to you alone: psst")
        bob.get_by_role("button", name="Leave").click()
        expect(ann.get_by_role("log")).to_contain_text("bob says goodbye")


KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...where) { super(...where); window.sockets.push(this); } };
"""


def test_after_a_cut_the_chat_goes_on_where_it_was(browser: Browser, address: str) -> None:
    """A close code other than 1000 is a cut for the server too; while the page is offline it finds no way back."""
    with browser.new_context() as cut_off, opened(browser, address) as bob:
        cut_off.add_init_script(KEEP_SOCKETS)
        ann = cut_off.new_page()
        ann.goto(address)
        for page, name in ((ann, "amy"), (bob, "ben")):
            page.get_by_label("Your name").fill(name)
            page.get_by_role("button", name="Enter", exact=True).click()
            expect(page.get_by_label("Message")).to_be_focused()
        cut_off.set_offline(True)
        ann.evaluate("sockets.at(-1).close(3001)")
        state = ann.locator(".chat .state")
        expect(state).to_contain_text("Cut off: the connection is cut. Connecting again")
        bob.get_by_label("Message").fill("are you there?")
        bob.keyboard.press("Enter")
        expect(bob.get_by_role("log")).to_contain_text("ben: are you there?")
        ann.get_by_label("Message").fill("once")
        ann.get_by_role("button", name="Say", exact=True).click()
        cut_off.set_offline(False)
        expect(ann.get_by_role("log")).to_contain_text("connected again", timeout=20_000)
        expect(ann.get_by_role("log")).to_contain_text("ben: are you there?")
        expect(state).to_have_text(re.compile("^In lobby as amy: .*amy.*ben"))
        expect(bob.get_by_role("log")).to_contain_text("amy: once")
        for page in (ann, bob):
            log = page.get_by_role("log").inner_text()
            assert (log.count("are you there?"), log.count("amy: once")) == (1, 1)
        ann.get_by_role("button", name="Leave").click()
        expect(bob.get_by_role("log")).to_contain_text("amy says goodbye")


def test_other_dice_give_another_run_that_can_be_compared_and_taken_back(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        say(page, "hi")
        tcp = page.locator(".lane[data-over=tcp] .sentence").first
        expect(tcp).to_contain_text("was sent again")
        page.get_by_label("Seed").fill("11")
        page.get_by_label("Seed").press("Enter")
        expect(tcp).to_have_text("Bob heard “hi” after 41 ms.")
        expect(page.locator(".clock")).to_have_text(AT_ITS_END)
        page.get_by_role("button", name="Compare with before").click()
        expect(page.locator(".compare .what")).to_have_text("The seed became 11.")
        expect(page.locator(".differences [data-over=tcp]")).to_contain_text("sooner")
        page.get_by_role("button", name="Back to before").click()
        expect(tcp).to_contain_text("was sent again")
        expect(page.get_by_label("Seed")).to_have_value("7")


def test_a_link_that_moves_later_leaves_the_past_as_it_was(browser: Browser, address: str) -> None:
    with opened(browser, address) as page:
        say(page, "hi")
        page.get_by_label("Loss").fill("0")
        expect(page.get_by_label("Loss")).to_have_attribute("aria-valuetext", "0 %")
        say(page, "and now?")
        expect(page.locator(".lane[data-over=udp] .sentence")).to_contain_text(
            "“hi” was lost; nobody sends it again: bob never hears it. Bob heard “and now?”"
        )


def test_a_server_that_is_gone_is_told(browser: Browser) -> None:
    with netlab_web() as line, browser.new_context() as context:
        page = context.new_page()
        page.goto(line.split()[-1])
        expect(page.locator(".lane")).to_have_count(4)
        context.set_offline(True)
        page.get_by_role("button", name="Send over all").click()
        expect(page.get_by_role("alert")).to_have_text("netlab web does not answer; is it still running?")


@pytest.mark.parametrize(
    ("size", "scheme"),
    [((1440, 950), "light"), ((1280, 720), "dark"), ((640, 360), "light"), ((390, 844), "dark")],
    ids=["desk", "projector", "projector, twice as large", "phone"],
)
def test_every_control_has_a_name_and_fits(browser: Browser, address: str, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    with opened(browser, address, viewport={"width": width, "height": height}, color_scheme=scheme) as page:
        expect(page.locator(".lane")).to_have_count(4)
        say(page, "hi")
        page.locator(".lane[data-over=udp] .packet").first.press("Enter")
        expect(page.locator(".byte-map")).to_be_visible()
        nameless = [line for line in page.locator("body").aria_snapshot().splitlines() if NAMELESS.match(line)]
        assert nameless == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"


NAMELESS = re.compile(r"^\s*- (button|textbox|combobox|slider|checkbox|spinbutton|link|radio)(?! \")")
