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


def _seen_twice(protocol: int, data: bytes, number: int, at: Ns) -> list[Frame]:
    packet = ipv4.encode(Ipv4Packet(SENDER, RECEIVER, protocol, data, identification=number + 1))
    frame = ethernet.encode(EthernetFrame(bytes([2, 0, 0, 0, 0, 2]), bytes([2, 0, 0, 0, 0, 1]), EtherType.IPV4, packet))
    return [
        Frame("sender", at, frame, outbound=True),
        Frame("sender>receiver", at + DELAY, frame),
        Frame("receiver", at + DELAY, frame, outbound=False),
    ]
