"""Who takes part in a race: by name one of netlab's own, or `module:Class` somebody's own from the current folder.

What people bring may lack something or break. It is told in a line that names the class and the method, and never as a
traceback of ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from netlab.errors import NetlabError

T = TypeVar("T")


class BadEntrant(NetlabError, ValueError):
    """There is no such entrant, or it cannot take part."""


class EntrantFailed(NetlabError):
    """An entrant broke during a race; the message names the class and the method."""


def entrant(text: str, known: Mapping[str, type[T]], what: str) -> type[T]:
    """The class that `text` names.

    Args:
        known: netlab's own, by name.
        what: what they are, in words: `congestion control`.

    Raises:
        BadEntrant: there is none, or its file cannot be loaded.
    """
    module_name, colon, class_name = text.partition(":")
    if not colon:
        if text not in known:
            raise BadEntrant(f"no {what} {text!r}: they are {', '.join(known)}, or your own as my_module:MyClass")
        return known[text]
    if not module_name.isidentifier() or not class_name.isidentifier():
        raise BadEntrant(f"{text!r} is not of the form my_module:MyClass")
    module = _load(module_name)
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [
            name for name, value in vars(module).items() if isinstance(value, type) and value.__module__ == module_name
        ]
        raise BadEntrant(f"{module_name} has no class {class_name}: it has {', '.join(classes) or 'none'}")
    return found


def _load(name: str) -> Any:
    file = Path.cwd() / f"{name}.py"
    if not file.is_file():
        raise BadEntrant(f"there is no {file.name} in the current folder")
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(file.parent)
    sys.path.insert(0, folder)  # it may import its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadEntrant(f"{file.name} cannot be loaded: {_said(error)}") from error
    finally:
        sys.path.remove(folder)
    return module


def called(entrant: type[Any]) -> str:
    """What results call it: one of netlab's own by its name, another by its class."""
    return str(entrant.name) if entrant.__module__.startswith("netlab.") else entrant.__name__


def guarded(owner: type, method: str, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """Call a method of an entrant.

    Raises:
        EntrantFailed: it raised.
    """
    try:
        return call(*arguments, **options)
    except EntrantFailed:
        raise
    except Exception as error:
        raise EntrantFailed(f"{owner.__name__}.{method} failed: {_said(error)}") from error


def labels(names: list[str]) -> list[str]:
    """Names that tell all apart: the second of one name gets a number.

    >>> labels(["reno", "bbr", "reno"])
    ['reno', 'bbr', 'reno 2']
    """
    seen: dict[str, int] = {}
    told = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        told.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return told


def _said(error: Exception) -> str:
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    line = ""
    if where is not None and where.tb_frame.f_code.co_filename != __file__:
        line = f" (line {where.tb_lineno} of {Path(where.tb_frame.f_code.co_filename).name})"
    return f"{type(error).__name__}: {error}{line}"
