"""What the relay of a class sees in a datagram."""

from __future__ import annotations

import msgspec

from netlab.capture.summary import netlab_parts
from netlab.chat.messages import Hello, decode_client_message
from netlab.errors import DecodeError
from netlab.network.impairments import Corruption
from netlab.packets import ipv4, segment, udp
from netlab.packets.packet import PacketType, decode_all, decode_first

HEADERS = ipv4.HEADER_LEN + udp.HEADER_LEN
"""Bytes before what UDP carries."""


def says(data: bytes) -> str:
    """What is in a datagram, in a line; printable."""
    return " | ".join(str(part) for part in netlab_parts(data)) or f"datagram of {len(data)} B"


def name_in(data: bytes) -> str:
    """The name that a hello in this datagram says; "" where there is none."""
    try:
        for packet in decode_all(data):
            if packet.type is PacketType.SEGMENT:
                held = bytes(segment.decode(packet.payload).data)
                packet = decode_first(held)[0] if held else packet
            if packet.type is PacketType.HELLO and packet.payload:
                said = decode_client_message(packet.payload)
                return said.name if isinstance(said, Hello) else ""
    except (DecodeError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        pass
    return ""


def damaged(data: bytes, corruption: Corruption) -> bytes:
    """As it comes to the application. A real receiver's UDP would throw it away before; here netlab's CRC-32 does."""
    at = min(max(0, corruption.at - HEADERS), len(data) - 1)
    return msgspec.structs.replace(corruption, at=at).apply(data) if data else data
