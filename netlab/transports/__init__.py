"""asyncio shells: what carries the chat. All of the I/O, none of the protocols.

Read `endpoints` first, then `hub_shell` and `client_shell`, which meets its transport in `client_end`, then one
transport: `tcp` with `byte_stream`, `websocket`, `udp`, `reliable_udp` with `reliable_stream`, or `socketio`.
"""

from netlab.transports.client_shell import Chat
from netlab.transports.endpoints import CannotListen, client_tls, connect, serve, server_tls
from netlab.transports.guarantees import GUARANTEES, Guarantees
from netlab.transports.hub_shell import HubShell
from netlab.transports.url import BadUrl

__all__ = [
    "GUARANTEES",
    "BadUrl",
    "CannotListen",
    "Chat",
    "Guarantees",
    "HubShell",
    "client_tls",
    "connect",
    "serve",
    "server_tls",
]
