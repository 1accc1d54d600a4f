"""The transmission control block: all that one connection knows, and how a segment of it is made.

Source: RFC 9293 §3.3.1.
"""

from __future__ import annotations

from collections.abc import Callable

from netlab.packets.tcp import FLAGS, TcpFlags, TcpSegment
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp.acceptability import ChallengeAcks
from netlab.protocols.tcp.config import TcpConfig
from netlab.protocols.tcp.events import Closed, Dropped, Failed, Output, Transmit
from netlab.protocols.tcp.options import Agreed
from netlab.protocols.tcp.receiver import Receiver
from netlab.protocols.tcp.scoreboard import Scoreboard
from netlab.protocols.tcp.sender import Sender
from netlab.protocols.tcp.sequence import MASK
from netlab.protocols.tcp.states import TRANSITIONS, Cause, State
from netlab.protocols.trace import Decision, Trace
from netlab.units import Ns

_ACK, _RST, _SYN, _FIN, _URG, _ECE, _CWR = map(
    int, (TcpFlags.ACK, TcpFlags.RST, TcpFlags.SYN, TcpFlags.FIN, TcpFlags.URG, TcpFlags.ECE, TcpFlags.CWR)
)


class Tcb:
    """State of one connection; see `Connection` for what its arguments are.

    Attributes:
        passive: it came from LISTEN: "TCP implementations MUST [...] keep track of whether a connection has reached
            SYN-RECEIVED state as the result of a passive OPEN or an active OPEN" (MUST-11).
        out: what the event that is being handled puts out.
    """

    def __init__(
        self,
        local_port: int,
        remote_port: int | None,
        *,
        iss: int,
        control: Callable[..., CongestionControl],
        config: TcpConfig,
        timestamp_offset: int,
        who: str,
        trace: Trace | None,
    ) -> None:
        self.local_port = local_port
        self.remote_port = remote_port
        self.config = config
        self.who = who
        self.trace = trace
        self.state = State.CLOSED
        self.passive = False
        self.out: list[Output] = []
        self.agreed = Agreed(config, timestamp_offset)
        self.receiver = Receiver(config)
        self.sender = Sender(self, iss, config, control)
        self.challenges = ChallengeAcks()
        self.peers_syn: TcpSegment | None = None
        self.syn_sent_at: Ns = 0
        self.syns_sent = 0
        self.time_wait_until: Ns | None = None
        self.close_wanted = False  # CLOSE was called in SYN-RECEIVED
        self.deaf = False
        self.echo_congestion = False
        self.last_ack_sent = 0
        self.rcv_up = 0
        self.over: Closed | Failed | None = None

    # ---- moving ----

    def move(self, cause: Cause, now: Ns) -> None:
        """To the state that the table has."""
        old = self.state
        self.state = TRANSITIONS[old, cause]
        if self.trace is not None:
            self.note("state", now, f"{cause.value}: {old.value} -> {self.state.value}")

    def end(self, cause: Cause, how: Closed | Failed, now: Ns) -> None:
        """Enter CLOSED and delete everything: no timer runs any more."""
        if self.trace is not None and isinstance(how, Failed):
            self.note("failed", now, f"{how.code}: {how.detail}")
        self.move(cause, now)
        self.over = how
        self.out.append(how)
        self.sender.queue.clear()
        self.sender.board = Scoreboard()
        self.sender.rtx_at = self.sender.pace_at = None
        self.receiver.ack_at = self.time_wait_until = None

    def drop(self, reason: str) -> None:
        """What came is not taken."""
        self.out.append(Dropped(reason))

    # ---- segments ----

    def emit(self, seq: int, flags: int, payload: bytes, now: Ns, *, is_new: bool = False) -> None:
        """Send a segment with the current acknowledgement and window; "once in the ESTABLISHED state, all segments must
        carry current acknowledgment information" (RFC 9293 §3.8). New data, other than a probe, is sent ECN-capable."""
        receiver, sender = self.receiver, self.sender
        urgent = 0
        if sender.snd_up > seq:
            # "The urgent pointer MUST point to the sequence number of the octet following the urgent data" (MUST-62)
            flags |= _URG
            urgent = min(sender.snd_up - seq, 0xFFFF)
        if self.agreed.ecn:
            flags |= self._ecn_flags(is_new=is_new)
        blocks: tuple[tuple[int, int], ...] = ()
        if receiver.blocks and self.agreed.sack:
            blocks = receiver.sack_blocks()
            if payload:  # what has no room beside the data stands in an acknowledgement of its own
                blocks = blocks[: max(0, (sender.mss - len(payload) - 4) // 8)]
        window = receiver.window_field(sender.mss, is_syn=False)
        segment = TcpSegment(
            self.local_port,
            self.remote_port or 0,
            seq & MASK,
            receiver.rcv_nxt & MASK,
            FLAGS[flags],
            window,
            payload,
            self.agreed.options(now, blocks),
            urgent,
        )
        self.last_ack_sent = receiver.rcv_nxt
        receiver.acknowledged()
        self.out.append(Transmit(segment, self.agreed.ecn and is_new))

    def _ecn_flags(self, *, is_new: bool) -> int:
        """RFC 3168 §6.1.3: the receiver sets ECE "until it receives a CWR packet"; §6.1.2: the sender "sets the CWR
        flag in the TCP header of the first new data packet sent after the window reduction"."""
        flags = _ECE if self.echo_congestion else 0
        if is_new and self.sender.cwr_due:
            self.sender.cwr_due = False
            flags |= _CWR
        return flags

    def emit_ack(self, now: Ns) -> None:
        """`<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`"""
        self.emit(self.sender.snd_nxt, _ACK, b"", now)

    def emit_challenge(self, now: Ns) -> None:
        """An acknowledgement that makes an honest peer say again, with the right number, what it meant (RFC 5961)."""
        if self.challenges.allow(now):
            self.emit_ack(now)

    def emit_syn(self, now: Ns) -> None:
        """`<SEQ=ISS><CTL=SYN>`, or in SYN-RECEIVED `<SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>`."""
        sender, receiver, agreed = self.sender, self.receiver, self.agreed
        answers = self.peers_syn
        flags = _SYN | int(agreed.syn_flags(answers))
        acknowledgment = 0
        if answers is not None:
            flags |= _ACK
            acknowledgment = receiver.rcv_nxt & MASK
            self.last_ack_sent = receiver.rcv_nxt
            window = receiver.window_field(sender.mss, is_syn=True)
        else:
            window = min(self.config.receive_buffer, 0xFFFF)
        self.syns_sent += 1
        sender.snd_nxt = sender.iss + 1
        sender.rtx_at = now + sender.trips.rto
        segment = TcpSegment(
            self.local_port,
            self.remote_port or 0,
            sender.iss & MASK,
            acknowledgment,
            FLAGS[flags],
            window,
            b"",
            agreed.syn_options(now, answers),
        )
        self.out.append(Transmit(segment))

    def emit_reset(self, seq: int, ack: int | None) -> None:
        """`<SEQ=...><CTL=RST>`, or with an acknowledgement `<SEQ=...><ACK=...><CTL=RST,ACK>`."""
        flags = _RST if ack is None else _RST | _ACK
        segment = TcpSegment(self.local_port, self.remote_port or 0, seq & MASK, (ack or 0) & MASK, FLAGS[flags])
        self.out.append(Transmit(segment))

    # ---- what figures are made of ----

    def note(self, cause: str, now: Ns, why: str, rtt: Ns | None = None) -> None:
        """Tell whoever traces this connection; to be called only where somebody does."""
        assert self.trace is not None
        sender = self.sender
        control, trips = sender.control, sender.trips
        first = sender.iss + 1
        self.trace(
            Decision(
                at=now,
                who=self.who,
                cause=cause,
                state=self.state.value,
                phase=control.phase,
                cwnd=control.cwnd,
                ssthresh=control.ssthresh,
                flight_size=sender.outstanding,
                snd_una=max(0, sender.snd_una - first),
                snd_nxt=max(0, sender.snd_nxt - first),
                rwnd=sender.snd_wnd,
                rtt=rtt,
                srtt=trips.srtt,
                rttvar=trips.rttvar,
                rto=trips.rto,
                pacing_bit_s=control.pacing_bit_s,
                retransmissions=sender.retransmissions,
                why=why,
            )
        )


def reset_for(segment: TcpSegment) -> TcpSegment | None:
    """The reset that a segment to no connection is answered with; None for a reset (RFC 9293 §3.10.7.1)."""
    if segment.flags & _RST:
        return None
    source, destination = segment.destination_port, segment.source_port
    if segment.flags & _ACK:
        return TcpSegment(source, destination, segment.acknowledgment_number, 0, TcpFlags.RST)
    length = len(segment.payload) + bool(segment.flags & _SYN) + bool(segment.flags & _FIN)
    return TcpSegment(source, destination, 0, (segment.sequence_number + length) & MASK, TcpFlags.RST | TcpFlags.ACK)
