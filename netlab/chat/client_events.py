"""What is handed to the client's machine, and what it hands out: its whole interface."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from netlab.chat import messages as m


class Start(msgspec.Struct, frozen=True):
    """Begin: the first event of a new client."""


class Leave(msgspec.Struct, frozen=True):
    """End: what is under way ends `unknown`, what was not sent has failed."""


class Connected(msgspec.Struct, frozen=True):
    """The transport's connection is there: say hello."""


class CookieArrived(msgspec.Struct, frozen=True):
    """Over datagrams: the server wants the hello again, with this in it."""

    cookie: str


class Received(msgspec.Struct, frozen=True):
    """A whole message from the hub."""

    data: bytes


class Disconnected(msgspec.Struct, frozen=True):
    """The connection is gone, or could not be made."""

    detail: str


class Ask(msgspec.Struct, frozen=True):
    """Somebody wants this done; `Done` will carry the same `ref`. The operation's number is given here."""

    ref: int
    operation: m.Operation


class Reply(msgspec.Struct, frozen=True):
    """The answer to a message with `ask`."""

    answer: m.Answer


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Transmit(msgspec.Struct, frozen=True):
    """Send one message; `hello` where it is the hello."""

    data: bytes
    hello: bool = False


class Dial(msgspec.Struct, frozen=True):
    """Connect (again); answer with `Connected` or `Disconnected`."""


class Hangup(msgspec.Struct, frozen=True):
    """Drop the connection: it answers no more."""


class Outcome(msgspec.Struct, frozen=True):
    """How an operation ended.

    Attributes:
        status: `ok`; `failed`: surely not done, `code` says why; `unknown`: it may have been done or not.
        rooms: the number the operation got in each room.
        data: the answer to a question.
    """

    status: Literal["ok", "failed", "unknown"]
    rooms: dict[str, int] = {}
    code: str = ""
    detail: str = ""
    data: Any = None


class Done(msgspec.Struct, frozen=True):
    """An operation has ended."""

    ref: int
    outcome: Outcome


class Happened(msgspec.Struct, frozen=True):
    """Something for the user."""

    event: m.RoomEvent | m.Gap | m.Goodbye


class Changed(msgspec.Struct, frozen=True):
    """How things stand with the server: `open`; `reconnecting` after a cut; then `resumed` (nothing is lost) or
    `restarted` (a new session, rooms are joined again, gaps are told); `degraded` while it can't reach its broker and
    says things without numbers, to those alone who are on it too; then `restored`; `ended`, for good."""

    status: Literal["open", "reconnecting", "resumed", "restarted", "degraded", "restored", "ended"]
    code: str = ""
    detail: str = ""


Event: TypeAlias = Start | Leave | Connected | CookieArrived | Received | Disconnected | Ask | Reply | TimerFired
Output: TypeAlias = Transmit | Dial | Hangup | Done | Happened | Changed
