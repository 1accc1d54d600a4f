"""TCP segments that are the middle of a netlab packet are shown as that."""

from __future__ import annotations

import itertools
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netlab.capture.continued import Part, parts_in_segments
from netlab.capture.files import Capture, read
from netlab.capture.recorded import recorded
from netlab.packets import ipv4, pcapng, tcp
from netlab.packets.ethernet import EthernetFrame
from netlab.packets.ethernet import encode as encode_frame
from netlab.packets.packet import Packet, encode

ANN, BOB = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")
EVENT = b'{"type":"emit","op":3,"event":"say","to":["lobby"],"args":["hi"]}'


def segment(seq: int, payload: bytes, flags: tcp.TcpFlags = tcp.TcpFlags.ACK) -> bytes:
    data = tcp.encode(tcp.TcpSegment(40_000, 9000, seq % 2**32, 1, flags, 500, payload), ANN, BOB)
    packet = ipv4.encode(ipv4.Ipv4Packet(ANN, BOB, tcp.PROTOCOL, data))
    return encode_frame(EthernetFrame(b"\2" * 6, b"\4" * 6, 0x0800, packet))


def capture_of(path: Path, pieces: list[tuple[int, bytes]]) -> Capture:
    """A connection's segments: each with its offset in the stream. The first packet is the SYN."""
    start = 2**32 - 50  # the sequence number wraps on the way
    frames = [segment(start - 1, b"", tcp.TcpFlags.SYN), *(segment(start + at, piece) for at, piece in pieces)]
    blocks = [pcapng.enhanced_packet(0, time, frame) for time, frame in enumerate(frames)]
    path.write_bytes(pcapng.section_header() + pcapng.interface("lo") + b"".join(blocks))
    return read(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=6), cuts=st.lists(st.integers(1, 400), max_size=8))
def test_every_part_is_what_the_stream_says(tmp_path: Path, sizes: list[int], cuts: list[int]) -> None:
    packets = [encode(Packet(b"x" * size, number, 0, 3)) for number, size in enumerate(sizes)]
    stream = b"".join(packets)
    bounds = [0, *itertools.accumulate(map(len, packets))]
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [(a, stream[a:b]) for a, b in itertools.pairwise(edges)]
    capture = capture_of(tmp_path / "x.pcapng", pieces)
    found = parts_in_segments(capture._whole)
    for number, (at, piece) in enumerate(pieces, 2):
        parts = list(found.get(number - 1, ()))
        for which, (begin, end) in enumerate(itertools.pairwise(bounds)):
            start, stop = max(begin, at), min(end, at + len(piece))
            if stop <= start or (start == begin and stop - start >= 20):
                continue  # none of it here, or its whole header
            told = parts.pop(0)
            assert (told.start, told.length, told.before) == (start - at, stop - start, start - begin)
            assert (told.size, told.message_id, told.name) == (end - begin, which, f"data {which:08x} 1/3")
            assert told.began == next(n for n, (a, p) in enumerate(pieces, 2) if a <= begin < a + len(p))
            assert told.ends == next(n for n, (a, p) in enumerate(pieces, 2) if a <= end - 1 < a + len(p))
        assert parts == []
        protocols = [layer.protocol for layer in capture.packet(number).layers[3:]]
        assert ("netlab packet (continued)" in protocols) is any(part.before for part in found.get(number - 1, ()))
        owned = sum(layer.header_len or layer.payload_len for layer in capture.packet(number).layers[3:])
        assert owned == len(piece)


def test_segments_out_of_order_and_sent_again(tmp_path: Path) -> None:
    stream = encode(Packet(EVENT, 7)) + encode(Packet(EVENT, 8))
    first, middle, last = (0, stream[:30]), (30, stream[30:100]), (100, stream[100:])
    capture = capture_of(tmp_path / "x.pcapng", [first, last, middle, middle])
    notes = {number: capture.packet(number).layers[3].notes[0] for number in (3, 4, 5)}
    size = 20 + len(EVENT)
    that, began = "It continues the netlab packet data", "that began in packet"
    assert notes[3] == f"{that} 00000008 {began} 4: bytes {100 - size} to {size - 1} of its {size}, the last of them."
    assert notes[4] == notes[5] == f"{that} 00000007 {began} 2: bytes 30 to {size - 1} of its {size}, the last of them."
    lines = [str(part) for packet in capture for part in packet.summary.netlab]
    assert lines == [
        "data 00000007, goes on",
        "data 00000008, from 4",
        "data 00000007, from 2",
        "data 00000007, from 2",
    ]


def test_a_packet_whose_end_was_not_captured(tmp_path: Path) -> None:
    stream = encode(Packet(EVENT * 9, 7))
    capture = capture_of(tmp_path / "x.pcapng", [(0, stream[:50]), (50, stream[50:90])])
    (note,) = capture.packet(3).layers[3].notes
    assert note.endswith(f"bytes 50 to 89 of its {len(stream)}; its end was not captured.")


def test_a_header_that_is_cut_is_spoken_of(tmp_path: Path) -> None:
    stream = encode(Packet(EVENT, 7)) + encode(Packet(EVENT, 8))
    at = 20 + len(EVENT) + 5
    capture = capture_of(tmp_path / "x.pcapng", [(0, stream[:at]), (at, stream[at:])])
    first = capture.packet(2).layers
    assert [layer.protocol for layer in first[3:]] == ["netlab packet", "chat event", "data"]
    assert first[-1].notes == ("The first 5 bytes of a netlab packet: its header goes on in a later segment.",)
    assert capture.packet(3).layers[3].protocol == "netlab packet (continued)"


def test_in_a_recorded_chat_every_byte_of_every_stream_belongs_to_a_netlab_packet() -> None:
    capture = recorded("chat-tcp")
    continued: list[Part] = []
    for packet in capture:
        if packet.summary.payload_len:
            assert [layer.protocol for layer in packet.layers[3:4]] != ["data"], packet
        continued += packet._parts
    assert [part.before for part in continued].count(32_748 + 20) == 3


@pytest.mark.parametrize("snaplen", [60, 66, 67, 80, 86, 100, 2000])
def test_captures_of_which_only_beginnings_were_kept(tmp_path: Path, snaplen: int) -> None:
    blocks = [pcapng.section_header(), pcapng.interface("lo")]
    for packet in recorded("chat-tcp"):
        data, size = packet.record.data, packet.record.original_len
        blocks.append(pcapng.enhanced_packet(0, packet.record.time_ns or 0, data[:snaplen], size))
    (tmp_path / "x.pcapng").write_bytes(b"".join(blocks))
    for packet in read(tmp_path / "x.pcapng"):
        owned = sum(layer.header_len or min(layer.end, snaplen) - layer.start for layer in packet.layers)
        assert owned == len(packet.record.data), packet
        assert len(str(packet.summary)) > 0
