"""A packet seen at several places is one packet: the journeys agree with the link's own account."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import msgspec
import pytest

from netlab.capture.files import Capture, read
from netlab.capture.recorded import recorded
from netlab.capture.vantage import Copy, directions, journeys, sums
from netlab.errors import CaptureError
from netlab.network import parse_link, testbed
from netlab.network.recording import Recording
from netlab.scenarios import parse_scenario, run
from netlab.units import MS

SCENARIO = parse_scenario("""
about = "Three people over udp, and datagrams beside them."
source = "made for this test"
[[flows]]
kind = "chat"
people = 3
messages = 12
[[flows]]
kind = "datagrams"
rate = "200kbit"
""")
POINTS = ("gateway", "gateway>server", "server>gateway", "server")


@pytest.mark.parametrize(
    "link",
    [
        "",
        "loss=10% delay=5ms",
        "duplicate=20% delay=5ms jitter=4ms",
        "corrupt=15% delay=5ms",
        "rate=300kbit queue=5packets delay=5ms",
        "mtu=600 delay=1ms",
        "loss=5% duplicate=5% corrupt=4% delay=10ms jitter=4ms reorder=3%",
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_in_a_simulation_they_agree_with_the_account_of_the_link(tmp_path: Path, link: str, seed: int) -> None:
    chosen = msgspec.structs.replace(SCENARIO, link=link)
    tap = Recording()
    ran = run(chosen, seed=seed, tap=tap, points=POINTS)
    (tmp_path / "x.pcapng").write_bytes(tap.pcapng())
    found = journeys(read(tmp_path / "x.pcapng"))
    told = sums(found)
    assert set(told) == {"gateway>server", "server>gateway"}
    for direction, ours in told.items():
        account = ran.links[direction]
        assert (ours.sent, ours.delivered, ours.on_the_way) == (account.arrived, account.delivered, account.held)
        assert (ours.dropped, ours.duplicated) == (account.dropped, account.duplicated)
        assert ours.corrupted == account.corrupted
    assert all(copy.received is not None for journey in found for copy in journey.arrived)


SENDS = """
import os, socket
s = socket.create_connection((os.environ["NETLAB_PEER"], 5000))
s.sendall(bytes(range(256)) * 800)
s.shutdown(socket.SHUT_WR)
s.recv(1)
u = socket.socket(2, 2)
for n in range(60): u.sendto(b"the same every time", (os.environ["NETLAB_PEER"], 5001))
"""
TAKES = """
import socket
u = socket.socket(2, 2); u.bind(("", 5001))
s = socket.create_server(("", 5000))
c = s.accept()[0]
while c.recv(65536): pass
c.sendall(b"!")
import time; time.sleep(30)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("live")
def test_in_a_testbed_too_with_segments_sent_again_and_datagrams_that_are_all_alike(tmp_path: Path) -> None:
    file = os.open(tmp_path / "x.pcapng", os.O_CREAT | os.O_WRONLY)
    link = parse_link("loss=4% duplicate=3% delay=5ms")
    peer = shlex.split(f"{sys.executable} -c {shlex.quote(TAKES)}")
    result = testbed.Testbed([sys.executable, "-c", SENDS], link, seed=5, peer=peer, capture=file).run()
    os.close(file)
    assert result.exit_status == 0
    found = journeys(read(tmp_path / "x.pcapng"))
    for direction, ours in sums(found).items():
        account = result.accounts[direction]
        assert (ours.sent, ours.delivered) == (account.arrived, account.delivered)
        assert (ours.dropped, ours.corrupted) == (account.dropped, 0)
        # a copy that was still held when the testbed ended was seen by nobody
        assert account.duplicated - ours.duplicated == account.held - ours.on_the_way
    assert sums(found)["A>B"].dropped["loss"] > 3
    delays = [copy.delay for journey in found for copy in journey.arrived if copy.delay is not None]
    assert min(delays) >= 5 * MS


# ---- by hand ---------------------------------------------------------------------------------------------------------

ETHERNET = b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\x00"


class Script:
    """A capture written line by line."""

    def __init__(self, path: Path) -> None:
        self._path, self._tap = path, Recording()

    def sent(self, at: int, data: bytes) -> Script:
        self._tap.seen("A", at * MS, ETHERNET + data, None, outbound=True)
        return self

    def wire(self, at: int, data: bytes, comment: str | None = None) -> Script:
        self._tap.seen("A>B", at * MS, ETHERNET + data, comment, outbound=None)
        return self

    def got(self, at: int, data: bytes) -> Script:
        self._tap.seen("B", at * MS, ETHERNET + data, None, outbound=False)
        return self

    def capture(self) -> Capture:
        self._path.write_bytes(self._tap.pcapng())
        return read(self._path)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path / "x.pcapng")


ONE, TWO, THREE = (bytes([number]) * 40 for number in (1, 2, 3))
DAMAGED = ONE[:20] + b"\x81" + ONE[21:]


def said(capture: Capture) -> list[list[str]]:
    return [journey.what_happened for journey in journeys(capture)]


def test_what_happens_to_a_packet_is_named(script: Script) -> None:
    script.sent(0, ONE).sent(0, TWO).sent(0, THREE).sent(1, ONE + b"!")
    script.wire(0, THREE, "dropped: the queue was full (queue_full)")
    script.wire(5, TWO).got(5, TWO).wire(7, DAMAGED, "damaged: byte 20 by 0x80").got(7, DAMAGED).wire(9, TWO).got(
        9, TWO
    )
    capture = script.capture()
    assert said(capture) == [
        ["corrupted: byte 34", "delayed by 7.000 ms", "overtaken by 1"],
        ["duplicated: 2 copies arrived", "delayed by 5.000 ms and 9.000 ms"],
        ["lost: the queue was full"],
        ["on its way when the capture ended"],
    ]
    first, _, third, _ = journeys(capture)
    assert first.copies == (Copy(wire=8, received=9, changed=(34,), delay=7 * MS),)
    assert (third.copies[0].reason, third.copies[0].received) == ("queue_full", None)


def test_packets_that_are_alike_are_told_apart_by_their_order(script: Script) -> None:
    script.sent(0, ONE).sent(1, ONE).sent(2, ONE)
    script.wire(3, ONE).got(3, ONE).wire(4, ONE, "dropped: lost on the way (loss)").wire(5, ONE).got(5, ONE)
    assert said(script.capture()) == [["delayed by 3.000 ms"], ["lost: lost on the way"], ["delayed by 3.000 ms"]]


def test_one_that_is_sent_again_is_no_copy_of_the_first(script: Script) -> None:
    script.sent(0, ONE).wire(1, ONE).got(1, ONE).sent(9, ONE).wire(10, ONE).got(10, ONE)
    assert said(script.capture()) == [["delayed by 1.000 ms"], ["delayed by 1.000 ms"]]


def test_more_copies_than_were_sent_are_the_links(script: Script) -> None:
    script.sent(0, ONE).wire(1, ONE).got(1, ONE).wire(2, ONE).got(2, ONE).sent(9, ONE).wire(10, ONE).got(10, ONE)
    first, second = said(script.capture())
    assert first[0] == "duplicated: 2 copies arrived"
    assert second == ["delayed by 1.000 ms"]


def test_where_nobody_looked_at_the_wire(script: Script) -> None:
    script.sent(0, ONE).sent(1, TWO).got(5, DAMAGED)
    capture = script.capture()
    with pytest.raises(CaptureError, match="not captured at both ends of a link"):
        journeys(capture)
    script.wire(6, THREE)  # now the file names the direction, but shows neither of the two there
    assert directions(script.capture()) == {"A>B": ("A", "B")}


def test_a_capture_of_one_place_is_refused_by_name() -> None:
    with pytest.raises(CaptureError, match="netlab testbed --capture"):
        journeys(recorded("chat-udp"))


def test_what_differs_in_many_bytes_is_another_packet(script: Script) -> None:
    script.sent(0, ONE).wire(1, TWO)
    assert said(script.capture()) == [["on its way when the capture ended"]]


def test_the_reasons_of_a_hostile_file_are_escaped(script: Script) -> None:
    script.sent(0, ONE).wire(1, ONE, "dropped: \x1b[2J\u202e (loss)")
    assert said(script.capture()) == [[r"lost: \x1b[2J\u202e"]]
