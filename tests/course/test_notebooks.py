"""Every notebook runs from top to bottom, says what is committed, and has the course's form.

Each runs in an empty folder and as an ordinary user, as it would for somebody who copied it; those with live cells
again where namespaces are refused.
"""

from __future__ import annotations

import base64
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="jupyter is not installed: pip install 'netlab-edu[lab]'")

from netlab.course import check  # noqa: E402
from tests.conftest import User  # noqa: E402
from tests.course.run_notebooks import NOTEBOOKS, ROOT, is_live, read  # noqa: E402

MOST_CELLS, MOST_LINES, MOST_WIDTH, MOST_BYTES = 40, 12, 108, 300_000

LESSONS = [path for path in NOTEBOOKS if re.match(r"(0[1-9]|1[0-2])-", path.name)]
PARTS = ("predict", "run", "compare", "explain", "exercise", "what the model leaves out", "further reading")

REFUSE = 'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'


def name(path: Path) -> str:
    return path.stem[:2]


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run_by(user: User, *words: str, inside: tuple[str, ...] = ()) -> None:
    program = [*inside, user.python, "-m", "tests.course.run_notebooks", *words]
    with user.popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        _, complaints = process.communicate()
    assert process.returncode == 0, complaints[-4000:]


@pytest.mark.slow
@pytest.mark.timeout(330)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_it_runs_for_an_ordinary_user_and_says_what_is_committed(path: Path, ordinary_user: User) -> None:
    run_by(ordinary_user, "--compare", path.name)


@pytest.mark.slow
@pytest.mark.timeout(330)
@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if any(map(is_live, read(path).cells))], ids=name)
def test_it_runs_for_one_where_namespaces_are_refused(path: Path, ordinary_user: User) -> None:
    inside = ("unshare", "-Ur", "sh", "-c", REFUSE, "sh")
    if ordinary_user.popen([*inside, "true"], stderr=subprocess.DEVNULL).wait() != 0:
        inside = ()  # refused already
    run_by(ordinary_user, "--compare", path.name, inside=inside)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_its_size(path: Path) -> None:
    notebook = read(path)
    assert len(notebook.cells) <= MOST_CELLS
    assert path.stat().st_size <= MOST_BYTES
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        assert max(map(len, cell.source.splitlines())) <= MOST_WIDTH, f"a page cuts this line off: {cell.source}"


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_it_has_the_parts_of_a_lesson_in_their_order(path: Path) -> None:
    headings = [
        line.lstrip("# ").lower()
        for cell in read(path).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if re.match(r"#+ |\*\*Further|\*\*To think", line)
    ]
    places = [next((k for k, line in enumerate(headings) if part in line), None) for part in PARTS]
    missing = [part for part, place in zip(PARTS, places, strict=True) if place is None]
    assert not missing
    assert places == sorted(places, key=lambda place: place or 0), "the parts are out of order"
    text = " ".join(cell.source for cell in read(path).cells)
    assert "to think about" in text.lower()
    assert "predict(" in text
    assert "check." in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_outputs_are_committed_and_live_ones_are_not(path: Path) -> None:
    notebook = read(path)
    for cell in code_cells(notebook):
        if is_live(cell):
            assert cell.outputs == []
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", cell.source
            data = output.get("data", {})
            for picture in re.findall(r"<img [^>]*>", data.get("text/html", "")):
                words = "".join(re.findall(r'alt="([^"]*)"', picture))
                assert len(words) > 20, f"a picture without words: {cell.source}"
                assert base64.b64decode(picture.partition("base64,")[2].partition('"')[0])[1:4] == b"PNG"
            assert not {"image/png", "image/svg+xml"} & set(data), f"JupyterLab gives this no alt text: {cell.source}"
    assert any(cell.outputs for cell in code_cells(notebook)) or not code_cells(notebook)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_it_keeps_to_the_public_api_and_the_loop_that_runs(path: Path) -> None:
    source = "\n".join(cell.source for cell in code_cells(read(path)))
    assert "asyncio.run(" not in source
    assert not re.search(r"from tests|import tests|from netlab\S* import _|\._[a-z]", source)


@pytest.mark.parametrize("path", LESSONS, ids=name)
def test_a_check_asks_for_what_the_notebook_asks_for(path: Path) -> None:
    source = "\n".join(cell.source for cell in code_cells(read(path)))
    for exercise, answer in re.findall(r"check\.(\w+)\((\w+)\)", source):
        wanted = re.match(r"(?:a class )?(\w+)\(", getattr(check, exercise).write)
        assert wanted is None or wanted[1] == answer


def test_there_are_twelve_lessons_an_index_and_a_capstone() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(14)]
    assert len(LESSONS) == 12


def test_the_index_names_every_notebook() -> None:
    index = "\n".join(cell.source for cell in read(ROOT / "notebooks" / "00-index.ipynb").cells)
    assert [path.name for path in NOTEBOOKS[1:] if path.name not in index] == []
