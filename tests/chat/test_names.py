"""Names have one spelling, and nothing in them hides."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat.limits import NAME_BYTES, NAME_LENGTH
from netlab.chat.names import canonical
from netlab.chat.tokens import TOKEN_LENGTH
from netlab.packets.text import printable


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("ann", "ann"),
        ("Ann", "Ann"),  # upper and lower case are two names
        ("a", "a"),
        ("x" * 32, "x" * 32),
        ("_.-", "_.-"),
        ("room-1.a_b", "room-1.a_b"),
        ("Åsa", "Åsa"),
        ("A\u030asa", "Åsa"),  # a letter and its ring, as one letter
        ("\u212bsa", "Åsa"),  # ångström sign
        ("ﬁn", "fin"),
        ("ａｎｎ", "ann"),  # full width
        ("①", "1"),
        ("日本語", "日本語"),
        ("김철수", "김철수"),
        ("زينب", "زينب"),
        ("١٢٣", "١٢٣"),  # digits are digits
        ("é" * 32, "é" * 32),  # 64 bytes
        ("e\u0301" * 32, "é" * 32),  # 64 characters before, 32 after
    ],
)
def test_spelled(written: str, spelled: str) -> None:
    assert canonical(written) == spelled


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "two words",
        "x" * 33,
        "é" * 33,
        "日" * 22,  # 66 bytes
        "\ufdfa",  # one character that becomes 18, with spaces
        "x" * 1_000_000,
        "\ufdfa" * 128,
        "a\nb",
        "a\x00",
        "\x1b[31m",
        "ann\u200b",  # zero width space
        "ann\u200d",
        "ann\u00ad",
        "\u202enna",
        "ann\u2028",
        "ann\u3164",  # Hangul fillers: letters, and invisible
        "ann\uffa0",
        "\u115f",
        "ann\u1160",
        "\ud800",
        "a\udfff",
        "/me",
        "#room",
        "a:b",
        "<b>",
        "🙂",
        "½",  # 1⁄2, and that is no digit
        "\u0301",
        "a,b",
        "a'b",
    ],
)
def test_refused(name: str) -> None:
    assert canonical(name) is None


@given(st.text(st.characters(codec=None) | st.sampled_from("aB1_.-éﬁ\u212bA\u030a\u3164\ud800"), max_size=40))
def test_what_is_allowed_has_one_spelling_and_is_safe_to_show(text: str) -> None:
    name = canonical(text)
    if name is None:
        return
    assert canonical(name) == name
    assert unicodedata.is_normalized("NFKC", name)
    assert 1 <= len(name) <= NAME_LENGTH
    assert len(name.encode()) <= NAME_BYTES
    assert printable(name) == name
    assert not any(character.isspace() for character in name)


def test_composed_and_decomposed_are_one_name() -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert canonical(unicodedata.normalize(form, "Zoë.Müller-1")) == "Zoë.Müller-1"


def test_a_sid_could_be_a_name() -> None:
    """So it can name its own room; who asks for one as a name is refused by the hub, not here."""
    sid = "A" * (TOKEN_LENGTH - 2) + "_-"
    assert canonical(sid) == sid
