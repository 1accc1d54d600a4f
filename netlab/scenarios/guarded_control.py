"""A congestion control that somebody brought: what it lacks or breaks is told by the class and the hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netlab.protocols.congestion import CONTROLS, CongestionControl
from netlab.scenarios.entrants import BadEntrant, EntrantFailed, guarded

HOOKS = ("on_sent", "on_ack", "on_loss", "on_recovered", "on_rto", "on_undo", "on_idle", "on_mss")
ATTRIBUTES = ("cwnd", "ssthresh", "phase", "pacing_bit_s")


def guard(entrant: type[Any]) -> Callable[..., CongestionControl]:
    """What makes the control for a sender; netlab's own are made as they are.

    Raises:
        BadEntrant: the class lacks a hook.
    """
    if entrant in CONTROLS.values():
        own: Callable[..., CongestionControl] = entrant
        return own
    for hook in HOOKS:
        if not callable(getattr(entrant, hook, None)):
            raise BadEntrant(
                f"{entrant.__name__} has no {hook}: derive the class from netlab.protocols.congestion.Reno, or from "
                "CongestionControl, whose hooks do nothing"
            )

    def make(*, mss: int) -> Any:
        return Guarded(entrant, mss)

    return make


class Guarded:
    """Stands before a control, and looks at it after every hook."""

    def __init__(self, entrant: type[Any], mss: int) -> None:
        self._entrant = entrant
        self._mss = mss
        self._inner = guarded(entrant, "__init__", entrant, mss=mss)
        for attribute in ATTRIBUTES:
            if not hasattr(self._inner, attribute):
                raise EntrantFailed(f"{entrant.__name__}.__init__ sets no {attribute}")
        self._look("__init__")
        for hook in HOOKS:
            setattr(self, hook, self._watched(hook))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _watched(self, hook: str) -> Callable[..., None]:
        call = getattr(self._inner, hook)

        def watched(*arguments: Any) -> None:
            if hook == "on_mss":
                self._mss = arguments[0]
            guarded(self._entrant, hook, call, *arguments)
            self._look(hook)

        return watched

    def _look(self, hook: str) -> None:
        inner, name = self._inner, self._entrant.__name__
        if not isinstance(inner.cwnd, int) or inner.cwnd < self._mss:
            least = f"whole bytes, and at least one segment of {self._mss} B"
            raise EntrantFailed(f"{name}.{hook} set cwnd to {inner.cwnd!r}: it is {least}")
        rate = inner.pacing_bit_s
        if rate is not None and (not isinstance(rate, int) or rate < 1):
            raise EntrantFailed(f"{name}.{hook} set pacing_bit_s to {rate!r}: it is whole bits a second, or None")
