"""SEGMENT ARRIVES: what is done with a segment in each state, step by step in the order of RFC 9293 §3.10.7.

The third step, security, is not there: IP's security option has been dead for long.

Source: RFC 9293 §3.10.7; RFC 5961 §3 to §5 (forged segments); RFC 7323 §5.3 (PAWS). Taught in notebook 06.
"""

from __future__ import annotations

from netlab.packets.tcp import Sack, TcpFlags, TcpSegment, Timestamps
from netlab.protocols.tcp import recovery
from netlab.protocols.tcp.acceptability import is_acceptable
from netlab.protocols.tcp.events import Closed, Deliver, Established, Failed, PeerClosed, Transmit, UrgentData
from netlab.protocols.tcp.options import TICK
from netlab.protocols.tcp.sequence import MASK, unwrap
from netlab.protocols.tcp.states import MAY_RECEIVE, Cause, State
from netlab.protocols.tcp.tcb import Tcb, reset_for
from netlab.units import Ns

# plain numbers, because each segment is asked for most of them and an IntFlag takes ten times as long to answer
_FIN, _SYN, _RST, _ACK, _URG, _ECE, _CWR = map(
    int, (TcpFlags.FIN, TcpFlags.SYN, TcpFlags.RST, TcpFlags.ACK, TcpFlags.URG, TcpFlags.ECE, TcpFlags.CWR)
)
_CLOSED, _LISTEN, _SYN_SENT, _SYN_RECEIVED = State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RECEIVED  # as above


def segment_arrives(tcb: Tcb, segment: TcpSegment, now: Ns, *, congestion_experienced: bool) -> None:
    """§3.10.7, by state."""
    state = tcb.state
    if state is _LISTEN:
        _listen(tcb, segment, now)
    elif state is _SYN_SENT:
        _syn_sent(tcb, segment, now)
    elif state is _CLOSED:
        _closed(tcb, segment)
    else:
        _other_states(tcb, segment, now, congestion_experienced=congestion_experienced)


def finish(tcb: Tcb, now: Ns) -> None:
    """The event is processed: send what may go, and an acknowledgement if nothing that went had it on board. "This
    acknowledgment should be piggybacked on a segment being transmitted if possible" (MUST-58, MUST-59)."""
    sender = tcb.sender
    if sender.queue.size or sender.board.segments or sender.fin_wanted:
        sender.fill(now)
    if tcb.receiver.ack_now:
        tcb.emit_ack(now)


def _closed(tcb: Tcb, segment: TcpSegment) -> None:
    """§3.10.7.1: "An incoming segment not containing a RST causes a RST to be sent in response"."""
    reset = reset_for(segment)
    if reset is not None:
        tcb.out.append(Transmit(reset))
    tcb.drop("no_connection")


def _listen(tcb: Tcb, segment: TcpSegment, now: Ns) -> None:
    """§3.10.7.2."""
    if segment.flags & _RST:
        tcb.drop("reset_in_listen")  # "An incoming RST should be ignored."
    elif segment.flags & _ACK:
        tcb.remote_port = segment.source_port
        tcb.emit_reset(segment.acknowledgment_number, None)  # "Any acknowledgment is bad"
        tcb.drop("acknowledgment_in_listen")
    elif segment.flags & _SYN:
        tcb.remote_port = segment.source_port
        tcb.passive = True
        tcb.move(Cause.SYN, now)
        _synchronize(tcb, segment, now)
        tcb.sender.progress_at = tcb.syn_sent_at = now
        tcb.emit_syn(now)  # what else the SYN carries is not acknowledged, so it comes again
    else:
        tcb.drop("no_syn_in_listen")


def _synchronize(tcb: Tcb, syn: TcpSegment, now: Ns) -> None:
    """The peer's initial sequence number and what its options say."""
    tcb.peers_syn = syn
    tcb.agreed.peers_syn(syn, now)
    tcb.receiver.synchronize(syn.sequence_number, tcb.agreed.rcv_shift)


def _syn_sent(tcb: Tcb, segment: TcpSegment, now: Ns) -> None:
    """§3.10.7.3."""
    sender, flags = tcb.sender, int(segment.flags)
    acked = bool(flags & _ACK)
    ack = unwrap(segment.acknowledgment_number, sender.snd_nxt)
    # First, "If SEG.ACK =< ISS or SEG.ACK > SND.NXT, send a reset (unless the RST bit is set [...])"
    if acked and not sender.iss < ack <= sender.snd_nxt:
        if not flags & _RST:
            tcb.emit_reset(segment.acknowledgment_number, None)
        tcb.drop("acknowledgment_of_nothing")
        return
    # Second
    if flags & _RST:
        if acked:
            tcb.end(Cause.RST, Failed("refused", "connection refused: nobody listens at that port"), now)
        else:
            tcb.drop("reset_without_acknowledgment")
        return
    # Fourth
    if not flags & _SYN:
        tcb.drop("no_syn")  # "if neither of the SYN or RST bits is set, then drop the segment and return"
        return
    _synchronize(tcb, segment, now)
    receiver = tcb.receiver
    if not acked:
        # both opened at once: "enter SYN-RECEIVED, form a SYN,ACK segment" (Figure 7, MUST-10)
        tcb.move(Cause.SYN, now)
        tcb.emit_syn(now)
        return
    sender.snd_una = ack
    tcb.move(Cause.SYN_ACK, now)
    receiver.ack_now = True
    _establish(tcb, segment, ack, receiver.irs, segment.window, now)
    if segment.payload or flags & _FIN:
        _text_and_fin(tcb, segment.payload, receiver.irs + 1, now, fin=bool(flags & _FIN))


def _establish(tcb: Tcb, segment: TcpSegment, ack: int, seq: int, window: int, now: Ns) -> None:
    """Our SYN is acknowledged: a first round-trip sample, and data may go."""
    sender = tcb.sender
    stamps = segment.option(Timestamps) if tcb.agreed.timestamps else None
    if tcb.syns_sent == 1 and now > tcb.syn_sent_at:
        sender.trips.update(now - tcb.syn_sent_at)
    elif stamps is not None:
        sender.trips.update(max(TICK, now - tcb.agreed.echoed(stamps.ts_ecr, now)))
    sender.open(tcb.agreed.snd_mss, syn_lost=tcb.syns_sent > 1, now=now)
    sender.snd_wnd = sender.max_wnd = window
    sender.snd_wl1, sender.snd_wl2 = seq, ack
    sender.progress_at = now
    if tcb.trace is not None:
        tcb.note("open", now, f"MSS {sender.mss} B, the peer's window is {window} B")
    tcb.out.append(Established())
    if tcb.close_wanted:
        tcb.close_wanted = False
        tcb.move(Cause.CLOSE, now)
        sender.fin_wanted = True


def _other_states(tcb: Tcb, segment: TcpSegment, now: Ns, *, congestion_experienced: bool) -> None:
    """§3.10.7.4."""
    receiver, agreed, flags = tcb.receiver, tcb.agreed, int(segment.flags)
    payload = segment.payload
    seq = unwrap(segment.sequence_number, receiver.rcv_nxt)
    if flags & _SYN and tcb.state is State.SYN_RECEIVED and seq == receiver.irs:
        # "trimming off any portions that lie outside the window (including SYN and FIN)": what is left of the peer's
        # SYN is its ACK, where both opened at once; or nothing, where it did not get our answer
        if not flags & _ACK:
            tcb.emit_syn(now)
            return
        flags &= ~_SYN
        seq += 1
    echoed = None
    blocks: tuple[tuple[int, int], ...] = ()
    stamps: Timestamps | None = None
    for option in segment.options:
        if type(option) is Timestamps:
            stamps = option
        elif type(option) is Sack:
            blocks = option.blocks
    if agreed.timestamps:
        if stamps is None:
            if not flags & _RST:
                tcb.drop("no_timestamp")  # RFC 7323 §3.2: "SHOULD silently drop the segment"
                return
        elif not flags & _RST and agreed.is_old(stamps.ts_val, now):
            # PAWS R1: "Treat the arriving segment as not acceptable: Send an acknowledgment in reply [...] and drop"
            tcb.emit_ack(now)
            tcb.drop("paws")
            return
        else:
            echoed = agreed.echoed(stamps.ts_ecr, now)

    # First, check sequence number
    # of a reset the number alone counts: "MUST process the RST and URG fields of all incoming segments, even when the
    # receive window is zero" (MUST-66)
    length = 0 if flags & _RST else len(payload) + bool(flags & _SYN) + bool(flags & _FIN)
    rcv_nxt, rcv_wnd = receiver.rcv_nxt, receiver.rcv_wnd
    if not (seq == rcv_nxt and rcv_wnd > 0) and not is_acceptable(seq, length, rcv_nxt, rcv_wnd):
        if flags & _RST:
            tcb.drop("reset_outside_window")
            return
        if tcb.state is State.TIME_WAIT and flags & _FIN:
            # "The only thing that can arrive in this state is a retransmission of the remote FIN. Acknowledge it, and
            # restart the 2 MSL timeout."
            tcb.time_wait_until = now + 2 * tcb.config.msl
        # "an acknowledgment should be sent in reply"
        receiver.ack_now = True
        # "If the RCV.WND is zero, no segments will be acceptable, but special allowance should be made to accept valid
        # ACKs, URGs, and RSTs."
        if rcv_wnd or seq != rcv_nxt or flags & _SYN:
            tcb.drop("outside_window")
            return
        payload = b""
        flags &= ~_FIN
    if stamps is not None and agreed.timestamps and seq <= tcb.last_ack_sent:
        agreed.heard(stamps.ts_val, now)

    # Second, check the RST bit
    if flags & _RST:
        _reset(tcb, seq, now)
        return

    # Fourth, check the SYN bit
    if flags & _SYN:
        if tcb.state is State.SYN_RECEIVED and tcb.passive:
            tcb.move(Cause.RST_OF_PASSIVE, now)
            return
        tcb.emit_challenge(now)  # "TCP endpoints MUST send a "challenge ACK"", "irrespective of the sequence number"
        tcb.drop("syn_when_synchronized")
        return

    # Fifth, check the ACK field
    if not flags & _ACK:
        tcb.drop("no_acknowledgment")  # "if the ACK bit is off, drop the segment and return"
        return
    if not _ack_field(tcb, segment, seq, payload, flags, blocks, echoed, now):
        return

    if agreed.ecn:
        # RFC 3168 §6.1.3: ECE is set in every acknowledgement "until it receives a CWR packet"
        if flags & _CWR:
            tcb.echo_congestion = False
        if congestion_experienced:
            tcb.echo_congestion = True
            receiver.ack_now = True

    # Sixth, check the URG bit
    if flags & _URG and tcb.state in MAY_RECEIVE:
        up = seq + segment.urgent_pointer
        if up > max(tcb.rcv_up, receiver.rcv_nxt):
            # "MUST (MUST-32) inform the application layer asynchronously whenever it receives an urgent pointer and
            # there was previously no pending urgent data, or whenever the urgent pointer advances"
            tcb.rcv_up = up
            tcb.out.append(UrgentData(up - (receiver.rcv_nxt - receiver.waiting)))

    if payload or flags & _FIN:
        _text_and_fin(tcb, payload, seq, now, fin=bool(flags & _FIN))


def _reset(tcb: Tcb, seq: int, now: Ns) -> None:
    """The RST bit is set, and the number is in the window: RFC 5961 §3, as RFC 9293 §3.10.7.4 has it in "Second"."""
    if seq != tcb.receiver.rcv_nxt:
        # 3) "does not exactly match the next expected sequence value, yet is within the current receive window, TCP
        # endpoints MUST send an acknowledgment (challenge ACK)"
        tcb.emit_challenge(now)
        tcb.drop("reset_challenged")
        return
    if tcb.state is State.SYN_RECEIVED:
        if tcb.passive:
            tcb.sender.rtx_at = None
            tcb.move(Cause.RST_OF_PASSIVE, now)  # "The user need not be informed."
        else:
            tcb.end(Cause.RST, Failed("refused", "connection refused while both sides opened"), now)
    elif tcb.state in (State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
        tcb.end(Cause.RST, Closed(), now)  # the user has closed: it has had its answer
    else:
        tcb.end(Cause.RST, Failed("reset", "connection reset by the peer"), now)


def _ack_field(
    tcb: Tcb,
    segment: TcpSegment,
    seq: int,
    payload: bytes,
    flags: int,
    blocks: tuple[tuple[int, int], ...],
    echoed: Ns | None,
    now: Ns,
) -> bool:
    """Fifth, "if the ACK bit is on". Whether to go on with the segment's text."""
    sender, agreed = tcb.sender, tcb.agreed
    ack = unwrap(segment.acknowledgment_number, sender.snd_una)
    window = segment.window << agreed.snd_shift
    if tcb.state is _SYN_RECEIVED:
        if not sender.snd_una < ack <= sender.snd_nxt:
            tcb.emit_reset(segment.acknowledgment_number, None)  # `<SEQ=SEG.ACK><CTL=RST>`
            tcb.drop("acknowledgment_of_nothing")
            return False
        tcb.move(Cause.ACK_OF_SYN, now)
        sender.snd_una = sender.iss + 1
        _establish(tcb, segment, ack, seq, window, now)
        return True
    # RFC 5961 §5: "The ACK value is considered acceptable only if it is in the range of ((SND.UNA - MAX.SND.WND) <=
    # SEG.ACK <= SND.NXT). All incoming segments whose ACK value doesn't satisfy the above condition MUST be discarded
    # and an ACK sent back."
    if not sender.snd_una - sender.max_wnd <= ack <= sender.snd_nxt:
        tcb.emit_challenge(now)
        tcb.drop("acknowledgment_outside_window")
        return False
    una = sender.snd_una
    if ack < una:
        return True  # "If the ACK is a duplicate (SEG.ACK =< SND.UNA), it can be ignored."
    was_shut = sender.snd_wnd == 0
    duplicate = False
    if ack == una and not payload and not flags & _FIN:
        # RFC 5681 §2: it acknowledges what was acknowledged, there is outstanding data, it carries none, and "the
        # advertised window in the incoming acknowledgment equals the advertised window in the last"; but the answer to
        # a probe of a shut window tells of no loss
        duplicate = not agreed.sack and window == sender.snd_wnd > 0 and sender.outstanding > 0
    # "If (SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)), set SND.WND <- SEG.WND"
    if sender.snd_wl1 < seq or (sender.snd_wl1 == seq and sender.snd_wl2 <= ack):
        sender.snd_wnd = window
        sender.snd_wl1, sender.snd_wl2 = seq, ack
        if window > sender.max_wnd:
            sender.max_wnd = window
    news: list[tuple[int, int]] = []
    if blocks and agreed.sack:
        for left, right in blocks:
            start = unwrap(left, ack)
            end = start + ((right - left) & MASK)
            if una <= start < end <= sender.snd_nxt:  # what is not so is a duplicate's, or nonsense
                news.append((start, end))
    if ack > una or news or duplicate or flags & _ECE:
        recovery.on_ack(
            sender,
            ack,
            news,
            now,
            duplicate=duplicate,
            echoed=echoed,
            ecn_echo=agreed.ecn and bool(flags & _ECE),
        )
    if was_shut:
        sender.window_heard(now)
    if sender.fin is not None and ack > sender.fin and una <= sender.fin:
        return _fin_acknowledged(tcb, now)
    return True


def _fin_acknowledged(tcb: Tcb, now: Ns) -> bool:
    """The peer has all we said, and that it is all."""
    if tcb.state is State.LAST_ACK:
        tcb.end(Cause.ACK_OF_FIN, Closed(), now)
        return False
    tcb.move(Cause.ACK_OF_FIN, now)  # FIN-WAIT-1 to FIN-WAIT-2, CLOSING to TIME-WAIT
    if tcb.state is State.TIME_WAIT:
        tcb.time_wait_until = now + 2 * tcb.config.msl
    return True


def _text_and_fin(tcb: Tcb, payload: bytes, seq: int, now: Ns, *, fin: bool) -> None:
    """Seventh, process the segment text; eighth, check the FIN bit."""
    receiver = tcb.receiver
    if tcb.state not in MAY_RECEIVE:
        return  # "This should not occur since a FIN has been received from the remote side."
    if payload:
        if tcb.deaf and seq + len(payload) > receiver.rcv_nxt:
            # SHLD-3: "if new data is received after CLOSE is called, its TCP implementation SHOULD send a RST to show
            # that data was lost"
            tcb.emit_reset(tcb.sender.snd_nxt, None)
            tcb.end(Cause.ABORT, Failed("aborted", "the peer went on sending after we had closed"), now)
            return
        data = receiver.take(seq, payload, now)
        if data:
            tcb.out.append(Deliver(data))
    if fin and seq + len(payload) <= receiver.rcv_nxt + receiver.rcv_wnd:
        receiver.fin = seq + len(payload)
        receiver.ack_now = True
    if receiver.ended:
        # "advance RCV.NXT over the FIN, and send an acknowledgment for the FIN"
        receiver.rcv_nxt += 1
        receiver.ack_now = True
        tcb.move(Cause.FIN, now)
        if tcb.state is State.TIME_WAIT:
            tcb.time_wait_until = now + 2 * tcb.config.msl
        if not receiver.waiting:
            tcb.out.append(PeerClosed())
