"""The log that gives everything its order, as the hub sees it: `Append` goes out, and `Heard` comes back.

In memory it comes back at once; from a broker it comes later, among what other servers have appended, and the hub
can't tell the difference. A room's numbers rise by one from 1 in the order of the log; `epoch` names the log, so that
numbers of a log that is lost are not taken for numbers of the next.
"""

from __future__ import annotations

import msgspec

from netlab.chat.entries import Entry


class Append(msgspec.Struct, frozen=True):
    """Add this to the log, after what was appended before. `server` is its author."""

    server: str
    entry: Entry


class Heard(msgspec.Struct, frozen=True):
    """The log says this next: a batch of entries by one server.

    Attributes:
        position: of the batch in the log, one more than that of the batch before.
        size: bytes that it takes there.
    """

    position: int
    server: str
    entries: list[Entry]
    size: int = 0


class Linked(msgspec.Struct, frozen=True):
    """The log can be appended to, and what it says will be heard from where the hub is (again)."""


class Loaded(msgspec.Struct, frozen=True):
    """What was known at a position of the log of this epoch: where the hub goes on, because it begins here, or because
    the log does not keep any more what lies between, or because that log is lost and this is another."""

    epoch: str
    position: int
    snapshot: bytes


class Lost(msgspec.Struct, frozen=True):
    """The log can't be reached. What was appended and not heard may be in it, or not."""

    detail: str


class Save(msgspec.Struct, frozen=True):
    """Keep this beside the log: what was known at a position. The log need not keep what lies far before it."""

    position: int
    snapshot: bytes


class Relink(msgspec.Struct, frozen=True):
    """The log has been silent for too long: give the connection up, and make another."""


LogEvent = Heard | Linked | Loaded | Lost
LogOutput = Append | Save | Relink


class MemoryLog:
    """The log of one process, for as long as it lives. Nothing is kept: the hub's own history serves those who
    resume."""

    def __init__(self) -> None:
        self._position = 0

    def append(self, request: Append) -> Heard:
        """Heard now."""
        self._position += 1
        return Heard(self._position, request.server, [request.entry])

    def save(self, request: Save) -> None:
        """There is nobody else to begin from it."""

    def relink(self) -> None:
        """It is always there."""
