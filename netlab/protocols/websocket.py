"""netlab packets in WebSocket frames (RFC 6455): one packet to one binary message.

The frames of a peer are read by the `websockets` library's own sans-I/O core. Here stands what a server writes: its
frames bear no mask (section 5.1), so that one encoding serves everybody in a room.
"""

from __future__ import annotations

from collections.abc import Iterable

from netlab.packets.packet import HEADER_LEN, announced_len
from netlab.protocols.connection import STREAM_PAYLOAD

FRAME_MOST = HEADER_LEN + STREAM_PAYLOAD
"""The largest message of WebSocket that holds a packet, bytes."""

BINARY = 0x2
CLOSE = 0x8
PING = 0x9

FIN = 0x80
SMALL = 125
"""Bytes that the 7 bits of the length may say; what a control frame may hold (section 5.5)."""

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
POLICY = 1008
TOO_BIG = 1009

_CLOSE_CODES = {"server_closed": GOING_AWAY, "malformed": PROTOCOL_ERROR, "too_big": TOO_BIG}


def frame(payload: bytes, opcode: int = BINARY) -> bytes:
    """A whole message in one frame, as a server sends it: without a mask.

    >>> frame(b"ab").hex(" "), frame(b"", PING).hex(" ")
    ('82 02 61 62', '89 00')
    """
    size = len(payload)
    if size <= SMALL:
        return bytes((FIN | opcode, size)) + payload
    if size < 1 << 16:
        return bytes((FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def frames(packets: Iterable[bytes]) -> bytes:
    """Each packet in a frame of its own."""
    return b"".join([frame(packet) for packet in packets])


def close_frame(code: str, detail: str) -> bytes:
    """The closing frame for one of `chat.limits.ERRORS`; its reason is cut where a control frame ends.

    >>> close_frame("too_big", "9 bytes").hex(" ", 2)
    '8812 03f1 746f 6f5f 6269 673a 2039 2062 7974 6573'
    """
    reason = f"{code}: {detail}".encode()[: SMALL - 2].decode(errors="ignore").encode()
    return frame(_CLOSE_CODES.get(code, POLICY).to_bytes(2, "big") + reason, CLOSE)


def is_one_packet(message: bytes) -> bool:
    """Whether a message of WebSocket is as long as the packet says that it begins with."""
    return len(message) >= HEADER_LEN and announced_len(message, 0) == len(message)
