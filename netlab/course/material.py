"""The course's notebooks as files: where they are in an installed package, and copies to work with."""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path

from netlab.errors import NetlabError

_IN_THE_WHEEL = "notebooks"


class CannotCopy(NetlabError):
    """The folder can't be written, or something is there already."""


def notebooks() -> list[Path]:
    """The notebooks that come with this netlab, in their order: those of the package, or of the checkout it runs from.

    Raises:
        CannotCopy: this netlab came without them.
    """
    package = Path(str(importlib.resources.files("netlab")))
    for folder in (package / "course" / _IN_THE_WHEEL, package.parent / _IN_THE_WHEEL):
        found = sorted(folder.glob("*.ipynb"))
        if found:
            return found
    raise CannotCopy("this netlab came without its notebooks: install netlab-edu from PyPI, or work in a checkout")


def copy_notebooks(folder: Path, *, force: bool = False) -> list[Path]:
    """Copy all notebooks into a folder, which is made if it is not there.

    Args:
        force: replace those that are there: whatever was written in them is lost.

    Raises:
        CannotCopy: one is there already, or the folder can't be written.
    """
    sources = notebooks()
    there = [source.name for source in sources if (folder / source.name).exists()]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise CannotCopy(f"{folder / there[0]}{more}: there already, perhaps with your work; --force replaces them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [Path(shutil.copyfile(source, folder / source.name)) for source in sources]
    except OSError as error:
        raise CannotCopy(f"{folder}: {error.strerror}") from None
