"""Notebook 05: what becomes of datagrams, on a path that is kind and on one that is not; and what a socket does with
one that is empty, or too long for who reads."""

from __future__ import annotations

import socket as sockets

import msgspec

from netlab.capture.files import Capture
from netlab.course.experiments.kernel import tcp_pair
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import TwoHosts
from netlab.units import MS, Ns

PORT = 9001


class Delivery(msgspec.Struct, frozen=True):
    """Numbered datagrams, and the numbers that came.

    Attributes:
        sent: how many; they are numbered from 0.
        numbers: of those that came, in that order.
        late: of those that came for the first time, how many came after one with a higher number.
    """

    link: str
    sent: int
    numbers: tuple[int, ...]
    late: int
    capture: Capture

    @property
    def lost(self) -> int:
        """How many never came."""
        return self.sent - len(set(self.numbers))

    @property
    def doubled(self) -> int:
        """How many extra copies came."""
        return len(self.numbers) - len(set(self.numbers))

    def __str__(self) -> str:
        return str(compare(self))

    __repr__ = __str__


def send(link: str, *, count: int = 40, every: Ns = 2 * MS, seed: int = 7) -> Delivery:
    """Send numbered datagrams from one simulated host to another."""
    hosts = TwoHosts(link, seed=seed)
    came: list[int] = []
    hosts.server.bind(PORT, lambda payload, address, port: came.append(int.from_bytes(payload, "big")))
    socket = hosts.client.bind(0, lambda payload, address, port: None)
    for number in range(count):
        payload = number.to_bytes(4, "big")
        hosts.at(number * every, socket.sendto, payload, hosts.server.address, PORT)
    hosts.run()
    late, seen, highest = 0, set[int](), -1
    for number in came:
        late += number not in seen and number < highest
        seen.add(number)
        highest = max(highest, number)
    return Delivery(link, count, tuple(came), late, hosts.capture)


def compare(*deliveries: Delivery) -> Table:
    """What came of each."""
    rows = [
        (one.link, one.sent, len(set(one.numbers)), one.lost, one.doubled, one.late, "yes" if not one.late else "no")
        for one in deliveries
    ]
    return Table(("path", "sent", "came", "lost", "extra copies", "late", "in order"), rows)


def empty_and_too_long() -> Table:
    """An empty datagram, one that is longer than its reader asked for, and the one behind it; over this kernel's UDP.
    Below them, the same over its TCP.
    """
    rows: list[tuple[str, str, str]] = []
    with (
        sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as reader,
        sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as writer,
    ):
        reader.bind(("127.0.0.1", 0))
        reader.settimeout(2)
        for data in (b"", b"hello", b"bye"):
            writer.sendto(data, reader.getsockname())
        rows += [("UDP", f"recvfrom({size})", _got(reader, size)) for size in (100, 2, 100)]
    with tcp_pair() as (writer, reader):
        for data in (b"", b"hello"):
            writer.sendall(data)
        writer.shutdown(sockets.SHUT_WR)
        rows += [("TCP", f"recv({size})", _got(reader, size)) for size in (2, 100, 100)]
    return Table(("over", "call", "returned"), rows)


def _got(reader: sockets.socket, size: int) -> str:
    try:
        return repr(reader.recv(size))
    except OSError as error:  # Windows says that a datagram was too long
        return f"{type(error).__name__}, and the rest is gone"


def largest() -> Table:
    """Datagrams at the edge of what IPv4 can say, sent over loopback: does this kernel take them?"""
    rows = []
    with (
        sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as reader,
        sockets.socket(sockets.AF_INET, sockets.SOCK_DGRAM) as writer,
    ):
        reader.bind(("127.0.0.1", 0))
        for size in (65_507, 65_508):
            try:
                rows.append((size, f"sent {writer.sendto(bytes(size), reader.getsockname()):,}"))
            except OSError as error:
                rows.append((size, f"refused: {error.strerror}"))
    return Table(("payload, bytes", "sendto"), rows)
