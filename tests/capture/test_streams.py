"""TCP streams put together from any segments, beside a plain list of bytes; netlab's packets and messages in them."""

from __future__ import annotations

import ipaddress
import random
from itertools import accumulate, pairwise
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from netlab.capture.columns import NO_OFFSET
from netlab.capture.files import Capture, parse
from netlab.capture.messages import chat_event
from netlab.capture.recorded import names, recorded
from netlab.packets import ethernet, ipv4, pcapng, tcp, udp
from netlab.packets import segment as rudp
from netlab.packets.packet import HEADER_LEN, Packet, PacketType, encode
from netlab.packets.split import split
from netlab.packets.tcp import TcpFlags, TcpSegment

CLIENT, SERVER = ipaddress.IPv4Address("10.0.0.1"), ipaddress.IPv4Address("10.0.0.2")
ACK, SYN, FIN, RST = TcpFlags.ACK, TcpFlags.SYN, TcpFlags.FIN, TcpFlags.RST
HALF = 2**31


def ip(payload: bytes, protocol: int, *, back: bool = False) -> bytes:
    ends = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    packet = ipv4.encode(ipv4.Ipv4Packet(*ends, protocol, payload))
    return ethernet.encode(ethernet.EthernetFrame(bytes(6), bytes(6), 0x0800, packet))


def segment(
    seq: int, data: bytes = b"", flags: TcpFlags = ACK, ack: int = 0, *, back: bool = False, port: int = 5
) -> bytes:
    ports = (9000, port) if back else (port, 9000)
    ends = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    one = TcpSegment(*ports, seq % 2**32, ack % 2**32, flags, 100, data)
    return ip(tcp.encode(one, *ends), tcp.PROTOCOL, back=back)


def datagram(data: bytes) -> bytes:
    return ip(udp.encode(udp.UdpDatagram(5, 9001, data), CLIENT, SERVER), udp.PROTOCOL)


def capture(frames: list[bytes], *, snaplen: int = 2**18) -> Capture:
    blocks = [pcapng.section_header(), pcapng.interface("wire", snaplen=snaplen)]
    blocks += [pcapng.enhanced_packet(0, n * 1000, one[:snaplen], len(one)) for n, one in enumerate(frames)]
    return parse(b"".join(blocks))


@given(
    first=st.sampled_from([0, 1, 2**31 - 20, 2**32 - 1, 2**32 - 30, 12345]),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)), min_size=1, max_size=25),
    snaplen=st.sampled_from([2**18, 54 + 9]),
)
@example(first=2**32 - 1, cuts=[(0, 5), (10, 5), (5, 5), (2, 11)], snaplen=2**18)
@settings(max_examples=150)
def test_any_segments_in_any_order(first: int, cuts: list[tuple[int, int]], snaplen: int) -> None:
    said = random.Random(first).randbytes(100)
    frames = [segment(first, flags=SYN)]
    frames += [segment(first + 1 + at, said[at : at + size]) for at, size in cuts]
    found = capture(frames, snaplen=snaplen)
    (stream,) = found.streams()

    seen: dict[int, int] = {}  # offset -> the number of the packet that carried it first
    kept: set[int] = set()
    for number, (at, size) in enumerate(cuts, 2):
        new = [place for place in range(at, at + size) if place not in seen]
        assert found.columns.repeated_len[number - 1] == size - len(new)
        assert found.columns.stream_offset[number - 1] == at
        seen |= dict.fromkeys(new, number)
        kept |= {place for place in new if place < at + (snaplen - 54)}
    pieces = {piece.start + n: byte for piece in stream.pieces for n, byte in enumerate(piece.data)}
    assert pieces == {place: said[place] for place in kept}
    contiguous = next(place for place in range(101) if place not in kept)
    assert stream.data == said[:contiguous]
    for at, size in cuts:
        assert set(stream.carried_by(at, at + size)) == {seen[place] for place in range(at, at + size) if place in kept}
    assert all(start not in kept and end in kept and end - 1 not in kept for start, end in stream.gaps)
    assert stream.begun


def test_what_is_said_about_a_connection() -> None:
    frames = [
        segment(100, flags=SYN),
        segment(500, flags=SYN | ACK, ack=101, back=True),
        segment(101, b"hello", ack=501),
        segment(501, ack=106, back=True),
        segment(105, b"o", ack=501),  # a keep-alive
        segment(501, b"world", ack=106, back=True),
        segment(106, b"", FIN | ACK, ack=506),
        segment(7, flags=RST, back=True),  # a number of its own
    ]
    found = capture(frames)
    columns = found.columns
    forth, back = found.streams()
    assert (forth.data, back.data, forth.peer, back.peer) == (b"hello", b"world", 1, 0)
    assert columns.stream.tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    assert columns.stream_offset.tolist()[:7] == [0, 0, 0, 0, 4, 0, 5]
    assert columns.ack_offset.tolist() == [NO_OFFSET, 0, 0, 5, 0, 5, 5, NO_OFFSET]
    assert columns.repeated_len.tolist() == [0, 0, 0, 0, 1, 0, 0, 0]
    assert columns.window_scaled.tolist() == [100] * 8
    assert forth.carried_by(0, 5) == [3]


def test_a_reset_with_any_number_moves_no_offset() -> None:
    for number in (0, HALF + 12, HALF + 13, 2**32 - 1):  # some are 2**31 away from before and after
        frames = [segment(10, flags=SYN), segment(11, b"one"), segment(number, b"why", RST), segment(14, b"two")]
        found = capture(frames)
        assert [stream.data for stream in found.streams()] == [b"onetwo"]
        assert found.columns.stream_offset.tolist()[3] == 3


def test_a_header_is_no_longer_than_its_packet() -> None:
    frame = bytearray(segment(10, b"abc"))
    frame[14 + 20 + 12] = 15 << 4
    columns = capture([bytes(frame)]).columns
    assert (columns.transport_header_len[0], columns.payload_len[0], columns.mss[0]) == (23, 0, -1)


def test_a_second_connection_on_the_same_ports_is_another_stream() -> None:
    frames = [segment(10, flags=SYN), segment(10, flags=SYN), segment(11, b"one"), segment(14, flags=FIN)]
    frames += [segment(0, flags=RST | ACK, back=True)]
    frames += [segment(9000, flags=SYN), segment(9001, b"two"), segment(7, b"answer", back=True)]
    streams = capture(frames).streams()
    assert [stream.data for stream in streams] == [b"one", b"", b"two", b"answer"]
    assert [stream.peer for stream in streams] == [1, 0, 3, 2]


def test_a_stream_whose_beginning_was_not_captured() -> None:
    found = capture([segment(5000, b"cde"), segment(4998, b"ab"), segment(2**32 - 1, b"", back=True)])
    (stream, other) = found.streams()
    assert (stream.begun, stream.data) == (False, b"abcde")
    assert other.data == b""


MESSAGES = [b'{"type":"leave","op":%d,"room":"lobby"}' % n for n in range(3)]


def test_packets_that_share_a_segment_and_one_that_spans_several() -> None:
    stream = b"".join(encode(Packet(one, 7 + n, session=b"sessions")) for n, one in enumerate(MESSAGES))
    big = b"x" * 1400
    stream += b"".join(map(encode, split(big, message_id=99, max_payload=600)))
    cuts = [0, 5, 30, 200, 230, 800, 1500, len(stream)]
    frames = [segment(0, flags=SYN)]
    frames += [segment(1 + a, stream[a:b]) for a, b in pairwise(cuts)]
    order = [0, 1, 3, 2, 2, 4, 6, 5, 7]
    found = capture([frames[n] for n in order])
    packets = found.netlab_packets
    assert packets.message_id.tolist() == [7, 8, 9, 99, 99, 99]
    assert packets.intact.tolist() == [1] * 6
    assert packets.fragment_index.tolist() == [0, 0, 0, 0, 1, 2]
    assert packets.offset.tolist()[:2] == [0, 20 + 8 + len(MESSAGES[0])]
    messages = found.messages()
    assert [message.data for message in messages] == [*MESSAGES, big]
    assert [message.chat.room for message in messages] == ["lobby"] * 3 + [""]
    assert messages[0].numbers == (2,)
    assert messages[0].last_number == 4  # bytes 30 and on came in the third packet of the file, 5 to 30 in the fourth
    assert len(messages[3].numbers) == 3
    assert found.columns.messages.tolist() == [0, 0, 0, 3, 0, 0, 0, 0, 1]
    (whole,) = found.streams()
    assert whole.data[messages[3].offset : messages[3].end].count(b"x") == 1400


def test_the_next_header_is_never_hunted_for() -> None:
    good, wrong = encode(Packet(b"good", 1)), bytearray(encode(Packet(b"wrong", 2)))
    wrong[-1] ^= 1
    found = capture([segment(0, flags=SYN), segment(1, good + bytes(wrong) + good)])
    assert found.netlab_packets.intact.tolist() == [1, 0]
    assert capture([segment(0, flags=SYN), segment(1, b"GET /" + good)]).netlab_packets.row.tolist() == []


def test_a_gap_within_a_packet_costs_that_packet_alone() -> None:
    stream = encode(Packet(b"a" * 50, 1)) + encode(Packet(b"b", 2))
    found = capture([segment(0, flags=SYN), segment(1, stream[:30]), segment(1 + 60, stream[60:])])
    assert found.netlab_packets.intact.tolist() == [-1, 1]
    assert [message.data for message in found.messages()] == [b"b"]


def test_datagrams_with_several_packets_and_twice() -> None:
    both = encode(Packet(MESSAGES[0], 1)) + encode(Packet(b"", 2, type=PacketType.PING))
    parts = [encode(one) for one in split(b"y" * 1000, message_id=9, max_payload=600)]
    found = capture(
        [datagram(both), datagram(both), datagram(parts[1]), datagram(parts[0]), datagram(b"NL\x20" + bytes(17))]
    )
    assert found.columns.netlab_packets.tolist() == [2, 2, 1, 1, 0]
    assert found.columns.message_id.tolist() == [1, 1, 9, 9, -1]
    assert found.columns.netlab_type.tolist() == [0, 0, 0, 0, -1]
    assert [(one.data, one.numbers, one.stream) for one in found.messages()] == [
        (MESSAGES[0], (1,), None),
        (MESSAGES[0], (2,), None),
        (b"y" * 1000, (3, 4), None),
    ]
    assert len(found.where(number=[2, 3]).messages()) == 1


def rudp_segment(
    offset: int, data: bytes, *, stream: int = 0, token: bytes = b"87654321", ranges: tuple[int, ...] = ()
) -> bytes:
    body = rudp.encode(rudp.Segment(1, 0, stream, rudp.ELICITS, offset % 2**32, 0, ranges=ranges, data=data))
    return encode(Packet(body, type=PacketType.SEGMENT, session=token))


@given(
    cuts=st.lists(st.tuples(st.integers(0, 130), st.integers(1, 60)), min_size=1, max_size=25),
    other=st.sampled_from([{"stream": 1}, {"token": b"12345678"}, {"ranges": (5, 9, 2, 3)}]),
)
@settings(max_examples=100)
def test_any_segments_of_rudp_in_any_order(cuts: list[tuple[int, int]], other: dict[str, Any]) -> None:
    """The packets of an ordered stream, with the capture's packet that made each whole: nothing twice, nothing lost."""
    packets = [encode(Packet(MESSAGES[0], 1)), encode(Packet(b"", 2)), encode(Packet(b"[1]", 3))]
    said, ends = b"".join(packets), list(accumulate(map(len, packets)))
    apart = "ranges" not in other  # it is another stream, which says the same at the same time
    pieces = [(start, min(start + size, len(said))) for start, size in [(0, 1), *cuts]]
    frames = []
    for start, end in pieces:
        frames.append(datagram(rudp_segment(start, said[start:end])))
        frames.append(datagram(rudp_segment(start, said[start:end], **other)))
    there = {at for start, end in pieces for at in range(start, end)}
    whole_with: dict[int, int] = {}
    for place, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        # its own bytes, and the headers before it that say where it begins: another's payload may be missing
        headers = {at + byte for at in [0, *ends][:place] for byte in range(HEADER_LEN)}
        if there >= headers | set(range(begin, end)):
            needed, had = there & set(range(end)), set[int]()
            for number, (first, behind) in enumerate(pieces):
                had |= set(range(first, behind))
                if had >= needed:
                    whole_with[place] = number * 2 + 1
                    break
    found = capture(frames).messages()
    wanted = [(place + 1, frame + twin) for twin in range(1 + apart) for place, frame in whole_with.items()]
    assert sorted((one.message_id, one.last_number) for one in found) == sorted(wanted)
    assert all((one.stream, one.rudp_stream is None) == (None, False) for one in found)


def test_a_stream_of_rudp_wraps_and_need_not_be_seen_from_its_beginning() -> None:
    packets = [encode(Packet(one, number)) for number, one in enumerate([MESSAGES[0], b"", b"[1]"])]
    at = 2**32 - len(packets[0]) - 7
    frames = []
    for one in packets:
        frames.append(datagram(rudp_segment(at, one)))
        at += len(one)
    found = capture([frames[0], frames[2], frames[1], frames[1]])
    assert [(one.message_id, one.numbers, one.last_number) for one in found.messages()] == [
        (0, (1,), 1),
        (1, (3,), 3),
        (2, (2,), 3),
    ]
    assert found.columns.netlab_packets.tolist() == [2, 2, 2, 1]
    damaged = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
    assert [one.message_id for one in capture([frames[0], damaged, frames[2]]).messages()] == [0]


def test_recorded_chats_say_what_was_said() -> None:
    for chat in (recorded(name) for name in names() if name.startswith("chat")):
        kinds = {message.chat.type for message in chat.messages()}
        assert {"hello", "welcome", "join", "joined", "emit", "message"} <= kinds
        assert chat.netlab_packets.intact.min() == 1
        said = chat.where(chat_type="message", room="lobby")
        assert len(said) > 0
        assert (said.columns.room_number > 0).all()


def test_chat_events_of_any_kind() -> None:
    assert chat_event(b'{"type":"message","rooms":{"a":7},"name":"ann","args":["x"]}').room_number == 7
    assert chat_event(b'{"type":"x","args":[{"no":"text"}]}').text == ""
    for broken in (
        b"",
        b"{",
        b"[]",
        b'{"type":3}',
        b'{"type":"m","op":"x"}',
        b"\xff",
        b'{"type":"a","args":' + b"[" * 9999,
    ):
        assert chat_event(broken).type == ""
