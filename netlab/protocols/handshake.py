"""How a session over datagrams begins: one handshake for best effort (udp) and for reliable datagrams (rudp).

    client                                     server
      hello (padded)            ->
                                <-             cookie: nothing is kept yet
      hello with the cookie     ->
                                <-             ack with the session token
      each datagram with the token  <->  likewise

A datagram's source address proves nothing: nothing is kept for one until it has sent a cookie back, and until then it
is sent no more than came from it (RFC 9147 §5.1; RFC 9000 §8 would allow three times as much).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeAlias

import msgspec

from netlab.chat.bucket import Bucket
from netlab.chat.limits import HELLO_EVERY, HELLO_FOR, RESETS
from netlab.chat.messages import Goodbye, Hello, decode_client_message, encode_json
from netlab.errors import DecodeError
from netlab.packets.packet import SESSION_LEN, Packet, PacketType, decode_all, encode
from netlab.protocols.connection import Dropped, Failed, TimerFired, malformed
from netlab.protocols.cookies import COOKIE_LEN, CookieJar
from netlab.units import Ns, format_duration

MIN_HELLO = COOKIE_LEN
"""Payload of the smallest hello, bytes: no smaller than that of the cookie that answers it."""

MAX_COOKIE = 255
"""Payload of the largest cookie that is sent back, bytes (RFC 6347 §4.2.1): it goes into a hello of one packet."""


class CookieArrived(msgspec.Struct, frozen=True):
    """The server asks for the hello again, with this cookie in it."""

    cookie: str


class Accepted(msgspec.Struct, frozen=True):
    """The server has taken the hello: the session has this token."""

    token: bytes


class Refused(msgspec.Struct, frozen=True):
    """The server does not take the hello; its goodbye says why."""

    goodbye: bytes


class Greeting:
    """The client's side.

    Args:
        hello_id: 32 random bits, the message id of every hello: only who saw the hello can answer it.

    Attributes:
        token: of the session, once the server has given one.
    """

    def __init__(self, hello_id: int) -> None:
        self.token: bytes | None = None
        self._hello_id = hello_id
        self._established = False

    def hello(self, message: bytes) -> bytes:
        """The datagram that says hello."""
        padded = message.ljust(MIN_HELLO)  # JSON may be followed by spaces (RFC 8259 §2)
        return encode(Packet(padded, self._hello_id, type=PacketType.HELLO))

    def hear(self, first: Packet) -> CookieArrived | Accepted | Refused | Dropped | None:
        """What the first packet of a datagram answers to our hello; None where it is no answer. `Dropped` where it
        belongs to no session of ours."""
        if first.message_id == self._hello_id and not self._established:
            match first.type:
                case PacketType.COOKIE if self.token is None:
                    if not 1 <= len(first.payload) <= MAX_COOKIE or not first.payload.isascii():
                        return Dropped("malformed_cookie")
                    return CookieArrived(first.payload.decode("ascii"))
                case PacketType.ACK if first.session is not None:
                    self.token = first.session  # the latest: a hello that was refused and repeated gets another
                    return Accepted(self.token)
                case PacketType.ERROR:
                    return Refused(first.payload)
        if self.token is None or first.session != self.token:
            return Dropped("unknown_session")
        return None

    def establish(self) -> None:
        """The peer has spoken under the token: from now on no answer to a hello changes it."""
        self._established = True


class Transmit(msgspec.Struct, frozen=True):
    """Send one datagram."""

    address: Hashable
    data: bytes


class FlowOpened(msgspec.Struct, frozen=True):
    """A hello with a good cookie came."""

    conn: int
    address: Hashable
    token: bytes


class Greeted(msgspec.Struct, frozen=True):
    """A hello came over an open flow: the one that opened it, or that one again."""

    conn: int
    message: bytes


class Flow:
    """What is kept for one client, once its cookie was good."""

    __slots__ = ("address", "conn", "heard_at", "hello_id", "token")

    def __init__(self, conn: int, address: Hashable, hello_id: int, token: bytes, now: Ns) -> None:
        self.conn = conn
        self.address = address
        self.hello_id = hello_id
        self.token = token
        self.heard_at = now


Output: TypeAlias = Transmit | FlowOpened | Greeted | Dropped


class Door:
    """The server's side: lets in who brings its cookie back, and knows everybody by token and address.

    Args:
        entropy: `entropy(n)` gives n bytes that can't be guessed: the cookies' key and the session tokens.
        new_conn: gives the next connection's number.
        max_flows: connections at most; who comes then is told `server_full`.
        resets: errors to unknown peers, a second and at once; and only where smaller than what caused them.

    Attributes:
        flows: by token; who was heard last stands last.
        packets_in: packets that came, in whole datagrams.
    """

    def __init__(
        self,
        *,
        entropy: Callable[[int], bytes],
        new_conn: Callable[[], int],
        max_flows: int,
        resets: int = RESETS,
    ) -> None:
        self.packets_in = 0
        self.flows: OrderedDict[bytes, Flow] = OrderedDict()
        self._entropy = entropy
        self._new_conn = new_conn
        self._max_flows = max_flows
        self._jar = CookieJar(entropy)
        self._by_conn: dict[int, Flow] = {}
        self._by_hello: dict[tuple[Hashable, int], Flow] = {}
        self._resets_allowed = resets
        self._resets: Bucket | None = None

    def flow(self, conn: int) -> Flow | None:
        """The flow of a connection, while there is one."""
        return self._by_conn.get(conn)

    def enter(self, address: Hashable, data: bytes, now: Ns) -> tuple[Flow | None, list[Packet], list[Output]]:
        """A datagram came: the packets that it brings an open flow, or else what is to be done about it."""
        try:
            packets = decode_all(data)
        except DecodeError as error:
            return None, [], [malformed(error)]
        self.packets_in += len(packets)
        first = packets[0]
        if first.session is None:
            hello = first.type is PacketType.HELLO and first.count == 1
            return None, [], self._hello(address, first, now) if hello else [Dropped("no_session")]
        flow = self.flows.get(first.session)
        if flow is None or flow.address != address:
            return None, [], self._reset(address, first, len(data), now)
        flow.heard_at = now
        self.flows.move_to_end(first.session)
        return flow, packets, []

    def _hello(self, address: Hashable, packet: Packet, now: Ns) -> list[Output]:
        flow = self._by_hello.get((address, packet.message_id))
        if flow is not None:  # our answer was lost, or theirs came twice
            flow.heard_at = now
            self.flows.move_to_end(flow.token)
            return [_ack(flow), Greeted(flow.conn, packet.payload)]
        try:
            hello = decode_client_message(packet.payload)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return [Dropped("malformed_hello")]
        if not isinstance(hello, Hello):
            return [Dropped("malformed_hello")]
        good = bool(hello.cookie) and self._jar.good(hello.cookie, address, packet.message_id, now)
        if not good:
            # An invalid cookie is taken as none: it may be too old, or the client's address has changed under it
            # (RFC 6347 §4.2.1).
            outputs: list[Output] = [Dropped("bad_cookie")] if hello.cookie else []
            if len(packet.payload) < MIN_HELLO:  # the answer must not be larger than what asks for it
                return [*outputs, Dropped("small_hello")]
            cookie = self._jar.bake(address, packet.message_id, now).encode("ascii")
            return [*outputs, Transmit(address, encode(Packet(cookie, packet.message_id, type=PacketType.COOKIE)))]
        if len(self.flows) >= self._max_flows:
            full = encode_json(Goodbye("server_full"))
            error = encode(Packet(full, packet.message_id, type=PacketType.ERROR))
            return [Dropped("server_full"), Transmit(address, error)]
        flow = Flow(self._new_conn(), address, packet.message_id, self._entropy(SESSION_LEN), now)
        self.flows[flow.token] = self._by_conn[flow.conn] = self._by_hello[address, packet.message_id] = flow
        return [FlowOpened(flow.conn, address, flow.token), _ack(flow), Greeted(flow.conn, packet.payload)]

    def _reset(self, address: Hashable, packet: Packet, size: int, now: Ns) -> list[Output]:
        """A session we do not know: say so, unless that would make this server useful to an attacker. To a segment of
        rudp, which may be hardly longer than its header, the answer is the shortest there is: a bye (a stateless reset,
        RFC 9000 §10.3)."""
        self._resets = self._resets or Bucket(self._resets_allowed, self._resets_allowed, now)
        if packet.type is PacketType.SEGMENT:
            answer = encode(Packet(type=PacketType.BYE, session=packet.session))
        else:
            payload = encode_json(Goodbye("unknown_session"))
            answer = encode(Packet(payload, packet.message_id, type=PacketType.ERROR, session=packet.session))
        outputs: list[Output] = [Dropped("unknown_session")]
        if packet.type is not PacketType.ERROR and len(answer) < size and not self._resets.take(1, now):
            outputs.append(Transmit(address, answer))
        return outputs

    def hang_up(self, flow: Flow, reason: Goodbye) -> Transmit:
        """Forget a flow, and tell it why."""
        self.forget(flow)
        error = Packet(encode_json(reason), flow.hello_id, type=PacketType.ERROR, session=flow.token)
        return Transmit(flow.address, encode(error))

    def forget(self, flow: Flow) -> None:
        """A flow is over."""
        del self.flows[flow.token], self._by_conn[flow.conn], self._by_hello[flow.address, flow.hello_id]


def _ack(flow: Flow) -> Transmit:
    return Transmit(flow.address, encode(Packet(b"", flow.hello_id, type=PacketType.ACK, session=flow.token)))


class DatagramArrived(msgspec.Struct, frozen=True):
    """The socket gave one datagram from the server."""

    data: bytes


class Say(msgspec.Struct, frozen=True):
    """Send one datagram to the server."""

    data: bytes


class Dialling:
    """A client's handshake where nobody above repeats its hellos: it does so itself, until the server has answered.

    Call `handle(what_happened, now)`, `TimerFired` first, and arm one timer at `deadline`. It is over after `Accepted`,
    `Refused` or `Failed`.
    """

    def __init__(self, hello_id: int, now: Ns) -> None:
        self.deadline: Ns | None = now
        self._greeting = Greeting(hello_id)
        self._cookie = ""
        self._until = now + HELLO_FOR

    def handle(self, event: DatagramArrived | TimerFired, now: Ns) -> list[Say | Accepted | Refused | Failed | Dropped]:
        """Take in one event; what is to be done about it comes back. Bytes from a peer never raise."""
        if self.deadline is None:
            return []
        if isinstance(event, DatagramArrived):
            return self._datagram_arrived(event.data, now)
        if now >= self._until:
            self.deadline = None
            return [Failed("dead_peer", f"no answer within {format_duration(HELLO_FOR)}")]
        return self._say_hello(now) if now >= self.deadline else []

    def _say_hello(self, now: Ns) -> list[Say | Accepted | Refused | Failed | Dropped]:
        self.deadline = min(now + HELLO_EVERY, self._until)
        return [Say(self._greeting.hello(encode_json(Hello(name="", cookie=self._cookie))))]

    def _datagram_arrived(self, data: bytes, now: Ns) -> list[Say | Accepted | Refused | Failed | Dropped]:
        try:
            first = decode_all(data)[0]
        except DecodeError as error:
            return [malformed(error)]
        match self._greeting.hear(first):
            case CookieArrived(cookie):
                self._cookie = cookie
                return self._say_hello(now)
            case Accepted() | Refused() as answer:
                self.deadline = None
                return [answer]
            case Dropped() as dropped:
                return [dropped]
        return []
