"""Initial sequence numbers that outsiders cannot guess and that do not step back.

    ISN = M + F(localip, localport, remoteip, remoteport, secretkey)

"where M is the 4 microsecond timer, and F() is a pseudorandom function (PRF) of the connection-id. F() MUST NOT be
computable from the outside" (RFC 6528 §3; RFC 9293 §3.4.1, MUST-8, MUST-9).

Taught in notebook 06.
"""

from __future__ import annotations

import hashlib
import hmac

from netlab.protocols.tcp.sequence import MASK
from netlab.units import US, Ns

KEY_LEN = 16
"""Bytes of entropy that a key is made of: "Key lengths of 128 bits should be adequate" (RFC 6528 §3)."""

_TICK: Ns = 4 * US


class InitialNumbers:
    """A host's generator.

    Args:
        key: `KEY_LEN` bytes that nobody else knows, drawn once when the host starts.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_LEN:
            raise ValueError(f"a key of {len(key)} B: it takes {KEY_LEN}")
        self._key = key

    def iss(self, local: tuple[int, int], remote: tuple[int, int], now: Ns) -> int:
        """The initial send sequence number of a connection between these addresses and ports, opened now."""
        return (now // _TICK + self._f(b"isn", local, remote)) & MASK

    def timestamp_offset(self, local: tuple[int, int], remote: tuple[int, int]) -> int:
        """What the connection's timestamp clock starts at, so that it does not tell how long the host is up (RFC 7323
        §7.1), and yet grows from one connection of the same ports to the next."""
        return self._f(b"timestamps", local, remote)

    def _f(self, purpose: bytes, local: tuple[int, int], remote: tuple[int, int]) -> int:
        identity = b"%b %d %d %d %d" % (purpose, *local, *remote)
        return int.from_bytes(hmac.digest(self._key, identity, hashlib.sha256)[:4], "big")
