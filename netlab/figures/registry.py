"""Which figures there are: the question each answers, and what it takes. Importing this imports no matplotlib."""

from __future__ import annotations

import enum

import msgspec


class Takes(enum.Enum):
    """What a figure is drawn from."""

    PACKET = "packet"
    CAPTURE = "capture"
    TRACE = "trace"


class Entry(msgspec.Struct, frozen=True):
    """One figure.

    Attributes:
        question: what it answers; its title.
        takes: what kind of data.
        of: that data in words.
        made_by: a command that makes it.
    """

    question: str
    takes: Takes
    of: str
    made_by: str


_CAPTURE = "netlab capture -o FILE -- COMMAND, or netlab simulate SCENARIO --capture FILE"
_TESTBED = "netlab testbed --capture FILE -- COMMAND"
_TWO_POINTS = "netlab simulate SCENARIO --capture FILE, or netlab testbed --capture FILE -- COMMAND"
_TRACE = "netlab simulate SCENARIO --trace FILE"

FIGURES = {
    "byte_map": Entry("What is each byte of this packet?", Takes.PACKET, "one packet of a capture", _CAPTURE),
    "encapsulation": Entry(
        "What is wrapped in what, and how much of it is wrapping?", Takes.PACKET, "one packet of a capture", _CAPTURE
    ),
    "model_comparison": Entry(
        "Where do these protocols stand, in OSI and in TCP/IP?", Takes.CAPTURE, "a capture", _CAPTURE
    ),
    "ladder": Entry("Who sent what, when, and did it arrive?", Takes.CAPTURE, "a capture", _CAPTURE),
}
"""In the order in which a course meets them."""
