"""Values of a scenario file: read with their units, refused with a right form shown."""

from __future__ import annotations

from collections.abc import Callable

from netlab.errors import NetlabError, UnitError


class BadScenario(NetlabError, ValueError):
    """A scenario file does not say what one must; the message names the key and shows a right form."""


def quantity(key: str, parse: Callable[[str], int], text: str) -> int:
    """The value of a key, by its parser.

    Raises:
        BadScenario: it can't be read.
    """
    try:
        return parse(text)
    except UnitError as error:
        raise BadScenario(f"{key}: {error}") from None
