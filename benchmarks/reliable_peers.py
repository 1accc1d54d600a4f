"""The two ends of `reliable.py`, each a process of its own.

    python benchmarks/reliable_peers.py serve NAME HOST PORT [--control C] [--between FROM,TO]
    python benchmarks/reliable_peers.py send NAME HOST PORT (--mb N | --seconds S) [--control C] [--out FILE]
    python benchmarks/reliable_peers.py many-serve NAME,NAME,... HOST PORT --between FROM,TO --out FILE
    python benchmarks/reliable_peers.py many-send NAME,NAME,... HOST PORT --seconds S --control C

A server takes one transfer: it prints its port, and at the end what it counted. A client prints how long the transfer
took, from the first byte to the server's word that it has the last, and what it cost of a processor. The last two are
several of them at once, on ports one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from netlab.cli.running import fast_loop

SIZE_BYTES = 8  # of the number that says how much follows
KCP_WINDOW = 1024  # segments: 1.4 MB
BLOCK = 60_000  # bytes of a message, where a protocol has messages


def tell(**found: Any) -> None:
    print(json.dumps(found), flush=True)


class Count:
    """Bytes that came, in all and between two times after the first."""

    def __init__(self, between: tuple[float, float]) -> None:
        self.bytes = 0
        self.within = 0
        self._between = between
        self._first = 0.0
        self._cpu = 0.0

    def add(self, size: int) -> None:
        now = time.monotonic()
        if not self.bytes:
            self._first, self._cpu = now, time.process_time()
        self.bytes += size
        if self._between[0] <= now - self._first < self._between[1]:
            self.within += size

    @property
    def over(self) -> bool:
        """Whether the time between is past."""
        return bool(self.bytes) and 0 < self._between[1] <= time.monotonic() - self._first

    def tell(self) -> None:
        span = self._between[1] - self._between[0]
        tell(bytes=self.bytes, cpu=time.process_time() - self._cpu, goodput=self.within / span if span else 0)


# rudp


async def serve_rudp(host: str, port: int, count: Count) -> None:
    from netlab.protocols.streams_in import Deliver
    from netlab.transports.reliable_flow import BULK, ReliableFlow, listen

    over = asyncio.Event()

    async def take(flow: ReliableFlow) -> None:
        try:
            async for came in flow:
                if not isinstance(came, Deliver) or count.over:
                    break
                count.add(len(came.data))
            await flow.send(b"done")
        finally:
            over.set()

    async with listen(f"rudp://{host}:{port}", take, settings=BULK) as at:
        tell(port=int(at.url.rpartition(":")[2]))
        await over.wait()


async def send_rudp(host: str, port: int, data: bytes, seconds: float, control: str) -> dict[str, Any]:
    import msgspec

    from netlab.errors import ConnectionEnded
    from netlab.transports.reliable_flow import BULK, dial

    settings = msgspec.structs.replace(BULK, control=control)
    while True:
        try:
            async with dial(f"rudp://{host}:{port}", settings=settings) as flow:
                began, cpu = time.monotonic(), time.process_time()
                if seconds:
                    with contextlib.suppress(ConnectionEnded):  # the server has seen enough
                        while time.monotonic() < began + seconds:
                            await flow.send(data)
                    took = time.monotonic() - began
                    flow.abort()
                else:
                    await flow.send(data)
                    await flow.finish()
                    async for _ in flow:
                        break
                    took = time.monotonic() - began
                return {"seconds": took, "cpu": time.process_time() - cpu, **flow.figures}
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)


# Kernel TCP


def serve_tcp(host: str, port: int, count: Count) -> None:
    with socket.create_server((host, port)) as listener:
        tell(port=listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer:
            buffer = bytearray(1 << 18)
            try:
                while not count.over and (size := peer.recv_into(buffer)):
                    count.add(size)
                peer.sendall(b"done")
            except ConnectionError:
                pass


def send_tcp(host: str, port: int, data: bytes, seconds: float, control: str) -> dict[str, Any]:
    while True:
        sock = socket.socket()
        if control:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, control.encode())
        try:
            sock.connect((host, port))
            break
        except ConnectionRefusedError:
            sock.close()
            time.sleep(0.05)
    with sock:
        began, cpu = time.monotonic(), time.process_time()
        if seconds:
            sock.settimeout(seconds)
            while time.monotonic() < began + seconds:
                try:
                    sock.sendall(data)
                except (TimeoutError, ConnectionError):
                    break
        else:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(4) == b"done"
        return {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


# ENet


def serve_enet(host: str, port: int, count: Count) -> None:
    import enet

    server = enet.Host(enet.Address(host.encode(), port), 1, 1, 0, 0)
    tell(port=port)
    size = None
    while True:
        event = server.service(100)
        if event.type == enet.EVENT_TYPE_RECEIVE:
            data = event.packet.data
            if size is None:
                size = int.from_bytes(data, "big")
                continue
            count.add(len(data))
            if count.bytes >= size:
                event.peer.send(0, enet.Packet(b"done", enet.PACKET_FLAG_RELIABLE))
        elif event.type == enet.EVENT_TYPE_DISCONNECT:
            return


def send_enet(host: str, port: int, data: bytes) -> dict[str, Any]:
    import enet

    client = enet.Host(None, 1, 1, 0, 0)
    peer = client.connect(enet.Address(host.encode(), port), 1)
    while client.service(1000).type != enet.EVENT_TYPE_CONNECT:
        pass
    began, cpu = time.monotonic(), time.process_time()
    for part in (len(data).to_bytes(SIZE_BYTES, "big"), *(data[at : at + BLOCK] for at in range(0, len(data), BLOCK))):
        peer.send(0, enet.Packet(part, enet.PACKET_FLAG_RELIABLE))
    while client.service(1000).type != enet.EVENT_TYPE_RECEIVE:
        pass
    took, cost = time.monotonic() - began, time.process_time() - cpu
    peer.disconnect()
    client.service(200)
    return {"seconds": took, "cpu": cost}


# KCP


class Kcp:
    """One end: the library's machine, a socket and a loop."""

    def __init__(self, sock: socket.socket, *, controlled: bool) -> None:
        from kcp import KCP

        self.machine = KCP(1, 1200, True, 10, 2, not controlled, KCP_WINDOW, KCP_WINDOW)
        self.machine.include_outbound_handler(lambda _, data: self._send(data))
        self._sock = sock
        self._selector = selectors.DefaultSelector()
        self._selector.register(sock, selectors.EVENT_READ)
        self.peer: Any = None
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            self._sock.sendto(data, self.peer)

    def turn(self) -> list[bytes]:
        """Wait for a datagram or a millisecond; the messages that have come."""
        self._selector.select(0.001)
        try:
            while True:
                data, self.peer = self._sock.recvfrom(2048)
                self.machine.receive(data)
        except BlockingIOError:
            pass
        if self.peer is not None:
            self.machine.update()
            self.machine.flush()
        return [bytes(message) for message in self.machine.get_all_received()]


def serve_kcp(host: str, port: int, count: Count, *, controlled: bool) -> None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, port))
    tell(port=sock.getsockname()[1])
    end = Kcp(sock, controlled=controlled)
    size, over = None, None
    while over is None or time.monotonic() < over:
        for message in end.turn():
            if size is None:
                size = int.from_bytes(message, "big")
            else:
                count.add(len(message))
        if over is None and size is not None and count.bytes >= size:
            end.machine.enqueue(b"done")
            over = time.monotonic() + 1


def send_kcp(host: str, port: int, data: bytes, *, controlled: bool) -> dict[str, Any]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end = Kcp(sock, controlled=controlled)
    end.peer = host, port
    began, cpu = time.monotonic(), time.process_time()
    for part in (len(data).to_bytes(SIZE_BYTES, "big"), *(data[at : at + BLOCK] for at in range(0, len(data), BLOCK))):
        end.machine.enqueue(part)
    while not end.turn():
        pass
    return {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


# QUIC


def certificate(folder: Path) -> tuple[str, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(folder / "cert.pem"), str(folder / "key.pem")


async def serve_quic(host: str, port: int, count: Count) -> None:
    from aioquic.asyncio import QuicConnectionProtocol, serve
    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.events import ConnectionTerminated, StreamDataReceived

    over = asyncio.Event()

    class Take(QuicConnectionProtocol):
        def quic_event_received(self, event: Any) -> None:
            if isinstance(event, StreamDataReceived):
                count.add(len(event.data))
                if event.end_stream:
                    self._quic.send_stream_data(event.stream_id, b"done", end_stream=True)
            elif isinstance(event, ConnectionTerminated):
                over.set()

    configuration = QuicConfiguration(is_client=False, max_data=4 << 20, max_stream_data=4 << 20)
    with tempfile.TemporaryDirectory() as folder:
        configuration.load_cert_chain(*certificate(Path(folder)))
    server = await serve(host, port, configuration=configuration, create_protocol=Take)
    tell(port=server._transport.get_extra_info("sockname")[1])
    await over.wait()
    server.close()


async def send_quic(host: str, port: int, data: bytes, control: str) -> dict[str, Any]:
    from aioquic.asyncio import connect
    from aioquic.quic.configuration import QuicConfiguration

    configuration = QuicConfiguration(
        is_client=True, verify_mode=ssl.CERT_NONE, congestion_control_algorithm=control or "cubic"
    )
    async with connect(host, port, configuration=configuration) as client:
        reader, writer = await client.create_stream()
        began, cpu = time.monotonic(), time.process_time()
        writer.write(data)
        writer.write_eof()
        assert await reader.read() == b"done"
        return {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}


def run(main: Coroutine[Any, Any, Any], control: str = "") -> Any:
    """On uvloop where it is installed, as `netlab serve` does it: rudp and QUIC alike. Its clock counts milliseconds,
    which is too coarse for the rates that BBR measures: that runs on asyncio's own loop."""
    with asyncio.Runner(loop_factory=None if control == "bbr" else fast_loop()) as runner:
        return runner.run(main)


def serve(name: str, host: str, port: int, count: Count) -> None:
    match name:
        case "rudp":
            run(serve_rudp(host, port, count))
        case "tcp":
            serve_tcp(host, port, count)
        case "enet":
            serve_enet(host, port, count)
        case "kcp" | "kcp-uncontrolled":
            serve_kcp(host, port, count, controlled=name == "kcp")
        case "quic":
            run(serve_quic(host, port, count))


def send(name: str, host: str, port: int, data: bytes, seconds: float, control: str) -> dict[str, Any]:
    match name:
        case "rudp":
            found = run(send_rudp(host, port, data, seconds, control), control)
        case "tcp":
            found = send_tcp(host, port, data, seconds, control)
        case "enet":
            found = send_enet(host, port, data)
        case "kcp" | "kcp-uncontrolled":
            found = send_kcp(host, port, data, controlled=name == "kcp")
        case _:
            found = run(send_quic(host, port, data, control))
    return found  # type: ignore[no-any-return]


def many(options: argparse.Namespace) -> None:
    """One process for each name; what they told goes into one file."""
    role, own = options.role.removeprefix("many-"), str(Path(__file__).resolve())
    how = ["--control", options.control, "--seconds", str(options.seconds), "--between", options.between]
    started = [
        subprocess.Popen(
            [sys.executable, own, role, name, options.host, str(options.port + i), *how], stdout=subprocess.PIPE
        )
        for i, name in enumerate(options.name.split(","))
    ]
    told = [process.communicate()[0].splitlines() for process in started]
    write(options.out, [json.loads(lines[-1]) for lines in told if lines])


def write(file: str, found: Any) -> None:
    if file:
        Path(file).write_text(json.dumps(found))
    else:
        print(json.dumps(found), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=("serve", "send", "many-serve", "many-send"))
    parser.add_argument("name", help="rudp, tcp, enet, kcp, kcp-uncontrolled or quic")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--control", default="")
    parser.add_argument("--mb", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--between", default="0,0")
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    if options.role.startswith("many-"):
        many(options)
        return
    if options.role == "send":
        data = os.urandom(round((options.mb or 0.25) * 1e6))
        control = options.control or ("cubic" if options.name == "rudp" else "")
        write(options.out, send(options.name, options.host, options.port, data, options.seconds, control))
        return
    begin, _, end = options.between.partition(",")
    count = Count((float(begin), float(end)))
    serve(options.name, options.host, options.port, count)
    count.tell()


if __name__ == "__main__":
    main()
