"""Link options on the command line: `--loss 1% --delay 20ms`, or all in one text, `--link "loss=1% delay=20ms"`."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from netlab.cli.argument_types import Number
from netlab.network.link_config import BadLink, LinkConfig
from netlab.network.link_options import OPTIONS, link_from_options, parse_link

Command = TypeVar("Command", bound=Callable[..., Any])

SEEDS = 2**32
SEED = Number("seed", 0, SEEDS - 1)


def link_options(command: Command) -> Command:
    """Add an option for everything that a link can do, `--link` and `--seed`. `AskedLink` reads what they say."""
    for key, (example, help) in reversed(OPTIONS.items()):
        written = example.split(" or ")[0].partition("=")[2]
        command = click.option(
            f"--{key.replace('_', '-')}", f"link_{key}", metavar="VALUE", help=f"{help[0].upper()}{help[1:]}: {written}"
        )(command)
    command = click.option("--link", "link_text", metavar="TEXT", help='All in one: "loss=1% delay=20ms".')(command)
    return seed_option(command)


def seed_option(command: Command) -> Command:
    """`--seed`: without one, a new one is drawn, and told."""
    return click.option("--seed", type=SEED, help="Fix the dice of the link. [drawn]")(command)


class AskedLink:
    """What the options ask for.

    Attributes:
        text: in one line, as `--link` takes it.
        config: what it means.
        seed: of the dice.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        """Take the options out of `asked`.

        Raises:
            click.UsageError: a value that cannot be, or an option that is said twice.
        """
        text: str | None = asked.pop("link_text")
        options = {key: value for key in OPTIONS if (value := asked.pop(f"link_{key}")) is not None}
        self.seed: int = drawn(asked.pop("seed"))
        words = (text or "").split() + [f"{key}={value}" for key, value in options.items()]
        self.text = " ".join(words)
        self.config = read_link(self.text) if not options else _checked(words, options, text)


def _checked(words: list[str], options: dict[str, str], text: str | None) -> LinkConfig:
    """Where options stand alone their values may hold blanks, as a file's name does."""
    try:
        return parse_link(" ".join(words), read_file) if text else link_from_options(options, read_file)
    except BadLink as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from None


def drawn(seed: int | None) -> int:
    """The seed, or a new one."""
    return secrets.randbelow(SEEDS) if seed is None else seed


def read_link(text: str) -> LinkConfig:
    """What one text asks for.

    Raises:
        click.UsageError: it cannot be; the message shows the right form.
    """
    try:
        return parse_link(text, read_file)
    except BadLink as error:
        raise click.UsageError(str(error), click.get_current_context(silent=True)) from None


def read_file(name: str) -> str:
    """The text of a trace.

    Raises:
        BadLink: it cannot be read.
    """
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        raise BadLink(f"{name}: {getattr(error, 'strerror', None) or 'it is not a text'}") from None
