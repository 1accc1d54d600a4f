"""Relays: what runs in a namespace reaches, and is reached from, the network outside; bytes and datagrams whole."""

from __future__ import annotations

import hashlib
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from netlab.capture.live import LiveCapture, Relay, Way, capture_command
from netlab.capture.relay import RelayThread
from netlab.errors import CaptureError
from netlab.packets.capture_file import read_records

LOOPBACK = "127.0.0.1"
ECHO = f"""
import hashlib, json, socket, threading
from netlab.capture.live import Relay, capture_command
import sys

def echo_stream(server):
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
        connection.sendall(b"and after your end, mine")  # half-closed: the way back is open

def echo_datagrams(sink):
    while True:
        data, peer = sink.recvfrom(65536)
        sink.sendto(data, peer)

server = socket.create_server(("{LOOPBACK}", 0))
threading.Thread(target=echo_stream, args=(server,), daemon=True).start()
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("{LOOPBACK}", 0))
threading.Thread(target=echo_datagrams, args=(sink,), daemon=True).start()

client = '''
import hashlib, random, socket, threading
data = random.Random(1).randbytes(1_000_000)
back = bytearray()
stream = socket.create_connection(("{LOOPBACK}", 9000))
def read():
    while got := stream.recv(65536):
        back.extend(got)
reader = threading.Thread(target=read)
reader.start()
stream.sendall(data)
stream.shutdown(socket.SHUT_WR)
reader.join()
assert bytes(back) == data + b"and after your end, mine", len(back)
peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
for number, peer in enumerate(peers):
    peer.settimeout(10)
    peer.connect(("{LOOPBACK}", 9001))
    for text in (b"", b"x", bytes([number]) * 1200, b"y" * 60_000):
        peer.send(text)
        assert peer.recv(65536) == text
'''
relays = [
    Relay("tcp", ("{LOOPBACK}", 9000), server.getsockname()),
    Relay("udp", ("{LOOPBACK}", 9001), sink.getsockname()),
]
result = capture_command([sys.executable, "-c", client], "echo.pcapng", relays=relays)
assert result.kernel_drops == result.relay_drops == 0
print(json.dumps([result.exit_status, result.packets, server.getsockname()[1]]))
"""


def test_a_client_inside_reaches_servers_outside(user: Any) -> None:
    status, packets, port_outside = user.run(ECHO)
    assert status == 0
    records = list(read_records((user.home / "echo.pcapng").read_bytes()))
    assert len(records) == packets
    ports = {int.from_bytes(r.data[at : at + 2], "big") for r in records for at in (34, 36)}
    assert {9000, 9001} <= ports
    assert port_outside not in ports  # the inside leg, and that only
    udp = [int.from_bytes(r.data[38:40], "big") - 8 for r in records if r.data[23] == 17]
    assert sorted(udp) == sorted([0, 1, 1200, 60_000] * 2 * 3)  # one datagram is one datagram


def test_a_server_inside_is_reached_from_outside(live: Way, tmp_path: Path) -> None:
    serve = """
import socket, sys
server = socket.create_server(("127.0.0.1", 80))
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("127.0.0.1", 53))
print("ready", flush=True)
connection, peer = server.accept()
assert peer[0] == "127.0.0.1"
while data := connection.recv(99):
    connection.sendall(data.upper())
connection.close()
for _ in range(2):
    data, peer = sink.recvfrom(99)
    sink.sendto(data.upper(), peer)
"""
    relays = [
        Relay("tcp", (LOOPBACK, 0), (LOOPBACK, 80), inward=True),
        Relay("udp", (LOOPBACK, 0), ("localhost", 53), inward=True),
    ]
    read, write = socket.socketpair()
    with (
        read,
        read.makefile() as said,
        LiveCapture([sys.executable, "-c", serve], tmp_path / "x.pcapng", relays=relays, stdout=write) as capture,
    ):
        write.close()
        assert said.readline() == "ready\n"
        tcp, udp = capture.relay_addresses
        with socket.create_connection(tcp) as stream, stream.makefile("rb") as back:
            stream.sendall(b"shout")
            stream.shutdown(socket.SHUT_WR)
            assert back.read() == b"SHOUT"
        for text in (b"one", b"two"):  # from two peers: the server sees two
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.settimeout(10)
                one.sendto(text, udp)
                assert one.recv(99) == text.upper()
        result = capture.wait()
    assert result.exit_status == 0
    seen = [record.data for record in read_records((tmp_path / "x.pcapng").read_bytes())]
    assert sum(frame.endswith(b"SHOUT") for frame in seen) == 1
    assert len({frame[34:36] for frame in seen if frame[23] == 17 and frame[36:38] == b"\0\x35"}) == 2


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("size", [1, 3_000_000])
def test_what_a_client_sent_last_is_delivered_after_its_end(live: Way, tmp_path: Path, family: int, size: int) -> None:
    host = LOOPBACK if family == socket.AF_INET else "::1"
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError as error:
        pytest.skip(f"no {host} here: {error}")
    received: list[int] = []

    def count() -> None:
        connection, _ = server.accept()
        with connection:
            total = 0
            while got := len(connection.recv(65536)):
                total += got
            received.append(total)

    counter = threading.Thread(target=count)
    counter.start()
    source = f"import socket; socket.create_connection(('{host}', 9000)).sendall(bytes({size}))"
    relay = Relay("tcp", (host, 9000), server.getsockname()[:2])
    with server:
        capture_command([sys.executable, "-c", source], tmp_path / "x.pcapng", relays=[relay])
        counter.join(10)
    assert received == [size]


def test_a_target_that_refuses_is_a_reset(live: Way, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as gone:
        target = gone.getsockname()
    source = f"""
import socket
stream = socket.create_connection(("{LOOPBACK}", 9000))
try:
    stream.recv(1)
except ConnectionResetError:
    raise SystemExit(9)
"""
    result = capture_command(
        [sys.executable, "-c", source], tmp_path / "x.pcapng", relays=[Relay("tcp", (LOOPBACK, 9000), target)]
    )
    assert result.exit_status == 9


def test_a_reset_outside_is_a_reset_inside(live: Way, tmp_path: Path) -> None:
    server = socket.create_server((LOOPBACK, 0))

    def reset() -> None:
        connection, _ = server.accept()
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    resetter = threading.Thread(target=reset)
    resetter.start()
    source = f"""
import socket
stream = socket.create_connection(("{LOOPBACK}", 9000))
stream.sendall(b"x")
try:
    stream.recv(1)
except ConnectionResetError:
    raise SystemExit(9)
"""
    with server:
        relay = Relay("tcp", (LOOPBACK, 9000), server.getsockname())
        result = capture_command([sys.executable, "-c", source], tmp_path / "x.pcapng", relays=[relay])
        resetter.join()
    assert result.exit_status == 9


def test_an_address_that_is_taken_is_named(live: Way, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        relay = Relay("tcp", taken.getsockname(), (LOOPBACK, 9000), inward=True)
        with pytest.raises(CaptureError, match=f"relay: {LOOPBACK}:{taken.getsockname()[1]}: Address already in use"):
            capture_command(["true"], tmp_path / "x.pcapng", relays=[relay])
    assert not (tmp_path / "x.pcapng").exists()


def test_a_name_that_is_not_known_is_named(live: Way, tmp_path: Path) -> None:
    relay = Relay("udp", (LOOPBACK, 9001), ("no such host", 9001))
    with pytest.raises(CaptureError, match="relay: no such host:9001: "):
        capture_command(["true"], tmp_path / "x.pcapng", relays=[relay])


class TestWithoutNamespaces:
    """`RelayThread` carries between any two makers of sockets; here both are the host's."""

    @pytest.fixture
    def echo(self) -> Iterator[socket.socket]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
            sink.bind((LOOPBACK, 0))
            sink.settimeout(10)
            yield sink

    def test_the_peer_longest_idle_loses_its_socket(self, echo: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("netlab.capture.relay.RELAY_UDP_PEERS", 2)
        relays = RelayThread([Relay("udp", (LOOPBACK, 0), echo.getsockname())], socket.socket)
        peers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        try:
            sources = []
            for peer in (*peers, peers[2], peers[0]):
                peer.sendto(b"hello", relays.addresses[0])
                sources.append(echo.recvfrom(99)[1])
            assert len(set(sources[:3])) == 3
            assert sources[3] == sources[2]  # it still has its own
            assert sources[4] != sources[0]  # a new one
        finally:
            relays.close()
            for peer in peers:
                peer.close()

    def test_close_twice_and_with_a_connection_open(self) -> None:
        with socket.create_server((LOOPBACK, 0)) as server:
            relays = RelayThread([Relay("tcp", (LOOPBACK, 0), server.getsockname())], socket.socket)
            with socket.create_connection(relays.addresses[0]) as stream:
                connection, _ = server.accept()
                with connection:
                    stream.sendall(b"x")
                    assert connection.recv(1) == b"x"
                    stream.shutdown(socket.SHUT_WR)
                    relays.close()
                    relays.close()
                    assert connection.recv(1) == b""


def test_the_digest_of_a_long_stream_is_kept() -> None:
    """Both ways at once and through small socket buffers, so that the pump has to wait."""
    data = bytes(range(256)) * 20_000
    with socket.create_server((LOOPBACK, 0)) as server:
        relays = RelayThread([Relay("tcp", (LOOPBACK, 0), server.getsockname())], socket.socket)
        with socket.create_connection(relays.addresses[0]) as near:
            far, _ = server.accept()
            digests = {}

            def send(to: socket.socket) -> None:
                to.sendall(data)
                to.shutdown(socket.SHUT_WR)

            def read(of: socket.socket, name: str) -> None:
                digest = hashlib.sha256()
                while got := of.recv(5000):
                    digest.update(got)
                digests[name] = digest.digest()

            work = [threading.Thread(target=send, args=(one,)) for one in (near, far)]
            work += [threading.Thread(target=read, args=arguments) for arguments in ((near, "near"), (far, "far"))]
            for thread in work:
                thread.start()
            for thread in work:
                thread.join()
            far.close()
        relays.close()
    assert set(digests.values()) == {hashlib.sha256(data).digest()}
    assert len(digests) == 2
