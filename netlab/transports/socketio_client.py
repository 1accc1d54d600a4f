"""netlab's own client over Socket.IO: Engine.IO over WebSocket from the start, and every event with its checksum.

It needs no package but `websockets`. What the events are stands in `protocols.socketio`.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

import msgspec
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from netlab.chat.client_events import Connected, Disconnected
from netlab.errors import DecodeError
from netlab.protocols import engineio, socketio, websocket
from netlab.protocols.socketio import MESSAGE_MOST
from netlab.transports.alarm import Alarm, now_ns
from netlab.transports.byte_stream import ClientConnection, prepare_socket
from netlab.transports.client_end import Callbacks
from netlab.transports.socketio_frames import TextMessages
from netlab.transports.url import Address
from netlab.transports.websocket import ClientFrames, Malformed, goodbye_in
from netlab.units import MS


class SocketIoClient(ClientConnection):
    """A client's connection over Socket.IO."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks)
        self._messages = TextMessages()
        self._silence_most = 0  # ns; over 0 when the session stands
        self._dead_at = 0
        self._answered: asyncio.Future[None] = self._loop.create_future()
        self._alarm = Alarm(self._loop, self._maybe_dead)

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection, upgrade it, and connect to the namespace; `Connected` is stepped when all stands.

        Raises:
            OSError: nobody listens there, or it can't be reached, or it speaks no Socket.IO.
        """
        url = f"{str(address).replace('sio://', 'ws://')}{socketio.PATH}?EIO=4&transport=websocket"
        self._http = ClientFrames(parse_uri(url), self._callbacks.entropy, max_size=MESSAGE_MOST)
        tcp, _ = await self._loop.create_connection(lambda: self, address.host, address.port)
        try:
            await self._answered
        except BaseException:
            tcp.abort()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        prepare_socket(self._transport)
        self._http.send_request(self._http.connect())
        self._write_due()

    # What comes

    def data_received(self, data: bytes) -> None:
        if self._http.state is State.CLOSED:
            return
        self._http.receive_data(data)
        events = self._http.events_received()
        if self._made is not None and not self._over:
            self._write_due()  # pongs
        for event in events:
            if isinstance(event, Response):
                self._response_came(event)
            elif not self._over:
                self._frame_came(cast(Frame, event))
        if not self._answered.done() and self._http.handshake_exc is not None:
            self._refused("what listens there speaks no HTTP")
        elif self._http.parser_exc is not None:
            self._lost(f"the server's frames make no sense: {self._http.parser_exc}")

    def _response_came(self, response: Response) -> None:
        if self._http.state is State.OPEN:
            return  # the packet that opens the session follows
        if (goodbye := goodbye_in(response)) is not None:
            self._callbacks.received(goodbye)
            if not self._answered.done():
                self._answered.set_result(None)
            self._transport.abort()
        else:
            self._refused(f"it does not speak Socket.IO: HTTP {response.status_code}")

    def _refused(self, detail: str) -> None:
        if not self._answered.done():
            self._answered.set_exception(ConnectionAbortedError(detail))

    def _frame_came(self, event: Frame) -> None:
        if event.opcode is Opcode.CLOSE:
            closed = self._http.close_rcvd
            self._lost(f"the server closed the connection: {closed.reason if closed else ''}".rstrip(": "))
            return
        try:
            text = self._messages.take(event)
            if text is not None:
                self._packet_came(text)
        except (Malformed, DecodeError) as error:
            self._callbacks.counters["malformed"] += 1
            self._lost(f"the server sent {error}")

    def _packet_came(self, text: bytes) -> None:
        """A packet of Engine.IO.

        Raises:
            Malformed, DecodeError: it makes no sense.
        """
        self._callbacks.counters["packets_in"] += 1
        if not self._silence_most:
            self._opened(text)
            return
        self._heard()
        if text == engineio.PING:
            self._send([engineio.PONG])
        elif text == engineio.CLOSE:
            self._lost("the server said goodbye")
        elif text[:1] == engineio.MESSAGE:
            self._message_came(text[1:])
        else:
            raise Malformed(f"{text[:20]!r}, which is no packet that belongs here")

    def _opened(self, text: bytes) -> None:
        told = _open(text)
        if told is None:
            raise Malformed(f"{text[:20]!r} instead of a session of Engine.IO")
        self._silence_most = (told.ping_interval + told.ping_timeout) * MS
        self._made = self._transport
        self._heard()
        self._send([socketio.CONNECT])

    def _heard(self) -> None:
        """The server lives: it pings, so silence is not for long."""
        self._dead_at = now_ns(self._loop) + self._silence_most
        self._alarm.set(self._dead_at)

    def _message_came(self, message: bytes) -> None:
        packet = socketio.decode_told(message)
        if isinstance(packet, socketio.Connect):
            if self._answered.done():
                raise Malformed("that it is connected, a second time")
            self._answered.set_result(None)
            self._callbacks.step(Connected())
        elif isinstance(packet, socketio.Disconnect):
            self._lost("the server said goodbye")
        else:
            self._callbacks.received(packet)

    # What goes

    def _packets(self, message: bytes, *, hello: bool) -> list[bytes]:
        return [socketio.said(message)]

    def _send(self, packets: list[bytes]) -> None:
        if self._http.state is not State.OPEN:
            return
        self._callbacks.counters["packets_out"] += len(packets)
        for text in packets:
            self._http.send_text(text)
        self._write_due()

    def _write_due(self) -> None:
        due = b"".join(self._http.data_to_send())
        if due:
            self._transport.write(due)

    # The end

    def _say_bye(self) -> None:
        self._send([socketio.DISCONNECT])
        if self._http.state is State.OPEN:
            self._http.send_close(websocket.NORMAL)
        self._write_due()

    def _maybe_dead(self) -> None:
        if now_ns(self._loop) < self._dead_at:
            self._alarm.set(self._dead_at)
        else:
            self._lost("the server has not pinged for too long")

    def _lost(self, detail: str) -> None:
        if not self._answered.done():
            self._refused(detail)
        elif not self._over:
            self._over = True
            self._transport.abort()
            self._callbacks.step(Disconnected(detail))

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.set(None)
        self._lost(str(exc) if exc else "the server closed the connection")
        self._callbacks.disconnected()


def _open(text: bytes) -> engineio.Open | None:
    """What the first packet tells; None where it is another."""
    try:
        told = msgspec.json.decode(text[1:], type=engineio.Open)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    sensible = text[:1] == engineio.OPEN and told.ping_interval > 0 and told.ping_timeout > 0
    return told if sensible else None
