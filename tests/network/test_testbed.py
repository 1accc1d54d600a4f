"""The testbed: kernel TCP and UDP really cross the link, and nothing is left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections import deque
from pathlib import Path

import pytest

from netlab.network.processes import descendants
from netlab.packets.capture_file import read_records

pytestmark = pytest.mark.slow

NETLAB = "import sys; from netlab.cli import main; main(sys.argv[1:])"

ECHO = """
import socket
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(("", 7))
while True:
    own.sendto(*own.recvfrom(2000))
"""
PROBE = """
import json, os, socket, time
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.connect((os.environ["NETLAB_PEER"], 7))
own.settimeout(0.5)
trips, lost = [], 0
for _ in range(100):
    began = time.monotonic_ns()
    own.send(b"x")
    try:
        own.recv(10)
    except TimeoutError:
        lost += 1
    else:
        trips.append(time.monotonic_ns() - began)
print(json.dumps({"trips": sorted(trips), "lost": lost}))
"""


def cross(user, *arguments: str) -> tuple[list[dict], str]:
    """The JSON lines that COMMAND and netlab print, and what is told on stderr."""
    process = user.start(NETLAB, "testbed", "--json", *arguments, stdout=-1, stderr=-1, stdin=-3)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()], err


def echo(user) -> str:
    (user.home / "echo.py").write_text(ECHO)
    (user.home / "echo.py").chmod(0o644)
    return f"{user.python} echo.py"


def probe(user) -> list[str]:
    return [user.python, "-c", PROBE]


@pytest.mark.parametrize("delay", [0, 5, 20])
def test_a_round_trip_takes_as_long_as_was_asked_for(user, delay):
    (probed, told), _ = cross(user, f"--delay={delay}ms", "--peer", echo(user), "--", *probe(user))
    over = [trip - 2 * delay * 1_000_000 for trip in probed["trips"]]
    assert probed["lost"] == 0
    assert over[0] >= 0
    assert over[50] < 50_000_000  # gross faults only, the machine may be busy; docs/testbed.md has quiet figures
    assert told["directions"]["A>B"]["delivered"] == 100


def test_what_the_link_loses_the_kernel_does_not_see(user, tmp_path):
    file = user.home / "lost.pcapng"
    (probed, told), _ = cross(
        user, "--drop=2,5", "--seed=7", "--capture", str(file), "--peer", echo(user), "--", *probe(user)
    )
    assert probed["lost"] == 4  # the 2nd and 5th there; and of the answers the 2nd and 5th
    assert told["directions"]["A>B"]["dropped"] == {"loss": 2}
    assert told["missed"] == 0
    records = list(read_records(file.read_bytes()))
    at = [record.interface.name for record in records]
    assert (at.count("A"), at.count("A>B"), at.count("B>A"), at.count("B")) == (100 + 96, 100, 98, 98 + 98)
    dropped = [record for record in records if record.comment]
    assert {record.comment for record in dropped} == {"dropped: lost on the way (loss)"}
    assert file.stat().st_mode & 0o777 == 0o600
    times = [record.time_ns for record in records]
    assert abs(times[0] - time.time_ns()) < 120e9


def test_nothing_but_what_programs_send_crosses(user):
    (told,), _ = cross(user, "--", user.python, "-c", "import time; time.sleep(1)")
    assert told["directions"]["A>B"]["arrived"] == told["directions"]["B>A"]["arrived"] == 0


@pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3 is not installed")
@pytest.mark.parametrize("congestion", ["reno", "cubic"])
def test_iperf3_over_kernel_tcp(user, congestion):
    if congestion not in Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split():
        pytest.skip(f"no {congestion} here")
    script = "iperf3 -c $NETLAB_PEER -t 3 -J | tr -d '\\n'; echo"
    options = ["--loss=1%", "--delay=20ms", "--rate=10mbit", f"--cc={congestion}", "--seed=7"]
    (measured, told), _ = cross(user, *options, "--peer=iperf3 -s", "--", "sh", "-c", script)
    assert measured["end"]["sender_tcp_congestion"] == congestion
    assert measured["end"]["sum_sent"]["retransmits"] > 0
    assert 0 < measured["end"]["sum_received"]["bits_per_second"] < 10e6
    there = told["directions"]["A>B"]
    assert there["arrived"] == there["delivered"] + sum(there["dropped"].values()) + there["held"]
    assert there["bytes_arrived"] / there["arrived"] <= 1500  # no segment of 64 KB crosses as one packet


SERVE_ONE = """
import socket
server = socket.create_server(("", 7000))
served, _ = server.accept()
served.sendall(served.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16))
got = b""
while data := served.recv(65536):
    got += data
open("got", "w").write(str(len(got)))
while True:
    served, _ = server.accept()
"""
ASK = """
import json, os, socket, subprocess
one = socket.create_connection((os.environ["NETLAB_PEER"], 7000))
mine = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
theirs = one.recv(16)
told = subprocess.run(["ss", "-tiH"], capture_output=True, text=True).stdout
print(json.dumps([*(name.strip(b"\\0").decode() for name in (mine, theirs)), told]), flush=True)
one.sendall(bytes(300_000))
"""  # and it ends at once: what its kernel has not sent yet is still carried


def served(user) -> str:
    (user.home / "serve.py").write_text(SERVE_ONE)
    (user.home / "serve.py").chmod(0o644)
    return f"--peer={user.python} serve.py"


@pytest.mark.parametrize("congestion", ["reno", "cubic", "bbr"])
def test_the_congestion_control_of_any_program_at_both_ends(user, congestion):
    if congestion not in Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split():
        pytest.skip(f"no {congestion} here")
    options = [f"--cc={congestion}", "--delay=1ms", served(user), "--", user.python, "-c", ASK]
    ((mine, theirs, told), _), _ = cross(user, *options)
    assert (mine, theirs) == (congestion, congestion)
    assert f" {congestion} " in f" {told} "


def test_what_a_program_sent_last_arrives_after_its_end(user):
    options = ["--delay=100ms", "--rate=20mbit", served(user), "--", user.python, "-c", ASK]
    (_, told), _ = cross(user, *options)
    assert (user.home / "got").read_text() == "300000"
    assert told["directions"]["A>B"]["bytes_delivered"] > 300_000


def test_the_hosts_know_the_links_mtu(user):
    options = ["--mtu=600", served(user), "--", user.python, "-c", ASK]
    ((_, _, told_by_ss), told), _ = cross(user, *options)
    assert (user.home / "got").read_text() == "300000"
    assert told["directions"]["A>B"]["dropped"] == {}
    assert "mss:548" in told_by_ss  # 600 less the headers of IP and TCP and the option with the times (RFC 7323)


def test_streams_are_the_commands(user):
    (user.home / "trace").write_text("".join(f"{ms}\n" for ms in range(1, 60_000)))  # longer than an argument may be
    size = 3_000_000
    command = ["testbed", "-q", "--rate-trace=trace", "--", "sh", "-c", "cat; echo said >&2"]
    process = user.start(NETLAB, *command, stdin=-1, stdout=-1, stderr=-1)
    out, err = process.communicate("x" * size, timeout=60)
    assert (process.returncode, len(out), err) == (0, size, "said\n")


def test_ctrl_c_is_for_the_command(user):
    ask = (
        "import signal, sys; signal.signal(signal.SIGINT, lambda *_: sys.exit(5)); print('ready', flush=True); input()"
    )
    process = user.start(NETLAB, "testbed", "-q", "--", user.python, "-c", ask, stdin=-1, stdout=-1, stderr=-1)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 5
    _, err = process.communicate()
    assert err == ""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(user):
    (user.home / "page").write_bytes(b"1234\n" * 20_000)
    (user.home / "page").chmod(0o644)
    script = "curl -s --noproxy '*' http://$NETLAB_PEER:8000/page | wc -c"
    options = ["--corrupt=2%", "--delay=2ms", "--reorder=5%", "--duplicate=2%", "--seed=7"]
    (length, told), _ = cross(user, *options, f"--peer={user.python} -m http.server 8000", "--", "sh", "-c", script)
    assert length == 100_000
    assert told["directions"]["B>A"]["arrived"] > 60


def not_here() -> str:
    """A congestion control that this kernel has not loaded."""
    here = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    return next(name for name in ("hybla", "veno", "yeah", "lp", "illinois") if name not in here)


def test_the_programs_status_and_what_is_not_there(user):
    for command, status, said in (
        (["sh", "-c", "exit 7"], 7, ""),
        (["sh", "-c", "kill -9 $$"], 137, ""),
        (["/bin/no-such-program"], 127, "no-such-program: No such file or directory"),
        (["--cc", "nonsense", "--", "true"], 2, "--cc nonsense: this kernel has"),
        (["--cc", (absent := not_here()), "--", "true"], 2, f"modprobe tcp_{absent}"),
        (["--peer", "/bin/no-such-peer", "--", "true"], 127, "no-such-peer"),
        (["--capture", "none/x", "--", "true"], 1, "there is no directory none"),
    ):
        process = user.start(NETLAB, "testbed", "-q", *command, stdout=-1, stderr=-1, stdin=-3)
        _, err = process.communicate(timeout=30)
        assert process.returncode == status
        assert said in err
        assert len(err.splitlines()) == bool(said)


def test_a_peer_that_fails_before_its_time_is_told(user):
    for peer, said in (("false", "before COMMAND, with status 1"), ("sh -c 'kill -9 $$'", "with status 137")):
        process = user.start(NETLAB, "testbed", f"--peer={peer}", "--", "sleep", "0.2", stdout=-1, stderr=-1, stdin=-3)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0
        assert said in err
    process = user.start(NETLAB, "testbed", "--peer=sleep 1000", "--", "true", stdout=-1, stderr=-1, stdin=-3)
    assert "before COMMAND" not in process.communicate(timeout=30)[1]


LEAVES = """
import os, subprocess, sys, time
subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(os.readlink("/proc/self/ns/net"), flush=True)
time.sleep(1000)
"""


def processes_with(mark: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                environment = Path(f"/proc/{name}/environ").read_bytes()
            except OSError:
                continue
            if mark.encode() in environment:
                found.append(int(name))
    return found


def users_of(network: str) -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdecimal() and os.readlink(f"/proc/{name}/ns/net") == network:
                found.append(name)
        except OSError:
            continue
    return found


def gone(mark: str, network: str = "") -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        if not processes_with(mark) and not (network and users_of(network)):
            return True
        time.sleep(0.02)
    return False


class TestKilled:
    """Every process of a testbed has the mark in its environment."""

    @pytest.fixture
    def mark(self, user) -> str:
        user.environment["NETLAB_TEST_MARK"] = f"mark-{os.getpid()}-{time.monotonic_ns()}"
        return user.environment["NETLAB_TEST_MARK"]

    def begin(self, user, *arguments: str):
        peer = f"{user.python} -c 'import time; time.sleep(1000)'"
        command = ("testbed", "-q", "--delay=1ms", "--peer", peer, "--", user.python, "-c", LEAVES)
        return user.start(NETLAB, *command, stdout=-1, stderr=-1, stdin=-3)

    def begin_chat(self, user):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = str(probe.getsockname()[1])
        return user.start(NETLAB, "tcp-chat", "--port", port, "--link", "delay=1ms", stdin=-1, stdout=-1, stderr=-1)

    def end(self, process) -> None:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def test_the_parent_killed_while_it_runs(self, user, mark):
        process = self.begin(user)
        network = process.stdout.readline().strip()
        assert len(users_of(network)) == 2
        self.end(process)
        assert gone(mark, network)

    @pytest.mark.parametrize("what", ["testbed", "tcp-chat"])
    def test_the_parent_killed_at_any_moment(self, user, mark, what):
        """Also while it builds, a few at a time, so that each is slower than the others expect."""
        devices = sorted(os.listdir("/sys/class/net"))
        begin = self.begin if what == "testbed" else self.begin_chat
        began = time.monotonic()
        first = begin(user)
        first.stdout.readline()  # everything runs
        whole = time.monotonic() - began
        self.end(first)
        moments, stages = deque(whole * part / 16 for part in range(24)), set()
        running: list[tuple[float, subprocess.Popen[str]]] = []
        while moments or running:
            while moments and len(running) < 4:
                until = time.monotonic() + moments.popleft()
                running.append((until, begin(user)))
            running.sort(key=lambda entry: entry[0])
            until, process = running.pop(0)
            time.sleep(max(0, until - time.monotonic()))
            stages.add(len(descendants(process.pid)))
            self.end(process)
        assert gone(mark)
        assert sorted(os.listdir("/sys/class/net")) == devices
        assert len(stages) > 1  # some had just begun, in some more ran

    def test_the_inner_process_killed(self, user, mark):
        process = self.begin(user)
        network = process.stdout.readline().strip()
        inner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(inner[0]), signal.SIGKILL)
        assert process.wait(20) == 1
        assert "ended before its time" in process.stderr.read()
        assert gone(mark, network)
        self.end(process)

    def test_asked_to_end_it_ends_its_command(self, user, mark):
        process = self.begin(user)
        network = process.stdout.readline().strip()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 143
        assert gone(mark, network)
        self.end(process)
