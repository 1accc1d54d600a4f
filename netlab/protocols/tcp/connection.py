"""One TCP connection: user calls, segments and time in; segments and what the user is to be told out.

    connection = Connection(49152, 80, iss=1000, control=Reno)
    connection.handle(ActiveOpen(), now=0)          -> [Transmit(SYN)]
    connection.handle(SegmentArrived(syn_ack), now) -> [Established(), Transmit(ACK)]
    connection.handle(Send(b"hello"), now)          -> [Transmit(...)]
    connection.deadline                             -> when to call handle(TimerFired(), now), or None

Read `states` first, then `segment_arrives` beside RFC 9293 §3.10.7; then `sender`, `scoreboard` and `recovery`, and
`receiver`. `options` is what the SYNs agree on, `listener` opens passively for many.
"""

from __future__ import annotations

from collections.abc import Callable

from netlab.errors import LocalProtocolError
from netlab.packets.tcp import TcpFlags, TcpSegment
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp import recovery
from netlab.protocols.tcp.config import RFC, TcpConfig
from netlab.protocols.tcp.events import (
    Abort,
    ActiveOpen,
    Close,
    Closed,
    Deliver,
    Event,
    Failed,
    Output,
    PassiveOpen,
    PauseReading,
    PeerClosed,
    Read,
    ResumeReading,
    SegmentArrived,
    Send,
    Stalled,
    TimerFired,
)
from netlab.protocols.tcp.segment_arrives import finish, segment_arrives
from netlab.protocols.tcp.sender import R1
from netlab.protocols.tcp.sequence import unwrap
from netlab.protocols.tcp.states import MAY_SEND, Cause, State
from netlab.protocols.tcp.tcb import Tcb
from netlab.protocols.trace import Trace
from netlab.units import Ns, format_duration

_OPENING = (State.SYN_SENT, State.SYN_RECEIVED)


class Connection:
    """One end of a connection. No socket, clock or dice.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`. After `Closed` or
    `Failed` nothing more comes out. Segments are objects: whoever sends them outside encodes them
    (`netlab.packets.tcp`).

    Args:
        local_port, remote_port: of the segments; a passive opener need not know the peer's.
        iss: the initial send sequence number: see `isn`.
        control: makes a congestion control when it is called with `mss=`, such as `netlab.protocols.congestion.Reno`.
        config: settings and profiles: see `config`.
        timestamp_offset: what the timestamp clock shows at time 0: see `isn`.
        who: the sender in traces.
        trace: takes a `Decision` for each thing that happens; costs nothing where it is None.
    """

    __slots__ = ("tcb",)

    def __init__(
        self,
        local_port: int,
        remote_port: int | None = None,
        *,
        iss: int,
        control: Callable[..., CongestionControl],
        config: TcpConfig = RFC,
        timestamp_offset: int = 0,
        who: str = "",
        trace: Trace | None = None,
    ) -> None:
        self.tcb = Tcb(
            local_port,
            remote_port,
            iss=iss,
            control=control,
            config=config,
            timestamp_offset=timestamp_offset,
            who=who,
            trace=trace,
        )

    # ---- what can be looked at ----

    @property
    def state(self) -> State:
        """STATUS (RFC 9293 §3.9.1.6)."""
        return self.tcb.state

    @property
    def over(self) -> Closed | Failed | None:
        """How it ended, once it has."""
        return self.tcb.over

    @property
    def unacknowledged(self) -> int:
        """Bytes that the user sent and the peer has not acknowledged, sent or not: what a send buffer holds."""
        return self.tcb.sender.queue.size + self.tcb.sender.outstanding

    @property
    def waiting(self) -> int:
        """Bytes that came and were not read, where reading is paused."""
        return self.tcb.receiver.waiting

    @property
    def control(self) -> CongestionControl:
        """The congestion control."""
        return self.tcb.sender.control

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns; None where nothing is waited for."""
        tcb = self.tcb
        at = self._patience_ends if tcb.sender.rtx_at is not None else None
        for timer in (tcb.sender.rtx_at, tcb.sender.pace_at, tcb.receiver.ack_at, tcb.time_wait_until):
            if timer is not None and (at is None or timer < at):
                at = timer
        return at

    @property
    def _patience_ends(self) -> Ns | None:
        config = self.tcb.config
        patience = config.syn_timeout if self.tcb.state in _OPENING else config.user_timeout
        return None if patience is None else self.tcb.sender.progress_at + patience

    def may_be_reopened_by(self, segment: TcpSegment) -> bool:
        """In TIME-WAIT: whether this SYN opens a new connection between the same ports (MAY-2). Its numbers must be
        above all that were used, so that no old segment can be taken for a new one."""
        tcb = self.tcb
        is_syn = segment.flags & (TcpFlags.SYN | TcpFlags.ACK | TcpFlags.RST) == TcpFlags.SYN
        rcv_nxt = tcb.receiver.rcv_nxt
        return tcb.state is State.TIME_WAIT and bool(is_syn) and unwrap(segment.sequence_number, rcv_nxt) > rcv_nxt

    # ---- what happens ----

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Segments never raise.

        Raises:
            LocalProtocolError: a user call that this state does not allow.
        """
        tcb = self.tcb
        out: list[Output] = []
        tcb.out = out
        if type(event) is SegmentArrived:
            segment_arrives(tcb, event.segment, now, congestion_experienced=event.congestion_experienced)
            if tcb.over is None:
                finish(tcb, now)
            return out
        match event:
            case TimerFired():
                self._time_passed(now)
            case Send(data, urgent):
                self._send(data, now, urgent=urgent)
            case Read(size):
                self._read(size, now)
            case PauseReading():
                tcb.receiver.paused = True
            case ResumeReading():
                tcb.receiver.paused = False
                self._read(None, now)
            case ActiveOpen():
                self._active_open(now)
            case PassiveOpen():
                self._passive_open(now)
            case Close(deaf):
                self._close(now, deaf=deaf)
            case Abort():
                self._abort(now)
        if tcb.over is None:
            finish(tcb, now)
        return out

    def _active_open(self, now: Ns) -> None:
        """§3.10.1: "A SYN segment of the form <SEQ=ISS><CTL=SYN> is sent"."""
        tcb = self.tcb
        if tcb.over is not None or tcb.state not in (State.CLOSED, State.LISTEN):
            raise self._error("OPEN", "connection already exists")
        if tcb.remote_port is None:
            raise self._error("OPEN", "remote socket unspecified")
        tcb.move(Cause.ACTIVE_OPEN, now)
        tcb.sender.progress_at = tcb.syn_sent_at = now
        tcb.emit_syn(now)

    def _passive_open(self, now: Ns) -> None:
        if self.tcb.over is not None or self.tcb.state is not State.CLOSED:
            raise self._error("OPEN", "connection already exists")
        self.tcb.move(Cause.PASSIVE_OPEN, now)

    def _send(self, data: bytes, now: Ns, *, urgent: bool) -> None:
        """§3.10.2."""
        tcb = self.tcb
        if tcb.state is State.CLOSED:
            raise self._error("SEND", "connection does not exist")
        if tcb.state is State.LISTEN:
            self._active_open(now)  # "change the connection from passive to active"
        elif tcb.close_wanted or tcb.state not in (*MAY_SEND, *_OPENING):
            raise self._error("SEND", "connection closing")
        sender = tcb.sender
        sender.queue.put(data)
        if urgent and data:
            sender.snd_up = max(sender.snd_nxt, sender.iss + 1) + sender.queue.size

    def _read(self, size: int | None, now: Ns) -> None:
        """§3.10.3. Where it makes enough room, the peer is told (MUST-39)."""
        tcb = self.tcb
        receiver = tcb.receiver
        if not receiver.waiting:
            return
        tcb.out.append(Deliver(receiver.read(size)))
        if receiver.over and not receiver.waiting:
            tcb.out.append(PeerClosed())
        elif receiver.update_is_due(tcb.sender.mss) and tcb.state not in (State.CLOSED, State.TIME_WAIT):
            receiver.ack_now = True

    def _close(self, now: Ns, *, deaf: bool) -> None:
        """§3.10.4."""
        tcb = self.tcb
        tcb.deaf = tcb.deaf or deaf
        if deaf and tcb.receiver.waiting:
            # SHLD-3: "If such a host issues a CLOSE call while received data is still pending in the TCP connection
            # [...] its TCP implementation SHOULD send a RST to show that data was lost"
            self._abort(now)
            return
        match tcb.state:
            case State.LISTEN | State.SYN_SENT:
                tcb.end(Cause.CLOSE, Closed(), now)
            case State.SYN_RECEIVED:
                tcb.close_wanted = True  # "queue for processing after entering ESTABLISHED state"
            case State.ESTABLISHED | State.CLOSE_WAIT:
                tcb.move(Cause.CLOSE, now)
                tcb.sender.fin_wanted = True
            case _:
                pass  # "An "ok" response would be acceptable, too, as long as a second FIN is not emitted"

    def _abort(self, now: Ns) -> None:
        """§3.10.5: "Send a reset segment: <SEQ=SND.NXT><CTL=RST>"."""
        tcb = self.tcb
        if tcb.state is State.CLOSED:
            return
        if tcb.state not in (State.LISTEN, State.SYN_SENT, State.CLOSING, State.LAST_ACK, State.TIME_WAIT):
            tcb.emit_reset(tcb.sender.snd_nxt, None)
        tcb.end(Cause.ABORT, Failed("aborted", "connection aborted here"), now)

    def _error(self, call: str, what: str) -> LocalProtocolError:
        return LocalProtocolError(f"{call} in {self.tcb.state.value}: {what}", rule="RFC 9293 §3.10")

    # ---- time ----

    def _time_passed(self, now: Ns) -> None:
        tcb = self.tcb
        sender, receiver = tcb.sender, tcb.receiver
        if tcb.time_wait_until is not None and now >= tcb.time_wait_until:
            tcb.end(Cause.TIMEOUT_2MSL, Closed(), now)
            return
        if receiver.ack_at is not None and now >= receiver.ack_at:
            receiver.ack_now = True
        if sender.rtx_at is None:
            return
        patience_ends = self._patience_ends
        if patience_ends is not None and now >= patience_ends:
            self._give_up(now)
        elif now >= sender.rtx_at:
            self._retransmission_timeout(now)

    def _retransmission_timeout(self, now: Ns) -> None:
        tcb = self.tcb
        sender = tcb.sender
        if tcb.state in _OPENING:
            sender.trips.back_off()  # SYNs "MUST be handled in the general way just described for data" (MUST-22)
            tcb.emit_syn(now)
            if tcb.trace is not None:
                tcb.note("rto", now, f"no answer to the SYN, sent {tcb.syns_sent} times now")
            return
        if not sender.snd_wnd or not sender.outstanding:
            sender.probe(now)
            return
        recovery.on_timeout(sender, now)
        if sender.expiries == R1:
            waited = format_duration(now - sender.progress_at)
            tcb.out.append(Stalled(f"no acknowledgement for {waited} of {sender.what_is_unacknowledged()}"))

    def _give_up(self, now: Ns) -> None:
        """§3.10.8, USER TIMEOUT: "flush all queues, signal the user "error: connection aborted due to user timeout"."""
        tcb = self.tcb
        waited = format_duration(now - tcb.sender.progress_at)
        if tcb.state in _OPENING:
            what = f"no answer to the SYN within {waited} (sent {tcb.syns_sent} times)"
        else:
            what = f"no acknowledgement within {waited} of {tcb.sender.what_is_unacknowledged()}"
        tcb.end(Cause.USER_TIMEOUT, Failed("timed_out", what), now)
