"""One spelling for one name. (Lookalikes across scripts remain: Latin `a` and Cyrillic `а` are two names.)"""

from __future__ import annotations

import unicodedata

from netlab.chat.limits import NAME_BYTES, NAME_LENGTH

_INVISIBLE = "\u115f\u1160"
"""Hangul fillers, letters without a glyph: with one behind it, another's name could be had once more. (NFKC makes these
of U+3164 and U+FFA0; no other letter is a Default_Ignorable_Code_Point, UAX #44.)"""


def canonical(name: str) -> str | None:
    """The one spelling of a name or a room's name (NFKC, UAX #15), or None where it is not allowed.

    Allowed are 1 to 32 letters, digits, `_`, `.` and `-`, at most 64 bytes of UTF-8.

    >>> canonical("Åsa"), canonical("ﬁn"), canonical("two words")
    ('Åsa', 'fin', None)
    """
    if len(name) > 4 * NAME_LENGTH:  # before the work: one character becomes at most 18 in NFKC
        return None
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
    if not 1 <= len(name) <= NAME_LENGTH or len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        return None
    if all(character in "_.-" or _letter_or_digit(character) for character in name):
        return name
    return None


def _letter_or_digit(character: str) -> bool:
    category = unicodedata.category(character)
    return (category[0] == "L" or category == "Nd") and character not in _INVISIBLE
