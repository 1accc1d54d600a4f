"""Every section of an RFC that a notebook names stands in `rfc_sections.toml`, with its title in the RFC."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
VERIFIED: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "rfc_sections.toml").read_text())

NAMED = re.compile(r"RFC (\d+)|(?:§|[Ss]ection )(\d+(?:\.\d+)*)")


def named(text: str) -> Iterator[tuple[str, str]]:
    """Each section with the RFC that was named before it: `RFC 768; RFC 9293 §3.1, §3.4` names two."""
    rfc = ""
    for found in NAMED.finditer(text):
        if found[1]:
            rfc = found[1]
        elif rfc:
            yield rfc, found[2]


def test_sections_are_found_in_a_text() -> None:
    assert list(named("see RFC 768; RFC 9293 §3.1, §3.4; RFC 1122 section 4.1.3.4.")) == [
        ("9293", "3.1"),
        ("9293", "3.4"),
        ("1122", "4.1.3.4"),
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_every_section_that_a_notebook_names_was_verified(path: Path) -> None:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for rfc, section in named("".join(cell["source"])):
            assert section in VERIFIED.get(f"RFC{rfc}", {}), f"RFC {rfc} §{section} is not in rfc_sections.toml"
