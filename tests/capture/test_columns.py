"""A capture as columns, views of it, flows and conversations: what tshark has no word for."""

from __future__ import annotations

import ipaddress
import mmap
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from netlab.capture.columns import COLUMNS, NO_TIME
from netlab.capture.columns.grouping import number_alike
from netlab.capture.files import Capture, parse, read
from netlab.capture.recorded import recorded
from netlab.errors import CaptureError
from netlab.packets import ethernet, ipv4, pcap, pcapng, udp
from netlab.packets.capture_record import Interface, LinkType
from tests.fuzz.fuzz import FRAMES, LINK_TYPES, pcapng_of

A, B = ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("192.168.0.2")
DOCS = Path(__file__).parents[2] / "docs" / "columns.md"


def frame(
    source: ipaddress.IPv4Address, destination: ipaddress.IPv4Address, sport: int, dport: int, size: int = 5
) -> bytes:
    payload = udp.encode(udp.UdpDatagram(sport, dport, bytes(size)), source, destination)
    packet = ipv4.encode(ipv4.Ipv4Packet(source, destination, udp.PROTOCOL, payload))
    return ethernet.encode(ethernet.EthernetFrame(bytes(6), bytes(6), 0x0800, packet))


def seen_at(*seen: tuple[str, int, bytes]) -> Capture:
    """A capture of frames, each with the interface and the direction in which it was seen."""
    names = list(dict.fromkeys(name for name, _, _ in seen))
    blocks = [pcapng.section_header(), *(pcapng.interface(name) for name in names)]
    for number, (name, direction, data) in enumerate(seen):
        flags = direction or None
        blocks.append(
            pcapng.enhanced_packet(names.index(name), number, data, flags=flags, comment="why" * (number % 2))
        )
    return parse(b"".join(blocks))


THERE, BACK = frame(A, B, 40_000, 9001), frame(B, A, 9001, 40_000, 7)
ROUTED = seen_at(
    ("A", 2, THERE),
    ("A>B", 0, THERE),
    ("B", 1, THERE),
    ("B", 2, BACK),
    ("B>A", 0, BACK),
    ("A", 1, BACK),
    ("A", 2, frame(A, B, 40_001, 53)),
    ("A", 2, b"\0" * 20),
)


def test_a_flow_is_one_direction_at_one_vantage_point() -> None:
    flows = ROUTED.flows()
    assert [(str(flow), ROUTED.interfaces[flow.interface].name, flow.direction, flow.packets) for flow in flows] == [
        ("10.0.0.1:40000 > 192.168.0.2:9001", "A", 2, 1),
        ("10.0.0.1:40000 > 192.168.0.2:9001", "A>B", 0, 1),
        ("10.0.0.1:40000 > 192.168.0.2:9001", "B", 1, 1),
        ("192.168.0.2:9001 > 10.0.0.1:40000", "B", 2, 1),
        ("192.168.0.2:9001 > 10.0.0.1:40000", "B>A", 0, 1),
        ("192.168.0.2:9001 > 10.0.0.1:40000", "A", 1, 1),
        ("10.0.0.1:40001 > 192.168.0.2:53", "A", 2, 1),
    ]
    assert [flow.number for flow in flows] == list(range(7))
    assert (flows[0].payload, flows[0].bytes, flows[3].payload) == (5, len(THERE), 7)
    assert ROUTED.columns.flow.tolist() == [0, 1, 2, 3, 4, 5, 6, -1]


def test_a_conversation_is_both_directions_at_one_place_and_a_link_is_one_place() -> None:
    found = ROUTED.conversations()
    assert [(one.forth.number, one.back and one.back.number, len(one.capture)) for one in found] == [
        (0, 5, 2),
        (1, 4, 2),
        (2, 3, 2),
        (6, None, 1),
    ]


def test_a_router_sees_each_packet_twice_and_that_is_two_conversations() -> None:
    found = seen_at(("r", 1, THERE), ("r", 2, THERE), ("r", 1, BACK), ("r", 2, BACK)).conversations()
    assert [(str(one.forth), one.back and one.back.direction) for one in found] == [
        ("10.0.0.1:40000 > 192.168.0.2:9001", 2),
        ("10.0.0.1:40000 > 192.168.0.2:9001", 1),
    ]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"interface": "A"}, [1, 6, 7, 8]),
        ({"interface": 0, "protocol": "udp"}, [1, 6, 7]),
        ({"interface": ["A", "B"], "direction": 1}, [3, 6]),
        ({"src": "10.0.0.1"}, [1, 2, 3, 7]),
        ({"src": ["10.0.0.1", "192.168.0.2"]}, [1, 2, 3, 4, 5, 6, 7]),
        ({"address": "192.168.0.0/16"}, [1, 2, 3, 4, 5, 6, 7]),
        ({"dst": "8.8.8.8"}, []),
        ({"port": 53}, [7]),
        ({"port": range(1, 100)}, [7]),
        ({"port": {53, 9001}, "payload_len": 7}, [4, 5, 6]),
        ({"number": range(2, 4)}, [2, 3]),
        ({"protocol": -1}, [8]),
        ({"chat_type": ""}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"flags": "SYN"}, []),
    ],
)
def test_where(wanted: dict, numbers: list[int]) -> None:
    view = ROUTED.where(**wanted)
    assert view.columns.number.tolist() == numbers
    assert [packet.record.number for packet in view] == numbers
    assert len(view) == len(numbers)


def test_where_by_a_mask_and_within_a_view() -> None:
    view = ROUTED.where(ROUTED.columns.payload_len == 7)
    assert view.where(interface="B").columns.number.tolist() == [4]
    assert view.packet(1).record.number == 1  # a packet is known by its number in the file
    assert view.comment(2) == "why"
    assert [flow.number for flow in view.flows()] == [3, 4, 5]
    assert len(view.whole) == len(ROUTED)


def test_flags_by_name() -> None:
    chat = recorded("chat-tcp")
    assert set(chat.where(flags="SYN").columns.flags.tolist()) == {0x02, 0x12}
    assert set(chat.where(flags="syn, ack").columns.flags.tolist()) == {0x12}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"sprot": 1}, "no column 'sprot': there are number, time_ns"),
        ({"interface": "C"}, "no interface 'C': there are A, A>B, B, B>A"),
        ({"protocol": "sctp"}, "no protocol 'sctp': there are"),
        ({"src": "10.0.0"}, "'10.0.0' is no address or network"),
        ({"flags": "SIN"}, "no flag 'SIN': there are FIN, SYN"),
        ({"seq": "7"}, "column 'seq' holds numbers"),
    ],
)
def test_what_cannot_be_asked_for_says_what_can(wanted: dict, says: str) -> None:
    with pytest.raises(CaptureError) as caught:
        ROUTED.where(**wanted)
    assert says in str(caught.value)
    with pytest.raises(AttributeError, match="no column 'sprot'"):
        ROUTED.columns.sprot  # noqa: B018


def test_columns_cannot_be_written_to() -> None:
    for columns in (ROUTED.columns, ROUTED.where(interface="A").columns):
        with pytest.raises(ValueError, match="read-only"):
            columns.sport[0] = 1


def test_addresses_of_packets_without_one_are_empty() -> None:
    columns = ROUTED.columns
    assert columns.addresses[columns.src].tolist() == ["10.0.0.1"] * 3 + ["192.168.0.2"] * 3 + ["10.0.0.1", ""]


def test_lengths_add_up_to_the_packet_but_for_padding() -> None:
    for link_type in LINK_TYPES:
        columns = parse(pcapng_of(FRAMES, link_type)).columns
        names = ("link_header_len", "network_header_len", "transport_header_len", "payload_len")
        assert (sum(getattr(columns, name).astype(int) for name in names) <= columns.original_len).all()
    columns = parse(pcapng_of([THERE, THERE + bytes(9)])).columns
    assert (columns.original_len - columns.payload_len).tolist() == [42, 42 + 9]


def test_an_unknown_link_type_is_all_payload() -> None:
    columns = parse(pcapng_of([THERE], 147)).columns
    assert (columns.link_type[0], columns.ethertype[0], columns.ip_version[0]) == (147, -1, -1)
    assert columns.payload_len[0] == len(THERE)


def test_packets_over_64_kib_as_offload_makes_them() -> None:
    big = bytearray(frame(A, B, 1, 2, 60_000))
    big[16:18] = big[38:40] = bytes(2)  # no total length, and none of UDP
    columns = parse(pcapng_of([bytes(big) + bytes(20_000)])).columns
    assert columns.payload_len[0] == 80_000


def test_a_file_without_times_or_packets() -> None:
    simple = pcapng.section_header() + pcapng.interface("x") + bytes.fromhex("0300000010000000 0000000010000000")
    assert parse(simple).columns.time_ns.tolist() == [NO_TIME]
    empty = parse(pcapng.section_header())
    assert len(empty) == 0
    assert all(len(getattr(empty.columns, name)) == 0 for name in COLUMNS)
    assert (empty.flows(), empty.conversations(), empty.streams(), empty.messages()) == ([], [], [], [])


def test_rows_that_are_alike() -> None:
    assert number_alike(np.array([], np.int32)).tolist() == []
    assert number_alike(np.array([9, 9, 1]), np.array([2, 3, 2])).tolist() == [0, 1, 2]


def test_a_large_file_is_mapped_and_not_copied(tmp_path: Path) -> None:
    file = tmp_path / "large.pcap"
    record = pcap.record(1_700_000_000 * 10**9, bytes(60_000))
    with file.open("wb") as out:
        out.write(pcap.file_header(LinkType.RAW))
        for _ in range(400):
            out.write(record)
    assert file.stat().st_size > 20_000_000
    read(file).columns.src  # noqa: B018  # what is imported is not counted
    tracemalloc.start()
    try:
        capture = read(file)
        assert len(capture.columns.src) == 400
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(capture._whole.index.data, mmap.mmap)
    assert peak < 4_000_000


def test_a_pipe_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    data = pcapng_of(FRAMES)
    writer = subprocess.Popen([sys.executable, "-c", f"open({str(fifo)!r}, 'wb').write(bytes.fromhex({data.hex()!r}))"])
    assert len(read(fifo)) == len(FRAMES)
    assert writer.wait() == 0


def test_what_netlab_capture_gives_needs_no_numpy_until_it_reads() -> None:
    source = "import sys; from netlab.capture import read; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", source], check=True)


def test_interfaces_are_vantage_points() -> None:
    assert [one.name for one in ROUTED.interfaces] == ["A", "A>B", "B", "B>A"]
    assert parse(pcap.file_header(1)).interfaces == [Interface(None, 1, 262_144)]


def test_every_column_is_explained() -> None:
    """`docs/columns.md` is made from the table: `python tests/capture/test_columns.py` writes it."""
    assert DOCS.read_text() == documentation()


GROUPS = {
    "record": "What the file says of the packet",
    "headers": "Link, network and transport",
    "directions": "Which way it went past",
    "flows": "Who speaks with whom",
    "streams": "Where TCP's bytes belong",
    "options": "TCP's options",
    "windows": "TCP's window",
    "link_addresses": "Ethernet's addresses",
    "ip_details": "More of IP's headers",
    "icmp": "ICMP and ICMPv6",
    "arp": "ARP",
    "netlab": "netlab's packet: the first that begins in this one",
    "chat": "The chat: the first message that is complete with this packet",
}
"""Group -> its title in the documentation."""


def documentation() -> str:
    lines = [
        "# The columns of a capture",
        "",
        '    capture = netlab.capture.read("chat.pcapng")',
        "    columns = capture.columns",
        "    columns.payload_len[columns.dport == 9000].sum()",
        "    columns.addresses[columns.src]",
        '    capture.where(protocol="tcp", port=9000, interface="wire").columns.seq',
        "",
        "One numpy array for each field, with one row for each packet. The columns of a group are made together, when",
        "the first of them is asked for. A header is read where its fixed part was captured whole; lengths come from",
        "the headers, and are no longer than the packet was.",
    ]
    for group, title in GROUPS.items():
        lines += [
            "",
            f"## {title}",
            "",
            "| column | type | unit | absent | what it holds |",
            "| --- | --- | --- | --- | --- |",
        ]
        for name, column in COLUMNS.items():
            if column.group != group:
                continue
            absent = {None: "", "": '`""`', NO_TIME: "`NO_TIME`" if name == "time_ns" else "`NO_OFFSET`"}
            shown = absent.get(column.absent, str(column.absent))
            lines.append(f"| `{name}` | {column.dtype} | {column.unit} | {shown} | {column.meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCS.write_text(documentation())
