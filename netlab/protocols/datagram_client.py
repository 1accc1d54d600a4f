"""A client's end of a session over datagrams: best effort, as UDP is. Read `handshake` first: how it begins.

Lost hellos are repeated by the chat's client machine, which also repeats join and leave; what people say is not
repeated.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from netlab.chat.limits import DEAD_AFTER, PING_AFTER
from netlab.errors import DecodeError, LocalProtocolError
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import MessageIds, Packet, PacketType, decode_all, encode, with_session
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.packets.reassembly import Output as Reassembled
from netlab.packets.reassembly import TimerFired as ReassemblyTimer
from netlab.protocols.connection import (
    DATAGRAM_FRAGMENT,
    WIRE_MESSAGE,
    Deliver,
    Dropped,
    Failed,
    PeerLeft,
    TimerFired,
    Transmit,
    encode_message,
    malformed,
    pack,
)
from netlab.protocols.handshake import Accepted, CookieArrived, Greeting, Refused
from netlab.protocols.pacing import Pacer
from netlab.protocols.stream import BYE
from netlab.units import Ns, S, format_duration

PING_AGAIN: Ns = 1 * S
"""How soon a ping is repeated, until its pong comes. Only a pong shows that the server hears us: who listens to a busy
room hears enough, and would be forgotten all the same if it said nothing."""

PING_PAYLOAD = bytes(64)
"""A ping over datagrams is larger than the error that says its session is not known (which is sent only then): so
who only listens learns of a server's restart from the next ping."""

DATAGRAM_LIMITS = ReassemblyLimits(max_message=WIRE_MESSAGE)


class DatagramArrived(msgspec.Struct, frozen=True):
    """The socket gave one datagram from the server."""

    data: bytes


class SayHello(msgspec.Struct, frozen=True):
    """Send this hello message, now or again."""

    message: bytes


class Say(msgspec.Struct, frozen=True):
    """Send these messages, in as few datagrams as they fit."""

    messages: list[bytes]


class SayBye(msgspec.Struct, frozen=True):
    """Leave."""


Event: TypeAlias = DatagramArrived | SayHello | Say | SayBye | TimerFired
Output: TypeAlias = Transmit | Deliver | CookieArrived | PeerLeft | Failed | Dropped


class DatagramClient:
    """Messages out as datagrams, datagrams in as messages. No socket, no clock.

    Args:
        hello_id: 32 random bits, the message id of every hello: only who saw the hello can answer it.
        message_id: 32 random bits, where the numbering of our messages starts.
    """

    def __init__(self, *, hello_id: int, message_id: int) -> None:
        self._greeting = Greeting(hello_id)
        self._message_ids = MessageIds(message_id)
        self._heard_at: Ns | None = None
        self._ping_at: Ns = 0
        self._over = False
        self._pacer = Pacer()
        self._reassembler = Reassembler(DATAGRAM_LIMITS)

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        if self._over:
            return None
        silence = None if self._heard_at is None else min(self._heard_at + DEAD_AFTER, self._ping_at)
        candidates = (silence, self._pacer.deadline, self._reassembler.deadline)
        return min((at for at in candidates if at is not None), default=None)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise.

        Raises:
            MessageTooBig: we were asked to say a message that does not fit `WIRE_MESSAGE`.
            LocalProtocolError: we were asked to say something before the server's ack.
        """
        if self._over:
            return []
        match event:
            case DatagramArrived(data):
                return self._datagram_arrived(data, now)
            case Say(messages):
                return self._say(messages, now)
            case SayHello(message):
                return [Transmit(self._greeting.hello(message))]
            case SayBye():
                self._over = True
                return [] if self._greeting.token is None else [Transmit(with_session(BYE, self._greeting.token))]
            case TimerFired():
                return self._time_passed(now)

    def _say(self, messages: list[bytes], now: Ns) -> list[Output]:
        if self._greeting.token is None:
            raise LocalProtocolError("nothing is said before the server's ack", rule="netlab datagram session")
        packets: list[bytes] = []
        for message in messages:
            packets += encode_message(
                message,
                message_id=self._message_ids.next(),
                max_payload=DATAGRAM_FRAGMENT,
                packet_type=PacketType.DATA,
            )
        going, dropped = self._pacer.add([with_session(d, self._greeting.token) for d in pack(packets)], now)
        outputs: list[Output] = [Transmit(datagram) for datagram in going]
        return outputs + [Dropped("send_queue_full")] * dropped

    def _datagram_arrived(self, data: bytes, now: Ns) -> list[Output]:
        try:
            packets = decode_all(data)
        except DecodeError as error:
            return [malformed(error)]
        first = packets[0]
        match self._greeting.hear(first):
            case Refused(goodbye):
                return [Deliver(goodbye)]
            case CookieArrived() | Dropped() as answer:
                return [answer]
            case Accepted() | None:
                pass
        if self._heard_at is None:
            self._ping_at = now + PING_AFTER
        self._heard_at = now
        if first.type is PacketType.DATA:
            self._greeting.establish()
        outputs: list[Output] = []
        for packet in packets:
            if self._over:
                outputs.append(Dropped("after_bye"))
            else:
                self._take(packet, now, outputs)
        return outputs

    def _take(self, packet: Packet, now: Ns, outputs: list[Output]) -> None:
        match packet.type:
            case PacketType.DATA | PacketType.ERROR if packet.count == 1:
                outputs.append(Deliver(packet.payload))
            case PacketType.DATA:
                self._collect(self._reassembler.handle(Arrived("server", packet), now), outputs)
            case PacketType.BYE:
                self._over = True
                outputs.append(PeerLeft())
            case PacketType.PONG:
                self._ping_at = now + PING_AFTER
            case PacketType.ACK:
                pass
            case _:
                outputs.append(Dropped("unexpected_type"))

    def _collect(self, results: list[Reassembled], outputs: list[Output]) -> None:
        for result in results:
            if isinstance(result, Whole):
                outputs.append(Deliver(result.message))
            else:
                outputs.append(Dropped(result.reason))

    def _time_passed(self, now: Ns) -> list[Output]:
        outputs: list[Output] = [Transmit(datagram) for datagram in self._pacer.due(now)]
        self._collect(self._reassembler.handle(ReassemblyTimer(), now), outputs)
        if self._heard_at is None or self._greeting.token is None:
            return outputs
        if now >= self._heard_at + DEAD_AFTER:
            self._over = True
            outputs.append(Failed("dead_peer", f"nothing heard for {format_duration(DEAD_AFTER)}"))
        elif now >= self._ping_at:
            self._ping_at = now + PING_AGAIN
            outputs.append(Transmit(encode(Packet(PING_PAYLOAD, type=PacketType.PING, session=self._greeting.token))))
        return outputs
