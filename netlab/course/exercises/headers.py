"""Exercise 01: where one header ends and the next begins.

`take_apart(frame)` is given the bytes of an Ethernet frame and returns its parts in order, each with its length in
bytes: `[("Ethernet", 14), ("IPv4", 20), ("UDP", 8), ("payload", 2)]`. The names are Ethernet, IPv4, IPv6, TCP, UDP,
payload, and padding. A part of no bytes is left out.

Source: RFC 791 §3.1 (IHL, total length), RFC 8200 §3 (IPv6), RFC 9293 §3.1 (data offset), RFC 768.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint, Frame
from netlab.packets import ethernet, ipv4, ipv6, tcp, udp
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Packet
from netlab.packets.ipv6 import Ipv6Packet
from netlab.packets.tcp import TcpFlags, TcpSegment, Timestamps
from netlab.packets.udp import UdpDatagram

SMALLEST_FRAME = 60
"""Bytes of the smallest Ethernet frame without its checksum: shorter ones are padded."""

Parts = list[tuple[str, int]]


class Wrapped(msgspec.Struct, frozen=True):
    """How a payload is wrapped."""

    transport: Literal["UDP", "TCP"]
    payload: bytes
    version: Literal[4, 6] = 4
    ip_options: int = 0
    tcp_options: bool = False
    padded: bool = False

    @property
    def made(self) -> tuple[bytes, Parts]:
        """The frame, and its parts."""
        if self.version == 4:
            source: Any = IPv4Address("10.0.0.1")
            destination: Any = IPv4Address("10.0.0.2")
        else:
            source, destination = IPv6Address("fd00::1"), IPv6Address("fd00::2")
        if self.transport == "UDP":
            body = udp.encode(UdpDatagram(49152, 9001, self.payload), source, destination)
            header = udp.HEADER_LEN
        else:
            options = (Timestamps(1, 2),) if self.tcp_options else ()
            segment = TcpSegment(49152, 9000, 1, 1, TcpFlags.ACK | TcpFlags.PSH, 65535, self.payload, options)
            body = tcp.encode(segment, source, destination)
            header = len(body) - len(self.payload)
        protocol = udp.PROTOCOL if self.transport == "UDP" else tcp.PROTOCOL
        if self.version == 4:
            packet = ipv4.encode(
                Ipv4Packet(source, destination, protocol, body, options=bytes([1] * 4 * self.ip_options))
            )
            network, kind = ("IPv4", len(packet) - len(body)), EtherType.IPV4
        else:
            packet = ipv6.encode(Ipv6Packet(source, destination, protocol, body))
            network, kind = ("IPv6", len(packet) - len(body)), EtherType.IPV6
        frame = ethernet.encode(EthernetFrame(bytes([2, 0, 0, 0, 0, 2]), bytes([2, 0, 0, 0, 0, 1]), kind, packet))
        padding = max(0, SMALLEST_FRAME - len(frame)) if self.padded else 0
        parts = [
            ("Ethernet", ethernet.HEADER_LEN),
            network,
            (self.transport, header),
            ("payload", len(self.payload)),
            ("padding", padding),
        ]
        return frame + bytes(padding), [part for part in parts if part[1]]


def _judge(take_apart: Any, case: Wrapped) -> Complaint | None:
    frame, expected = case.made
    got = take_apart(frame)
    got = [tuple(part) for part in got] if isinstance(got, list | tuple) else got
    if got == expected:
        return None
    return Complaint(
        _why(got, expected, case),
        given=f"{len(frame)} bytes: {frame.hex(' ', 2)}",
        expected=repr(expected),
        got=repr(got),
        hint="each header says what comes behind it, and most say how long they are themselves",
        frames=(Frame("wire", 0, frame),),
    )


def _why(got: Any, expected: Parts, case: Wrapped) -> str:
    if not isinstance(got, list) or any(len(part) != 2 for part in got):
        return "take_apart has to return a list of (name, length)"
    lengths = dict(got)
    right = dict(expected)
    total, frame = sum(lengths.values()), sum(right.values())
    if case.version == 6 and "IPv6" not in lengths:
        return "the EtherType says IPv6 (0x86dd): its header has 40 bytes, and no length of its own"
    if case.transport not in lengths:
        return f"IP's protocol field says {case.transport}, and that is not among the parts"
    if lengths.get("IPv4", 0) != right.get("IPv4", 0):
        return (
            f"this IPv4 header has {right['IPv4']} bytes: its length is in the lower half of its first byte, in words"
        )
    if lengths[case.transport] != right[case.transport]:
        return f"this {case.transport} header has {right[case.transport]} bytes: TCP's data offset says so, in words"
    if "padding" in right and lengths.get("payload", 0) > right.get("payload", 0):
        return "a short frame is padded: where IP's packet ends is in its length field, not where the frame ends"
    if total != frame:
        return f"the parts are {total} bytes in all, the frame has {frame}"
    return "the parts are not in the order of their bytes, or an empty one is named"


exercise: Exercise[Wrapped] = Exercise(
    name="headers",
    notebook="01",
    write="take_apart(frame), which returns a list of (name, length)",
    cases=st.one_of(
        st.builds(Wrapped, st.just("UDP"), st.sampled_from([b"hi", b"", b"x" * 40])),
        st.builds(
            lambda transport, payload, version, ip_options, tcp_options, padded: Wrapped(
                transport, payload, version, ip_options if version == 4 else 0, tcp_options, padded
            ),
            st.sampled_from(["UDP", "TCP"]),
            st.sampled_from([b"hi", b"", b"x" * 40]),
            st.sampled_from([4, 6]),
            st.sampled_from([0, 0, 1, 10]),
            st.booleans(),
            st.booleans(),
        ),
    ),
    judge=_judge,
)
