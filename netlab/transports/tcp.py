"""The chat over TCP, and over TLS: how it listens and connects. What it does then stands in `byte_stream`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

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
        await listen_over_tcp(self, lambda: ServerEnd(self), address, self._tls)


class TcpClient(StreamClient):
    """A client's connection over TCP or TLS."""

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection; `Connected` is stepped when it stands.

        Raises:
            OSError: nobody listens there, or it can't be reached.
        """
        await connect_over_tcp(self, address, tls)


async def listen_over_tcp(
    server: StreamServer, make_end: Callable[[], ServerEnd], address: Address, tls: ssl.SSLContext | None
) -> None:
    """Listen, and have an end made for each connection that is accepted, and whose TLS stands where there is to be one.

    Raises:
        OSError: the address is in use, or not ours.
    """
    limits = server.shell.hub.limits
    listener = await asyncio.get_running_loop().create_server(
        make_end,
        address.host,
        address.port,
        backlog=limits.accept_backlog,
        ssl=tls,
        ssl_handshake_timeout=max(limits.hello_within, 1) / S if tls else None,
    )
    host, port = listener.sockets[0].getsockname()[:2]
    server.listening(listener, address.scheme, host, port)


async def connect_over_tcp(client: StreamClient, address: Address, tls: ssl.SSLContext | None) -> asyncio.Transport:
    """Connect, and agree on TLS where there is to be one.

    Raises:
        OSError: nobody listens there, or it can't be reached, or its certificate is not what it should be.
    """
    transport, _ = await asyncio.get_running_loop().create_connection(
        lambda: client,
        address.host,
        address.port,
        ssl=tls,
        server_hostname=(address.certified or address.host) if tls else None,
        ssl_handshake_timeout=HANDSHAKE_S if tls else None,
    )
    return transport
