"""netlab's packet as a scapy layer: `from netlab.capture.scapy_layers import NetlabPacket`, then `rdpcap` shows it.

    UDP()/NetlabPacket(flags="SESSION", session=token)/ChatEvent(text='{"type":"leave"}')/NetlabPacket(type="pong")

Its fields are those of `netlab.packets.packet.HEADER`; rudp's header behind it is `RudpSegment`. Several packets in one
datagram or segment follow each other as layers. Below UDP and TCP the packet is known by its port (9001, 9002; 9000)
and, where scapy knows nothing better, by how it begins. What a segment holds of a packet that began in an earlier one
is `Raw`: the next header is never hunted for.
To have packets that span segments put together, read with a session:

    sniff(offline="chat.pcapng", session=NetlabSession)

Importing this imports scapy, which takes some tenths of a second; netlab imports it where it is used.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Any
from zlib import crc32

import msgspec

from netlab.capture.summary import describe, describe_segment
from netlab.packets import segment
from netlab.packets.endpoint import DEFAULT_PORTS
from netlab.packets.header import HeaderField, Shown
from netlab.packets.packet import (
    HEADER,
    HEADER_LEN,
    MAGIC,
    SESSION,
    SESSION_LEN,
    TOKEN,
    VERSION,
    PacketType,
    announced_len,
    begins_like_a_packet,
)
from netlab.packets.text import printable_bytes

_log = logging.getLogger("scapy.runtime")
_level = _log.level
_log.setLevel(logging.ERROR)  # a machine without addresses or IPv6 is no news to who reads a file
try:
    import scapy.layers.dns  # so that a packet has the same layers whatever else is imported

    with contextlib.suppress(ImportError):  # scapy 2.8; before, IGMP is data
        import scapy.layers.igmp  # noqa: F401
    from scapy.config import conf
    from scapy.fields import (
        BitEnumField,
        BitField,
        ConditionalField,
        FieldListField,
        FlagsField,
        IntField,
        StrFixedLenField,
        StrLenField,
        XBitField,
        XStrFixedLenField,
    )
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.packet import Packet, Padding, bind_layers
    from scapy.sessions import TCPSession
finally:
    _log.setLevel(_level)

__all__ = ["AnyLoopback", "ChatEvent", "NetlabData", "NetlabPacket", "NetlabSession", "RudpSegment"]

_CRC_AT = HEADER.byte("crc")
_LENGTH_AT = HEADER.byte("payload_length")
_PORTS = ((TCP, DEFAULT_PORTS["tcp"]), (UDP, DEFAULT_PORTS["rudp"]), (UDP, DEFAULT_PORTS["udp"]))  # the last builds
_DEFAULTS: dict[str, Any] = {
    "magic": MAGIC,
    "version": VERSION,
    "payload_length": None,
    "ack_ranges": None,
    "fragment_count": 1,
    "crc": None,
}
"""Of the fields that are not 0; None is computed."""


def _as_scapy(field: HeaderField) -> Any:
    """A field of the description as scapy's."""
    key, default = field.key, _DEFAULTS.get(field.key, 0)
    match field.shown:
        case Shown.TEXT:
            return StrFixedLenField(key, default, length=field.bits // 8)
        case Shown.BYTES:
            return XStrFixedLenField(key, default or bytes(field.bits // 8), length=field.bits // 8)
        case Shown.NAMED:
            return BitEnumField(key, default, field.bits, field.names)
        case Shown.FLAGS:
            return FlagsField(key, default, field.bits, [field.names[mask] for mask in sorted(field.names)])
        case Shown.HEX:
            return XBitField(key, default, field.bits)
        case Shown.DECIMAL:
            return BitField(key, default, field.bits)


class _TextField(StrLenField):
    """Bytes that people read; shown as text, with what a terminal might obey escaped."""

    def i2repr(self, pkt: Any, x: Any) -> str:
        return f"'{printable_bytes(bytes(x))}'"


class NetlabPacket(Packet):
    """The header, and the session token where the flag says so. `payload_length` and `crc` are computed when not given.

    The body is the next layer: `ChatEvent` where it is one whole message, `NetlabData` where it is anything else.
    """

    name = HEADER.name
    fields_desc = [  # noqa: RUF012  # a list, as scapy has it
        *(_as_scapy(field) for field in HEADER.fields),
        *(ConditionalField(_as_scapy(field), lambda packet: packet.flags & SESSION) for field in TOKEN.fields),
    ]

    @classmethod
    def dispatch_hook(cls, _pkt: bytes | None = None, *_: Any, **__: Any) -> type[Packet]:
        """A known port is no proof: what does not begin like a packet is Raw."""
        if _pkt is None or begins_like_a_packet(_pkt):
            return cls
        raw: type[Packet] = conf.raw_layer
        return raw

    @classmethod
    def tcp_reassemble(cls, data: bytes, _metadata: dict[str, Any], _session: dict[str, Any]) -> Packet | None:
        """The whole packets that `data`, from a TCP stream, begins with; None where the first goes on.

        What is behind the last whole one is `Padding`: scapy's sessions keep it for the next segment.
        """
        end = 0
        while begins_like_a_packet(data, end) and end + announced_len(data, end) <= len(data):
            end += announced_len(data, end)
        if end == 0:
            may_begin = begins_like_a_packet(data) or (len(data) < HEADER_LEN and MAGIC.startswith(data[: len(MAGIC)]))
            return None if may_begin else conf.raw_layer(data)
        packet: Packet = cls(data[:end])
        return packet / Padding(data[end:]) if end < len(data) else packet

    @property
    def body_len(self) -> int:
        """Bytes of the body, without the session token, as the length field says."""
        return max(0, (self.payload_length or 0) - (SESSION_LEN if self.flags & SESSION else 0))

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        if self.body_len == 0:
            return NetlabPacket.dispatch_hook(payload)
        if self.type == PacketType.SEGMENT and min(self.body_len, len(payload)) >= segment.HEADER_LEN:
            return RudpSegment
        body = payload[: self.body_len]
        whole = self.fragment_count == 1 and len(body) == self.body_len
        return ChatEvent if whole and _is_json(body) else NetlabData

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        match self.payload:
            case NetlabPacket():
                body = b""
            case RudpSegment():
                body = pay
            case _:
                body = pay[: len(self.payload.self_build())]
        session = pkt[HEADER_LEN:]
        if self.payload_length is None:
            length = len(session) + len(body)
            pkt = pkt[:_LENGTH_AT] + length.to_bytes(2, "big") + pkt[_LENGTH_AT + 2 :]
        if self.crc is None:
            crc = crc32(body, crc32(session, crc32(pkt[:_CRC_AT])))
            pkt = pkt[:_CRC_AT] + crc.to_bytes(4, "big") + pkt[_CRC_AT + 4 :]
        return pkt + pay

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        kind = HEADER.field("type").names.get(self.type, self.type)
        fragment = "" if self.fragment_count == 1 else f" {self.fragment_index + 1}/{self.fragment_count}"
        return f"netlab {kind} {self.message_id:08x}{fragment}", _all_shown()


class RudpSegment(Packet):
    """rudp's own header, behind ours: whose datagram this is, what it acknowledges, where its data stands.

    `ranges` has the first and last number of each range; `ack_ranges` counts them where it is not given. On the data
    stand netlab packets as on a TCP stream: one that begins with the segment is a layer.
    """

    name = segment.HEADER.name
    fields_desc = [  # noqa: RUF012
        *(_as_scapy(field) for field in segment.HEADER.fields),
        FieldListField("ranges", [], IntField("edge", 0), count_from=lambda packet: 2 * (packet.ack_ranges or 0)),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        if self.ack_ranges is None:
            at = segment.HEADER.byte("ack_ranges")
            pkt = pkt[:at] + bytes([len(self.ranges) // 2]) + pkt[at + 1 :]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes | None]:
        taken = segment.HEADER_LEN + 4 * len(self.ranges)
        room = max(0, _room(self) - taken)
        return s[:room], s[room:] or None

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        return NetlabPacket if begins_like_a_packet(payload) else NetlabData

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        return f"rudp {describe_segment(self.number, self.flags, self.ranges)}".rstrip(), _all_shown()


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

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        return describe(self.text) or printable_bytes(self.text), _all_shown()


class NetlabData(_Body):
    """The body of a packet that is no whole message: a fragment of one, or what a handshake carries."""

    name = "netlab data"
    fields_desc = [_TextField("data", b"", length_from=_room)]  # noqa: RUF012

    def mysummary(self) -> Any:  # text, and the layers to show beside it
        return f"{len(self.data)} B", _all_shown()


def _all_shown() -> list[type[Packet]]:
    """The layers that a summary shows beside the uppermost, which scapy would leave at that."""
    return [TCP, UDP, NetlabPacket, RudpSegment, ChatEvent, NetlabData]


class NetlabContinued(_Body):
    """Bytes of a netlab packet that began in an earlier segment. Only a whole stream tells that they are."""

    name = "netlab packet (continued)"
    fields_desc = [_TextField("data", b"", length_from=len)]  # noqa: RUF012


class NetlabSession(TCPSession):
    """scapy's session for TCP, which finds netlab packets on any port.

    scapy decides by how a segment begins what it carries. Here a flow that carried netlab packets once carries them
    until its end, and a segment without data, as every connection begins with, decides nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ours: set[bytes] = set()

    def process(self, pkt: Packet, cls: type[Packet] | None = None) -> Packet | None:
        if self.app or TCP not in pkt:
            return super().process(pkt, cls)
        flow = self._get_ident(pkt)
        if not pkt[TCP].payload and flow not in self._ours:
            return pkt
        if begins_like_a_packet(bytes(pkt[TCP].payload)):
            self._ours.add(flow)
        if flow in self._ours:
            _, metadata = self.tcp_frags[flow]
            metadata |= {"pay_class": NetlabPacket, "tcp_reassemble": NetlabPacket.tcp_reassemble}
        return super().process(pkt, cls)


class AnyLoopback(Packet):
    """The 4-byte header of BSD's loopback, as a machine of either byte order wrote it."""

    name = "Loopback"
    fields_desc = [XBitField("type", 2, 32)]  # noqa: RUF012

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        versions: dict[int, type[Packet]] = {4: IP, 6: IPv6}
        return versions.get(payload[0] >> 4, conf.raw_layer) if payload else conf.raw_layer


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
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
for _transport in (TCP, UDP):
    _guess_by_magic(_transport)
