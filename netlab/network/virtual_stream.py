"""A simulated TCP connection as asyncio's protocols see it: a stream transport of the virtual loop, and a server.

What a kernel would hold for a socket the machine holds here, up to `SEND_BUFFER` bytes that are not acknowledged; the
rest waits in the transport, which pauses its writer, as asyncio's own does.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from netlab.network.tcp_socket import TcpSocket
from netlab.network.tcp_stack import TcpStack
from netlab.network.virtual_endpoint import text_of
from netlab.protocols.tcp.events import Closed, Failed

if TYPE_CHECKING:
    from netlab.network.virtual_loop import VirtualLoop

SEND_BUFFER = 256 * 1024
"""Bytes that were sent and not acknowledged, or not sent yet, which TCP takes."""

HIGH_WATER = 64 * 1024
"""Bytes beyond those that make the transport pause its writer: asyncio's default."""

_ERRORS = {"refused": ConnectionRefusedError, "reset": ConnectionResetError, "timed_out": TimeoutError}
_NUMBERS = {"refused": errno.ECONNREFUSED, "reset": errno.ECONNRESET, "timed_out": errno.ETIMEDOUT}


def error_of(how: Failed) -> OSError:
    """As a socket would raise it; it names what the machine said."""
    kind = _ERRORS.get(how.code, ConnectionAbortedError)
    return kind(_NUMBERS.get(how.code, errno.ECONNABORTED), how.detail)


class VirtualStream(asyncio.Transport):
    """One simulated TCP connection. It is also the user of its `TcpSocket`.

    Args:
        waiter: is told that the connection stands, or why not; None for one that was accepted.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        waiter: asyncio.Future[None] | None = None,
    ) -> None:
        super().__init__()
        self._loop = loop
        self._make_protocol = make_protocol
        self._waiter = waiter
        self._context = copy_context()
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._writing_paused = False
        self._reading_paused = False
        self._eof_written = False
        self._closing = False
        self._lost = False
        self._made = False
        self._protocol: asyncio.Protocol
        self._socket: TcpSocket

    def attach(self, socket: TcpSocket) -> None:
        """This is the connection."""
        self._socket = socket

    # What the connection tells

    def established(self) -> None:
        """The protocol is made, and gets this transport."""
        protocol = self._make_protocol()
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol
        self._made = True
        self._call(protocol.connection_made, self)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def received(self, data: bytes) -> None:
        if not self._closing:
            self._call(self._protocol.data_received, data)

    def peer_closed(self) -> None:
        if self._closing:
            return
        try:
            stays_open = self._context.run(self._protocol.eof_received)
        except Exception as error:
            self._report(self._protocol.eof_received, error)
            return
        if not stays_open:
            self.close()

    def writable(self) -> None:
        """The peer acknowledged so much that TCP takes more."""
        self._flush()

    def over(self, how: Closed | Failed) -> None:
        error = error_of(how) if isinstance(how, Failed) and how.code != "aborted" else None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error or ConnectionAbortedError(errno.ECONNABORTED, "given up"))
        self._closing = True
        self._forget_buffer()
        self._lose(error)

    def _call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call the protocol, in the context in which the socket was opened."""
        try:
            self._context.run(callback, *args)
        except Exception as error:
            self._report(callback, error)

    def _report(self, callback: Callable[..., object], error: Exception) -> None:
        """As asyncio does: tell it, and end the connection."""
        self._loop.call_exception_handler({"message": f"exception in {callback!r}", "exception": error})
        self.abort()

    def _lose(self, error: OSError | None) -> None:
        if not self._lost:
            self._lost = True
            if self._made:
                self._loop.call_soon(self._call, self._protocol.connection_lost, error)

    # Writing

    def write(self, data: Any) -> None:
        if self._eof_written:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._lost or self._closing or not data:
            return
        self._buffer.append(bytes(data))
        self._buffered += len(data)
        self._flush()
        if self._buffered > self._high and not self._writing_paused:
            self._writing_paused = True
            self._call(self._protocol.pause_writing)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def _flush(self) -> None:
        socket = self._socket
        while self._buffer:
            room = SEND_BUFFER - socket.connection.unacknowledged
            if room <= 0:
                socket.low_water = SEND_BUFFER - SEND_BUFFER // 4  # then a good piece at once
                break
            socket.low_water = None
            data = self._buffer.popleft()
            if len(data) > room:
                self._buffer.appendleft(data[room:])
                data = data[:room]
            self._buffered -= len(data)
            socket.send(data)
        if self._writing_paused and self._buffered <= self._low:
            self._writing_paused = False
            self._call(self._protocol.resume_writing)
        if not self._buffer:
            socket.low_water = None
            if self._closing:
                self._hand_over()
            elif self._eof_written:
                socket.close()

    def _forget_buffer(self) -> None:
        self._buffer.clear()
        self._buffered = 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._eof_written and not self._closing:
            self._eof_written = True
            if not self._buffer:
                self._socket.close()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return self._buffered

    # Reading

    def pause_reading(self) -> None:
        if not self._reading_paused and not self._closing:
            self._reading_paused = True
            self._socket.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused and not self._closing:
            self._reading_paused = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self._reading_paused and not self._closing:
            self._socket.resume_reading()

    def is_reading(self) -> bool:
        return not self._reading_paused and not self._closing

    # Ending

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """After what was written has been taken; the machine then sees to it that it arrives, as a kernel does."""
        if not self._closing:
            self._closing = True
            if not self._buffer:
                self._hand_over()

    def _hand_over(self) -> None:
        if not self._lost:
            self._lose(None)
            self._socket.close(deaf=True)

    def abort(self) -> None:
        """Reset the connection: what was not sent is lost."""
        self._closing = True
        self._forget_buffer()
        if not self._socket.connection.over:
            self._socket.abort()
        self._lose(None)

    # What it is

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "sockname":
                return text_of(self._socket.local[0]), self._socket.local[1]
            case "peername":
                return text_of(self._socket.remote[0]), self._socket.remote[1]
        return default

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol


class _ListeningSocket:
    """What a server's `sockets` hold: enough to ask for the address."""

    def __init__(self, name: tuple[str, int]) -> None:
        self._name = name

    def getsockname(self) -> tuple[str, int]:
        return self._name


class VirtualServer(asyncio.AbstractServer):
    """A port of a simulated host at which connections are taken."""

    def __init__(
        self,
        loop: VirtualLoop,
        stack: TcpStack,
        address: int | None,
        port: int,
        make_protocol: Callable[[], asyncio.BaseProtocol],
        backlog: int,
    ) -> None:
        self._loop = loop
        self._stack = stack
        self._context = copy_context()
        self._make_protocol = make_protocol
        self._port = stack.listen(port, self._accept, address=address, backlog=backlog)
        self.sockets = (_ListeningSocket((text_of(stack.address if address is None else address), self._port)),)
        self._serving = True

    def _accept(self, socket: TcpSocket) -> VirtualStream:
        stream = self._context.run(VirtualStream, self._loop, self._make_protocol)
        stream.attach(socket)
        return stream

    def close(self) -> None:
        if self._serving:
            self._serving = False
            self._stack.stop_listening(self._port)

    def is_serving(self) -> bool:
        return self._serving

    async def start_serving(self) -> None:
        pass  # it does, from the beginning

    async def serve_forever(self) -> None:
        try:
            await self._loop.create_future()
        finally:
            self.close()

    async def wait_closed(self) -> None:
        pass  # connections that were taken are others' business

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop
