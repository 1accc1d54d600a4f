"""netlab's packet as a scapy layer: `from netlab.capture.scapy_layers import NetlabPacket`, then `rdpcap` shows it.

    UDP()/NetlabPacket(flags="SESSION", session=token)/ChatEvent(text='{"type":"leave"}')/NetlabPacket(type="PONG")

The header is that of `netlab.packets.packet`, which is the truth; here it is only written in scapy's words. Several
packets in one datagram or segment follow each other as layers. Below UDP and TCP the packet is known by its port (9001
and 9000) and, where scapy knows nothing better, by how it begins. What a segment holds of a packet that began in an
earlier one is `Raw`: the next header is never hunted for.

Importing this imports scapy, which takes some tenths of a second; netlab imports it where it is used.
"""

from __future__ import annotations

import logging
import sys
from typing import Any
from zlib import crc32

import msgspec

from netlab.packets.endpoint import DEFAULT_PORTS
from netlab.packets.packet import HEADER_LEN, MAGIC, SESSION_LEN, VERSION, PacketType, begins_like_a_packet
from netlab.packets.text import printable_bytes

_log = logging.getLogger("scapy.runtime")
_level = _log.level
_log.setLevel(logging.ERROR)  # a machine without addresses or IPv6 is no news to who reads a file
try:
    from scapy.config import conf
    from scapy.fields import (
        BitEnumField,
        BitField,
        ConditionalField,
        FlagsField,
        ShortField,
        StrFixedLenField,
        StrLenField,
        XIntField,
        XStrFixedLenField,
    )
    from scapy.layers.inet import TCP, UDP
    from scapy.packet import Packet, bind_layers
finally:
    _log.setLevel(_level)

__all__ = ["ChatEvent", "NetlabData", "NetlabPacket"]

_CRC_AT = 16
_LENGTH_AT = 4
_PORTS = ((TCP, DEFAULT_PORTS["tcp"]), (UDP, DEFAULT_PORTS["udp"]))


class _TextField(StrLenField):
    """Bytes that people read; shown as text, with what a terminal might obey escaped."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        return f"'{printable_bytes(bytes(x))}'"


class NetlabPacket(Packet):
    """The 20-byte header, and the session token where the flag says so. `len` and `crc` are computed when not given.

    The body is the next layer: `ChatEvent` where it is one whole message, `NetlabData` where it is anything else.
    """

    name = "netlab packet"
    fields_desc = [  # noqa: RUF012  # a list, as scapy has it
        StrFixedLenField("magic", MAGIC, length=2),
        BitField("version", VERSION, 4),
        BitEnumField("type", PacketType.DATA, 4, {kind.value: kind.name for kind in PacketType}),
        FlagsField("flags", 0, 8, ["SESSION"]),
        ShortField("len", None),
        ShortField("index", 0),
        ShortField("count", 1),
        ShortField("reserved", 0),
        XIntField("id", 0),
        XIntField("crc", None),
        ConditionalField(XStrFixedLenField("session", bytes(SESSION_LEN), length=SESSION_LEN), lambda p: p.flags & 1),
    ]

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *_: Any, **__: Any) -> type[Packet]:
        """A known port is no proof: what does not begin like a packet is Raw."""
        if _pkt is None or begins_like_a_packet(_pkt):
            return cls
        raw: type[Packet] = conf.raw_layer
        return raw

    @property
    def body_len(self) -> int:
        """Bytes of the body, without the session token, as the length field says."""
        return max(0, (self.len or 0) - (SESSION_LEN if self.flags & 1 else 0))

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        if self.body_len == 0:
            return NetlabPacket.dispatch_hook(payload)
        body = payload[: self.body_len]
        return ChatEvent if self.count == 1 and len(body) == self.body_len and _is_json(body) else NetlabData

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        body = b"" if isinstance(self.payload, NetlabPacket) else pay[: len(self.payload.self_build())]
        session = pkt[HEADER_LEN:]
        if self.len is None:
            length = len(session) + len(body)
            pkt = pkt[:_LENGTH_AT] + length.to_bytes(2, "big") + pkt[_LENGTH_AT + 2 :]
        if self.crc is None:
            crc = crc32(body, crc32(session, crc32(pkt[:_CRC_AT])))
            pkt = pkt[:_CRC_AT] + crc.to_bytes(4, "big") + pkt[_CRC_AT + 4 :]
        return pkt + pay

    def mysummary(self) -> str:
        summary: str = self.sprintf("netlab %NetlabPacket.type% %NetlabPacket.id%")
        return summary if self.count == 1 else f"{summary} {self.index + 1}/{self.count}"


class _Body(Packet):
    """What a packet carries; behind it the next packet may follow."""

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return NetlabPacket.dispatch_hook(payload)


def _room(body: Packet) -> int:
    header = body.underlayer
    return header.body_len if isinstance(header, NetlabPacket) else sys.maxsize


class ChatEvent(_Body):
    """One whole message of the chat, as UTF-8 JSON."""

    name = "chat event"
    fields_desc = [_TextField("text", b"", length_from=_room)]  # noqa: RUF012

    @property
    def event(self) -> Any:
        """The message, decoded."""
        return msgspec.json.decode(self.text)

    def mysummary(self) -> str:
        return printable_bytes(self.text)


class NetlabData(_Body):
    """The body of a packet that is no whole message: a fragment of one, or what a handshake carries."""

    name = "netlab data"
    fields_desc = [_TextField("data", b"", length_from=_room)]  # noqa: RUF012


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return body[:1] == b"{"


def _guess_by_magic(transport: Any) -> None:
    """Let a transport know the packet by how it begins, where scapy would have said Raw."""
    guess = transport.guess_payload_class
    if hasattr(guess, "by_netlab"):  # this file was loaded anew
        return

    def guess_payload_class(self: Packet, payload: bytes) -> type[Packet]:
        known: type[Packet] = guess(self, payload)
        return NetlabPacket if known is conf.raw_layer and begins_like_a_packet(payload) else known

    guess_payload_class.by_netlab = True  # type: ignore[attr-defined]
    transport.guess_payload_class = guess_payload_class


for _transport, _port in _PORTS:
    bind_layers(_transport, NetlabPacket, sport=_port)
    bind_layers(_transport, NetlabPacket, dport=_port)
    _guess_by_magic(_transport)
