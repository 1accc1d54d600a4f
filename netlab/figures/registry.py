"""Which figures there are: the question each answers, and what it takes. Importing this imports no matplotlib."""

from __future__ import annotations

import enum

import msgspec


class Takes(enum.Enum):
    """What a figure is drawn from."""

    PACKET = "packet"
    CAPTURE = "capture"
    CAPTURES = "captures"
    TRACE = "trace"
    WHAT_IF = "what-if"


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
    "congestion_window": Entry(
        "How much may be on its way, and what changed that?", Takes.TRACE, "a trace of a sender's decisions", _TRACE
    ),
    "round_trips": Entry(
        "How long is a round trip, and how long does the sender wait?",
        Takes.TRACE,
        "a trace of a sender's decisions",
        _TRACE,
    ),
    "time_sequence": Entry("How does a stream get across?", Takes.CAPTURE, "a capture with a TCP connection", _TESTBED),
    "delivery_order": Entry(
        "Does it come in the order in which it was sent?",
        Takes.CAPTURE,
        "a capture of both ends of a link",
        _TWO_POINTS,
    ),
    "delay_cdf": Entry("How late do packets come?", Takes.CAPTURE, "a capture of both ends of a link", _TWO_POINTS),
    "queue_occupancy": Entry(
        "How many packets wait, and which found no place?",
        Takes.CAPTURE,
        "a capture of both ends of a link",
        _TWO_POINTS,
    ),
    "throughput_goodput": Entry(
        "How much was sent, and how much of it was of use?", Takes.CAPTURE, "a capture", _TWO_POINTS
    ),
    "framing": Entry("Where does a message end?", Takes.CAPTURE, "a capture of a chat over TCP", _CAPTURE),
    "reassembly_map": Entry(
        "Which piece came when, and what is missing?", Takes.CAPTURE, "a capture with fragments", _CAPTURE
    ),
    "overhead": Entry("What are the bytes spent on?", Takes.CAPTURES, "captures of one talk each", _CAPTURE),
    "fan_out": Entry("Who gets a copy, and when?", Takes.CAPTURE, "a capture of a chat", _TWO_POINTS),
    "fairness": Entry(
        "Who gets how much of the bottleneck?",
        Takes.CAPTURE,
        "a capture of several flows",
        "netlab race --cc reno,cubic --capture FILE",
    ),
    "state_machine": Entry(
        "Which way did it go?", Takes.TRACE, "a trace of a sender's decisions", "netlab simulate SCENARIO --trace FILE"
    ),
    "what_if": Entry(
        "What would have been, had a packet met another fate?",
        Takes.WHAT_IF,
        "two runs of a scenario",
        "netlab what-if SCENARIO --drop 'client>server:5' --json > FILE",
    ),
    "comparison": Entry(
        "Who survives this network?", Takes.CAPTURES, "captures of the same talk over several transports", _TWO_POINTS
    ),
}
"""In the order in which a course meets them."""
