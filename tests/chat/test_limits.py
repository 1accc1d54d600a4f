"""Limits that could not be kept to are refused when they are set; every code that a peer is told has its meaning."""

from __future__ import annotations

from typing import Any

import pytest

from netlab.chat.limits import ChatLimits
from netlab.errors import BadLimit
from netlab.packets.limits import MAX_MESSAGE
from netlab.units import S


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"message": MAX_MESSAGE + 1}, "message 262145 B is not in 1 to 262144 B"),
        ({"message": 0}, "message 0 B"),
        ({"message_burst": 0}, "message_burst"),
        ({"byte_rate": 0}, "byte_rate"),
        ({"connections": 0}, "connections must be at least 1"),
        ({"history": -1}, "history -1 is negative"),
        ({"resume_window": -1}, "resume_window -1 is negative"),
        ({"resets": 0}, "resets must be at least 1"),
        ({"accept_backlog": 0}, "accept_backlog must be at least 1"),
        ({"dead_after": 15 * S}, "dead_after 15s is not over the 15s between two pings"),
        ({"ping_after": 40 * S}, "dead_after 30s is not over the 40s between two pings"),
    ],
)
def test_what_could_not_be_kept_to_is_refused(limits: dict[str, Any], said: str) -> None:
    with pytest.raises(BadLimit, match=said):
        ChatLimits(**limits)


def test_no_rate_needs_no_burst() -> None:
    assert ChatLimits(message_rate=0, message_burst=0, byte_rate=0, history=0, resume_window=0).message == MAX_MESSAGE
