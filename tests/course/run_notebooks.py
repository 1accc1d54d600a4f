"""Runs the course's notebooks, and writes their outputs in place: `make notebooks`. With names only those. With --dry
nothing is written; with --compare neither, and what a cell says must be what it said when it was committed.

Cells tagged `live` use sockets or the clock: they are run, and their outputs are not kept. What differs from run to run
without meaning, such as execution counts, is taken out, so that a change of an output is a change of what is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT_S = 300
LIVE = "live"
WIDGET = "application/vnd.jupyter.widget-view+json"
"""A widget that no kernel is behind shows nothing: in the file stands what stands beside it, a picture in words."""
VERDICT = "application/vnd.netlab.verdict+json"


def read(path: Path) -> Any:
    """A notebook as it stands in its file."""
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def execute(path: Path, folder: Path) -> Any:
    """Run a notebook from top to bottom in a folder; the first cell that raises ends it, and raises here."""
    notebook = read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(notebook, timeout=TIMEOUT_S, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}, stderr=subprocess.DEVNULL)
    return tidied(notebook)


def is_live(cell: Any) -> bool:
    """Whether its outputs differ from run to run."""
    return LIVE in cell.metadata.get("tags", [])


def tidied(notebook: Any) -> Any:
    """Without what differs from run to run."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in ("tags", "nbgrader")}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [] if is_live(cell) else [_tidy(output) for output in cell.outputs]
    return notebook


def _tidy(output: Any) -> Any:
    if "execution_count" in output:
        output["execution_count"] = None
    for kind in (VERDICT, WIDGET):
        output.get("data", {}).pop(kind, None)
    return output


def said(cell: Any) -> list[str]:
    """What a cell's outputs say, as text; a picture by its words."""
    texts: list[str] = []
    before = ""
    for output in cell.get("outputs", []):
        kind, before = before, output.output_type
        if output.output_type == "stream":  # a stream comes in pieces that mean nothing
            texts = [*texts[:-1], texts[-1] + output.text] if kind == "stream" else [*texts, output.text]
        else:
            texts.append(output.get("data", {}).get("text/plain", ""))
    return texts


def differences(path: Path, ran: Any) -> list[str]:
    """Cells that say something else than what is committed, and what they say."""
    pairs = zip(read(path).cells, ran.cells, strict=True)
    return [
        f"{before.source}\n-- said: {said(before)}\n-- says: {said(after)}"
        for before, after in pairs
        if before.cell_type == "code" and not is_live(before) and said(before) != said(after)
    ]


def main(words: list[str]) -> int:
    """Run them, and write what came of it."""
    warnings.simplefilter("ignore")  # of jupyter's own packages
    names = [word for word in words if not word.startswith("--")]
    chosen = [path for path in NOTEBOOKS if not names or any(name in path.name for name in names)]
    if not chosen:
        sys.stderr.write(f"no notebook has {' or '.join(names)} in its name\n")
        return 2
    for path in chosen:
        sys.stderr.write(f"{path.name}\n")
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        if "--compare" in words and (found := differences(path, notebook)):
            sys.stderr.write("\n".join(["run `make notebooks` if this is right:", *found, ""]))
            return 1
        if not {"--dry", "--compare"} & set(words):
            nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
