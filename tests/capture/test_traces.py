"""A trace is read as it was written; a line that is no decision is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from netlab.capture.traces import busiest, of_sender, read_trace
from netlab.errors import CaptureError
from netlab.protocols.trace import Decision

ANN = [Decision(at=k, who="ann", cause="sent", snd_nxt=100 * k, flight_size=100) for k in range(4)]
BOB = [Decision(at=k, who="bob", cause="ack", snd_nxt=10, flight_size=0) for k in range(9)]
REST = [Decision(at=99, who="ann", cause="ack", flight_size=0), Decision(at=10**9, who="ann", cause="state")]


def test_a_trace_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "trace.jsonl"
    file.write_bytes(msgspec.json.Encoder().encode_lines(ANN + BOB))
    assert read_trace(file) == ANN + BOB


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"at": "soon"}', b"\xff\xfe", b"[" * 100_000, b'{"at":1}'])
def test_a_line_that_is_no_decision_is_named(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "trace.jsonl"
    good = msgspec.json.encode(ANN[0]) + b"\n\n"
    file.write_bytes(good + line + b"\n")
    with pytest.raises(CaptureError, match="line 3 is no decision") as caught:
        read_trace(file)
    assert caught.value.offset == len(good)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        read_trace(tmp_path / "none")


def test_the_busiest_sender_is_shown_as_long_as_it_sends() -> None:
    assert busiest(BOB + ANN) == "ann"
    assert of_sender(BOB + ANN + REST) == [*ANN, REST[0]]
    assert of_sender(BOB + ANN, "bob") == BOB
    with pytest.raises(CaptureError, match=r"no sender 'cem' decided anything: (ann, bob|bob, ann)"):
        of_sender(ANN + BOB, "cem")
