"""Exercise 08: what a receiver offers.

A class `Receiver(buffer, mss)` whose `arrived(size)` and `read(size)` return the window to offer now, in bytes: how
many more bytes it will take, from the next one that is expected. `arrived` is called for data that was within the
window, in order.

The window's right edge never moves back: what was offered may be on its way. And it moves on only by an amount that is
worth a segment: by at least the smaller of half the buffer and one MSS.

Source: RFC 9293 §3.8.6 (SHLD-14: do not shrink the window), §3.8.6.2.2 (receiver's silly window avoidance, MUST-39).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from netlab.course.check.engine import Exercise
from netlab.course.check.verdict import Complaint


class Story(msgspec.Struct, frozen=True):
    """One case.

    Attributes:
        steps: `("arrived", n)` and `("read", n)`; `n` is cut to what the window, or the buffer, allows.
    """

    buffer: int
    mss: int
    steps: tuple[tuple[Literal["arrived", "read"], int], ...]


class _Truth:
    """The right window, and why others would be wrong."""

    def __init__(self, buffer: int, mss: int) -> None:
        self.buffer, self.mss = buffer, mss
        self.unread = 0
        self.window = buffer

    @property
    def free(self) -> int:
        return self.buffer - self.unread

    def arrived(self, size: int) -> None:
        self.unread += size
        self.window -= size
        self._move()

    def read(self, size: int) -> None:
        self.unread -= size
        self._move()

    def _move(self) -> None:
        # "RCV.BUFF - RCV.USER - RCV.WND >= min( Fr * RCV.BUFF, Eff.snd.MSS )", Fr = 1/2 (RFC 9293 §3.8.6.2.2)
        if self.free - self.window >= min(self.buffer / 2, self.mss):
            self.window = self.free


def _judge(receiver: Any, case: Story) -> Complaint | None:
    made, truth = receiver(case.buffer, case.mss), _Truth(case.buffer, case.mss)
    told: list[str] = []
    for kind, wanted in case.steps:
        size = min(wanted, truth.window if kind == "arrived" else truth.unread)
        if size == 0:
            continue
        before = truth.window
        getattr(truth, kind)(size)
        got = getattr(made, kind)(size)
        told.append(f"{size} B {'arrived' if kind == 'arrived' else 'were read'}")
        if got != truth.window:
            return Complaint(
                _why(got, before - size if kind == "arrived" else before, truth),
                given=f"a buffer of {case.buffer} B, an MSS of {case.mss} B; then {', '.join(told)}",
                expected=f"a window of {truth.window} B",
                got=repr(got),
                hint="do not shrink it (SHLD-14), and do not open it by crumbs (MUST-39): RFC 9293 §3.8.6",
            )
    return None


def _why(got: Any, least: int, truth: _Truth) -> str:
    if not isinstance(got, int):
        return "the window is a number of bytes"
    if got > truth.free:
        return f"it offers {got} B, but only {truth.free} B of the buffer are free: unread bytes take their place"
    if got < least:
        return f"it takes back what it had offered: {least} B of the old window are left, and may be on their way"
    if got > truth.window:
        return f"it offers {got - truth.window} B more: a crumb, which invites tiny segments (silly window)"
    return f"{truth.free} B are free again, and worth a segment: the sender waits until it is told"


_KINDS: st.SearchStrategy[Literal["arrived", "read"]] = st.sampled_from(["arrived", "read"])

exercise: Exercise[Story] = Exercise(
    name="window",
    notebook="08",
    write="a class Receiver(buffer, mss) whose arrived(size) and read(size) return the window to offer",
    cases=st.builds(
        lambda buffer, mss, steps: Story(buffer, mss, tuple(steps)),
        st.sampled_from([1000, 4000, 10000]),
        st.sampled_from([500, 1460]),
        st.lists(st.tuples(_KINDS, st.sampled_from([1, 100, 500, 1460, 3000, 10000])), min_size=1, max_size=12),
    ),
    judge=_judge,
)
