"""A simulated UDP socket as asyncio's protocols see it: a datagram transport of the virtual loop."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from contextvars import copy_context
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, cast

from netlab.network.hosts import MAX_DATAGRAM, CannotBind, Host

if TYPE_CHECKING:
    from netlab.network.virtual_loop import VirtualLoop


class VirtualEndpoint(asyncio.DatagramTransport):
    """One simulated UDP socket."""

    def __init__(
        self,
        loop: VirtualLoop,
        host: Host,
        local: tuple[int | None, int],
        peer: tuple[int, int] | None,
        protocol: asyncio.DatagramProtocol,
    ) -> None:
        super().__init__()
        self.protocol = protocol
        self._loop = loop
        self._peer = peer
        self._context = copy_context()
        self._closing = False
        try:
            self._port = host.bind(local[1], self._received, address=local[0])
        except CannotBind as error:
            raise OSError(errno.EADDRINUSE, str(error)) from None
        self._host = host
        self._call(protocol.connection_made, self)

    def _call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call the protocol, in the context in which the socket was opened."""
        try:
            self._context.run(callback, *args)
        except Exception as error:
            self._loop.call_exception_handler({"message": f"exception in {callback!r}", "exception": error})

    def _received(self, payload: bytes, source: int, source_port: int) -> None:
        if self._peer is None or self._peer == (source, source_port):
            self._call(self.protocol.datagram_received, payload, (text_of(source), source_port))

    def sendto(self, data: Any, addr: Any = None) -> None:
        if self._closing:
            return
        if self._peer is not None:
            if addr is not None and (self._loop.address_of(addr[0]), addr[1]) != self._peer:
                raise ValueError(f"this socket is connected, and not to {addr}")
            address, port = self._peer
        else:
            address, port = self._loop.address_of(addr[0]), addr[1]
        if len(data) > MAX_DATAGRAM:
            self._loop.call_soon(self._call, self.protocol.error_received, OSError(errno.EMSGSIZE, "Message too long"))
            return
        self._port.sendto(bytes(data), address, port)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "sockname":
                address = self._port.address
                connected = self._host.address if self._peer else 0
                return text_of(connected if address is None else address), self._port.port
            case "peername" if self._peer is not None:
                return text_of(self._peer[0]), self._peer[1]
        return default

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._port.close()
            self._loop.call_soon(self._call, self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def get_write_buffer_size(self) -> int:
        """Nothing: the link takes all, or drops it."""
        return 0

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = cast(asyncio.DatagramProtocol, protocol)


_texts: dict[int, str] = {}


def text_of(address: int) -> str:
    """An address as people write it."""
    text = _texts.get(address)
    if text is None:
        text = _texts[address] = str(IPv4Address(address))
    return text
