"""Which segments are taken at all: the window test, and answers to forged resets and SYNs that cannot be misused.

Taught in notebook 06.
"""

from __future__ import annotations

from netlab.units import Ns, S

CHALLENGES = 10
"""Challenge ACKs in each `CHALLENGE_INTERVAL`: RFC 5961 §7 asks for a limit."""
CHALLENGE_INTERVAL: Ns = 5 * S


def is_acceptable(seq: int, length: int, rcv_nxt: int, rcv_wnd: int) -> bool:
    """RFC 9293 §3.10.7.4, first: "There are four cases for the acceptability test for an incoming segment" (Table 6).

    Args:
        seq, length: SEG.SEQ and SEG.LEN, where SYN and FIN count one each.

    >>> is_acceptable(100, 0, 100, 0), is_acceptable(99, 1, 100, 10), is_acceptable(99, 2, 100, 10)
    (True, False, True)
    """
    if length == 0:
        return seq == rcv_nxt if rcv_wnd == 0 else rcv_nxt <= seq < rcv_nxt + rcv_wnd
    if rcv_wnd == 0:
        return False
    return rcv_nxt <= seq < rcv_nxt + rcv_wnd or rcv_nxt <= seq + length - 1 < rcv_nxt + rcv_wnd


class ChallengeAcks:
    """Throttles challenge ACKs (RFC 5961 §7), so that forged segments cannot make us a source of traffic."""

    __slots__ = ("_began", "_left")

    def __init__(self) -> None:
        self._began: Ns | None = None
        self._left = CHALLENGES

    def allow(self, now: Ns) -> bool:
        """Whether one may be sent now; it is counted then."""
        if self._began is None or now >= self._began + CHALLENGE_INTERVAL:
            self._began, self._left = now, CHALLENGES
        self._left -= 1
        return self._left >= 0
