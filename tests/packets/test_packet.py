"""netlab's own header: bit by bit as it is drawn, and no damage gets through."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import DecodeError, LocalProtocolError, RemoteProtocolError
from netlab.packets.packet import (
    SESSION_LEN,
    Packet,
    PacketType,
    decode,
    decode_all,
    decode_first,
    encode,
    with_session,
)

TOKEN = bytes(range(0xA0, 0xA8))

PACKETS = st.builds(
    Packet,
    payload=st.binary(max_size=40),
    message_id=st.integers(0, 2**32 - 1),
    index=st.integers(0, 5),
    count=st.integers(6, 2**16 - 1) | st.just(6),
    type=st.sampled_from(PacketType),
    session=st.none() | st.binary(min_size=SESSION_LEN, max_size=SESSION_LEN),
)


def by_hand(
    payload: bytes = b"hi",
    *,
    magic: bytes = b"NL",
    kind: int = 0x10,
    flags: int = 0,
    length: int | None = None,
    index: int = 2,
    count: int = 3,
    reserved: int = 0,
    message_id: int = 0x01020304,
    crc: int | None = None,
) -> bytes:
    """A packet as the drawing has it, each field on its own; its CRC is right unless one is given."""
    length = len(payload) if length is None else length
    head = magic + bytes([kind, flags]) + struct.pack(">HHHHI", length, index, count, reserved, message_id)
    return head + struct.pack(">I", zlib.crc32(head + payload) if crc is None else crc) + payload


def wrong(data: bytes) -> tuple[str, int]:
    """Field and offset that `decode` names."""
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert isinstance(caught.value, RemoteProtocolError)
    assert caught.value.code == "malformed"
    return caught.value.field, caught.value.offset


def test_the_header_bit_by_bit() -> None:
    packet = Packet(b"hello", 0xDEADBEEF, index=0x0102, count=0x0304, type=PacketType.PONG, session=TOKEN)
    fields = [
        (8, 0x4E),  # 'N'
        (8, 0x4C),  # 'L'
        (4, 1),  # version
        (4, 5),  # type: pong
        (8, 0x01),  # flags: SESSION
        (16, 13),  # payload length: token and "hello"
        (16, 0x0102),  # fragment index
        (16, 0x0304),  # fragment count
        (16, 0),  # reserved
        (32, 0xDEADBEEF),  # message id
    ]
    bits = "".join(f"{value:0{width}b}" for width, value in fields)
    covered = int(bits, 2).to_bytes(16, "big")
    payload = TOKEN + b"hello"
    assert encode(packet) == covered + zlib.crc32(covered + payload).to_bytes(4, "big") + payload


def test_a_packet_written_out() -> None:
    """As a hex dump shows it; the CRC-32 is what gzip (RFC 1952) computed for these bytes."""
    data = bytes.fromhex("4e4c 10 00 0002 0000 0001 0000 00000007 01e01141 6869")
    assert encode(Packet(b"hi", 7)) == data
    assert decode(data) == Packet(b"hi", 7)


@pytest.mark.parametrize(("packet_type", "number"), [*zip(PacketType, range(9), strict=True)])
def test_types_have_their_numbers(packet_type: PacketType, number: int) -> None:
    names = ["data", "hello", "cookie", "ack", "ping", "pong", "bye", "error", "segment"]
    assert packet_type.name.lower() == names[number]
    assert encode(Packet(type=packet_type))[2] == 0x10 | number


@given(PACKETS)
def test_decode_undoes_encode(packet: Packet) -> None:
    data = encode(packet)
    assert decode(data) == packet
    assert encode(decode(data)) == data
    assert decode_first(b"xyz" + data + b"abc", 3) == (packet, 3 + len(data))


@pytest.mark.parametrize("size", [0, 1, 65_527, 65_535])
def test_payload_sizes(size: int) -> None:
    packet = Packet(b"x" * size, 1)
    assert decode(encode(packet)) == packet


@pytest.mark.parametrize(
    "packet",
    [
        Packet(b"x" * 65_536),
        Packet(b"x" * 65_528, session=TOKEN),
        Packet(message_id=2**32),
        Packet(message_id=-1),
        Packet(count=2**16),
        Packet(index=1),
        Packet(index=0, count=0),
        Packet(index=-1),
        Packet(session=b"short"),
    ],
)
def test_a_packet_that_does_not_fit_is_the_callers_mistake(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        encode(packet)


@pytest.mark.parametrize(
    ("data", "field", "offset"),
    [
        (by_hand(magic=b"nL"), "magic", 0),
        (by_hand(magic=b"NM"), "magic", 0),
        (by_hand(kind=0x20), "version", 2),
        (by_hand(kind=0x00), "version", 2),
        (by_hand(kind=0x19), "type", 2),
        (by_hand(kind=0x1F), "type", 2),
        (by_hand(flags=0x02), "flags", 3),
        (by_hand(b"12345678", flags=0x81), "flags", 3),
        (by_hand(length=3), "payload length", 4),
        (by_hand(length=65_535), "payload length", 4),
        (by_hand(index=3, count=3), "fragment index", 6),
        (by_hand(index=0, count=0), "fragment index", 6),
        (by_hand(b"1234567", flags=1), "session", 20),
        (by_hand(crc=0), "crc", 16),
        (by_hand() + b"!", "payload length", 4),
        (b"", "header", 0),
        (by_hand()[:19], "header", 19),
    ],
)
def test_what_is_wrong_is_named_with_its_place(data: bytes, field: str, offset: int) -> None:
    assert wrong(data) == (field, offset)


def test_reserved_is_ignored_where_the_crc_covers_it() -> None:
    assert decode(by_hand(reserved=0xFFFF)) == decode(by_hand())


@given(PACKETS)
def test_truncated_anywhere_it_is_refused(packet: Packet) -> None:
    data = encode(packet)
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:length])
        with pytest.raises(DecodeError):
            decode_all(data[:length])


@given(PACKETS, st.binary(min_size=1, max_size=30))
def test_with_a_trailer_it_is_refused(packet: Packet, trailer: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(encode(packet) + trailer)


def flipped(data: bytes, *places: int) -> bytes:
    damaged = bytearray(data)
    for place in places:
        damaged[place // 8] ^= 0x80 >> place % 8
    return bytes(damaged)


@pytest.mark.parametrize(
    "packet", [Packet(), Packet(b"hello", 7, 1, 3), Packet(b"hi", 7, type=PacketType.ACK, session=TOKEN)]
)
def test_one_bit_flipped_anywhere_is_noticed(packet: Packet) -> None:
    data = encode(packet)
    for place in range(8 * len(data)):
        with pytest.raises(DecodeError):
            decode(flipped(data, place))


def accepted(data: bytes) -> bool:
    try:
        decode(data)
    except DecodeError:
        return False
    return True


def random_damage(rng: random.Random, n: int) -> Iterator[bytes]:
    """`n` packets of a size and content by chance, each with one to three bits flipped."""
    for _ in range(n):
        session = rng.randbytes(SESSION_LEN) if rng.random() < 0.3 else None
        packet = Packet(
            rng.randbytes(rng.randrange(64)), rng.getrandbits(32), type=rng.choice([*PacketType]), session=session
        )
        data = encode(packet)
        yield flipped(data, *rng.sample(range(8 * len(data)), rng.randint(1, 3)))


def test_ten_thousand_flipped_packets_none_accepted() -> None:
    assert not any(map(accepted, random_damage(random.Random(1), 10_000)))


@pytest.mark.slow
def test_a_million_flipped_packets_none_accepted() -> None:
    assert sum(map(accepted, random_damage(random.Random(2), 1_000_000))) == 0


@given(st.binary(max_size=80) | st.binary(max_size=60).map(lambda tail: b"NL\x10\x00" + tail))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    for read in (decode, decode_all, decode_first):
        with suppress(DecodeError):
            read(data)


@given(st.lists(PACKETS, min_size=1, max_size=5))
def test_several_packets_share_a_datagram(packets: list[Packet]) -> None:
    datagram = b"".join(map(encode, packets))
    assert decode_all(datagram) == packets
    with pytest.raises(DecodeError):
        decode_all(datagram[:-1])
    with pytest.raises(DecodeError):
        decode_all(datagram + b"N")


def test_one_damaged_packet_spoils_its_datagram() -> None:
    """Else half of what came together would be taken, and nobody would know which half."""
    whole = encode(Packet(b"a", 1))
    for place in range(8 * len(whole)):
        with pytest.raises(DecodeError):
            decode_all(whole + flipped(whole, place))
        with pytest.raises(DecodeError):
            decode_all(flipped(whole, place) + whole)


@given(st.lists(PACKETS, min_size=1, max_size=4), st.binary(min_size=SESSION_LEN, max_size=SESSION_LEN))
def test_with_session_changes_the_first_packet_only(packets: list[Packet], token: bytes) -> None:
    first, *others = packets
    plain = Packet(first.payload, first.message_id, first.index, first.count, first.type)
    datagram = with_session(b"".join(map(encode, [plain, *others])), token)
    marked = Packet(first.payload, first.message_id, first.index, first.count, first.type, token)
    assert decode_all(datagram) == [marked, *others]
    assert datagram == b"".join(map(encode, [marked, *others]))
