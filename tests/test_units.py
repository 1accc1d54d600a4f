"""Quantities: what people write is what the code holds, and a number without a unit is refused with a right one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netlab.errors import NetlabError, UnitError
from netlab.units import (
    KIB,
    MIB,
    MS,
    US,
    Ns,
    S,
    format_duration,
    format_size,
    parse_duration,
    parse_probability,
    parse_rate,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0s", 0),
        ("12ns", 12),
        ("3.5us", 3_500),
        ("3.5µs", 3_500),
        ("20ms", 20 * MS),
        ("20 ms", 20 * MS),
        (" 20ms ", 20 * MS),
        ("1.5s", 1_500 * MS),
        ("2min", 120 * S),
        ("0.001us", 1),
        ("0.3ms", 300 * US),  # 0.3 has no exact float: rounded, not cut
    ],
)
def test_durations(text: str, duration: Ns) -> None:
    assert parse_duration(text) == duration
    assert type(parse_duration(text)) is int


@pytest.mark.parametrize(
    ("text", "rate"), [("9600bit", 9600), ("56kbit", 56_000), ("10mbit", 10**7), ("2.5gbit", 2_500_000_000)]
)
def test_rates_are_decimal_bits_a_second(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "size"), [("1200B", 1200), ("64kB", 64_000), ("64KiB", 65_536), ("4MiB", 4 * MIB), ("1MB", 10**6)]
)
def test_sizes_tell_1000_from_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "share"), [("0%", 0.0), ("1%", 0.01), ("0.1%", 0.001), ("100%", 1.0)])
def test_probabilities(text: str, share: float) -> None:
    assert parse_probability(text) == pytest.approx(share, abs=1e-15)


@pytest.mark.parametrize("parse", [parse_duration, parse_rate, parse_size, parse_probability])
@pytest.mark.parametrize(
    "text",
    ["", "20", "ms", "-1ms", "1e3ms", "20 m s", "20ms,", "twenty", "nan", "inf", ".5s", "5.s", "1_0s", "20ms\x00"],
)
def test_nonsense_is_refused(parse: object, text: str) -> None:
    assert callable(parse)
    with pytest.raises(UnitError):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "shown"),
    [
        (parse_duration, "20", "20ms"),
        (parse_duration, "20MS", "20ms"),  # units have one spelling
        (parse_duration, "20mbit", "20ms"),
        (parse_rate, "10M", "10mbit"),
        (parse_rate, "10Mbit", "10mbit"),
        (parse_size, "64K", "64KiB"),
        (parse_size, "64kb", "64KiB"),
        (parse_probability, "0.01", "1%"),
        (parse_probability, "101%", "1%"),
        (parse_duration, "9" * 400 + "s", "20ms"),  # infinite as a float
    ],
)
def test_a_refusal_shows_what_was_written_and_what_is_right(parse: object, text: str, shown: str) -> None:
    assert callable(parse)
    with pytest.raises(UnitError) as refused:
        parse(text)
    assert repr(text) in str(refused.value)
    assert str(refused.value).endswith(shown)
    assert isinstance(refused.value, NetlabError)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (1, "1ns"),
        (999, "999ns"),
        (1_000, "1us"),
        (1_234_567, "1.235ms"),
        (5 * S, "5s"),
        (-20 * MS, "-20ms"),
        (3 * 3600 * S, "10800s"),
        (10**6 * S, "1000000s"),
    ],
)
def test_durations_as_text(duration: Ns, text: str) -> None:
    assert format_duration(duration) == text


@given(st.integers(0, 10**18))
def test_what_is_printed_reads_back_to_four_digits(duration: Ns) -> None:
    assert parse_duration(format_duration(duration)) == pytest.approx(duration, rel=5.001e-4)


@given(st.integers(0, 2**40))
def test_a_size_is_printed_exactly(size: int) -> None:
    assert parse_size(format_size(size)) == size


def test_the_constants_are_what_they_are_called() -> None:
    assert (US, MS, S) == (10**3, 10**6, 10**9)
    assert (KIB, MIB) == (2**10, 2**20)
