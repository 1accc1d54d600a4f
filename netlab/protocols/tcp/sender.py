"""The sending half: what goes out and when, within the peer's window, the congestion window and Nagle's rule.

`recovery` decides what is lost; this sends it again. Both work on one `Scoreboard`.

Source: RFC 9293 §3.7.4 (Nagle), §3.8.6 (windows, probes, silly windows); RFC 6298 §5 (the timer); RFC 6675 §5 (what to
send in recovery). Taught in notebooks 06 and 08.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from netlab.packets.tcp import TcpFlags
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.delivery_rate import DeliveryRate
from netlab.protocols.round_trips import RoundTrips
from netlab.protocols.tcp.config import DEFAULT_MSS, TcpConfig
from netlab.protocols.tcp.scoreboard import Scoreboard, Sent
from netlab.protocols.tcp.send_queue import SendQueue
from netlab.units import Ns, S

if TYPE_CHECKING:
    from netlab.protocols.tcp.tcb import Tcb

_ACK, _PSH, _FIN = int(TcpFlags.ACK), int(TcpFlags.PSH), int(TcpFlags.FIN)
_ACK_PSH = _ACK | _PSH

FS = 2
"""RFC 9293 §3.8.6.2.1: a half of the largest window is worth a segment ("a fraction whose recommended value is
1/2")."""

R1 = 3
"""Retransmissions of the same data after which the user is told (SHLD-10)."""


class Sender:
    """Send variables of RFC 9293 §3.3.1, and what they decide. Numbers are unbounded, see `sequence`.

    Attributes:
        mss: Eff.snd.MSS: payload of a full segment.
        max_wnd: the largest window that the peer has offered, Max(SND.WND).
        fin_wanted: the user closed; the FIN goes behind what is queued.
        fin: the number of our FIN, once it was sent.
        rtx_at: when the retransmission timer, or the one of probes, expires.
        progress_at: when the peer last acknowledged something new, or data first went out after that.
        recovery_point: RFC 6675 §5, and `recover` of RFC 6582; None outside of recovery.
        timeout_point: what had been sent when the timer expired: until all of it is acknowledged no loss is news. None
            where that is done.
        in_doubt: something was just taken for lost, and no acknowledgement of new data has come since.
        retransmitted_at: when the first of that was sent again, ns.
        retransmissions: segments sent again.
    """

    def __init__(self, tcb: Tcb, iss: int, config: TcpConfig, make_control: Callable[..., CongestionControl]) -> None:
        self._tcb = tcb
        self._nagle = config.nagle
        self._max_rto = config.max_rto
        self._make_control = make_control
        self.iss = iss
        self.snd_una = self.snd_nxt = iss
        self.snd_wnd = self.max_wnd = 0
        self.snd_wl1 = self.snd_wl2 = 0
        self.snd_up = iss  # behind the last urgent byte
        self.mss = DEFAULT_MSS
        self.queue = SendQueue()
        self.fin_wanted = False
        self.fin: int | None = None
        self.board = Scoreboard()
        self.trips = RoundTrips(
            initial_rto=config.initial_rto,
            min_rto=config.min_rto,
            max_rto=config.max_rto,
            granularity=config.granularity,
        )
        self.control = make_control(mss=config.mss)
        self.rate = DeliveryRate()
        self.rtx_at: Ns | None = None
        self.paced_until: Ns = 0
        self.pace_at: Ns | None = None
        self.progress_at: Ns = 0
        self.sent_at: Ns | None = None
        self.expiries = 0  # of the timer, since the last progress
        self.dup_acks = 0
        self.limited = 0  # bytes of limited transmit, since the first duplicate
        self.recovery_point: int | None = None
        self.timeout_point: int | None = None
        self.cwr_point: int | None = None
        self.cwr_due = False
        self.cwnd_limited = False
        self.in_doubt = False
        self.retransmitted_at: Ns | None = None
        self.retransmissions = 0

    # ---- opening ----

    def open(self, mss: int, *, syn_lost: bool, now: Ns) -> None:
        """The SYN is acknowledged and the MSS is known: data may go."""
        self.mss = mss
        self.control = self._make_control(mss=mss)
        if syn_lost:
            # RFC 5681 §3.1: "if the SYN or SYN/ACK is lost, the initial window used by a sender after a correctly
            # transmitted SYN MUST be one segment"
            self.control.on_rto(0, now)
        self.expiries = 0
        self.rtx_at = None

    @property
    def outstanding(self) -> int:
        """FlightSize: "The amount of data that has been sent but not yet cumulatively acknowledged" (RFC 5681 §2)."""
        return self.snd_nxt - self.snd_una

    @property
    def has_more(self) -> bool:
        """Something was never sent yet."""
        return self.queue.size > 0 or (self.fin_wanted and self.fin is None)

    @property
    def selective(self) -> bool:
        """Whether the peer tells what it has beyond a gap."""
        return self._tcb.agreed.sack

    def doubt(self) -> None:
        """Something is taken for lost: the next acknowledgement may tell that it was not."""
        self.in_doubt = True
        self.retransmitted_at = None

    # ---- for traces ----

    @property
    def tracing(self) -> bool:
        """Whether anybody listens."""
        return self._tcb.trace is not None

    def note(self, cause: str, now: Ns, why: str, rtt: Ns | None = None) -> None:
        """Tell them."""
        self._tcb.note(cause, now, why, rtt)

    # ---- what goes out ----

    def fill(self, now: Ns) -> None:
        """Send all that may go now."""
        board, queue = self.board, self.queue
        self.pace_at = None
        self.cwnd_limited = False
        if board.lost_bytes and not self._repair(now):
            return
        while queue.size or (self.fin_wanted and self.fin is None):
            size = self._may_send()
            if size is None:
                break
            if not self._has_room(size, now):
                return
            self._send_new(size, now)
        if self.recovery_point is not None:
            self._optimistic(now)
        if self.snd_una == self.snd_nxt:
            if self.rtx_at is None and self.has_more:
                # "the first zero-window probe when a zero window has existed for the retransmission timeout period"
                # (SHLD-29); and the override of silly window avoidance is the same timer (§3.8.6.2.1)
                self.rtx_at = now + self._probe_interval()
                self.progress_at = now
        elif not queue.size and not self.cwnd_limited:
            self.rate.on_app_limited(board.pipe)

    def _has_room(self, size: int, now: Ns) -> bool:
        """Whether congestion control lets so many bytes of data go now. A FIN needs no room: the window after a timeout
        is one full segment, and the last may carry it."""
        if self.board.pipe + size > self.control.cwnd:
            self.cwnd_limited = True
            return False
        if now < self.paced_until and self.control.pacing_bit_s is not None:
            self.pace_at = self.paced_until
            self.cwnd_limited = True
            return False
        return True

    def _may_send(self) -> int | None:
        """Payload of the next segment of new data as the window and Nagle's rule allow it: 0 for a FIN alone, None for
        nothing. Rules (1) to (3) of RFC 9293 §3.8.6.2.1."""
        queued, mss = self.queue.size, self.mss
        usable = self.snd_una + self.snd_wnd - self.snd_nxt
        if queued >= mss and usable >= mss:
            return mss  # (1) "if a maximum-sized segment can be sent"
        if usable <= 0:
            return None  # also where the window shrank: "the sender SHOULD NOT send new data" (SHLD-15)
        size = min(queued, usable)
        # §3.7.4: "If there is unacknowledged data (i.e., SND.NXT > SND.UNA), then the sending TCP endpoint buffers all
        # user data [...] until the outstanding data has been acknowledged or until the TCP endpoint can send a
        # full-sized segment". Before a FIN nothing can come any more that would be worth waiting for.
        if self._nagle and self.snd_nxt > self.snd_una and not self.fin_wanted:
            return None
        if size == queued:
            return size  # (2) "if the data is pushed and all queued data can be sent now"; all data is (MUST-60)
        return size if size * FS >= self.max_wnd else None  # (3)

    def _send_new(self, size: int, now: Ns, *, is_probe: bool = False) -> None:
        board, queue, control = self.board, self.queue, self.control
        payload = queue.take(size) if size else b""
        seq = self.snd_nxt
        end = seq + size
        flags = _ACK
        if not queue.size:
            # "MUST set the PSH bit in the last buffered segment (i.e., when there is no more queued data to be sent)"
            flags = _ACK_PSH if size else _ACK  # (MUST-61)
            if self.fin_wanted:
                flags |= _FIN
                self.fin = end
                end += 1
        pipe = board.pipe
        if seq == self.snd_una and self.sent_at is not None and now - self.sent_at > self.trips.rto:
            # RFC 5681 §4.1: "if the TCP has not sent data in an interval exceeding the retransmission timeout"
            control.on_idle(now - self.sent_at, now)
        board.add(Sent(seq, end, payload, flags, now, self.rate.on_sent(end - seq, pipe, now)))
        self.snd_nxt = end
        if self.dup_acks and self.recovery_point is None:
            self.limited += size
        if self.rtx_at is None:
            # RFC 6298 (5.1): "Every time a packet containing data is sent (including a retransmission), if the timer is
            # not running, start it running so that it will expire after RTO seconds"
            self.rtx_at = now + self.trips.rto
            self.progress_at = now
        self._sent(size, pipe, now)
        # RFC 3168 §6.1.6: a probe of the window is neither ECN-capable nor does it carry CWR
        self._tcb.emit(seq, flags, payload, now, is_new=size > 0 and not is_probe)
        if self.tracing:
            self.note("sent", now, f"{size} B at {seq - self.iss - 1}")

    def _sent(self, size: int, pipe: int, now: Ns) -> None:
        control = self.control
        control.on_sent(size, pipe, now)
        self.sent_at = now
        rate = control.pacing_bit_s
        if rate is not None:
            self.paced_until = max(now, self.paced_until) + size * 8 * S // max(rate, 1)

    def retransmit(self, sent: Sent, now: Ns, why: str) -> None:
        """Send a segment again, as it was."""
        board = self.board
        pipe = board.pipe
        board.sent_again(sent)
        sent.sent_at = now
        sent.stamp = self.rate.on_sent(sent.size, pipe, now)
        self.retransmissions += 1
        if self.retransmitted_at is None:
            self.retransmitted_at = now
        if self.rtx_at is None:
            self.rtx_at = now + self.trips.rto
        self._sent(sent.size, pipe, now)
        self._tcb.emit(sent.seq, sent.flags, sent.payload, now)
        if self.tracing:
            self.note("retransmit", now, f"{sent.size} B at {sent.seq - self.iss - 1} again: {why}")

    def _repair(self, now: Ns) -> bool:
        """RFC 6675 §5 (C) with NextSeg () (1): what is lost goes before what is new. Whether all of it went."""
        board = self.board
        while (sent := board.next_lost()) is not None:
            if not self._has_room(len(sent.payload), now):
                return False
            self.retransmit(sent, now, "taken for lost")
        return True

    def _optimistic(self, now: Ns) -> None:
        """NextSeg () (3) and (4): in recovery, with nothing lost and nothing new to send, and room in the pipe."""
        if not self.selective:
            return
        board = self.board
        while (sent := board.next_doubtful()) is not None:
            if not self._has_room(len(sent.payload), now):
                return
            self.retransmit(sent, now, "not known to have arrived, and nothing else to send (RFC 6675 §4 (3))")
        # (4): "If HighACK is greater than RescueRxt [...], then one segment of up to SMSS octets that MUST include the
        # highest outstanding unSACKed sequence number SHOULD be returned, and RescueRxt set to RecoveryPoint"
        if board.rescue is not None and self.snd_una > board.rescue:
            last = board.last_outstanding()
            if last is not None and not last.again and self._has_room(len(last.payload), now):
                board.rescue = self.recovery_point
                self.retransmit(last, now, "rescue of the last segment (RFC 6675 §4 (4))")

    # ---- timers ----

    def _probe_interval(self) -> Ns:
        """SHLD-30: "SHOULD increase exponentially the interval between successive probes"."""
        return min(self.trips.rto << min(self.expiries, 16), self._max_rto)

    def probe(self, now: Ns) -> None:
        """The window is shut, or silly: find out whether it still is. "The sending TCP peer must regularly transmit at
        least one octet of new data (if available), or retransmit" (RFC 9293 §3.8.6.1, MUST-36)."""
        self.expiries += 1
        self.rtx_at = now + self._probe_interval()
        board = self.board
        if board.segments:
            first = board.segments[0]
            board.not_let_in(first)
            self.retransmit(first, now, "probe of the shut window")
        elif self.queue.size or self.fin is None:
            usable = max(1, self.snd_una + self.snd_wnd - self.snd_nxt)
            self._send_new(min(self.queue.size, usable, self.mss), now, is_probe=True)
        if self.tracing:
            self.note("probe", now, f"window of {self.snd_wnd} B: next probe at {self.rtx_at / S:.3f} s")

    def window_heard(self, now: Ns) -> None:
        """The peer's window was shut, and the peer spoke. "As long as the receiving TCP peer continues to send
        acknowledgments in response to the probe segments, the sending TCP peer MUST allow the connection to stay open"
        (MUST-37)."""
        self.progress_at = now
        if self.snd_wnd:
            self.expiries = 0
            if self.board.segments:
                self.board.mark_all_lost()  # the probes: a shut window let none of them in
            else:
                self.rtx_at = None
            if self.tracing:
                self.note("window", now, f"the window is open: {self.snd_wnd} B")

    def what_is_unacknowledged(self) -> str:
        """For people: which bytes of the stream the peer has not acknowledged."""
        first = self.snd_una - self.iss - 1
        parts = []
        if self.board.segments:
            size = self.outstanding - (self.fin is not None)
            sent = self.board.segments[0]
            parts.append(
                f"{size} B from byte {first} of the stream on (sent {sent.times} times)"
                if size
                else f"the FIN behind byte {first} of the stream (sent {sent.times} times)"
            )
        if self.queue.size:
            parts.append(f"{self.queue.size} B that were never sent")
        return " and ".join(parts) or "nothing"
