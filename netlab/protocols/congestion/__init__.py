"""Congestion control: how much may be on its way, and how fast it goes.

Read `control` first: what a control is told, and what it decides. Then `reno`, which the others are measured by.
"""

from netlab.errors import NetlabError
from netlab.protocols.congestion.bbr import Bbr
from netlab.protocols.congestion.control import Ack, CongestionControl, RateSample
from netlab.protocols.congestion.cubic import Cubic
from netlab.protocols.congestion.none import FixedWindow
from netlab.protocols.congestion.reno import Reno

CONTROLS: dict[str, type[CongestionControl]] = {control.name: control for control in (Reno, Cubic, Bbr, FixedWindow)}
"""The congestion controls of netlab, by name."""


class UnknownControl(NetlabError, ValueError):
    """There is no congestion control of that name; the message lists those there are."""


def named(name: str) -> type[CongestionControl]:
    """The congestion control of that name.

    Raises:
        UnknownControl: there is none.

    >>> named("reno")(mss=1460).cwnd
    14600
    """
    try:
        return CONTROLS[name]
    except KeyError:
        raise UnknownControl(f"no congestion control {name!r}: they are {', '.join(CONTROLS)}") from None


__all__ = [
    "CONTROLS",
    "Ack",
    "Bbr",
    "CongestionControl",
    "Cubic",
    "FixedWindow",
    "RateSample",
    "Reno",
    "UnknownControl",
    "named",
]
