"""Cutting a message into packets that fit the path. The other half stands in `reassembly`."""

from __future__ import annotations

from netlab.errors import LocalProtocolError, MessageTooBig
from netlab.packets.limits import MAX_FRAGMENTS, MAX_MESSAGE, MAX_PAYLOAD
from netlab.packets.packet import Packet


def split(
    message: bytes,
    *,
    message_id: int,
    max_payload: int,
    max_message: int = MAX_MESSAGE,
    max_fragments: int = MAX_FRAGMENTS,
) -> list[Packet]:
    """The packets of one message, all but the last with `max_payload` bytes.

    Args:
        message: 0 to `max_message` bytes.
        message_id: 32 bits, the same in each of the packets.
        max_payload: bytes of payload that one packet may carry, 1 to 65,535.

    Raises:
        MessageTooBig: `too_big` over `max_message`, `too_big_for_path` over `max_fragments`.
        LocalProtocolError: `max_payload` is out of its range.

    >>> [(p.index, p.count, p.payload) for p in split(b"hello", message_id=7, max_payload=2)]
    [(0, 3, b'he'), (1, 3, b'll'), (2, 3, b'o')]
    """
    size = len(message)
    if size <= max_payload <= MAX_PAYLOAD and size <= max_message and max_payload:
        return [Packet(message, message_id)]
    if not 1 <= max_payload <= MAX_PAYLOAD:
        raise LocalProtocolError(f"max_payload {max_payload} is not in 1 to {MAX_PAYLOAD}", rule="netlab packet header")
    if size > max_message:
        raise MessageTooBig(
            f"message of {size} B exceeds the limit of {max_message} B",
            rule="packets.limits.MAX_MESSAGE",
            code="too_big",
        )
    count = -(-size // max_payload)
    if count > max_fragments:
        raise MessageTooBig(
            f"message of {size} B needs {count} packets of {max_payload} B, {max_fragments} are allowed",
            rule="packets.limits.MAX_FRAGMENTS",
            code="too_big_for_path",
        )
    return [
        Packet(message[start : start + max_payload], message_id, index, count)
        for index, start in enumerate(range(0, size, max_payload))
    ]
