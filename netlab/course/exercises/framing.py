"""Exercise 04: a decoder for messages on a stream, which has no boundaries.

A message is preceded by its length, 2 bytes, big-endian. `feed` is given what a recv returned, whatever that is, and
returns the messages that are now complete, in order.

Source: RFC 9293 §2.2: TCP provides "a reliable, in-order, byte-stream service".
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.conversation import stream_frames
from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Cut(msgspec.Struct, frozen=True):
    """Messages, and where the stream is cut into what each recv returns: offsets, rising."""

    messages: tuple[bytes, ...]
    cuts: tuple[int, ...]

    def __str__(self) -> str:
        return f"recv returned {', '.join(map(_show, self.pieces))}"

    @property
    def stream(self) -> bytes:
        return b"".join(len(message).to_bytes(2, "big") + message for message in self.messages)

    @property
    def pieces(self) -> list[bytes]:
        edges = [0, *sorted({min(cut, len(self.stream)) for cut in self.cuts} - {0}), len(self.stream)]
        pieces = [self.stream[a:b] for a, b in pairwise(edges)]
        return [piece for piece in pieces if piece]


_MESSAGES = st.lists(
    st.one_of(st.sampled_from([b"hi", b"", b"\x00\x02", b"x" * 300]), st.binary(max_size=6)), min_size=1, max_size=4
)


def _judge(decoder: Any, case: Cut) -> Complaint | None:
    made = decoder()
    heard: list[bytes] = []
    whole = 0
    for number, piece in enumerate(case.pieces, 1):
        out = made.feed(piece)
        if not isinstance(out, list | tuple) or not all(isinstance(message, bytes | bytearray) for message in out):
            return _complain(
                case, f"feed returned {out!r}: it has to return a list of bytes, empty where none is whole"
            )
        heard += map(bytes, out)
        whole += len(piece)
        due = _complete(case, whole)
        if heard != due:
            return _complain(case, _why(case, number, heard, due), due, heard)
    return None


def _complete(case: Cut, received: int) -> list[bytes]:
    """The messages that are whole after so many bytes of the stream."""
    ends, at = [], 0
    for message in case.messages:
        at += 2 + len(message)
        ends.append(at)
    return [message for message, end in zip(case.messages, ends, strict=True) if end <= received]


def _why(case: Cut, number: int, heard: Sequence[bytes], due: Sequence[bytes]) -> str:
    before = _complete(case, len(b"".join(case.pieces[: number - 1])))
    new, new_due = heard[len(before) :], due[len(before) :]
    if list(heard) == [message for message in due if message]:
        return "a message of 0 bytes is a message too"
    if len(new_due) > 1 and len(new) == 1:
        whole = "the first came out alone" if new[0] == new_due[0] else "they came out as one"
        return f"one recv held several messages, and {whole}"
    if len(new) < len(new_due):
        return f"recv {number} completed a message that had begun before it, and it did not come out"
    if len(case.pieces[number - 1]) == 1 and len(new) > len(new_due):
        return "one byte is not a whole length: the second one is still on its way"
    if len(new) > len(new_due):
        return f"recv {number} ended within a message, and what had come of it was given out as if it were whole"
    return f"after recv {number} other messages came out than were sent"


def _complain(
    case: Cut, sentence: str, expected: Sequence[bytes] | None = None, got: Sequence[bytes] | None = None
) -> Complaint:
    return Complaint(
        sentence,
        given=str(case),
        expected="" if expected is None else f"{list(map(_show, expected))} by then".replace("'", ""),
        got="" if got is None else f"{list(map(_show, got))}".replace("'", ""),
        hint="a recv returns a piece of the stream, not a message (RFC 9293 §2.2): keep what is not whole yet",
        frames=stream_frames(case.pieces),
    )


def _show(data: bytes) -> str:
    return f"b'{data.hex(' ')}'" if len(data) <= 12 else f"{len(data)} B"


exercise: Exercise[Cut] = Exercise(
    name="framing",
    notebook="04",
    write="a class whose feed(data) returns the list of messages that are whole",
    cases=st.builds(
        lambda messages, cuts: Cut(tuple(messages), tuple(cuts)),
        _MESSAGES,
        st.lists(st.integers(0, 20), max_size=5),
    ),
    judge=_judge,
)
