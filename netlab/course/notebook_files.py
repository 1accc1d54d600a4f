"""Where the course's notebooks are: in the installed package, or beside it in a source checkout."""

from __future__ import annotations

from pathlib import Path

from netlab.errors import NetlabError

_COURSE = Path(__file__).parent
_PLACES = (_COURSE / "notebooks", _COURSE.parents[1] / "notebooks")


class NotCopied(NetlabError):
    """The notebooks are not there, or could not be copied."""


def notebooks() -> list[Path]:
    """The notebooks, in the order of the course.

    Raises:
        NotCopied: this installation holds none.
    """
    for place in _PLACES:
        if found := sorted(place.glob("[0-9][0-9]-*.ipynb")):
            return found
    raise NotCopied("this installation of netlab holds no notebooks: install it anew")


def copy_notebooks(folder: Path, *, force: bool = False) -> list[Path]:
    """Copy the notebooks into a folder, which is made; all of them, or none.

    Args:
        force: replace those that are there.

    Raises:
        NotCopied: one is there already, or the folder can't be written to.
    """
    targets = {source: folder / source.name for source in notebooks()}
    there = [target.name for target in targets.values() if target.exists()]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise NotCopied(f"{folder} holds {there[0]}{more} already, perhaps with your work in it: --force replaces them")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in targets.items():
            target.write_bytes(source.read_bytes())
    except OSError as error:
        raise NotCopied(f"{folder}: {error.strerror}: name a folder of yours") from None
    return list(targets.values())
