"""The chat over any reliable stream of bytes: asyncio shells around `protocols.stream`. No protocol in here.

`tcp` and `reliable_udp` add how one listens and connects: both give asyncio's transports, so that the chat is the same.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections import Counter, deque
from typing import Any, Protocol, cast

from netlab.chat.client_events import Connected, Disconnected
from netlab.chat.hub_events import Backlogged, Relieved
from netlab.chat.messages import Goodbye, encode_json
from netlab.packets.endpoint import format_host_port
from netlab.packets.packet import MessageIds, PacketType
from netlab.packets.reassembly import Dropped as ReassemblyDropped
from netlab.packets.reassembly import Reassembler
from netlab.packets.reassembly import TimerFired as ReassemblyTimer
from netlab.protocols.connection import (
    STREAM_PAYLOAD,
    Deliver,
    Dropped,
    Failed,
    PeerLeft,
    TimerFired,
    Transmit,
    encode_message,
)
from netlab.protocols.stream import BYE, STREAM_LIMITS, BytesArrived, Event, Evicted, GivenUp, StreamConnection
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.client_end import Callbacks
from netlab.transports.hub_shell import SERVER_CLOSED, Batch, HubShell

LINGER_S = 2.0
"""How long what was said last may take to leave after a close, s; then the connection is reset."""

WRITTEN_AHEAD = 64 * 1024
"""What asyncio may hold for one client beside the kernel, bytes; the rest waits here, where it is shared."""

SEND_BUFFER = 256 * 1024
"""What the kernel may hold for one client, bytes: its own sizing hides the first 4 MB from the slow-consumer policy."""


class Listener(Protocol):
    """What listens, and can be told to stop."""

    def close(self) -> None:
        """Stop listening."""


class StreamServer:
    """Makes a `ServerEnd` for each connection that somebody accepts.

    Attributes:
        silence_is_seen: whatever carries the stream finds out by itself that a peer is silent.
    """

    silence_is_seen = False

    def __init__(self, shell: HubShell) -> None:
        self.shell = shell
        self.counters: Counter[str] = Counter()
        self.url = ""
        self.ends: dict[int, ServerEnd] = {}
        """The connections by number, until their transports are closed."""
        self.emptied = asyncio.Event()
        self.reassembler = Reassembler(STREAM_LIMITS)
        self._alarm = Alarm(asyncio.get_running_loop(), self._reassembly_due)
        self._listener: Listener | None = None

    def listening(self, listener: Listener, scheme: str, host: str, port: int) -> None:
        """It listens, there."""
        self._listener = listener
        self.url = f"{scheme}://{format_host_port(host, port)}"
        self.shell.counters[self.url] = self.counted

    def counted(self) -> dict[str, Any]:
        """The counters, for `netlab stats`."""
        return dict(sorted(self.counters.items()))

    def machine(self, peer: int) -> StreamConnection:
        """The machine of a new connection."""
        limits = self.shell.hub.limits
        return StreamConnection(
            now_ns(asyncio.get_running_loop()),
            reassembler=self.reassembler,
            peer=peer,
            ping_after=None if self.silence_is_seen else limits.ping_after,
            dead_after=None if self.silence_is_seen else limits.dead_after,
            started_packet=limits.started_packet,
        )

    async def close(self) -> None:
        """Stop listening, tell those who are connected, and wait until what was said to them has left (at most
        `LINGER_S`)."""
        self.shell.counters.pop(self.url, None)
        if self._listener is not None:
            self._listener.close()
        self._alarm.set(None)
        for end in list(self.ends.values()):
            end.server_closes()
        while self.ends:
            self.emptied.clear()
            await self.emptied.wait()

    def give_up(self, conn: int, reason: str) -> None:
        """The unfinished message of a connection had to go, and with it the connection."""
        if end := self.ends.get(conn):
            end.step(GivenUp(reason))

    def arm(self) -> None:
        """Wake up when the oldest unfinished message runs out."""
        self._alarm.set(self.reassembler.deadline)

    def _reassembly_due(self) -> None:
        for output in self.reassembler.handle(ReassemblyTimer(), now_ns(asyncio.get_running_loop())):
            assert isinstance(output, ReassemblyDropped)
            assert isinstance(output.peer, int)
            self.give_up(output.peer, output.reason)
        self.arm()


class ServerEnd(asyncio.Protocol):
    """One accepted connection."""

    def __init__(self, server: StreamServer) -> None:
        self._server = server
        self._shell = server.shell
        self._counters = server.counters
        self._limits = server.shell.hub.limits
        self._conn = server.shell.new_conn()
        self._loop = asyncio.get_running_loop()
        self._paused = False
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._backlogged = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITTEN_AHEAD)
        self._transport.pause_reading()
        prepare_socket(self._transport)
        self._machine = self._server.machine(self._conn)
        self._alarm = Alarm(self._loop, lambda: self.step(TimerFired()))
        self._counters["connections"] += 1
        self._server.ends[self._conn] = self
        self._shell.open(self._conn, self, reliable=True)

    def data_received(self, data: bytes) -> None:
        self._counters["bytes_in"] += len(data)
        self.step(BytesArrived(data))

    def step(self, event: Event) -> None:
        """Hand the machine an event and carry out what it asks."""
        packets = self._machine.packets_in
        outputs = self._machine.handle(event, now_ns(self._loop))
        self._counters["packets_in"] += self._machine.packets_in - packets
        for output in outputs:
            match output:
                case Deliver(message):
                    self._shell.received(self._conn, message)
                case Transmit(data):
                    self._write(self.framed(data))
                case PeerLeft():
                    self._shell.closed(self._conn, said=True)
                    self._close()
                case Failed(code, detail):
                    self.failed(code, detail)
                case Dropped(reason):
                    self._counters[reason] += 1
                case Evicted(peer, reason):
                    assert isinstance(peer, int)
                    self._server.give_up(peer, reason)
        self._alarm.set(self._machine.deadline)
        self._server.arm()

    def failed(self, code: str, detail: str) -> None:
        """The connection is of no use any more: the peer is told why."""
        self._counters[code] += 1
        self._shell.closed(self._conn, said=False)
        self.close(Goodbye(code, detail))

    def encoded(self, batch: Batch) -> bytes:
        """A batch as it stands on this stream."""
        return batch.stream()

    def framed(self, packet: bytes) -> bytes:
        """One packet as it stands on this stream."""
        return packet

    def farewell(self, reason: Goodbye, packets: list[bytes]) -> bytes:
        """The last that is said on this stream: the packets of a reason."""
        return b"".join(packets)

    def admit(self) -> None:
        self._transport.resume_reading()
        self._alarm.set(self._machine.deadline)

    def send(self, batches: list[Batch]) -> None:
        if len(batches) == 1:
            self._counters["packets_out"] += len(batches[0].messages)
            self._write(self.encoded(batches[0]))
        else:
            self._counters["packets_out"] += sum([len(batch.messages) for batch in batches])
            self._write(b"".join([self.encoded(batch) for batch in batches]))

    def _write(self, data: bytes) -> None:
        """Send, or keep: what waits is shared with all who are sent the same, and not copied for each who is slow."""
        self._counters["bytes_out"] += len(data)
        if not self._paused:
            self._transport.write(data)
            return
        self._waiting.append(data)
        self._waiting_bytes += len(data)
        if self._waiting_bytes > self._limits.backlog_hard:
            self._counters["slow_consumer"] += 1
            self._forget_waiting()
            self._transport.abort()
        elif self._waiting_bytes > self._limits.backlog_soft and not self._backlogged:
            self._backlogged = True
            self._shell.step(Backlogged(self._conn))

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_bytes = 0

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            data = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            self._transport.write(data)
        if self._backlogged and self._waiting_bytes <= self._limits.backlog_soft:
            self._backlogged = False
            self._shell.step(Relieved(self._conn))

    def server_closes(self) -> None:
        self._shell.closed(self._conn, said=True)
        self.close(SERVER_CLOSED)

    def close(self, reason: Goodbye) -> None:
        if self._transport.is_closing():
            return
        packets = encode_message(
            encode_json(reason), message_id=0, max_payload=STREAM_PAYLOAD, packet_type=PacketType.ERROR
        )
        waiting = () if self._backlogged else self._waiting
        self._transport.write(b"".join([*waiting, self.farewell(reason, packets)]))
        self._forget_waiting()
        self._close()

    def _close(self) -> None:
        self._transport.close()  # when what is on its way has left; a peer that does not read it gets so long
        self._loop.call_later(LINGER_S, self._transport.abort)

    def eof_received(self) -> None:
        return None  # the peer has said all it will: asyncio closes our side too

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.set(None)
        self._forget_waiting()
        self._server.reassembler.forget(self._conn)
        self._server.ends.pop(self._conn, None)
        self._server.emptied.set()
        self._shell.closed(self._conn, said=False)


class ClientConnection(asyncio.Protocol, ABC):
    """A client's connection, whatever its messages stand in there. Made anew for each attempt to connect."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._outbox: list[bytes] = []
        self._made: asyncio.Transport | None = None
        """What the connection is, from when something can be said on it."""

    def say(self, message: bytes, *, hello: bool) -> None:
        """Send a message; what is said within one turn of the loop goes out as one write."""
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox += self._packets(message, hello=hello)

    def _flush(self) -> None:
        outbox, self._outbox = self._outbox, []
        if not self._over:
            self._send(outbox)

    @abstractmethod
    def _packets(self, message: bytes, *, hello: bool) -> list[bytes]:
        """A message as it travels here."""

    @abstractmethod
    def _send(self, packets: list[bytes]) -> None:
        """Send what was said, as one write."""

    @abstractmethod
    def _say_bye(self) -> None:
        """The last that is said."""

    @property
    def figures(self) -> dict[str, int]:
        """What the transport has found out about its path, where it tells."""
        return {}

    def hang_up(self, *, said: bool) -> None:
        """Close: with a goodbye, after what is on its way in both directions; or at once."""
        if self._over:
            return
        if self._made is None:
            self._over = True
            self._callbacks.disconnected()
        elif said:
            self._flush()
            self._over = True
            self._say_bye()
            self._loop.call_later(LINGER_S, self._made.abort)
        else:
            self._over = True
            self._made.abort()


class StreamClient(ClientConnection):
    """A client's connection over a stream of netlab's packets.

    Attributes:
        silence_is_seen: as a server's.
    """

    silence_is_seen = False

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks)
        self._message_ids = MessageIds(int.from_bytes(callbacks.entropy(4), "big"))

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._made is not None, "nothing is said before the connection is made"
        return self._made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._made = cast(asyncio.Transport, transport)
        unwatched: dict[str, Any] = {"ping_after": None, "dead_after": None} if self.silence_is_seen else {}
        self._machine = StreamConnection(now_ns(self._loop), **unwatched)
        self._alarm = Alarm(self._loop, lambda: self._step(TimerFired()))
        if self._over:  # given up meanwhile
            self._made.abort()
            return
        prepare_socket(self._made)
        self._alarm.set(self._machine.deadline)
        self._callbacks.step(Connected())

    def data_received(self, data: bytes) -> None:
        self._step(BytesArrived(data))

    def _step(self, event: Event) -> None:
        packets = self._machine.packets_in
        for output in self._machine.handle(event, now_ns(self._loop)):
            match output:
                case Deliver(message):
                    self._callbacks.received(message)
                case Transmit(data):
                    if not self._over:  # a ping or its answer, and our side of the stream is closed
                        self._put([data])
                case PeerLeft():
                    self._lost("the server said goodbye")
                case Failed(_, detail):
                    self._lost(detail)
                case Dropped(reason):
                    self._callbacks.counters[reason] += 1
        self._callbacks.counters["packets_in"] += self._machine.packets_in - packets
        self._alarm.set(self._machine.deadline)

    def _packets(self, message: bytes, *, hello: bool) -> list[bytes]:
        packet_type = PacketType.HELLO if hello else PacketType.DATA
        return encode_message(
            message, message_id=self._message_ids.next(), max_payload=STREAM_PAYLOAD, packet_type=packet_type
        )

    def _send(self, packets: list[bytes]) -> None:
        self._callbacks.counters["packets_out"] += len(packets)
        self._put(packets)

    def _put(self, packets: list[bytes]) -> None:
        self._transport.write(b"".join(packets))

    def _say_bye(self) -> None:
        self._transport.write(BYE)
        if self._transport.can_write_eof():  # our FIN; the server's follows when it has read the goodbye
            self._transport.write_eof()

    def _lost(self, detail: str) -> None:
        if not self._over:
            self._over = True
            self._transport.abort()
            self._callbacks.step(Disconnected(detail))

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.set(None)
        if not self._over:
            self._over = True
            self._callbacks.step(Disconnected(str(exc) if exc else "the server closed the connection"))
        self._callbacks.disconnected()


def prepare_socket(transport: asyncio.Transport) -> None:
    """Bound what the kernel holds for a slow reader. (A virtual loop has no sockets, and needs nothing.)"""
    sock: Any = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
