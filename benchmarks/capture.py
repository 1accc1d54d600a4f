"""Reading a capture into columns, beside scapy, dpkt, tshark and plain reading of the file.

    python benchmarks/capture.py [--packets 200000] [--rounds 5]

The capture is pcapng as netlab writes it: two fifths of the packets are full segments of TCP with timestamps, a fifth
acknowledges them, a quarter are netlab packets in datagrams of 1200 B, a tenth chat over TCP, the rest short datagrams;
a tenth of all has IPv6, a tenth a VLAN tag. Slower peers read only its beginning, as many packets as is printed.

- plain reading: `open(file, "rb").read()`.
- headers alone: a bare loop from block to block, which reads nothing but their lengths.
- netlab: `read(file)`, then every column of the link to transport layers, addresses numbered and told apart.
- RawPcapReader: scapy's reader, bytes and times only. dpkt, tshark: the same fields, in lists. rdpcap: scapy's packets,
  no field read.

A round runs each once, in turn; ratios are of the same round, and medians are printed. Memory is what a process of its
own has more at its peak than before it read, as a multiple of the file; pages of the file that are mapped count.
"""

from __future__ import annotations

import argparse
import functools
import gc
import importlib.util
import ipaddress
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netlab.packets import ethernet, ipv4, ipv6, pcapng, tcp, udp
from netlab.packets.packet import Packet, encode

CLIENTS = 40
SERVER = 0
EVENT = (
    '{"rooms":{"lobby":%d},"sid":"ampHLm6Y9aZNseMPcQl1cQ","name":"ann","op":7,"time":1,"event":"chat","args":["hi"]}'
)
COLUMNS = (
    *("number", "time_ns", "interface", "captured_len", "original_len", "link_type", "ethertype", "vlan", "vlan_inner"),
    *("ip_version", "src", "dst", "protocol", "ttl", "identification", "fragment_offset", "more_fragments"),
    *("sport", "dport", "flags", "seq", "ack", "window", "link_header_len", "network_header_len"),
    *("transport_header_len", "payload_len", "payload_captured_len"),
)
FIELDS = (
    *("frame.number", "frame.time_epoch", "frame.interface_id", "frame.cap_len", "frame.len", "eth.type", "vlan.id"),
    *("ip.version", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto", "ipv6.nxt", "ip.ttl", "ipv6.hlim"),
    *("ip.id", "ip.frag_offset", "ip.flags.mf", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"),
    *("tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.hdr_len", "tcp.len", "udp.length"),
)


def generate(path: Path, packets: int) -> None:
    """Write a capture of so many packets."""
    rng = random.Random(1)
    v4 = [ipaddress.IPv4Address(f"10.0.0.{n + 1}") for n in range(CLIENTS)]
    v6 = [ipaddress.IPv6Address(f"fd00::{n + 1:x}") for n in range(CLIENTS)]
    filler = rng.randbytes(4096)
    seqs = [0] * CLIENTS

    def segment(client: int, payload: bytes, *, back: bool = False) -> bytes:
        source, destination = (SERVER, client) if back else (client, SERVER)
        ports = (9000, 40_000 + client) if back else (40_000 + client, 9000)
        one = tcp.TcpSegment(
            *ports,
            0 if back else seqs[client],
            seqs[client] if back else 0,
            tcp.TcpFlags.ACK,
            501,
            payload,
            (tcp.NoOperation(), tcp.NoOperation(), tcp.Timestamps(7, 9)),
        )
        seqs[client] = (seqs[client] + len(payload)) % 2**32
        return frame(source, destination, tcp.PROTOCOL, lambda a, b: tcp.encode(one, a, b))

    def datagram(client: int, payload: bytes) -> bytes:
        one = udp.UdpDatagram(50_000 + client, 9001, payload)
        return frame(client, SERVER, udp.PROTOCOL, lambda a, b: udp.encode(one, a, b))

    def frame(source: int, destination: int, protocol: int, payload: Callable[[Any, Any], bytes]) -> bytes:
        client = source or destination
        if client % 10 == 1:
            ends = v6[source], v6[destination]
            packet = ipv6.encode(ipv6.Ipv6Packet(*ends, protocol, payload(*ends)))
            kind = ethernet.EtherType.IPV6
        else:
            pair = v4[source], v4[destination]
            packet = ipv4.encode(ipv4.Ipv4Packet(*pair, protocol, payload(*pair)))
            kind = ethernet.EtherType.IPV4
        if client % 10 == 2:
            packet, kind = struct.pack("!HH", 7, kind) + packet, ethernet.EtherType.VLAN
        return ethernet.encode(ethernet.EthernetFrame(bytes(5) + b"\1", bytes(5) + b"\2", kind, packet))

    with path.open("wb") as file:
        file.write(pcapng.section_header(application="netlab") + pcapng.interface("wire"))
        for number in range(packets):
            client = rng.randrange(1, CLIENTS)
            talks = client % 4 == 3  # its stream is chat, those of others a transfer
            die = rng.random()
            if die < 0.6:
                if talks:
                    one = segment(client, encode(Packet((EVENT % number).encode(), number)))
                elif die < 0.4:
                    one = segment(client, filler[number % 64 :][:1448])
                else:
                    one = segment(client, b"", back=True)
            elif die < 0.9:
                one = datagram(client, encode(Packet(filler[:1160], number // 8, number % 8, 8)))
            else:
                one = datagram(client, filler[:100])
            file.write(pcapng.enhanced_packet(0, 1_700_000_000 * 10**9 + number * 10_000, one))


def plain_reading(path: Path) -> int:
    with path.open("rb") as file:
        return len(file.read())


def headers_alone(path: Path) -> int:
    data = path.read_bytes()
    length_at = struct.Struct("<I").unpack_from
    at, blocks = 0, 0
    while at < len(data):
        at += length_at(data, at + 4)[0]
        blocks += 1
    return blocks - 2


def with_netlab(path: Path) -> int:
    from netlab.capture import read

    columns = read(path).columns
    return min(len(getattr(columns, name)) for name in COLUMNS)


def with_dpkt(path: Path) -> int:
    import dpkt

    rows = []
    with path.open("rb") as file:
        for number, (at, data) in enumerate(dpkt.pcapng.Reader(file), 1):
            frame = dpkt.ethernet.Ethernet(data)
            vlan = frame.vlan_tags[0].id if hasattr(frame, "vlan_tags") and frame.vlan_tags else -1
            packet = frame.data
            row: list[Any] = [number, at, len(data), frame.type, vlan]
            if isinstance(packet, dpkt.ip.IP):
                row += [4, packet.src, packet.dst, packet.p, packet.ttl, packet.id, packet.offset, packet.mf]
            elif isinstance(packet, dpkt.ip6.IP6):
                row += [6, packet.src, packet.dst, packet.nxt, packet.hlim]
            transport = packet.data
            if isinstance(transport, dpkt.tcp.TCP):
                row += [transport.sport, transport.dport, transport.flags, transport.seq, transport.ack, transport.win]
                row += [transport.off * 4, len(transport.data)]
            elif isinstance(transport, dpkt.udp.UDP):
                row += [transport.sport, transport.dport, transport.ulen - 8]
            rows.append(row)
    return len(rows)


def with_tshark(path: Path) -> int:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-o", "tcp.desegment_tcp_streams:FALSE"]
    for field in FIELDS:
        command += ["-e", field]
    told = subprocess.run(command, capture_output=True, check=True).stdout
    return len([line.split(b"\t") for line in told.splitlines()])


def with_rdpcap(path: Path) -> int:
    from scapy.layers import inet, inet6, l2  # noqa: F401  # what it needs to know the layers
    from scapy.utils import rdpcap

    return len(rdpcap(str(path)))


def with_raw_reader(path: Path) -> int:
    from scapy.utils import RawPcapNgReader

    with RawPcapNgReader(str(path)) as reader:
        return len([(data, meta.tshigh << 32 | meta.tslow) for data, meta in reader])


CONTESTANTS: dict[str, tuple[Callable[[Path], int], float]] = {
    "plain reading": (plain_reading, 1),
    "netlab": (with_netlab, 1),
    "headers alone": (headers_alone, 1),
    "RawPcapReader": (with_raw_reader, 0.2),
    "dpkt": (with_dpkt, 0.1),
    "tshark": (with_tshark, 0.1),
    "rdpcap": (with_rdpcap, 0.01),
}
"""What runs, and on which share of the packets."""

AIMS = {"plain reading": 1 / 3, "dpkt": 15, "tshark": 25, "rdpcap": 100}


def on_demand(path: Path) -> list[tuple[str, Callable[[], object]]]:
    """Of a capture whose headers are read, the columns that are made when they are asked for, group by group."""
    from netlab.capture import read

    columns = read(path).columns
    with_columns = len(columns.src)
    assert with_columns == len(columns)
    groups = ("direction", "flow", "mss", "stream", "window_scaled", "netlab_packets", "chat_type")
    return [(name, functools.partial(getattr, columns, name)) for name in groups]


def peak() -> int:
    """The most memory that this process has had at once, bytes. Linux only."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024


def memory(path: Path) -> float:
    """Bytes at the peak that reading the columns of a file adds, in a process of its own."""
    source = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from capture import peak, with_netlab
with_netlab(Path({str(path)!r} + ".small"))  # what is imported is not counted
before = peak()
with_netlab(Path({str(path)!r}))
print(peak() - before)
"""
    return float(subprocess.run([sys.executable, "-c", source], capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--packets", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    contestants = dict(CONTESTANTS)
    for name, there in (("dpkt", importlib.util.find_spec("dpkt")), ("tshark", shutil.which("tshark"))):
        if there is None:
            print(f"{name}: not installed, skipped")
            del contestants[name]
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), contestants, arguments.packets, arguments.rounds)


def run(folder: Path, contestants: dict[str, tuple[Callable[[Path], int], float]], packets: int, rounds: int) -> None:
    files: dict[str, tuple[Path, int]] = {}
    for share in sorted({share for _, share in contestants.values()}):
        count = max(1000, int(packets * share))
        path = folder / f"{count}.pcapng"
        generate(path, count)
        files |= {name: (path, count) for name, (_, its) in contestants.items() if its == share}
    whole = files["netlab"][0]
    size = whole.stat().st_size
    print(f"{packets:,} packets, {size / 1e6:.0f} MB, {size / packets:.0f} B a packet with its block; {rounds} rounds")

    small = Path(f"{whole}.small")
    generate(small, 1000)
    for contestant, _ in contestants.values():
        contestant(small)  # what is imported is not measured
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (contestant, _) in contestants.items():
            path, count = files[name]
            gc.collect()
            began = time.perf_counter()
            found = contestant(path)
            speeds[name].append(count / (time.perf_counter() - began))
            if name != "plain reading" and found != count:
                raise SystemExit(f"{name} found {found} packets of {count}")
    print(f"{'':14} {'packets/s':>11} {'netlab / it':>12} {'worst':>8} {'aim':>6} {'of packets':>11}")
    for name, its in speeds.items():
        ratios = [ours / theirs for ours, theirs in zip(speeds["netlab"], its, strict=True)]
        aim = f"{AIMS[name]:.2g}x" if name in AIMS else ""
        line = f"{name:14} {statistics.median(its):>11,.0f} {statistics.median(ratios):>11.2f}x {min(ratios):>7.2f}x"
        print(f"{line} {aim:>6} {files[name][1]:>11,}")

    if sys.platform == "linux":
        print(f"memory of netlab's columns: {memory(whole) / size:.2f} x the file (aim: under 4)")
    print("on demand, packets/s each, the groups above it made:")
    groups: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, make in on_demand(whole):
            began = time.perf_counter()
            make()
            groups.setdefault(name, []).append(packets / (time.perf_counter() - began))
    for name, its in groups.items():
        print(f"  {name:16} {statistics.median(its):>11,.0f}")


if __name__ == "__main__":
    main()
