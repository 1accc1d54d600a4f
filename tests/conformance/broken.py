"""Transports broken on purpose, each in one way. The suite must catch every one; see `test_broken.py`.

The roles of an experiment load this file in their own processes, by its path.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from zlib import crc32

import msgspec

from netlab.chat import messages as m
from netlab.chat.client import ChatClient
from netlab.chat.limits import RESUME_WINDOW, ChatLimits
from netlab.chat.sessions import Session
from netlab.conformance import SUBJECTS
from netlab.errors import ConnectionEnded, DecodeError
from netlab.packets import packet as packets
from netlab.transports import GUARANTEES, Chat, HubShell, connect, serve
from netlab.transports.client_end import Callbacks, ClientEnd
from netlab.transports.reliable_udp import ReliableClient
from netlab.transports.socketio_client import SocketIoClient
from netlab.transports.tcp import TcpClient
from netlab.transports.url import parse_url
from netlab.transports.websocket import WebSocketClient

TCP, UDP, RUDP, WS, SIO = (SUBJECTS[name] for name in ("tcp", "udp", "rudp", "ws", "sio"))

udp_declared_reliable = msgspec.structs.replace(UDP, name="udp-reliable", guarantees=GUARANTEES["tcp"])
udp_declared_lossless = msgspec.structs.replace(
    UDP, name="udp-lossless", guarantees=msgspec.structs.replace(UDP.guarantees, reliable=True)
)
tcp_declared_lossy = msgspec.structs.replace(TCP, name="tcp-lossy", guarantees=GUARANTEES["udp"])
"""Modesty is caught too: what is said to be missing must be seen missing."""


class Wrapped:
    """The callbacks of a client's end, with something between it and the machine."""

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self.counters = callbacks.counters
        self.entropy = callbacks.entropy
        self.step = callbacks.step
        self.disconnected = callbacks.disconnected

    def received(self, message: bytes) -> None:
        self._callbacks.received(message)


class Swallows(Wrapped):
    """One message in a hundred never gets through."""

    count = 0

    def received(self, message: bytes) -> None:
        Swallows.count += b'"type":"message"' in message
        if Swallows.count % 100 or b'"type":"message"' not in message:
            super().received(message)


class Swaps(Wrapped):
    """Every fiftieth message waits for the next one of its sender, and comes after it."""

    count = 0

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(callbacks)
        self._waiting: tuple[str, bytes] | None = None

    def received(self, message: bytes) -> None:
        said = msgspec.json.decode(message)
        is_message = said["type"] == "message"
        Swaps.count += is_message
        if is_message and Swaps.count % 50 == 0 and self._waiting is None:
            self._waiting = (said["name"], message)
            return
        super().received(message)
        if is_message and self._waiting is not None and said["name"] == self._waiting[0]:
            (_, late), self._waiting = self._waiting, None
            super().received(late)


class Renumbers(ChatClient):
    """Takes whatever order it gets: no check of its own stands in the way of the suite's."""

    def _room_event(self, event: m.RoomEvent) -> None:
        reliable, self.reliable = self.reliable, False
        super()._room_event(event)
        self.reliable = reliable


def connecting(
    wrap: type[Wrapped],
    machine: Callable[..., ChatClient] = Renumbers,
    end: Callable[[Callbacks], ClientEnd] = TcpClient,
) -> Callable[..., Any]:
    """A `connect` over a stream with something wrong between the connection and the machine."""

    @asynccontextmanager
    async def connect(url: str, *, name: str, reconnect: bool) -> AsyncIterator[Chat]:
        client = machine(name, reliable=True, redial_for=RESUME_WINDOW if reconnect else 0)
        chat = Chat(parse_url(url), lambda callbacks: end(wrap(callbacks)), client, entropy=secrets.token_bytes)
        try:
            await chat.open()
            yield chat
        finally:
            await chat.close()

    return connect


class ForgetsWhatWasDone:
    """A hub that, when a session resumes, has forgotten which of its operations are done: it does them again."""

    @staticmethod
    @asynccontextmanager
    async def serve(url: str, *, limits: ChatLimits) -> AsyncIterator[Any]:
        shell = HubShell(limits=limits)
        resume = shell.hub._presence.resume

        def forgetful(session: Session, *args: Any, **kwargs: Any) -> None:
            session.last_op = 0
            session.results.clear()
            resume(session, *args, **kwargs)

        shell.hub._presence.resume = forgetful  # type: ignore[method-assign]
        async with serve(url, hub=shell) as server:
            yield server
        await shell.close()


def stop_checking() -> None:
    """From now on this process takes packets whatever their CRC says: it is computed anew before it is checked."""
    decode_first = packets.decode_first

    def believing(data: bytes, start: int = 0) -> tuple[packets.Packet, int]:
        try:
            return decode_first(data, start)
        except DecodeError as error:
            if error.field != "crc":
                raise
            fields = list(packets._FIELDS.unpack_from(data, start))
            end = start + packets.HEADER_LEN + fields[3]
            payload = data[start + packets.HEADER_LEN : end]
            fields[-1] = crc32(payload, crc32(data[start : start + 16]))
            return decode_first(packets._FIELDS.pack(*fields) + payload)[0], end

    packets.decode_first = believing


def connect_deaf(url: str, *, name: str, reconnect: bool) -> Any:
    """Only when it is used, in a role's own process: whoever looks at this subject keeps the decoder."""
    stop_checking()
    return connect(url, name=name, reconnect=reconnect)


def serve_deaf(url: str, *, limits: ChatLimits) -> Any:
    stop_checking()
    return serve(url, limits=limits)


deaf_to_damage = msgspec.structs.replace(UDP, name="udp-deaf", connect=connect_deaf, serve=serve_deaf)
swallowing = msgspec.structs.replace(TCP, name="tcp-swallows", connect=connecting(Swallows))
swapping = msgspec.structs.replace(TCP, name="tcp-swaps", connect=connecting(Swaps))
ws_swallowing = msgspec.structs.replace(WS, name="ws-swallows", connect=connecting(Swallows, end=WebSocketClient))
ws_swapping = msgspec.structs.replace(WS, name="ws-swaps", connect=connecting(Swaps, end=WebSocketClient))
sio_swallowing = msgspec.structs.replace(SIO, name="sio-swallows", connect=connecting(Swallows, end=SocketIoClient))
sio_swapping = msgspec.structs.replace(SIO, name="sio-swaps", connect=connecting(Swaps, end=SocketIoClient))
rudp_swallowing = msgspec.structs.replace(RUDP, name="rudp-swallows", connect=connecting(Swallows, end=ReliableClient))
rudp_swapping = msgspec.structs.replace(RUDP, name="rudp-swaps", connect=connecting(Swaps, end=ReliableClient))
rudp_doubling = msgspec.structs.replace(RUDP, name="rudp-doubles", serve=ForgetsWhatWasDone.serve)
doubling = msgspec.structs.replace(TCP, name="tcp-doubles", serve=ForgetsWhatWasDone.serve)


class ForgetsGaps(ChatClient):
    """Swallows what the hub says about gaps."""

    def _gap(self, gap: m.Gap) -> None:
        if gap.last is not None:
            self.rooms[gap.room].last = gap.last


silent_about_gaps = msgspec.structs.replace(TCP, name="tcp-silent", connect=connecting(Wrapped, ForgetsGaps))
rudp_silent = msgspec.structs.replace(
    RUDP, name="rudp-silent", connect=connecting(Wrapped, ForgetsGaps, end=ReliableClient)
)


class SaysOk(Chat):
    """Its `emit` is a success, always."""

    async def emit(self, event: str, *args: Any, to: str | list[str], skip_self: bool = False) -> Any:
        outcome = await super().emit(event, *args, to=to, skip_self=skip_self)
        return msgspec.structs.replace(outcome, status="ok")


@asynccontextmanager
async def _connect_boasting(url: str, *, name: str, reconnect: bool) -> AsyncIterator[Chat]:
    machine = ChatClient(name, reliable=True, redial_for=RESUME_WINDOW if reconnect else 0)
    chat = SaysOk(parse_url(url), TcpClient, machine, entropy=secrets.token_bytes)
    try:
        await chat.open()
        yield chat
    finally:
        await chat.close()


boasting = msgspec.structs.replace(TCP, name="tcp-boasts", connect=_connect_boasting)


@asynccontextmanager
async def _connect_refusing(url: str, *, name: str, reconnect: bool) -> AsyncIterator[Chat]:
    raise ConnectionEnded("today not", clean=True)
    yield


refusing = msgspec.structs.replace(TCP, name="tcp-refuses", connect=_connect_refusing)
