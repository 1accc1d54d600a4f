"""Checks grade what an answer does, not what it says: `check.framing(MyDecoder)`.

Each exercise is a file of `netlab.course.exercises`. Read `engine` first, then `exercises/framing`. They are imported
when they are used: they bring hypothesis with them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from netlab.errors import NetlabError

if TYPE_CHECKING:
    from netlab.course.check.engine import Exercise

EXERCISES = {
    "headers": "01",
    "vantage": "02",
    "demultiplex": "03",
    "framing": "04",
    "promise": "05",
    "closing": "06",
    "karn": "07",
    "arq": "07",
    "window": "08",
    "congestion": "09",
    "fragments": "10",
    "streams": "11",
    "once": "12",
}
"""Each exercise, and the notebook that it belongs to."""


class MissingPackage(NetlabError, ImportError):
    """A package that the course needs is not installed; the message says how to get it."""


def __getattr__(name: str) -> Exercise[Any]:
    if name not in EXERCISES:
        raise AttributeError(f"there is no check {name!r}: they are {', '.join(EXERCISES)}")
    try:
        exercise: Exercise[Any] = importlib.import_module(f"netlab.course.exercises.{name}").exercise
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("hypothesis"):
            raise
        raise MissingPackage("checks need hypothesis: pip install 'netlab-edu[lab]'") from None
    return exercise


def __dir__() -> list[str]:
    return list(EXERCISES)
