"""What an acknowledgement, or its absence, tells the sender: round trips, losses, timeouts.

With SACK (RFC 6675) the scoreboard says which segments are lost; without it three duplicates say that the first is, and
each partial acknowledgement that the next is too (NewReno, RFC 6582). A timeout says that all of them are (RFC 6298).
What that means for the window is the congestion control's business.

Taught in notebook 08.
"""

from __future__ import annotations

from netlab.protocols.congestion.control import Ack
from netlab.protocols.tcp.options import TICK
from netlab.protocols.tcp.scoreboard import DUP_THRESH
from netlab.protocols.tcp.sender import Sender
from netlab.units import Ns, format_duration


def on_ack(
    sender: Sender,
    ack: int,
    blocks: list[tuple[int, int]],
    now: Ns,
    *,
    duplicate: bool = False,
    echoed: Ns | None = None,
    ecn_echo: bool = False,
) -> None:
    """An acceptable acknowledgement, SND.UNA =< SEG.ACK =< SND.NXT.

    Args:
        blocks: of its SACK option, unbounded; empty where SACK was not agreed.
        duplicate: without SACK: it is one as RFC 5681 §2 defines it.
        echoed: when the timestamp that it echoes was sent, ns, in whole ticks.
        ecn_echo: ECE is set, and was agreed.
    """
    board, control, rate = sender.board, sender.control, sender.rate
    flight = board.pipe
    una = sender.snd_una
    acked = ack - una
    sampled: Ns | None = None  # when the latest segment was sent that may be measured
    ambiguous = False
    delivered = 0
    if acked and sender.in_doubt:
        sender.in_doubt = False
        if echoed is not None and sender.retransmitted_at is not None:
            _undo_if_spurious(sender, echoed, now)
    if acked:
        sender.snd_una = ack
        for sent in board.acknowledge(ack):
            if not sent.sacked:
                size = sent.end - sent.seq
                delivered += size
                rate.on_delivered(size, sent.stamp, now)
                if sent.times > 1:
                    ambiguous = True
                else:
                    sampled = sent.sent_at
        if board.sacked_bytes == 0 and not blocks:
            board.spend_credit(acked - sender.mss if sender.recovery_point is not None else acked)
    news = 0
    if blocks:
        for sent in board.sack(blocks):
            size = sent.end - sent.seq
            news += size
            rate.on_delivered(size, sent.stamp, now)
            if sent.times == 1:
                sampled = sent.sent_at if sampled is None else max(sampled, sent.sent_at)
        delivered += news
    # Karn's algorithm, RFC 6298 §3: "RTT samples MUST NOT be made using segments that were retransmitted [...] unless
    # TCP timestamps are in use" (MUST-18)
    rtt = None
    if sampled is not None and not ambiguous:
        rtt = now - sampled
    elif acked and echoed is not None:
        rtt = max(TICK, now // TICK * TICK - echoed)
    if rtt is not None and rtt > 0:
        sender.trips.update(rtt)
    else:
        rtt = None
    if acked:
        _restart_timer(sender, now)
    newly_lost = board.find_losses(sender.mss) if blocks else 0
    begins = False
    if sender.recovery_point is None:
        begins = _is_loss_noticed(sender, acked, news, duplicate=duplicate)
        if begins:
            newly_lost += _enter(sender, now)
    elif duplicate:
        board.credit(sender.mss)
    elif acked and ack < sender.recovery_point and not sender.selective:
        newly_lost += _partial(sender)
    rate.on_lost(newly_lost)
    if ecn_echo:
        _congestion_marked(sender, now)
    control.on_ack(
        Ack(
            acked=acked,
            newly_delivered=delivered,
            delivered=rate.delivered,
            flight_size=flight,
            newly_lost=newly_lost,
            rtt=rtt,
            srtt=sender.trips.srtt,
            rate=rate.sample(sender.trips.least),
            recovering=sender.recovery_point is not None,
            cwnd_limited=sender.cwnd_limited,
            ecn_echo=ecn_echo,
        ),
        now,
    )
    if acked:
        _see_what_is_over(sender, now)
    if sender.tracing:
        cause = "ack" if acked else "sack" if news else "dup_ack" if duplicate else "window"
        sender.note(cause, now, f"{acked} B acknowledged, {news} B SACKed", rtt=rtt)
    if begins:
        # RFC 6675 (4.3): "Retransmit the first data segment presumed dropped", whatever the window says
        sender.retransmit(board.segments[0], now, "the first that is lost (fast retransmit)")


def _restart_timer(sender: Sender, now: Ns) -> None:
    sender.progress_at = now
    sender.expiries = 0
    if sender.snd_una == sender.snd_nxt:
        # RFC 6298 (5.2): "When all outstanding data has been acknowledged, turn off the retransmission timer."
        sender.rtx_at = None
    else:
        # (5.3): "When an ACK is received that acknowledges new data, restart the retransmission timer"
        sender.rtx_at = now + sender.trips.rto


def _is_loss_noticed(sender: Sender, acked: int, news: int, *, duplicate: bool) -> bool:
    """Whether recovery begins: three acknowledgements told of data beyond a gap, or the scoreboard says so."""
    board = sender.board
    if acked:
        sender.dup_acks = sender.limited = 0
    elif news:
        sender.dup_acks += 1
    elif duplicate:
        sender.dup_acks += 1
        if sender.timeout_point is None:
            # RFC 5681 §3.2 (1), limited transmit: what left the network makes room for new data, "cwnd" stays as it is
            board.credit(sender.mss)
    if not board.segments or sender.timeout_point is not None:
        return False  # RFC 6582 §3.2 (2), RFC 6675 §5.1: what the timeout already took for lost is not lost again
    first = board.segments[0]
    # RFC 6675 §5 (2): "If DupAcks < DupThresh but IsLost (HighACK + 1) returns true"
    return sender.dup_acks >= DUP_THRESH or (first.lost and not first.again)


def _enter(sender: Sender, now: Ns) -> int:
    """Recovery begins: RFC 5681 §3.2 (2), RFC 6675 §5 (4). Bytes that are newly marked lost."""
    board = sender.board
    first = board.segments[0]
    # RFC 6675 (4.1): "RecoveryPoint = HighData"
    sender.recovery_point = sender.snd_nxt
    # (4.2): "ssthresh = cwnd = (FlightSize / 2)", where RFC 5681 leaves out what limited transmit sent
    sender.control.on_loss(sender.outstanding - sender.limited, now)
    sender.cwr_due = True
    sender.dup_acks = sender.limited = 0
    sender.doubt()
    board.rescue = first.end
    if sender.tracing:
        sender.note("loss", now, f"byte {first.seq - sender.iss - 1} is taken for lost: recovery begins")
    return board.mark_lost(first)


def _partial(sender: Sender) -> int:
    """NewReno, RFC 6582 §3.2 (3): "If this ACK does *not* acknowledge all of the data up to and including recover, then
    this is a partial ACK. In this case, retransmit the first unacknowledged segment." Bytes newly marked lost."""
    first = sender.board.segments[0]
    return 0 if first.again else sender.board.mark_lost(first)


def _congestion_marked(sender: Sender, now: Ns) -> None:
    """RFC 3168 §6.1.2: ECN-Echo "should be treated just as a congestion loss", not "more than once every window of
    data"; nothing is sent again."""
    if sender.cwr_point is None and sender.recovery_point is None and sender.outstanding:
        sender.control.on_loss(sender.outstanding, now)
        sender.cwr_point = sender.snd_nxt
        sender.cwr_due = True
        if sender.tracing:
            sender.note("loss", now, "congestion marked by a router (ECN-Echo)")


def _undo_if_spurious(sender: Sender, echoed: Ns, now: Ns) -> None:
    """Eifel detection, RFC 3522 §3.2: where the first acknowledgement of new data after a retransmission echoes a
    timestamp from before it, it was the original that arrived: late, and not lost. The response is RFC 4015's."""
    assert sender.retransmitted_at is not None
    if echoed // TICK < sender.retransmitted_at // TICK:
        sender.recovery_point = sender.timeout_point = None
        sender.dup_acks = sender.limited = 0
        sender.board.none_lost()
        sender.control.on_undo(now)
        if sender.tracing:
            sender.note("undo", now, "the original had arrived: nothing was lost (RFC 3522)")


def _see_what_is_over(sender: Sender, now: Ns) -> None:
    """RFC 6675 §5 (A): all that was outstanding when the loss was noticed has been acknowledged; the same after a
    timeout, and after a mark."""
    una = sender.snd_una
    over = False
    if sender.recovery_point is not None and una >= sender.recovery_point:
        sender.recovery_point = None
        sender.board.rescue = None
        sender.board.spend_credit(sender.outstanding)
        over = True
    if sender.timeout_point is not None and una >= sender.timeout_point:
        sender.timeout_point = None
        over = True
    if sender.cwr_point is not None and una >= sender.cwr_point:
        sender.cwr_point = None
        over = True
    if over:
        sender.control.on_recovered(now)
        if sender.tracing:
            sender.note("recovered", now, "all that was sent before the loss was noticed is acknowledged")


def on_timeout(sender: Sender, now: Ns) -> None:
    """The retransmission timer expired: RFC 6298 (5.4) to (5.6), RFC 5681 §3.1.

    (5.4) "Retransmit the earliest segment that has not been acknowledged by the TCP receiver": `fill` does, since all
    of them are marked lost and the loss window is one segment."""
    again = sender.expiries > 0
    sender.expiries += 1
    waited = sender.trips.rto
    sender.trips.back_off()  # (5.5) "The host MUST set RTO <- RTO * 2"
    sender.control.on_rto(0 if again else sender.outstanding, now)
    sender.recovery_point = None
    sender.cwr_point = None
    sender.cwr_due = True
    sender.timeout_point = sender.snd_nxt
    sender.dup_acks = sender.limited = 0
    sender.doubt()
    sender.rate.on_lost(sender.board.mark_all_lost())
    sender.rtx_at = now + sender.trips.rto  # (5.6)
    if sender.tracing:
        first = sender.snd_una - sender.iss - 1
        sender.note(
            "rto", now, f"no acknowledgement of byte {first} for {format_duration(waited)}: all is taken for lost"
        )
