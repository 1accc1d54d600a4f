"""Text from the network is never trusted on a screen: what could move the cursor or turn the line round is escaped."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: ESC begins control sequences, CR writes over the line
    "\u00ad\u061c\u200b\u200e\u200f"  # soft hyphen, zero-width space, marks of direction
    "\u2028\u2029"  # line and paragraph separators
    "\u202a-\u202e\u2060-\u206f"  # bidi embeddings, overrides and isolates; invisible operators
    "\ufeff\ufff9-\ufffb"  # byte order mark, interlinear annotation
    "\ud800-\udfff"  # lone surrogates: no terminal can encode them
    "\U000e0000-\U000e007f"  # tags
    "]"
)


def printable(text: str) -> str:
    r"""`text` with every character that a terminal might obey, or that hides or reorders others, written as its escape.

    >>> print(printable("a\x1b[2J\u202eb\n"))
    a\x1b[2J\u202eb\n
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def printable_bytes(data: bytes) -> str:
    """`data` as UTF-8 where it is UTF-8 and as escapes where it is not, `printable`."""
    return printable(data.decode("utf-8", "backslashreplace"))
