"""What a sender decides, and why: one record for every protocol here, and for the kernel's TCP.

A machine is given `trace`, a callable, or None: then no record is made. Figures and tables read lists of these records,
whoever made them: an ARQ of `protocols.arq`, our TCP, reliable datagrams, or a kernel's TCP asked through TCP_INFO.

Taught in notebooks 07 to 09.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from netlab.units import Ns


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The state of one sender after an event changed it. None: the protocol has no such thing, or does not yet know it.

    Attributes:
        at: when, ns.
        who: the sender: a host, or a flow such as `client1`.
        cause: the event: `open`, `sent`, `retransmit`, `ack`, `dup_ack`, `sack`, `loss`, `recovered`, `undo`, `rto`,
            `probe`, `window`, `sample`, `state`, `close`, `failed`; or `poll` where somebody asked a kernel.
        state: of the connection or of the ARQ, such as `ESTABLISHED`.
        phase: of congestion control, such as `slow start`, `congestion avoidance`, `recovery`, `probe_bw`.
        cwnd, ssthresh: bytes; an `ssthresh` of None is still infinite.
        flight_size: bytes sent and not yet acknowledged (RFC 5681 §2); ARQs count it in bytes too.
        snd_una, snd_nxt: offsets from the beginning of the stream, bytes, not reduced mod 2**32.
        rwnd: the window that the receiver offers, bytes.
        rtt: the round-trip sample that was just taken, ns.
        srtt, rttvar, rto: the estimator after the event, ns (RFC 6298).
        pacing_bit_s: bits a second that the sender paces itself to.
        retransmissions: segments sent again so far.
        why: the decision in words, for people: `third duplicate ACK: 1460 B at 14600 sent again (RFC 5681 §3.2)`.
    """

    at: Ns
    who: str
    cause: str
    state: str | None = None
    phase: str | None = None
    cwnd: int | None = None
    ssthresh: int | None = None
    flight_size: int | None = None
    snd_una: int | None = None
    snd_nxt: int | None = None
    rwnd: int | None = None
    rtt: Ns | None = None
    srtt: Ns | None = None
    rttvar: Ns | None = None
    rto: Ns | None = None
    pacing_bit_s: int | None = None
    retransmissions: int = 0
    why: str = ""


Trace: TypeAlias = Callable[[Decision], None]
"""Takes each decision as it is made; a list's `append` will do."""
