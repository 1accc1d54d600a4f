"""What students usually hear wrong stands right somewhere: each fact of `facts.toml`, in the notebook that it names.

Numbers that people confuse with those of the facts stand nowhere.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FACTS: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "facts.toml").read_text())["fact"]

WRONG = {
    r"65,?515|65,?508": "the largest UDP payload over IPv4 is 65,507",
    r"(?i)three-way (close|closing)": "closing is no three-way handshake",
    r"(?i)initial (rto|timeout)[^.]{0,20}\b3 s": "RFC 6298 begins with 1 s",
    r"(?i)routers? fragments? IPv6": "routers never fragment IPv6",
    r"(?i)MSS (is|equals|=) (the )?MTU\b": "MSS leaves out the headers",
}


def texts(path: Path) -> list[str]:
    if path.suffix != ".ipynb":
        return [path.read_text(encoding="utf-8")]
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact["is"][:60])
def test_it_stands_where_the_table_says(fact: dict[str, Any]) -> None:
    (path,) = (ROOT / "notebooks").glob(f"{fact['notebook']}-*.ipynb")
    nearest = min(texts(path), key=lambda text: sum(words not in text for words in fact["words"]))
    missing = [words for words in fact["words"] if words not in nearest]
    assert not missing, f"notebook {fact['notebook']} no longer says together: {fact['is']}"


@pytest.mark.parametrize(
    "path",
    [*sorted((ROOT / "notebooks").glob("*.ipynb")), *sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"],
    ids=lambda path: path.name,
)
def test_no_text_contradicts_them(path: Path) -> None:
    for text in texts(path):
        for wrong, right in WRONG.items():
            found = re.search(wrong, text)
            assert found is None, f"{found and found[0]!r}: {right}"
