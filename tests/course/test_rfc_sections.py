"""Every section of an RFC that the course, its documents or the code names stands in `rfc_sections.toml`.

There stands its title, and how it was seen: nobody names a section from memory.
"""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE: dict[str, dict[str, dict[str, str]]] = tomllib.loads((Path(__file__).parent / "rfc_sections.toml").read_text())

SEEN = {
    "text",  # the section was read
    "contents",  # its title was read, in the table of contents or above the section
}

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
READ_BY_STUDENTS = [
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "solutions").glob("*.py")),
    *sorted((ROOT / "netlab" / "course").rglob("*.toml")),
    *sorted((ROOT / "netlab" / "course").rglob("*.py")),
    ROOT / "README.md",
]
CODE = sorted(
    path for path in (ROOT / "netlab").rglob("*") if path.suffix in {".py", ".toml"} and path not in READ_BY_STUDENTS
)

NAMED = re.compile(r"RFC[\s#>]+(\d+)|(?:§|[Ss]ections? )(\d+(?:\.\d+)*)")
REACH = 200
"""Characters, without an empty line or a docstring's end between, over which "§2" still means the RFC before it."""


def named(text: str, home: str = "") -> Iterator[tuple[str, str]]:
    """Each section with the RFC that was named before it: `RFC 768; RFC 9293 §3.1, §3.4` names two.

    Args:
        text: prose, or code with its comments and docstrings.
        home: the RFC that a bare `§3.4` means where none was named just before; "" leaves such a one out.
    """
    rfc, end = home, 0
    for found in NAMED.finditer(text):
        if found.start() - end > REACH or re.search(r'\n[\s#]*\n|"""', text[end : found.start()]):
            rfc = home
        if found[1]:
            rfc = found[1]
        elif rfc:
            yield rfc, found[2]
        end = found.end()


def home_of(path: Path) -> str:
    """The RFC that a module is about: the first that its docstring names."""
    if path.suffix != ".py":
        return ""
    found = re.search(r"RFC\s+(\d+)", ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    return found[1] if found else ""


def strangers(text: str, home: str = "") -> set[tuple[str, str]]:
    """What a text names and nobody entered."""
    return {(rfc, section) for rfc, section in named(text, home) if section not in TABLE.get(f"RFC{rfc}", {})}


def test_sections_are_found_in_a_text() -> None:
    assert list(named("see RFC 768; RFC 9293 §3.1, §3.4; RFC 1122 section 4.1.3.4.")) == [
        ("9293", "3.1"),
        ("9293", "3.4"),
        ("1122", "4.1.3.4"),
    ]


def test_a_bare_section_in_code_belongs_to_what_its_module_is_about() -> None:
    code = '"""Source: RFC 9293 §3.1."""\n\n# RFC\n# 5961 §3 wants a challenge\n\nx = 1  # §3.4\n'
    assert list(named(code, home="9293")) == [("9293", "3.1"), ("5961", "3"), ("9293", "3.4")]


def test_the_table_says_how_each_was_seen() -> None:
    for rfc, sections in TABLE.items():
        for section, entry in sections.items():
            assert set(entry) == {"title", "seen"}, (rfc, section)
            assert entry["title"], (rfc, section)
            assert entry["seen"] in SEEN, (rfc, section)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_sections_named_in_notebooks_are_in_the_table(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert not set().union(*(strangers("".join(cell["source"])) for cell in cells))


@pytest.mark.parametrize("path", READ_BY_STUDENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_sections_named_in_documents_and_the_course_are_in_the_table(path: Path) -> None:
    assert not strangers(path.read_text(encoding="utf-8"), home_of(path))


def test_sections_named_in_code_are_in_the_table() -> None:
    found = {path: strangers(path.read_text(encoding="utf-8"), home_of(path)) for path in CODE}
    assert not {str(path.relative_to(ROOT)): sections for path, sections in found.items() if sections}


def test_nothing_stands_in_the_table_that_nobody_names() -> None:
    texts = [(path.read_text(encoding="utf-8"), home_of(path)) for path in [*READ_BY_STUDENTS, *CODE]]
    texts += [
        ("\n\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]), "")
        for path in NOTEBOOKS
    ]
    used = {pair for text, home in texts for pair in named(text, home)}
    assert not {(rfc, section) for rfc in TABLE for section in TABLE[rfc]} - {(f"RFC{rfc}", s) for rfc, s in used}
