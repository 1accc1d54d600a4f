"""The header of ARQs: what is encoded decodes, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import DecodeError, LocalProtocolError
from netlab.protocols.arq import Ack, Data, Pdu, decode, encode

NUMBERS = st.integers(0, 2**32 - 1)
PDUS = st.one_of(st.builds(Data, NUMBERS, st.binary(max_size=50)), st.builds(Ack, NUMBERS))


@given(PDUS)
def test_what_is_encoded_decodes_and_every_part_of_it_is_refused(pdu: Pdu) -> None:
    encoded = encode(pdu)
    assert decode(encoded) == pdu
    for length in range(len(encoded)):
        with pytest.raises(DecodeError):
            decode(encoded[:length])
    with pytest.raises(DecodeError):
        decode(encoded + b"x")


@given(st.binary(max_size=20))
def test_any_bytes_decode_to_what_encodes_to_them_or_are_refused(data: bytes) -> None:
    try:
        pdu = decode(data)
    except DecodeError:
        return
    assert encode(pdu)[:1] + data[1:2] + encode(pdu)[2:] == data  # the reserved byte is ignored


@pytest.mark.parametrize(
    ("data", "field"),
    [("0100", "header"), ("0300000000000000", "kind"), ("0200000100000000ff", "payload length")],
)
def test_what_is_wrong_is_named(data: str, field: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(bytes.fromhex(data))
    assert caught.value.field == field


@pytest.mark.parametrize("pdu", [Ack(2**32), Data(-1), Data(0, bytes(2**16))])
def test_what_does_not_fit_is_the_callers_mistake(pdu: Pdu) -> None:
    with pytest.raises(LocalProtocolError, match="do not fit"):
        encode(pdu)
