"""No congestion control: a window that nothing changes. What it does to a shared link is what the others prevent.

Taught in notebook 09.
"""

from __future__ import annotations

from typing import ClassVar

from netlab.protocols.congestion.control import CongestionControl

SEGMENTS = 256
"""The window: 374 kB of 1460-byte segments, more than ten times what 10 Mbit/s over 20 ms hold."""


class FixedWindow(CongestionControl):
    """`SEGMENTS` full segments, whatever happens: the receiver's window is all that holds it back."""

    name: ClassVar[str] = "none"

    def __init__(self, *, mss: int) -> None:
        self.cwnd = SEGMENTS * mss
        self.ssthresh: int | None = None
        self.phase = "fixed"
        self.pacing_bit_s: int | None = None

    def on_mss(self, mss: int) -> None:
        self.cwnd = SEGMENTS * mss
