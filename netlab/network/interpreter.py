"""A fresh interpreter with this one's modules, wherever it is started from."""

from __future__ import annotations

import os
import sys


def fresh_interpreter(module: str) -> list[str]:
    """The beginning of a command that calls `main` of a module of ours with the arguments that follow.

    -I, so that neither the working directory nor PYTHON* variables, which may be another program's, have a say in what
    it imports; the paths are made absolute, because it may be started elsewhere.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    code = f"import sys; sys.path[:] = {path!r}; from {module} import main; main(sys.argv[1:])"
    return [sys.executable, "-I", "-c", code]
