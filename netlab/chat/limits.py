"""Every limit of the chat and every error code. Each limit is an option of `netlab serve` and shown by its `--help`."""

from __future__ import annotations

import msgspec

from netlab.errors import BadLimit
from netlab.packets.limits import MAX_MESSAGE
from netlab.units import KIB, MIB, MS, Ns, S, format_duration

ENVELOPE = 4 * KIB
"""Room for what surrounds a message's arguments in its JSON event (rooms, sender, time), bytes."""

PING_AFTER: Ns = 15 * S
"""Silence after which a ping is sent, ns: RFC 8085 §3.5 wants none more often; a NAT should remember for 2 minutes,
and many do not."""

DEAD_AFTER: Ns = 30 * S
"""Silence after which the peer is taken for dead, ns."""

STARTED_PACKET: Ns = 10 * S
"""A packet that has begun on a stream must be complete within this, ns."""

RESETS = 10
"""Errors to unknown peers over datagrams, a second and at once; and only where smaller than what caused them."""

ACCEPT_BACKLOG = 1024
"""Connections the kernel holds until they are accepted. asyncio's 100 costs a second when 1,000 arrive at once."""

HELLO_EVERY: Ns = 250 * MS
"""Over udp: how often hello, join and leave are repeated until they are acknowledged, ns."""

HELLO_FOR: Ns = 15 * S
"""Over udp: how long they are repeated, ns."""

EMIT_WAIT: Ns = 2 * S
"""Over udp: how long an emit waits for the hub's word before it ends `unknown`, ns."""

RESUME_WINDOW: Ns = 120 * S
"""How long a session outlives its connection: Socket.IO's two minutes, ns."""

WINDOW = 128
"""Operations of one client under way at once; the hub remembers twice as many results, for those that are resent."""


class ChatLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one hub allows. Durations are ns, sizes are bytes.

    Attributes:
        message: arguments of one event as JSON, without the brackets and quotes of a lone text.
        message_rate, message_burst: operations of one client: so many a second, after so many at once. 0 = no limit.
        byte_rate: bytes of operations of one client a second, and at once.
        half_open: connections that have not said hello.
        hello_within: how long one of those may stay silent before it is closed; and how long it is left alone although
            others wait for its place.
        history: messages a room keeps for sessions that resume; history_bytes: all rooms together.
        backlog_soft, backlog_soft_for, backlog_hard: bytes waiting for one slow client; over the first for so long, or
            over the last at once, it is cut.
        ping_after, dead_after: silence after which a ping is sent over a stream, and after which a peer is taken for
            dead. Clients over datagrams ping every `PING_AFTER`, so that a server's `dead_after` must be longer.
        started_packet: what a packet that has begun on a stream may take to its end.
        resets: errors to unknown peers over datagrams, a second and at once.
        accept_backlog: connections the kernel holds until they are accepted.
    """

    message: int = MAX_MESSAGE
    message_rate: int = 50
    message_burst: int = 100
    byte_rate: int = MIB
    connections: int = 2_000
    half_open: int = 128
    hello_within: Ns = 5 * S
    half_open_grace: Ns = 1 * S
    rooms_per_client: int = 32
    rooms: int = 10_000
    members: int = 1_000
    resume_window: Ns = RESUME_WINDOW
    history: int = 256
    history_bytes: int = 16 * MIB
    backlog_soft: int = 1 * MIB
    backlog_soft_for: Ns = 2 * S
    backlog_hard: int = 4 * MIB
    json_depth: int = 32
    answers_per_client: int = 32
    answer_within: Ns = 30 * S
    ping_after: Ns = PING_AFTER
    dead_after: Ns = DEAD_AFTER
    started_packet: Ns = STARTED_PACKET
    resets: int = RESETS
    accept_backlog: int = ACCEPT_BACKLOG

    def __post_init__(self) -> None:
        """Refuse what could not be kept to.

        Raises:
            BadLimit: a message larger than packets carry, a rate without a burst, peers taken for dead before they were
                to be heard, or a number that must be positive.
        """
        if not 1 <= self.message <= MAX_MESSAGE:
            raise BadLimit(f"message {self.message} B is not in 1 to {MAX_MESSAGE} B, which is what packets carry")
        if self.message_rate and not (self.message_burst >= 1 and self.byte_rate >= 1):
            raise BadLimit("a message_rate needs a message_burst and a byte_rate of at least 1")
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise BadLimit(f"{name} {getattr(self, name)} is negative")
        for name in ("connections", "half_open", "rooms", "rooms_per_client", "members", "resets", "accept_backlog"):
            if getattr(self, name) < 1:
                raise BadLimit(f"{name} must be at least 1")
        if self.dead_after <= max(self.ping_after, PING_AFTER):
            heard = format_duration(max(self.ping_after, PING_AFTER))
            raise BadLimit(f"dead_after {format_duration(self.dead_after)} is not over the {heard} between two pings")


NAME_LENGTH = 32
"""Characters of a name or of a room's name, after NFKC."""

NAME_BYTES = 64
"""The same in bytes of UTF-8."""

ERRORS = {
    "malformed": "the bytes are not a message of this protocol",
    "bad_name": "a name is 1 to 32 letters, digits, `_`, `.` or `-`, at most 64 bytes",
    "name_taken": "somebody on this hub has that name",
    "bad_token": "the server asks for a token, and this is not it",
    "too_big": "the message is over the limit",
    "too_big_for_path": "the message needs more packets than one message may have",
    "too_deep": "the arguments are nested too deeply",
    "rate_limited": "too many messages or bytes a second",
    "not_in_room": "only members send to a room, or leave it",
    "no_such_room": "nobody has that sid, or it cannot be joined",
    "no_such_name": "nobody of that name shares a room with you",
    "too_many_rooms": "the client or the hub has all the rooms it may have",
    "room_full": "the room has all the members it may have",
    "no_recipient": "an event goes to at least one room",
    "anonymous": "a session without a name may only look",
    "stale_operation": "this operation's number was used long ago",
    "too_many_answers": "too many questions of this client wait for their answers",
    "server_full": "the server has all the connections it may have",
    "hello_timeout": "the connection said nothing in time",
    "hello_first": "the first message of a connection is hello",
    "too_much_unfinished": "too many bytes of messages that are not complete are kept for this client, or for all",
    "slow_consumer": "too much waited for this client for too long",
    "packet_timeout": "a packet began and did not end in time",
    "dead_peer": "nothing was heard for too long",
    "resumed_elsewhere": "another connection has taken this session over",
    "unknown_session": "the server does not know this session (any more)",
    "broker_gone": "the server can't reach its broker, without which this can't be done",
    "server_closed": "the server is closing",
}
"""Codes that peers are told, with what they mean."""
