"""Columns hold what tshark says of every packet: of our own captures, and of those that we had no part in making."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_RR
from scapy.layers.inet6 import (
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
    fragment6,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, LLC, SNAP, CookedLinux, CookedLinuxV2, Dot1AD, Dot1Q, Ether, Loopback
from scapy.packet import Raw
from scapy.utils import PcapWriter

from netlab.capture.recorded import names
from netlab.packets import pcapng
from netlab.packets.capture_record import LinkType
from tests.capture.tshark_columns import agree

LAN = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
V4 = {"src": "10.0.0.1", "dst": "192.168.7.9"}
V6 = {"src": "fd00::1", "dst": "2001:db8::9"}
SYN = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]
SACKS = [("NOP", None), ("NOP", None), ("SAck", (1000, 2000, 3000, 4000, 5000, 6000))]


def above_link() -> list[Any]:
    """Packets from the network layer on."""
    tcp4 = IP(**V4, id=7, ttl=3, tos=0xBA) / TCP(sport=40000, dport=9000, seq=2**32 - 5, ack=99, flags="SEC", options=SYN)
    echo = IP(**V4) / ICMP(id=5, seq=9) / Raw(b"ping" * 8)
    big = IP(**V4, id=77) / UDP(sport=1, dport=2) / Raw(bytes(4000))
    big6 = IPv6(**V6) / IPv6ExtHdrFragment(id=0xABCDEF01) / UDP(sport=3, dport=4) / Raw(bytes(4000))
    unreachable = IP(src="192.168.7.9", dst="10.0.0.1") / ICMP(type=3, code=3) / (IP(**V4) / UDP(sport=8, dport=9))
    return [
        tcp4,
        IP(**V4, flags="DF") / TCP(flags="A", window=0, options=SACKS),
        IP(**V4) / TCP(flags="FPU", urgptr=3, options=[("EOL", None)]) / Raw(b"x" * 1400),
        IP(**V4) / TCP(flags="R"),
        IP(**V4, options=[IPOption_RR(routers=["1.2.3.4", "5.6.7.8"])]) / UDP(sport=5, dport=6) / Raw(b"hi"),
        IP(**V4) / UDP(sport=65535, dport=0),
        echo,
        IP(**V4) / ICMP(type=0, id=5, seq=9),
        IP(**V4) / ICMP(type=11) / (IP(**V4) / TCP(sport=1, dport=2)),
        unreachable,
        IP(**V4, proto=2) / Raw(bytes(8)),
        IP(**V4, proto=132) / Raw(bytes(20)),
        *big.__class__(bytes(big)).fragment(1480 // 8 * 8),
        IPv6(**V6, tc=0xB9, fl=0x12345, hlim=2) / TCP(sport=1, dport=2, flags="S", options=SYN),
        IPv6(**V6) / UDP(sport=7, dport=9) / Raw(b"datagram"),
        IPv6(**V6) / IPv6ExtHdrHopByHop() / UDP(sport=7, dport=9) / Raw(b"datagram"),
        IPv6(**V6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting(addresses=["fd00::7"]) / TCP(dport=80),
        IPv6(**V6) / AH(spi=1, seq=2, icv=bytes(12), payloadlen=4, nh=17) / UDP(sport=1, dport=2) / Raw(b"x"),
        *fragment6(big6, 1280),
        IPv6(**V6) / ICMPv6EchoRequest(id=3, seq=4, data=b"ping"),
        IPv6(**V6) / ICMPv6EchoReply(id=3, seq=4, data=b"ping"),
        IPv6(**V6) / ICMPv6ND_NS(tgt="fd00::2"),
        IPv6(**V6, nh=59),
        IPv6(src="::1", dst="::1") / UDP(sport=9001, dport=5) / Raw(b"NL"),
    ]


def ethernet() -> list[Any]:
    plain = [Ether(**LAN) / packet for packet in above_link()]
    tagged = [Ether(**LAN) / Dot1Q(vlan=5, prio=3) / packet for packet in above_link()]
    stacked = [Ether(**LAN) / Dot1AD(vlan=100) / Dot1Q(vlan=4094) / packet for packet in above_link()[:3]]
    twice = [Ether(**LAN) / Dot1Q(vlan=1) / Dot1Q(vlan=2) / IP(**V4) / UDP(sport=1, dport=2)]
    other = [
        Ether(**LAN) / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"),
        Ether(**LAN) / ARP(op=2, psrc="10.0.0.2", pdst="10.0.0.1") / Raw(bytes(18)),
        Ether(**LAN) / IP(**V4) / UDP(sport=1, dport=2) / Raw(b"padded") / Raw(b""),
        Ether(bytes(Ether(**LAN) / IP(**V4) / TCP(flags="A")) + bytes(6)),
        Ether(bytes(Ether(**LAN) / IPv6(**V6) / UDP(sport=1, dport=2)) + bytes(4)),
        Ether(**LAN, type=0x88B5) / Raw(b"an experiment"),
        Ether(src=LAN["src"], dst=LAN["dst"], type=3) / LLC(dsap=0x42, ssap=0x42, ctrl=3),
        Ether(src=LAN["src"], dst=LAN["dst"], type=11) / LLC() / SNAP(code=0x88B5) / Raw(b"abc"),
    ]
    return plain + tagged + stacked + twice + other


LINKS = {
    "ethernet": (LinkType.EN10MB, ethernet),
    "raw": (LinkType.RAW, above_link),
    "ipv4": (228, lambda: [packet for packet in above_link() if IP in packet and packet.name == "IP"]),
    "ipv6": (229, lambda: [packet for packet in above_link() if packet.name == "IPv6"]),
    "loopback": (
        LinkType.NULL,
        lambda: [Loopback(type=2 if one.name == "IP" else 30) / one for one in above_link()],
    ),
    "openbsd loopback": (
        LinkType.LOOP,
        lambda: [Raw(bytes([0, 0, 0, 2 if one.name == "IP" else 24]) + bytes(one)) for one in above_link()],
    ),
    "cooked": (
        LinkType.LINUX_SLL,
        lambda: [CookedLinux(proto=0x800 if one.name == "IP" else 0x86DD, lladdrlen=6) / one for one in above_link()],
    ),
    "cooked 2": (
        LinkType.LINUX_SLL2,
        lambda: [CookedLinuxV2(proto=0x800 if one.name == "IP" else 0x86DD, lladdrlen=6) / one for one in above_link()],
    ),
}


@pytest.mark.parametrize("link", LINKS)
def test_every_protocol_on_every_link(link: str, tmp_path: Path) -> None:
    kind, packets = LINKS[link]
    blocks = [pcapng.section_header(), pcapng.interface("seen", kind)]
    blocks += [pcapng.enhanced_packet(0, 10**18 + n, bytes(packet)) for n, packet in enumerate(packets())]
    file = tmp_path / "links.pcapng"
    file.write_bytes(b"".join(blocks))
    agree(file)
