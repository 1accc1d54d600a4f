"""netlab packets on a byte stream: where each ends is what its header says.

A TCP segment is not a message: `recv` gives any number of bytes, from one to many packets' worth (RFC 9293 §2.2). A
wrong CRC or length ends the connection; the next header is never hunted for, and the session resumes over a new
connection.
"""

from __future__ import annotations

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

_STREAM_LIMITS = ReassemblyLimits(max_message=WIRE_MESSAGE, timeout=60 * S)  # a stream loses nothing; it may be slow


class BytesArrived(msgspec.Struct, frozen=True):
    """The stream gave these bytes, in order, one or more."""

    data: bytes


Event: TypeAlias = BytesArrived | TimerFired
Output: TypeAlias = Deliver | Transmit | PeerLeft | Failed | Dropped


class StreamConnection:
    """One end of a connection over a stream: bytes in, whole messages out; pings when it is silent. No socket, no
    clock.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`. After `Failed` or
    `PeerLeft` nothing more comes out. What is sent needs no state: see `connection.encode_message`.
    """

    def __init__(self, now: Ns) -> None:
        self.packets_in = 0
        self._buffer = b""
        self._started_at: Ns | None = None  # when the packet that the buffer holds a part of began
        self._heard_at = now
        self._pinged = False
        self._over = False
        self._reassembler: Reassembler | None = None

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        if self._over:
            return None
        silence = self._heard_at + (DEAD_AFTER if self._pinged else PING_AFTER)
        return silence if self._started_at is None else min(silence, self._started_at + STARTED_PACKET)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        if self._over:
            return []
        if isinstance(event, BytesArrived):
            return self._bytes_arrived(event.data, now)
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
        self._reassembler = self._reassembler or Reassembler(_STREAM_LIMITS)
        for output in self._reassembler.handle(Arrived("peer", packet), now):
            if not isinstance(output, Whole):  # a stream neither loses nor doubles: the peer made this fragment
                outputs.append(Failed("malformed", output.reason))
                return False
            outputs.append(Deliver(output.message))
        return True

    def _time_passed(self, now: Ns) -> list[Output]:
        if self._started_at is not None and now >= self._started_at + STARTED_PACKET:
            self._over = True
            missing = f"a packet began and did not end within {format_duration(STARTED_PACKET)}"
            return [Failed("packet_timeout", missing)]
        if now >= self._heard_at + DEAD_AFTER:
            self._over = True
            return [Failed("dead_peer", f"nothing heard for {format_duration(DEAD_AFTER)}")]
        if not self._pinged and now >= self._heard_at + PING_AFTER:
            self._pinged = True
            return [Transmit(PING)]
        return []
