"""The server's end of all sessions over one datagram socket, best effort. Read `handshake` first."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeAlias

import msgspec

from netlab.chat.limits import DEAD_AFTER, RESETS
from netlab.chat.messages import Goodbye
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import Packet, PacketType, with_session
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.packets.reassembly import TimerFired as ReassemblyTimer
from netlab.protocols.connection import Dropped, TimerFired
from netlab.protocols.datagram_client import DATAGRAM_LIMITS
from netlab.protocols.handshake import Door, Flow, FlowOpened, Greeted, Transmit
from netlab.protocols.pacing import Pacer
from netlab.protocols.stream import PONG
from netlab.units import Ns


class DatagramArrived(msgspec.Struct, frozen=True):
    """The socket gave one datagram."""

    address: Hashable
    data: bytes


class Say(msgspec.Struct, frozen=True):
    """Send datagrams of encoded packets, still without the session token, to one connection."""

    conn: int
    datagrams: list[bytes]


class Hangup(msgspec.Struct, frozen=True):
    """Tell one connection why it ends, and forget it."""

    conn: int
    reason: Goodbye


class Deliver(msgspec.Struct, frozen=True):
    """A whole message has come over a connection."""

    conn: int
    message: bytes


class FlowEnded(msgspec.Struct, frozen=True):
    """A connection is over: the peer said so, or was not heard for too long."""

    conn: int
    said: bool


Event: TypeAlias = DatagramArrived | Say | Hangup | TimerFired
Output: TypeAlias = Transmit | FlowOpened | Deliver | FlowEnded | Dropped


class DatagramServer:
    """All clients of one socket. No socket, no clock.

    Args:
        entropy: `entropy(n)` gives n bytes that can't be guessed: the cookies' key and the session tokens.
        new_conn: gives the next connection's number.
        max_flows: connections at most; who comes then is told `server_full`.
        reassembly: the bounds of messages in several datagrams.
        dead_after: silence after which a client is taken for dead, ns.
        resets: errors to unknown peers, a second and at once; and only where smaller than what caused them.
    """

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        new_conn: Callable[[], int],
        max_flows: int,
        reassembly: ReassemblyLimits = DATAGRAM_LIMITS,
        dead_after: Ns = DEAD_AFTER,
        resets: int = RESETS,
    ) -> None:
        self._door = Door(entropy=entropy, new_conn=new_conn, max_flows=max_flows, resets=resets)
        self._pacers: dict[int, Pacer] = {}
        self._pacing: dict[int, Flow] = {}
        self._reassembler = Reassembler(reassembly)
        self._dead_after = dead_after

    @property
    def packets_in(self) -> int:
        """Packets that came, in whole datagrams."""
        return self._door.packets_in

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        candidates = [self._pacers[conn].deadline for conn in self._pacing]
        candidates.append(self._reassembler.deadline)
        if self._door.flows:
            candidates.append(next(iter(self._door.flows.values())).heard_at + self._dead_after)
        return min((at for at in candidates if at is not None), default=None)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        match event:
            case DatagramArrived(address, data):
                return self._datagram_arrived(address, data, now)
            case Say(conn, datagrams):
                return self._say(conn, datagrams, now)
            case Hangup(conn, reason):
                return self._hang_up(conn, reason)
            case TimerFired():
                return self._time_passed(now)

    def _say(self, conn: int, datagrams: list[bytes], now: Ns) -> list[Output]:
        flow = self._door.flow(conn)
        if flow is None:
            return []
        token, pacer = flow.token, self._pacers[conn]
        going, dropped = pacer.add([with_session(datagram, token) for datagram in datagrams], now)
        if pacer.deadline is not None:
            self._pacing[conn] = flow
        outputs: list[Output] = [Transmit(flow.address, datagram) for datagram in going]
        return outputs + [Dropped("send_queue_full")] * dropped

    def _hang_up(self, conn: int, reason: Goodbye) -> list[Output]:
        flow = self._door.flow(conn)
        if flow is None:
            return []
        self._clear(conn)
        return [self._door.hang_up(flow, reason)]

    def _datagram_arrived(self, address: Hashable, data: bytes, now: Ns) -> list[Output]:
        flow, packets, done = self._door.enter(address, data, now)
        outputs: list[Output] = []
        for output in done:
            if isinstance(output, Greeted):
                outputs.append(Deliver(output.conn, output.message))
                continue
            outputs.append(output)
            if isinstance(output, FlowOpened):
                self._pacers[output.conn] = Pacer()
        if flow is not None:
            for packet in packets:
                if flow.conn in self._pacers:
                    self._take(flow, packet, now, outputs)
                else:
                    outputs.append(Dropped("after_bye"))
        return outputs

    def _take(self, flow: Flow, packet: Packet, now: Ns, outputs: list[Output]) -> None:
        match packet.type:
            case PacketType.DATA if packet.count == 1:
                outputs.append(Deliver(flow.conn, packet.payload))
            case PacketType.DATA:
                for result in self._reassembler.handle(Arrived(flow.conn, packet), now):
                    outputs.append(
                        Deliver(flow.conn, result.message) if isinstance(result, Whole) else Dropped(result.reason)
                    )
            case PacketType.PING:
                outputs.append(Transmit(flow.address, with_session(PONG, flow.token)))
            case PacketType.BYE:
                self._forget(flow)
                outputs.append(FlowEnded(flow.conn, said=True))
            case PacketType.PONG | PacketType.ACK:
                pass
            case _:
                outputs.append(Dropped("unexpected_type"))

    def _forget(self, flow: Flow) -> None:
        self._door.forget(flow)
        self._clear(flow.conn)

    def _clear(self, conn: int) -> None:
        del self._pacers[conn]
        self._pacing.pop(conn, None)
        self._reassembler.forget(conn)

    def _time_passed(self, now: Ns) -> list[Output]:
        outputs: list[Output] = []
        for result in self._reassembler.handle(ReassemblyTimer(), now):
            assert not isinstance(result, Whole)
            outputs.append(Dropped(result.reason))
        for conn, flow in list(self._pacing.items()):
            pacer = self._pacers[conn]
            outputs += [Transmit(flow.address, datagram) for datagram in pacer.due(now)]
            if pacer.deadline is None:
                del self._pacing[conn]
        while self._door.flows:
            oldest = next(iter(self._door.flows.values()))
            if oldest.heard_at + self._dead_after > now:
                break
            self._forget(oldest)
            outputs.append(FlowEnded(oldest.conn, said=False))
        return outputs
