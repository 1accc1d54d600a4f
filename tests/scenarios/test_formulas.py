"""Reno in simulation against the formulas that describe it: `benchmarks/padhye.py` prints the whole table."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def formulas() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "padhye.py"
    spec = importlib.util.spec_from_file_location("padhye", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_formulas_themselves(formulas: ModuleType) -> None:
    """Worked by hand: p = 1 %, RTT 100 ms, T0 0.3 s, b = 1: W = 17.27 segments, Q = 0.21."""
    assert formulas.window(0.01, 1) == pytest.approx(17.28, abs=0.01)
    assert formulas.timeouts(0.01, 17.28) == pytest.approx(0.21, abs=0.005)
    assert formulas.timeouts(0.5, 2.0) == 1
    assert formulas.padhye(0.01, 0.1, 0.3) == pytest.approx(1.31, abs=0.01)
    assert formulas.mathis(0.01, 0.1) == pytest.approx(1.419, abs=0.001)


@pytest.mark.parametrize("rtt_ms", [20, 40, 100])
@pytest.mark.parametrize("p", [0.01, 0.02, 0.03])
def test_goodput_is_near_padhye_and_below_mathis(formulas: ModuleType, p: float, rtt_ms: int) -> None:
    rtt = rtt_ms / 1000
    ours = formulas.measure(p, rtt_ms, seeds=3, seconds=40)
    assert ours.mean < formulas.mathis(p, rtt)
    # Where the model's own timeouts are few in time, it is met as it stands; see docs/tcp.md for the others.
    if rtt_ms * 0.01 / p >= 20:
        assert ours.mean == pytest.approx(formulas.padhye(p, rtt, 0.2 + rtt), rel=0.15)
    assert ours.mean == pytest.approx(formulas.padhye(p, rtt, 0.2 + rtt, share=ours.share), rel=0.2)
    assert ours.share < formulas.timeouts(p, formulas.window(p, 1)) / 2
