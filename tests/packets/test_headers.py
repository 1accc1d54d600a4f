"""Ethernet, IPv4, IPv6, UDP and TCP against scapy's bytes in both directions; damaged, only DecodeError escapes."""

from __future__ import annotations

import struct
from functools import partial
from ipaddress import IPv4Address, IPv6Address

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers import inet, inet6, l2
from scapy.packet import Raw

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets import ethernet, ipv4, ipv6, tcp, udp
from netlab.packets.checksum import internet_checksum, pseudo_header
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Flags, Ipv4Packet
from netlab.packets.ipv6 import Ipv6Packet
from netlab.packets.tcp import (
    MaximumSegmentSize,
    NoOperation,
    Sack,
    SackPermitted,
    TcpFlags,
    TcpSegment,
    Timestamps,
    UnknownOption,
    WindowScale,
)
from netlab.packets.udp import UdpDatagram

A4, B4 = IPv4Address("10.0.0.1"), IPv4Address("192.0.2.254")
A6, B6 = IPv6Address("fd00::1"), IPv6Address("2001:db8::ffff")
MAC_A, MAC_B = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")

SYN_OPTIONS = (MaximumSegmentSize(1460), SackPermitted(), Timestamps(0xDEADBEEF, 0), NoOperation(), WindowScale(7))
ACK_OPTIONS = (NoOperation(), NoOperation(), Timestamps(1, 2), NoOperation(), NoOperation())
SACK_OPTIONS = (*ACK_OPTIONS, Sack(((0xFFFFFF00, 10), (20, 30))))


def over(module, source, destination):
    """`encode` and `decode` of a transport, between two addresses."""
    return (
        partial(module.encode, source=source, destination=destination),
        partial(module.decode, source=source, destination=destination),
    )


def scapy_udp(datagram, ip):
    built = ip / inet.UDP(sport=datagram.source_port, dport=datagram.destination_port) / Raw(datagram.payload)
    if not datagram.has_checksum:
        built[inet.UDP].chksum = 0
    return bytes(built)[len(bytes(ip)) :]


def scapy_tcp(segment, ip):
    names = {NoOperation: "NOP", MaximumSegmentSize: "MSS", WindowScale: "WScale", SackPermitted: "SAckOK"}
    options = []
    for option in segment.options:
        match option:
            case Sack(blocks):
                options.append(("SAck", tuple(edge for block in blocks for edge in block)))
            case Timestamps(ts_val, ts_ecr):
                options.append(("Timestamp", (ts_val, ts_ecr)))
            case UnknownOption(kind, data):
                options.append((kind, data))
            case SackPermitted():
                options.append(("SAckOK", b""))
            case _:
                values = msgspec.structs.astuple(option)
                options.append((names[type(option)], values[0] if values else None))
    built = (
        ip
        / inet.TCP(
            sport=segment.source_port,
            dport=segment.destination_port,
            seq=segment.sequence_number,
            ack=segment.acknowledgment_number,
            flags=int(segment.flags),
            window=segment.window,
            urgptr=segment.urgent_pointer,
            options=options,
        )
        / Raw(segment.payload)
    )
    return bytes(built)[len(bytes(ip)) :]


def scapy_ipv4(packet):
    built = inet.IP(
        src=str(packet.source),
        dst=str(packet.destination),
        proto=packet.protocol,
        ttl=packet.time_to_live,
        id=packet.identification,
        flags=int(packet.flags),
        frag=packet.fragment_offset,
        tos=packet.dscp << 2 | packet.ecn,
    )
    if packet.options:
        built.options = [inet.IPOption(packet.options)]
    return bytes(built / Raw(packet.payload))


def scapy_ipv6(packet):
    built = inet6.IPv6(
        src=str(packet.source),
        dst=str(packet.destination),
        nh=packet.next_header,
        hlim=packet.hop_limit,
        fl=packet.flow_label,
        tc=packet.dscp << 2 | packet.ecn,
    )
    return bytes(built / Raw(packet.payload))


def scapy_ethernet(frame):
    built = l2.Ether(
        dst=ethernet.format_address(frame.destination), src=ethernet.format_address(frame.source), type=frame.ethertype
    )
    return bytes(built / Raw(frame.payload))


IP4, IP6 = inet.IP(src=str(A4), dst=str(B4)), inet6.IPv6(src=str(A6), dst=str(B6))
UDP4, UDP6 = over(udp, A4, B4), over(udp, A6, B6)
TCP4, TCP6 = over(tcp, A4, B4), over(tcp, A6, B6)
ETHERNET, IPV4, IPV6 = (ethernet.encode, ethernet.decode), (ipv4.encode, ipv4.decode), (ipv6.encode, ipv6.decode)

SAMPLES = {
    "ethernet": (EthernetFrame(MAC_B, MAC_A, EtherType.IPV4, b"payload"), ETHERNET, scapy_ethernet),
    "ethernet empty": (EthernetFrame(ethernet.BROADCAST, MAC_A, 0x88B5), ETHERNET, scapy_ethernet),
    "ipv4": (Ipv4Packet(A4, B4, udp.PROTOCOL, b"payload"), IPV4, scapy_ipv4),
    "ipv4 fragment": (
        Ipv4Packet(A4, B4, 17, b"x" * 16, 1, 0xBEEF, Ipv4Flags.MORE_FRAGMENTS, 0x1FFF, dscp=46, ecn=3),
        IPV4,
        scapy_ipv4,
    ),
    "ipv4 options": (Ipv4Packet(A4, B4, 6, b"", 255, options=bytes.fromhex("94040000")), IPV4, scapy_ipv4),
    "ipv4 all options": (Ipv4Packet(A4, B4, 6, b"p", options=b"\x01" * 39 + b"\0"), IPV4, scapy_ipv4),
    "ipv4 reserved flag": (Ipv4Packet(A4, B4, 6, b"", flags=Ipv4Flags.RESERVED), IPV4, scapy_ipv4),
    "ipv6": (Ipv6Packet(A6, B6, tcp.PROTOCOL, b"payload"), IPV6, scapy_ipv6),
    "ipv6 all fields": (Ipv6Packet(A6, B6, 59, b"", 0, 0xABCDE, dscp=63, ecn=1), IPV6, scapy_ipv6),
    "udp4": (UdpDatagram(53, 65535, b"hello"), UDP4, partial(scapy_udp, ip=IP4)),
    "udp4 empty": (UdpDatagram(0, 1), UDP4, partial(scapy_udp, ip=IP4)),
    "udp4 no checksum": (UdpDatagram(53, 53, b"hello", has_checksum=False), UDP4, partial(scapy_udp, ip=IP4)),
    "udp6": (UdpDatagram(9001, 40000, b"odd"), UDP6, partial(scapy_udp, ip=IP6)),
    "tcp4 syn": (
        TcpSegment(40000, 80, 0xFFFFFFFF, 0, TcpFlags.SYN | TcpFlags.ECE | TcpFlags.CWR, 64240, options=SYN_OPTIONS),
        TCP4,
        partial(scapy_tcp, ip=IP4),
    ),
    "tcp4 data": (
        TcpSegment(1, 2, 3, 4, TcpFlags.ACK | TcpFlags.PSH, 5, b"GET /", ACK_OPTIONS[:3]),
        TCP4,
        partial(scapy_tcp, ip=IP4),
    ),
    "tcp4 sack": (TcpSegment(1, 2, 3, 4, TcpFlags.ACK, 5, options=SACK_OPTIONS), TCP4, partial(scapy_tcp, ip=IP4)),
    "tcp4 unknown option": (
        TcpSegment(1, 2, flags=TcpFlags.SYN, options=(UnknownOption(254, b"\xf9\x89ab"), UnknownOption(77))),
        TCP4,
        partial(scapy_tcp, ip=IP4),
    ),
    "tcp4 urgent": (
        TcpSegment(1, 2, 3, 4, TcpFlags.URG | TcpFlags.FIN, 0, b"!", (), 1),
        TCP4,
        partial(scapy_tcp, ip=IP4),
    ),
    "tcp6": (TcpSegment(1, 2, 3, 4, TcpFlags.RST, 5, b"six"), TCP6, partial(scapy_tcp, ip=IP6)),
}
samples = pytest.mark.parametrize(("sample", "codec", "scapy"), SAMPLES.values(), ids=SAMPLES.keys())

CHECKED = {name: sample for name, sample in SAMPLES.items() if name[:3] in ("udp", "tcp") and "no checksum" not in name}


# ---- whole


@samples
def test_scapy_has_the_same_bytes_and_they_decode(sample, codec, scapy):
    encode, decode = codec
    encoded = encode(sample)
    assert encoded.hex(" ") == scapy(sample).hex(" ")
    assert decode(encoded) == sample


def test_a_whole_stack_dissected_by_scapy():
    segment = TcpSegment(40000, 80, 7, 8, TcpFlags.ACK, 9, b"hi", ACK_OPTIONS[:3])
    packet = Ipv4Packet(A4, B4, tcp.PROTOCOL, tcp.encode(segment, A4, B4))
    frame = l2.Ether(ethernet.encode(EthernetFrame(MAC_B, MAC_A, EtherType.IPV4, ipv4.encode(packet))))
    assert (frame[inet.IP].src, frame[inet.IP].ttl, frame[inet.TCP].seq) == ("10.0.0.1", 64, 7)
    assert frame[inet.TCP].options == [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
    assert bytes(frame[Raw]) == b"hi"


ports = st.integers(0, 2**16 - 1)
numbers = st.sampled_from([0, 1, 2**31, 2**32 - 1]) | st.integers(0, 2**32 - 1)
payloads = st.binary(max_size=9)
families = st.sampled_from([(A4, B4, IP4), (A6, B6, IP6)])
options = st.lists(
    st.builds(NoOperation)
    | st.builds(MaximumSegmentSize, ports)
    | st.builds(WindowScale, st.integers(0, 255))
    | st.builds(SackPermitted)
    | st.builds(Sack, st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4).map(tuple))
    | st.builds(Timestamps, numbers, numbers)
    | st.builds(UnknownOption, st.sampled_from([6, 7, 9, 30, 34, 254, 255]), st.binary(max_size=6)),
    max_size=6,
).map(tuple)


@given(families, ports, ports, payloads, st.booleans())
def test_any_udp_datagram(family, source_port, destination_port, payload, has_checksum):
    source, destination, ip = family
    datagram = UdpDatagram(source_port, destination_port, payload, has_checksum or source.version == 6)
    encode, decode = over(udp, source, destination)
    assert encode(datagram) == scapy_udp(datagram, ip)
    assert decode(encode(datagram)) == datagram


@given(
    families,
    st.builds(TcpSegment, ports, ports, numbers, numbers, st.integers(0, 255).map(TcpFlags), ports, payloads, options),
)
def test_any_tcp_segment(family, segment):
    source, destination, ip = family
    encode, decode = over(tcp, source, destination)
    try:
        encoded = encode(segment)
    except LocalProtocolError as error:
        assert str(error).endswith("exceed 40 B")  # noqa: PT017  (many drawn option lists are too long: that is fine)
        return
    assert decode(encoded) == segment
    # scapy takes kind 34, TCP Fast Open, apart with a length rule of its own
    if not any(isinstance(o, UnknownOption) and o.kind != 254 for o in segment.options):
        assert encoded == scapy_tcp(segment, ip)


@given(
    st.builds(
        Ipv4Packet,
        st.just(A4),
        st.just(B4),
        st.integers(0, 255),
        payloads,
        st.integers(0, 255),
        ports,
        st.integers(0, 7).map(Ipv4Flags),
        st.integers(0, 2**13 - 1),
        st.integers(0, 63),
        st.integers(0, 3),
        st.integers(0, 10).map(lambda words: b"\x01" * (4 * words)),
    )
)
def test_any_ipv4_packet(packet):
    assert ipv4.encode(packet) == scapy_ipv4(packet)
    assert ipv4.decode(ipv4.encode(packet)) == packet


@given(
    st.builds(
        Ipv6Packet,
        st.integers(0, 2**128 - 1).map(IPv6Address),
        st.just(B6),
        st.integers(0, 255),
        payloads,
        st.integers(0, 255),
        st.integers(0, 2**20 - 1),
        st.integers(0, 63),
        st.integers(0, 3),
    )
)
def test_any_ipv6_packet(packet):
    assert ipv6.encode(packet) == scapy_ipv6(packet)
    assert ipv6.decode(ipv6.encode(packet)) == packet


# ---- damaged


@samples
def test_cut_at_every_length(sample, codec, scapy):
    encode, decode = codec
    encoded = encode(sample)
    cuts = range(ethernet.HEADER_LEN if isinstance(sample, EthernetFrame) else len(encoded))
    for cut in cuts:
        with pytest.raises(DecodeError) as caught:
            decode(encoded[:cut])
        assert 0 <= caught.value.offset <= len(encoded)


@samples
def test_with_a_trailer(sample, codec, scapy):
    encode, decode = codec
    encoded = encode(sample) + b"\0trailer"
    match sample:
        case EthernetFrame():  # padding cannot be told from payload: the header has no length
            assert decode(encoded) == msgspec.structs.replace(sample, payload=sample.payload + b"\0trailer")
        case TcpSegment():  # IP says how long a segment is; more bytes are damage, and the checksum says so
            with pytest.raises(DecodeError, match="checksum"):
                decode(encoded)
        case _:
            assert decode(encoded) == sample


@samples
def test_one_bit_flipped_at_each_place(sample, codec, scapy):
    encode, decode = codec
    encoded = encode(sample)
    for bit in range(8 * len(encoded)):
        damaged = bytearray(encoded)
        damaged[bit // 8] ^= 0x80 >> bit % 8
        try:
            decoded = decode(bytes(damaged))
        except DecodeError:
            continue
        # What no checksum covers: a frame, an IPv6 header, the payload of IP, UDP without a checksum.
        assert decoded != sample
        assert not isinstance(sample, TcpSegment)
        assert not isinstance(sample, Ipv4Packet) or bit >= 8 * (20 + len(sample.options))
        assert not (isinstance(sample, UdpDatagram) and sample.has_checksum)


@pytest.mark.parametrize(("sample", "codec", "scapy"), CHECKED.values(), ids=CHECKED.keys())
def test_a_wrong_address_is_noticed_and_a_wrong_checksum_can_be_let_through(sample, codec, scapy):
    encode, decode = codec
    encoded = encode(sample)
    elsewhere = IPv4Address("10.0.0.3") if decode.keywords["source"].version == 4 else IPv6Address("fd00::3")
    with pytest.raises(DecodeError) as caught:
        decode(encoded, destination=elsewhere)
    assert caught.value.field == "checksum"
    assert decode(encoded, destination=elsewhere, verify=False) == sample


@settings(max_examples=300)
@given(
    st.sampled_from([IPV4, IPV6, UDP4, UDP6, TCP4, TCP6, ETHERNET]), st.binary(max_size=80), st.sampled_from([0, 4, 6])
)
def test_noise_raises_only_decode_errors(codec, noise, version):
    _, decode = codec
    noise = bytes([version << 4 | 5]) + noise if version else noise
    for arguments in [{}] if codec in (IPV6, ETHERNET) else [{}, {"verify": False}]:
        try:
            decode(noise, **arguments)
        except DecodeError as error:
            assert 0 <= error.offset <= len(noise)  # noqa: PT017


@given(st.binary(max_size=40))
def test_noise_in_options_raises_only_decode_errors(noise):
    try:
        decoded = tcp.decode_options(noise)
    except DecodeError:
        return
    encoded = tcp.encode_options(decoded)
    assert encoded.rstrip(b"\0") == noise[: len(encoded)].rstrip(b"\0") or 0 in noise


def ipv4_with(at: int, value: bytes) -> bytes:
    """An IPv4 packet with some bytes replaced, and a header checksum that agrees with them."""
    raw = bytearray(ipv4.encode(Ipv4Packet(A4, B4, 17, b"payload")))
    raw[at : at + len(value)] = value
    raw[10:12] = bytes(2)
    header_length = (raw[0] & 15) * 4
    raw[10:12] = internet_checksum(bytes(raw[:header_length])).to_bytes(2, "big")
    return bytes(raw)


def tcp_with(options: str, *, data_offset: int | None = None) -> bytes:
    raw = bytes.fromhex(options)
    words = 5 + len(raw) // 4 if data_offset is None else data_offset
    header = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, words << 4, 0x10, 5, 0, 0) + raw
    checksum = internet_checksum(pseudo_header(A4, B4, 6, len(header)) + header)
    return header[:16] + checksum.to_bytes(2, "big") + header[18:]


def udp_with(length: int, checksum: int = 0) -> bytes:
    return struct.pack("!HHHH", 1, 2, length, checksum) + b"data"


DAMAGE = [
    # decoder, bytes, field, offset, rule
    (ethernet.decode, b"\xff" * 13, "header", 13, "RFC 894"),
    (ipv4.decode, b"E" * 19, "header", 19, "RFC 791 §3.1"),
    (ipv4.decode, ipv4_with(0, b"\x65"), "version", 0, "RFC 1122 §3.2.1.1"),
    (ipv4.decode, ipv4_with(0, b"\x44"), "IHL", 0, "RFC 791 §3.1"),
    (ipv4.decode, ipv4_with(0, b"\x4f"), "total length", 2, "RFC 791 §3.1"),
    (ipv4.decode, ipv4_with(2, b"\x00\x13"), "total length", 2, "RFC 791 §3.1"),
    (ipv4.decode, ipv4_with(2, b"\x00\x1c"), "total length", 2, "RFC 791 §3.1"),
    (ipv4.decode, ipv4_with(2, b"\x00\x1b")[:11] + b"\0" * 16, "header checksum", 10, "RFC 1122 §3.2.1.2"),
    (ipv6.decode, b"\x60" * 39, "header", 39, "RFC 8200 §3"),
    (ipv6.decode, b"\x40" + bytes(39), "version", 0, "RFC 8200 §3"),
    (ipv6.decode, b"\x60\0\0\0\0\x01" + bytes(34), "payload length", 4, "RFC 8200 §3"),
    (UDP4[1], b"1234567", "header", 7, "RFC 768"),
    (UDP4[1], udp_with(7), "length", 4, "RFC 768"),
    (UDP4[1], udp_with(13), "length", 4, "RFC 768"),
    (UDP4[1], udp_with(12, 1), "checksum", 6, "RFC 1122 §4.1.3.4"),
    (UDP6[1], udp_with(12), "checksum", 6, "RFC 8200 §8.1"),
    (TCP4[1], tcp_with("")[:19], "header", 19, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("", data_offset=4), "data offset", 12, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("", data_offset=6), "data offset", 12, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("")[:-1] + b"\1", "checksum", 16, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("01 02 00 00"), "options", 21, "RFC 9293 §3.1"),  # illegal option length zero
    (TCP4[1], tcp_with("01 01 fe 01"), "options", 22, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("01 01 01 fe"), "options", 23, "RFC 9293 §3.1"),  # no room for a length
    (TCP4[1], tcp_with("01 fe 04 00"), "options", 21, "RFC 9293 §3.1"),  # one byte beyond the header
    (TCP4[1], tcp_with("02 03 05 00"), "options", 20, "RFC 9293 §3.1"),  # a segment size of one byte
    (TCP4[1], tcp_with("03 04 05 00"), "options", 20, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("04 03 00 00"), "options", 20, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("05 02 00 00"), "options", 20, "RFC 9293 §3.1"),  # SACK without a block
    (TCP4[1], tcp_with("05 06 00 00 00 00 00 00"), "options", 20, "RFC 9293 §3.1"),
    (TCP4[1], tcp_with("08 06 00 00 00 00 00 00"), "options", 20, "RFC 9293 §3.1"),
]


@pytest.mark.parametrize(("decode", "data", "field", "offset", "rule"), DAMAGE)
def test_what_is_wrong_is_named_with_its_place_and_rule(decode, data, field, offset, rule):
    with pytest.raises(DecodeError) as caught:
        decode(data)
    assert (caught.value.field, caught.value.offset, caught.value.rule) == (field, offset, rule)


# ---- what the RFCs say in particular


def test_a_udp_checksum_that_comes_out_zero_is_sent_as_all_ones():
    probe = UDP4[0](UdpDatagram(1, 2, b"\0\0"))
    payload = probe[6:8]  # adding the checksum to what it covers makes the sum all ones, its complement zero
    encoded = UDP4[0](UdpDatagram(1, 2, payload))
    assert encoded[6:8] == b"\xff\xff"
    assert UDP4[1](encoded) == UdpDatagram(1, 2, payload)
    assert scapy_udp(UdpDatagram(1, 2, payload), IP4) == encoded


def test_a_tcp_checksum_of_zero_is_a_checksum():
    payload = TCP4[0](TcpSegment(1, 2, payload=b"\0\0"))[16:18]
    encoded = TCP4[0](TcpSegment(1, 2, payload=payload))
    assert encoded[16:18] == b"\0\0"
    assert TCP4[1](encoded).payload == payload


def test_a_udp_datagram_in_ipv6_without_checksum_is_shown_when_asked():
    assert not UDP6[1](udp_with(12), verify=False).has_checksum


def test_a_wrong_ipv4_header_checksum_is_let_through_when_asked():
    raw = bytearray(ipv4.encode(Ipv4Packet(A4, B4, 17, b"payload")))
    raw[10] ^= 1
    assert ipv4.decode(bytes(raw), verify=False) == Ipv4Packet(A4, B4, 17, b"payload")


def test_reserved_bits_of_tcp_are_ignored():
    raw = bytearray(tcp_with(""))
    raw[12] |= 0x0F
    assert tcp.decode(bytes(raw), A4, B4, verify=False) == TCP4[1](tcp_with(""))


def test_options_behind_the_end_of_the_list_are_padding():
    assert TCP4[1](tcp_with("01 00 02 04 05 b4 00 00")).options == (NoOperation(),)


def test_options_may_begin_anywhere():
    assert TCP4[1](tcp_with("01 02 04 05 b4 00 00 00")).options == (NoOperation(), MaximumSegmentSize(1460))


def test_an_option_by_its_type():
    segment = TcpSegment(1, 2, options=(*SYN_OPTIONS, MaximumSegmentSize(1)))
    assert segment.option(MaximumSegmentSize) == MaximumSegmentSize(1460)
    assert segment.option(Sack) is None


@pytest.mark.parametrize(
    "encode",
    [
        lambda: ethernet.encode(EthernetFrame(b"short", MAC_A, 0)),
        lambda: ethernet.encode(EthernetFrame(MAC_A, MAC_B + b"x", 0)),
        lambda: ethernet.encode(EthernetFrame(MAC_A, MAC_B, 2**16)),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 256)),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, bytes(65_516))),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, options=b"12")),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, options=bytes(44))),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, dscp=64)),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, ecn=4)),
        lambda: ipv4.encode(Ipv4Packet(A4, B4, 17, fragment_offset=2**13)),
        lambda: ipv4.encode(Ipv4Packet(A4, A6, 17)),
        lambda: ipv6.encode(Ipv6Packet(A6, B6, 17, bytes(65_536))),
        lambda: ipv6.encode(Ipv6Packet(A6, B6, 17, flow_label=2**20)),
        lambda: ipv6.encode(Ipv6Packet(A6, B6, 17, dscp=-1)),
        lambda: ipv6.encode(Ipv6Packet(A6, B6, 17, hop_limit=256)),
        lambda: ipv6.encode(Ipv6Packet(A4, B4, 17)),
        lambda: UDP4[0](UdpDatagram(2**16, 1)),
        lambda: UDP4[0](UdpDatagram(1, 1, bytes(65_528))),
        lambda: UDP6[0](UdpDatagram(1, 1, has_checksum=False)),
        lambda: udp.encode(UdpDatagram(1, 1), A4, B6),
        lambda: TCP4[0](TcpSegment(1, 1, 2**32)),
        lambda: TCP4[0](TcpSegment(1, 1, -1)),
        lambda: TCP4[0](TcpSegment(1, 1, window=2**16)),
        lambda: TCP4[0](TcpSegment(1, 1, payload=bytes(65_516))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(NoOperation(),) * 41)),
        lambda: TCP4[0](TcpSegment(1, 1, options=(MaximumSegmentSize(2**16),))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(WindowScale(256),))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(Sack(()),))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(Timestamps(-1, 0),))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(UnknownOption(2, b"ab"),))),
        lambda: TCP4[0](TcpSegment(1, 1, options=(UnknownOption(256),))),
    ],
)
def test_what_has_no_bytes_is_refused_at_once(encode):
    with pytest.raises(LocalProtocolError):
        encode()
