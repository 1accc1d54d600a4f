"""Automatic repeat request: a reliable channel built on one that loses, doubles and reorders.

Read `machine` first: what every ARQ is. Then `stop_and_wait`, `go_back_n` and `selective_repeat`: what each adds; `pdu`
draws what they send.
"""

from netlab.errors import NetlabError
from netlab.protocols.arq.go_back_n import GoBackN
from netlab.protocols.arq.machine import (
    Arq,
    Arrived,
    Deliver,
    Dropped,
    Event,
    Failed,
    Output,
    Send,
    TimerFired,
    Transmit,
)
from netlab.protocols.arq.pdu import Ack, Data, Pdu, decode, encode
from netlab.protocols.arq.selective_repeat import SelectiveRepeat
from netlab.protocols.arq.states import TRANSITIONS, Cause, State, diagram
from netlab.protocols.arq.stop_and_wait import StopAndWait

ARQS: dict[str, type[Arq]] = {arq.name: arq for arq in (StopAndWait, GoBackN, SelectiveRepeat)}
"""The ARQs of netlab, by name."""


class UnknownArq(NetlabError, ValueError):
    """There is no ARQ of that name; the message lists those there are."""


def named(name: str) -> type[Arq]:
    """The ARQ of that name.

    Raises:
        UnknownArq: there is none.
    """
    try:
        return ARQS[name]
    except KeyError:
        raise UnknownArq(f"no ARQ {name!r}: they are {', '.join(ARQS)}") from None


__all__ = [
    "ARQS",
    "TRANSITIONS",
    "Ack",
    "Arq",
    "Arrived",
    "Cause",
    "Data",
    "Deliver",
    "Dropped",
    "Event",
    "Failed",
    "GoBackN",
    "Output",
    "Pdu",
    "SelectiveRepeat",
    "Send",
    "State",
    "StopAndWait",
    "TimerFired",
    "Transmit",
    "UnknownArq",
    "decode",
    "diagram",
    "encode",
    "named",
]
