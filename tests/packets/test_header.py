"""One description of the header: the codec, the drawings and the documents say the same."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import netlab.packets.packet as codec
from netlab.packets.header import Header, HeaderField, Shown
from netlab.packets.packet import HEADER, TOKEN, Packet, PacketType, encode

PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"


@pytest.mark.parametrize("document", [codec.__doc__ or "", PROTOCOL.read_text()])
def test_the_drawing_in_the_documents_is_made_from_the_description(document: str) -> None:
    assert textwrap.indent(HEADER.drawing(), "    ") in document


def test_the_documents_table_of_types_is_that_of_the_description() -> None:
    rows = [line.split(" | ")[:2] for line in PROTOCOL.read_text().splitlines() if line.startswith("| ")]
    told = {int(number.removeprefix("| ")): name for number, name in rows if number.removeprefix("| ").isdigit()}
    assert told == HEADER.field("type").names


@given(
    message_id=st.integers(0, 2**32 - 1),
    count=st.integers(1, 2**16 - 1),
    kind=st.sampled_from(PacketType),
    payload=st.binary(max_size=40),
    session=st.none() | st.binary(min_size=8, max_size=8),
)
def test_fields_are_read_where_the_codec_puts_them(
    message_id: int, count: int, kind: PacketType, payload: bytes, session: bytes | None
) -> None:
    data = encode(Packet(payload, message_id, count - 1, count, kind, session))
    read = HEADER.read(b"before" + data, 6)
    assert read | {"crc": 0} == {
        "magic": 0x4E4C,
        "version": 1,
        "type": kind,
        "flags": int(session is not None),
        "payload_length": len(data) - 20,
        "fragment_index": count - 1,
        "fragment_count": count,
        "reserved": 0,
        "message_id": message_id,
        "crc": 0,
    }
    if session is not None:
        assert TOKEN.read(data, HEADER.len) == {"session": int.from_bytes(session, "big")}


def test_a_drawing_has_32_bits_in_a_row_and_an_edge_wherever_a_field_ends() -> None:
    def field(key: str, bits: int) -> HeaderField:
        return HeaderField(key, key, bits, Shown.DECIMAL, "")

    drawn = Header("x", "x", field("a", 4), field("b", 12), field("c", 16), field("d", 64)).drawing().splitlines()
    assert [line for line in drawn if "+" not in line][2:] == [
        "|   a   |           b           |               c               |",
        "|                               d                               |",
        f"|{' ' * 63}|",
    ]
    assert drawn[4] == "+-------+-----------------------+-------------------------------+"
    assert {len(line) for line in drawn[2:]} == {65}


def test_half_a_byte_is_no_header() -> None:
    with pytest.raises(ValueError, match="12 bits is not whole bytes"):
        Header("x", "x", HeaderField("a", "a", 12, Shown.HEX, ""))


def test_values_are_read_as_people_do() -> None:
    assert HEADER.field("type").text(5) == "5 pong"
    assert HEADER.field("type").text(9) == "9 unknown"
    assert HEADER.field("flags").text(0) == "none"
    assert HEADER.field("flags").text(0x81) == "SESSION, 0x80"
    assert HEADER.field("message_id").text(7) == "0x00000007"
    assert HEADER.field("payload_length").text(7) == "7 bytes"
