"""Our TCP at the end of a real link, and Linux's at the other: either opens, both send, through loss and reordering.

Host B's kernel has no address, so what answers there is ours. What the two agreed on is read from the capture, and
tshark looks for what is malformed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netlab.packets import ethernet, ipv4, tcp
from netlab.packets.capture_file import read_records
from netlab.packets.tcp import SackPermitted, TcpFlags, TcpSegment, Timestamps, WindowScale
from tests.tshark import HEADERS_ONLY

pytestmark = pytest.mark.slow

SIZE = 10_000_000

PUT = f"""
import hashlib, socket
from netlab.network.stack_services import PATTERN
s = socket.create_connection(("10.0.0.2", 9), 60)
left, digest = {SIZE}, hashlib.sha256()
while left:
    piece = PATTERN[:left]
    s.sendall(piece)
    digest.update(piece)
    left -= len(piece)
s.shutdown(socket.SHUT_WR)
answer = b""
while data := s.recv(1000):
    answer += data
assert answer.decode().split() == [str({SIZE}), digest.hexdigest()], answer
print(0)
"""

GET = f"""
import hashlib, socket
from netlab.network.stack_services import pattern_digest
s = socket.create_connection(("10.0.0.2", 19), 60)
s.sendall(b"{SIZE}B\\n")
digest = hashlib.sha256()
while data := s.recv(65536):
    digest.update(data)
assert digest.hexdigest() == pattern_digest({SIZE})
print(0)
"""

CALLED = f"""
import hashlib, json, socket, threading, time
from netlab.network.stack_services import PATTERN, pattern_digest
listening = socket.create_server(("10.0.0.1", 5001))
s, _ = listening.accept()
def send():
    left = {SIZE}
    while left:
        piece = PATTERN[:left]
        s.sendall(piece)
        left -= len(piece)
    s.shutdown(socket.SHUT_WR)
sending = threading.Thread(target=send)
sending.start()
digest = hashlib.sha256()
while data := s.recv(65536):
    digest.update(data)
sending.join()
assert digest.hexdigest() == pattern_digest({SIZE})
deadline = time.monotonic() + 60
while time.monotonic() < deadline:  # until B has told
    try:
        told = open("told").read()
        if told.endswith("\\n"):
            break
    except FileNotFoundError:
        pass
    time.sleep(0.05)
print(json.dumps([json.loads(told), pattern_digest({SIZE})]))
"""

ENDS = """
import asyncio, json, os, sys
from netlab.network.link_end import LinkEnd
from netlab.network.link_host import LinkHost
from netlab.network.stack_services import _Service
from netlab.protocols.tcp import Failed

class User(_Service):
    def __init__(self, socket):
        super().__init__(socket)
        self.told = []
    def peer_closed(self):
        self.told.append("peer closed")
    def over(self, how):
        self.told.append(how.code if isinstance(how, Failed) else "closed")
    def received(self, data):
        if data == b"abort":
            self.socket.abort()
        elif data == b"close":
            self.socket.close()

async def main():
    users, states = [], []
    def trace(decision):
        if decision.cause == "state":
            states.append(decision.state)
    with LinkEnd("eth0") as end:
        host = LinkHost(end, "10.0.0.2", trace=trace)
        def accept(socket):
            users.append(User(socket))
            return users[-1]
        host.tcp.listen(7, accept)
        for _ in range(600):
            await asyncio.sleep(0.02)
            open("written", "w").write(json.dumps([states, [user.told for user in users]]))
            os.replace("written", "states")

asyncio.run(main())
"""

LINUX_ENDS = """
import json, socket, struct, time
def connect():
    s = socket.create_connection(("10.0.0.2", 7), 10)
    time.sleep(0.5)
    return s
s = connect()                                                  # 1: Linux resets
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
s = connect()                                                  # 2: we reset
s.sendall(b"abort")
try:
    s.recv(10)
    outcome = "end"
except ConnectionResetError:
    outcome = "reset"
s.close()
s = connect()                                                  # 3: both close at once
s.sendall(b"close")
time.sleep(0.05)    # B's FIN leaves when that has arrived, after 150 ms, and is here after 300
s.close()
time.sleep(1)
print(json.dumps([outcome, *json.load(open("states"))]))
"""

RUN = """
import os, sys
from netlab.network.link_options import parse_link
from netlab.network.testbed import Testbed

os.environ["PYTHON"] = sys.executable
here, peer, link, capture = sys.argv[1:5]
file = os.open(capture, os.O_RDWR | os.O_CREAT) if capture else None
command = [sys.executable, "-c", here]
bed = Testbed(command, parse_link(link), seed=7, peer=["sh", "-c", peer], bare="B", capture=file)
sys.exit(bed.run().exit_status)
"""


@pytest.fixture
def linux(user: Any) -> Callable[..., Any]:
    """`linux(here, peer, link, capture)`: the JSON that `here`, Python on host A, prints last while `peer`, a command,
    runs on host B."""

    def run(here: str, peer: str, link: str, capture: str = "") -> Any:
        return user.run(RUN, here, peer, link, capture)

    return run


once = pytest.mark.parametrize("user", ["whoever tests"], indirect=True)
"""The testbed is proved to work for an ordinary user elsewhere."""

LINKS = {
    "clean": "delay=1ms",
    "1 % loss": "delay=1ms loss=1% reorder=2%",
    "5 % loss": "delay=1ms loss=5% reorder=2%",
}
SERVICES = "exec $PYTHON -m netlab.network.stack_services"


def segments(file: Path, point: str) -> Iterator[TcpSegment]:
    """What passed a point of the capture; each checksum is verified by the way."""
    for record in read_records(file.read_bytes()):
        if record.interface.name == point:
            frame = ethernet.decode(record.data)
            if frame.ethertype == ethernet.EtherType.IPV4:
                packet = ipv4.decode(frame.payload)
                yield tcp.decode(packet.payload, packet.source, packet.destination)


def what_tshark_finds(file: Path) -> list[str]:
    """Segments that are malformed, or whose checksum is wrong."""
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed")
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    # Linux writes a checksum of 0 as 0xffff (CSUM_MANGLED_0), also for TCP: right for every receiver, not for tshark
    wrong = "_ws.malformed or ip.checksum.status == Bad or (tcp.checksum.status == Bad and tcp.checksum != 0xffff)"
    command = ["tshark", "-n", "-r", str(file), *HEADERS_ONLY, *checks, "-Y", wrong]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def check_capture(file: Path, *, lossy: bool) -> None:
    """Both SYNs offer window scale, SACK and timestamps, and what was agreed is used."""
    passed = [*segments(file, "A>B"), *segments(file, "B>A")]
    syns = [segment for segment in passed if segment.flags & TcpFlags.SYN]
    assert {segment.flags & TcpFlags.ACK for segment in syns} == {TcpFlags(0), TcpFlags.ACK}
    for segment in syns:
        assert all(segment.option(kind) is not None for kind in (WindowScale, SackPermitted, Timestamps))
    others = [segment for segment in passed if not segment.flags & (TcpFlags.SYN | TcpFlags.RST)]
    assert all(segment.option(Timestamps) is not None for segment in others)
    if lossy:
        assert any(segment.option(tcp.Sack) is not None for segment in others)
    assert what_tshark_finds(file) == []


@once
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("direction", ["put", "get"])
def test_linux_opens_and_ten_megabytes_are_exact(
    linux: Callable[..., Any], user: Any, direction: str, link: str
) -> None:
    small = {"put": PUT, "get": GET}[direction]
    linux(small, SERVICES, link, "took.pcapng")
    check_capture(user.home / "took.pcapng", lossy="loss" in link)


@once
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
def test_we_open_and_ten_megabytes_each_way_at_once_are_exact(linux: Callable[..., Any], user: Any, link: str) -> None:
    told, digest = linux(CALLED, f"{SERVICES} connect 5001 {SIZE}B > told", link, "called.pcapng")
    assert (told["received"], told["sent"], told["sha256"], told["ended"]) == (SIZE, SIZE, digest, "closed")
    check_capture(user.home / "called.pcapng", lossy="loss" in link)


@once
def test_resets_and_a_close_of_both_at_once(linux: Callable[..., Any], user: Any) -> None:
    (user.home / "ends.py").write_text(ENDS)
    outcome, states, told = linux(LINUX_ENDS, "exec $PYTHON ends.py", "delay=150ms", "ends.pcapng")
    assert told[0] == ["reset"]
    assert (outcome, told[1]) == ("reset", ["aborted"])
    assert told[2] == ["peer closed"]  # and it is in TIME-WAIT
    assert states[-4:] == ["ESTABLISHED", "FIN-WAIT-1", "CLOSING", "TIME-WAIT"]
    assert what_tshark_finds(user.home / "ends.pcapng") == []
