r"""netlab's own packet: a 20-byte header and a payload, the same over every transport.

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-------------------------------+-------+-------+---------------+
    |      'N' 'L' (0x4E 0x4C)      |version|  type |     flags     |
    +-------------------------------+-------+-------+---------------+
    |         payload length        |         fragment index        |
    +-------------------------------+-------------------------------+
    |         fragment count        |   reserved: sent 0, ignored   |
    +-------------------------------+-------------------------------+
    |                           message id                          |
    +---------------------------------------------------------------+
    |       CRC-32: zlib.crc32 of bytes 0 to 15, then payload       |
    +---------------------------------------------------------------+
    |   with flag SESSION: session token, the first 8 payload bytes |
    |                                                               |
    +---------------------------------------------------------------+
    |                       payload, 0 to 65,535 bytes              |

Big-endian (network byte order). The header is as long as the smallest TCP or IPv4 header. One datagram carries one or
several whole packets; a TCP stream carries packets one after the other, and the length field says where each ends.

The checksum is a CRC-32 because the Internet checksum's 16 bits let too much through.
"""

from __future__ import annotations

import enum
import struct
from zlib import crc32

import msgspec

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.header import Header, HeaderField, Shown
from netlab.packets.limits import MAX_PAYLOAD

MAGIC = b"NL"
VERSION = 1
SESSION_LEN = 8
"""Bytes of the session token that leads the payload of a packet with flag SESSION."""


class PacketType(enum.IntEnum):
    """The four bits that say what a packet is for."""

    DATA = 0
    HELLO = 1
    COOKIE = 2
    ACK = 3
    PING = 4
    PONG = 5
    BYE = 6
    ERROR = 7
    SEGMENT = 8


TYPE_NAMES = {kind.value: kind.name.lower() for kind in PacketType}

SESSION = 0x01
"""Flag: the payload begins with the 8 bytes of the session token."""

HEADER = Header(
    "netlab",
    "netlab packet",
    HeaderField("magic", "magic", 16, Shown.TEXT, "NL: what every packet begins with", drawn="'N' 'L' (0x4E 0x4C)"),
    HeaderField("version", "version", 4, Shown.DECIMAL, "of this header: 1"),
    HeaderField("type", "type", 4, Shown.NAMED, "what the packet is for", names=TYPE_NAMES),
    HeaderField("flags", "flags", 8, Shown.FLAGS, "what is special", names={SESSION: "SESSION"}),
    HeaderField("payload_length", "payload length", 16, Shown.DECIMAL, "with the session token", unit="bytes"),
    HeaderField("fragment_index", "fragment index", 16, Shown.DECIMAL, "which fragment, from 0"),
    HeaderField("fragment_count", "fragment count", 16, Shown.DECIMAL, "fragments of the message"),
    HeaderField("reserved", "reserved", 16, Shown.HEX, "sent 0, ignored", drawn="reserved: sent 0, ignored"),
    HeaderField("message_id", "message id", 32, Shown.HEX, "the message, for the endpoint that sends"),
    HeaderField(
        "crc",
        "CRC-32",
        32,
        Shown.HEX,
        "zlib.crc32 of bytes 0 to 15, then payload",
        drawn="CRC-32: zlib.crc32 of bytes 0 to 15, then payload",
    ),
)
"""The header, field by field. What is known of it elsewhere (scapy, Wireshark, `netlab layers`) is made from this."""

TOKEN = Header(
    "netlab",
    "session token",
    HeaderField("session", "session token", 8 * SESSION_LEN, Shown.BYTES, "with flag SESSION: whose datagram it is"),
)
"""What leads the payload of a packet with flag SESSION."""

HEADER_LEN = HEADER.len
_RULE = "netlab packet header"
_FIELDS = struct.Struct(HEADER.layout())
_COVERED = struct.Struct(HEADER.layout(until="crc"))  # what the CRC covers of the header
_CRC = struct.Struct("!I")
_LENGTH_AT = HEADER.byte("payload_length")
_CRC_AT = HEADER.byte("crc")

_KINDS = {VERSION << 4 | packet_type: packet_type for packet_type in PacketType}
"""Version and type as they stand together in byte 2."""


class Packet(msgspec.Struct, frozen=True):
    """One netlab packet; `decode(encode(p)) == p`.

    Attributes:
        payload: 0 to 65,535 bytes, without the session token.
        message_id: 32 bits; it belongs to the endpoint that sends and starts at random.
        index: number of this fragment, 0 to count - 1.
        count: fragments of the message, 1 to 65,535.
        session: the 8-byte session token, or None where the flag SESSION is clear.
    """

    payload: bytes = b""
    message_id: int = 0
    index: int = 0
    count: int = 1
    type: PacketType = PacketType.DATA
    session: bytes | None = None


class MessageIds:
    """The numbers of one endpoint's messages: 32 bits, rising by one from a random start."""

    __slots__ = ("_last",)

    def __init__(self, start: int) -> None:
        self._last = start

    def next(self) -> int:
        """The number of the next message.

        >>> ids = MessageIds(2**32 - 2)
        >>> ids.next(), ids.next()
        (4294967295, 0)
        """
        self._last = (self._last + 1) % 2**32
        return self._last


def encode(packet: Packet) -> bytes:
    """The packet's bytes.

    Raises:
        LocalProtocolError: a field does not fit its bits, or the index is not below the count.
    """
    payload, flags = packet.payload, 0
    if packet.session is not None:
        if len(packet.session) != SESSION_LEN:
            raise LocalProtocolError(f"session token of {len(packet.session)} B is not {SESSION_LEN} B", rule=_RULE)
        payload, flags = packet.session + payload, SESSION
    if packet.index >= packet.count:
        raise LocalProtocolError(f"fragment index {packet.index} is not below count {packet.count}", rule=_RULE)
    try:
        covered = _COVERED.pack(
            MAGIC,
            VERSION << 4 | packet.type,
            flags,
            len(payload),
            packet.index,
            packet.count,
            0,
            packet.message_id,
        )
    except struct.error as error:
        raise LocalProtocolError(f"a field does not fit: {error} ({len(payload)} B payload)", rule=_RULE) from None
    return covered + _CRC.pack(crc32(payload, crc32(covered))) + payload


def decode(data: bytes) -> Packet:
    """The one packet that is all of `data`.

    Raises:
        DecodeError: truncated, bytes left over, or a field that is wrong; `field` and `offset` say where.
    """
    packet, end = decode_first(data)
    if end != len(data):
        raise _wrong("payload_length", f"{len(data) - end} B left over after the packet's {end} B")
    return packet


def decode_first(data: bytes, start: int = 0) -> tuple[Packet, int]:
    """The packet that begins at `start`, and the offset just behind it.

    Raises:
        DecodeError: as `decode`, with offsets counted from `start`.
    """
    if len(data) - start < HEADER_LEN:
        there = len(data) - start
        message = f"{there} B where a header takes {HEADER_LEN} B"
        raise DecodeError(message, rule=_RULE, field="header", offset=there)
    magic, kind, flags, length, index, count, _reserved, message_id, crc = _FIELDS.unpack_from(data, start)
    body = start + HEADER_LEN
    end = body + length
    payload = data[body:end]
    packet_type = _KINDS.get(kind)
    if magic != MAGIC or packet_type is None or len(payload) != length:
        raise _wrong_beginning(magic, kind, length, len(payload))
    if crc32(payload, crc32(data[start : start + _CRC_AT])) != crc:
        raise _wrong("crc", "the CRC-32 does not match: the packet was damaged on its way")
    if index >= count:
        raise _wrong("fragment_index", f"fragment index {index} is not below count {count}")
    if not flags:
        return Packet(payload, message_id, index, count, packet_type), end
    if flags != SESSION:
        raise _wrong("flags", f"flags {flags:#04x} has bits that are not known")
    if length < SESSION_LEN:
        raise _wrong("session", f"flag SESSION, but {length} B of payload hold no {SESSION_LEN} B token")
    token, payload = payload[:SESSION_LEN], payload[SESSION_LEN:]
    return Packet(payload, message_id, index, count, packet_type, token), end


def begins_like_a_packet(data: bytes, start: int = 0) -> bool:
    """Whether a whole header may stand at `start`: it has the room, the magic and the version."""
    room = len(data) - start >= HEADER_LEN
    return room and data[start : start + 2] == MAGIC and data[start + 2] >> 4 == VERSION


def announced_len(data: bytes, start: int = 0) -> int:
    """Bytes of the packet at `start`, its header included, as its length field says. A whole header stands there."""
    return HEADER_LEN + (data[start + _LENGTH_AT] << 8 | data[start + _LENGTH_AT + 1])


def decode_all(data: bytes) -> list[Packet]:
    """The packets of one datagram: one or several, whole, back to back.

    Raises:
        DecodeError: empty, or any of the packets is wrong: then none is given back.
    """
    packet, end = decode_first(data)
    if end == len(data):
        return [packet]
    packets = [packet]
    while end < len(data):
        packet, end = decode_first(data, end)
        packets.append(packet)
    return packets


def with_session(encoded: bytes, token: bytes) -> bytes:
    """Put the session token into the first of the encoded packets: its flag, length and CRC change with it.

    The first packet's token speaks for its whole datagram. What a hub says to many is encoded once; this is the part
    that differs for each receiver of datagrams.
    """
    magic, kind, _flags, length, index, count, reserved, message_id, _crc = _FIELDS.unpack_from(encoded)
    end = HEADER_LEN + length
    payload = token + encoded[HEADER_LEN:end]
    covered = _COVERED.pack(magic, kind, SESSION, length + SESSION_LEN, index, count, reserved, message_id)
    return covered + _CRC.pack(crc32(payload, crc32(covered))) + payload + encoded[end:]


def _wrong_beginning(magic: bytes, kind: int, length: int, there: int) -> DecodeError:
    if magic != MAGIC:
        return _wrong("magic", f"begins with {magic!r}, not {MAGIC!r}")
    if kind >> 4 != VERSION:
        return _wrong("version", f"version {kind >> 4}, only {VERSION} is known")
    if there != length:
        return _wrong("payload_length", f"{length} B of payload announced, {there} B are there")
    return _wrong("type", f"type {kind & 15} is not known")


def _wrong(key: str, message: str) -> DecodeError:
    offset = HEADER_LEN if key == "session" else HEADER.byte(key)
    return DecodeError(message, rule=_RULE, field=key.replace("_", " "), offset=offset)


assert _FIELDS.size == HEADER_LEN == 20
assert 2 ** HEADER.field("payload_length").bits - 1 == MAX_PAYLOAD
