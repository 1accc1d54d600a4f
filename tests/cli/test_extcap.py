"""The interfaces for Wireshark: asked as it asks, captured from as it captures, and by tshark itself."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from netlab.packets.capture_file import read_records
from netlab.scenarios import ready
from tests.cli.conftest import environment

SIMULATION, TESTBED = "--extcap-interface=netlab-simulation", "--extcap-interface=netlab-testbed"


def sentences(done: subprocess.CompletedProcess[bytes], kind: str) -> list[dict[str, str]]:
    """What extcap(4) calls sentences: a word, then {key=value} again and again."""
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    for line in lines:
        assert re.fullmatch(r"\w+ (\{[a-z]+=[^{}]*\})+", line), line
    return [dict(re.findall(r"\{([a-z]+)=([^{}]*)\}", line)) for line in lines if line.startswith(f"{kind} ")]


def test_interfaces_and_what_they_can_be_told(netlab):
    interfaces = sentences(netlab("extcap", "--extcap-interfaces", "--extcap-version=4.0"), "interface")
    assert [one["value"] for one in interfaces] == ["netlab-simulation", "netlab-testbed"]
    for interface in (SIMULATION, TESTBED):
        assert sentences(netlab("extcap", interface, "--extcap-dlts"), "dlt") == [
            {"number": "1", "name": "EN10MB", "display": "Ethernet"}
        ]
    asked = netlab("extcap", SIMULATION, "--extcap-config")
    arguments = sentences(asked, "arg")
    assert [one["number"] for one in arguments] == [str(number) for number in range(len(arguments))]
    assert [one["call"] for one in arguments] == ["--scenario", "--scenario-file", "--pace", "--link", "--seed"]
    choices = [one for one in sentences(asked, "value") if one["arg"] == "0"]
    assert [one["value"] for one in choices] == list(ready())
    assert [one["value"] for one in choices if one["default"] == "true"] == ["home-wifi"]
    calls = [one["call"] for one in sentences(netlab("extcap", TESTBED, "--extcap-config"), "arg")]
    assert calls == ["--command", "--peer", "--link", "--seed"]


class Capturing:
    """A capture as Wireshark starts it: a pipe of its making, and the program told of it."""

    def __init__(self, tmp_path: Path, *arguments: str) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        command = [sys.executable, "-m", "netlab", "extcap", "--capture", f"--fifo={pipe}", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, env=environment())
        self.reader = open(pipe, "rb")  # noqa: SIM115  # waits until the other end is opened

    def end(self) -> tuple[bytes, int, bytes]:
        """What came through the pipe, the exit status, and what was said."""
        with self.reader:
            data = self.reader.read()
        _, said = self.process.communicate(timeout=30)
        return data, self.process.returncode, said


def test_a_simulation_comes_through_the_pipe(tmp_path, netlab):
    arguments = ("--scenario=tiny-mtu", "--seed=7", "--link=delay=5ms loss=5%")
    data, status, said = Capturing(tmp_path, SIMULATION, *arguments).end()
    assert (status, said) == (0, b"")
    records = list(read_records(data))
    assert len(records) > 50
    assert {record.interface.name for record in records} == {"gateway", "gateway>server", "server>gateway", "server"}
    file = tmp_path / "same.pcapng"
    netlab("simulate", "tiny-mtu", "--seed", "7", "--link", "delay=5ms loss=5%", "--capture", str(file))
    theirs = list(read_records(file.read_bytes()))
    assert [(one.time_ns, one.data) for one in records] == [(one.time_ns, one.data) for one in theirs]


def test_at_its_own_pace_packets_come_as_time_goes_by_and_the_stop_button_ends_it(tmp_path):
    capturing = Capturing(tmp_path, SIMULATION, "--scenario=home-wifi", "--seed=1", "--pace=as-it-happens")
    assert capturing.reader.read(4) == b"\x0a\x0d\x0d\x0a"
    capturing.process.send_signal(signal.SIGTERM)
    data, status, said = capturing.end()
    assert (status, said) == (0, b"")
    records = list(read_records(b"\x0a\x0d\x0d\x0a" + data))
    assert records
    assert records[-1].time_ns - records[0].time_ns < 20 * 10**9


def test_wireshark_closing_the_pipe_is_a_good_end(tmp_path):
    capturing = Capturing(tmp_path, SIMULATION, "--scenario=home-wifi", "--seed=1")
    capturing.reader.read(100)
    capturing.reader.close()
    _, said = capturing.process.communicate(timeout=30)
    assert (capturing.process.returncode, said) == (0, b"")


@pytest.mark.usefixtures("live")
def test_a_program_in_a_testbed(tmp_path):
    script = (
        "import os,socket; s=socket.socket(2,2); [s.sendto(b'x'*n,(os.environ['NETLAB_PEER'],9)) for n in range(5)]"
    )
    arguments = (f'--command={sys.executable} -c "{script}"', "--link=delay=5ms", "--seed=3")
    data, status, said = Capturing(tmp_path, TESTBED, *arguments).end()
    assert (status, said) == (0, b"")
    seen: dict[str, list[int]] = {}
    for record in read_records(data):
        if record.data[23] == 17:
            seen.setdefault(record.interface.name or "", []).append(len(record.data) - 42)
    assert seen["A"] == seen["A>B"] == seen["B"] == [0, 1, 2, 3, 4]


@pytest.mark.usefixtures("live")
def test_what_passes_the_testbed_is_seen_while_it_runs(tmp_path):
    script = "import os,socket,time; socket.socket(2,2).sendto(b'x',(os.environ['NETLAB_PEER'],9)); time.sleep(600)"
    capturing = Capturing(tmp_path, TESTBED, f'--command={sys.executable} -c "{script}"', "--seed=3")
    head = capturing.reader.read(300)  # the first datagram, and the program goes on sleeping
    assert head.startswith(b"\x0a\x0d\x0d\x0a")
    capturing.process.send_signal(signal.SIGTERM)
    _, status, said = capturing.end()
    assert (status, said) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "there are netlab-simulation, netlab-testbed"),
        (["--extcap-interface=eth0", "--extcap-dlts"], 2, "not eth0"),
        ([SIMULATION], 2, "say --capture and --fifo"),
        ([SIMULATION, "--capture", "--fifo=missing"], 1, "missing: No such file or directory"),
        ([SIMULATION, "--capture", "--fifo=plain"], 1, "plain is no pipe"),
        ([SIMULATION, "--capture", "--fifo=plain", "--extcap-capture-filter=tcp"], 2, "use a display filter"),
    ],
)
def test_what_is_wrong_is_one_line(netlab, tmp_path, monkeypatch, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text("")
    done = netlab("extcap", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([SIMULATION, "--scenario=nothing"], b"there is no such file and no such scenario"),
        ([SIMULATION, "--link=loss=lots"], b"loss"),
        ([SIMULATION, "--seed=x"], b"'x' is no seed"),
        ([TESTBED], b"name what runs on host A"),
        ([TESTBED, "--command='"], b"No closing quotation"),
    ],
)
def test_what_wireshark_was_told_wrongly_is_said_and_the_pipe_closed(tmp_path, arguments, said):
    data, status, told = Capturing(tmp_path, *arguments).end()
    assert (data, status != 0, len(told.splitlines())) == (b"", True, 1)
    assert said in told


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
class TestTshark:
    """As an ordinary user: run by root, Wireshark does not look where WIRESHARK_EXTCAP_DIR says."""

    @pytest.fixture
    def tshark(self, user):
        if os.geteuid() == 0 and not user.arguments:
            pytest.skip("tshark does not heed WIRESHARK_EXTCAP_DIR for root")
        user.environment |= {"WIRESHARK_EXTCAP_DIR": str(user.home), "LC_ALL": "C.UTF-8"}
        install = [user.python, "-m", "netlab", "wireshark", "--install", "--dir", str(user.home)]
        assert user.popen(install, stdout=subprocess.DEVNULL).wait() == 0

        def run(*arguments: str) -> str:
            command = ["tshark", "-X", f"lua_script:{user.home / 'netlab.lua'}", *arguments]
            with user.popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                out, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            return str(out)

        return run

    def test_lists_them(self, tshark):
        assert re.findall(r"(netlab-\w+) \(netlab: ", tshark("-D")) == ["netlab-simulation", "netlab-testbed"]

    def test_captures_from_a_simulation(self, tshark):
        told = tshark("-i", "netlab-simulation", "-o", "extcap.netlab_simulation.seed:3", "-c", "8")
        assert len(told.splitlines()) == 8
        assert "netlab 95 hello" in told

    def test_captures_from_a_testbed(self, tshark):
        told = tshark("-i", "netlab-testbed", "-o", "extcap.netlab_testbed.command:ping -c 2 -i 0.2 10.0.0.2")
        assert told.count("Echo (ping) reply") == 6
