"""`netlab check`: run a student's notebook, and say what its exercises are worth."""

from __future__ import annotations

import csv
import io
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netlab.cli.argument_types import File, Number
from netlab.packets.text import printable

if TYPE_CHECKING:
    from netlab.course.check.verdict import Report


_MOST_ERRORS = 5


@click.command("check", epilog="Example: netlab check 04-where-does-a-message-end.ipynb")
@click.argument("notebooks", type=File(), metavar="NOTEBOOK...", nargs=-1, required=True)
@click.option(
    "--cell",
    "cell_s",
    type=Number("seconds", 1, 3600),
    default=120,
    metavar="S",
    help="A cell may take so long.  [default: 120]",
)
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each notebook.")
@click.option("--csv", "as_csv", is_flag=True, help="For a teacher: notebook, exercise, status, what was wrong.")
def command(notebooks: tuple[Path, ...], cell_s: int, as_json: bool, as_csv: bool) -> int:
    """Run each NOTEBOOK from top to bottom, in a kernel of its own, and show what its checks say.

    The smallest case that an answer fails on is shown as a ladder, and saved as a capture beside the notebook. Exit
    status 0 if every exercise is right, 1 if one is wrong, not done, or not there.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv: choose one")
    import msgspec

    from netlab.course.graded import grade

    warnings.simplefilter("ignore")  # of jupyter's own packages, about themselves
    logging.disable(logging.WARNING)
    good = True
    rows = io.StringIO()
    table = csv.writer(rows)
    for path in notebooks:
        graded = grade(path, cell_s=cell_s)
        good = good and bool(graded.reports) and all(one.status.value == "passed" for one in graded.reports)
        if as_json:
            click.echo(msgspec.json.encode(graded).decode())
        elif as_csv:
            for one in graded.reports:
                table.writerow([graded.notebook, one.exercise, one.status.value, one.sentence])
        else:
            click.echo("\n".join(_lines(path, graded.reports, graded.errors)))
    if as_csv:
        click.echo("notebook,exercise,status,sentence\n" + rows.getvalue().replace("\r\n", "\n"), nl=False)
    return 0 if good else 1


def _lines(path: Path, reports: list[Report], errors: list[str]) -> list[str]:
    lines = [printable(path.name)]
    for one in reports:
        lines += [f"  {printable(line)}" for line in one.text.splitlines()]
    if not reports:
        lines.append("  no exercise was checked: each ends with check.NAME(your answer)")
    lines += [f"  {printable(error)}" for error in errors[:_MOST_ERRORS]]
    if len(errors) > _MOST_ERRORS:
        lines.append(f"  and {len(errors) - _MOST_ERRORS} cells more that raised")
    return lines
