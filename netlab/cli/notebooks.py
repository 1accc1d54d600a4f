"""`netlab notebooks`: a copy of the course's notebooks, to work in."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from netlab.cli.argument_types import File
from netlab.course.notebook_files import copy_notebooks
from netlab.packets.text import printable


@click.command("notebooks", epilog="Example: netlab notebooks my-course")
@click.argument("folder", metavar="[DIR]", type=File(), default="netlab-notebooks")
@click.option("--force", is_flag=True, help="Replace notebooks that are there, and what was written in them.")
def command(folder: Path, force: bool) -> int:
    """Copy the course's notebooks to DIR [netlab-notebooks], to run and to write in. Start with 00-index."""
    copied = copy_notebooks(folder, force=force)
    first = printable(shlex.quote(str(folder / "00-index.ipynb")))
    click.echo(f"{len(copied)} notebooks in {printable(str(folder))}; begin with: jupyter lab {first}")
    return 0
