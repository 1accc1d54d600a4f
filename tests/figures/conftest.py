"""Figures are drawn off screen with matplotlib's own settings, and closed after each test."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import pytest


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    plt.switch_backend("agg")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
        plt.close("all")


@pytest.fixture
def renew(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--new-references"))
