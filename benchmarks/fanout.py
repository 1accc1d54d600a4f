"""Fan-out: messages of 64 bytes from one member of a room to all its members, through netlab and through its peers.

    python benchmarks/fanout.py [--clients 10,100,1000] [--seconds 3] [--rounds 3]

Every server is a process of its own (`fanout_servers.py`) and is read by the same client process, this one, with plain
sockets: it checks the room and the number of every message that it counts, in order for streams. Two measurements:

- deliveries a second: as many messages under way as a window allows, counted by the slowest member;
- delay: messages paced well below saturation, from the sender's write to each member's read; p50 and p99.

A round runs every server once, so that a noisy machine disturbs all alike; ratios are of the same round, and their
medians are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import select
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from netlab.chat import messages as m
from netlab.packets import Packet, PacketType, decode_all, encode
from netlab.packets.packet import with_session

BEGIN = b"<text:"  # whatever the room
TEXT = re.compile(rb"<text:lab:(\d{8})>")
TEXT_LENGTH = 64
MARK = 19  # bytes of a text that the pattern needs
WINDOW = 2048
UDP_WINDOW = 40
PACED = 100  # messages a second when delay is measured


def text(number: int) -> bytes:
    return (b"<text:lab:%08d>" % number).ljust(TEXT_LENGTH, b"x")


class Member:
    """One member's socket and what it has received. `said` holds the digits of all numbers said so far, in order."""

    def __init__(self, sock: socket.socket, said: list[bytes], *, stream: bool) -> None:
        self.socket = sock
        self.stream = stream
        self.said = said
        self.tail = b""
        self.last = -1
        self.received = 0

    def read(self) -> list[int]:
        """The numbers that have come, each checked: on a stream, all and in order; in datagrams, that it was said."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return []
        if self.stream and not data:
            raise SystemExit("a server closed a connection")
        data = self.tail + data
        if self.stream:  # a text that has not come whole waits for the rest
            cut = data.rfind(b"<", max(0, len(data) - MARK + 1))
            data, self.tail = (data[:cut], data[cut:]) if cut >= 0 else (data, b"")
        found = TEXT.findall(data)
        if self.stream:
            first = self.last + 1
            good = found == self.said[first : first + len(found)]
            self.last += len(found)
            numbers = list(range(first, first + len(found)))
        else:
            numbers = [int(digits) for digits in found]
            good = all(number < len(self.said) for number in numbers)
            self.last = max(self.last, *numbers) if numbers else self.last
        if not good or data.count(BEGIN) != len(found):
            raise SystemExit(f"wrong message: {found[:3]} after {self.last}: {data[:200]!r}")
        self.received += len(found)
        return numbers


# How to join each server, and how to say one text


def read_until(sock: socket.socket, mark: bytes) -> bytes:
    data = b""
    while mark not in data:
        more = sock.recv(65536)
        if not more:
            raise SystemExit(f"closed before {mark!r} came: {data!r}")
        data += more
    return data


TEXT_FRAME, BINARY_FRAME = b"\x81", b"\x82"


def websocket_frame(payload: bytes, kind: bytes = TEXT_FRAME) -> bytes:
    """A masked frame (RFC 6455 §5.2); the masking key is four zeros, so the payload stands as it is."""
    length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return kind + length + bytes(4) + payload


def upgrade(sock: socket.socket, path: str) -> bytes:
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    return read_until(sock, b"\r\n\r\n")


class Peer:
    """How to speak to one kind of server. `say` gives the bytes of one or several messages."""

    stream = True

    def connect(self, port: int, index: int) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def join(self, sock: socket.socket, index: int) -> None:
        read_until(sock, b"joined")

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(len(t).to_bytes(4, "big") + t for t in map(text, numbers))]


class WebSocketPeer(Peer):
    def join(self, sock: socket.socket, index: int) -> None:
        if b"joined" not in upgrade(sock, "/"):
            read_until(sock, b"joined")

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(websocket_frame(text(number)) for number in numbers)]


class SocketIoPeer(Peer):
    def join(self, sock: socket.socket, index: int) -> None:
        if b'"sid"' not in upgrade(sock, "/socket.io/?EIO=4&transport=websocket").partition(b"\r\n\r\n")[2]:
            read_until(sock, b'"sid"')
        sock.sendall(websocket_frame(b"40"))
        read_until(sock, b"40{")
        sock.sendall(websocket_frame(b'42["join","lab"]'))
        read_until(sock, b"joined")

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(websocket_frame(b'42["say","%s"]' % text(number)) for number in numbers)]


def emit(number: int) -> bytes:
    operation = m.Emit(number + 2, "say", ["lab"], [text(number).decode()])
    return encode(Packet(m.encode_json(operation), number))


class NetlabTcpPeer(Peer):
    def join(self, sock: socket.socket, index: int) -> None:
        hello = Packet(m.encode_json(m.Hello(name=f"member-{index}")), type=PacketType.HELLO)
        sock.sendall(encode(hello) + encode(Packet(m.encode_json(m.Join(1, "lab")))))
        read_until(sock, b'"result"')

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(map(emit, numbers))]


class NetlabWebSocketPeer(WebSocketPeer):
    def join(self, sock: socket.socket, index: int) -> None:
        upgrade(sock, "/")
        hello = Packet(m.encode_json(m.Hello(name=f"member-{index}")), type=PacketType.HELLO)
        join = Packet(m.encode_json(m.Join(1, "lab")))
        sock.sendall(websocket_frame(encode(hello), BINARY_FRAME) + websocket_frame(encode(join), BINARY_FRAME))
        read_until(sock, b'"result"')

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(websocket_frame(emit(number), BINARY_FRAME) for number in numbers)]


class NetlabSocketIoPeer(SocketIoPeer):
    """As npm's client, which knows of no checksums."""

    def join(self, sock: socket.socket, index: int) -> None:
        upgrade(sock, "/socket.io/?EIO=4&transport=websocket")
        sock.sendall(websocket_frame(b'40{"name":"member-%d"}' % index))
        read_until(sock, b'"welcome"')
        sock.sendall(websocket_frame(b'42["join","lab"]'))
        read_until(sock, b'"result"')

    def say(self, numbers: range) -> list[bytes]:
        return [b"".join(websocket_frame(b'42["say","lab","%s"]' % text(number)) for number in numbers)]


class SendtoPeer(Peer):
    stream = False

    def connect(self, port: int, index: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.connect(("127.0.0.1", port))
        return sock

    def join(self, sock: socket.socket, index: int) -> None:
        sock.sendall(b"join")
        sock.recv(100)

    def say(self, numbers: range) -> list[bytes]:
        return [text(number) for number in numbers]


class NetlabUdpPeer(SendtoPeer):
    token = b""

    def join(self, sock: socket.socket, index: int) -> None:
        hello = m.Hello(name=f"member-{index}")
        sock.sendall(encode(Packet(m.encode_json(hello).ljust(30), index, type=PacketType.HELLO)))
        cookie = decode_all(sock.recv(2048))[0].payload.decode()
        hello = m.Hello(name=f"member-{index}", cookie=cookie)
        sock.sendall(encode(Packet(m.encode_json(hello), index, type=PacketType.HELLO)))
        token = decode_all(sock.recv(2048))[0].session
        assert token is not None
        if index == 0:
            self.token = token
        sock.sendall(with_session(encode(Packet(m.encode_json(m.Join(1, "lab")))), token))
        while b'"result"' not in sock.recv(2048):
            pass

    def say(self, numbers: range) -> list[bytes]:
        """As netlab's own client: in as few datagrams as fit."""
        packets = list(map(emit, numbers))
        fit = 1192 // len(packets[0])
        return [with_session(b"".join(packets[at : at + fit]), self.token) for at in range(0, len(packets), fit)]


PEERS: dict[str, type[Peer]] = {
    "asyncio, one write a message": Peer,
    "asyncio, coalesced": Peer,
    "websockets.broadcast": WebSocketPeer,
    "python-socketio": SocketIoPeer,
    "npm socket.io": SocketIoPeer,
    "netlab tcp": NetlabTcpPeer,
    "netlab ws": NetlabWebSocketPeer,
    "netlab sio": NetlabSocketIoPeer,
    "sendto loop": SendtoPeer,
    "netlab udp": NetlabUdpPeer,
}


NPM = Path(__file__).with_name("npm")


def install_npm() -> str:
    """Get npm's packages, as its lock file has them, where they are not there yet; what went wrong, or nothing."""
    if (NPM / "node_modules").is_dir():
        return ""
    if shutil.which("npm") is None:
        return "Node and npm are not installed"
    got = subprocess.run(["npm", "ci", "--silent"], cwd=NPM, capture_output=True, text=True, check=False)
    return got.stderr.strip()[-200:] or "npm ci failed" if got.returncode else ""


@contextlib.contextmanager
def server(name: str) -> Iterator[int]:
    if name == "npm socket.io":
        command = ["node", str(NPM / "fanout_server.mjs")]
    else:
        command = [sys.executable, str(Path(__file__).with_name("fanout_servers.py")), name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


class Room:
    """All members, read through one epoll; the first of them speaks."""

    def __init__(self, peer: Peer, port: int, clients: int) -> None:
        self.peer = peer
        self.members: dict[int, Member] = {}
        self.poll = select.epoll()
        self.said: list[bytes] = []
        for index in range(clients):
            sock = peer.connect(port, index)
            sock.settimeout(10)
            peer.join(sock, index)
            sock.setblocking(False)
            self.members[sock.fileno()] = Member(sock, self.said, stream=peer.stream)
            self.poll.register(sock.fileno(), select.EPOLLIN)
        self.speaker = next(iter(self.members.values()))
        self.unsent = b""

    def send(self, count: int) -> None:
        numbers = range(len(self.said), len(self.said) + count)
        self.said += [b"%08d" % number for number in numbers]
        writes = self.peer.say(numbers)
        if self.peer.stream:
            self.unsent += writes[0]
        else:
            for datagram in writes:
                self.speaker.socket.send(datagram)

    def turn(self, timeout: float, seen: Callable[[list[int]], None] | None = None) -> None:
        if self.unsent:
            with contextlib.suppress(BlockingIOError):
                self.unsent = self.unsent[self.speaker.socket.send(self.unsent) :]
        for fd, _ in self.poll.poll(timeout):
            numbers = self.members[fd].read()
            if seen is not None:
                seen(numbers)

    def received(self) -> int:
        return sum(member.received for member in self.members.values())

    def close(self) -> None:
        for member in self.members.values():
            member.socket.close()
        self.poll.close()


def throughput(room: Room, seconds: float) -> float:
    """Deliveries a second."""
    window = WINDOW if room.peer.stream else UDP_WINDOW
    chunk = window // 4
    start = time.perf_counter()
    progressed = start
    before = -1
    while (now := time.perf_counter()) < start + seconds:
        slowest = min(member.last for member in room.members.values()) + 1
        under_way = len(room.said) - slowest
        if slowest != before:
            before, progressed = slowest, now
        stalled = not room.peer.stream and now > progressed + 0.02  # a datagram was lost: go on
        if stalled:
            progressed = now
        if not room.unsent and (under_way <= window - chunk or stalled):
            room.send(chunk)
        room.turn(0.001)
    return room.received() / (time.perf_counter() - start)


def delay(room: Room, seconds: float) -> tuple[float, float]:
    """p50 and p99 of a delivery, seconds."""
    sent_at: list[float] = []
    delays: list[float] = []

    def seen(numbers: list[int]) -> None:
        now = time.perf_counter()
        delays.extend(now - sent_at[number] for number in numbers)

    start = time.perf_counter()
    for number in range(int(seconds * PACED)):
        due = start + number / PACED
        while (now := time.perf_counter()) < due:
            room.turn(due - now, seen)
        sent_at.append(time.perf_counter())
        room.send(1)
        room.turn(0, seen)
    settled = time.perf_counter() + 1
    while time.perf_counter() < settled and len(delays) < len(sent_at) * len(room.members):
        room.turn(0.01, seen)
    quantiles = statistics.quantiles(delays, n=100)
    return quantiles[49], quantiles[98]


def measure(name: str, clients: int, seconds: float) -> dict[str, float]:
    with server(name) as port:
        room = Room(PEERS[name](), port, clients)
        deliveries = throughput(room, seconds)
        room.close()
    with server(name) as port:
        room = Room(PEERS[name](), port, clients)
        p50, p99 = delay(room, seconds)
        room.close()
    return {"deliveries_s": deliveries, "p50_s": p50, "p99_s": p99}


Rounds = list[dict[str, dict[str, float]]]

RATIOS = (
    ("netlab tcp", "websockets.broadcast", "deliveries_s", "for 100 clients the aim is 8 or more"),
    ("netlab tcp", "python-socketio", "deliveries_s", "40 or more"),
    ("netlab tcp", "asyncio, coalesced", "deliveries_s", "0.35 or more"),
    ("netlab tcp", "asyncio, one write a message", "p50_s", "at most 1.3"),
    ("netlab ws", "websockets.broadcast", "deliveries_s", "for 100 clients the aim is 3 or more"),
    ("netlab ws", "npm socket.io", "deliveries_s", "1 or more"),
    ("netlab sio", "python-socketio", "deliveries_s", "for 100 clients the aim is 3 or more"),
    ("netlab sio", "npm socket.io", "deliveries_s", "no aim"),
    ("netlab udp", "sendto loop", "deliveries_s", "1.5 or more"),
)


def show(clients: int, rounds: Rounds) -> None:
    print(f"\n{clients} clients in one room, texts of {TEXT_LENGTH} B, medians of {len(rounds)} rounds")
    print(f"{'server':30} {'thousand deliveries/s':>22} {'p50 ms':>9} {'p99 ms':>9}   (paced: {PACED} messages/s)")
    for name in rounds[0]:
        row = {key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]}
        print(
            f"{name:30} {row['deliveries_s'] / 1e3:22.1f} {row['p50_s'] * 1e3:9.2f} {row['p99_s'] * 1e3:9.2f}",
            flush=True,
        )
    for ours, theirs, what, aim in RATIOS:
        if not {ours, theirs} <= set(rounds[0]):
            continue
        value = statistics.median(each[ours][what] / each[theirs][what] for each in rounds)
        measured = "p50 when paced" if what == "p50_s" else "deliveries"
        print(f"{f'{ours} / {theirs}':45} {measured:15} {value:7.2f}  ({aim})")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", default="10,100,1000", help="sizes of the room, comma-separated")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="servers to run, separated by semicolons")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    names = options.only.split(";") if options.only else [*PEERS]
    if "npm socket.io" in names and (missing := install_npm()):
        print(f"without npm socket.io: {missing}", file=sys.stderr)
        names.remove("npm socket.io")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    results: dict[int, Rounds] = {}
    for clients in map(int, options.clients.split(",")):
        results[clients] = []
        for number in range(options.rounds):
            each = {}
            for name in names:
                print(f"\r{clients} clients, round {number + 1}: {name:40}", end="", file=sys.stderr, flush=True)
                each[name] = measure(name, clients, options.seconds)
            results[clients].append(each)
        print("\r" + " " * 70, end="\r", file=sys.stderr)
        if not options.json:
            show(clients, results[clients])
    if options.json:
        print(json.dumps({"cpus": os.cpu_count(), "rounds": results}))


if __name__ == "__main__":
    main()
