"""Engine.IO, protocol 4: one session of a server over HTTP long-polling, over WebSocket, or over the first until the
second stands. Pure: no socket, no clock.

A packet is text: a digit that tells its type, then its data. Over polling, the packets of a request or of an answer
stand in one body with RS between them; over WebSocket each is one text frame. The server pings, and the client answers.

    0 open   1 close   2 ping   3 pong   4 message   5 upgrade   6 noop

Source: https://socket.io/docs/v4/engine-io-protocol/ (protocol 4). What its messages say stands in `socketio`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from netlab.errors import DecodeError
from netlab.packets.engineio import SEPARATOR, EnginePacket, EngineType, decode, encode
from netlab.protocols.connection import Failed, PeerLeft, TimerFired
from netlab.protocols.websocket import TEXT, frame
from netlab.units import MS, Ns, format_duration

OPEN, CLOSE, PING, PONG, MESSAGE, UPGRADE, NOOP = (encode(EnginePacket(kind)) for kind in EngineType)
PROBE = encode(EnginePacket(EngineType.PING, b"probe"))
PROBED = encode(EnginePacket(EngineType.PONG, b"probe"))

Carrier: TypeAlias = Literal["polling", "websocket"]


class Texts:
    """Packets that are to be sent, encoded once for everybody who gets them and for either way to carry them.

    Attributes:
        size: bytes of the packets, with what stands between them.
    """

    __slots__ = ("_frames", "size", "texts")

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.texts = texts
        self.size = sum(map(len, texts)) + len(texts)
        self._frames: bytes | None = None

    def frames(self) -> bytes:
        """Each in a text frame of WebSocket."""
        if self._frames is None:
            self._frames = b"".join([frame(text, TEXT) for text in self.texts])
        return self._frames


def body(said: Sequence[Texts]) -> bytes:
    """The body of an answer to a poll.

    >>> body([Texts([b"2"]), Texts([b"4a", b"4b"])])
    b'2\\x1e4a\\x1e4b'
    """
    return SEPARATOR.join([text for texts in said for text in texts.texts])


class Open(msgspec.Struct, frozen=True, rename="camel"):
    """What the first packet of a session tells. Durations are ms, sizes bytes."""

    sid: str
    upgrades: list[Carrier]
    ping_interval: int
    ping_timeout: int
    max_payload: int


def open_packet(told: Open) -> bytes:
    """The packet that opens a session.

    >>> open_packet(Open("abc", [], 15000, 15000, 1000))
    b'0{"sid":"abc","upgrades":[],"pingInterval":15000,"pingTimeout":15000,"maxPayload":1000}'
    """
    return OPEN + msgspec.json.encode(told)


class Arrived(msgspec.Struct, frozen=True):
    """A packet came. While a session that polls tries a WebSocket, both carry packets."""

    text: bytes
    over: Carrier


class Deliver(msgspec.Struct, frozen=True):
    """A whole message has come: what stands behind the `4`."""

    message: bytes


class Answer(msgspec.Struct, frozen=True):
    """Say this packet over the WebSocket that is being tried, and let the poll that waits come back with nothing: the
    client polls no more until it knows."""

    text: bytes


class Upgraded(msgspec.Struct, frozen=True):
    """From now on the WebSocket carries the session."""


class Say(msgspec.Struct, frozen=True):
    """Send this packet, as whatever else is sent."""

    text: bytes


Event: TypeAlias = Arrived | TimerFired
Output: TypeAlias = Deliver | Say | Answer | Upgraded | PeerLeft | Failed


class EngineSession:
    """A server's end of one session.

    Call `handle(what_happened, now)`, carry out the outputs, then arm one timer at `deadline`. After `Failed` or
    `PeerLeft` nothing more comes out.

    Args:
        over: what carries it at first.
        ping_interval: between the last answer and the next ping, ns.
        ping_timeout: what the answer may take, ns.
    """

    def __init__(self, over: Carrier, now: Ns, *, ping_interval: Ns, ping_timeout: Ns) -> None:
        self.over = over
        self.probing = False
        """A WebSocket is being tried."""
        self.deadline: Ns | None = now + ping_interval
        self._ping_interval, self._ping_timeout = ping_interval, ping_timeout
        self._pinged = False
        self._over = False

    def told(self, sid: str, max_payload: int) -> Open:
        """What the client is told first."""
        upgrades: list[Carrier] = ["websocket"] if self.over == "polling" else []
        return Open(sid, upgrades, self._ping_interval // MS, self._ping_timeout // MS, max_payload)

    def handle(self, event: Event, now: Ns) -> list[Output]:
        """Take in one event; what is to be done about it comes back. Packets from a peer never raise."""
        if self._over:
            return []
        if isinstance(event, TimerFired):
            return self._time_passed(now)
        if event.over != self.over:
            return self._tried(event.text)
        try:
            packet = decode(event.text)
        except DecodeError:
            return [self._malformed(event.text)]
        match packet.type, packet.data:
            case EngineType.MESSAGE, message:
                return [Deliver(message)]
            case EngineType.PONG, b"" if self._pinged:
                self._pinged, self.deadline = False, now + self._ping_interval
                return []
            case EngineType.CLOSE, b"":
                return [self._end(PeerLeft())]
            case EngineType.NOOP, b"":
                return []
        return [self._malformed(event.text)]

    def _tried(self, text: bytes) -> list[Output]:
        """Over the WebSocket of a session that still polls; or over polling behind the upgrade, which is over."""
        if self.over == "websocket":
            return [self._malformed(text)]
        if text == PROBE:
            self.probing = True
            return [Answer(PROBED)]
        if text == UPGRADE and self.probing:
            self.over, self.probing = "websocket", False
            return [Upgraded()]
        return [self._malformed(text)]

    def probe_lost(self) -> None:
        """The WebSocket that was tried is gone: polling goes on."""
        self.probing = False

    def _time_passed(self, now: Ns) -> list[Output]:
        if self.deadline is None or now < self.deadline:
            return []
        if self._pinged:
            return [self._end(Failed("dead_peer", f"a ping had no answer in {format_duration(self._ping_timeout)}"))]
        self._pinged, self.deadline = True, now + self._ping_timeout
        return [Say(PING)]

    def _malformed(self, text: bytes) -> Output:
        return self._end(Failed("malformed", f"no packet of Engine.IO that belongs here: {text[:20]!r}"))

    def _end(self, output: Output) -> Output:
        self._over, self.deadline = True, None
        return output
