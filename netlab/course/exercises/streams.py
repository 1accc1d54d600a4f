"""Exercise 11: several streams over datagrams, none of which waits for another.

A class whose `arrived(stream, offset, data)` takes one piece of a stream, in whatever order pieces come and also twice,
and returns what can be delivered now: a list of `(stream, bytes)`. Each stream is delivered in order, each byte once,
and as soon as it can be.

Source: RFC 9000 §2.2: an endpoint delivers each stream's data as an ordered byte stream; between streams there is no
order.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import strategies as st

from netlab.course.check.conversation import datagram_frames
from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Piece(msgspec.Struct, frozen=True):
    """A piece of a stream, as a datagram carries it."""

    stream: int
    offset: int
    data: bytes

    @property
    def encoded(self) -> bytes:
        """Its bytes in a datagram: stream and offset, 2 bytes each, then the data."""
        return self.stream.to_bytes(2, "big") + self.offset.to_bytes(2, "big") + self.data


class Arrivals(msgspec.Struct, frozen=True):
    """The pieces in the order in which they come."""

    pieces: tuple[Piece, ...]


def _judge(receiver: Any, case: Arrivals) -> Complaint | None:
    made = receiver()
    there: dict[int, dict[int, int]] = defaultdict(dict)  # stream -> offset of each byte that came
    due: dict[int, bytes] = defaultdict(bytes)
    heard: dict[int, bytes] = defaultdict(bytes)
    for number, piece in enumerate(case.pieces, 1):
        out = made.arrived(piece.stream, piece.offset, piece.data)
        there[piece.stream].update(enumerate(piece.data, piece.offset))
        mine = there[piece.stream]
        while len(due[piece.stream]) in mine:
            due[piece.stream] += bytes([mine[len(due[piece.stream])]])
        if not isinstance(out, list | tuple) or not all(isinstance(one, tuple) and len(one) == 2 for one in out):
            return _complain(case, number, f"arrived has to return a list of (stream, bytes), not {out!r}")
        for stream, data in out:
            heard[stream] += bytes(data)
        for stream in sorted({*due, *heard}):
            if heard[stream] != due[stream]:
                sentence = _why(case, number, stream, heard[stream], due[stream])
                return _complain(case, number, sentence, due[stream], heard[stream])
    return None


def _why(case: Arrivals, number: int, stream: int, heard: bytes, due: bytes) -> str:
    piece = case.pieces[number - 1]
    if due.startswith(heard):
        earlier = {other.stream for other in case.pieces[:number]} - {stream}
        if piece.offset + len(piece.data) < len(due):
            return f"stream {stream} was complete up to byte {len(due)}, but what had come early was not kept"
        if earlier:
            return f"stream {stream} could go on, but waits for another stream: that is head-of-line blocking"
        return f"stream {stream} could go on, and nothing was delivered"
    if len(heard) > len(due):
        if any(other == piece for other in case.pieces[: number - 1]):
            return f"what came twice was delivered twice in stream {stream}"
        return f"stream {stream} was delivered although something before it is missing: order within a stream is kept"
    return f"other bytes were delivered in stream {stream} than were sent"


def _complain(
    case: Arrivals, number: int, sentence: str, expected: bytes | None = None, got: bytes | None = None
) -> Complaint:
    pieces = case.pieces[:number]
    return Complaint(
        sentence,
        given=", ".join(f"stream {p.stream} [{p.offset}:{p.offset + len(p.data)}] {p.data!r}" for p in pieces),
        expected="" if expected is None else f"{expected!r} by then",
        got="" if got is None else repr(got),
        hint="order is kept within each stream and not between them (RFC 9000 §2.2)",
        frames=datagram_frames([piece.encoded for piece in pieces]),
    )


@st.composite
def _arrivals(draw: st.DrawFn) -> Arrivals:
    pieces = []
    for stream in range(draw(st.integers(1, 3))):
        offset = 0
        for size in draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)):
            pieces.append(Piece(stream, offset, bytes(range(97 + offset, 97 + offset + size))))
            offset += size
    order = draw(st.permutations(pieces))
    again = draw(st.lists(st.sampled_from(pieces), max_size=2))
    return Arrivals((*order, *again))


exercise: Exercise[Arrivals] = Exercise(
    name="streams",
    notebook="11",
    write="a class whose arrived(stream, offset, data) returns the list of (stream, bytes) that can be delivered",
    cases=_arrivals(),
    judge=_judge,
)
