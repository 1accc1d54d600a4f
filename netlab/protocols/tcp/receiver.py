"""The receiving half: the peer's stream put in order, the window that is offered, and when to acknowledge.

Source: RFC 9293 §3.8.6 (windows, delayed acknowledgements), §3.10.7.4; RFC 2018 §4 (which SACK blocks); RFC 5681 §4.2.
Taught in notebook 06.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from netlab.protocols.tcp.config import TcpConfig
from netlab.protocols.tcp.options import UNSCALED
from netlab.protocols.tcp.sequence import MASK
from netlab.units import Ns

MAX_BLOCKS = 3
"""SACK blocks in one option beside timestamps (RFC 2018 §3)."""


class Receiver:
    """What has come, and what may.

    Attributes:
        irs: the peer's initial sequence number.
        rcv_nxt: the next number expected.
        paused: what comes in order waits in here.
        fin: the number of the peer's FIN, as soon as it was seen.
        ack_now: an acknowledgement is to go out when this event is done.
        ack_at: when one that waits must go at the latest, ns.
    """

    __slots__ = (
        "_buffer",
        "_config",
        "_edge",
        "_held",
        "_offered",
        "_quick",
        "_rmss",
        "_shift",
        "_unacked",
        "_waiting",
        "_waiting_bytes",
        "ack_at",
        "ack_now",
        "blocks",
        "fin",
        "irs",
        "paused",
        "rcv_nxt",
    )

    def __init__(self, config: TcpConfig) -> None:
        self._config = config
        self._buffer = config.receive_buffer
        self._shift = 0
        self.irs = self.rcv_nxt = 0
        self._edge = 0  # RCV.NXT + RCV.WND: the right edge of the window, as far as it was opened
        self._offered = 0  # the same as the peer reads it: where it is scaled, a little more
        self._held: list[tuple[int, bytes]] = []  # beyond RCV.NXT, by number; no two overlap
        self.blocks: list[tuple[int, int]] = []  # what _held covers; latest first
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.paused = False
        self.fin: int | None = None
        self.ack_now = False
        self.ack_at: Ns | None = None
        self._unacked = 0
        self._rmss = 0  # the largest segment seen, which is what "full-sized" means for an acknowledgement
        self._quick = config.quick_acks

    def synchronize(self, irs: int, shift: int) -> None:
        """The peer's SYN came; from now on our windows are shifted by so many bits."""
        self.irs, self.rcv_nxt, self._shift = irs, irs + 1, shift
        self._edge = self._offered = self.rcv_nxt + min(self._buffer, UNSCALED)

    # ---- the window ----

    @property
    def rcv_wnd(self) -> int:
        """The window that the peer was told, as it stands now."""
        return self._offered - self.rcv_nxt

    def window_field(self, snd_mss: int, *, is_syn: bool) -> int:
        """What a segment that goes now says in its window field.

        RFC 9293 §3.8.6.2.2, "keep RCV.NXT+RCV.WND fixed until the reduction satisfies: RCV.BUFF - RCV.USER - RCV.WND >=
        min( Fr * RCV.BUFF, Eff.snd.MSS )" (MUST-39). The right edge never moves back (SHLD-14).
        """
        shift = 0 if is_syn else self._shift  # RFC 7323 §2.2: "The window field in a segment where the SYN bit is set
        room = self._buffer - self._waiting_bytes  # (i.e., a <SYN> or <SYN,ACK>) MUST NOT be scaled."
        edge = self.rcv_nxt + min(room, UNSCALED << shift)
        if edge - self._edge >= min(self._buffer // 2, snd_mss):
            self._edge = edge
        # rounded up: rounded down, the edge that the peer sees would move back by what was rounded
        field = min(-((self.rcv_nxt - self._edge) >> shift), UNSCALED)
        self._offered = max(self._offered, self.rcv_nxt + (field << shift))
        return field

    def update_is_due(self, snd_mss: int) -> bool:
        """The user took so much that the right edge may move, and nothing that comes would make us say so (MUST-39)."""
        gained = self.rcv_nxt + min(self._buffer - self._waiting_bytes, UNSCALED << self._shift) - self._edge
        return gained >= min(self._buffer // 2, 2 * snd_mss)

    # ---- the stream ----

    def take(self, seq: int, payload: bytes, now: Ns) -> bytes:
        """Put a piece of the stream in its place; what can now be delivered comes back.

        Args:
            seq: of its first byte; the segment was found acceptable.
        """
        rcv_nxt = self.rcv_nxt
        if seq == rcv_nxt and not self._held and len(payload) <= self._offered - seq:
            self.rcv_nxt = rcv_nxt + len(payload)
            self._in_order(len(payload), now)
            return self._deliver(payload)
        # "If a segment's contents straddle the boundary between old and new, only the new parts are processed."
        payload = payload[max(0, rcv_nxt - seq) : max(0, self._offered - seq)]
        seq = max(seq, rcv_nxt)
        # RFC 5681 §4.2: "Out-of-order data segments SHOULD be acknowledged immediately", and one that "fills in all or
        # part of a gap" too
        self.ack_now = True
        self._quick = self._config.quick_acks
        if not payload:
            return b""
        if seq > rcv_nxt:
            self._hold(seq, payload)
            return b""
        pieces = [payload]
        at = seq + len(payload)
        while self._held and self._held[0][0] <= at:
            start, piece = self._held.pop(0)
            if start + len(piece) > at:
                pieces.append(piece[at - start :])
                at = start + len(piece)
        self.rcv_nxt = at
        self.blocks = [block for block in self.blocks if block[1] > at]
        return self._deliver(b"".join(pieces))

    def _hold(self, seq: int, payload: bytes) -> None:
        """Segments beyond a gap "SHOULD be held for later processing" (SHLD-31). Bytes held already stay as they
        are."""
        held = self._held
        start, end = seq, seq + len(payload)
        at = bisect_left(held, (seq, b""))
        if at and held[at - 1][0] + len(held[at - 1][1]) > seq:
            at -= 1
        pieces: list[tuple[int, bytes]] = []
        while at < len(held) and held[at][0] < end:  # what is new lies in the gaps between those
            begun, piece = held[at]
            if begun > seq:
                pieces.append((seq, payload[seq - start : begun - start]))
            seq = max(seq, begun + len(piece))
            at += 1
        if seq < end:
            pieces.append((seq, payload[seq - start :]))
        for new in pieces:
            insort(held, new)
        # RFC 2018 §4: "The first SACK block (i.e., the one immediately following the kind and length fields in the
        # option) MUST specify the contiguous block of data containing the segment which triggered this ACK"
        others = []
        for left, right in self.blocks:
            if left <= end and start <= right:
                start, end = min(left, start), max(right, end)
            else:
                others.append((left, right))
        self.blocks = [(start, end), *others]

    def sack_blocks(self) -> tuple[tuple[int, int], ...]:
        """What the SACK option of a segment that goes now says, 32-bit edges."""
        return tuple([(left & MASK, right & MASK) for left, right in self.blocks[:MAX_BLOCKS]])

    @property
    def ended(self) -> bool:
        """Everything before the peer's FIN has come: the FIN is next."""
        return self.fin is not None and self.rcv_nxt == self.fin

    @property
    def over(self) -> bool:
        """The peer's FIN has come, and everything before it."""
        return self.fin is not None and self.rcv_nxt > self.fin

    # ---- to the user ----

    def _deliver(self, data: bytes) -> bytes:
        if not self.paused:
            return data
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        return b""

    @property
    def waiting(self) -> int:
        """Bytes that came in order and were not handed out yet (RCV.USER)."""
        return self._waiting_bytes

    def read(self, size: int | None) -> bytes:
        """Hand out at most `size` bytes of what waits; None for all."""
        if size is None or size >= self._waiting_bytes:
            data = b"".join(self._waiting)
            self._waiting.clear()
        else:
            data = b"".join(self._waiting)
            self._waiting = deque([data[size:]])
            data = data[:size]
        self._waiting_bytes -= len(data)
        return data

    # ---- acknowledgements ----

    def _in_order(self, size: int, now: Ns) -> None:
        """RFC 9293 §3.8.6.3: "An ACK SHOULD be generated for at least every second full-sized segment" (SHLD-19)."""
        self._rmss = max(self._rmss, size)
        self._unacked += size
        if self._quick > 0:
            self._quick -= 1
            self.ack_now = True
        elif self._unacked > self._rmss:
            self.ack_now = True
        elif self.ack_at is None:
            self.ack_at = now + self._config.ack_delay

    def acknowledged(self) -> None:
        """A segment with the current acknowledgement goes out."""
        self.ack_now = False
        self.ack_at = None
        self._unacked = 0
