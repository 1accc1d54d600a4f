"""A host of our own at the end of a real link: our ARP, IPv4 and TCP, in real time. The kernel has no part in it.

    with LinkEnd("eth0") as end:
        host = LinkHost(end, "10.0.0.2")
        host.tcp.listen(7, accept)          as of a simulated host

What comes is decoded and verified, what goes is encoded; in between are the objects that simulated hosts exchange.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from ipaddress import IPv4Address
from typing import Any

import msgspec

from netlab.errors import DecodeError
from netlab.network.link_end import LinkEnd
from netlab.network.tcp_stack import TcpStack
from netlab.packets import arp, ethernet, ipv4, tcp
from netlab.packets.arp import NOBODY, REPLY, REQUEST, ArpPacket
from netlab.packets.ethernet import BROADCAST, EthernetFrame, EtherType
from netlab.packets.ipv4 import Ipv4Packet
from netlab.packets.tcp import TcpSegment
from netlab.protocols.tcp import LINUX
from netlab.protocols.trace import Trace
from netlab.units import Ns, S

WAITING = 16
"""Packets that wait for the hardware address of one host; the oldest go first."""

ASK_AGAIN_S = 1.0
"""RFC 1122 §2.3.2.1: an address is asked for at most once a second."""


class LinkHost:
    """One host. Everything happens on the running loop.

    Attributes:
        tcp: its TCP.
        dropped: what came and was not taken, by reason.
    """

    def __init__(self, end: LinkEnd, address: str, *, name: str = "", trace: Trace | None = None) -> None:
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._address = IPv4Address(address)
        self._neighbours: dict[IPv4Address, bytes] = {}
        self._waiting: dict[IPv4Address, list[bytes]] = {}
        self._identification = int.from_bytes(secrets.token_bytes(2), "big")
        self.dropped: Counter[str] = Counter()
        self.tcp = TcpStack(
            address=int(self._address),
            send=self._send,
            now=self._now,
            call_at=self._call_at,
            entropy=secrets.token_bytes,
            name=name or address,
            trace=trace,
            config=msgspec.structs.replace(LINUX, mss=end.mtu - ipv4.HEADER_LEN - tcp.HEADER_LEN),  # MUST-67
        )
        end.attach(self._loop, self._came)

    def _now(self) -> Ns:
        return round(self._loop.time() * S)

    def _call_at(self, at: Ns, callback: Any, argument: Any) -> None:
        self._loop.call_at(at / S, callback, argument)

    # What comes

    def _came(self, frames: list[bytes]) -> None:
        for data in frames:
            try:
                frame = ethernet.decode(data)
                if frame.ethertype == EtherType.ARP:
                    self._arp_came(arp.decode(frame.payload))
                elif frame.ethertype == EtherType.IPV4:
                    self._packet_came(ipv4.decode(frame.payload))
                else:
                    self.dropped["unknown_ethertype"] += 1
            except DecodeError as error:
                self.dropped[f"bad_{error.field.replace(' ', '_')}"] += 1

    def _packet_came(self, packet: Ipv4Packet) -> None:
        if packet.destination != self._address or packet.protocol != tcp.PROTOCOL:
            self.dropped["not_for_us"] += 1
            return
        segment = tcp.decode(packet.payload, packet.source, packet.destination)
        self.tcp.arrived(int(packet.source), int(packet.destination), segment)

    def _arp_came(self, packet: ArpPacket) -> None:
        """RFC 826, "Packet Reception"."""
        if packet.target != self._address:
            return
        self._neighbours[packet.sender] = packet.sender_hardware
        for data in self._waiting.pop(packet.sender, []):
            self._put(packet.sender_hardware, EtherType.IPV4, data)
        if packet.operation == REQUEST:
            self._say(REPLY, packet.sender_hardware, packet.sender_hardware, packet.sender)

    # What goes

    def _send(self, source: int, destination: int, segment: TcpSegment) -> None:
        own, peer = IPv4Address(source), IPv4Address(destination)
        self._identification = (self._identification + 1) & 0xFFFF
        payload = tcp.encode(segment, own, peer)
        data = ipv4.encode(Ipv4Packet(own, peer, tcp.PROTOCOL, payload, identification=self._identification))
        hardware = self._neighbours.get(peer)
        if hardware is not None:
            self._put(hardware, EtherType.IPV4, data)
            return
        waiting = self._waiting.setdefault(peer, [])
        waiting.append(data)
        del waiting[:-WAITING]
        if len(waiting) == 1:
            self._ask(peer)

    def _ask(self, peer: IPv4Address) -> None:
        if self._waiting.get(peer):
            self._say(REQUEST, BROADCAST, NOBODY, peer)
            self._loop.call_later(ASK_AGAIN_S, self._ask, peer)

    def _say(self, operation: int, to: bytes, target_hardware: bytes, target: IPv4Address) -> None:
        packet = ArpPacket(operation, self._end.address, self._address, target_hardware, target)
        self._put(to, EtherType.ARP, arp.encode(packet))

    def _put(self, to: bytes, ethertype: EtherType, payload: bytes) -> None:
        self._end.write(ethernet.encode(EthernetFrame(to, self._end.address, ethertype, payload)))
