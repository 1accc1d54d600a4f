"""Initial sequence numbers: RFC 6528 and RFC 9293 §3.4.1."""

from __future__ import annotations

import pytest

from netlab.protocols.tcp import InitialNumbers
from netlab.units import US, S

HERE, THERE = (0x0A000001, 1000), (0x0A000002, 80)


def test_a_clock_of_four_microseconds_drives_them() -> None:
    """MUST-8."""
    numbers = InitialNumbers(b"k" * 16)
    first = numbers.iss(HERE, THERE, 0)
    assert [(numbers.iss(HERE, THERE, at) - first) % 2**32 for at in (4 * US, 8 * US, 1 * S)] == [1, 2, 250_000]
    assert numbers.iss(HERE, THERE, 2**32 * 4 * US) == first  # once around in 4.8 hours


def test_without_the_key_they_tell_nothing() -> None:
    """MUST-9: another key, address or port gives another number; the same gives the same."""
    numbers = InitialNumbers(b"k" * 16)
    others = [
        InitialNumbers(b"l" * 16).iss(HERE, THERE, 0),
        numbers.iss((HERE[0], 1001), THERE, 0),
        numbers.iss(HERE, (THERE[0] + 1, 80), 0),
        numbers.iss(HERE, (THERE[0], 81), 0),
        numbers.iss(THERE, HERE, 0),
        numbers.timestamp_offset(HERE, THERE),
    ]
    assert len({numbers.iss(HERE, THERE, 0), *others}) == 7
    assert InitialNumbers(b"k" * 16).iss(HERE, THERE, 5) == numbers.iss(HERE, THERE, 5)
    with pytest.raises(ValueError, match="16"):
        InitialNumbers(b"short")
