"""`netlab notebooks`: a copy of the course to work with."""

from __future__ import annotations

from pathlib import Path

import click

from netlab.cli.argument_types import File


@click.command("notebooks", epilog="Example: netlab notebooks course && jupyter lab course/00-index.ipynb")
@click.argument("folder", type=File(), metavar="DIR", default="netlab-notebooks")
@click.option("--force", is_flag=True, help="Replace notebooks that are there: what you wrote in them is lost.")
def command(folder: Path, force: bool) -> int:
    """Copy the course's notebooks to DIR, by default netlab-notebooks."""
    from netlab.course.material import copy_notebooks

    copies = copy_notebooks(folder, force=force)
    click.echo(f"{len(copies)} notebooks are in {folder}; begin with: jupyter lab {copies[0]}")
    return 0
