"""`netlab wireshark`: the dissector and the interfaces, put where Wireshark looks."""

from __future__ import annotations

from pathlib import Path

import click

from netlab.capture.wireshark import folders
from netlab.capture.wireshark.dissector import dissector
from netlab.packets.text import printable


@click.command("wireshark", epilog="Example: netlab wireshark --install")
@click.option("--install", is_flag=True, help="Put both files where Wireshark looks.")
@click.option("--uninstall", is_flag=True, help="Take them away again.")
@click.option("--print", "printed", is_flag=True, help="Print the dissector, and install nothing.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="This folder for both files, in the place of your personal ones.",
)
def command(install: bool, uninstall: bool, printed: bool, directory: Path | None) -> None:
    """netlab's packets in Wireshark: fields, filters such as netlab.type == "hello", split messages put together; and
    simulations and testbeds as interfaces to capture from.

    Both are files in your personal folders; nothing of Wireshark itself is changed. Without an option: where they go,
    and what is there.
    """
    if install + uninstall + printed > 1:
        raise click.UsageError("--install, --uninstall, --print: choose one")
    if printed:
        click.echo(dissector(), nl=False)
        return
    where = folders.find_folders() if directory is None else folders.in_directory(directory)
    if install:
        for path in folders.install(where):
            click.echo(f"written: {printable(str(path))}")
        _say_what_next(where, directory)
    elif uninstall:
        removed = folders.uninstall(where)
        for path in removed:
            click.echo(f"removed: {printable(str(path))}")
        if not removed:
            click.echo(f"nothing of netlab's is in {printable(str(where.plugins))}")
    else:
        _say_what_is_there(where)


def _say_what_is_there(where: folders.Folders) -> None:
    found = (
        "no Wireshark was found; it looks here by default" if where.version is None else f"Wireshark {where.version}"
    )
    click.echo(f"{found}:")
    for what, path in (
        ("dissector", where.plugins / folders.DISSECTOR),
        ("interfaces", where.extcap / folders.EXTCAP),
    ):
        click.echo(f"  {what:<11} {printable(str(path))}{'' if path.exists() else ' (not installed)'}")
    click.echo("netlab wireshark --install puts them there")


def _say_what_next(where: folders.Folders, directory: Path | None) -> None:
    if directory is not None:
        click.echo(f"try it: tshark -X lua_script:{printable(str(where.plugins / folders.DISSECTOR))} -r FILE")
        click.echo(f"interfaces: WIRESHARK_EXTCAP_DIR={printable(str(where.extcap))} wireshark")
        return
    if where.version is None:
        click.echo("no Wireshark was found: it will find both files when it is there")
    click.echo("in Wireshark: Analyze > Reload Lua Plugins, or start it anew; then filter by netlab")
    if where.version is not None and not where.looks_in_extcap:
        click.echo(
            f"Wireshark {where.version} looks for interfaces in its own folder only (4.2 and later in yours too): "
            f"start it as WIRESHARK_EXTCAP_DIR={printable(str(where.extcap))} wireshark"
        )
