"""A student's notebook, run from top to bottom in a kernel of its own, and what its checks said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from netlab.course.check import MissingPackage
from netlab.course.check.verdict import MIME, Report
from netlab.errors import NetlabError

CELL_S = 120
"""How long one cell may take, seconds."""


class CannotRun(NetlabError):
    """The file is no notebook, or its kernel does not start."""


class Graded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one notebook.

    Attributes:
        reports: of each exercise, the last one where a check was called several times; in their order.
        errors: cells that raised, each as `cell 7: NameError: ...`; the checks of other cells count all the same.
    """

    notebook: str
    reports: list[Report]
    errors: list[str]


def grade(path: Path, *, cell_s: int = CELL_S) -> Graded:
    """Run a notebook, in its folder, and collect its verdicts. Captures of failing cases are saved beside it.

    Raises:
        CannotRun: it is no notebook, or it took too long.
        MissingPackage: jupyter is not installed.
    """
    try:
        import nbformat
        from nbclient import NotebookClient
        from nbclient.exceptions import CellTimeoutError, DeadKernelError
        from nbformat.reader import NotJSONError
    except ImportError:
        raise MissingPackage("a notebook is run with jupyter: pip install 'netlab-edu[lab]'") from None
    try:
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
        cells = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from None
    except (NotJSONError, nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise CannotRun(f"{path} is no notebook: {str(error).splitlines()[0][:200]}") from None
    resources = {"metadata": {"path": str(path.parent or Path())}}
    client = NotebookClient(notebook, timeout=cell_s, allow_errors=True, kernel_name="python3", resources=resources)
    try:
        client.execute(env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}, stderr=subprocess.DEVNULL)
    except CellTimeoutError:
        raise CannotRun(f"{path}: a cell took more than {cell_s} s: does it wait for something?") from None
    except DeadKernelError:
        raise CannotRun(f"{path}: its kernel died while it ran") from None
    return _graded(path, cells)


def _graded(path: Path, cells: list[tuple[int, Any]]) -> Graded:
    reports: dict[str, Report] = {}
    errors = []
    for number, cell in cells:
        for output in cell.outputs:
            if output.output_type == "error":
                errors.append(
                    f"cell {number}: {output.ename}: {str(output.evalue).splitlines()[0] if output.evalue else ''}"
                )
            elif (verdict := output.get("data", {}).get(MIME)) is not None:
                report = msgspec.convert(verdict, Report)
                reports.pop(report.exercise, None)
                reports[report.exercise] = report
    return Graded(notebook=path.name, reports=list(reports.values()), errors=errors)
