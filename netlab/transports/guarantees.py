"""What each transport promises. `conformance` proves every promise, and shows every missing one missing."""

from __future__ import annotations

import msgspec

from netlab.packets.limits import MAX_MESSAGE


class Guarantees(msgspec.Struct, frozen=True, kw_only=True):
    """A transport's promises about messages while connected.

    Attributes:
        reliable: what is sent arrives.
        ordered: in the order it was sent.
        boundaries: one send is one message.
        duplicates: a message may arrive more than once.
        max_message: the largest, bytes of text.
    """

    reliable: bool
    ordered: bool
    boundaries: bool
    duplicates: bool
    max_message: int = MAX_MESSAGE


_TCP = Guarantees(reliable=True, ordered=True, boundaries=True, duplicates=False)

GUARANTEES = {
    "tcp": _TCP,
    "tls": _TCP,
    "rudp": _TCP,
    "ws": _TCP,
    "wss": _TCP,
    "sio": _TCP,
    "udp": Guarantees(reliable=False, ordered=False, boundaries=True, duplicates=True),
}
"""By URL scheme."""
