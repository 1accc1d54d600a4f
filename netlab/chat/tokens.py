"""Bytes that nobody can guess, as text: sids, secrets, cookies."""

from __future__ import annotations

from base64 import urlsafe_b64encode

TOKEN_BYTES = 16
"""128 bits: what can't be guessed."""

TOKEN_LENGTH = 22
"""Characters of as many bytes in base64url."""


def base64url(data: bytes) -> str:
    """The bytes as base64url without padding (RFC 4648 §5).

    >>> len(base64url(bytes(TOKEN_BYTES))) == TOKEN_LENGTH
    True
    """
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
