"""A storm: 1,000 clients connect at once to a busy server. How long does each wait for its welcome?

    python benchmarks/storm.py [--clients 1000] [--rounds 5]

The server is `netlab serve` in a process of its own, with 20 members of a room who speak 500 messages a second all the
while. The clients are plain sockets in this process: each time is from `connect` to the hub's welcome.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import socket
import statistics
import subprocess
import sys
import time

from netlab.chat import messages as m
from netlab.packets import Packet, PacketType, encode

TALKERS = 20
RATE = 500  # messages a second of all talkers together


def packet(message: object, packet_type: PacketType = PacketType.DATA) -> bytes:
    return encode(Packet(m.encode_json(message), type=packet_type))


def talkers(port: int) -> list[socket.socket]:
    socks = []
    for index in range(TALKERS):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(packet(m.Hello(name=f"talker-{index}"), PacketType.HELLO) + packet(m.Join(1, "busy")))
        data = b""
        while b'"result"' not in data:
            data += sock.recv(65536)
        sock.setblocking(False)
        socks.append(sock)
    return socks


def storm(port: int, clients: int, busy: list[socket.socket], op: int) -> tuple[list[float], int]:
    """Seconds from connect to welcome of each client, and how many talkers' messages were under way meanwhile."""
    poll = select.epoll()
    started: dict[int, float] = {}
    waiting: dict[int, socket.socket] = {}
    for sock in busy:
        poll.register(sock.fileno(), select.EPOLLIN)
    by_fd = {sock.fileno(): sock for sock in busy}
    begin = time.perf_counter()
    for index in range(clients):
        sock = socket.socket()
        sock.setblocking(False)
        started[sock.fileno()] = time.perf_counter()
        sock.connect_ex(("127.0.0.1", port))
        waiting[sock.fileno()] = sock
        hello = packet(m.Hello(name=f"new-{op}-{index}"), PacketType.HELLO)
        by_fd[sock.fileno()] = sock
        poll.register(sock.fileno(), select.EPOLLIN)
        sock.send(hello)
    delays = []
    said = 0
    while waiting:
        now = time.perf_counter()
        while said < (now - begin) * RATE:
            busy[said % TALKERS].send(packet(m.Emit(op + said // TALKERS, "say", ["busy"], ["x" * 64])))
            said += 1
        for fd, _ in poll.poll(0.002):
            data = by_fd[fd].recv(1 << 16)
            if fd in waiting:
                if b'"welcome"' not in data:
                    raise SystemExit(f"not welcome: {data!r}")
                delays.append(time.perf_counter() - started[fd])
                poll.unregister(fd)
                waiting.pop(fd).close()
        if now > begin + 30:
            raise SystemExit(f"{len(waiting)} of {clients} are not in after 30 s")
    poll.close()
    return delays, said


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    command = [sys.executable, "-m", "netlab", "serve", "--tcp", "127.0.0.1:0", "--no-rate-limit", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            url = json.loads(server.stdout.readline())["listening"][0]["url"]
            port = int(url.rpartition(":")[2])
            busy = talkers(port)
            p99s = []
            for number in range(options.rounds):
                delays, said = storm(port, options.clients, busy, 2 + 10_000 * number)
                p50, p99 = statistics.median(delays), statistics.quantiles(delays, n=100)[98]
                p99s.append(p99)
                print(
                    f"{len(delays)} in: p50 {p50 * 1e3:.0f} ms, p99 {p99 * 1e3:.0f} ms; {said} messages said meanwhile"
                )
            print(f"p99, median of {options.rounds} rounds: {statistics.median(p99s) * 1e3:.0f} ms (aim: under 500)")
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
