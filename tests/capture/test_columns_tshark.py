"""Columns hold what tshark says of every packet: of our own captures, and of those that we had no part in making."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
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

from netlab.capture.files import Capture
from netlab.capture.live import Way
from netlab.capture.recorded import copy, names
from netlab.cli.commands import netlab
from netlab.packets import pcapng
from netlab.packets.capture_record import LinkType
from tests.capture.tshark_columns import TOLD, agree, tshark

LAN = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
V4 = {"src": "10.0.0.1", "dst": "192.168.7.9"}
V6 = {"src": "fd00::1", "dst": "2001:db8::9"}
SYN = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (7, 0)), ("NOP", None), ("WScale", 7)]
SACKS = [("NOP", None), ("NOP", None), ("SAck", (1000, 2000, 3000, 4000, 5000, 6000))]


def above_link() -> list[Any]:
    """Packets from the network layer on."""
    tcp4 = IP(**V4, id=7, ttl=3, tos=0xBA) / TCP(
        sport=40000, dport=9000, seq=2**32 - 5, ack=99, flags="SEC", options=SYN
    )
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
        IPv6(**V6)
        / IPv6ExtHdrHopByHop()
        / IPv6ExtHdrDestOpt()
        / IPv6ExtHdrRouting(addresses=["fd00::7"])
        / TCP(dport=80),
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


@pytest.mark.parametrize("name", names())
def test_recorded_chats(name: str, tmp_path: Path) -> None:
    copy(name, tmp_path / "chat.pcapng")
    agree(tmp_path / "chat.pcapng")


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ["everything", "bufferbloat-codel"])
def test_the_simulated_world(scenario: str, tmp_path: Path) -> None:
    file = tmp_path / "simulated.pcapng"
    done = CliRunner().invoke(netlab, ["simulate", scenario, "--seed", "7", "--capture", str(file)])
    assert done.exit_code == 0, done.output
    agree(file)


@pytest.mark.parametrize("snaplen", [14, 20, 34, 54, 60, 70])
def test_packets_that_were_cut_when_captured(snaplen: int, tmp_path: Path) -> None:
    """A header is read where its fixed part is whole; tshark reads field by field, so those columns are its own."""
    blocks = [pcapng.section_header(), pcapng.interface("cut", snaplen=snaplen)]
    for n, packet in enumerate(ethernet()):
        data = bytes(packet)
        blocks.append(pcapng.enhanced_packet(0, n, data[:snaplen], len(data)))
    file = tmp_path / "cut.pcapng"
    file.write_bytes(b"".join(blocks))
    whole_headers = [name for name in TOLD if name in ("number", "captured_len", "original_len", "time_ns")]
    agree(file, without=tuple(name for name in TOLD if name not in (*whole_headers, "link_src", "link_dst")))


# ---- real programs ---------------------------------------------------------------------------------------------------

HOST_A = """
iperf3 -c $NETLAB_PEER -n 300K
iperf3 -c $NETLAB_PEER -u -b 4M -n 60K
curl -s -o /dev/null http://$NETLAB_PEER:8000/
ping -q -c 2 -i 0.2 -s 4000 $NETLAB_PEER
dig +tries=1 +time=1 @$NETLAB_PEER -p 5353 example.org
dig +tries=1 +time=1 @$NETLAB_PEER -p 5354 example.org
ping -6 -q -c 2 -i 0.2 -W 0.3 -s 3000 ff02::1%eth0
true
"""
ANSWER = """
import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("", 5353))
while True:
    asked, who = own.recvfrom(4096)
    own.sendto(asked[:2] + bytes([asked[2] | 0x80]) + asked[3:], who)
"""
LOOPBACK = """
ip link set lo mtu 1500
python3 -m http.server --bind ::1 8000 2>/dev/null & server=$!
iperf3 -s -1 -B ::1 & sink=$!
sleep 0.7
iperf3 -6 -c ::1 -n 200K -l 3000
iperf3 -6 -c ::1 -n 200K -l 3000 -u
curl -s -o /dev/null 'http://[::1]:8000/'
ping -6 -q -c 2 -i 0.2 -s 4000 ::1
ping -q -c 1 -s 4000 127.0.0.1
kill $server $sink
"""


def need(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")


@pytest.mark.slow
def test_the_testbed_with_programs_of_others(live: Way, tmp_path: Path) -> None:
    need("tshark", "iperf3", "curl", "ping")
    (tmp_path / "answer.py").write_text(ANSWER)
    (tmp_path / "a.sh").write_text(HOST_A)
    peer = f"iperf3 -s & {sys.executable} -m http.server 8000 2>/dev/null & exec {sys.executable} {tmp_path}/answer.py"
    (tmp_path / "b.sh").write_text(peer)
    file = tmp_path / "testbed.pcapng"
    link = ["--delay=10ms", "--loss=3%", "--reorder=5%", "--duplicate=3%", "--rate=20mbit", "--seed=3"]
    words = ["testbed", *link, "--capture", str(file), "--peer", f"sh {tmp_path}/b.sh", "--", "sh", f"{tmp_path}/a.sh"]
    subprocess.run([sys.executable, "-m", "netlab", *words], check=True, capture_output=True, timeout=60)
    capture = agree(file)
    columns = capture.columns
    assert columns.repeated_len.max() > 0  # retransmissions
    assert columns.fragment_offset.max() > 0
    assert {6, 17, 1} <= set(columns.protocol.tolist())

    # what the one host said is what the other heard, whatever the link did to it; iperf3 may leave before all came
    heard = {(stream.sport, stream.dport): stream for stream in capture.where(interface="B", direction=1).streams()}
    spoken = capture.where(interface="A", direction=2).streams()
    assert len(spoken) == 4  # iperf3's data and its two control connections, and curl's
    for stream in spoken:
        other = heard[stream.sport, stream.dport]
        assert not stream.gaps
        assert stream.data.startswith(other.data)
        assert stream.data == other.data or stream.dport == 5201
    follow(capture.where(interface="A"), tmp_path / "a.pcapng")


def follow(capture: Capture, file: Path) -> None:
    """Every stream is what tshark puts together of the same packets."""
    blocks = [pcapng.section_header(), pcapng.interface("A")]
    for packet in capture:
        assert packet.record.time_ns is not None
        blocks.append(pcapng.enhanced_packet(0, packet.record.time_ns, packet.record.data))
    file.write_bytes(b"".join(blocks))
    streams = capture.streams()
    for number in range(len(streams) // 2):
        told = tshark(file, "-q", "-z", f"follow,tcp,raw,{number}")
        port = int(next(line for line in told if line.startswith("Node 0")).rsplit(":", 1)[1])
        lines = told[told.index(next(line for line in told if line.startswith("Node 1"))) + 1 : -1]
        forth = bytes.fromhex("".join(line for line in lines if not line.startswith("\t")))
        back = bytes.fromhex("".join(line.strip() for line in lines if line.startswith("\t")))
        assert {stream.data for stream in streams if port in (stream.sport, stream.dport)} == {forth, back}


@pytest.mark.slow
def test_real_ipv6_and_fragments_over_loopback(live: Way, tmp_path: Path) -> None:
    need("tshark", "iperf3", "curl", "ping", "ip")
    file = tmp_path / "loopback.pcapng"
    words = ["capture", "-o", str(file), "--", "sh", "-c", LOOPBACK]
    subprocess.run([sys.executable, "-m", "netlab", *words], check=False, capture_output=True, timeout=60)
    capture = agree(file)
    assert set(capture.columns.ip_version.tolist()) == {4, 6}
    assert len(capture.where(ip_version=6, protocol="tcp")) > 20
