"""Reliable datagrams (rudp): ordered streams of bytes over datagrams that are lost, doubled and reordered.

Read `handshake` first (how a session begins), then `packets.segment` (what is on the wire). One `ReliableConnection` is
one end. Its halves stand in `streams_out` and `loss_recovery` (what is sent, and sent again), and in `streams_in` and
`acknowledgments` (what comes, and when that is told). How much is on its way decides a congestion control, as it does
for TCP.

It is QUIC's way of doing it (RFC 9000, RFC 9002) without its encryption: packet numbers that are never used twice,
acknowledged ranges, probes instead of blind retransmission. Taught in notebook 08.
"""

from __future__ import annotations

from itertools import islice

from netlab.chat.limits import DEAD_AFTER, PING_AFTER
from netlab.errors import DecodeError
from netlab.packets import segment as segments
from netlab.packets.packet import Packet, PacketType, encode, with_session
from netlab.packets.segment import ACK_DELAY_UNIT, ELICITS, FIN, MAX_RANGES, MOST_SETTLED, PROMPT, Segment, widen
from netlab.protocols.acknowledgments import Acknowledgments
from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.connection import Dropped, Failed, TimerFired, Transmit, malformed
from netlab.protocols.loss_recovery import Chunk, Learned, LossRecovery
from netlab.protocols.pacing import Pace
from netlab.protocols.reliable_events import (
    Abort,
    Close,
    Closed,
    Event,
    Finish,
    Output,
    PacketArrived,
    Pause,
    Resume,
    Unreachable,
    Write,
)
from netlab.protocols.round_trips import INITIAL_RTO, MAX_RTO, RoundTrips
from netlab.protocols.stream import BYE
from netlab.protocols.streams_in import Deliver, StreamsIn
from netlab.protocols.streams_in import Output as Incoming
from netlab.protocols.streams_out import CHUNK, StreamsOut
from netlab.protocols.trace import Decision, Trace
from netlab.units import KIB, MS, US, Ns, S, format_duration

BUFFER = 256 * KIB
"""What the peer may send beyond what was consumed, bytes: so much is kept of what comes too early."""

MIN_RTO: Ns = 50 * MS
"""The retransmission timer is never shorter, ns. RFC 6298 has 1 s, Linux 200 ms for TCP."""

GIVE_UP: Ns = DEAD_AFTER
"""Without any acknowledgement for so long the connection is given up, ns; never after a number of attempts."""

MOST_STREAMS = 256

SMALL_WINDOW = 16 * CHUNK
"""A sender whose window is this small asks for a prompt acknowledgement when it is full, bytes."""


class ReliableConnection:
    """One end of a reliable connection, once the handshake has given it its token. No socket, no clock.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`. After `Closed` or
    `Failed` nothing more comes out.

    Args:
        token: of the session: 8 bytes that lead every datagram.
        number: 32 random bits: the first packet number.
        control: congestion control, made for segments of `CHUNK` bytes.
        buffer: bytes that the peer may send beyond what was consumed, at least eight segments.
        give_up: how long to wait for any acknowledgement; keep_alive: silence after which a ping is sent, ns.
        min_rto: the shortest retransmission timeout, ns.
        trace: takes every decision; `who` is what they call this end.
    """

    def __init__(
        self,
        now: Ns,
        *,
        token: bytes,
        number: int,
        control: CongestionControl,
        buffer: int = BUFFER,
        give_up: Ns = GIVE_UP,
        keep_alive: Ns = PING_AFTER,
        min_rto: Ns = MIN_RTO,
        trace: Trace | None = None,
        who: str = "rudp",
    ) -> None:
        self.trips = RoundTrips(initial_rto=INITIAL_RTO, min_rto=min_rto, max_rto=MAX_RTO)
        self.recovery = LossRecovery(control, self.trips, number)
        self.streams = StreamsOut()
        self.segments_in = 0
        self.segments_out = 0
        self._token = token
        self._control = control
        self._incoming = StreamsIn(buffer, MOST_STREAMS)
        self._acks = Acknowledgments(now)
        self._give_up_after = give_up
        self._keep_alive = keep_alive
        self._trace = trace
        self._who = who
        self._pace = Pace()
        self._peer_max_data = buffer
        self._heard_at = now
        self._pace_at: Ns | None = None
        self._probe_window_at: Ns | None = None
        self._window_probes = 0
        self._cwnd_limited = False
        self._paused = False
        self._unconsumed = 0
        self._closing = False
        self._over = False

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        if self._over:
            return None
        recovery = self.recovery
        at = (
            self._heard_at + self._keep_alive
            if recovery.waiting_since is None
            else (recovery.waiting_since + self._give_up_after)
        )
        for other in (self._acks.deadline, self._pace_at, self._probe_window_at, recovery.deadline):
            if other is not None and other < at:
                at = other
        return at

    @property
    def queued(self) -> int:
        """Bytes that were written and not yet sent."""
        return self.streams.queued

    @property
    def settled(self) -> bool:
        """Everything that was written is acknowledged."""
        return not self.streams and not self.recovery.chunks

    @property
    def figures(self) -> dict[str, int]:
        """What the sender knows of its path: sizes in bytes, times in microseconds (0: not yet known)."""
        recovery, trips = self.recovery, self.trips
        return {
            "cwnd": self._control.cwnd,
            "flight_size": recovery.flight_size,
            "retransmissions": recovery.retransmissions,
            "rto_us": trips.rto // US,
            "srtt_us": (trips.srtt or 0) // US,
            "segments_in": self.segments_in,
            "segments_out": self.segments_out,
        }

    @property
    def phase(self) -> str:
        """Of the connection, for traces."""
        return "closed" if self._over else "closing" if self._closing else "open"

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise.

        Raises:
            LocalProtocolError: a stream that is finished, or that can't be, was written to.
            MessageTooBig: an unordered message that fits no datagram.
        """
        outputs: list[Output] = []
        if self._over:
            return outputs
        match event:
            case PacketArrived(packet):
                self._packet_arrived(packet, now, outputs)
            case Write(data, stream, unordered):
                self.streams.write(stream, data, unordered=unordered)
            case TimerFired():
                self._time_passed(now, outputs)
            case Finish(stream):
                self.streams.finish(stream)
            case Pause():
                self._paused = True
            case Resume():
                self._resume()
            case Close():
                self._closing = True
                if not self.streams.finishing(0):
                    self.streams.finish(0)
            case Abort():
                self._leave(outputs, Closed())
            case Unreachable():
                self._over = True
                outputs.append(Failed("peer_left", self._told("nobody listens there any more")))
        if not self._over:
            self._send(now, outputs)
        return outputs

    # What comes

    def _packet_arrived(self, packet: Packet, now: Ns, outputs: list[Output]) -> None:
        self._heard_at = now
        match packet.type:
            case PacketType.SEGMENT:
                try:
                    segment = segments.decode(packet.payload)
                except DecodeError as error:
                    outputs.append(malformed(error))
                    return
                self.segments_in += 1
                self._segment_arrived(segment, now, outputs)
            case PacketType.BYE:
                self._over = True
                outputs.append(self._peer_left())
            case PacketType.ERROR:
                self._over = True
                outputs.append(Failed("unknown_session", self._told("the peer does not know this session any more")))
            case PacketType.ACK:
                pass  # the handshake's: our hello came twice
            case _:
                outputs.append(Dropped("unexpected_type"))

    def _segment_arrived(self, segment: Segment, now: Ns, outputs: list[Output]) -> None:
        max_data = widen(segment.max_data, self._peer_max_data)
        if max_data > self._peer_max_data:
            self._peer_max_data = max_data
            self._probe_window_at, self._window_probes = None, 0
        if segment.ranges:
            self._acknowledged(segment, now, outputs)
        if not segment.flags & ELICITS:
            return
        if segment.data or segment.flags & FIN:
            incoming: list[Incoming] = []
            kept = self._incoming.take(segment, incoming)
            for output in incoming:
                outputs.append(output)
                if isinstance(output, Deliver):
                    self._consume(len(output.data))
            if not kept:
                return
        self._acks.arrived(segment, now, self.segments_in)

    def _consume(self, size: int) -> None:
        if self._paused:
            self._unconsumed += size
        else:
            self._incoming.consume(size)

    def _resume(self) -> None:
        self._paused = False
        if self._unconsumed:
            self._incoming.consume(self._unconsumed)
            self._unconsumed = 0
            self._acks.due = True  # it tells the peer of its window

    def _acknowledged(self, segment: Segment, now: Ns, outputs: list[Output]) -> None:
        recovery = self.recovery
        near = recovery.next_number
        ranges = [widen(edge, near) for edge in segment.ranges]
        if ranges[1] >= near:
            outputs.append(Dropped("acked_unsent"))
            return
        learned = recovery.acknowledged(
            ranges, segment.ack_delay * ACK_DELAY_UNIT, now, cwnd_limited=self._cwnd_limited
        )
        if self._trace is not None:
            self._tell(learned, now)

    def _peer_left(self) -> Output:
        if 0 in self._incoming.ended and not self.recovery.unacked and not self.streams:
            return Closed()
        return Failed("peer_left", self._told("the peer left"))

    # What goes

    def _send(self, now: Ns, outputs: list[Output]) -> None:
        if self.streams or self.recovery.to_send_again() is not None:
            self._send_data(now, outputs)
        if self._acks.due:
            self._acknowledge(now, outputs)
        if self._closing and self.settled:
            self._leave(outputs, Closed())

    def _send_data(self, now: Ns, outputs: list[Output]) -> None:
        """As much as the windows let go: what was lost first."""
        recovery, streams, control = self.recovery, self.streams, self._control
        self._pace_at = None
        self._cwnd_limited = True
        while True:
            chunk = recovery.to_send_again()
            again = chunk is not None
            if chunk is None and not streams:
                self._cwnd_limited = False
                recovery.rate.on_app_limited(recovery.flight_size)
                return
            size = len(chunk.data) if chunk is not None else min(streams.queued, CHUNK)
            fits = recovery.flight_size + size <= control.cwnd or not recovery.flight_size
            if not fits and not (again and recovery.may_exceed):
                return
            if now < self._pace.next_at:
                self._pace_at = self._pace.next_at
                return
            if chunk is None:
                chunk = streams.take(self._peer_max_data - streams.given)
                if chunk is None:
                    self._cwnd_limited = False
                    self._wait_for_window(now)
                    return
            self._send_chunk(chunk, now, outputs, again=again)

    def _wait_for_window(self, now: Ns) -> None:
        """The peer has no room: ask again now and then, should its word that it has be lost (RFC 9293 §3.8.6.1)."""
        if self._probe_window_at is None and not self.recovery.outstanding:
            self._probe_window_at = now + min(self.trips.rto << self._window_probes, MAX_RTO)
            self._window_probes += 1

    def _send_chunk(self, chunk: Chunk, now: Ns, outputs: list[Output], *, again: bool) -> None:
        recovery, size = self.recovery, len(chunk.data)
        if recovery.waiting_since is not None and not recovery.chunks:
            recovery.waiting_since = now  # only pings were on their way
        number = recovery.sent(chunk, now, again=again)
        cwnd = self._control.cwnd
        full = recovery.flight_size + CHUNK > cwnd and cwnd < SMALL_WINDOW
        self._emit(number, chunk, ELICITS | PROMPT if full else ELICITS, now, outputs)
        rate = self._control.pacing_bit_s
        if rate is None and self.trips.srtt is not None:
            # RFC 9002 §7.7 has a little more than a window in each round trip, "for example, 1.25". Here it is two:
            # acknowledgements set the pace, as they do for a TCP that is not paced; bursts are spread.
            rate = 2 * cwnd * 8 * S // self.trips.srtt
        if rate:
            self._pace.sent(size, rate, now)
        if self._trace is not None:
            self._note("retransmit" if again else "sent", now, f"{size} B at {chunk.offset} of stream {chunk.stream}")

    def _ping(self, now: Ns, outputs: list[Output]) -> None:
        self._emit(self.recovery.sent(None, now), None, ELICITS | PROMPT, now, outputs)

    def _acknowledge(self, now: Ns, outputs: list[Output]) -> None:
        self._emit(0, None, 0, now, outputs)

    def _emit(self, number: int, chunk: Chunk | None, flags: int, now: Ns, outputs: list[Output]) -> None:
        """One datagram: a chunk, a ping or nothing but an acknowledgement, which rides on whatever goes."""
        ranges: tuple[int, ...] = ()
        delay = 0
        if self._acks.waiting or not flags:
            room = MAX_RANGES if chunk is None else 1 + (CHUNK - len(chunk.data)) // segments.RANGE_LEN
            ranges, delay = self._acks.take(room, now)
        settled = min(number - self.recovery.oldest, MOST_SETTLED) if flags else 0
        max_data = self._incoming.max_data & 0xFFFFFFFF
        if chunk is None:
            segment = Segment(number & 0xFFFFFFFF, settled, 0, flags, 0, max_data, delay, ranges)
        else:
            segment = Segment(
                number & 0xFFFFFFFF,
                settled,
                chunk.stream,
                flags | chunk.flags,
                chunk.offset & 0xFFFFFFFF,
                max_data,
                delay,
                ranges,
                chunk.data,
            )
        self.segments_out += 1
        packet = Packet(segments.encode(segment), type=PacketType.SEGMENT, session=self._token)
        outputs.append(Transmit(encode(packet)))

    def _leave(self, outputs: list[Output], how: Output) -> None:
        self._over = True
        outputs.append(Transmit(with_session(BYE, self._token)))
        outputs.append(how)

    # Time

    def _time_passed(self, now: Ns, outputs: list[Output]) -> None:
        recovery = self.recovery
        waiting_since = recovery.waiting_since
        if waiting_since is not None and now >= waiting_since + self._give_up_after:
            if self._trace is not None:
                self._note("failed", now, f"no acknowledgement for {format_duration(self._give_up_after)}")
            self._leave(outputs, Failed("dead_peer", self._told(self._silence())))
            return
        self._acks.time_passed(now)
        learned = recovery.time_passed(now)
        if self._trace is not None and (learned.lost or learned.probe):
            self._tell(learned, now)
        if learned.probe:
            self._probe(now, outputs)
        if self._probe_window_at is not None and now >= self._probe_window_at:
            self._probe_window_at = None
            self._ping(now, outputs)
        elif waiting_since is None and now >= self._heard_at + self._keep_alive:
            self._ping(now, outputs)
            recovery.waiting_since = self._heard_at

    def _probe(self, now: Ns, outputs: list[Output]) -> None:
        """Two packets, whatever the window says: "to avoid an expensive consecutive PTO expiration due to a single lost
        datagram" (RFC 9002 §6.2.4)."""
        recovery = self.recovery
        chunks = list(islice(recovery.unacknowledged(), 2))
        for chunk in chunks:
            self._send_chunk(chunk, now, outputs, again=True)
        for _ in range(2 - len(chunks)):
            self._ping(now, outputs)

    # What is told

    def _silence(self) -> str:
        return f"no acknowledgement for {format_duration(self._give_up_after)}"

    def _told(self, what: str) -> str:
        """What happened, with what the peer may not have."""
        recovery = self.recovery
        oldest = recovery.oldest_chunk
        if oldest is None:
            return what if not self.streams.queued else f"{what}: {self.streams.queued} B were not sent"
        behind = f", {self.streams.queued} B wait behind them" if self.streams.queued else ""
        where = f"from byte {oldest.offset} of stream {oldest.stream} on"
        return f"{what}: {recovery.unacked} B {where} are unacknowledged{behind}"

    def _tell(self, learned: Learned, now: Ns) -> None:
        """Trace what an acknowledgement or a timer told."""
        if learned.undone:
            self._note("sample", now, "what was taken for lost came late: nothing had been lost")
        if learned.rto:
            self._note("rto", now, f"timeout {self.recovery.timeouts}: all on its way is taken for lost (RFC 6298 §5)")
        elif learned.probe:
            self._note("probe", now, "nothing was acknowledged in time: two probes (RFC 9002 §6.2)")
        elif learned.lost:
            self._note("loss", now, f"{learned.lost} packets lost: later ones were acknowledged (RFC 9002 §6.1)")
        if learned.new:
            self._note("ack", now, rtt=learned.rtt)
        if learned.recovered:
            self._note("recovered", now)

    def _note(self, cause: str, now: Ns, why: str = "", *, rtt: Ns | None = None) -> None:
        if self._trace is None:
            return
        recovery, trips, control, given = self.recovery, self.trips, self._control, self.streams.given
        oldest = recovery.oldest_chunk
        self._trace(
            Decision(
                at=now,
                who=self._who,
                cause=cause,
                state=self.phase,
                phase=control.phase,
                cwnd=control.cwnd,
                ssthresh=control.ssthresh,
                flight_size=recovery.flight_size,
                snd_una=given if oldest is None else oldest.position,
                snd_nxt=given,
                rwnd=self._peer_max_data - given,
                rtt=rtt,
                srtt=trips.srtt,
                rttvar=trips.rttvar,
                rto=trips.rto,
                pacing_bit_s=control.pacing_bit_s,
                retransmissions=recovery.retransmissions,
                why=why,
            )
        )
