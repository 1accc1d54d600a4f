"""Notebook 04: where a stream was cut by those who send, by TCP, and by those who read."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import msgspec

from netlab.course.experiments.kernel import tcp_pair
from netlab.course.experiments.tables import Table
from netlab.course.experiments.two_hosts import CLIENT, SERVER, Program, TwoHosts
from netlab.figures.framing import Spans
from netlab.units import MS, Ns

PORT = 9000


class Cuts(msgspec.Struct, frozen=True):
    """One stream, and how it was cut.

    Attributes:
        sends: what each call of send handed over.
        segments: bytes that each segment carried, and whether its PSH bit was set.
        recvs: what each call of recv returned.
    """

    sends: tuple[bytes, ...]
    segments: tuple[tuple[int, bool], ...]
    recvs: tuple[bytes, ...]
    spans: Spans

    @property
    def first(self) -> int:
        """Bytes that the first recv returned."""
        return len(self.recvs[0])

    def __str__(self) -> str:
        rows = [
            ("send", len(self.sends), ", ".join(str(len(one)) for one in self.sends)),
            ("segments", len(self.segments), ", ".join(f"{n}{' PSH' if psh else ''}" for n, psh in self.segments)),
            ("recv", len(self.recvs), ", ".join(str(len(one)) for one in self.recvs)),
        ]
        return str(Table(("cut by", "pieces", "bytes of each"), rows))

    __repr__ = __str__


def stream(
    *, sends: Sequence[bytes] = (b"one", b"two", b"three"), recv: int = 100, reads_at: Ns = 100 * MS,
    every: Ns = 5 * MS, seed: int = 2,
) -> Cuts:  # fmt: skip
    """Send pieces over a simulated TCP connection, and read from `reads_at` on, each time at most `recv` bytes."""
    hosts = TwoHosts("delay=10ms", seed=seed)
    writer, reader = Program(hosts, CLIENT), Program(hosts, SERVER)
    hosts.server.tcp.listen(PORT, reader.take)
    hosts.at(0, writer.connect, hosts.server, PORT)
    for piece in sends:
        hosts.at(30 * MS, writer.send, piece)
    recvs: list[bytes] = []
    total = sum(map(len, sends))

    def read() -> None:
        if data := reader.recv(recv):
            recvs.append(data)
        if sum(map(len, recvs)) < total:
            hosts.at(hosts.now + every, read)

    hosts.at(reads_at, read)
    hosts.run(10_000 * MS)
    carried = [one for one in hosts.capture.where(interface=SERVER, dport=PORT) if one.summary.payload_len]
    segments = [(one.record.number, one.summary.payload_len or 0, "PSH" in one.summary.flags) for one in carried]
    spans = Spans(
        flow=f"client to server port {PORT}",
        sends=tuple(_spans([len(one) for one in sends])),
        segments=tuple(
            (*span, number)
            for span, (number, _, _) in zip(_spans([size for _, size, _ in segments]), segments, strict=True)
        ),
        recvs=tuple(_spans([len(one) for one in recvs])),
    )
    return Cuts(tuple(sends), tuple((size, psh) for _, size, psh in segments), tuple(recvs), spans)


def _spans(sizes: Sequence[int]) -> list[tuple[int, int]]:
    at, spans = 0, []
    for size in sizes:
        spans.append((at, at + size))
        at += size
    return spans


def over_the_kernel(sends: Sequence[bytes] = (b"one", b"two", b"three")) -> Table:
    """The same three sends over a TCP connection of this machine's kernel, and one recv a moment later."""
    with tcp_pair() as (writer, reader):
        for piece in sends:
            writer.send(piece)
        time.sleep(0.05)
        rows = [("recv(100)", repr(reader.recv(100)))]
        writer.shutdown(socket.SHUT_WR)
        while data := reader.recv(100):
            rows.append(("recv(100)", repr(data)))
        rows.append(("recv(100)", "b'': the end of the stream"))
    return Table(("call", "returned"), rows)
