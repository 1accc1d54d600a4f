"""What each role writes down: one JSON object a line. `compare` reads them when all is over.

`at` is when, ns of the clock that all processes of a machine share (CLOCK_MONOTONIC, as an event loop reads it).
"""

from __future__ import annotations

from pathlib import Path
from typing import IO, Literal, TypeAlias

import msgspec


class Began(msgspec.Struct, frozen=True, tag="began"):
    """The first line: who writes here."""

    role: str
    name: str


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """A sender is about to send its `n`th message."""

    sender: str
    n: int
    length: int
    sha256: str
    at: int = 0


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """How that operation ended. `rooms`: the message's number in each room. `raised`: the caller got an error."""

    sender: str
    n: int
    status: Literal["ok", "failed", "unknown"]
    rooms: dict[str, int] = {}
    code: str = ""
    raised: bool = False
    at: int = 0


class Heard(msgspec.Struct, frozen=True, tag="heard"):
    """A message came: as its stamp says, and as its text was measured. Without a readable stamp, `sender` is empty."""

    rooms: dict[str, int]
    sender: str
    n: int
    length: int
    sha256: str
    got_length: int
    got_sha256: str
    at: int = 0


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Something else with a number in a room: `joined`, `left`, or another event (its name)."""

    what: str
    rooms: dict[str, int]
    name: str = ""


class Missed(msgspec.Struct, frozen=True, tag="missed"):
    """The hub told a gap: numbers from `first` to `last`, or an unknown number of them."""

    room: str
    first: int
    last: int | None
    at: int = 0


class Turned(msgspec.Struct, frozen=True, tag="turned"):
    """How it stands with the connection: `joined`, `reconnecting`, `resumed`, `restarted`, `ended`."""

    status: str
    detail: str = ""
    at: int = 0


class Counted(msgspec.Struct, frozen=True, tag="counted"):
    """Counters of this role's shell at the end."""

    counters: dict[str, int]


Line: TypeAlias = Began | Sent | Ended | Heard | Noted | Missed | Turned | Counted

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class Log:
    """Writes the lines of one role; each `flush` makes sure that they outlive it."""

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("wb")

    def write(self, line: Line) -> None:
        """Append one line."""
        self._file.write(_encode(line) + b"\n")

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._file.flush()

    def close(self) -> None:
        """The end."""
        self._file.close()


def read_log(path: Path) -> list[Line]:
    """The lines of one role. What a killed process left half written at the end does not count.

    Raises:
        msgspec.MsgspecError: a whole line is not a line of a log.
    """
    data = path.read_bytes()
    return [_decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
