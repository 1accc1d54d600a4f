"""Connections to a Socket.IO server: TCP, and on it either HTTP requests that poll, or a WebSocket.

The first request tells which. Requests are answered in `engineio_polling`, frames are read by the sans-I/O core of
`websockets`, as in `websocket`. Whoever comes waits at the hub's door like everybody else, until it is known who it is:
a new client, or one that is in already and polls over one more connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import cast

from aiohttp.web_protocol import RequestHandler
from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin

from netlab.chat.messages import Goodbye
from netlab.packets.http1 import HEAD_END
from netlab.protocols import websocket
from netlab.protocols.socketio import MESSAGE_MOST
from netlab.protocols.websocket import close_frame
from netlab.transports.alarm import TimeLimit
from netlab.transports.byte_stream import LINGER_S, WRITTEN_AHEAD, prepare_socket
from netlab.transports.engineio_polling import Polling
from netlab.transports.engineio_requests import Wrong, asked
from netlab.transports.socketio_frames import TextMessages
from netlab.transports.socketio_session import Sessions, SocketIoSession
from netlab.transports.websocket import Malformed, goodbye_response
from netlab.units import S

HEAD_MOST = 16 * 1024
"""The largest head of the request that tells what a connection is, bytes."""


class Visitors:
    """All connections of a server.

    Args:
        origins: of pages that may connect.
    """

    def __init__(self, sessions: Sessions, origins: Sequence[str]) -> None:
        self.sessions = sessions
        self.limits = sessions.limits
        self.origins: list[Origin | None] = [None, *(Origin(origin) for origin in origins)]
        self.here: set[Visitor] = set()
        self.polling = Polling(sessions, self.origins)
        self._emptied = asyncio.Event()

    def arrive(self) -> Visitor:
        """Somebody connects."""
        return Visitor(self)

    def gone(self, visitor: Visitor) -> None:
        """One is gone."""
        self.here.discard(visitor)
        self._emptied.set()

    async def leave(self) -> None:
        """Close every connection, when what was said on it has left."""
        for visitor in list(self.here):
            visitor.close()
        while self.here:
            self._emptied.clear()
            await self._emptied.wait()


class Visitor(asyncio.Protocol):
    """One TCP connection.

    Attributes:
        session: the one that it carries, as a WebSocket or as long as it is at the door.
        paused: what was written has not left.
        busy: a request is being answered.
    """

    def __init__(self, visitors: Visitors) -> None:
        self._visitors = visitors
        self._counters = visitors.sessions.counters
        self._limits = visitors.limits
        self._loop = asyncio.get_running_loop()
        self.session: SocketIoSession | None = None
        self.paused = False
        self.busy = False
        self._head = b""
        self._requests: RequestHandler | None = None
        self._frames: ServerProtocol | None = None
        self._texts = TextMessages()
        self._frame_limit = TimeLimit(
            self._loop,
            self._limits.started_packet,
            lambda: self._failed("packet_timeout", "a frame began and did not end in time"),
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITTEN_AHEAD)
        self._transport.pause_reading()
        prepare_socket(self._transport)
        self._visitors.here.add(self)
        self.arrive_again()

    def arrive_again(self) -> SocketIoSession:
        """Wait at the door: as a new client, until it is known who it is."""
        self.session = SocketIoSession(self._visitors.sessions, self)
        self.session.arrive()
        return self.session

    def known(self) -> None:
        """It was a request of somebody who is in."""
        if self.session is not None:
            self.session.leave_door()
            self.session = None

    def admit(self) -> None:
        """The hub says: read."""
        self._transport.resume_reading()

    def refuse(self, reason: Goodbye) -> None:
        """The hub says: no. Where it is full, somebody who is in may still have come, to poll."""
        crowd = self._limits.connections + self._limits.half_open
        if reason.code == "server_full" and self._requests is None and len(self._visitors.here) <= crowd:
            self._transport.resume_reading()
            self._loop.call_later(self._limits.hello_within / S, self._say_no, reason)
        else:
            self._say_no(reason)

    def _say_no(self, reason: Goodbye) -> None:
        if self.session is None or self._transport.is_closing():
            return
        if self._requests is None:
            self._transport.write(goodbye_response(reason))
        if not self.busy:  # else the answer to the request says it
            self.close()

    # What comes

    def data_received(self, data: bytes) -> None:
        self._counters["bytes_in"] += len(data)
        if self._transport.is_closing():
            return
        if self._frames is not None:
            self._frames_came(data)
        elif self._requests is not None:
            self._requests.data_received(data)
        else:
            self._head += data
            self._maybe_decide()

    def _maybe_decide(self) -> None:
        """The head of the first request tells whether this is a WebSocket."""
        head, end, _ = self._head.partition(HEAD_END)
        if not end and len(head) <= HEAD_MOST:
            return
        if b"\r\nupgrade: websocket" in head.lower():
            self._frames = ServerProtocol(origins=self._visitors.origins, extensions=None, max_size=MESSAGE_MOST)
            self._frames_came(self._head)
        else:
            self._requests = self._visitors.polling.requests()
            self._requests.connection_made(self._transport)
            self._requests.data_received(self._head)
        self._head = b""

    def _frames_came(self, data: bytes) -> None:
        frames = self._frames
        assert frames is not None
        if frames.state is State.CLOSED:
            return
        frames.receive_data(data)
        events = frames.events_received()
        if frames.state is not State.CONNECTING and frames.parser_exc is None:
            self._due(frames)
        for event in events:
            if self._transport.is_closing():
                return
            if isinstance(event, Request):
                self._upgrade(frames, event)
            else:
                self._frame_came(cast(Frame, event))
        if self._transport.is_closing():
            return
        if error := frames.parser_exc:
            self._failed("too_big" if isinstance(error, PayloadTooBig) else "malformed", str(error))
        elif frames.handshake_exc is not None:
            self._turn_away("malformed", b"".join(frames.data_to_send()))
        self._watch()

    def _due(self, frames: ServerProtocol) -> None:
        """Pongs, and the answer to a closing frame: bounded as all that is said is."""
        due = b"".join(frames.data_to_send())
        if not due:
            return
        self._counters["bytes_out"] += len(due)
        if self._transport.get_write_buffer_size() > self._limits.backlog_soft:
            self._counters["slow_consumer"] += 1
            self._transport.abort()
        else:
            self._transport.write(due)

    def _upgrade(self, frames: ServerProtocol, request: Request) -> None:
        try:
            at = asked(request.path)
            if at.over != "websocket":
                raise Wrong("request")
            session = None if at.sid is None else self._visitors.sessions.by_sid.get(at.sid)
            if at.sid is not None and session is None:
                raise Wrong("sid", "unknown_session")
        except Wrong as wrong:
            self._reject(frames, wrong)
            return
        response = frames.accept(request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            frames.send_response(response)
            foreign = response.status_code == HTTPStatus.FORBIDDEN
            self._turn_away("foreign_origin" if foreign else "no_upgrade", b"".join(frames.data_to_send()))
            return
        new = self.session
        assert new is not None, "whoever speaks WebSocket comes from the door"
        if session is not None:
            self.known()
            if not session.try_websocket(self):
                self._reject(frames, Wrong("request"))
                return
            self.session = session
        elif new.refused is not None:
            self._say_no(new.refused)
            return
        frames.send_response(response)
        self._transport.write(b"".join(frames.data_to_send()))
        if session is None:
            self.write(websocket.frame(new.open("websocket"), websocket.TEXT))

    def _reject(self, frames: ServerProtocol, wrong: Wrong) -> None:
        frames.send_response(frames.reject(wrong.status, wrong.body.decode()))
        self._turn_away(wrong.counter, b"".join(frames.data_to_send()))

    def _turn_away(self, counter: str, answer: bytes) -> None:
        self._counters[counter] += 1
        self.known()
        self._transport.write(answer)
        self.close()

    def _frame_came(self, event: Frame) -> None:
        assert self.session is not None
        if event.opcode is Opcode.CLOSE:
            self._lost()
            self.close()
            return
        try:
            text = self._texts.take(event)
        except Malformed as error:
            self._failed("malformed", str(error))
            return
        self._frame_limit.ended()
        if text is not None:
            self.session.arrived(text, "websocket")

    def _failed(self, code: str, detail: str) -> None:
        """What came over the WebSocket makes no sense. One that is only tried beside the polling ends alone."""
        if self.session is None or not self.session.carried_by(self):
            self._counters[code] += 1
            self._lost()
            self.close()
        else:
            self.session.failed(code, detail)

    def _watch(self) -> None:
        """A frame that began has to end in time."""
        frames = self._frames
        assert frames is not None
        self._frame_limit.watch(self._texts.unfinished or (frames.state is State.OPEN and bool(frames.reader.buffer)))

    # What goes

    def write(self, data: bytes) -> None:
        """Send frames."""
        self._transport.write(data)

    def say_last(self, data: bytes, reason: Goodbye) -> None:
        """Send frames and the closing one, and close."""
        if not self._transport.is_closing():
            self._transport.write(data + close_frame(reason.code, reason.detail))
            self.close()

    def pause_writing(self) -> None:
        self.paused = True
        if self._requests is not None:
            self._requests.pause_writing()

    def resume_writing(self) -> None:
        self.paused = False
        if self._requests is not None:
            self._requests.resume_writing()
        elif self.session is not None:
            self.session.relieve()

    # The end

    def close(self) -> None:
        """Close, when what was written has left; a peer that does not read it gets so long."""
        if self.busy and self._requests is not None:
            self._requests.close()  # behind the answer
        else:
            self._transport.close()
        self._loop.call_later(LINGER_S, self._transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def eof_received(self) -> None:
        return None  # the peer has said all it will: asyncio closes our side too

    def connection_lost(self, exc: Exception | None) -> None:
        self._frame_limit.watch(False)
        self._lost()
        if self._requests is not None:
            self._requests.connection_lost(exc)
        self._visitors.gone(self)

    def _lost(self) -> None:
        if self.session is not None:
            self.session.lost(self)
            self.session = None
