"""What can be set of a connection, and two profiles: the RFCs' values, and Linux's where they differ."""

from __future__ import annotations

import msgspec

from netlab.protocols.round_trips import CLOCK_GRANULARITY, INITIAL_RTO, LINUX_MIN_RTO, MAX_RTO, MIN_RTO
from netlab.units import KIB, MS, Ns, S

DEFAULT_MSS = 536
"""What a peer that says nothing may be sent over IPv4: "TCP implementations MUST assume a default send MSS of 536
(576 - 40) for IPv4" (MUST-15)."""

ETHERNET_MSS = 1460
"""1500 - 40: the value of the MSS option is the MTU less the fixed headers (RFC 9293 §3.7.1)."""


class TcpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one connection; the RFCs' values unless told otherwise.

    Attributes:
        mss: what the MSS option says: payload and options of the largest segment we can take, and send, bytes.
        receive_buffer: bytes that may wait for the user, in order or not: the largest window offered.
        sack: offer selective acknowledgements (RFC 2018).
        timestamps: offer timestamps (RFC 7323 §3).
        window_scaling: offer windows above 64 KiB (RFC 7323 §2).
        ecn: offer explicit congestion notification (RFC 3168).
        nagle: hold back short segments while anything is unacknowledged. "there MUST be a way for an application to
            disable the Nagle algorithm on an individual connection" (MUST-17).
        ack_delay: how long an acknowledgement may wait for another segment, ns: "the delay MUST be less than 0.5
            seconds" (MUST-40).
        quick_acks: so many segments are acknowledged one by one at first, and again after one that came out of order.
            Linux does, so that a sender whose window is small is not kept waiting.
        initial_rto, min_rto, max_rto, granularity: of `protocols.round_trips`, ns.
        user_timeout: how long data may go without any acknowledgement of anything new, ns; None: for ever. R2 of RFC
            9293 §3.8.3, which "an application MUST be able to set" (MUST-21). Never a number of retries.
        syn_timeout: the same for a SYN: "at least 3 minutes" (MUST-23).
        msl: maximum segment lifetime, ns: TIME-WAIT lasts two (MUST-13).
    """

    mss: int = ETHERNET_MSS
    receive_buffer: int = 1024 * KIB
    sack: bool = True
    timestamps: bool = True
    window_scaling: bool = True
    ecn: bool = False
    nagle: bool = True
    ack_delay: Ns = 200 * MS
    quick_acks: int = 0
    initial_rto: Ns = INITIAL_RTO
    min_rto: Ns = MIN_RTO
    max_rto: Ns = MAX_RTO
    granularity: Ns = CLOCK_GRANULARITY
    user_timeout: Ns | None = 300 * S
    syn_timeout: Ns | None = 180 * S
    msl: Ns = 120 * S

    def __post_init__(self) -> None:
        if not 0 < self.ack_delay < 500 * MS:
            raise ValueError(f"ack_delay of {self.ack_delay} ns: it must be below 0.5 s (RFC 9293 MUST-40)")
        if not 64 <= self.mss <= 65_495:
            raise ValueError(f"an MSS of {self.mss} B: it is from 64 to 65495")
        if not 0 < self.receive_buffer <= 2**30:
            raise ValueError(f"a receive buffer of {self.receive_buffer} B: it is from 1 B to 1 GiB (RFC 7323 §2.3)")


RFC = TcpConfig()
"""The RFCs' values: an RTO of at least one second, a TIME-WAIT of four minutes."""

LINUX = TcpConfig(
    ack_delay=40 * MS,
    quick_acks=16,
    min_rto=LINUX_MIN_RTO,
    max_rto=120 * S,
    granularity=LINUX_MIN_RTO,  # Linux bounds the variation, not the sum: RTO = SRTT + max(200 ms, 4 * RTTVAR)
    user_timeout=924 * S,  # what 15 retries of tcp_retries2 come to
    msl=30 * S,
)
"""What Linux departs to: an RTO of SRTT + 200 ms at least, acknowledgements within 40 ms, a TIME-WAIT of one minute."""

PROFILES = {"rfc": RFC, "linux": LINUX}
