"""Sequence numbers: 32 bits on the wire, unbounded in here.

"This space ranges from 0 to 2^32 - 1. Since the space is finite, all arithmetic dealing with sequence numbers must be
performed modulo 2^32" (RFC 9293 §3.4). That is done in one place: a number that comes is read as the one nearest to a
number we know, and a number that goes is cut to 32 bits. In between they never wrap, so `<` is what it looks like.

Taught in notebook 06.
"""

from __future__ import annotations

MASK = 2**32 - 1
"""`number & MASK` is the number as it goes out."""

_HALF = 2**31


def unwrap(wire: int, near: int) -> int:
    """The unbounded number that is `wire` in 32 bits and nearest to `near`.

    >>> unwrap(5, near=2**32 - 10) - 2**32, unwrap(2**32 - 10, near=2**32 + 5) - 2**32
    (5, -10)
    """
    return near - _HALF + ((wire - near + _HALF) & MASK)
