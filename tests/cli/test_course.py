"""`netlab check` and `netlab variants`, as a student and a teacher call them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netlab.cli.commands import netlab
from netlab.course.graded import CannotRun
from netlab.course.variants import QUESTIONS, BadClass, variants

nbformat = pytest.importorskip("nbformat", reason="jupyter is not installed")

ROOT = Path(__file__).parents[2]
SOLUTION = (ROOT / "solutions" / "framing.py").read_text()
WRONG = "class Answer:\n    def feed(self, data):\n        return [data[2:]]\n"
SKELETON = "class Answer:\n    def feed(self, data):\n        raise NotImplementedError\n"
CHECK = "from netlab.course import check\ncheck.framing(Answer)"


def call(*words: object) -> Result:
    return CliRunner().invoke(netlab, list(map(str, words)), standalone_mode=False)


def notebook(path: Path, *cells: str) -> Path:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(made, path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (SOLUTION, 0, "framing: right, on all of"),
        (WRONG, 1, "framing: not yet: one recv held several messages"),
        (SKELETON, 1, "framing: not done yet: write a class"),
    ],
)
def test_what_an_answer_is_worth(answer: str, status: int, said: str, tmp_path: Path) -> None:
    ran = call("check", notebook(tmp_path / "n.ipynb", answer, "1 / 0", CHECK))
    assert ran.return_value == status
    assert said in ran.output
    assert "cell 2: ZeroDivisionError: division by zero" in ran.output
    assert (tmp_path / "check-framing.pcapng").exists() == (answer is WRONG)
    assert ("sender -> receiver" in ran.output) == (answer is WRONG)


@pytest.mark.slow
def test_for_programs_and_for_a_teachers_table(tmp_path: Path) -> None:
    mine = notebook(tmp_path / "n.ipynb", WRONG, CHECK, SOLUTION, CHECK)
    graded = json.loads(call("check", mine, "--json").output)
    assert [(one["exercise"], one["status"]) for one in graded["reports"]] == [("framing", "passed")]  # the last counts
    rows = list(csv.DictReader(io.StringIO(call("check", mine, "--csv").output)))
    assert [(row["notebook"], row["exercise"], row["status"]) for row in rows] == [("n.ipynb", "framing", "passed")]


@pytest.mark.slow
def test_a_notebook_that_hangs_is_ended(tmp_path: Path) -> None:
    stuck = notebook(tmp_path / "n.ipynb", "while True: pass")
    with pytest.raises(CannotRun, match="a cell took more than 1 s"):
        raise call("check", stuck, "--cell", "1").exception or AssertionError


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff\xfe", b"hello", b'{"cells": 3, "nbformat": 4}'])
def test_what_is_no_notebook_is_said_so(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "n.ipynb"
    file.write_bytes(content)
    failed = call("check", file).exception
    assert isinstance(failed, CannotRun)
    assert "\n" not in str(failed)


def test_a_notebook_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotRun, match="No such file"):
        raise call("check", tmp_path / "none.ipynb").exception or AssertionError


def test_everybody_has_numbers_of_their_own_and_keeps_them() -> None:
    students = [f"student {number}" for number in range(30)]
    made = variants(students, "long and secret")
    assert made == variants(students, "long and secret")
    assert made[: len(QUESTIONS)] == variants(students[:1], "long and secret")  # whoever else is in the class
    assert {one.question for one in made} != {one.question for one in variants(students, "another secret")}
    for question in QUESTIONS:
        assert len({one.question for one in made if one.name == question.name}) > min(4, len(question.choices) - 3)


@pytest.mark.parametrize(
    ("name", "x", "answer"),
    [
        ("mss", 1500, "1460"),
        ("rto", 100, "300 ms"),
        ("cubic", 100, "70 segments"),
        ("wrap", 1000, "34.4 s"),
        ("stop-and-wait", 100, "95.1 kbit/s"),
        ("fragments", 3992, "0:1480, 185:1480, 370:1040"),
        ("port", 500, "1"),
    ],
)
def test_answers_worked_by_hand(name: str, x: int, answer: str) -> None:
    assert next(question for question in QUESTIONS if question.name == name).answer(x) == answer


def test_the_key_is_for_the_teacher(tmp_path: Path) -> None:
    students = tmp_path / "class.txt"
    students.write_text("Ann\n\nBob\n")
    for more, columns in (([], 4), (["--key"], 5)):
        ran = call("variants", "--class", students, "--secret", "long and secret", *more)
        rows = list(csv.reader(io.StringIO(ran.output)))
        assert {len(row) for row in rows} == {columns}
        assert len(rows) == 1 + 2 * len(QUESTIONS)


@pytest.mark.parametrize(
    ("content", "secret", "said"),
    [
        (b"", "long enough", "nobody"),
        (b"a\nb\na\n", "long enough", "a is in the class list twice"),
        (b"a", "short", "8"),
    ],
)
def test_a_class_or_a_secret_of_no_use(content: bytes, secret: str, said: str, tmp_path: Path) -> None:
    students = tmp_path / "class.txt"
    students.write_bytes(content)
    failed = call("variants", "--class", students, "--secret", secret).exception
    assert isinstance(failed, BadClass)
    assert said in str(failed)
