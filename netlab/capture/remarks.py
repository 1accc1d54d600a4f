"""What a header's numbers alone do not say: whether a checksum is right, what a flag means here, what is not whole.

Sentences for people. An unfilled checksum on loopback is named as what it is and not as an error: whoever captures
where packets are sent sees them before the network card has finished them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from zlib import crc32

from netlab.packets import tcp, udp
from netlab.packets.checksum import internet_checksum, ones_complement_sum, pseudo_header
from netlab.packets.packet import HEADER, HEADER_LEN, SESSION, SESSION_LEN

NO_ADDRESS = "00:00:00:00:00:00"
"""Of both ends of a frame on Linux's loopback."""


def remarks(kind: str, part: Any, below: list[Any], data: bytes, start: int, end: int) -> Iterator[str]:
    """What is to be said of one layer.

    Args:
        kind: the name of its scapy class.
        part: the layer, as scapy has it.
        below: the layers that carry it, the link's first.
        data: the whole packet; the layer is [start, end) of it.
    """
    match kind:
        case "Ether" if part.src == part.dst == NO_ADDRESS:
            yield "Linux puts an Ethernet header with zero addresses on loopback packets; no Ethernet is crossed."
        case "IP":
            header = data[start : start + part.ihl * 4]
            if ones_complement_sum(header) != 0xFFFF:
                right = internet_checksum(header[:10] + b"\0\0" + header[12:])
                yield f"The header checksum is wrong: {part.chksum:#06x}, {right:#06x} would be right."
            if part.flags.MF or part.frag:
                yield f"A fragment: its payload stands at byte {part.frag * 8} of the datagram it was cut from."
        case "TCP" | "UDP":
            yield from _checksum_note(kind, part, below, data, start, end)
        case "NetlabPacket":
            yield from _netlab_notes(part, data, start, end)
        case "NetlabData":
            yield "Not one whole message: a fragment of one, or what a handshake carries."
        case "Padding":
            yield "Behind the end of the packet above: the link has a shortest frame, and filled it up."


def _checksum_note(kind: str, part: Any, below: list[Any], data: bytes, start: int, end: int) -> Iterator[str]:
    """RFC 9293 §3.1, RFC 768 and RFC 8200 §8.1: over a pseudo-header, the header and the payload."""
    network = next((layer for layer in reversed(below) if type(layer).__name__ in ("IP", "IPv6")), None)
    ipv4 = type(network).__name__ == "IP"
    if network is None or (ipv4 and (network.flags.MF or network.frag)):
        return  # a fragment holds a part of what the checksum covers
    if kind == "UDP" and part.chksum == 0 and ipv4:
        yield "The sender put no checksum in: over IPv4 it may (RFC 768), over IPv6 it must not."
        return
    claimed = network.len - network.ihl * 4 if ipv4 else network.plen
    if claimed != end - start or end > len(data):
        return  # cut short by who captured, or behind headers that are not looked into here
    number, checksum_at = (tcp.PROTOCOL, 16) if kind == "TCP" else (udp.PROTOCOL, 6)
    pseudo = pseudo_header(ip_address(network.src), ip_address(network.dst), number, end - start)
    segment = data[start:end]
    if ones_complement_sum(pseudo + segment) == 0xFFFF:
        return
    right = internet_checksum(pseudo + segment[:checksum_at] + b"\0\0" + segment[checksum_at + 2 :])
    right = right or (0xFFFF if kind == "UDP" else 0)  # RFC 768: 0 says "none", so a sum of 0 is sent as all ones
    if part.chksum == ones_complement_sum(pseudo):
        yield (
            "The checksum is not filled in: it holds the sum of the pseudo-header only, and the network card is to do "
            f"the rest (checksum offload). Loopback has no card, and trusts itself. Filled in, it is {right:#06x}."
        )
    else:
        yield f"The checksum is wrong: {part.chksum:#06x}, {right:#06x} would be right."


def _netlab_notes(part: Any, data: bytes, start: int, end: int) -> Iterator[str]:
    body, size = start + HEADER_LEN, int(part.payload_length)
    if body + size > len(data) or end < body + size:
        yield f"It goes on in a later segment: {max(0, end - body)} of its {size} payload bytes are here."
    elif crc32(data[body : body + size], crc32(data[start : start + HEADER.byte("crc")])) != part.crc:
        yield "The CRC-32 is wrong: the packet was damaged on its way."
    if part.flags & SESSION and size >= SESSION_LEN:
        yield f"The first {SESSION_LEN} bytes behind the header say which session it belongs to."
    if part.fragment_count > 1:
        yield f"Fragment {part.fragment_index + 1} of {part.fragment_count} of message {part.message_id:#010x}."
