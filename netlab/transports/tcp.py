"""The chat over TCP, and over TLS: how it listens and connects. What it does then stands in `byte_stream`."""

from __future__ import annotations

import asyncio
import ssl

from netlab.transports.byte_stream import ServerEnd, StreamClient, StreamServer
from netlab.transports.hub_shell import HubShell
from netlab.transports.url import Address
from netlab.units import S

HANDSHAKE_S = 5.0
"""How long a TLS handshake may take a client, s. A server's limit is `hello_within`."""


class TcpServer(StreamServer):
    """Listens for TCP, or for TLS with a context that has the server's certificate."""

    def __init__(self, shell: HubShell, tls: ssl.SSLContext | None) -> None:
        super().__init__(shell)
        self._tls = tls

    async def listen(self, address: Address) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        loop, limits = asyncio.get_running_loop(), self.shell.hub.limits
        server = await loop.create_server(
            lambda: ServerEnd(self),
            address.host,
            address.port,
            backlog=limits.accept_backlog,
            ssl=self._tls,
            ssl_handshake_timeout=max(limits.hello_within, 1) / S if self._tls else None,
        )
        host, port = server.sockets[0].getsockname()[:2]
        self.listening(server, "tls" if self._tls else "tcp", host, port)


class TcpClient(StreamClient):
    """A client's connection over TCP or TLS."""

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection; `Connected` is stepped when it stands.

        Raises:
            OSError: nobody listens there, or it can't be reached.
        """
        hostname = (address.certified or address.host) if tls else None
        await self._loop.create_connection(
            lambda: self,
            address.host,
            address.port,
            ssl=tls,
            server_hostname=hostname,
            ssl_handshake_timeout=HANDSHAKE_S if tls else None,
        )
