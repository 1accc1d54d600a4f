"""What clients and the hub say to each other: one message is one of these as UTF-8 JSON, so that a hex dump can be
read.

Clients send a `ClientMessage`, the hub a `HubMessage`; the field `type` tells which. In JSON a field that has its
default is left out.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec


class Resume(msgspec.Struct, frozen=True):
    """The session to go on with, and the last number seen in each of its rooms."""

    sid: str
    secret: str
    seen: dict[str, int] = {}


class Hello(msgspec.Struct, frozen=True, tag="hello", omit_defaults=True, kw_only=True):
    """The first message of a connection. Without a name the session may only ask for `Stats`."""

    name: str = ""
    token: str = ""
    cookie: str = ""
    resume: Resume | None = None


class Join(msgspec.Struct, frozen=True, tag="join", omit_defaults=True):
    """Become a member. Who was one in a session that is lost says what it saw last, and is told the gap."""

    op: int
    room: str
    seen: int | None = None
    epoch: str = ""


class Leave(msgspec.Struct, frozen=True, tag="leave"):
    """Stop being a member."""

    op: int
    room: str


class Emit(msgspec.Struct, frozen=True, tag="emit", omit_defaults=True):
    """An event for the members of rooms: one copy to each, whatever rooms they share.

    Attributes:
        to: names of rooms the sender is in, or sids of others.
        skip_self: to all but the sender.
        answer_ms: over 0, the recipients' answers are asked for and collected for so long.
    """

    op: int
    event: str
    to: list[str]
    args: list[Any] = []
    skip_self: bool = False
    answer_ms: int = 0


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """A recipient's answer to a message with `ask`."""

    ask: int
    args: list[Any] = []


class Who(msgspec.Struct, frozen=True, tag="who", omit_defaults=True):
    """Who is in the room: a page of names after `after`, in order."""

    op: int
    room: str
    after: str = ""


class Rooms(msgspec.Struct, frozen=True, tag="rooms", omit_defaults=True):
    """Which rooms there are: a page of names after `after`, in order."""

    op: int
    after: str = ""


class Find(msgspec.Struct, frozen=True, tag="find"):
    """The sid of a name that shares a room with the one who asks."""

    op: int
    name: str


class Stats(msgspec.Struct, frozen=True, tag="stats"):
    """The counters of the hub."""

    op: int


ClientMessage: TypeAlias = Hello | Join | Leave | Emit | Answer | Who | Rooms | Find | Stats
Operation: TypeAlias = Join | Leave | Emit | Who | Rooms | Find | Stats
"""What has a number, `op`, and ends with a `Result`."""


class Rate(msgspec.Struct, frozen=True):
    """What the hub takes from one client: operations a second and at once, bytes a second and at once."""

    messages: int
    burst: int
    bytes: int


class Welcome(msgspec.Struct, frozen=True, tag="welcome", omit_defaults=True, kw_only=True):
    """The session stands. `secret` resumes it after a cut; `resumed` says that this is what happened, and `rooms` then
    which rooms it is in; `degraded` that the server is without its broker just now."""

    sid: str
    name: str
    secret: str
    max_message: int
    resumed: bool = False
    rooms: list[str] = []
    degraded: bool = False
    rate: Rate | None = None


class Message(msgspec.Struct, frozen=True, tag="message", omit_defaults=True, kw_only=True):
    """Somebody's event. The same bytes go to every recipient.

    Attributes:
        rooms: the rooms it went to, each with the event's number there, which the hub gives from 1 on.
        sid, name, op: who sent it, and the number of the sender's operation.
        time: wall clock of the hub, ms since 1970.
        ask: over 0, an `Answer` with this number is wanted.
        unnumbered: rooms it went to without a number, because the server can't reach its broker: only people on that
            server hear it now. It may come once more, with its number, when the broker is there again.
    """

    rooms: dict[str, int]
    sid: str
    name: str
    op: int
    time: int
    event: str
    args: list[Any] = []
    ask: int = 0
    unnumbered: list[str] = []


class Joined(msgspec.Struct, frozen=True, tag="joined", kw_only=True):
    """Somebody became a member. It has its number in the room, as messages have."""

    rooms: dict[str, int]
    sid: str
    name: str
    time: int


class Left(msgspec.Struct, frozen=True, tag="left", kw_only=True):
    """Somebody is no longer a member: `left`, `quit`, or `lost` where no word came and nobody resumed in time."""

    rooms: dict[str, int]
    sid: str
    name: str
    time: int
    reason: Literal["left", "quit", "lost"]


class Gap(msgspec.Struct, frozen=True, tag="gap", omit_defaults=True, rename={"first": "from", "last": "to"}):
    """Numbers of a room that this client has missed for good; `last` is None where nobody can say how many.

    Attributes:
        epoch: where the room is numbered anew because the broker has lost its log: the new numbering.
        since: the last number given in it.
    """

    room: str
    first: int
    last: int | None
    epoch: str = ""
    since: int = 0


class Result(msgspec.Struct, frozen=True, tag="result", omit_defaults=True):
    """How an operation ended: done, or surely not done for the reason `code`, or nobody can say.

    Attributes:
        rooms: of an emit, join or leave: the number it got in each room.
        epoch: of a join: the numbering that the room's numbers belong to.
        data: of a question: its answer.
    """

    op: int
    status: Literal["ok", "failed", "unknown"]
    rooms: dict[str, int] = {}
    epoch: str = ""
    code: str = ""
    detail: str = ""
    data: Any = None


class Answers(msgspec.Struct, frozen=True, tag="answers"):
    """What the recipients of an emit answered, by sid, and how many did not."""

    op: int
    answers: dict[str, list[Any]]
    missing: int


class Degraded(msgspec.Struct, frozen=True, tag="degraded", omit_defaults=True):
    """The server can't reach its broker: until `Restored`, only people on this server hear what is said, unnumbered."""

    detail: str = ""


class Restored(msgspec.Struct, frozen=True, tag="restored"):
    """The broker is there again: what was missed has been said, or told as gaps."""


class Goodbye(msgspec.Struct, frozen=True, tag="goodbye", omit_defaults=True):
    """The connection ends, or (malformed) something it sent was not taken. `code` is one of `limits.ERRORS`."""

    code: str
    detail: str = ""


RoomEvent: TypeAlias = Message | Joined | Left
HubMessage: TypeAlias = Welcome | Message | Joined | Left | Gap | Result | Answers | Degraded | Restored | Goodbye

encode_json = msgspec.json.Encoder().encode
decode_client_message = msgspec.json.Decoder(ClientMessage).decode
decode_hub_message = msgspec.json.Decoder(HubMessage).decode


def size_of(args: list[Any]) -> int:
    """Bytes of the arguments as JSON, without the four that surround a lone text: what the limit on messages counts.

    Raises:
        UnicodeEncodeError: a lone surrogate, which parses as JSON and has no UTF-8.
        RecursionError: nested too deeply to encode.

    >>> size_of(["x" * 100]), size_of([])
    (100, 0)
    """
    return max(0, len(encode_json(args)) - 4)


def depth_of(value: Any) -> int:
    """How deeply lists and objects are nested: 0 for a text or a number. Does not recurse.

    >>> depth_of("a"), depth_of([]), depth_of([1, {"a": [2]}])
    (0, 1, 3)
    """
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, list | dict)]:
        depth += 1
        level = [inner for item in level for inner in (item.values() if isinstance(item, dict) else item)]
    return depth
