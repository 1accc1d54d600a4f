"""Every picture that a document shows is there, is made by `make docs`, has words beside it, and none is left over."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import matplotlib
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = {
    (document, words, path)
    for document in DOCUMENTS
    for words, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", document.read_text(encoding="utf-8"))
}


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_pictures", ROOT / "docs" / "make_pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_is_there_with_words_beside_it() -> None:
    assert SHOWN
    for document, words, path in SHOWN:
        assert (document.parent / path).is_file(), path
        assert len(words) > 40, f"{path}: what would somebody hear who does not see it?"


def test_the_pictures_are_those_that_are_made() -> None:
    page_pictures = pytest.importorskip("docs.page_pictures", reason="playwright is not installed")
    made = {f"{name}.png" for name in [*maker().PICTURES, *page_pictures.WORDS]}
    assert {Path(path).name for _, _, path in SHOWN} == made
    assert {path.name for path in (ROOT / "docs" / "pictures").iterdir()} == made


@pytest.mark.slow
@pytest.mark.parametrize("name", maker().PICTURES)
def test_a_picture_is_drawn_with_its_words(name: str, tmp_path: Path) -> None:
    matplotlib.use("agg")
    committed = ROOT / "docs" / "pictures" / f"{name}.png"
    with Image.open(maker().draw(name, tmp_path)) as drawn, Image.open(committed) as before:
        assert drawn.size == before.size
        assert drawn.info["Description"]


@pytest.mark.slow
def test_a_picture_of_the_page_is_drawn_with_its_words(tmp_path: Path) -> None:
    page_pictures = pytest.importorskip("docs.page_pictures", reason="playwright is not installed")
    if not page_pictures.can_draw():
        pytest.skip("Debian's chromium is not installed")
    committed = ROOT / "docs" / "pictures" / "web-compare.png"
    with Image.open(page_pictures.draw("web-compare", tmp_path)) as drawn, Image.open(committed) as before:
        assert drawn.size == before.size
        assert drawn.info["Description"] == before.info["Description"]
