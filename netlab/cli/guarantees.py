"""`netlab guarantees`: what each transport promises, proved on loopback, and what it does not, shown missing."""

from __future__ import annotations

import asyncio
import secrets
import shutil

import click

from netlab.cli.running import before, run
from netlab.conformance.evidence import FULL, QUICK, Row
from netlab.conformance.subject import SUBJECTS
from netlab.conformance.suite import EXPERIMENTS, run_suite
from netlab.conformance.table import as_markdown, as_text, summary

NAMES = sorted({name for experiments in EXPERIMENTS.values() for name in experiments})


@click.command("guarantees", epilog="Example: netlab guarantees --transport udp --seed 7")
@click.option(
    "--transport",
    "transports",
    multiple=True,
    type=click.Choice([*SUBJECTS, "all"]),
    help="Which (may be given several times); all by default.",
)
@click.option(
    "--subject",
    "subjects",
    multiple=True,
    metavar="WHERE:NAME",
    help="A transport of your own: a Subject in a module or a .py file. See docs/guarantees.md.",
)
@click.option("--full", is_flag=True, help="10,000 messages, 200 cuts, a million damaged packets: some minutes.")
@click.option("--seed", type=int, help="Of the bad network's dice and of the texts; shown, and drawn if not given.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    metavar="EXPERIMENT",
    help=f"This experiment alone (may be given several times): {', '.join(NAMES)}.",
)
@click.option("--json", "as_json", is_flag=True, help="The rows with their figures as one line of JSON.")
@click.option("--markdown", "markdown", is_flag=True, help="The table as the README shows it.")
def command(
    transports: tuple[str, ...],
    subjects: tuple[str, ...],
    full: bool,
    seed: int | None,
    only: tuple[str, ...],
    as_json: bool,
    markdown: bool,
) -> int:
    """Prove what each transport promises, and show what it does not.

    Sender, hub and receivers are processes of their own on 127.0.0.1, with a bad network between them; another program
    compares their logs afterwards. Progress goes to stderr, the table to stdout. Exit status 1 if a promise is broken,
    or if a guarantee that is not promised could not be shown missing.
    """
    if as_json and markdown:
        raise click.UsageError("--json and --markdown: choose one")
    specs = _specs(transports, subjects)
    number = secrets.randbelow(10**6) if seed is None else seed
    mode = "full" if full else "quick"

    async def body(stop: asyncio.Future[int]) -> int:
        click.echo(f"{mode} run, --seed {number}, of {', '.join(specs)}", err=True)
        suite = run_suite(
            specs, FULL if full else QUICK, str(number), only=only, say=lambda line: click.echo(line, err=True)
        )
        rows = await before(stop, suite)
        _show(rows, mode, number, as_json=as_json, markdown=markdown)
        return 0 if rows and all(row.good for row in rows) else 1

    return run(body)


def _specs(transports: tuple[str, ...], subjects: tuple[str, ...]) -> list[str]:
    named = list(SUBJECTS) if "all" in transports or not (transports or subjects) else list(transports)
    return list(dict.fromkeys([*named, *subjects]))


def _show(rows: list[Row], mode: str, seed: int, *, as_json: bool, markdown: bool) -> None:
    if as_json:
        import msgspec

        good = bool(rows) and all(row.good for row in rows)
        listed = [{**msgspec.to_builtins(row), "good": row.good} for row in rows]
        click.echo(msgspec.json.encode({"mode": mode, "seed": seed, "good": good, "rows": listed}))
    elif markdown:
        click.echo(as_markdown(rows))
    else:
        click.echo(as_text(rows, min(120, shutil.get_terminal_size((110, 24)).columns)))
        click.echo(f"\n{summary(rows)} ({mode} run, --seed {seed})")
