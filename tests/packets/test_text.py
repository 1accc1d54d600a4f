"""Text from the network on a screen: nothing that a terminal obeys gets through, and what people write does."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.packets.text import printable, printable_bytes

BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),  # ESC: clear the screen
        ("\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07"),  # OSC 52: write the clipboard
        ("\x1b]0;title\x1b\\", r"\x1b]0;title\x1b" + "\\"),
        ("\x9b31m", r"\x9b31m"),  # CSI as one C1 character
        ("\x9d52;c;eA==\x9c", r"\x9d52;c;eA==\x9c"),  # OSC and ST, likewise
        ("\x85", r"\x85"),  # NEL
        ("ann: hi\rbob: no", r"ann: hi\rbob: no"),  # CR: write over the line
        ("a\nb", r"a\nb"),
        ("a\tb", r"a\tb"),
        ("a\bb\x7f", r"a\x08b\x7f"),
        ("a\x00b", r"a\x00b"),
        ("\u202egnp.exe", r"\u202egnp.exe"),  # bidi override
        ("\u2066a\u2069", r"\u2066a\u2069"),  # bidi isolates
        ("\u200ea\u200fb\u061c", r"\u200ea\u200fb\u061c"),  # marks of direction
        ("a\u2028b\u2029c", r"a\u2028b\u2029c"),  # line and paragraph separator
        ("\ud800", r"\ud800"),  # lone surrogates: not even UTF-8
        ("x\udfffy", r"x\udfffy"),
        ("a\ufeffb\u00adc\u200bd", r"a\ufeffb\xadc\u200bd"),  # invisible
        ("\ufff9a\ufffb", r"\ufff9a\ufffb"),
        ("\U000e0041", r"\U000e0041"),  # tags
    ],
)
def test_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "two words",
        "Åsa",
        "日本語",
        "العربية",
        "שלום",
        "naïve — “quoted”",
        "🙂",
        "👩‍💻",
        "می‌خواهم",
        r"C:\x1b",
    ],
)
def test_left_as_it_is(text: str) -> None:
    assert printable(text) == text


NASTY = st.characters(codec=None) | st.sampled_from("\x1b\r\n\x07\x9b\u202e\u2066\u2028\ud800\udfff\u200f\ufeff")


@given(st.text(NASTY, max_size=30))
def test_the_output_is_harmless_whatever_comes(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")  # encodable
    assert len(shown.splitlines()) <= 1
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in BIDI
    assert printable(shown) == shown


def test_every_character_of_these_kinds_is_escaped() -> None:
    """The same, for each code point of the planes that have such characters."""
    shown = printable("".join(map(chr, [*range(0x10000), *range(0xE0000, 0xE1000)])))
    kinds = {(unicodedata.category(c), unicodedata.bidirectional(c)) for c in set(shown)}
    assert not {category for category, _ in kinds} & {"Cc", "Cs", "Zl", "Zp"}
    assert not {direction for _, direction in kinds} & BIDI


@given(st.binary(max_size=40) | st.text(NASTY, max_size=20).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_bytes_too(data: bytes) -> None:
    shown = printable_bytes(data)
    assert printable(shown) == shown
    shown.encode("utf-8")


def test_bytes_that_are_not_utf8_are_shown_as_escapes() -> None:
    assert printable_bytes(b"caf\xe9 \x1b") == r"caf\xe9 \x1b"
    assert printable_bytes("café".encode()) == "café"
