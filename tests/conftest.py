"""Which tests run, and how hypothesis looks for examples.

Slow tests run where CI=true, with `--slow`, or when they are asked for with `-m slow`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

IN_CI = os.environ.get("CI") == "true"

# No deadline: a busy machine is not a bug. In CI the same examples every time: a red run is about the change.
settings.register_profile("netlab", deadline=None)
settings.register_profile("netlab-ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("netlab-ci" if IN_CI else "netlab")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if IN_CI or config.getoption("--slow") or "slow" in config.getoption("-m"):
        return
    skip = pytest.mark.skip(reason="slow: runs with CI=true or --slow")
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(skip)
