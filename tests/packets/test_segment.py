"""rudp's header: as it is drawn, both ways, and nothing that makes no sense is taken."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netlab.packets.segment as codec
from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.segment import HEADER, HEADER_LEN, MAX_RANGES, RANGE, Segment, decode, encode, widen

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
U16, U32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, ...]:
    """Ranges as an acknowledgement may name them: the newest first, with gaps between, also across the wrap."""
    at = draw(U32)
    edges: list[int] = []
    for length, gap in draw(st.lists(st.tuples(st.integers(0, 999), st.integers(2, 999)), max_size=MAX_RANGES)):
        edges += [(at - length) % 2**32, at]
        at = (at - length - gap) % 2**32
    return tuple(edges)


SEGMENTS = st.builds(
    Segment, U32, U16, U16, st.integers(0, 15), U32, U32, U16, ranges(), st.binary(max_size=40)
)  # fmt: skip


@pytest.mark.parametrize("document", [codec.__doc__ or "", PROTOCOL.read_text()])
def test_the_drawings_in_the_documents_are_made_from_the_description(document: str) -> None:
    assert textwrap.indent(HEADER.drawing(), "    ") in document
    assert textwrap.indent("\n".join(RANGE.drawing().splitlines()[2:]), "    ") in document


@given(SEGMENTS)
def test_decode_undoes_encode(segment: Segment) -> None:
    data = encode(segment)
    assert decode(data) == segment
    assert encode(decode(data)) == data


@given(SEGMENTS)
def test_the_description_reads_what_the_codec_wrote(segment: Segment) -> None:
    assert HEADER.read(encode(segment)) == {
        "number": segment.number,
        "settled": segment.settled,
        "stream": segment.stream,
        "flags": segment.flags,
        "ack_ranges": len(segment.ranges) // 2,
        "ack_delay": segment.ack_delay,
        "offset": segment.offset,
        "max_data": segment.max_data,
    }


def test_a_segment_written_out() -> None:
    data = bytes.fromhex("00000011 0001 0002 09 01 0003 00000004 00040000 00000005 00000007 6869")
    assert decode(data) == Segment(17, 1, 2, 9, 4, 0x40000, 3, (5, 7), b"hi")


@given(SEGMENTS, st.data())
def test_a_truncated_segment_is_not_one_with_ranges(segment: Segment, data: st.DataObject) -> None:
    whole = encode(segment)
    header = HEADER_LEN + 4 * len(segment.ranges)
    with pytest.raises(DecodeError):
        decode(whole[: data.draw(st.integers(0, header - 1))])


@pytest.mark.parametrize(
    ("segment", "field"),
    [
        (Segment(1, 0, 0, 1, 0, 0, 0, (8, 7)), "first acknowledged"),
        (Segment(1, 0, 0, 1, 0, 0, 0, (5, 7, 4, 4)), "first acknowledged"),  # no gap: they are one range
        (Segment(1, 0, 0, 1, 0, 0, 0, (5, 7, 9, 9)), "first acknowledged"),
        (Segment(1, 0, 0, 1, 0, 0, 0, (0, 2**31)), "first acknowledged"),
        (Segment(1, 0, 0, 16, 0, 0), "flags"),
    ],
)
def test_what_makes_no_sense_is_named(segment: Segment, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(encode(segment))
    assert caught.value.field == field


@given(st.binary(max_size=80))
def test_noise_raises_nothing_else(noise: bytes) -> None:
    try:
        segment = decode(noise)
    except DecodeError:
        return
    assert encode(segment) == noise


@pytest.mark.parametrize(
    "segment",
    [
        Segment(2**32, 0, 0, 0, 0, 0),
        Segment(0, 2**16, 0, 0, 0, 0),
        Segment(0, 0, 0, 0, 0, 0, 0, (1,) * 2 * (MAX_RANGES + 1)),
        Segment(0, 0, 0, 0, 0, 0, 0, (1, 2, 3)),
    ],
)
def test_what_does_not_fit_is_the_callers_mistake(segment: Segment) -> None:
    with pytest.raises(LocalProtocolError):
        encode(segment)


@given(st.integers(0, 2**40), st.integers(-(2**31), 2**31 - 1))
def test_a_number_is_known_from_its_32_bits(near: int, away: int) -> None:
    assert widen((near + away) % 2**32, near) == near + away
