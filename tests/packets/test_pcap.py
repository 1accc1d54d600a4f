"""pcap: every magic and byte order, against scapy's writer and hand-made bytes, whole and damaged."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import PcapWriter, RawPcapReader

from netlab.errors import CaptureError, CaptureTruncated, LocalProtocolError
from netlab.packets import pcap
from netlab.packets.capture_file import read_records
from netlab.packets.capture_record import MAX_CAPTURED, Interface, LinkType, Record

US, NS = 0xA1B2C3D4, 0xA1B23C4D


def header(
    order: str = "<",
    magic: int = US,
    *,
    version: tuple[int, int] = (2, 4),
    snaplen: int = 65535,
    linktype: int = 1,
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, -3600, 9, snaplen, linktype)


def packet(seconds: int, fraction: int, data: bytes, order: str = "<", *, captured: int = -1, more: int = 0) -> bytes:
    captured = len(data) if captured < 0 else captured
    return struct.pack(order + "IIII", seconds, fraction, captured, captured + more) + data


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(US, 1000), (NS, 1)])
def test_every_magic(order, magic, unit):
    data = header(order, magic, linktype=113) + packet(2**32 - 1, 7, b"abc", order) + packet(0, 0, b"", order, more=9)
    eth = Interface(None, 113, 65535)
    assert list(read_records(data)) == [
        Record(1, eth, (2**32 - 1) * 10**9 + 7 * unit, b"abc", 3),
        Record(2, eth, 0, b"", 9),
    ]


def test_the_four_magics_by_their_bytes():
    assert {bytes.fromhex(m) for m in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1")} == pcap.MAGICS


def test_fcs_length_beside_the_link_type_is_no_part_of_it():
    (record,) = read_records(header(linktype=2 << 28 | 1 << 26 | 276) + packet(0, 0, b"x"))
    assert record.interface.linktype == 276


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("nano", [False, True])
def test_scapy_written_file_is_read(endianness, nano):
    frames = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / bytes(n) for n in range(9)]
    for n, frame in enumerate(frames):
        frame.time = 1_700_000_000 + n
    out = io.BytesIO()
    out.close = lambda: None
    with PcapWriter(out, nano=nano, endianness=endianness, linktype=1) as writer:
        for frame in frames:
            writer.write(frame)
    assert [(r.data, r.time_ns) for r in read_records(out.getvalue())] == [
        (bytes(frame), (1_700_000_000 + n) * 10**9) for n, frame in enumerate(frames)
    ]


def test_what_is_written_is_read_back_and_scapy_reads_it():
    packets = [(0, b"", 0), (2**32 * 10**9 - 1, b"abc", 3), (1_700_000_000_123_456_789, b"x" * 96, 1500)]
    written = pcap.file_header(LinkType.RAW, snaplen=96)
    written += b"".join(pcap.record(time_ns, data, original) for time_ns, data, original in packets)
    raw = Interface(None, 101, 96)
    assert list(read_records(written)) == [Record(n, raw, *packet) for n, packet in enumerate(packets, 1)]
    with RawPcapReader(io.BytesIO(written)) as reader:
        assert (reader.linktype, reader.nano) == (101, True)
        seen = [(meta.sec * 10**9 + meta.usec, data, meta.wirelen) for data, meta in reader]
    assert seen == packets


@pytest.mark.parametrize(
    "write",
    [
        lambda: pcap.file_header(2**16),
        lambda: pcap.file_header(snaplen=-1),
        lambda: pcap.record(-1, b""),
        lambda: pcap.record(2**32 * 10**9, b""),
        lambda: pcap.record(0, b"abc", 2),
        lambda: pcap.record(0, bytes(MAX_CAPTURED + 1)),
    ],
)
def test_what_no_reader_could_take_is_refused_at_once(write):
    with pytest.raises(LocalProtocolError):
        write()


WHOLE = [header(), packet(1, 2, b"one"), packet(3, 4, b"second", more=100), packet(5, 6, b"")]


def until_error(data: bytes) -> tuple[list[bytes], CaptureError | None]:
    seen: list[bytes] = []
    try:
        for record in read_records(data):
            seen.append(record.data)
    except CaptureError as error:
        return seen, error
    return seen, None


def test_cut_at_any_byte_the_whole_records_come_first():
    data = b"".join(WHOLE)
    bounds = [sum(map(len, WHOLE[:n])) for n in range(len(WHOLE) + 1)]
    for cut in range(len(data)):
        seen, error = until_error(data[:cut])
        assert seen == [b"one", b"second", b""][: sum(end <= cut for end in bounds[2:])]
        if cut < 4:
            assert type(error) is CaptureError
        elif cut in bounds:
            assert error is None
        else:
            assert type(error) is CaptureTruncated
            assert error.offset == max(b for b in bounds if b < cut)


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (packet(0, 0, b"x", captured=2**30), "claims 1073741824 B captured"),
        (packet(0, 0, bytes(MAX_CAPTURED + 1)), "claims 262145 B captured"),
        (packet(0, 0, b"xy", more=-1), "claims 2 B captured of a packet of 1 B"),
    ],
)
def test_a_length_that_cannot_be_says_where_and_allocates_nothing(damaged, message):
    good = header() + packet(0, 0, b"good")
    data = good + damaged
    tracemalloc.start()
    try:
        seen, error = until_error(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seen == [b"good"]
    assert type(error) is CaptureError
    assert message in str(error)
    assert error.offset == len(good) + 8
    assert peak < 100_000


def test_the_largest_record_is_read():
    assert until_error(header() + packet(0, 0, bytes(MAX_CAPTURED))) == ([bytes(MAX_CAPTURED)], None)


@pytest.mark.parametrize("version", [(1, 0), (2, 2), (2, 5), (3, 4)])
def test_another_version_is_refused(version):
    assert str(until_error(header(version=version))[1]).startswith("pcap version {}.{}".format(*version))


def test_every_flipped_bit_raises_only_capture_errors():
    data = b"".join(WHOLE)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        until_error(bytes(damaged))


@given(st.binary(max_size=64))
def test_noise_raises_only_capture_errors(noise):
    until_error(header() + noise)
