"""`connect` and `serve`: a URL chooses the transport."""

from __future__ import annotations

import errno
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from netlab.chat.client import ChatClient
from netlab.chat.limits import RESUME_WINDOW, ChatLimits
from netlab.errors import NetlabError
from netlab.packets.limits import ReassemblyLimits
from netlab.protocols.datagram_client import DATAGRAM_LIMITS
from netlab.transports.client_end import Callbacks, ClientEnd
from netlab.transports.client_shell import Chat
from netlab.transports.guarantees import GUARANTEES
from netlab.transports.hub_shell import HubShell
from netlab.transports.reliable_udp import ReliableClient, ReliableServer
from netlab.transports.tcp import TcpClient, TcpServer
from netlab.transports.udp import UdpClient, UdpServer
from netlab.transports.url import BadUrl, parse_url

if TYPE_CHECKING:
    from netlab.transports.socketio import SocketIoServer
    from netlab.transports.websocket import WebSocketServer

_CLIENT_ENDS: dict[str, Callable[[Callbacks], ClientEnd]] = {
    "tcp": TcpClient,
    "tls": TcpClient,
    "udp": UdpClient,
    "rudp": ReliableClient,
}

Server: TypeAlias = "TcpServer | UdpServer | ReliableServer | WebSocketServer | SocketIoServer"


class CannotListen(NetlabError):
    """The address is taken, or is not one of this machine's; `taken` tells which."""

    def __init__(self, message: str, *, taken: bool = False) -> None:
        super().__init__(message)
        self.taken = taken


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str = "",
    token: str = "",
    tls: ssl.SSLContext | None = None,
    certified: str = "",
    reconnect: bool = True,
    elsewhere: Sequence[str] = (),
    entropy: Callable[[int], bytes] = secrets.token_bytes,
) -> AsyncIterator[Chat]:
    """Join a chat server.

    Args:
        url: `tcp://host:port`, `tls://`, `udp://`, `rudp://`, `ws://`, `wss://` or `sio://host:port`; without a port,
            the transport's default.
        name: what to be called; unique on the hub. Empty for a client that only asks for `stats`.
        token: what the server asks for, if it does.
        tls: for `tls://` and `wss://`, instead of a context that verifies the server by the system's authorities.
        certified: the name in the server's certificate, where it is reached under another, as through a relay.
        reconnect: after a cut, connect again and resume.
        elsewhere: URLs of the same scheme, of servers that share their rooms with this one through a broker: after a
            cut each is tried in turn.
        entropy: `entropy(n)` gives n bytes that can't be guessed.

    Raises:
        BadUrl: not the URL of a transport, or not of one and the same.
        Refused: the hub does not take this client: `name_taken`, `bad_name`, `bad_token`, `server_full`, ...
        ConnectionEnded: nobody answers there.
    """
    address = msgspec.structs.replace(parse_url(url), certified=certified)
    redial_for = RESUME_WINDOW if reconnect else 0
    machine = ChatClient(name, reliable=GUARANTEES[address.scheme].reliable, token=token, redial_for=redial_for)
    context = (tls or client_tls()) if address.encrypted else None
    others = [msgspec.structs.replace(parse_url(other), certified=certified) for other in elsewhere]
    if odd := next((other for other in others if other.scheme != address.scheme), None):
        raise BadUrl(f"{odd} is not over {address.scheme}, as {address} is: a session goes on over one transport")
    chat = Chat(address, _client_end(address.scheme), machine, entropy=entropy, tls=context, elsewhere=others)
    try:
        await chat.open()
        yield chat
    finally:
        await chat.close()


@asynccontextmanager
async def serve(
    url: str,
    *,
    hub: HubShell | None = None,
    limits: ChatLimits | None = None,
    token: str = "",
    tls: ssl.SSLContext | None = None,
    reassembly: ReassemblyLimits = DATAGRAM_LIMITS,
    origins: Sequence[str] = (),
) -> AsyncIterator[Server]:
    """Host a chat, or add a transport to a hub.

    Args:
        url: where to listen; port 0 takes a free one, and `.url` of what comes back tells which.
        hub: the hub to attach to. Without one, this server has its own, with `limits` and `token`, and closes it at
            the end.
        tls: for `tls://` and `wss://`: a context with the server's certificate, as `server_tls` makes it.
        reassembly: over `udp://`: the bounds of messages in several datagrams.
        origins: over `ws://`, `wss://` and `sio://`: pages whose scripts may connect, as `https://chat.example`; others
            get 403.

    Raises:
        BadUrl: not the URL of a transport.
        CannotListen: the address is taken, or is not one of this machine's.
        NeedsExtra: `sio://` without the packages of the extra `web`.
    """
    address = parse_url(url)
    shell = hub or HubShell(limits=limits, token=token)
    if address.encrypted and tls is None:
        raise CannotListen(f"{address.scheme}:// needs a certificate: pass tls=server_tls(cert, key)")
    tls = tls if address.encrypted else None
    server: Server
    if address.scheme == "udp":
        server = UdpServer(shell, reassembly)
    elif address.scheme == "rudp":
        server = ReliableServer(shell)
    elif address.scheme in ("ws", "wss"):
        from netlab.transports.websocket import WebSocketServer

        server = WebSocketServer(shell, tls, origins)
    elif address.scheme == "sio":
        from netlab.transports.socketio import SocketIoServer

        server = SocketIoServer(shell, origins)
    else:
        server = TcpServer(shell, tls)
    try:
        await server.listen(address)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        # asyncio words some of them its own way, with the address again; a failed look-up has numbers of its own
        system = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        why = "the port is taken" if taken else system or error
        raise CannotListen(f"cannot listen at {address}: {why}", taken=taken) from None
    try:
        yield server
    finally:
        if hub is None:
            await shell.close()
        await server.close()


def _client_end(scheme: str) -> Callable[[Callbacks], ClientEnd]:
    """WebSocket's is imported when it is used: a simulated world, which has none, does without the library."""
    if scheme in ("ws", "wss"):
        from netlab.transports.websocket import WebSocketClient

        return WebSocketClient
    if scheme == "sio":
        from netlab.transports.socketio_client import SocketIoClient

        return SocketIoClient
    return _CLIENT_ENDS[scheme]


def client_tls(authority: str | None = None) -> ssl.SSLContext:
    """A context that verifies the server's certificate and name; TLS 1.2 or later.

    Args:
        authority: a PEM file of the authority to trust instead of the system's.
    """
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_tls(certificate: str, key: str) -> ssl.SSLContext:
    """A server's context from PEM files; TLS 1.2 or later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context
