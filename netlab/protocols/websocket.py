"""netlab packets in WebSocket frames (RFC 6455): one packet to one binary message.

The frames of a peer are read by the `websockets` library's own sans-I/O core. Here stands what is written: a server's
frames bear no mask (section 5.1), so that one encoding serves everybody in a room; each of a client's has a key of its
own, which comes from its entropy, so that a simulated client repeats byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netlab.errors import DecodeError
from netlab.packets.http1 import HEAD_END
from netlab.packets.packet import HEADER_LEN, announced_len
from netlab.packets.websocket import KEY, Opcode, decode_first, written
from netlab.protocols.connection import STREAM_PAYLOAD

FRAME_MOST = HEADER_LEN + STREAM_PAYLOAD
"""The largest message of WebSocket that holds a packet, bytes."""

TEXT, BINARY, CLOSE, PING = (kind.value for kind in (Opcode.TEXT, Opcode.BINARY, Opcode.CLOSE, Opcode.PING))
"""As plain numbers: enum's arithmetic is slow where every frame passes."""

KEY_LEN = KEY.len
SMALL = 125
"""Bytes that the 7 bits of the length may say; what a control frame may hold (section 5.5)."""

NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
POLICY = 1008
TOO_BIG = 1009

_CLOSE_CODES = {"server_closed": GOING_AWAY, "malformed": PROTOCOL_ERROR, "too_big": TOO_BIG}


def frame(payload: bytes, opcode: int = BINARY, *, key: bytes = b"") -> bytes:
    """A whole message in one frame.

    Args:
        key: 4 bytes that can't be guessed, which mask what a client sends (section 5.3); empty for a server.

    >>> frame(b"ab").hex(" "), frame(b"", PING).hex(" ")
    ('82 02 61 62', '89 00')
    >>> frame(b"Hello", 0x1, key=bytes.fromhex("37fa213d")).hex(" ")
    '81 85 37 fa 21 3d 7f 9f 4d 51 58'
    """
    return written(payload, opcode, key=key or None)


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


def payloads(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """The binary frames behind an HTTP head, unmasked: for each, where its frame begins in the stream and what it
    carries. For who looks on: a peer's frames are not checked here. A last one that is not whole is left out.

    >>> list(payloads(b"GET / HTTP/1.1" + HEAD_END + frame(b"", PING) + frame(b"ab", key=b"1234")))
    [(20, b'ab')]
    """
    at = stream.find(HEAD_END) + len(HEAD_END)
    while at < len(stream):
        try:
            one, end = decode_first(stream, at)
        except DecodeError:
            return
        if one.opcode == BINARY:
            yield at, one.payload
        at = end


def is_one_packet(message: bytes) -> bool:
    """Whether a message of WebSocket is as long as the packet says that it begins with."""
    return len(message) >= HEADER_LEN and announced_len(message, 0) == len(message)
