"""NetlabPacket in scapy: the same bytes as netlab's own codec, both ways, alone and several in a row."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Padding, Raw, fuzz
from scapy.sendrecv import sniff
from scapy.sessions import TCPSession
from scapy.utils import rdpcap, wrpcap

from netlab.capture.scapy_layers import ChatEvent, NetlabData, NetlabPacket, NetlabSession, RudpSegment
from netlab.packets import segment
from netlab.packets.packet import Packet, PacketType, decode_all, encode

EVENT = b'{"type":"leave","op":3,"room":"lobby"}'

packets = st.builds(
    Packet,
    st.binary(max_size=60) | st.just(EVENT),
    st.integers(0, 2**32 - 1),
    st.just(0),
    st.integers(1, 3),
    st.sampled_from([kind for kind in PacketType if kind is not PacketType.SEGMENT]),
    st.none() | st.binary(min_size=8, max_size=8),
)


def as_scapy(packet: Packet) -> Raw:
    header = NetlabPacket(
        type=packet.type, fragment_index=packet.index, fragment_count=packet.count, message_id=packet.message_id
    )
    if packet.session is not None:
        header = NetlabPacket(
            type=packet.type,
            fragment_index=packet.index,
            fragment_count=packet.count,
            message_id=packet.message_id,
            flags="SESSION",
            session=packet.session,
        )
    return header / NetlabData(data=packet.payload) if packet.payload else header


@given(st.lists(packets, min_size=1, max_size=4))
def test_builds_and_dissects_the_same_bytes_as_the_codec(several: list[Packet]) -> None:
    ours = b"".join(encode(packet) for packet in several)
    built = as_scapy(several[0])
    for packet in several[1:]:
        built = built / as_scapy(packet)
    assert bytes(built) == ours
    again = NetlabPacket(ours)
    assert bytes(again) == ours
    assert bytes(NetlabPacket(bytes(again))) == ours
    found = []
    while isinstance(again, NetlabPacket):
        found.append((again.type, again.message_id, again.fragment_count))
        again = again.payload if isinstance(again.payload, NetlabPacket) else again.payload.payload
    assert found == [(packet.type, packet.message_id, packet.count) for packet in several]


def test_length_and_crc_are_computed_again_when_deleted() -> None:
    packet = NetlabPacket(encode(Packet(EVENT)))
    packet.payload.text = b"{}"
    del packet.payload_length, packet.crc
    assert decode_all(bytes(packet)) == [Packet(b"{}")]


@pytest.mark.parametrize(("transport", "port"), [(TCP, 9000), (UDP, 9001)])
def test_is_found_by_its_port_and_by_how_it_begins(transport: type, port: int) -> None:
    data = encode(Packet(EVENT, 7)) + encode(Packet(type=PacketType.PONG))
    for ports in ({"sport": port, "dport": 5}, {"sport": 5, "dport": port}, {"sport": 40_000, "dport": 40_001}):
        found = IP(bytes(IP() / transport(**ports) / Raw(data)))
        assert [layer.__name__ for layer in found.layers()[2:]] == ["NetlabPacket", "ChatEvent", "NetlabPacket"]
        assert found[ChatEvent].event == {"type": "leave", "op": 3, "room": "lobby"}
        assert bytes(found)[-len(data) :] == data
    assert transport() / NetlabPacket() == transport(dport=port) / NetlabPacket()


@pytest.mark.parametrize("data", [b"", b"NL", b"GET / HTTP/1.1", encode(Packet(EVENT))[:19], b"NL\x20" + bytes(40)])
def test_what_does_not_begin_like_a_packet_is_raw_on_its_port_too(data: bytes) -> None:
    found = TCP(bytes(TCP(dport=9000) / Raw(data)))
    assert NetlabPacket not in found
    assert bytes(found.payload) == data


def test_a_packet_that_goes_on_in_the_next_segment_is_shown_as_far_as_it_is_here() -> None:
    whole = encode(Packet(EVENT, session=b"12345678"))
    for cut in range(20, len(whole)):
        found = NetlabPacket(whole[:cut])
        assert isinstance(found, NetlabPacket)
        assert ChatEvent not in found
        assert bytes(found) == whole[:cut]


def test_other_protocols_keep_their_packets() -> None:
    found = UDP(bytes(UDP(sport=53) / DNS(qd=DNSQR(qname="example.org"))))
    assert DNS in found


def test_a_message_is_shown_and_its_control_characters_are_escaped() -> None:
    found = NetlabPacket(encode(Packet(b'{"type":"\xe2\x80\xae"}')))
    assert isinstance(found.payload, ChatEvent)
    assert "\u202e" not in found.show(dump=True)
    assert "\\u202e" in found.show(dump=True)
    raw = NetlabPacket(encode(Packet(b"\x1b[2Jboo", count=2)))
    assert "\x1b" not in raw.show(dump=True)
    assert raw.summary() == "netlab data 00000000 1/2 / 7 B"
    assert NetlabPacket(encode(Packet(count=3, index=1))).summary() == "netlab data 00000000 2/3"


@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"a":"\xff"}', b"[" * 60_000, b"", b"\x00"])
def test_what_is_no_json_object_is_data(body: bytes) -> None:
    found = NetlabPacket(encode(Packet(body)))
    assert ChatEvent not in found
    assert bytes(found.payload) == body


def test_netlab_without_capture_does_not_import_scapy() -> None:
    source = """
import sys
import netlab, netlab.capture, netlab.capture.live, netlab.capture.files, netlab.capture.layers, netlab.cli.capture
import netlab.cli.layers, netlab.cli.doctor
for name in ("scapy", "numpy", "matplotlib", "rich"):
    assert name not in sys.modules, name
"""
    subprocess.run([sys.executable, "-c", source], check=True)


def test_importing_says_nothing() -> None:
    source = "import logging; logging.basicConfig(level=0)\nimport netlab.capture.scapy_layers"
    done = subprocess.run([sys.executable, "-W", "error", "-c", source], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_summary_shows_who_talks_to_whom_and_what_is_said() -> None:
    header = IP(src="127.0.0.1", dst="127.0.0.2") / UDP(sport=5, dport=9001)
    packet = header / Raw(encode(Packet(EVENT, 7)) + encode(Packet(b"x" * 600, 8, 1, 3)))
    said = "netlab data 00000007 / leave in lobby / netlab data 00000008 2/3 / 600 B"
    assert IP(bytes(packet)).summary() == f"IP / UDP 127.0.0.1:5 > 127.0.0.2:9001 / {said}"


@settings(max_examples=30)
@given(st.lists(packets, min_size=1, max_size=3))
def test_scapys_own_idiom_of_a_round_trip(several: list[Packet]) -> None:
    packet = IP(bytes(IP() / UDP(sport=40_000, dport=9001) / Raw(b"".join(map(encode, several)))))
    assert packet.__class__(bytes(packet)) == packet
    netlab = packet[NetlabPacket]
    assert netlab.__class__(bytes(netlab)) == netlab
    assert netlab.copy() == netlab


def test_fuzzed_packets_are_built_and_dissected() -> None:
    for _ in range(50):
        data = bytes(fuzz(NetlabPacket() / NetlabData(data=b"hello")))
        found = NetlabPacket(data)
        assert bytes(found) == data
        assert found.__class__(bytes(found)) == found


ranges = st.lists(st.integers(0, 2**32 - 1), max_size=6).map(lambda edges: tuple(edges[: len(edges) // 2 * 2]))


@given(
    number=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 15),
    edges=ranges,
    data=st.binary(max_size=40) | packets.map(encode),
)
def test_a_segment_of_rudp_is_the_codecs(number: int, flags: int, edges: tuple[int, ...], data: bytes) -> None:
    ours = segment.encode(segment.Segment(number, 3, 0, flags, 900, 2**20, 7, edges, data))
    datagram = encode(Packet(ours, type=PacketType.SEGMENT, session=b"sessions"))
    found = NetlabPacket(datagram)
    rudp = found[RudpSegment]
    assert (rudp.number, rudp.flags, tuple(rudp.ranges), rudp.offset) == (number, flags, edges, 900)
    assert bytes(rudp.payload) == data
    assert bytes(found) == datagram
    assert found.__class__(bytes(found)) == found
    header = NetlabPacket(type="segment", flags="SESSION", session=b"sessions")
    told = RudpSegment(
        number=number, settled=3, flags=flags, offset=900, max_data=2**20, ack_delay=7, ranges=list(edges)
    )
    assert bytes(header / told / NetlabData(data=data)) == datagram


def test_a_segment_of_rudp_shows_the_packets_that_begin_in_it() -> None:
    inner = encode(Packet(EVENT, 7)) + encode(Packet(b"x" * 600, 8))[:30]
    body = segment.encode(segment.Segment(17, 0, 0, 3, 0, 0, 0, (5, 9, 2, 2), inner))
    found = NetlabPacket(encode(Packet(body, type=PacketType.SEGMENT)))
    said = "netlab segment 00000000 / rudp 17 FIN acknowledges 5-9, 2 / netlab data 00000007 / leave in lobby"
    assert found.summary() == f"{said} / netlab data 00000008 / 10 B"


def segments(*pieces: bytes, port: int) -> list[IP]:
    """A connection from its first segment on, as scapy has it."""
    built = [IP() / TCP(sport=40_000, dport=port, seq=99, flags="S")]
    at = 100
    for piece in pieces:
        built.append(IP() / TCP(sport=40_000, dport=port, seq=at, flags="PA") / Raw(piece))
        at += len(piece)
    return [IP(bytes(one)) for one in built]


@pytest.mark.parametrize("port", [9000, 40_001])
@settings(max_examples=30)
@given(several=st.lists(packets, min_size=1, max_size=5), cuts=st.lists(st.integers(1, 300), max_size=6))
def test_a_session_puts_packets_that_span_segments_together(port: int, several: list[Packet], cuts: list[int]) -> None:
    stream = b"".join(map(encode, several))
    edges = [0, *sorted({cut for cut in cuts if 20 <= cut < len(stream)}), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    session = NetlabSession()
    whole = [found for one in segments(*pieces, port=port) if (found := session.process(one)) is not None]
    told = [layer for packet in whole for layer in packet.iterpayloads() if isinstance(layer, NetlabPacket)]
    assert [(packet.message_id, packet.payload_length) for packet in told] == [
        (packet.message_id, len(packet.payload) + 8 * (packet.session is not None)) for packet in several
    ]
    assert not any(Padding in packet for packet in whole)


def test_sniffing_a_file_with_scapys_own_session_too(tmp_path: Path) -> None:
    stream = encode(Packet(EVENT, 1)) + encode(Packet(EVENT, 2)) + encode(Packet(EVENT, 3))
    file = str(tmp_path / "x.pcap")
    wrpcap(file, [Ether() / one for one in segments(stream[:30], stream[30:100], stream[100:], port=9000)])
    for session in (TCPSession, NetlabSession):
        found = sniff(offline=file, session=session)
        assert [packet[NetlabPacket].message_id for packet in found if NetlabPacket in packet] == [1, 2]
        assert sum(packet.summary().count("netlab data") for packet in found) == 3
    assert [NetlabPacket in packet for packet in rdpcap(file)] == [False, True, False, False]
