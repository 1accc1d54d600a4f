"""Stateless cookies: a peer shows that it receives at the address it sends from, before anything is kept for it.

The server keeps one key and nothing for each address. Source: RFC 9147 §5.1 (DTLS's stateless cookie), RFC 9000 §8.1.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Hashable

from netlab.chat.tokens import TOKEN_BYTES, TOKEN_LENGTH, base64url
from netlab.units import Ns, S

COOKIE_PERIOD: Ns = 30 * S
"""A cookie of this period or of the one before is good: so each is good for 30 to 60 s."""

COOKIE_LEN = TOKEN_LENGTH
"""Characters of a cookie."""


class CookieJar:
    """Makes and checks cookies. `entropy(n)` gives n bytes that can't be guessed."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._key = entropy(32)

    def bake(self, address: Hashable, hello_id: int, now: Ns) -> str:
        """The cookie for a hello from `address` now."""
        return self._cookie(address, hello_id, now // COOKIE_PERIOD)

    def good(self, cookie: str, address: Hashable, hello_id: int, now: Ns) -> bool:
        """Was this baked here for that hello, at most 60 s ago?"""
        period = now // COOKIE_PERIOD
        given = cookie.encode("utf-8", "replace")
        matches = [
            hmac.compare_digest(given, self._cookie(address, hello_id, p).encode()) for p in (period, period - 1)
        ]
        return any(matches)

    def _cookie(self, address: Hashable, hello_id: int, period: int) -> str:
        mac = hmac.digest(self._key, f"{period} {hello_id} {address!r}".encode(), "sha256")
        return base64url(mac[:TOKEN_BYTES])
