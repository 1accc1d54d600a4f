"""The kernel's own TCP, asked what it is about: TCP_INFO of a socket as the record that our machines' traces are made
of.

    async for decision in watch(sock, every=10 * MS): ...

A kernel does not tell why; it is asked from time to time, so `cause` is `poll`, or `loss`, `rto` and `recovered` where
what it tells has changed that way since it was asked last.

Source: include/uapi/linux/tcp.h of Linux, struct tcp_info, whose later fields older kernels do not have; tcp(7).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import msgspec

from netlab.errors import NetlabError
from netlab.protocols.trace import Decision
from netlab.units import MS, Ns

STATES = (
    "",
    "ESTABLISHED",
    "SYN-SENT",
    "SYN-RECEIVED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "CLOSED",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
)
"""By Linux's numbers (include/net/tcp_states.h), in RFC 9293's names."""

CONGESTION = ("open", "disorder", "cwr", "recovery", "loss")
"""What tcpi_ca_state counts: `recovery` after duplicate acknowledgments, `loss` after a timeout."""

INFINITE = 0x7FFFFFFF
"""Linux's ssthresh before the first loss, segments."""

_FIXED = struct.Struct("=6BxB24I")
"""Up to tcpi_total_retrans; times are µs, windows are segments."""
_BYTES_ACKED = (struct.Struct("=Q"), 120)
_NOTSENT, _BYTES_SENT = (struct.Struct("=I"), 144), (struct.Struct("=Q"), 200)
_PACING = (struct.Struct("=Q"), 104)
_SND_WND = (struct.Struct("=I"), 228)
_LONGEST = 512


class NoTcpInfo(NetlabError):
    """This system does not tell, or the socket is not TCP's."""


class TcpInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What Linux tells of one connection, in its units turned to ours: bytes and ns. None: this kernel does not tell
    it.

    Attributes:
        congestion: one of `CONGESTION`.
        cwnd, ssthresh: bytes; an `ssthresh` of None is infinite, as before the first loss.
        unacked: bytes on their way or lost, in whole segments.
        retransmits: timeouts in a row, now.
        total_retransmits: segments sent again so far.
    """

    state: str
    congestion: str
    retransmits: int
    rto: Ns
    mss: int
    unacked: int
    srtt: Ns
    rttvar: Ns
    ssthresh: int | None
    cwnd: int
    total_retransmits: int
    pacing_bit_s: int | None
    bytes_acked: int | None
    window: int | None


def ask(sock: socket.socket) -> TcpInfo:
    """Ask the kernel about a connected TCP socket.

    Raises:
        NoTcpInfo: it does not tell.
    """
    option = getattr(socket, "TCP_INFO", None)
    if option is None or not hasattr(socket, "TCP_CONGESTION"):  # others than Linux lay it out another way
        raise NoTcpInfo("this system has no TCP_INFO as Linux does: look at a simulation's trace instead")
    try:
        return parse(sock.getsockopt(socket.IPPROTO_TCP, option, _LONGEST))
    except OSError as error:
        raise NoTcpInfo(f"the kernel tells nothing of this socket: {error.strerror}") from None


def parse(data: bytes) -> TcpInfo:
    """What a kernel told, in bytes.

    Raises:
        NoTcpInfo: it is too short for any kernel.
    """
    if len(data) < _FIXED.size:
        raise NoTcpInfo(f"{len(data)} B are no struct tcp_info: {_FIXED.size} at the least")
    state, congestion, retransmits, _, _, _, _, rto, _, mss, _, unacked, *rest = _FIXED.unpack_from(data)
    # rest: sacked, lost, retrans, fackets, 4 times since, pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd,
    # advmss, reordering, rcv_rtt, rcv_space, total_retrans
    rtt, rttvar, ssthresh, cwnd = rest[10:14]
    pacing = _later(data, _PACING)
    return TcpInfo(
        state=STATES[state] if state < len(STATES) else str(state),
        congestion=CONGESTION[congestion] if congestion < len(CONGESTION) else str(congestion),
        retransmits=retransmits,
        rto=rto * 1000,
        mss=mss,
        unacked=unacked * mss,
        srtt=rtt * 1000,
        rttvar=rttvar * 1000,
        ssthresh=None if ssthresh >= INFINITE else ssthresh * mss,
        cwnd=cwnd * mss,
        total_retransmits=rest[18],
        pacing_bit_s=None if pacing is None or pacing >= 2**63 else pacing * 8,
        bytes_acked=_later(data, _BYTES_ACKED),
        window=_later(data, _SND_WND),
    )


def _later(data: bytes, field: tuple[struct.Struct, int]) -> int | None:
    """A field that came to the structure later: None from a kernel that has it not."""
    form, at = field
    return int(form.unpack_from(data, at)[0]) if at + form.size <= len(data) else None


def decision(info: TcpInfo, at: Ns, *, who: str, before: TcpInfo | None = None) -> Decision:
    """The record of what a kernel told.

    Args:
        at: when, ns.
        before: what it told the last time.
    """
    acked = info.bytes_acked
    return Decision(
        at=at,
        who=who,
        cause=_cause(info, before),
        state=info.state,
        phase=_phase(info),
        cwnd=info.cwnd,
        ssthresh=info.ssthresh,
        flight_size=info.unacked,
        snd_una=acked,
        snd_nxt=None if acked is None else acked + info.unacked,
        rwnd=info.window,
        rtt=None,
        srtt=info.srtt or None,
        rttvar=info.rttvar or None,
        rto=info.rto,
        pacing_bit_s=info.pacing_bit_s,
        retransmissions=info.total_retransmits,
    )


def _cause(info: TcpInfo, before: TcpInfo | None) -> str:
    if before is None or before.congestion == info.congestion:
        return "poll"
    if info.congestion == "loss":
        return "rto"
    if info.congestion in ("recovery", "cwr"):
        return "loss"
    return "recovered" if before.congestion in ("recovery", "loss") else "poll"


def _phase(info: TcpInfo) -> str:
    if info.congestion in ("recovery", "loss"):
        return "recovery"
    return "slow start" if info.ssthresh is None or info.cwnd < info.ssthresh else "congestion avoidance"


async def watch(sock: socket.socket, *, every: Ns = 10 * MS, who: str = "kernel") -> AsyncIterator[Decision]:
    """Ask until the connection is over. Times count from the first asking.

    Raises:
        NoTcpInfo: the kernel does not tell.
    """
    loop = asyncio.get_running_loop()
    began, before = loop.time(), None
    while sock.fileno() != -1:
        info = ask(sock)
        yield decision(info, round((loop.time() - began) * 1e9), who=who, before=before)
        if info.state == "CLOSED":
            return
        before = info
        await asyncio.sleep(every / 1e9)
