"""Following a file's records where each says only where the next one is: many chains at once.

A loop goes from one record to the next, and a file has many. So the file is cut into stretches; in each, a place is
guessed at which a record may begin; and from all these places one step is taken at once, again and again, until each
chain has come to the next stretch. The first place is no guess. Where a chain ends exactly at the next guess, that
guess was right, and so is what follows from it. Where it does not, a loop goes on from there, until it comes to a guess
or to the end: what is found is always what a loop from the beginning would have found.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from netlab.units import KIB

STRETCH = 64 * KIB
"""Bytes of a stretch, at least."""

MOST_STRETCHES = 1024

Places = NDArray[np.int64]


def stretches(begin: int, end: int, smallest: int = STRETCH) -> Places:
    """Where stretches begin, all but the first, which begins at `begin`. They are equally long."""
    length = max(smallest, -(-(end - begin) // MOST_STRETCHES)) + 3 & ~3
    return np.arange(begin + length, end - length // 2, length, dtype=np.int64)


def first_of_each(stretches: Places, found: Places) -> Places:
    """Of the places that were found, in order, the first in each stretch."""
    which = np.searchsorted(stretches, found, side="right")
    return found[np.flatnonzero(np.diff(which, prepend=0))]


def until(sound: NDArray[np.bool_]) -> int:
    """How many come before the first that is not sound."""
    return len(sound) if sound.all() else int(np.argmin(sound))


def follow(
    begin: int, end: int, guesses: Places, step: Callable[[Places], Places], plain: Callable[[int], int]
) -> tuple[Places, int]:
    """Every record from `begin` on, and where the chain ends: at `end`, or before it at what is no whole record.

    Args:
        guesses: places behind `begin` where a record may begin, in order.
        step: for each place the one behind its record, at most `end`; -1 where there can be none. It may take for a
            record what is none: who calls looks at all of them, and keeps those before the first that is none.
        plain: the same for one place.
    """
    starts = np.concatenate([[begin], guesses]).astype(np.int64)
    limits = np.append(starts[1:], end)
    found, ends = _walk_together(starts, limits, step)
    parts: list[Places] = []
    lane, last = 0, len(starts) - 1
    while True:
        # the chains from `lane` on as far as each one runs into the next
        broken = np.flatnonzero(ends[lane:-1] != starts[lane + 1 :])
        until = lane + int(broken[0]) if len(broken) else last
        at = int(ends[until])
        parts.append(found[np.searchsorted(found, starts[lane]) : np.searchsorted(found, min(at, limits[until]))])
        if until == last or at < limits[until]:
            return np.concatenate(parts), at
        alone: list[int] = []
        guessed = {int(start): number for number, start in enumerate(starts[until + 1 :], until + 1)}
        while at < end and at not in guessed and (behind := plain(at)) >= 0:
            alone.append(at)
            at = behind
        parts.append(np.array(alone, np.int64))
        if at not in guessed:
            return np.concatenate(parts), at
        lane = guessed[at]


def _walk_together(starts: Places, limits: Places, step: Callable[[Places], Places]) -> tuple[Places, Places]:
    """The records of all chains, in order, and where each chain ended: at or behind its limit, or at no record."""
    ends = starts.copy()
    found: list[Places] = []
    lanes = np.flatnonzero(starts < limits)
    at, limit = starts[lanes], limits[lanes]
    while len(at):
        behind = step(at)
        going = behind < limit
        if going.all() and behind.min() >= 0:
            found.append(at)
            at = behind
            continue
        whole = behind >= 0
        found.append(at[whole])
        ends[lanes] = np.where(whole, behind, at)
        at, limit, lanes = behind[whole & going], limit[whole & going], lanes[whole & going]
    return np.sort(np.concatenate(found)) if found else np.zeros(0, np.int64), ends
