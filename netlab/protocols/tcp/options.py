"""What the two ends agree on in their SYNs, and timestamps: window scale, SACK, PAWS.

Source: RFC 7323 §2 (window scale), §3 and §4 (timestamps), §5 (PAWS); RFC 2018 §2; RFC 3168 §6.1.1; RFC 9293 §3.7.1.
Taught in notebook 06.
"""

from __future__ import annotations

from netlab.packets.tcp import (
    MaximumSegmentSize,
    NoOperation,
    Sack,
    SackPermitted,
    TcpFlags,
    TcpOption,
    TcpSegment,
    Timestamps,
    WindowScale,
)
from netlab.protocols.tcp.config import DEFAULT_MSS, TcpConfig
from netlab.protocols.tcp.sequence import MASK
from netlab.units import MS, Ns, S

TICK: Ns = 1 * MS
"""Of the timestamp clock: RFC 7323 §5.4 wants from 1 ms to 1 s."""

MAX_SHIFT = 14
"""RFC 7323 §2.3: "the shift count MUST be limited to 14"."""

UNSCALED = 2**16 - 1
"""The largest number that a window field holds."""

TIMESTAMPS_LEN = 12
"""Bytes of every segment that timestamps take, with the two no-operations before them."""

_STALE: Ns = 24 * 24 * 3600 * S
_HALF = 2**31
_NOP = NoOperation()


class Agreed:
    """What holds on a connection once both SYNs were seen, and the timestamps that go to and fro.

    Attributes:
        timestamps, sack, ecn: whether both ends offered it.
        snd_shift: what the windows that the peer sends are shifted by (RFC 7323's Snd.Wind.Shift).
        rcv_shift: what ours are shifted by.
        peer_mss: what the peer can take in one segment.
        ts_recent: the timestamp to echo (TS.Recent).
    """

    __slots__ = (
        "_config",
        "_offset",
        "_ts_recent_at",
        "ecn",
        "peer_mss",
        "rcv_shift",
        "sack",
        "snd_shift",
        "timestamps",
        "ts_recent",
    )

    def __init__(self, config: TcpConfig, timestamp_offset: int) -> None:
        self._config = config
        self._offset = timestamp_offset
        self.timestamps = self.sack = self.ecn = False
        self.snd_shift = self.rcv_shift = 0
        self.peer_mss = DEFAULT_MSS
        self.ts_recent = 0
        self._ts_recent_at: Ns = 0

    # ---- SYNs ----

    def syn_options(self, now: Ns, peers: TcpSegment | None = None) -> tuple[TcpOption, ...]:
        """Options of our SYN; of a SYN,ACK where `peers` is the SYN that it answers: only what that offered."""
        config = self._config
        options: list[TcpOption] = [MaximumSegmentSize(config.mss)]  # MUST-14; on SYN only (MUST-65)
        if config.sack and (peers is None or peers.option(SackPermitted)):
            options.append(SackPermitted())
        if config.timestamps and (peers is None or peers.option(Timestamps)):
            options.append(Timestamps(self.clock(now), self.ts_recent))
        if config.window_scaling and (peers is None or peers.option(WindowScale)):
            options += [_NOP, WindowScale(self._own_shift)]
        return tuple(options)

    def syn_flags(self, peers: TcpSegment | None = None) -> TcpFlags:
        """Flags of ECN on our SYN or SYN,ACK. RFC 3168 §6.1.1: an ECN-setup SYN has ECE and CWR, the answer ECE
        alone."""
        if not self._config.ecn:
            return TcpFlags(0)
        if peers is None:
            return TcpFlags.ECE | TcpFlags.CWR
        return TcpFlags.ECE if self.ecn else TcpFlags(0)

    @property
    def _own_shift(self) -> int:
        """R of RFC 7323 §2.3, for which the smallest is taken with which the whole buffer can be offered."""
        return next((n for n in range(MAX_SHIFT) if UNSCALED << n >= self._config.receive_buffer), MAX_SHIFT)

    def peers_syn(self, syn: TcpSegment, now: Ns) -> None:
        """Take in the peer's SYN, or SYN,ACK: an option holds where both sent it."""
        config = self._config
        if (mss := syn.option(MaximumSegmentSize)) is not None:
            self.peer_mss = max(mss.mss, 64)  # a peer that asks for less would only make us send headers
        self.sack = config.sack and syn.option(SackPermitted) is not None
        if config.timestamps and (timestamps := syn.option(Timestamps)) is not None:
            self.timestamps = True
            self.ts_recent, self._ts_recent_at = timestamps.ts_val, now
        if config.window_scaling and (scale := syn.option(WindowScale)) is not None:
            # RFC 7323 §2.3: "If a Window Scale option is received with a shift.cnt value larger than 14, the TCP SHOULD
            # log the error but MUST use 14 instead of the specified value."
            self.snd_shift = min(scale.shift_cnt, MAX_SHIFT)
            self.rcv_shift = self._own_shift
        ece_cwr = syn.flags & (TcpFlags.ECE | TcpFlags.CWR)
        wanted = TcpFlags.ECE if syn.flags & TcpFlags.ACK else TcpFlags.ECE | TcpFlags.CWR
        self.ecn = config.ecn and ece_cwr == wanted

    @property
    def snd_mss(self) -> int:
        """Payload of the largest segment we send. "The maximum size of a segment that a TCP endpoint really sends, the
        "effective send MSS", MUST be the smaller" of the two (MUST-16), less the options that each segment has."""
        return min(self.peer_mss, self._config.mss) - (TIMESTAMPS_LEN if self.timestamps else 0)

    # ---- timestamps ----

    def clock(self, now: Ns) -> int:
        """Our timestamp clock, 32 bits."""
        return (now // TICK + self._offset) & MASK

    def echoed(self, ts_ecr: int, now: Ns) -> Ns:
        """When our clock began to show what the peer echoes, ns."""
        ticks = now // TICK
        return (ticks - ((ticks + self._offset - ts_ecr) & MASK)) * TICK

    def options(self, now: Ns, blocks: tuple[tuple[int, int], ...]) -> tuple[TcpOption, ...]:
        """Options of a segment that is no SYN; `blocks` of SACK are 32-bit edges."""
        if self.timestamps:
            stamps = Timestamps((now // TICK + self._offset) & MASK, self.ts_recent)
            if blocks:
                return (_NOP, _NOP, stamps, _NOP, _NOP, Sack(blocks))
            return (_NOP, _NOP, stamps)
        return (_NOP, _NOP, Sack(blocks)) if blocks else ()

    def is_old(self, ts_val: int, now: Ns) -> bool:
        """PAWS, RFC 7323 §5.3 R1: "If there is a Timestamps option in the arriving segment, SEG.TSval < TS.Recent,
        TS.Recent is valid" then it is a duplicate of long ago."""
        if (ts_val - self.ts_recent) & MASK < _HALF:
            return False
        return now - self._ts_recent_at < _STALE  # §5.5: after 24 idle days TS.Recent may mean nothing any more

    def heard(self, ts_val: int, now: Ns) -> None:
        """A segment came in order. RFC 7323 §4.3 (2): "If: SEG.TSval >= TS.Recent and SEG.SEQ <= Last.ACK.sent then
        SEG.TSval is copied to TS.Recent"."""
        if (ts_val - self.ts_recent) & MASK < _HALF:
            self.ts_recent, self._ts_recent_at = ts_val, now
