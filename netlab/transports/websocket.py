"""The chat over WebSocket (RFC 6455), alone or in TLS: an HTTP upgrade, then each netlab packet in a frame of its own.

The frames of the peer are read by the sans-I/O core of `websockets`. All else is as over TCP, in `byte_stream`, but for
the pings, which are WebSocket's own here: a browser answers them by itself. Deflate is off: a client could make the
server's memory grow with few bytes, and a capture would show no text.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, cast

import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Protocol, State
from websockets.server import ServerProtocol
from websockets.typing import Origin
from websockets.uri import WebSocketURI, parse_uri

from netlab.chat.client_events import Disconnected
from netlab.chat.limits import ERRORS
from netlab.chat.messages import Goodbye, encode_json
from netlab.protocols import websocket
from netlab.protocols.stream import BYE, PING, BytesArrived, GivenUp
from netlab.protocols.websocket import FRAME_MOST, KEY_LEN, close_frame, frame, frames, is_one_packet
from netlab.transports.alarm import TimeLimit
from netlab.transports.byte_stream import LINGER_S, ServerEnd, StreamClient, StreamServer
from netlab.transports.hub_shell import Batch, HubShell
from netlab.transports.tcp import connect_over_tcp, listen_over_tcp
from netlab.transports.url import Address

PING_FRAME = frame(b"", websocket.PING)


class Malformed(Exception):
    """The peer's frames are not what netlab's packets travel in."""


class Messages:
    """Whole messages out of a peer's frames (section 5.4); `kind` is the opcode of the latest."""

    kind = Opcode.BINARY

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @property
    def unfinished(self) -> bool:
        """A message has begun and goes on in another frame."""
        return bool(self._pieces)

    def take(self, event: Frame) -> bytes | None:
        """The message that this frame completes; None for a control frame and the beginning of a message."""
        if event.opcode is Opcode.PING or event.opcode is Opcode.PONG:
            return None
        if event.opcode is not Opcode.CONT:
            self.kind = event.opcode
        self._pieces.append(bytes(event.data))
        if not event.fin:
            return None
        message = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        return message


class Packets(Messages):
    """The same where each message is one packet."""

    def take(self, event: Frame) -> bytes | None:
        """As `Messages.take`.

        Raises:
            Malformed: text, no packet, or a pong to a ping that was never sent.
        """
        if event.opcode is Opcode.PONG and event.data:  # ours are empty: one flipped bit makes this of a packet
            raise Malformed("a pong that answers no ping")
        if event.opcode is Opcode.TEXT:
            raise Malformed("a frame of text: packets travel in binary frames")
        message = super().take(event)
        if message is not None and not is_one_packet(message):
            raise Malformed("a message that is not one packet")
        return message


class WebSocketServer(StreamServer):
    """Listens for WebSocket.

    Args:
        tls: a context with the server's certificate, for `wss://`.
        origins: pages that may connect, as `https://chat.example`. Browsers say which page connects, and let any page
            connect to any host: a page that is not named here gets 403. Who is no browser names no page.
    """

    def __init__(self, shell: HubShell, tls: ssl.SSLContext | None = None, origins: Sequence[str] = ()) -> None:
        super().__init__(shell)
        self._tls = tls
        self.origins: list[Origin | None] = [None, *(Origin(origin.rstrip("/")) for origin in origins)]

    async def listen(self, address: Address) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        await listen_over_tcp(self, lambda: WebSocketEnd(self), address, self._tls)


class WebSocketEnd(ServerEnd):
    """One accepted connection: counted from the first, so that a slow upgrade is bounded as a slow hello is."""

    def __init__(self, server: WebSocketServer) -> None:
        super().__init__(server)
        self._http = ServerProtocol(origins=server.origins, extensions=None, max_size=FRAME_MOST)
        self._messages: Messages = Packets()
        self._upgraded = False
        self._frame_limit = TimeLimit(
            self._loop, self._limits.started_packet, lambda: self.step(GivenUp("reassembly_timeout"))
        )

    def data_received(self, data: bytes) -> None:
        self._counters["bytes_in"] += len(data)
        if self._http.state is State.CLOSED or self._transport.is_closing():
            return
        self._http.receive_data(data)
        events = self._http.events_received()
        if self._upgraded:
            self._say_what_is_due()
        for event in events:
            if self._transport.is_closing():
                return
            if isinstance(event, Request):
                self._answer(event)
            else:
                self._frame_came(cast(Frame, event))
        if self._transport.is_closing():
            return
        if error := self._http.parser_exc:
            self.failed("too_big" if isinstance(error, PayloadTooBig) else "malformed", str(error))
        elif self._http.handshake_exc is not None:  # no HTTP at all, or too much of it
            self._refuse("malformed")
        self._watch()

    def _say_what_is_due(self) -> None:
        """Pongs, and the answer to a closing frame. What follows an error is said by `farewell`."""
        due = b"".join(self._http.data_to_send())
        if due and self._http.parser_exc is None:
            self._write(due)

    def _answer(self, request: Request) -> None:
        response = self._http.accept(request)
        del response.headers["Date"]  # the library's own clock: the hub's may be a simulated one
        response.headers["Date"] = formatdate(self._shell.wall_clock() / 1e9, usegmt=True)
        self._http.send_response(response)
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._upgraded = True
            self._say_what_is_due()
        else:
            self._refuse("foreign_origin" if response.status_code == HTTPStatus.FORBIDDEN else "no_upgrade")

    def _refuse(self, counter: str) -> None:
        self._counters[counter] += 1
        self._shell.closed(self._conn, said=False)
        self._write(b"".join(self._http.data_to_send()))
        self._close()

    def _frame_came(self, event: Frame) -> None:
        if event.opcode is Opcode.CLOSE:
            closed = self._http.close_rcvd
            self._shell.closed(self._conn, said=closed is not None and closed.code == websocket.NORMAL)
            self._close()
            return
        try:
            message = self._messages.take(event)
        except Malformed as error:
            self.failed("malformed", str(error))
            return
        if message is None:
            self.step(BytesArrived(b""))  # a sign of life
        else:
            self._frame_limit.ended()
            self.message_came(message)

    def message_came(self, message: bytes) -> None:
        """A whole message of WebSocket: one packet."""
        self.step(BytesArrived(message))

    def _watch(self) -> None:
        """A frame that began has to end in time, as a packet on a stream does."""
        self._frame_limit.watch(self._messages.unfinished or (self._upgraded and bool(self._http.reader.buffer)))

    def encoded(self, batch: Batch) -> bytes:
        return batch.frames()

    def framed(self, packet: bytes) -> bytes:
        return PING_FRAME if packet == PING else frame(packet)

    def farewell(self, reason: Goodbye, packets: list[bytes]) -> bytes:
        if self._upgraded:
            return frames(packets) + close_frame(reason.code, reason.detail)
        return goodbye_response(reason)

    def connection_lost(self, exc: Exception | None) -> None:
        self._frame_limit.watch(False)
        super().connection_lost(exc)


class ClientFrames(ClientProtocol):
    """The library's client, with its key (section 4.1) and its masks (section 5.3) from the client's entropy: so a
    simulated client repeats byte for byte.

    Args:
        max_size: of a message that may come, bytes.
    """

    def __init__(self, uri: WebSocketURI, entropy: Callable[[int], bytes], *, max_size: int) -> None:
        super().__init__(uri, max_size=max_size)
        self._entropy = entropy
        self.key = base64.b64encode(entropy(16)).decode()

    def send_frame(self, frame: Frame) -> None:
        """As the library's; every frame of a netlab client is whole, and has no extensions."""
        self.writes.append(websocket.frame(bytes(frame.data), frame.opcode, key=self._entropy(KEY_LEN)))


class WebSocketClient(StreamClient):
    """A client's connection over WebSocket."""

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection and upgrade it; `Connected` is stepped when it stands.

        Raises:
            OSError: nobody listens there, or it can't be reached, or it speaks no WebSocket.
        """
        self._http: Protocol = ClientFrames(parse_uri(f"{address}/"), self._callbacks.entropy, max_size=FRAME_MOST)
        self._messages: Messages = Packets()
        self._answered: asyncio.Future[None] = self._loop.create_future()
        tcp = await connect_over_tcp(self, address, tls)
        try:
            await self._answered
        except BaseException:
            tcp.abort()
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tcp = cast(asyncio.Transport, transport)
        client = cast(ClientProtocol, self._http)
        client.send_request(client.connect())
        self._tcp.write(b"".join(client.data_to_send()))

    def data_received(self, data: bytes) -> None:
        if self._http.state is State.CLOSED:
            return
        self._http.receive_data(data)
        events = self._http.events_received()
        if events and isinstance(events[0], Response):  # frames may follow it at once
            self._response_came(cast(Response, events.pop(0)))
        if self._made is not None and not self._over:
            self._say_what_is_due()
        for event in events:
            if not self._over:
                self._frame_came(cast(Frame, event))
        if not self._answered.done() and self._http.handshake_exc is not None:
            self._answered.set_exception(ConnectionAbortedError("what listens there speaks no HTTP"))
        elif self._http.parser_exc is not None and self._made is not None:
            self._closed(f"the server's frames make no sense: {self._http.parser_exc}")

    def _say_what_is_due(self) -> None:
        """Pongs, the answer to a closing frame, and a closing frame for what is no WebSocket."""
        if due := b"".join(self._http.data_to_send()):
            self._transport.write(due)

    def _response_came(self, response: Response) -> None:
        if self._answered.done():
            return
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS and self._http.handshake_exc is None:
            self._answered.set_result(None)
            super().connection_made(self._tcp)
        elif (goodbye := goodbye_in(response)) is not None:
            self._callbacks.received(goodbye)
            self._answered.set_result(None)
            self._tcp.abort()
        else:
            self._answered.set_exception(
                ConnectionAbortedError(f"it does not upgrade to WebSocket: HTTP {response.status_code}")
            )

    def _frame_came(self, event: Frame) -> None:
        if event.opcode is Opcode.CLOSE:
            closed = self._http.close_rcvd
            self._closed(f"the server closed the connection: {closed.reason if closed else ''}".rstrip(": "))
            return
        try:
            message = self._messages.take(event)
        except Malformed as error:
            self._http.fail(websocket.PROTOCOL_ERROR, str(error))
            self._say_what_is_due()
            self._closed(f"the server sent {error}")
            return
        if message is None:
            self._step(BytesArrived(b""))  # a sign of life
        else:
            self.message_came(message)

    def message_came(self, message: bytes) -> None:
        """A whole message of WebSocket: one packet."""
        self._step(BytesArrived(message))

    def _closed(self, detail: str) -> None:
        """Our closing frame is said: it is the server that closes the connection below (section 7.1.1)."""
        if not self._over:
            self._over = True
            self._loop.call_later(LINGER_S, self._transport.abort)
            self._callbacks.step(Disconnected(detail))

    def _put(self, packets: list[bytes]) -> None:
        if self._http.state is not State.OPEN:  # the server's closing frame came in the same read
            return
        for packet in packets:
            if packet == PING:
                self._http.send_ping(b"")
            else:
                self._http.send_binary(packet)
        self._say_what_is_due()

    def _say_bye(self) -> None:
        if self._http.state is State.OPEN:
            self._http.send_binary(BYE)
            self._http.send_close(websocket.NORMAL)
            self._say_what_is_due()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._made is not None:
            super().connection_lost(exc)
        elif not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("the server closed the connection at once"))


def goodbye_response(reason: Goodbye) -> bytes:
    """What a hub answers to the request of who is not let in."""
    body = encode_json(reason)
    head = f"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def goodbye_in(response: Response) -> bytes | None:
    """The message in such an answer; None where it is another."""
    try:
        told: dict[str, Any] = msgspec.json.decode(response.body or b"", type=dict)
        known = told["code"] in ERRORS
        return encode_json(Goodbye(told["code"], str(told.get("detail", "")))) if known else None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, KeyError, TypeError):
        return None
