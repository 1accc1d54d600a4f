"""`netlab variants`: questions with numbers of their own for every student, and the key for the teacher."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click

from netlab.cli.argument_types import File


@click.command(
    "variants", epilog="Example: netlab variants --class students.txt --secret 'long and secret' > variants.csv"
)
@click.option("--class", "students", type=File(), metavar="LIST", required=True, help="A file with one student a line.")
@click.option(
    "--secret",
    required=True,
    metavar="TEXT",
    envvar="NETLAB_SECRET",
    help="At least 8 characters; or NETLAB_SECRET in the environment.",
)
@click.option("--key", is_flag=True, help="With the answers: for the teacher alone.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of CSV.")
def command(students: Path, secret: str, key: bool, as_json: bool) -> int:
    """Print each student's questions, with numbers that are theirs alone, as CSV.

    The same list and secret give the same numbers, and nobody can compute another's without the secret.
    """
    import msgspec

    from netlab.course.variants import BadClass, variants

    try:
        names = students.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BadClass(f"{students}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadClass(f"{students} is no text: write one student a line, in UTF-8") from None
    columns = ["student", "notebook", "name", "question", *(["answer"] if key else [])]
    rows = [{column: getattr(one, column) for column in columns} for one in variants(names, secret)]
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
        return 0
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    click.echo(text.getvalue(), nl=False)
    return 0
