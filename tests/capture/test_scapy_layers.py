"""NetlabPacket in scapy: the same bytes as netlab's own codec, both ways, alone and several in a row."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from netlab.capture.scapy_layers import ChatEvent, NetlabData, NetlabPacket
from netlab.packets.packet import Packet, PacketType, decode_all, encode

EVENT = b'{"type":"leave","op":3,"room":"lobby"}'

packets = st.builds(
    Packet,
    st.binary(max_size=60) | st.just(EVENT),
    st.integers(0, 2**32 - 1),
    st.just(0),
    st.integers(1, 3),
    st.sampled_from(PacketType),
    st.none() | st.binary(min_size=8, max_size=8),
)


def as_scapy(packet: Packet) -> Raw:
    header = NetlabPacket(type=packet.type, index=packet.index, count=packet.count, id=packet.message_id)
    if packet.session is not None:
        header = NetlabPacket(
            type=packet.type,
            index=packet.index,
            count=packet.count,
            id=packet.message_id,
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
        found.append((again.type, again.id, again.count))
        again = again.payload if isinstance(again.payload, NetlabPacket) else again.payload.payload
    assert found == [(packet.type, packet.message_id, packet.count) for packet in several]


def test_length_and_crc_are_computed_again_when_deleted() -> None:
    packet = NetlabPacket(encode(Packet(EVENT)))
    packet.payload.text = b"{}"
    del packet.len, packet.crc
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
    assert raw.summary() == "netlab DATA 0x0 1/2 / NetlabData"
    assert NetlabPacket(encode(Packet(count=3, index=1))).summary() == "netlab DATA 0x0 2/3"


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
