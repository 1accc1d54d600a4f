"""Packets taken apart: every bit of a header is in exactly one field, every byte of a packet in exactly one layer."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    RouterAlert,
)
from scapy.layers.l2 import ARP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Padding, Raw

from netlab.capture.byte_sums import said_in, sums
from netlab.capture.files import Capture, read
from netlab.capture.layers import _TITLES, Layer, dissect
from netlab.capture.models import OSI, PLACEMENTS, TCP_IP
from netlab.capture.recorded import names, recorded
from netlab.capture.summary import describe, netlab_parts, summarize
from netlab.cli.packet_lines import line_of
from netlab.errors import CaptureError
from netlab.packets import pcapng, segment
from netlab.packets.capture_record import Interface, LinkType, Record
from netlab.packets.packet import Packet, PacketType, encode
from netlab.packets.text import printable

EVENT = b'{"type":"emit","op":3,"event":"chat","to":["lobby"],"args":["hi"]}'
CHAT = encode(Packet(EVENT, 7, session=b"sessions")) + encode(Packet(b"x" * 600, 8, index=1, count=3))
RUDP = encode(
    Packet(
        segment.encode(segment.Segment(17, 4, 0, 1, 58, 99, 3, (5, 9, 2, 2), encode(Packet(EVENT, 7)))),
        type=PacketType.SEGMENT,
        session=b"sessions",
    )
)
ZERO = "00:00:00:00:00:00"
LO = {"src": ZERO, "dst": ZERO}
LAN = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
V6 = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IPv6(src="fe80::1", dst="fe80::2")
TCP_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 7)]

UDP_CHAT = bytes(Ether(**LO) / IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=5, dport=9001) / Raw(CHAT))
PACKETS = {
    "udp chat": UDP_CHAT,
    "tcp chat": bytes(Ether(**LAN) / IP() / TCP(dport=9000, flags="PA", options=[("Timestamp", (1, 2))]) / Raw(CHAT)),
    "syn": bytes(Ether(**LO) / IP() / TCP(flags="S", options=TCP_OPTIONS)),
    "tcp over ipv6": bytes(Ether(**LAN) / IPv6(src="::1", dst="::1") / TCP() / Raw(b"hello")),
    "udp over ipv6": bytes(Ether(**LAN) / IPv6(src="::1", dst="::1") / UDP(sport=9001) / Raw(CHAT)),
    "vlan": bytes(Ether(**LAN) / Dot1Q(vlan=5) / IP() / UDP() / Raw(b"x")),
    "arp": bytes(Ether(**LAN) / ARP()),
    "icmp": bytes(Ether(**LAN) / IP() / ICMP() / Raw(b"ping")),
    "padded": bytes(Ether(**LAN) / IP() / UDP(sport=1, dport=2) / Raw(b"x") / Padding(bytes(17))),
    "fragment": bytes(Ether(**LAN) / IP(flags="MF", frag=10, proto=17) / Raw(b"x" * 24)),
    "ip options": bytes(Ether(**LAN) / IP(options=[b"\x94\x04\x00\x00"]) / UDP() / Raw(b"x")),
    "two vlans": bytes(Ether(**LAN) / Dot1AD(vlan=3) / Dot1Q(vlan=5) / IP() / UDP(sport=1, dport=2) / Raw(b"x")),
    "ipv6 fragment": bytes(V6 / IPv6ExtHdrFragment(offset=0, m=1, id=7, nh=17) / UDP(sport=1, dport=2) / Raw(b"x" * 8)),
    "later ipv6 fragment": bytes(V6 / IPv6ExtHdrFragment(offset=6, m=0, id=7, nh=17) / Raw(b"x" * 8)),
    "ipv6 extensions": bytes(
        V6 / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / IPv6ExtHdrDestOpt() / TCP(sport=1, dport=2) / Raw(b"x")
    ),
    "ipv6 routing": bytes(V6 / IPv6ExtHdrRouting(addresses=["::5"]) / TCP(sport=1, dport=2)),
    "neighbour": bytes(V6 / ICMPv6ND_NS(tgt="fe80::2") / ICMPv6NDOptSrcLLAddr()),
    "unreachable": bytes(
        Ether(**LAN) / IP() / ICMP(type=3, code=3) / IPerror(src="1.2.3.4") / UDPerror(sport=5, dport=6) / Raw(b"x")
    ),
    "sack": bytes(Ether(**LAN) / IP() / TCP(options=[("NOP", None), ("NOP", None), ("SAck", (1, 2, 3, 4))])),
    "igmp": bytes(Ether(**LAN) / IP(proto=2) / Raw(b"\x16\x00\x09\x04\xe4\x00\x00\xfb")),
    "rudp": bytes(Ether(**LO) / IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=5, dport=9002) / Raw(RUDP)),
    "unknown": bytes(Ether(type=0x1234, **LAN) / Raw(b"what is this")),
    "nothing": b"",
}


def layer(layers: list[Layer], protocol: str) -> Layer:
    return next(found for found in layers if found.protocol == protocol)


def bits_of(found: Layer) -> list[int]:
    taken = []
    for field in found.fields:
        first, count = field.bits or (0, (field.end - field.start) * 8)
        taken += range(field.start * 8 + first, field.start * 8 + first + count)
    return taken


@pytest.mark.parametrize("name", PACKETS)
def test_every_bit_of_a_header_is_in_one_field_and_every_byte_in_one_layer(name: str) -> None:
    data = PACKETS[name]
    layers = dissect(data)
    owned: list[int] = []
    for found in layers:
        assert 0 <= found.start <= found.payload_start <= found.end <= len(data)
        if found.header_len:
            assert bits_of(found) == list(range(found.start * 8, found.payload_start * 8))
            owned += range(found.start, found.payload_start)
        else:
            owned += range(found.start, found.end)
    assert sorted(owned) == list(range(len(data)))
    total = sums(layers, data)
    assert total.header + total.envelope + total.text + total.other == len(data)


def test_a_chat_message_over_udp_from_the_link_to_what_was_said() -> None:
    layers = dissect(UDP_CHAT)
    assert [(found.protocol, found.pdu, found.osi, found.tcp_ip) for found in layers] == [
        ("Loopback", "frame", "2 Data Link", "Link"),
        ("IPv4", "packet", "3 Network", "Internet"),
        ("UDP", "datagram", "4 Transport", "Transport"),
        ("netlab packet", "packet", "7 Application", "Application"),
        ("chat event", "message", "7 Application", "Application"),
        ("netlab packet", "packet", "7 Application", "Application"),
        ("data", "data", "7 Application", "Application"),
    ]
    at = [(found.start, found.payload_start, found.end) for found in layers]
    chat_end = 42 + 28 + len(EVENT)
    assert at[:5] == [
        (0, 14, len(UDP_CHAT)),
        (14, 34, len(UDP_CHAT)),
        (34, 42, len(UDP_CHAT)),
        (42, 70, chat_end),
        (70, 70, chat_end),
    ]
    assert at[5:] == [(chat_end, chat_end + 20, len(UDP_CHAT)), (chat_end + 20, chat_end + 20, len(UDP_CHAT))]
    total = sums(layers, UDP_CHAT)
    assert total.headers == {"Loopback": 14, "IPv4": 20, "UDP": 8, "netlab packet": 48}
    assert (total.text, total.envelope, total.other) == (4, len(EVENT) - 4, 600)
    assert "Fragment 2 of 3 of message 0x00000008." in layers[5].notes


def test_fields_have_their_names_values_and_places() -> None:
    layers = dissect(UDP_CHAT)
    table = [
        # layer         field                 value         shown                     bytes     bits
        ("Loopback", "EtherType", 0x0800, "0x0800 IPv4", (12, 14), None),
        ("IPv4", "version", 4, "4", (14, 15), (0, 4)),
        ("IPv4", "header length (IHL)", 5, "5 = 20 bytes", (14, 15), (4, 4)),
        ("IPv4", "fragment offset", 0, "0 = byte 0", (20, 22), (3, 13)),
        ("IPv4", "protocol", 17, "17 UDP", (23, 24), None),
        ("IPv4", "source address", "127.0.0.1", "127.0.0.1", (26, 30), None),
        ("UDP", "destination port", 9001, "9001", (36, 38), None),
        ("netlab packet", "type", 0, "0 data", (44, 45), (4, 4)),
        ("netlab packet", "flags", 1, "SESSION", (45, 46), None),
        ("netlab packet", "message id", 7, "0x00000007", (54, 58), None),
        ("netlab packet", "session token", b"sessions".hex(), b"sessions".hex(" "), (62, 70), None),
    ]
    for protocol, name, value, shown, span, bits in table:
        field = layer(layers, protocol).field(name)
        assert field is not None, name
        assert (field.value, field.shown, (field.start, field.end), field.bits) == (value, shown, span, bits)


def test_tcp_flags_and_options_are_as_rfc_9293_draws_them() -> None:
    found = layer(dissect(PACKETS["syn"]), "TCP")
    flags, reserved, options = (found.field(name) for name in ("control bits", "reserved", "options"))
    assert flags
    assert (flags.shown, flags.start, flags.end, flags.bits) == ("SYN", 47, 48, None)
    assert reserved
    assert (reserved.start, reserved.bits) == (46, (4, 4))
    assert options
    assert options.shown == (
        "maximum segment size 1460; SACK permitted; timestamps 1, echoing 2; no operation; window scale 7"
    )


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("two vlans", "Ethernet/VLAN tag/VLAN tag/IPv4/UDP/data"),
        ("fragment", "Ethernet/IPv4/fragment"),
        ("ipv6 fragment", "Ethernet/IPv6/IPv6 fragment header/UDP/data"),
        ("later ipv6 fragment", "Ethernet/IPv6/IPv6 fragment header/fragment"),
        ("ipv6 extensions", "Ethernet/IPv6/IPv6 hop-by-hop options/IPv6 destination options/TCP/data"),
        ("ipv6 routing", "Ethernet/IPv6/IPv6 routing header/TCP"),
        ("neighbour", "Ethernet/IPv6/ICMPv6/ICMPv6 option"),
        ("unreachable", "Ethernet/IPv4/ICMP/quoted IPv4/quoted UDP/data"),
        ("icmp", "Ethernet/IPv4/ICMP/data"),
        ("igmp", "Ethernet/IPv4/IGMP"),
        ("rudp", "Loopback/IPv4/UDP/netlab packet/rudp segment/netlab packet/chat event"),
        ("arp", "Ethernet/ARP"),
    ],
)
def test_what_a_packet_is_made_of(name: str, protocols: str) -> None:
    layers = dissect(PACKETS[name])
    assert "/".join(found.protocol for found in layers) == protocols
    for found in layers:
        assert found.protocol == "data" or found.tcp_ip, found.protocol


def test_rudps_header_has_its_fields() -> None:
    found = layer(dissect(PACKETS["rudp"]), "rudp segment")
    table = [("packet number", "17"), ("flags", "ELICITS"), ("stream offset", "58"), ("ack delay", "3 x 8 us")]
    for name, shown in [*table, ("acknowledged ranges", "5-9, 2"), ("ack ranges", "2")]:
        field = found.field(name)
        assert field is not None, name
        assert field.shown == shown
    assert (found.start, found.header_len) == (42 + 28, 36)
    assert [str(part) for part in summarize(record(PACKETS["rudp"])).netlab] == [
        f"segment 17 acknowledges 5-9, 2 bytes 58 to {58 + 20 + len(EVENT) - 1}",
        "data 00000007 emit chat to lobby: 'hi'",
    ]


def test_data_is_application_data_only_where_a_transport_carries_it() -> None:
    assert layer(dissect(PACKETS["icmp"]), "data").osi == ""
    assert layer(dissect(PACKETS["two vlans"]), "data").osi == "7 Application"


def test_fragments_and_options_are_spoken_of() -> None:
    table = [
        ("fragment", "IPv4", "A fragment: its payload stands at byte 80 of the datagram it was cut from."),
        (
            "later ipv6 fragment",
            "IPv6 fragment header",
            "A fragment: its payload stands at byte 48 of what its sender cut.",
        ),
        (
            "later ipv6 fragment",
            "fragment",
            "A later piece of a datagram: what it belongs to is said in the first only.",
        ),
        ("ip options", "IPv4", "4 bytes of options make the header longer than the usual 20."),
        ("unreachable", "quoted IPv4", "Quoted: the beginning of the packet that the ICMP message is about."),
    ]
    for name, protocol, note in table:
        assert note in layer(dissect(PACKETS[name]), protocol).notes
    sack = layer(dissect(PACKETS["sack"]), "TCP").field("options")
    assert sack
    assert sack.shown == "no operation; no operation; SACK 1-2, 3-4"


class TestChecksums:
    DATAGRAM = Ether(**LO) / IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=5, dport=6) / Raw(b"hello")

    def notes(self, data: bytes, protocol: str) -> str:
        return " ".join(layer(dissect(data), protocol).notes)

    def test_that_are_right_are_not_spoken_of(self) -> None:
        for data in (bytes(self.DATAGRAM), PACKETS["tcp over ipv6"], PACKETS["udp over ipv6"]):
            assert "hecksum" not in str([found.notes for found in dissect(data)])

    @pytest.mark.parametrize("network", [IP(src="127.0.0.1", dst="127.0.0.1"), IPv6(src="::1", dst="::1")])
    @pytest.mark.parametrize(("transport", "at"), [(TCP(), 16), (UDP(), 6)])
    def test_left_to_the_network_card_are_named_as_that(self, network: Any, transport: Any, at: int) -> None:
        data = bytearray(bytes(Ether(**LO) / network / transport / Raw(b"hello")))
        start = 14 + len(network)
        right = int.from_bytes(data[start + at : start + at + 2], "big")
        data[start + at : start + at + 2] = bytes(2)
        addresses = bytes(network)[12:20] if network.version == 4 else bytes(network)[8:40]
        length, number = len(data) - start, 6 if at == 16 else 17
        pseudo = addresses + length.to_bytes(4, "big") + number.to_bytes(4, "big")
        partial = sum(int.from_bytes(pseudo[i : i + 2], "big") for i in range(0, len(pseudo), 2))
        partial = (partial & 0xFFFF) + (partial >> 16)
        data[start + at : start + at + 2] = partial.to_bytes(2, "big")
        note = self.notes(bytes(data), "TCP" if at == 16 else "UDP")
        assert "not filled in" in note
        assert f"{right:#06x}" in note
        assert "wrong" not in note

    def test_behind_extension_headers_are_judged(self) -> None:
        data = bytearray(PACKETS["ipv6 extensions"])
        assert self.notes(bytes(data), "TCP") == ""
        data[-1] ^= 1
        assert "The checksum is wrong" in self.notes(bytes(data), "TCP")
        assert "hecksum" not in self.notes(PACKETS["ipv6 fragment"], "UDP")

    def test_that_are_wrong_say_what_would_be_right(self) -> None:
        data = bytearray(bytes(self.DATAGRAM))
        right = int.from_bytes(data[40:42], "big")
        data[40] ^= 1
        assert f"{right:#06x} would be right" in self.notes(bytes(data), "UDP")
        data[24] ^= 1
        assert "header checksum is wrong" in self.notes(bytes(data), "IPv4")

    def test_udp_may_have_none(self) -> None:
        data = bytearray(bytes(self.DATAGRAM))
        data[40:42] = bytes(2)
        assert "put no checksum in" in self.notes(bytes(data), "UDP")

    def test_of_a_packet_that_was_cut_or_fragmented_are_not_judged(self) -> None:
        assert "hecksum" not in self.notes(bytes(self.DATAGRAM)[:-2], "UDP")
        first = bytes(Ether(**LAN) / IP(flags="MF") / UDP(len=99, chksum=1) / Raw(b"x" * 24))
        assert "hecksum" not in self.notes(first, "UDP")

    def test_a_damaged_netlab_packet_is_named(self) -> None:
        data = bytearray(UDP_CHAT)
        data[75] ^= 1
        assert "CRC-32 is wrong" in self.notes(bytes(data), "netlab packet")


def test_a_netlab_packet_that_goes_on_in_the_next_segment() -> None:
    data = bytes(Ether(**LAN) / IP() / TCP(dport=9000) / Raw(CHAT[:50]))
    assert "It goes on in a later segment: 30 of its 74 payload bytes are here." in dissect(data)[3].notes


@pytest.mark.parametrize(
    ("linktype", "packet", "first"),
    [
        (LinkType.NULL, Loopback(type=2) / IP() / UDP(), "Loopback"),
        (LinkType.RAW, IP() / UDP(), "IPv4"),
        (LinkType.RAW, IPv6() / UDP(), "IPv6"),
        (LinkType.LINUX_SLL, CookedLinux(proto=0x0800) / IP() / UDP(), "Linux cooked"),
        (LinkType.LINUX_SLL2, CookedLinuxV2(proto=0x0800) / IP() / UDP(), "Linux cooked"),
        (LinkType.NULL, Raw(b"\0\0\0\x02") / IP() / UDP(), "Loopback"),
        (LinkType.NULL, Raw(b"\x1e\0\0\0") / IPv6() / UDP(), "Loopback"),
        (LinkType.LOOP, Raw(b"\0\0\0\x18") / IPv6() / UDP(), "Loopback"),
        (147, Raw(b"a link type of one's own"), "data"),
    ],
)
def test_other_links(linktype: int, packet: Any, first: str) -> None:
    layers = dissect(bytes(packet), linktype)
    assert layers[0].protocol == first
    if first != "data":
        assert layers[-1].protocol == "UDP"
        assert summarize(record(bytes(packet), linktype)).protocol == "UDP"


def record(data: bytes, linktype: int = 1, original_len: int | None = None) -> Record:
    return Record(1, Interface("lo", linktype, 0), 5, data, len(data) if original_len is None else original_len)


ANY_LINK = st.sampled_from([*LinkType, 147])


@settings(max_examples=300)
@given(st.binary(max_size=80), ANY_LINK)
@example(b"\x45" + bytes(19), LinkType.RAW)
@example(b"\x60" + bytes(39), LinkType.RAW)
def test_no_bytes_raise(data: bytes, linktype: int) -> None:
    for found in dissect(data, linktype):
        assert all(printable(field.shown) == field.shown for field in found.fields)
    summarize(record(data, linktype))
    summarize(record(data, linktype, 2**32 - 1))


@settings(max_examples=300)
@given(st.sampled_from([name for name in PACKETS if name != "nothing"]), st.data())
def test_no_flipped_bit_and_no_cut_raises(name: str, data: st.DataObject) -> None:
    packet = bytearray(PACKETS[name])
    bit = data.draw(st.integers(0, len(packet) * 8 - 1))
    packet[bit // 8] ^= 1 << bit % 8
    cut = bytes(packet[: data.draw(st.integers(0, len(packet)))])
    for found in dissect(cut):
        assert 0 <= found.start <= found.payload_start <= found.end <= max(len(cut), 0)
    summarize(record(cut))


class TestSummary:
    def test_of_a_chat_over_udp(self) -> None:
        found = summarize(record(UDP_CHAT))
        assert (found.source, found.source_port, found.destination, found.destination_port) == (
            "127.0.0.1",
            5,
            "127.0.0.1",
            9001,
        )
        assert (found.protocol, found.length, found.payload_len) == ("UDP", len(UDP_CHAT), len(CHAT))
        assert [str(part) for part in found.netlab] == [
            "data 00000007 emit chat to lobby: 'hi'",
            "data 00000008 2/3",
        ]

    def test_of_a_packet_of_which_only_the_beginning_was_captured(self) -> None:
        found = summarize(record(UDP_CHAT[:80], original_len=len(UDP_CHAT)))
        assert (found.protocol, found.length, found.payload_len) == ("UDP", len(UDP_CHAT), len(CHAT))
        assert [part.whole for part in found.netlab] == [False]

    @pytest.mark.parametrize(
        ("name", "protocol"),
        [
            ("arp", "ARP"),
            ("icmp", "ICMP"),
            ("fragment", "UDP fragment"),
            ("vlan", "UDP"),
            ("unknown", "EtherType 0x1234"),
            ("two vlans", "UDP"),
            ("ipv6 extensions", "TCP"),
            ("ipv6 routing", "TCP"),
            ("ipv6 fragment", "UDP fragment"),
            ("later ipv6 fragment", "UDP fragment"),
            ("neighbour", "ICMPv6"),
            ("igmp", "IGMP"),
        ],
    )
    def test_of_other_protocols(self, name: str, protocol: str) -> None:
        assert summarize(record(PACKETS[name])).protocol == protocol

    @pytest.mark.parametrize(
        ("name", "icmp"),
        [
            ("icmp", "echo request"),
            ("unreachable", "destination unreachable: port unreachable"),
            ("neighbour", "neighbor solicitation"),
            ("arp", ""),
        ],
    )
    def test_of_icmp_it_says_what_it_is(self, name: str, icmp: str) -> None:
        found = summarize(record(PACKETS[name]))
        assert found.icmp == icmp
        assert icmp in line_of(found, 0)

    def test_of_damage(self) -> None:
        assert "total length" in summarize(record(UDP_CHAT[:50])).damaged

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            (b'{"type":"ping"}', "ping"),
            (b'{"type":"message","rooms":{"lobby":3},"name":"ann","event":"chat","args":["\\u001b[2J"]}', None),
            (b'{"type":"result","op":1,"status":"failed","code":"name_taken"}', "result failed name_taken"),
            (b'{"type":7}', ""),
            (b"[1]", ""),
            (b"{", ""),
            (b"[" * 100_000, ""),
            (b'{"type":"emit","args":[{"a":1}]}', 'emit: {"a":1}'),
            (b'{"type":"' + b"x" * 500 + b'"}', "x" * 59 + "…"),
        ],
    )
    def test_of_an_event(self, event: bytes, words: str | None) -> None:
        said = describe(event)
        assert printable(said) == said
        assert "\x1b" not in said
        if words is not None:
            assert said == words

    def test_of_types_not_known(self) -> None:
        packet = bytearray(encode(Packet(type=PacketType.ERROR)))
        packet[2] = 0x1F
        assert [str(part) for part in netlab_parts(bytes(packet))] == ["type 15 00000000"]


def test_what_was_said() -> None:
    assert said_in(EVENT) == b'"hi"'
    assert said_in(b'{"type":"ping"}') == b""
    assert said_in(b"{") == b""
    assert said_in(b"[" * 100_000) == b""


class TestModels:
    def test_every_placement_is_in_both_models_and_has_a_source(self) -> None:
        for name, placement in PLACEMENTS.items():
            assert placement.protocol == name
            assert set(placement.osi) <= {found.number for found in OSI}
            assert placement.tcp_ip in {found.name for found in TCP_IP}
            assert placement.source
            assert placement.contested is None or placement.contested.endswith(".")

    def test_the_numbers_of_layers(self) -> None:
        assert [found.number for found in OSI] == [1, 2, 3, 4, 5, 6, 7]
        assert [found.name for found in TCP_IP] == ["Link", "Internet", "Transport", "Application"]

    @pytest.mark.parametrize("name", ["ARP", "ICMP", "TLS", "QUIC", "WebSocket", "Socket.IO", "netlab packet"])
    def test_contested_ones_say_why(self, name: str) -> None:
        assert PLACEMENTS[name].contested


def write(path: Path, packets: list[bytes], *, name: str = "lo") -> Path:
    blocks = [pcapng.enhanced_packet(0, 10**9 * n, data) for n, data in enumerate(packets)]
    path.write_bytes(pcapng.section_header() + pcapng.interface(name) + b"".join(blocks))
    return path


class TestFiles:
    @pytest.fixture
    def capture(self, tmp_path: Path) -> Capture:
        return read(write(tmp_path / "x.pcapng", [PACKETS["syn"], UDP_CHAT]))

    def test_packets_are_numbered_from_one(self, capture: Capture) -> None:
        assert len(capture) == 2
        assert [packet.record.number for packet in capture] == [1, 2]
        assert capture.packet(2).record.data == UDP_CHAT
        for number in (0, 3, -1):
            with pytest.raises(CaptureError, match=f"has no packet {number}: they are 1 to 2"):
                capture.packet(number)

    def test_a_packet_is_taken_apart_and_is_scapys_too(self, capture: Capture) -> None:
        packet = capture.packet(2)
        assert packet.layers == dissect(UDP_CHAT)
        assert packet.scapy[UDP].dport == 9001
        assert packet.sums.text == 4
        assert packet.summary.protocol == "UDP"
        assert repr(packet) == f"<packet 2: UDP, {len(UDP_CHAT)} B>"

    def test_one_that_is_cut_short_is_read_to_its_last_whole_packet(self, tmp_path: Path) -> None:
        file = write(tmp_path / "x.pcapng", [UDP_CHAT, UDP_CHAT])
        file.write_bytes(file.read_bytes()[:-3])
        capture = read(file)
        assert len(capture) == 1
        assert capture.ends_early is not None
        assert "cut short" in capture.ends_early

    @pytest.mark.parametrize("content", [b"", b"hello, this is no capture", b"\x0a\x0d\x0d\x0a" + bytes(40)])
    def test_one_that_is_none_is_refused_by_name(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(CaptureError, match=str(tmp_path / "x")) as caught:
            read(tmp_path / "x")
        assert caught.value.offset is not None

    def test_one_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        for path in (tmp_path / "missing", tmp_path):
            with pytest.raises(CaptureError, match=str(path)):
                read(path)

    def test_recorded_ones(self) -> None:
        with pytest.raises(CaptureError, match="no capture 'nothing' is recorded"):
            recorded("nothing")
        for name in names():
            assert len(recorded(name)) > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_finds_the_same_fields_at_the_same_bytes(tmp_path: Path) -> None:
    """tshark -T json -x gives, for each field, [hex, position, length, bit mask, type]."""
    names = {
        "ip.src": ("IPv4", "source address"),
        "ip.dst": ("IPv4", "destination address"),
        "ip.ttl": ("IPv4", "time to live"),
        "ip.proto": ("IPv4", "protocol"),
        "ip.len": ("IPv4", "total length"),
        "ip.id": ("IPv4", "identification"),
        "ip.checksum": ("IPv4", "header checksum"),
        "ipv6.plen": ("IPv6", "payload length"),
        "ipv6.nxt": ("IPv6", "next header"),
        "ipv6.hlim": ("IPv6", "hop limit"),
        "ipv6.src": ("IPv6", "source address"),
        "udp.srcport": ("UDP", "source port"),
        "udp.length": ("UDP", "length"),
        "udp.checksum": ("UDP", "checksum"),
        "tcp.dstport": ("TCP", "destination port"),
        "tcp.seq_raw": ("TCP", "sequence number"),
        "tcp.ack_raw": ("TCP", "acknowledgment number"),
        "tcp.window_size_value": ("TCP", "window"),
        "tcp.urgent_pointer": ("TCP", "urgent pointer"),
        "tcp.options": ("TCP", "options"),
    }
    packets = [PACKETS[name] for name in ("udp chat", "tcp chat", "syn", "tcp over ipv6", "udp over ipv6", "vlan")]
    capture = read(write(tmp_path / "x.pcapng", packets))
    command = ["tshark", "-r", str(capture.path), "-T", "json", "-x"]
    told = subprocess.run(
        command, capture_output=True, check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    )
    compared = 0
    for packet, theirs in zip(capture, json.loads(told.stdout), strict=True):
        flat: dict[str, Any] = {}
        for protocol in theirs["_source"]["layers"].values():
            if isinstance(protocol, dict):
                flat |= protocol
        for key, (protocol_name, name) in names.items():
            if f"{key}_raw" in flat:
                field = layer(packet.layers, protocol_name).field(name)
                assert field is not None
                _hex, position, length, *_ = flat[f"{key}_raw"]
                assert (field.start, field.end) == (position, position + length), key
                assert packet.record.data[field.start : field.end].hex() == _hex
                compared += 1
    assert compared > 50


def test_every_protocol_that_a_layer_may_be_called_has_its_place_in_the_models() -> None:
    for title in _TITLES.values():
        assert title.removeprefix("quoted ").removesuffix(" (continued)") in PLACEMENTS, title
