"""The chat over Socket.IO: whatever program has a Socket.IO client takes part, over WebSocket or over HTTP polling.

Read `protocols.engineio` and `protocols.socketio` first: what is said. Here stands the server; `socketio_session` has
each session as the hub sees it, `engineio_visitors` the connections below, `engineio_polling` the requests of those who
poll. netlab's own client is in `socketio_client`.

This is written on aiohttp and `websockets`, and not on python-socketio: that gives each client a queue without a bound
and a task for each of its packets, and encodes an event anew for each member of a room. (The tests have it as a peer,
beside npm's.)
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence
from typing import Any

from netlab.errors import NetlabError
from netlab.packets.endpoint import format_host_port
from netlab.transports.hub_shell import HubShell
from netlab.transports.socketio_session import Sessions
from netlab.transports.url import Address


class NeedsExtra(NetlabError):
    """Packages are missing that only a server of Socket.IO needs; the message has the command that gets them."""


def missing_for_socketio() -> str | None:
    """What a server of Socket.IO needs and this machine has not, with the command that gets it; None where it has."""
    if importlib.util.find_spec("aiohttp") is not None:
        return None
    return "sio:// needs aiohttp: pip install 'netlab-edu[web]'"


class SocketIoServer:
    """Listens for Socket.IO.

    Args:
        origins: pages whose scripts may connect, as `https://chat.example`; others get 403.

    Raises:
        NeedsExtra: aiohttp is not installed.
    """

    def __init__(self, shell: HubShell, origins: Sequence[str] = ()) -> None:
        if (missing := missing_for_socketio()) is not None:
            raise NeedsExtra(missing)
        from netlab.transports.engineio_visitors import Visitors

        self.shell = shell
        self.url = ""
        self._sessions = Sessions(shell)
        self.counters = self._sessions.counters
        self._visitors = Visitors(self._sessions, [origin.rstrip("/") for origin in origins])
        self._listener: asyncio.Server | None = None

    async def listen(self, address: Address) -> None:
        """Begin to listen; port 0 takes a free one.

        Raises:
            OSError: the address is in use, or not ours.
        """
        self._listener = await asyncio.get_running_loop().create_server(
            self._visitors.arrive, address.host, address.port, backlog=self.shell.hub.limits.accept_backlog
        )
        host, port = self._listener.sockets[0].getsockname()[:2]
        self.url = f"sio://{format_host_port(host, port)}"
        self.shell.counters[self.url] = self.counted

    def counted(self) -> dict[str, Any]:
        """The counters, for `netlab stats`."""
        return dict(sorted(self.counters.items()))

    async def close(self) -> None:
        """Stop listening, tell those who are connected, and wait until what was said to them has left (at most
        `LINGER_S`)."""
        self.shell.counters.pop(self.url, None)
        if self._listener is not None:
            self._listener.close()
        for session in list(self._sessions.by_sid.values()):
            session.server_closes()
        await self._visitors.leave()
