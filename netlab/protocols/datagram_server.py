"""The server's end of all sessions over one datagram socket. Read `datagram_client` first: it draws the handshake.

Nothing is kept for an address until it has sent a cookie back, and until then it is sent no more than came from it: a
datagram's source address proves nothing (RFC 9000 §8, RFC 9147 §5.1).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeAlias

import msgspec

from netlab.chat.bucket import Bucket
from netlab.chat.limits import DEAD_AFTER, RESETS
from netlab.chat.messages import Goodbye, Hello, decode_client_message, encode_json
from netlab.errors import DecodeError
from netlab.packets.limits import ReassemblyLimits
from netlab.packets.packet import SESSION_LEN, Packet, PacketType, decode_all, encode, with_session
from netlab.packets.reassembly import Arrived, Reassembler, Whole
from netlab.packets.reassembly import TimerFired as ReassemblyTimer
from netlab.protocols.connection import Dropped, TimerFired, malformed
from netlab.protocols.cookies import CookieJar
from netlab.protocols.datagram_client import DATAGRAM_LIMITS, MIN_HELLO
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


class Transmit(msgspec.Struct, frozen=True):
    """Send one datagram."""

    address: Hashable
    data: bytes


class FlowOpened(msgspec.Struct, frozen=True):
    """A hello with a good cookie came; its message follows as `Deliver`."""

    conn: int
    address: Hashable


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


class _Flow:
    """What is kept for one client, once its cookie was good."""

    __slots__ = ("address", "conn", "heard_at", "hello_id", "pacer", "token")

    def __init__(self, conn: int, address: Hashable, hello_id: int, token: bytes, now: Ns) -> None:
        self.conn = conn
        self.address = address
        self.hello_id = hello_id
        self.token = token
        self.heard_at = now
        self.pacer = Pacer()


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
        self.packets_in = 0
        self._entropy = entropy
        self._new_conn = new_conn
        self._max_flows = max_flows
        self._jar = CookieJar(entropy)
        self._flows: OrderedDict[bytes, _Flow] = OrderedDict()  # by token; who was heard last stands last
        self._by_conn: dict[int, _Flow] = {}
        self._by_hello: dict[tuple[Hashable, int], _Flow] = {}
        self._pacing: dict[int, _Flow] = {}
        self._reassembler = Reassembler(reassembly)
        self._dead_after = dead_after
        self._resets_allowed = resets
        self._resets: Bucket | None = None

    @property
    def deadline(self) -> Ns | None:
        """When to call `handle(TimerFired(), now)`, absolute ns."""
        candidates = [flow.pacer.deadline for flow in self._pacing.values()]
        candidates.append(self._reassembler.deadline)
        if self._flows:
            candidates.append(next(iter(self._flows.values())).heard_at + self._dead_after)
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
        flow = self._by_conn.get(conn)
        if flow is None:
            return []
        token = flow.token
        going, dropped = flow.pacer.add([with_session(datagram, token) for datagram in datagrams], now)
        if flow.pacer.deadline is not None:
            self._pacing[conn] = flow
        outputs: list[Output] = [Transmit(flow.address, datagram) for datagram in going]
        return outputs + [Dropped("send_queue_full")] * dropped

    def _hang_up(self, conn: int, reason: Goodbye) -> list[Output]:
        flow = self._by_conn.get(conn)
        if flow is None:
            return []
        self._forget(flow)
        error = Packet(encode_json(reason), flow.hello_id, type=PacketType.ERROR, session=flow.token)
        return [Transmit(flow.address, encode(error))]

    def _datagram_arrived(self, address: Hashable, data: bytes, now: Ns) -> list[Output]:
        try:
            packets = decode_all(data)
        except DecodeError as error:
            return [malformed(error)]
        self.packets_in += len(packets)
        first = packets[0]
        if first.session is None:
            if first.type is PacketType.HELLO and first.count == 1:
                return self._hello(address, first, now)
            return [Dropped("no_session")]
        flow = self._flows.get(first.session)
        if flow is None or flow.address != address:
            return self._reset(address, first, len(data), now)
        flow.heard_at = now
        self._flows.move_to_end(first.session)
        outputs: list[Output] = []
        for packet in packets:
            if flow.conn in self._by_conn:
                self._take(flow, packet, now, outputs)
            else:
                outputs.append(Dropped("after_bye"))
        return outputs

    def _take(self, flow: _Flow, packet: Packet, now: Ns, outputs: list[Output]) -> None:
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

    def _hello(self, address: Hashable, packet: Packet, now: Ns) -> list[Output]:
        flow = self._by_hello.get((address, packet.message_id))
        if flow is not None:  # our answer was lost, or theirs came twice
            flow.heard_at = now
            self._flows.move_to_end(flow.token)
            return [self._ack(flow), Deliver(flow.conn, packet.payload)]
        try:
            hello = decode_client_message(packet.payload)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return [Dropped("malformed_hello")]
        if not isinstance(hello, Hello):
            return [Dropped("malformed_hello")]
        if not hello.cookie:
            if len(packet.payload) < MIN_HELLO:  # the answer must not be larger than what asks for it
                return [Dropped("small_hello")]
            cookie = self._jar.bake(address, packet.message_id, now).encode("ascii")
            return [Transmit(address, encode(Packet(cookie, packet.message_id, type=PacketType.COOKIE)))]
        if not self._jar.good(hello.cookie, address, packet.message_id, now):
            return [Dropped("bad_cookie")]
        if len(self._flows) >= self._max_flows:
            full = encode_json(Goodbye("server_full"))
            error = encode(Packet(full, packet.message_id, type=PacketType.ERROR))
            return [Dropped("server_full"), Transmit(address, error)]
        flow = _Flow(self._new_conn(), address, packet.message_id, self._entropy(SESSION_LEN), now)
        self._flows[flow.token] = self._by_conn[flow.conn] = self._by_hello[address, packet.message_id] = flow
        return [FlowOpened(flow.conn, address), self._ack(flow), Deliver(flow.conn, packet.payload)]

    def _ack(self, flow: _Flow) -> Transmit:
        ack = Packet(b"", flow.hello_id, type=PacketType.ACK, session=flow.token)
        return Transmit(flow.address, encode(ack))

    def _reset(self, address: Hashable, packet: Packet, size: int, now: Ns) -> list[Output]:
        """A session we do not know: say so, unless that would make this server useful to an attacker."""
        self._resets = self._resets or Bucket(self._resets_allowed, self._resets_allowed, now)
        payload = encode_json(Goodbye("unknown_session"))
        answer = encode(Packet(payload, packet.message_id, type=PacketType.ERROR, session=packet.session))
        outputs: list[Output] = [Dropped("unknown_session")]
        if packet.type is not PacketType.ERROR and len(answer) < size and not self._resets.take(1, now):
            outputs.append(Transmit(address, answer))
        return outputs

    def _forget(self, flow: _Flow) -> None:
        del self._flows[flow.token], self._by_conn[flow.conn], self._by_hello[flow.address, flow.hello_id]
        self._pacing.pop(flow.conn, None)
        self._reassembler.forget(flow.conn)

    def _time_passed(self, now: Ns) -> list[Output]:
        outputs: list[Output] = []
        for result in self._reassembler.handle(ReassemblyTimer(), now):
            assert not isinstance(result, Whole)
            outputs.append(Dropped(result.reason))
        for conn, flow in list(self._pacing.items()):
            outputs += [Transmit(flow.address, datagram) for datagram in flow.pacer.due(now)]
            if flow.pacer.deadline is None:
                del self._pacing[conn]
        while self._flows:
            oldest = next(iter(self._flows.values()))
            if oldest.heard_at + self._dead_after > now:
                break
            self._forget(oldest)
            outputs.append(FlowEnded(oldest.conn, said=False))
        return outputs
