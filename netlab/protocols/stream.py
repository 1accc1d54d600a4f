"""netlab packets on a byte stream: where each ends is what its header says.

A TCP segment is not a message: `recv` gives any number of bytes, from one to many packets' worth (RFC 9293 §2.2). A
wrong CRC or length ends the connection; the next header is never hunted for, and the session resumes over a new
connection.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TypeAlias

import msgspec

from netlab.chat.limits import DEAD_AFTER, PING_AFTER, STARTED_PACKET
from netlab.errors import DecodeError
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import HEADER_LEN, MAGIC, Packet, PacketType, announced_len, decode_first, encode
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.protocols.connection import WIRE_MESSAGE, Deliver, Dropped, Failed, PeerLeft, TimerFired, Transmit
from netlab.units import Ns, S, format_duration

PING = encode(Packet(type=PacketType.PING))
PONG = encode(Packet(type=PacketType.PONG))
BYE = encode(Packet(type=PacketType.BYE))

STREAM_LIMITS = ReassemblyLimits(max_message=WIRE_MESSAGE, timeout=60 * S)
"""Of a message in several packets: a stream loses nothing, but it may be slow."""

_CODES = {
    "reassembly_timeout": "packet_timeout",
    "peer_memory": "too_much_unfinished",
    "peer_messages": "too_much_unfinished",
    "evicted": "too_much_unfinished",
    "oversized_message": "too_big",
}
"""What the peer is told where the reassembler gave its message up. Otherwise `malformed`: a stream neither loses nor
doubles, so the peer made that fragment."""


class BytesArrived(msgspec.Struct, frozen=True):
    """The stream gave these bytes, in order, one or more."""

    data: bytes


class GivenUp(msgspec.Struct, frozen=True):
    """The reassembler that this connection shares with others gave its unfinished message up, for this reason."""

    reason: str


class Evicted(msgspec.Struct, frozen=True):
    """The message of another connection had to go: that one is to be told `GivenUp`."""

    peer: Hashable
    reason: str


Event: TypeAlias = BytesArrived | GivenUp | TimerFired
Output: TypeAlias = Deliver | Transmit | PeerLeft | Failed | Dropped | Evicted


class StreamConnection:
    """One end of a connection over a stream: bytes in, whole messages out; pings when it is silent. No socket, no
    clock.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`. After `Failed` or
    `PeerLeft` nothing more comes out. What is sent needs no state: see `connection.encode_message`.

    Args:
        reassembler: where messages in several packets are put together: one for all connections of a server, so that
            its bounds hold for all together. Whoever shares it hands its `Dropped` on as `GivenUp`, and forgets `peer`.
        peer: what this connection is called there.
        ping_after, dead_after: silence after which a ping is sent, and after which the peer is taken for dead, ns; None
            where what carries the stream finds that out itself.
        started_packet: what a packet that has begun may take to its end, ns.
    """

    def __init__(
        self,
        now: Ns,
        *,
        reassembler: Reassembler | None = None,
        peer: Hashable = 0,
        ping_after: Ns | None = PING_AFTER,
        dead_after: Ns | None = DEAD_AFTER,
        started_packet: Ns = STARTED_PACKET,
    ) -> None:
        self.packets_in = 0
        self._reassembler = reassembler or Reassembler(STREAM_LIMITS)
        self._peer = peer
        self._ping_after, self._dead_after, self._started_packet = ping_after, dead_after, started_packet
        self._buffer = b""
        self._started_at: Ns | None = None  # when the packet that the buffer holds a part of began
        self._heard_at = now
        self._pinged = False
        self._over = False

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        if self._over:
            return None
        after = self._dead_after if self._pinged else self._ping_after
        silence = None if after is None else self._heard_at + after
        late = None if self._started_at is None else self._started_at + self._started_packet
        return min((at for at in (silence, late) if at is not None), default=None)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        if self._over:
            return []
        if isinstance(event, BytesArrived):
            return self._bytes_arrived(event.data, now)
        if isinstance(event, GivenUp):
            return [self._give_up(event.reason)]
        return self._time_passed(now)

    def _bytes_arrived(self, data: bytes, now: Ns) -> list[Output]:
        outputs: list[Output] = []
        self._heard_at, self._pinged = now, False
        buffer = self._buffer + data if self._buffer else data
        at, end = 0, len(buffer)
        try:
            while end - at >= HEADER_LEN:
                if end - at < announced_len(buffer, at) and buffer[at : at + 2] == MAGIC:
                    break
                packet, at = decode_first(buffer, at)
                self.packets_in += 1
                if packet.type is PacketType.DATA and packet.count == 1:
                    outputs.append(Deliver(packet.payload))
                elif not self._take(packet, now, outputs):
                    self._over = True
                    return outputs
        except DecodeError as error:
            self._over = True
            outputs.append(Failed("malformed", f"{error.field}: {error}"))
            return outputs
        if at == end:
            self._buffer, self._started_at = b"", None
        else:
            if at or self._started_at is None:
                self._started_at = now
            self._buffer = buffer[at:]
        return outputs

    def _take(self, packet: Packet, now: Ns, outputs: list[Output]) -> bool:
        """What is not a message in one packet. False where the connection is over."""
        match packet.type:
            case PacketType.DATA | PacketType.HELLO | PacketType.ERROR if packet.count == 1:
                outputs.append(Deliver(packet.payload))
            case PacketType.DATA:
                return self._reassemble(packet, now, outputs)
            case PacketType.PING:
                outputs.append(Transmit(PONG))
            case PacketType.PONG:
                pass
            case PacketType.BYE:
                outputs.append(PeerLeft())
                return False
            case _:
                outputs.append(Dropped("unexpected_type"))
        return True

    def _reassemble(self, packet: Packet, now: Ns, outputs: list[Output]) -> bool:
        for output in self._reassembler.handle(Arrived(self._peer, packet), now):
            if output.peer != self._peer:
                assert not isinstance(output, Whole), "only what came just now completes a message"
                outputs.append(Evicted(output.peer, output.reason))
            elif isinstance(output, Whole):
                outputs.append(Deliver(output.message))
            else:
                outputs.append(self._give_up(output.reason))
        return not self._over

    def _give_up(self, reason: str) -> Failed:
        self._over = True
        return Failed(_CODES.get(reason, "malformed"), f"an unfinished message was given up: {reason}")

    def _time_passed(self, now: Ns) -> list[Output]:
        if self._started_at is not None and now >= self._started_at + self._started_packet:
            self._over = True
            missing = f"a packet began and did not end within {format_duration(self._started_packet)}"
            return [Failed("packet_timeout", missing)]
        silence = now - self._heard_at
        if self._dead_after is not None and silence >= self._dead_after:
            self._over = True
            return [Failed("dead_peer", f"nothing heard for {format_duration(self._dead_after)}")]
        if self._ping_after is not None and not self._pinged and silence >= self._ping_after:
            self._pinged = True
            return [Transmit(PING)]
        return []
