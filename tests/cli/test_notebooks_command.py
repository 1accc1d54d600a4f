"""`netlab notebooks` copies the course, never over somebody's work; the wheel holds what it copies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def netlab(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = [
        sys.executable,
        "-c",
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from netlab.cli import main; main()",
    ]
    return subprocess.run([*program, *words], cwd=cwd, capture_output=True, text=True, timeout=60)


def test_all_are_copied_and_what_is_there_is_left_unless_forced(tmp_path: Path) -> None:
    assert netlab("notebooks", "mine", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == NAMES
    first = tmp_path / "mine" / NAMES[0]
    first.write_text("my work")
    refused = netlab("notebooks", "mine", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--force" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert first.read_text() == "my work"
    assert netlab("notebooks", "mine", "--force", cwd=tmp_path).returncode == 0
    assert first.read_bytes() == (ROOT / "notebooks" / NAMES[0]).read_bytes()


def test_a_folder_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = netlab("notebooks", "file", cwd=tmp_path)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_wheel_holds_notebooks_and_recorded_captures(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, timeout=110)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert held >= {f"netlab/course/notebooks/{name}" for name in NAMES}
    assert {Path(name).name for name in held} >= {
        path.name for path in (ROOT / "netlab" / "capture" / "recorded").glob("*.pcapng")
    }
    source = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); from netlab.course import notebook_files as n;"
        "print(n.notebooks()[0])"
    )
    said = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True, cwd=tmp_path)
    assert Path(said.stdout.strip()).parent == tmp_path / "site" / "netlab" / "course" / "notebooks"
