"""Frames of a case that was not run on simulated hosts, as two hosts would send them: so that a ladder shows it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address

from netlab.course.check.verdict import Frame
from netlab.packets import ethernet, ipv4, tcp, udp
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Packet
from netlab.packets.tcp import TcpFlags, TcpSegment
from netlab.packets.udp import UdpDatagram
from netlab.units import MS, Ns

SENDER, RECEIVER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
PORT = 9000
DELAY: Ns = 10 * MS
EVERY: Ns = 20 * MS


def stream_frames(pieces: Sequence[bytes]) -> tuple[Frame, ...]:
    """A segment for each piece of a stream, seen where it is sent and where it comes."""
    frames: list[Frame] = []
    sequence_number = 1
    for number, piece in enumerate(pieces):
        segment = TcpSegment(49152, PORT, sequence_number, 1, TcpFlags.ACK | TcpFlags.PSH, 65535, piece)
        frames += _seen_twice(tcp.PROTOCOL, tcp.encode(segment, SENDER, RECEIVER), number, number * EVERY)
        sequence_number += len(piece)
    return tuple(frames)


def datagram_frames(payloads: Sequence[bytes]) -> tuple[Frame, ...]:
    """A datagram for each payload, seen where it is sent and where it comes."""
    frames: list[Frame] = []
    for number, payload in enumerate(payloads):
        datagram = udp.encode(UdpDatagram(49152, PORT, payload), SENDER, RECEIVER)
        frames += _seen_twice(udp.PROTOCOL, datagram, number, number * EVERY)
    return tuple(frames)


def framed_datagram(payload: bytes, source: IPv4Address, destination: IPv4Address, *, number: int) -> bytes:
    """A frame with one UDP datagram; `number` tells it from others that are alike."""
    datagram = udp.encode(UdpDatagram(PORT, PORT, payload), source, destination)
    return _frame(source, destination, udp.PROTOCOL, datagram, number)


def _frame(source: IPv4Address, destination: IPv4Address, protocol: int, data: bytes, number: int) -> bytes:
    packet = ipv4.encode(Ipv4Packet(source, destination, protocol, data, identification=number & 0xFFFF))
    from_, to = (bytes([2, 0, 0, 0, 0, int(address) & 0xFF]) for address in (source, destination))
    return ethernet.encode(EthernetFrame(to, from_, EtherType.IPV4, packet))


def _seen_twice(protocol: int, data: bytes, number: int, at: Ns) -> list[Frame]:
    frame = _frame(SENDER, RECEIVER, protocol, data, number + 1)
    return [
        Frame("sender", at, frame, outbound=True),
        Frame("sender>receiver", at + DELAY, frame),
        Frame("receiver", at + DELAY, frame, outbound=False),
    ]
