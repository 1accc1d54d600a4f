"""A hand on a line: a table that reads like a trace."""

from __future__ import annotations

from typing import Any

import pytest

from netlab.network.hand import Hand
from netlab.network.impairments import Corruption
from netlab.network.link import Delivered, Dropped
from netlab.network.link_options import parse_link
from netlab.network.seeds import seeded_streams
from netlab.units import MS


def hand(most: int = 2) -> Hand[str]:
    return Hand(seeded_streams(1), name="there", most=most)


#    t/ms  what is done                     what comes out                                  deadline/ms
TRACE: list[tuple[int, Any, list[Any], int | None]] = [
    (0, ("arrive", 1, "a"), [Delivered("a", 0)], None),  # not held: a perfect line
    (1, ("hold",), [], None),
    (2, ("arrive", 2, "b"), [], None),
    (3, ("arrive", 3, "c"), [], None),
    (4, ("arrive", 4, "d"), [Dropped("d", 4 * MS, "queue_full")], None),
    (5, ("decide", 2, "pass"), [Delivered("b", 5 * MS)], None),
    (6, ("arrive", 5, "e"), [], None),  # there is room again
    (7, ("decide", 3, "corrupt"), [Delivered("c", 7 * MS, Corruption(99, 1))], None),
    (8, ("decide", 5, "drop"), [Dropped("e", 8 * MS, "fate")], None),
    (9, ("arrive", 6, "f"), [], None),
    (10, ("decide", 6, "delay", 30), [], 40),
    (11, ("release",), [], 40),
    (12, ("link", "delay=5ms"), [], 40),
    (13, ("arrive", 7, "g"), [], 18),  # across the line, and past who was delayed
    (18, ("fire",), [Delivered("g", 18 * MS)], 40),
    (39, ("fire",), [], 40),  # early: ignored
    (40, ("fire",), [Delivered("f", 40 * MS)], None),
    (41, ("fire",), [], None),
]


def test_a_trace() -> None:
    line = hand()
    for at, (what, *more), expected, deadline in TRACE:
        now = at * MS
        outputs: list[Any] = []
        match what:
            case "arrive":
                outputs = line.arrive(*more, 100, now) + (line.fire(now) if line.deadline == now else [])
            case "decide":
                number, how, *by = more
                outputs = line.decide(number, how, now, *[delay * MS for delay in by])
            case "hold" | "release":
                line.is_held = what == "hold"
            case "link":
                outputs = line.configure(parse_link(*more), now)
            case "fire":
                outputs = line.fire(now)
        assert outputs == expected, (at, what)
        assert line.deadline == (None if deadline is None else deadline * MS), (at, what)
    assert line.waiting == []


def test_what_does_not_wait_is_not_decided() -> None:
    line = hand()
    line.arrive(1, "a", 10, 0)
    with pytest.raises(KeyError):
        line.decide(1, "drop", 1)
