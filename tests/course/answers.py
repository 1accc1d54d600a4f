"""Solutions and wrong answers, which stand outside the package, by the name of their exercise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
SOLUTIONS = HERE.parents[1] / "solutions"


def module_of(path: Path) -> ModuleType:
    """The module that a file is."""
    spec = importlib.util.spec_from_file_location(f"{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solution(name: str) -> Any:
    """The solution of an exercise."""
    return module_of(SOLUTIONS / f"{name}.py").Answer


def wrong_of(name: str) -> ModuleType:
    """Its wrong answers."""
    return module_of(HERE / "wrong_answers" / f"{name}.py")
