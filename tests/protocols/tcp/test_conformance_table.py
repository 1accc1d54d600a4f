"""docs/tcp-conformance.md and docs/tcp.md say what the code and the tests do."""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path

from netlab.protocols.tcp import diagram

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs" / "tcp-conformance.md").read_text(encoding="utf-8")


def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_must_of_rfc_9293_has_one_line() -> None:
    """Appendix B numbers them from MUST-1 to MUST-69."""
    assert [int(number) for number in re.findall(r"^\| MUST-(\d+) \|", TABLE, re.MULTILINE)] == list(range(1, 70))


def test_each_line_names_a_test_that_is_there_or_says_why_not() -> None:
    for line in TABLE.splitlines():
        if line.startswith("| MUST-"):
            shown = line.split("|")[3].strip()
            if shown.startswith("*not met:*"):
                assert len(shown) > 20, line
            else:
                path, name = re.fullmatch(r"`(\S+)::(\w+)`", shown).groups()  # type: ignore[union-attr]
                assert name in functions_of(path), line


def test_the_diagram_in_the_docs_is_that_of_the_table() -> None:
    text = (ROOT / "docs" / "tcp.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}```" in text


def test_the_example_in_the_docs_runs() -> None:
    failed, tried = doctest.testfile(str(ROOT / "docs" / "tcp.md"), module_relative=False)
    assert (failed, tried > 5) == (0, True)
