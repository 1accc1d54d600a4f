"""pcapng: what we write scapy reads, what others write we read, and no damage does more than raise CaptureError."""

from __future__ import annotations

import io
import mmap
import struct
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether
from scapy.utils import PcapNgWriter, RawPcapNgReader

from netlab.errors import CaptureError, CaptureTruncated, LocalProtocolError
from netlab.packets import pcapng
from netlab.packets.capture_file import read_records
from netlab.packets.capture_record import MAX_CAPTURED, Interface, LinkType, Record

LITTLE, BIG = "<", ">"
T0 = 1_700_000_000_123_456_789


def block(kind: int, body: bytes, order: str = LITTLE) -> bytes:
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = LITTLE, *, version: tuple[int, int] = (1, 0)) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, *version, -1), order)


def option(code: int, value: bytes, order: str = LITTLE) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def idb(order: str = LITTLE, *options: bytes, linktype: int = 1, snaplen: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + b"".join(options), order)


def epb(
    interface_id: int,
    ticks: int,
    data: bytes,
    order: str = LITTLE,
    *options: bytes,
    captured: int | None = None,
    original: int | None = None,
) -> bytes:
    captured = len(data) if captured is None else captured
    original = captured if original is None else original
    head = struct.pack(order + "IIIII", interface_id, ticks >> 32, ticks & 0xFFFFFFFF, captured, original)
    return block(6, head + data + bytes(-len(data) % 4) + b"".join(options), order)


def until_error(data: bytes) -> tuple[list[Record], CaptureError | None]:
    records: list[Record] = []
    try:
        for record in read_records(data):
            records.append(record)
    except CaptureError as error:
        return records, error
    return records, None


WRITTEN = b"".join(
    [
        pcapng.section_header(application="netlab", os="any", comment="seed 7"),
        pcapng.interface("client", LinkType.EN10MB),
        pcapng.interface("wire", LinkType.RAW, snaplen=96, description="between"),
        pcapng.enhanced_packet(0, T0, b"abc"),
        pcapng.enhanced_packet(1, T0 + 1, b"E" * 96, 1500, "dropped: queue full ✗"),
        pcapng.enhanced_packet(0, T0 + 2, b"", 0, flags=pcapng.OUTBOUND),
        pcapng.enhanced_packet(0, T0 + 3, b"four", comment=""),
        pcapng.interface_statistics(0, T0 + 4, received=3, dropped=1),
    ]
)
CLIENT = Interface("client", 1, MAX_CAPTURED)
WIRE = Interface("wire", 101, 96)
RECORDS = [
    Record(1, CLIENT, T0, b"abc", 3),
    Record(2, WIRE, T0 + 1, b"E" * 96, 1500, "dropped: queue full ✗"),
    Record(3, CLIENT, T0 + 2, b"", 0),
    Record(4, CLIENT, T0 + 3, b"four", 4, ""),
]


# ---- writing


def test_what_is_written_is_read_back():
    assert list(read_records(WRITTEN)) == RECORDS


def test_scapy_reads_what_is_written():
    with RawPcapNgReader(io.BytesIO(WRITTEN)) as reader:
        seen = [
            (
                data,
                meta.tshigh << 32 | meta.tslow,
                meta.tsresol,
                meta.wirelen,
                meta.ifname,
                meta.linktype,
                meta.comments,
            )
            for data, meta in reader
        ]
    assert seen == [
        (
            record.data,
            record.time_ns,
            10**9,
            record.original_len,
            record.interface.name.encode(),
            record.interface.linktype,
            [record.comment.encode()] if record.comment is not None else None,
        )
        for record in RECORDS
    ]


def test_bytes_of_an_enhanced_packet():
    assert pcapng.enhanced_packet(1, 0x1_0000_0002, b"abcde", 9, "hi", flags=1).hex(" ", 4) == (
        "06000000 3c000000"  # type 6, 60 bytes
        " 01000000 01000000 02000000 05000000 09000000"  # interface, time high, time low, captured, original
        " 61626364 65000000"  # data, padded
        " 01000200 68690000 02000400 01000000 00000000"  # comment, flags, end of options
        " 3c000000"
    )


def test_bytes_of_section_header_interface_and_statistics():
    assert pcapng.section_header() == section()
    assert pcapng.interface("a", 276, snaplen=9) == idb(
        LITTLE, option(2, b"a"), option(9, b"\x09"), option(0, b""), linktype=276, snaplen=9
    )
    assert pcapng.interface_statistics(1, 2**32, received=7) == block(
        5, struct.pack("<III", 1, 1, 0) + option(4, struct.pack("<Q", 7)) + option(0, b"")
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda: pcapng.enhanced_packet(-1, 0, b""),
        lambda: pcapng.enhanced_packet(2**32, 0, b""),
        lambda: pcapng.enhanced_packet(0, -1, b""),
        lambda: pcapng.enhanced_packet(0, 2**64, b""),
        lambda: pcapng.enhanced_packet(0, 0, b"abc", 2),
        lambda: pcapng.enhanced_packet(0, 0, bytes(MAX_CAPTURED + 1)),
        lambda: pcapng.enhanced_packet(0, 0, b"", comment="x" * 65_536),
        lambda: pcapng.enhanced_packet(0, 0, b"", flags=2**32),
        lambda: pcapng.interface("x", 2**16),
        lambda: pcapng.interface("x", snaplen=-1),
        lambda: pcapng.interface_statistics(0, 0, received=-1),
    ],
)
def test_what_no_reader_could_take_is_refused_at_once(write):
    with pytest.raises(LocalProtocolError):
        write()


@given(
    packets=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.integers(0, 2**63 - 1),
            st.binary(max_size=9),
            st.integers(0, 2000),
            st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9),
        ),
        max_size=6,
    )
)
def test_any_packets_come_back(packets):
    names = ["a", "b", "ü"]
    written = pcapng.section_header() + b"".join(map(pcapng.interface, names))
    for interface_id, time_ns, data, more, comment in packets:
        written += pcapng.enhanced_packet(interface_id, time_ns, data, len(data) + more, comment)
    assert [(r.interface.name, r.time_ns, r.data, r.original_len, r.comment) for r in read_records(written)] == [
        (names[interface_id], time_ns, data, len(data) + more, comment)
        for interface_id, time_ns, data, more, comment in packets
    ]


def test_a_comment_that_utf8_or_a_reader_cannot_hold_is_repaired():
    written = pcapng.section_header() + pcapng.interface("a") + pcapng.enhanced_packet(0, 0, b"", comment="a\0b\ud800c")
    assert [r.comment for r in read_records(written)] == ["a?b?c"]


# ---- reading


def test_scapy_written_file_is_read(tmp_path: Path):
    frames = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B5) / bytes(n) for n in range(9)]
    for n, frame in enumerate(frames):
        frame.time = 1_700_000_000 + n
    with PcapNgWriter(str(tmp_path / "scapy.pcapng")) as writer:
        for frame in frames:
            writer.write(frame)
    records = list(read_records((tmp_path / "scapy.pcapng").read_bytes()))
    assert [r.data for r in records] == [bytes(f) for f in frames]
    assert [r.time_ns for r in records] == [(1_700_000_000 + n) * 10**9 for n in range(9)]
    assert {r.interface.linktype for r in records} == {LinkType.EN10MB}


@pytest.mark.parametrize("order", [LITTLE, BIG])
@pytest.mark.parametrize(
    ("tsresol", "tsoffset", "ticks", "time_ns"),
    [
        (None, None, 1_000_001, 1_000_001_000),  # "If this option is not present, a resolution of 10^-6 is assumed"
        (0, None, 17, 17_000_000_000),
        (3, None, 17, 17_000_000),
        (6, None, 2**40, 2**40 * 1000),
        (9, None, 2**33 + 5, 2**33 + 5),
        (12, None, 1_999, 1),  # finer than a nanosecond: rounded down
        (0x80 | 10, None, 1536, 1_500_000_000),  # units of 2^-10 s
        (0x80 | 0, None, 3, 3_000_000_000),
        (0x80 | 127, None, 2**63, 0),
        (127, None, 2**63, 0),
        (9, 1_700_000_000, 5, 1_700_000_000_000_000_005),
        (6, -2, 1_000_000, -1_000_000_000),
    ],
)
def test_resolution_and_offset_of_timestamps(order, tsresol, tsoffset, ticks, time_ns):
    options = [option(9, bytes([tsresol]), order)] if tsresol is not None else []
    if tsoffset is not None:
        options.append(option(14, struct.pack(order + "q", tsoffset), order))
    data = section(order) + idb(order, *options) + epb(0, ticks, b"x", order)
    assert [r.time_ns for r in read_records(data)] == [time_ns]


def test_each_section_has_its_byte_order_and_its_own_interfaces():
    data = (
        section(BIG)
        + idb(BIG, option(2, b"en0\0junk", BIG), linktype=0, snaplen=68)
        + epb(0, 1, b"one", BIG, option(1, b"first", BIG), option(1, b"second", BIG))
        + section(LITTLE, version=(1, 2))
        + idb(LITTLE)
        + idb(LITTLE, option(2, b"b\xff"), linktype=276)
        + epb(1, 2, b"two", original=60)
    )
    assert list(read_records(data)) == [
        Record(1, Interface("en0", 0, 68), 1000, b"one", 3, "first\nsecond"),
        Record(2, Interface("b�", 276, 0), 2000, b"two", 60),
    ]
    records, error = until_error(data + section() + epb(0, 0, b"x"))
    assert len(records) == 2
    assert str(error).startswith("interface 0 was not described, 0 were")


@pytest.mark.parametrize(("snaplen", "original", "held"), [(0, 5, 5), (3, 5, 3), (9, 5, 5)])
def test_a_simple_packet_has_no_time_and_the_length_that_snaplen_leaves(snaplen, original, held):
    data = section() + idb(snaplen=snaplen) + block(3, struct.pack("<I", original) + b"abcde\0\0\0")
    assert list(read_records(data)) == [Record(1, Interface(None, 1, snaplen), None, b"abcde"[:held], original)]


def test_the_obsolete_packet_block_is_read():
    body = struct.pack("<HHIIII", 0, 7, 0, 3, 2, 4) + b"ab\0\0" + option(1, b"old")
    assert list(read_records(section() + idb() + block(2, body))) == [
        Record(1, Interface(None, 1, 0), 3000, b"ab", 4, "old")
    ]


@pytest.mark.parametrize("kind", [4, 5, 10, 0xBAD, 0x80000001], ids=hex)
def test_other_blocks_are_skipped(kind):
    other = block(kind, b"\xff" * 40)
    data = section() + other + idb() + other + epb(0, 1, b"x") + other
    assert [r.data for r in read_records(data)] == [b"x"]


def test_options_may_end_without_an_end_and_nothing_behind_the_end_is_read():
    options = [option(3, b"hash!"), option(1, b"seen"), option(0, b""), option(1, b"unseen")]
    data = section() + idb() + epb(0, 1, b"x", LITTLE, *options[:2]) + epb(0, 1, b"x", LITTLE, *options)
    assert [r.comment for r in read_records(data)] == ["seen", "seen"]


def test_any_buffer_will_do_and_none_is_held(tmp_path: Path):
    path = tmp_path / "a.pcapng"
    path.write_bytes(WRITTEN)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        for buffer in (WRITTEN, bytearray(WRITTEN), memoryview(WRITTEN), mapped):
            assert list(read_records(buffer)) == RECORDS
        unfinished = read_records(mapped)
        first = next(unfinished)
        mapped.close()  # BufferError if the reader held on to the map
    assert type(first.data) is bytes


# ---- damage


def test_cut_at_any_byte_the_whole_records_come_first():
    bounds = [0]
    while bounds[-1] < len(WRITTEN):
        bounds.append(bounds[-1] + struct.unpack_from("<I", WRITTEN, bounds[-1] + 4)[0])
    record_ends = bounds[4:8]  # behind the section header and two interfaces
    for cut in range(len(WRITTEN)):
        records, error = until_error(WRITTEN[:cut])
        assert records == RECORDS[: sum(end <= cut for end in record_ends)]
        if cut < 4:
            assert type(error) is CaptureError
        elif cut in bounds:
            assert error is None
        else:
            assert type(error) is CaptureTruncated
            assert error.offset == max(b for b in bounds if b < cut)


START = section() + idb()
PACKET = epb(0, 1, b"abcdef")
AT = len(START)

DAMAGE = [
    # what stands behind a good packet                                   offset behind it, in the message
    (PACKET[:4] + bytes(4) + PACKET[8:], 4, "length of 0 B"),
    (PACKET[:4] + struct.pack("<I", 8) + PACKET[8:], 4, "length of 8 B"),
    (PACKET[:4] + struct.pack("<I", 41) + PACKET[8:], 4, "length of 41 B"),
    (PACKET[:4] + struct.pack("<I", 42) + PACKET[8:], 4, "length of 42 B"),
    (PACKET[:4] + struct.pack("<I", 2**30) + PACKET[8:], 4, "length of 1073741824 B"),
    (PACKET[:4] + struct.pack("<I", 0xFFFFFFFC) + PACKET[8:], 4, "length of 4294967292 B"),
    (PACKET[:4] + struct.pack("<I", 36) + PACKET[8:], 32, "is 36 B at its start and 26213 B at its end"),
    (PACKET[:-4] + struct.pack("<I", 44), 36, "is 40 B at its start and 44 B at its end"),
    (block(6, bytes(16)), 8, "too short"),
    (block(3, b""), 8, "too short"),
    (block(2, bytes(16)), 8, "too short"),
    (block(1, bytes(4)), 8, "too short"),
    (block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D) + bytes(8)), 4, "too short"),
    (block(0x0A0D0D0A, bytes(16)), 8, "byte-order magic"),
    (section(version=(2, 0)), 12, "version 2.0"),
    (section(version=(1, 1)), 12, "version 1.1"),
    (epb(1, 1, b"abcdef"), 8, "interface 1 was not described, 1 were"),
    (epb(0, 1, b"abcdef", captured=9), 8, "claims 9 B captured, its block holds 8 B"),
    (epb(0, 1, b"abcdef", original=5), 8, "claims 6 B captured of a packet of 5 B"),
    (epb(0, 1, b"abcdef", captured=2**30), 8, "claims 1073741824 B captured"),
    (epb(0, 1, bytes(MAX_CAPTURED + 1)), 8, "over 262144 B"),
    (block(3, struct.pack("<I", 9) + b"abcdef\0\0"), 8, "claims 9 B captured, its block holds 8 B"),
    (block(3, struct.pack("<I", 2**32 - 1)), 8, "over 262144 B"),
    (block(2, struct.pack("<HHIIII", 0, 0, 0, 0, 5, 5)), 8, "claims 5 B captured, its block holds 0 B"),
    (epb(0, 2**64 - 1, b""), 8, "beyond 64 bits"),
    (epb(0, 1, b"", LITTLE, struct.pack("<HHI", 1, 5, 0)), 28, "option 1 claims 5 B, its block has 4 B left"),
    (idb(LITTLE, struct.pack("<HH", 2, 65535)), 16, "option 2 claims 65535 B"),
]


@pytest.mark.parametrize(("damaged", "offset", "message"), DAMAGE, ids=[message for _, _, message in DAMAGE])
def test_a_length_that_cannot_be_says_where_and_allocates_nothing(damaged, offset, message):
    data = START + PACKET + damaged + PACKET
    tracemalloc.start()
    try:
        records, error = until_error(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [r.data for r in records] == [b"abcdef"]
    assert type(error) is CaptureError
    assert message in str(error)
    assert error.offset == AT + len(PACKET) + offset
    assert peak < 100_000


def test_the_largest_record_is_read():
    data = START + epb(0, 1, bytes(MAX_CAPTURED))
    assert [len(r.data) for r in read_records(data)] == [MAX_CAPTURED]


def test_every_flipped_bit_raises_only_capture_errors():
    for bit in range(8 * len(WRITTEN)):
        damaged = bytearray(WRITTEN)
        damaged[bit // 8] ^= 1 << bit % 8
        records, _error = until_error(bytes(damaged))
        assert all(a.number + 1 == b.number for a, b in pairwise(records))


@given(st.binary(max_size=64))
def test_noise_behind_a_section_header_raises_only_capture_errors(noise):
    until_error(START + noise)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "begins with nothing"),
        (b"GET / HTTP/1.1", "begins with 47 45 54 20"),
        (b"\x1f\x8b\x08\x00", "unpack it first"),
        (b"\n\r\n\x0a", "neither pcap nor pcapng"),  # a pcapng file that was sent as text
    ],
)
def test_what_is_no_capture_file_is_refused_at_the_call(data, message):
    with pytest.raises(CaptureError, match=message) as caught:
        read_records(data)
    assert caught.value.offset == 0
