"""ARP: what is written is read back, in the bytes that RFC 826 draws; nothing but DecodeError escapes."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import ARP

from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.arp import NOBODY, REPLY, REQUEST, ArpPacket, decode, encode

ANN, BOB = bytes([2, 0, 0, 0, 0, 1]), bytes([2, 0, 0, 0, 0, 2])
QUESTION = ArpPacket(REQUEST, ANN, IPv4Address("10.0.0.1"), NOBODY, IPv4Address("10.0.0.2"))

packets = st.builds(
    ArpPacket,
    st.integers(0, 2**16 - 1),
    st.binary(min_size=6, max_size=6),
    st.ip_addresses(v=4),
    st.binary(min_size=6, max_size=6),
    st.ip_addresses(v=4),
)


def test_scapy_reads_the_same() -> None:
    seen = ARP(encode(QUESTION))
    assert (seen.op, seen.hwsrc, seen.psrc, seen.pdst) == (1, "02:00:00:00:00:01", "10.0.0.1", "10.0.0.2")
    answer = bytes(ARP(op=2, hwsrc=BOB, psrc="10.0.0.2", hwdst=ANN, pdst="10.0.0.1"))
    assert decode(answer) == ArpPacket(REPLY, BOB, IPv4Address("10.0.0.2"), ANN, IPv4Address("10.0.0.1"))


@given(packets, st.binary(max_size=20))
def test_round_trip_with_padding(packet: ArpPacket, padding: bytes) -> None:
    assert decode(encode(packet) + padding) == packet


@given(st.binary(max_size=40))
def test_only_decode_errors_escape(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        decode(data)


def test_what_is_not_ethernet_and_ipv4_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode(b"\0\6" + encode(QUESTION)[2:])
    with pytest.raises(LocalProtocolError):
        encode(ArpPacket(REQUEST, b"", IPv4Address(1), NOBODY, IPv4Address(2)))
