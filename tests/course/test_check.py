"""Each check passes its solution and fails plausible wrong answers, each with words of its own, and shows the smallest
case. An answer may do what it wants: the check comes to an end, and says what happened."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netlab.capture import read
from netlab.course import check
from netlab.course.check import engine
from netlab.course.check.verdict import MIME, CheckFailed, Status, Verdict
from tests.course.answers import solution, wrong_of

WRONG = [(name, answer, words) for name in check.EXERCISES for answer, words in wrong_of(name).WRONG.items()]


@pytest.mark.parametrize("name", check.EXERCISES)
def test_the_solution_is_right(name: str, tmp_path: Path) -> None:
    verdict = getattr(check, name)(solution(name), folder=tmp_path)
    assert verdict.status is Status.PASSED, str(verdict)
    assert verdict.tried >= 8
    verdict.require()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "answer", "words"), WRONG, ids=[f"{n}-{a.__name__}" for n, a, _ in WRONG])
def test_a_plausible_wrong_answer_is_told_why(name: str, answer: Any, words: str, tmp_path: Path) -> None:
    assert wrong_of(name).works_on_a_clean_path(answer)
    verdict: Verdict = getattr(check, name)(answer, folder=tmp_path)
    assert verdict.status is Status.FAILED
    assert verdict.complaint is not None
    assert words in verdict.complaint.sentence
    assert verdict.complaint.hint
    with pytest.raises(CheckFailed, match="not yet"):
        verdict.require()


@pytest.mark.parametrize("name", check.EXERCISES)
def test_three_wrong_answers_or_more_each_with_words_of_its_own(name: str) -> None:
    words = list(wrong_of(name).WRONG.values())
    assert len(words) >= 3
    assert len(set(words)) == len(words)


def test_the_smallest_case_is_shown_and_saved(tmp_path: Path) -> None:
    verdict = check.framing(wrong_of("framing").OneRecvIsOneMessage, folder=tmp_path)
    saved = tmp_path / "check-framing.pcapng"
    assert verdict.capture == saved
    capture = read(saved)
    assert {interface.name for interface in capture.interfaces} == {"sender", "sender>receiver", "receiver"}
    assert len(capture) <= 3  # one piece of the stream, at three points: a beginning of a message
    assert "sender -> receiver" in verdict.ladder
    assert verdict.ladder.splitlines()[0] in " ".join(str(verdict).split("\n"))


def test_a_verdict_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    shown = check.framing(wrong_of("framing").OneRecvIsOneMessage, folder=tmp_path)._repr_mimebundle_()
    assert shown["text/plain"].startswith("framing: not yet: ")
    assert 'alt="' in shown["text/html"]
    assert json.loads(json.dumps(shown[MIME]))["status"] == "failed"


class Skeleton:
    def feed(self, data: bytes) -> list[bytes]:
        raise NotImplementedError


@pytest.mark.parametrize("answer", [..., None, Skeleton])
def test_a_skeleton_is_not_done_yet(answer: Any, tmp_path: Path) -> None:
    verdict = check.framing(answer, folder=tmp_path)
    assert verdict.status is Status.OPEN
    assert (
        str(verdict)
        == "framing: not done yet: write a class whose feed(data) returns the list of messages that are whole"
    )
    with pytest.raises(CheckFailed):
        verdict.require()


Right = solution("framing")


class Raises(Right):  # type: ignore[misc,valid-type]
    def feed(self, data: bytes) -> list[bytes]:
        if len(data) == 1:
            raise ValueError("one byte is too few")
        return Right.feed(self, data)


class SaysALot(Raises):
    def feed(self, data: bytes) -> list[bytes]:
        sys.stdout.write(f"ESC {data!r}")
        return super().feed(data)


class WantsMore:
    def feed(self, data: bytes, more: int) -> list[bytes]:
        return []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Raises, "it raised ValueError: one byte is too few (line "),
        (WantsMore, "it raised TypeError"),
        (3, "it raised TypeError: 'int' object is not callable"),
        (lambda: None, "it raised AttributeError"),
    ],
)
def test_what_an_answer_raises_is_a_complaint_with_its_line(answer: Any, words: str, tmp_path: Path) -> None:
    verdict = check.framing(answer, folder=tmp_path)
    assert verdict.status is Status.FAILED
    assert verdict.complaint is not None
    assert words in verdict.complaint.sentence
    assert verdict.complaint.given.startswith("recv returned ")


def test_what_an_answer_prints_is_not_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    check.framing(SaysALot, folder=tmp_path)
    assert capfd.readouterr() == ("", "")


class Hangs:
    def feed(self, data: bytes) -> list[bytes]:
        while True:
            with contextlib.suppress(Exception):
                self.wait()

    def wait(self) -> None:
        """Nothing comes."""


def test_an_answer_that_hangs_is_stopped_also_where_it_catches_exceptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 0.2)
    verdict = check.framing(Hangs, folder=tmp_path)
    assert verdict.complaint is not None
    assert "did not come to an end within 0.2 s (line" in verdict.complaint.sentence


def test_a_folder_that_cannot_be_written_to_costs_the_file_alone(tmp_path: Path) -> None:
    verdict = check.framing(wrong_of("framing").OneRecvIsOneMessage, folder=tmp_path / "is-not-there")
    assert verdict.status is Status.FAILED
    assert verdict.capture is None


def test_a_check_that_is_none_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="they are headers, vantage"):
        _ = check.framming
