"""The fuzz targets, a few inputs of each: `python -m tests.fuzz.fuzz --count 1000000` reads many."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz import TARGETS, damaged, one


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_named_errors_comes_out(name: str) -> None:
    target = TARGETS[name]

    @given(rng=st.randoms(use_true_random=False))
    @settings(max_examples=60)
    def read_damaged(rng: random.Random) -> None:
        one(target, damaged(rng, target.examples))

    read_damaged()


@pytest.mark.parametrize("name", TARGETS)
def test_its_examples_are_read(name: str) -> None:
    """Else nothing behind the first check would be reached."""
    target = TARGETS[name]
    assert {one(target, example) for example in target.examples} == {""}


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.raises])
@given(noise=st.binary(max_size=200))
@settings(max_examples=20)
def test_noise(name: str, noise: bytes) -> None:
    one(TARGETS[name], noise)
