"""Two simulated hosts and the link between them, looked at from everywhere: where most experiments happen.

hosts = TwoHosts("delay=10ms loss=5%", seed=7)
hosts.at(20 * MS, socket.sendto, b"hi", ...)   # when on the virtual clock, and what a program does then
hosts.run()
hosts.capture                           # what was seen at the client, on the link, and at the server
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netlab.capture.files import Capture, parse
from netlab.network.hosts import Host
from netlab.network.link_options import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_simulation
from netlab.network.tcp_socket import TcpSocket
from netlab.protocols.tcp.events import Closed, Failed
from netlab.protocols.trace import Decision
from netlab.units import MS, Ns, S

CLIENT, SERVER = "client", "server"
EPOCH: Ns = 1_700_000_000 * S
"""Wall clock of the captures where the virtual clock is 0, ns."""


class TwoHosts:
    """A client, a server, and what happens between them.

    Attributes:
        decisions: what their TCPs decided, in order.
    """

    def __init__(self, link: str = "delay=10ms", *, seed: int, back: str | None = None) -> None:
        """Nothing has happened yet.

        Args:
            link: its options; `back`: those of the way from the server, where it differs.
        """
        self.simulation = seeded_simulation(seed)
        self.decisions: list[Decision] = []
        self.simulation.trace = self.decisions.append
        self.client: Host = self.simulation.host(CLIENT)
        self.server: Host = self.simulation.host(SERVER)
        self.simulation.connect(self.client, self.server, parse_link(link), parse_link(link if back is None else back))
        self._recording = Recording(comment=f"two hosts, {link}, seed {seed}", epoch=EPOCH)
        for point in (CLIENT, f"{CLIENT}>{SERVER}", SERVER, f"{SERVER}>{CLIENT}"):
            self.simulation.tap(point, self._recording)

    def at(self, when: Ns, do: Callable[..., object], *arguments: object) -> None:
        """Have a program do something at this time: `do(*arguments)`."""

        def act(_: object) -> None:
            do(*arguments)

        self.simulation.call_at(when, act, None)

    def run(self, until: Ns | None = None) -> None:
        """Let everything happen, or everything up to a time."""
        self.simulation.run(until)

    @property
    def now(self) -> Ns:
        return self.simulation.now

    @property
    def capture(self) -> Capture:
        """What was seen so far, at both hosts and on both directions of the link."""
        return parse(self._recording.pcapng(), Path("simulated"))


class Program:
    """A program with one TCP connection: what is told it, it notes.

    Attributes:
        noted: when, ns, and what happened.
        waiting: bytes that came and were not read yet.
        at_end: called when the peer has ended its stream.
    """

    def __init__(self, hosts: TwoHosts, name: str) -> None:
        self.hosts = hosts
        self.name = name
        self.noted: list[tuple[Ns, str]] = []
        self.waiting = bytearray()
        self.ended = False
        self.socket: TcpSocket | None = None
        self.at_end: tuple[Callable[[], object], ...] = ()

    def take(self, socket: TcpSocket) -> Program:
        """Accept: this connection is now the program's."""
        self.socket = socket
        return self

    def connect(self, to: Host, port: int, local_port: int = 0) -> None:
        """Open a connection from the client to a port of `to`, or the other way round."""
        host = self.hosts.client if to is self.hosts.server else self.hosts.server
        self.socket = host.tcp.connect(to.address, port, self, local_port=local_port)

    def send(self, data: bytes) -> None:
        """Hand these bytes to TCP."""
        self._connected.send(data)

    def close(self) -> None:
        """Send nothing more."""
        self._connected.close()

    def abort(self) -> None:
        """Reset the connection."""
        self._connected.abort()

    @property
    def _connected(self) -> TcpSocket:
        assert self.socket is not None, f"the connection of the {self.name} does not stand yet"
        return self.socket

    def recv(self, size: int) -> bytes:
        """What has come, at most `size` bytes; nothing where nothing came."""
        taken = bytes(self.waiting[:size])
        del self.waiting[:size]
        return taken

    def established(self) -> None:
        """As `tcp_socket.TcpUser`."""
        self._note("connection stands")

    def received(self, data: bytes) -> None:
        """As `tcp_socket.TcpUser`."""
        self.waiting += data
        self._note(f"got {len(data)} B")

    def peer_closed(self) -> None:
        """As `tcp_socket.TcpUser`."""
        self.ended = True
        self._note("end of the peer's stream")
        for do in self.at_end:
            do()

    def writable(self) -> None:
        """As `tcp_socket.TcpUser`."""

    def over(self, how: Closed | Failed) -> None:
        """As `tcp_socket.TcpUser`."""
        self._note("closed" if isinstance(how, Closed) else f"failed: {how.code}")

    def _note(self, what: str) -> None:
        self.noted.append((self.hosts.now, what))


def in_ms(when: Ns) -> float:
    """Milliseconds, for tables."""
    return round(when / MS, 3)
