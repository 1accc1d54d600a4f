"""Every limit of the server as an option, made from the structs that hold them: one table, nothing typed twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
import msgspec

from netlab.chat.limits import ChatLimits
from netlab.errors import BadLimit, UnitError
from netlab.packets.limits import MAX_MESSAGE, ReassemblyLimits
from netlab.units import format_duration, format_size, parse_duration, parse_size

if TYPE_CHECKING:
    QuantityType: TypeAlias = click.ParamType[int]
else:
    QuantityType = click.ParamType  # a generic class since click 8.5 only

Command = TypeVar("Command", bound=Callable[..., Any])

CHAT = {
    "message": ("size", "arguments of one event as JSON"),
    "message_rate": ("count", "operations of one client a second; 0 is no limit"),
    "message_burst": ("count", "operations of one client at once"),
    "byte_rate": ("size", "bytes of operations of one client a second, and at once"),
    "connections": ("count", "connections"),
    "half_open": ("count", "connections that have not said hello"),
    "hello_within": ("duration", "how long one of those may stay silent"),
    "half_open_grace": ("duration", "how long it may where others wait for its place"),
    "rooms_per_client": ("count", "rooms that one client may be in"),
    "rooms": ("count", "rooms"),
    "members": ("count", "members of a room"),
    "resume_window": ("duration", "how long a session outlives its connection"),
    "history": ("count", "messages that a room keeps for sessions that resume"),
    "history_bytes": ("size", "the same in bytes, all rooms together"),
    "backlog_soft": ("size", "bytes waiting for one slow client"),
    "backlog_soft_for": ("duration", "how long they may be over that, before it is cut"),
    "backlog_hard": ("size", "bytes waiting for one slow client, at which it is cut at once"),
    "json_depth": ("count", "depth of an event's arguments"),
    "answers_per_client": ("count", "questions of one client that wait for their answers"),
    "answer_within": ("duration", "how long answers are collected at most"),
    "ping_after": ("duration", "silence after which a client over TCP is pinged"),
    "dead_after": ("duration", "silence after which a client is taken for dead"),
    "started_packet": ("duration", "how long a packet over TCP may take to its end"),
    "resets": ("count", "errors to unknown peers over UDP, a second and at once"),
    "accept_backlog": ("count", "connections that wait in the kernel to be accepted"),
}
"""Each field of ChatLimits: in which unit, and what it bounds."""

REASSEMBLY = {
    "max_fragments": ("count", "fragments of one message"),
    "min_fragment": ("size", "payload of a fragment that is not the last, at least"),
    "timeout": ("duration", "from a message's first fragment until it is given up"),
    "memory_per_peer": ("size", "unfinished messages of one client"),
    "messages_per_peer": ("count", "the same in messages"),
    "memory_high": ("size", "unfinished messages of all clients, over which the oldest go"),
    "memory_low": ("size", "down to this"),
    "finished_remembered": ("duration", "how long a finished message's id is remembered"),
    "finished_ids": ("count", "how many such ids"),
}
"""Each field of ReassemblyLimits that stands for itself (`max_message` follows from `--limit-message`), over udp."""

_MOST = {"message": MAX_MESSAGE}  # what the packets can carry
_MAY_BE_ZERO = {"message_rate", "history", "half_open_grace"}


class Quantity(QuantityType):
    """A limit's value, with its unit."""

    def __init__(self, kind: str, *, least: int, most: int | None) -> None:
        self.name = kind
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """From what was typed."""
        if isinstance(value, int):
            return value
        try:
            quantity = self._parse(str(value))
        except UnitError as error:
            self.fail(str(error), param, ctx)
        if self._most is not None and quantity > self._most:
            self.fail(f"{value} is over {show(self.name, self._most)}, the most that a message may have", param, ctx)
        if quantity < self._least:
            self.fail(f"{value} would let nothing through", param, ctx)
        return quantity

    def _parse(self, text: str) -> int:
        if self.name == "size":
            return parse_size(text)
        if self.name == "duration":
            return parse_duration(text)
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise UnitError(f"{text!r} is not a count: write a whole number, such as 100")
        return int(text)


def show(kind: str, value: int) -> str:
    """A limit's value as one may type it."""
    if kind == "size":
        return format_size(value).replace(" ", "")
    return format_duration(value) if kind == "duration" else str(value)


def limit_options(command: Command) -> Command:
    """Add an option for every limit; their values come as `limit_NAME` and `reassembly_NAME`."""
    for prefix, struct, fields in (("reassembly", ReassemblyLimits, REASSEMBLY), ("limit", ChatLimits, CHAT)):
        defaults = {field.name: field.default for field in msgspec.structs.fields(struct)}
        for name, (kind, help) in reversed(fields.items()):
            command = click.option(
                f"--{prefix}-{name.replace('_', '-')}",
                f"{prefix}_{name}",
                type=Quantity(kind, least=int(name not in _MAY_BE_ZERO), most=_MOST.get(name)),
                default=defaults[name],
                metavar=kind.upper(),
                help=f"{help}  [{show(kind, defaults[name])}]",
            )(command)
    return command


def chat_limits(options: dict[str, Any], *, no_rate_limit: bool) -> ChatLimits:
    """The limits that the options ask for.

    Raises:
        click.UsageError: they do not go together.
    """
    values = {name: options[f"limit_{name}"] for name in CHAT}
    if no_rate_limit:
        values["message_rate"] = 0
    elif values["byte_rate"] < values["message"]:
        raise click.UsageError(
            "a client could never send its largest message: let --limit-byte-rate be at least --limit-message "
            f"({show('size', values['message'])})",
            click.get_current_context(silent=True),
        )
    try:
        return ChatLimits(**values)
    except BadLimit as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from None


def reassembly_limits(options: dict[str, Any]) -> ReassemblyLimits:
    """The same for messages in several datagrams; what surrounds a message's text comes on top of its limit."""
    from netlab.protocols.connection import WIRE_MESSAGE

    return ReassemblyLimits(max_message=WIRE_MESSAGE, **{name: options[f"reassembly_{name}"] for name in REASSEMBLY})
