"""A host B of netlab's own in a testbed: `netlab testbed --stack netlab` runs this where the kernel has no address.

It offers, over our TCP:

    port 7   echo: what comes goes back (RFC 862)
    port 9   discard: whoever closes is told how many bytes came, and their SHA-256
    port 19  characters: a line with a size, such as `10MB`, is answered with so many bytes

(with `--cc NAME` first, under that congestion control) or, told to `connect PORT SIZE`, it opens a connection to host A
itself, sends so many bytes, closes, reads what A sends, and prints both as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import Callable
from ipaddress import IPv4Address

from netlab.errors import UnitError
from netlab.network.link_end import LinkEnd
from netlab.network.link_host import LinkHost
from netlab.network.tcp_socket import TcpSocket
from netlab.protocols.congestion import named
from netlab.protocols.tcp import Closed, Failed
from netlab.units import parse_size

PEER, OWN = "10.0.0.1", "10.0.0.2"

PATTERN = bytes(n * n % 251 for n in range(65_536))
"""What streams of characters repeat; no two of its pages are alike."""

AHEAD = 1024 * 1024
"""Bytes that are handed to TCP before the peer acknowledges them."""


ATTEMPTS = 100
BETWEEN_S = 0.1
"""A program on host A that is to be called may take a while until it listens."""


class _Service:
    """A user of a connection that does nothing by itself."""

    def __init__(self, socket: TcpSocket | None = None) -> None:
        if socket is not None:
            self.socket = socket

    def established(self) -> None:
        """It stands."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def peer_closed(self) -> None:
        self.socket.close()

    def writable(self) -> None:
        """There is room."""

    def over(self, how: Closed | Failed) -> None:
        """It is no more."""


class _Echo(_Service):
    def received(self, data: bytes) -> None:
        self.socket.send(data)


class _Discard(_Service):
    def __init__(self, socket: TcpSocket | None = None) -> None:
        super().__init__(socket)
        self.count, self.digest = 0, hashlib.sha256()

    def received(self, data: bytes) -> None:
        self.count += len(data)
        self.digest.update(data)

    def peer_closed(self) -> None:
        self.socket.send(f"{self.count} {self.digest.hexdigest()}\n".encode())
        self.socket.close()


class _Stream(_Discard):
    """Sends so many bytes of the pattern, and closes; what comes meanwhile is counted."""

    left = 0

    def begin(self, size: int) -> None:
        self.left = size
        self.socket.low_water = AHEAD // 2
        self.writable()

    def writable(self) -> None:
        socket = self.socket
        low_water, socket.low_water = socket.low_water, None  # sending asks again
        while self.left and socket.connection.unacknowledged < AHEAD and not socket.connection.over:
            piece = PATTERN[: self.left]
            self.left -= len(piece)
            socket.send(piece)
        if self.left:
            socket.low_water = low_water
        elif not socket.connection.over:
            socket.close()

    def peer_closed(self) -> None:
        """Ours goes on."""


class _Characters(_Stream):
    _asked = b""

    def received(self, data: bytes) -> None:
        self._asked += data
        if b"\n" in self._asked[:64]:
            line, self._asked = self._asked.split(b"\n", 1)
            try:
                self.begin(parse_size(line.decode("ascii", "replace")))
            except UnitError as error:
                self.socket.send(f"{error}\n".encode())
                self.socket.close()


class _Caller(_Stream):
    """Opens a connection itself. `done` when both sides have closed and all of ours is acknowledged, or it failed."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._peer_closed = False
        self.done: asyncio.Future[Closed | Failed] = asyncio.get_running_loop().create_future()

    def established(self) -> None:
        self.begin(self._size)
        self.socket.low_water = AHEAD // 2

    def writable(self) -> None:
        super().writable()
        self.socket.low_water = AHEAD // 2
        if self._peer_closed and not self.left and not self.socket.connection.unacknowledged:
            self._end(Closed())

    def peer_closed(self) -> None:
        self._peer_closed = True

    def over(self, how: Closed | Failed) -> None:
        self._end(how)

    def _end(self, how: Closed | Failed) -> None:
        if not self.done.done():
            self.done.set_result(how)


def pattern_digest(size: int) -> str:
    """SHA-256 of so many bytes of the pattern."""
    digest = hashlib.sha256()
    for at in range(0, size, len(PATTERN)):
        digest.update(PATTERN[: size - at])
    return digest.hexdigest()


async def serve(host: LinkHost) -> None:
    """Offer the services, for ever."""
    services: dict[int, Callable[[TcpSocket], _Service]] = {7: _Echo, 9: _Discard, 19: _Characters}
    for port, service in services.items():
        host.tcp.listen(port, service)
    await asyncio.get_running_loop().create_future()


async def connect(host: LinkHost, port: int, size: int) -> dict[str, object]:
    """Open a connection to host A, as soon as somebody listens there, and tell what came of it."""
    for _ in range(ATTEMPTS):
        caller = _Caller(size)
        caller.socket = host.tcp.connect(int(IPv4Address(PEER)), port, caller)
        how = await caller.done
        if not (isinstance(how, Failed) and how.code == "refused"):
            break
        await asyncio.sleep(BETWEEN_S)
    await asyncio.sleep(BETWEEN_S)  # for the last acknowledgement to leave
    ended = how.detail if isinstance(how, Failed) else "closed"
    return {"received": caller.count, "sha256": caller.digest.hexdigest(), "sent": size, "ended": ended}


async def _main(arguments: list[str]) -> None:
    with LinkEnd("eth0") as end:
        host = LinkHost(end, OWN, name="B")
        if arguments[:1] == ["--cc"]:
            host.tcp.control = named(arguments[1])
            arguments = arguments[2:]
        match arguments:
            case []:
                await serve(host)
            case ["connect", port, size]:
                told = await connect(host, int(port), parse_size(size))
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
            case _:
                sys.stderr.write("host B of netlab's own takes no command but: connect PORT SIZE\n")
                raise SystemExit(2)


def main(arguments: list[str]) -> None:
    """Be host B, until somebody ends this process or the connection that was asked for is over."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
