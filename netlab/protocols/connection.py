"""What any connection's machine puts out, and how messages become packets, whatever carries them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from netlab.chat.limits import ENVELOPE
from netlab.errors import DecodeError
from netlab.packets.limits import DATAGRAM_PAYLOAD, MAX_MESSAGE, MAX_PAYLOAD
from netlab.packets.packet import HEADER_LEN, SESSION_LEN, Packet, PacketType, encode
from netlab.packets.split import split

WIRE_MESSAGE = MAX_MESSAGE + ENVELOPE
"""A whole message with what surrounds its text, bytes: what splitters and reassemblers of transports allow."""

STREAM_PAYLOAD = MAX_PAYLOAD
"""Payload of one packet on a stream, bytes."""

DATAGRAM_ROOM = DATAGRAM_PAYLOAD - SESSION_LEN
"""What the packets of one datagram may take together beside the session token, bytes."""

DATAGRAM_FRAGMENT = DATAGRAM_ROOM - HEADER_LEN
"""Payload of one packet in a datagram, bytes."""


class TimerFired(msgspec.Struct, frozen=True):
    """The deadline may have passed; early, late or spurious is harmless."""


class Transmit(msgspec.Struct, frozen=True):
    """Send these bytes to the peer: on a stream as they are, otherwise as one datagram."""

    data: bytes


class Deliver(msgspec.Struct, frozen=True):
    """A whole message has come."""

    message: bytes


class PeerLeft(msgspec.Struct, frozen=True):
    """The peer said goodbye."""


class Failed(msgspec.Struct, frozen=True):
    """The connection is of no use any more; `code` is one of `chat.limits.ERRORS`."""

    code: str
    detail: str


class Dropped(msgspec.Struct, frozen=True):
    """Something that came was not taken, or what was to go was not sent; `reason` is the name of a counter."""

    reason: str


def malformed(error: DecodeError) -> Dropped:
    """What does not decode as packets, by the field that gave it away."""
    return Dropped(f"malformed_{error.field.replace(' ', '_')}")


def encode_message(message: bytes, *, message_id: int, max_payload: int, packet_type: PacketType) -> list[bytes]:
    """One message as encoded packets.

    Raises:
        MessageTooBig: over `WIRE_MESSAGE`.
    """
    if len(message) <= max_payload:
        return [encode(Packet(message, message_id, type=packet_type))]
    packets = split(message, message_id=message_id, max_payload=max_payload, max_message=WIRE_MESSAGE)
    if packet_type is not PacketType.DATA:
        packets = [msgspec.structs.replace(packet, type=packet_type) for packet in packets]
    return [encode(packet) for packet in packets]


def pack(packets: Iterable[bytes], room: int = DATAGRAM_ROOM) -> list[bytes]:
    """Encoded packets, in as few datagrams as keep their order and fit `room` bytes each.

    >>> [len(datagram) for datagram in pack([b"x" * 500] * 5, room=1192)]
    [1000, 1000, 500]
    """
    datagrams: list[bytes] = []
    together: list[bytes] = []
    size = 0
    for packet in packets:
        if together and size + len(packet) > room:
            datagrams.append(b"".join(together))
            together, size = [], 0
        together.append(packet)
        size += len(packet)
    if together:
        datagrams.append(b"".join(together))
    return datagrams
