"""What is handed to the hub, and what it hands out: its whole interface."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.chat.messages import Goodbye
from netlab.chat.store import Append, Heard, Linked, Loaded, Lost, Relink, Save


class Opened(msgspec.Struct, frozen=True):
    """A connection of a transport is there.

    Attributes:
        conn: its number, given by the shell, never used twice.
        reliable: the transport neither loses nor doubles.
        validated: the peer has shown that it is where it says (a cookie came back), so it need not wait at the door.
    """

    conn: int
    reliable: bool
    validated: bool = False


class Received(msgspec.Struct, frozen=True):
    """A whole message came over a connection."""

    conn: int
    data: bytes


class Closed(msgspec.Struct, frozen=True):
    """A connection is gone; `said` tells a goodbye from a cut."""

    conn: int
    said: bool


class Backlogged(msgspec.Struct, frozen=True):
    """More than `limits.backlog_soft` waits to be sent to this connection."""

    conn: int


class Relieved(msgspec.Struct, frozen=True):
    """No longer."""

    conn: int


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Send(msgspec.Struct, frozen=True):
    """One message, encoded once, for each of `recipients` but `skip`.

    A `loose` message may be overtaken by later ones of the same turn: results, which carry the number they are about.
    """

    recipients: tuple[int, ...]
    message_id: int
    data: bytes
    skip: int | None = None
    loose: bool = False


class Admit(msgspec.Struct, frozen=True):
    """The connection may speak: read from it."""

    conn: int


class Close(msgspec.Struct, frozen=True):
    """Tell the peer why, send what is on its way, and close. The hub has forgotten the connection already."""

    conn: int
    reason: Goodbye


class Report(msgspec.Struct, frozen=True):
    """Somebody asks for the counters: add those of the transports and answer with `Hub.report`."""

    conn: int
    op: int


class Dropped(msgspec.Struct, frozen=True):
    """Something a peer sent was not taken; `reason` is the name of a counter."""

    conn: int
    reason: str


Event: TypeAlias = Opened | Received | Closed | Backlogged | Relieved | TimerFired | Heard | Linked | Loaded | Lost
Output: TypeAlias = Send | Admit | Close | Report | Dropped | Append | Save | Relink
