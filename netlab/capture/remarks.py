"""What a header's numbers alone do not say: whether a checksum is right, what a flag means here, what is not whole.

Sentences for people. An unfilled checksum on loopback is named as what it is and not as an error: whoever captures
where packets are sent sees them before the network card has finished them.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any
from zlib import crc32

from netlab.capture.field_names import NO_ADDRESS
from netlab.packets import tcp, udp
from netlab.packets.checksum import internet_checksum, ones_complement_sum, pseudo_header
from netlab.packets.packet import HEADER, HEADER_LEN, SESSION, SESSION_LEN

_UNSUMMED = {"IPv6ExtHdrFragment", "IPv6ExtHdrRouting", "IPv6ExtHdrSegmentRouting"}
"""Behind these, not all that the checksum covers is here, or it is made with an address that stands elsewhere."""


def is_later_fragment(part: Any) -> bool:
    """Whether a scapy layer is the header of a fragment other than the first."""
    kind = type(part).__name__
    return bool((kind in ("IP", "IPerror") and part.frag) or (kind == "IPv6ExtHdrFragment" and part.offset))


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
            if part.ihl > 5:
                yield f"{part.ihl * 4 - 20} bytes of options make the header longer than the usual 20."
        case "IPv6ExtHdrFragment":
            yield f"A fragment: its payload stands at byte {part.offset * 8} of what its sender cut."
        case "IPerror" | "IPerror6":
            yield "Quoted: the beginning of the packet that the ICMP message is about."
        case "Raw" if below and is_later_fragment(below[-1]):
            yield "A later piece of a datagram: what it belongs to is said in the first only."
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
    if ipv4:
        claimed = network.len - network.ihl * 4
    else:
        extensions = below[below.index(network) + 1 :]
        if any(type(layer).__name__ in _UNSUMMED for layer in extensions):
            return
        claimed = network.plen - sum(len(layer.raw_packet_cache or b"") for layer in extensions)
    if claimed != end - start or not start <= end <= len(data):
        return  # cut short by who captured, behind headers that are not looked into here, or damaged
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
