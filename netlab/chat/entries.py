"""What the log says: whatever concerns more than one connection is an entry of it, and happens when it is heard.

Every server of a chat hears the same entries in the same order and does the same about them, so all of them know the
same people, rooms and numbers. An entry that can't be done any more when its turn comes (its author is not the
session's server now, its name is taken meanwhile) is void for all of them alike.

In a log beyond this process a batch of entries is one JSON object, so that it can be read there too.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec


class Came(msgspec.Struct, frozen=True, tag="came"):
    """A session begins on the author's server. `digest` is what its secret is known by; the secret stays unsaid."""

    sid: str
    name: str
    digest: str
    reliable: bool


class Claimed(msgspec.Struct, frozen=True, tag="claimed"):
    """A session resumes on the author's server, which has seen its secret."""

    sid: str


class Cut(msgspec.Struct, frozen=True, tag="cut"):
    """A session has lost its connection."""

    sid: str


class Gone(msgspec.Struct, frozen=True, tag="gone"):
    """A session is over: it is out of all its rooms."""

    sid: str
    reason: Literal["quit", "lost"]
    time: int


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """A session becomes a member of a room."""

    sid: str
    op: int
    room: str
    time: int


class Exited(msgspec.Struct, frozen=True, tag="exited"):
    """A session is no longer a member of a room."""

    sid: str
    op: int
    room: str
    time: int


class Said(msgspec.Struct, frozen=True, tag="said", omit_defaults=True):
    """An event for rooms, as `messages.Emit` has it."""

    sid: str
    op: int
    time: int
    to: tuple[str, ...]
    event: str
    args: list[Any] = []
    skip_self: bool = False
    answer_ms: int = 0


class Answered(msgspec.Struct, frozen=True, tag="answered"):
    """A recipient's answer to a question."""

    sid: str
    ask: int
    args: list[Any]


class Up(msgspec.Struct, frozen=True, tag="up"):
    """The author's server takes part from here on, in place of what it was called before: what comes late under that
    name is void."""

    instead_of: str


class Alive(msgspec.Struct, frozen=True, tag="alive"):
    """The author's server is there still."""


class Down(msgspec.Struct, frozen=True, tag="down"):
    """A server was not heard for too long: its sessions are cut, and what comes of it late is void."""

    server: str


Entry: TypeAlias = (
    Came | Claimed | Cut | Gone | Entered | Exited | Said | Answered | Up | Alive | Down
)  # each by one server, the author of its batch


class Batch(msgspec.Struct, frozen=True):
    """Entries of one server, in the order it made them: heard together or not at all."""

    server: str
    entries: list[Entry]


encode_batch = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Batch).decode


def decode_batch(data: bytes) -> Batch | None:
    """The batch; None where the bytes are none. (Whoever can write to the log may write anything.)

    >>> decode_batch(encode_batch(Batch("a", [Alive()])))
    Batch(server='a', entries=[Alive()])
    >>> decode_batch(b'{"server": "a", "entries": [{"type": "told"}]}')
    """
    try:
        return _decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
