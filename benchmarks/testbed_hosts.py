"""What runs on the hosts, and at both ends of the proxy, while `testbed.py` measures: plain sockets.

The ends of round trips ask for a processor as the forwarding thread does, so that what is measured is the way between.

    python benchmarks/testbed_hosts.py ROLE ADDRESS ...

A role that measures prints what it found as one line of JSON, or writes it to a file.
"""

from __future__ import annotations

import asyncio
import json
import select
import socket
import sys
import time
from pathlib import Path

from netlab.network.precise_wait import wake_on_time

PORT = 7000
INTERVAL_S = 0.005  # from one probe to the next


def echo(port: str = str(PORT), file: str = "") -> None:
    """Send back every datagram. Where the port is 0, the file is told which."""
    wake_on_time()
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("", int(port)))
    if file:
        told(file, own.getsockname()[1])
    while True:
        own.sendto(*own.recvfrom(2000))


def told(file: str, found: object) -> None:
    """Write it, all at once."""
    Path(f"{file}.new").write_text(json.dumps(found))
    Path(f"{file}.new").rename(file)


def timers(port: str, delay_ms: str, file: str) -> None:
    """A proxy that delays as one would first write it: asyncio's datagrams and `call_later`."""

    class Side(asyncio.DatagramProtocol):
        def __init__(self) -> None:
            self.other: asyncio.DatagramTransport
            self.to: object = None
            self.back: Side | None = None

        def datagram_received(self, data: bytes, address: object) -> None:
            if self.back is not None:
                self.back.to = address
            asyncio.get_running_loop().call_later(float(delay_ms) / 1000, self.other.sendto, data, self.to)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        far, near = Side(), Side()
        near.other, _ = await loop.create_datagram_endpoint(lambda: far, remote_addr=("127.0.0.1", int(port)))
        far.other, _ = await loop.create_datagram_endpoint(lambda: near, local_addr=("127.0.0.1", 0))
        near.back = far
        told(file, far.other.get_extra_info("sockname")[1])
        await loop.create_future()

    asyncio.run(run())


def rest(seconds: str) -> None:
    """Nothing."""
    time.sleep(float(seconds))


def probe(host: str, port: str, count: str, file: str) -> None:
    """Round trips of datagrams, one every so often, ns; what did not come back within a second is lost."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect((host, int(port)))
    own.setblocking(False)
    wake_on_time()
    probes, sent, trips = int(count), [], []
    due = time.perf_counter()
    while len(sent) < probes or (len(trips) < len(sent) and time.perf_counter_ns() - sent[-1] < 1e9):
        if len(sent) < probes and time.perf_counter() >= due:
            due += INTERVAL_S
            sent.append(time.perf_counter_ns())
            own.send(len(sent).to_bytes(8, "big") + bytes(14))
        left = due - time.perf_counter() if len(sent) < probes else 0.1
        if select.select([own], [], [], max(0, left))[0]:
            data = own.recv(2000)
            trips.append(time.perf_counter_ns() - sent[int.from_bytes(data[:8], "big") - 1])
    told(file, trips)


def sink(file: str) -> None:
    """Bits a second of one TCP connection, from its first byte to its last."""
    server = socket.create_server(("", PORT))
    one, _ = server.accept()
    buffer, count, began, last = bytearray(1 << 20), 0, 0.0, 0.0
    while got := one.recv_into(buffer):
        began = began or time.perf_counter()
        count, last = count + got, time.perf_counter()
    told(file, count * 8 / max(last - began, 1e-9))
    one.close()


def source(host: str, seconds: str) -> None:
    """As many bytes over TCP as pass."""
    one = socket.create_connection((host, PORT))
    data, until = bytes(1 << 17), time.perf_counter() + float(seconds)
    while time.perf_counter() < until:
        one.send(data)
    one.shutdown(socket.SHUT_WR)
    one.recv(1)  # the sink has taken everything


def count(file: str) -> None:
    """Datagrams a second that arrive, from the first to the last."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    own.bind(("", PORT))
    buffer = bytearray(2000)
    own.recv_into(buffer)
    began = last = time.perf_counter()
    got = 0
    own.settimeout(0.5)
    try:
        while True:
            own.recv_into(buffer)
            got += 1
            if got % 64 == 0:
                last = time.perf_counter()
    except TimeoutError:
        told(file, (got - got % 64) / max(last - began, 1e-9))


def flood(host: str, seconds: str) -> None:
    """As many datagrams of 22 bytes as can be sent: frames of 64 bytes."""
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect((host, PORT))
    data, until = bytes(22), time.perf_counter() + float(seconds)
    while time.perf_counter() < until:
        for _ in range(64):
            own.send(data)
    time.sleep(1)  # until they are counted


ROLES = {role.__name__: role for role in (echo, timers, rest, probe, sink, source, count, flood)}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
