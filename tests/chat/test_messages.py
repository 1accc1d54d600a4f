"""What is said, as JSON: readable, compact, and hostile JSON raises only what callers catch."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.chat import messages as m

CAUGHT = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What the hub, the client and the datagram server catch when they decode."""

CAUGHT_SIZING = (UnicodeEncodeError, RecursionError)
"""What they catch when they ask for the size of arguments."""


def emit(args: bytes) -> bytes:
    return b'{"type":"emit","op":1,"event":"say","to":["hall"],"args":' + args + b"}"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (m.Hello(name="ann"), b'{"type":"hello","name":"ann"}'),
        (m.Join(1, "hall"), b'{"type":"join","op":1,"room":"hall"}'),
        (m.Emit(2, "say", ["hall"], ["hi"]), b'{"type":"emit","op":2,"event":"say","to":["hall"],"args":["hi"]}'),
        (m.Goodbye("server_closed"), b'{"type":"goodbye","code":"server_closed"}'),
        (m.Gap("hall", 3, None), b'{"type":"gap","room":"hall","from":3,"to":null}'),
        (
            m.Message(rooms={"hall": 7}, sid="s", name="ann", op=2, time=1, event="say", args=["é"]),
            b'{"type":"message","rooms":{"hall":7},"sid":"s","name":"ann","op":2,"time":1,"event":"say","args":["\xc3\xa9"]}',
        ),
    ],
)
def test_as_a_hex_dump_shows_it(message: Any, text: bytes) -> None:
    assert m.encode_json(message) == text
    decode = m.decode_client_message if isinstance(message, get_args(m.ClientMessage)) else m.decode_hub_message
    assert decode(text) == message


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=3))
def test_any_arguments_come_back_as_they_were(args: list[Any]) -> None:
    message = m.Emit(1, "say", ["hall"], args)
    assert m.decode_client_message(m.encode_json(message)) == message


HOSTILE = {
    "empty": b"",
    "no JSON": b"hello",
    "cut": b'{"type":"hello","name":"an',
    "no object": b"[]",
    "null": b"null",
    "no type": b"{}",
    "unknown type": b'{"type":"root"}',
    "type of the hub": b'{"type":"welcome"}',
    "type twice": b'{"type":"leave","type":"join","op":1,"room":"a"}',
    "type no text": b'{"type":{"a":1}}',
    "trailing": b'{"type":"hello"}{"type":"hello"}',
    "byte order mark": b'\xef\xbb\xbf{"type":"hello"}',
    "utf-16": '{"type":"hello"}'.encode("utf-16"),
    "not utf-8": b'{"type":"hello","name":"\xff"}',
    "surrogate as utf-8": b'{"type":"hello","name":"\xed\xa0\x80"}',
    "wrong field": b'{"type":"join","op":"1","room":"a"}',
    "missing field": b'{"type":"join","op":1}',
    "op is a float": b'{"type":"join","op":1.5,"room":"a"}',
    "op is true": b'{"type":"join","op":true,"room":"a"}',
    "NaN": emit(b"[NaN]"),
    "Infinity": emit(b"[-Infinity]"),
    "a number past every float": emit(b"[1e999]"),
    "5,000 digits": emit(b"[" + b"9" * 5_000 + b"]"),
    "200,000 digits": emit(b"[" + b"9" * 200_000 + b"]"),
    "200,000 brackets": b"[" * 200_000,
    "200,000 brackets in a message": emit(b"[" * 200_000),
    "200,000 brackets closed": emit(b"[" * 200_000 + b"]" * 200_000),
    "100,000 objects": emit(b"[" + b'{"a":' * 100_000),
    "200,000 brackets in a field that is not known": b'{"type":"hello","x":' + b"[" * 200_000,
    "brackets for a type": b'{"type":' + b"[" * 200_000,
    "brackets before the type": b'{"x":' + b"[" * 200_000 + b"]" * 200_000 + b',"type":"hello"}',
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("decode", [m.decode_client_message, m.decode_hub_message], ids=["hub", "client"])
def test_hostile_json_raises_what_is_caught(decode: Any, data: bytes) -> None:
    with pytest.raises(CAUGHT):
        decode(data)


@pytest.mark.parametrize(
    "args",
    [
        rb'["\ud800"]',
        rb'["\udfff abc"]',
        rb'["\ud800\u0041 abcdef"]',
        rb'[{"\udc00":1}]',
        b"[" + b"9" * 4_300 + b"]",
        b"[-" + b"9" * 400 + b"]",
        b"[1e308,5e-324,-0.0]",
        b"[" * 900 + b"]" * 900,
        rb'["\u0000"]',
        b"[" + b"0," * 10_000 + b"0]",
    ],
)
def test_what_may_decode_has_a_size_or_raises_what_is_caught(args: bytes) -> None:
    """Lone surrogates are refused by msgspec 0.20 and later; before, they parsed and had no UTF-8."""
    try:
        message = m.decode_client_message(emit(args))
    except CAUGHT:
        return
    assert isinstance(message, m.Emit)
    m.depth_of(message.args)
    try:
        m.size_of(message.args)
    except CAUGHT_SIZING:
        return
    again = m.decode_client_message(m.encode_json(message))
    assert again == message


@given(st.binary(max_size=60) | st.binary(max_size=30).map(lambda noise: b'{"type":"emit","op":1,' + noise + b"}"))
def test_random_bytes_raise_what_is_caught(data: bytes) -> None:
    for decode in (m.decode_client_message, m.decode_hub_message):
        try:
            decode(data)
        except CAUGHT:
            continue


@given(JSON, st.randoms(use_true_random=False))
def test_a_message_damaged_by_one_byte_raises_what_is_caught(args: Any, rng: Any) -> None:
    data = bytearray(m.encode_json(m.Emit(1, "say", ["hall"], [args])))
    data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        message = m.decode_client_message(bytes(data))
    except CAUGHT:
        return
    if isinstance(message, m.Emit):
        m.size_of(message.args)


@pytest.mark.parametrize(
    ("args", "size"),
    [
        ([], 0),
        ([""], 0),
        (["hi"], 2),
        (["é"], 2),
        (["x" * 65_536], 65_536),  # a lone text counts as its UTF-8: the limit is one on what people write
        (["\n"], 2),  # escaped
        (["a", "b"], 5),
        ([1], 0),
        ([12345], 3),
    ],
)
def test_size(args: list[Any], size: int) -> None:
    assert m.size_of(args) == size


def test_a_lone_surrogate_has_no_size() -> None:
    with pytest.raises(UnicodeEncodeError):
        m.size_of(["\ud800"])
    with pytest.raises(UnicodeEncodeError):
        m.size_of([{"\udfff": 1}])


def nested(depth: int, *, objects: bool = False) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if objects else [value]
    return value


@pytest.mark.parametrize("depth", [0, 1, 2, 31, 32, 33, 100_000])
@pytest.mark.parametrize("objects", [False, True])
def test_depth_does_not_recurse(depth: int, objects: bool) -> None:
    assert m.depth_of(nested(depth, objects=objects)) == depth


@pytest.mark.parametrize(
    ("value", "depth"),
    [
        ("[[[", 0),
        (None, 0),
        ([], 1),
        ({}, 1),
        ([[], [[]], 1], 3),
        ([1, {"a": [2]}, []], 3),
        ({"a": 1, "b": {"c": []}}, 3),
    ],
)
def test_depth_is_the_deepest_places(value: Any, depth: int) -> None:
    assert m.depth_of(value) == depth


def test_nesting_that_cannot_be_encoded_raises_what_is_caught() -> None:
    with pytest.raises(RecursionError):
        m.size_of(nested(100_000))
