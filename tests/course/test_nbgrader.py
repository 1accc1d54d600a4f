"""The checks under nbgrader: a teacher's assignment is released without its solution, and submissions are graded."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install 'netlab-edu[grading]'")

from tests.course.answers import SOLUTIONS  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

POINTS = 4
WRONG = "class Answer:\n    def feed(self, data):\n        return [data[2:]]\n"


def cell(source: str, name: str, **more: Any) -> Any:
    made = nbformat.v4.new_code_cell(source)
    usual = {"schema_version": 3, "grade": False, "locked": False, "solution": False, "task": False}
    made.metadata["nbgrader"] = {**usual, "grade_id": name, **more}
    return made


def nbgrader(course: Path, *words: str) -> None:
    where = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    program = [sys.executable, "-m", "nbgrader", *words]
    ran = subprocess.run(program, cwd=course, check=False, capture_output=True, text=True, env=where)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_a_right_answer_has_all_points_a_wrong_one_and_a_skeleton_none(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(
        'c = get_config()\nc.CourseDirectory.course_id = "netlab"\nc.CourseDirectory.root = "."\n'
    )
    source = tmp_path / "source" / "framing"
    source.mkdir(parents=True)
    answer = (SOLUTIONS / "framing.py").read_text().split('"""', 2)[2].strip()
    cells = [
        cell(f"### BEGIN SOLUTION\n{answer}\n### END SOLUTION", "answer", solution=True),
        cell(
            "from netlab.course import check\ncheck.framing(Answer).require()",
            "test",
            grade=True,
            locked=True,
            points=POINTS,
        ),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), source / "framing.ipynb")
    nbgrader(tmp_path, "generate_assignment", "framing", "--create")
    released = nbformat.read(tmp_path / "release" / "framing" / "framing.ipynb", as_version=4)
    assert "raise NotImplementedError" in released.cells[0].source
    assert "waiting" not in released.cells[0].source  # of the solution nothing is left
    for student, written in (("ann", answer), ("bob", WRONG), ("cem", released.cells[0].source)):
        handed_in = tmp_path / "submitted" / student / "framing"
        handed_in.mkdir(parents=True)
        released.cells[0].source = written
        nbformat.write(released, handed_in / "framing.ipynb")
    nbgrader(tmp_path, "autograde", "framing")
    nbgrader(tmp_path, "export")
    with open(tmp_path / "grades.csv") as table:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(table)}
    assert scores == {"ann": POINTS, "bob": 0, "cem": 0}
