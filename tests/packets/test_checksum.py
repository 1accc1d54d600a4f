"""The Internet checksum: RFC 1071's own example, scapy, and the sum as the RFC describes it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import checksum as scapy_checksum

from netlab.errors import LocalProtocolError
from netlab.packets.checksum import internet_checksum, is_intact, ones_complement_sum, pseudo_header


def sum_word_by_word(data: bytes) -> int:
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big")
        if total > 0xFFFF:
            total = (total & 0xFFFF) + 1  # the end-around carry
    return total


@pytest.mark.parametrize(
    ("data", "total"),
    [
        ("", 0),
        ("0001 f203 f4f5 f6f7", 0xDDF2),  # RFC 1071 §3
        ("0000 0000", 0),
        ("ffff", 0xFFFF),  # -0, not 0
        ("ffff ffff", 0xFFFF),
        ("0001 fffe", 0xFFFF),
        ("ff", 0xFF00),  # an odd byte is the upper one of its word
        ("0001 ff", 0xFF01),
        ("8000 8000", 1),
    ],
)
def test_sum(data, total):
    assert ones_complement_sum(bytes.fromhex(data)) == total
    assert internet_checksum(bytes.fromhex(data)) == 0xFFFF - total


words = st.lists(st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]) | st.integers(0, 0xFFFF), max_size=40).map(
    lambda values: b"".join(value.to_bytes(2, "big") for value in values)
)


@given(words | st.binary(max_size=99))
def test_against_the_words_of_the_rfc_and_against_scapy(data):
    assert ones_complement_sum(data) == sum_word_by_word(data)
    assert internet_checksum(data) == scapy_checksum(data)


@given(words, st.integers(0, 10**6))
def test_what_carries_its_checksum_is_intact_until_a_bit_changes(data, place):
    sent = internet_checksum(data).to_bytes(2, "big") + data
    assert is_intact(sent)
    damaged = bytearray(sent)
    damaged[place // 8 % len(sent)] ^= 1 << place % 8
    assert not is_intact(bytes(damaged))


def test_words_that_changed_places_go_unnoticed():
    assert internet_checksum(b"abcd") == internet_checksum(b"cdab")


def test_nothing_but_zeros_is_not_intact():
    assert not is_intact(bytes(20))


def test_pseudo_headers():
    assert pseudo_header(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), 17, 0x1234) == bytes.fromhex(
        "0a000001 0a000002 00 11 1234"
    )
    assert pseudo_header(IPv6Address("fd00::1"), IPv6Address("fd00::2"), 6, 0x12345) == bytes.fromhex(
        "fd000000000000000000000000000001 fd000000000000000000000000000002 00012345 000000 06"
    )


@pytest.mark.parametrize(
    ("source", "destination", "protocol", "length"),
    [
        ("10.0.0.1", "::1", 17, 8),
        ("10.0.0.1", "10.0.0.2", 17, 65_536),
        ("10.0.0.1", "10.0.0.2", 256, 8),
        ("::1", "::1", 17, 2**32),
    ],
)
def test_a_pseudo_header_that_cannot_be_is_refused(source, destination, protocol, length):
    with pytest.raises(LocalProtocolError):
        pseudo_header(ip_address(source), ip_address(destination), protocol, length)
