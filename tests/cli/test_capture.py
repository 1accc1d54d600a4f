"""`netlab capture`: whose signals and whose exit status they are, in a terminal and without one."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from netlab.capture.live import Way, find_way
from netlab.packets.capture_file import read_records
from tests.cli.conftest import environment

pytestmark = pytest.mark.skipif(
    find_way() not in (Way.USER_NAMESPACE, Way.NETWORK_NAMESPACE), reason="no namespaces here"
)

ONE_DATAGRAM = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 7))
one.sendto(b"hello", one.getsockname())
print("sent", flush=True)
"""
WAITS = f"""
import signal
try:
    exec({ONE_DATAGRAM!r})
    signal.pause()
except KeyboardInterrupt:
    print("interrupted")
    raise SystemExit(9)
"""


def payloads(file: Path) -> list[bytes]:
    return [record.data[42:] for record in read_records(file.read_bytes())]


def test_the_commands_streams_are_its_own_and_the_rest_is_on_stderr(netlab, tmp_path):
    file = tmp_path / "x.pcapng"
    done = netlab(
        "capture", "-o", str(file), "--", sys.executable, "-c", f"{ONE_DATAGRAM}print(input())", stdin=b"in\n"
    )
    assert (done.returncode, done.stdout) == (0, b"sent\nin\n")
    said = done.stderr.decode().splitlines()
    assert said[0].endswith("runs in a network of its own: whom it talks to, it has to start itself")
    assert said[1:] == [f"netlab capture: 1 packets, 47 bytes -> {file}"]
    assert payloads(file) == [b"hello"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_quiet_says_nothing(netlab, tmp_path):
    done = netlab("capture", "-q", "-o", str(tmp_path / "x.pcapng"), sys.executable, "-c", ONE_DATAGRAM)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"sent\n", b"")


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_commands_exit_status_is_passed_on(netlab, tmp_path, script, status):
    assert netlab("capture", "-o", str(tmp_path / "x.pcapng"), "--", "sh", "-c", script).returncode == status


def test_the_commands_options_are_its_own(netlab, tmp_path):
    done = netlab("capture", "-q", "-o", str(tmp_path / "x.pcapng"), "echo", "-n", "--force", "-o", "y", "--help")
    assert done.stdout == b"--force -o y --help"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["true"], 2, "say -o FILE"),
        (["-o", "x.pcapng"], 2, "missing argument"),
        (["-o", "x.pcapng", "--", "no-such-program"], 127, "no-such-program: there is no such program on the PATH"),
        (["-o", "x.pcapng", "--", "./plain"], 126, "./plain: Permission denied"),
        (["-o", "there.pcapng", "--", "true"], 1, "there.pcapng is there already: name another, or say --force"),
        (["-o", "none/x.pcapng", "--", "true"], 1, "there is no directory none"),
        (["-o", ".", "--", "true"], 1, "is no ordinary file"),
        (["-o", "x\x1b[2J/x", "--", "true"], 1, "there is no directory x\\x1b[2J"),
        (["--nonsense", "-o", "x.pcapng", "true"], 2, "no such option '--nonsense'"),
    ],
)
def test_what_is_wrong_is_one_line(netlab, tmp_path, monkeypatch, arguments, status, said):
    monkeypatch.chdir(tmp_path)
    Path("plain").write_text("no program")
    Path("there.pcapng").write_text("mine")
    done = netlab("capture", *arguments)
    assert done.returncode == status
    assert done.stdout == b""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert "\x1b" not in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "there.pcapng"]
    assert Path("there.pcapng").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_to(netlab, tmp_path):
    tmp_path.chmod(0o500)
    done = netlab("capture", "-o", str(tmp_path / "x.pcapng"), "true")
    assert (done.returncode, b"Permission denied" in done.stderr) == (1, True)


class TestSignals:
    def test_ctrl_c_in_a_terminal_is_the_commands(self, terminal, tmp_path):
        child = terminal("capture", "-o", str(tmp_path / "x.pcapng"), "--", sys.executable, "-c", WAITS)
        child.expect("sent")
        child.sendintr()
        child.expect("interrupted")
        child.expect("1 packets")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 9
        assert payloads(tmp_path / "x.pcapng") == [b"hello"]

    def test_ctrl_c_ends_a_command_that_does_not_mind_it(self, terminal, tmp_path):
        source = f"import signal; signal.signal(2, signal.SIG_DFL)\n{ONE_DATAGRAM}signal.pause()"
        child = terminal("capture", "-o", str(tmp_path / "x.pcapng"), "--", sys.executable, "-c", source)
        child.expect("sent")
        child.sendintr()
        child.expect("1 packets")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 130

    @pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
    def test_a_shell_within_has_job_control(self, terminal, tmp_path):
        arguments = ("capture", "-q", "-o", str(tmp_path / "x.pcapng"), "--", "bash", "--norc", "-i")
        child = terminal(*arguments, term="dumb", PS1="ready> ")
        child.expect("ready> ")
        child.sendline("""sh -c 'echo be""gun; exec sleep 100'""")  # a job in the foreground by the time it says so
        child.expect("begun")
        child.sendintr()
        child.expect("ready> ")
        child.sendline("echo $((40 + 2)) after; exit 4")
        child.expect("42 after")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 4

    @pytest.mark.parametrize(
        ("number", "status", "said"), [(signal.SIGINT, 9, b"interrupted\n"), (signal.SIGTERM, 143, b"")]
    )
    def test_without_a_terminal_they_are_handed_on(self, start, tmp_path, number, status, said):
        process = start("capture", "-q", "-o", str(tmp_path / "x.pcapng"), "--", sys.executable, "-c", WAITS)
        assert process.stdout.readline() == b"sent\n"
        process.send_signal(number)
        assert process.communicate()[0] == said
        assert process.returncode == status
        assert payloads(tmp_path / "x.pcapng") == [b"hello"]

    def test_killed_outright_it_leaves_a_whole_file_and_no_process(self, start, tmp_path):
        source = f"import os; print(os.getpid(), os.getppid(), flush=True)\n{WAITS}"
        process = start("capture", "-o", str(tmp_path / "x.pcapng"), "--", sys.executable, "-c", source)
        pids = [int(word) for word in process.stdout.readline().split()]
        assert process.stdout.readline() == b"sent\n"
        handles = [os.pidfd_open(pid) for pid in pids]
        process.kill()
        for handle in handles:
            assert select.select([handle], [], [], 10)[0]
            os.close(handle)
        assert payloads(tmp_path / "x.pcapng") == [b"hello"]

    def test_a_terminal_that_is_closed_ends_it(self, terminal, tmp_path):
        source = f"import os; print('pid', os.getpid(), flush=True){WAITS}"
        child = terminal("capture", "-o", str(tmp_path / "x.pcapng"), "--", sys.executable, "-c", source)
        child.expect(r"pid (\d+)")
        handle = os.pidfd_open(int(child.match[1]))
        child.expect("sent")
        child.close(force=False)
        assert select.select([handle], [], [], 10)[0]
        os.close(handle)
        assert payloads(tmp_path / "x.pcapng") == [b"hello"]


class TestLive:
    def test_one_line_a_packet_layer_by_layer(self, netlab, tmp_path):
        file = tmp_path / "x.pcapng"
        done = netlab("capture", "--live", "-o", str(file), "--", sys.executable, "-c", ONE_DATAGRAM)
        assert done.returncode == 0
        assert " ".join(done.stdout.decode().split()) == (
            "1 0.000000 127.0.0.1:7 > 127.0.0.1:7 Loopback 14 / IPv4 20 / UDP 8 / data 5"
        )
        said = done.stderr.decode().splitlines()
        assert "sent" in said
        assert said[-1] == f"netlab capture: 1 packets, 47 bytes -> {file}"
        assert payloads(file) == [b"hello"]

    def test_without_a_file_none_is_written(self, netlab, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = netlab("capture", "--live", "--json", sys.executable, "-c", f"{ONE_DATAGRAM}\nraise SystemExit(7)")
        assert done.returncode == 7
        (told,) = map(json.loads, done.stdout.splitlines())
        assert (told["protocol"], told["payload_len"]) == ("UDP", 5)
        assert told["header_lens"] == {"Loopback": 14, "IPv4": 20, "UDP": 8}
        assert done.stderr.decode().splitlines()[-1] == "netlab capture: 1 packets, 47 bytes"
        assert list(tmp_path.iterdir()) == []

    def test_packets_are_shown_while_the_command_runs(self, start):
        process = start("capture", "-q", "--live", "--", sys.executable, "-c", WAITS)
        assert b"UDP 8 / data 5" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert (out, err, process.returncode) == (b"", b"sent\ninterrupted\n", 9)

    def test_who_reads_only_the_beginning_ends_the_command(self):
        command = f"{sys.executable} -m netlab capture -q --live -- ping -i 0.01 127.0.0.1 2>/dev/null | head -n 2"
        done = subprocess.run(["sh", "-c", command], capture_output=True, env=environment(), timeout=30)
        assert len(done.stdout.splitlines()) == 2
        assert done.stderr == b""

    def test_in_a_terminal_layers_have_colours_and_lines_are_no_wider(self, terminal):
        arguments = ("capture", "-q", "--live", "--", sys.executable, "-c", ONE_DATAGRAM)
        shown = terminal(*arguments, term="xterm-256color").read().decode()
        assert "\x1b[30;48;5;" in shown
        narrow = terminal(*arguments, NO_COLOR="1", COLUMNS="80").read().decode()
        (line,) = [line for line in narrow.splitlines() if "Loopback" in line]
        assert len(line) == 80
        assert line.endswith("…")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["true"], "say -o FILE, to keep the packets, or --live"),
            (["--json", "-o", "x", "true"], "--json goes with"),
        ],
    )
    def test_what_is_wrong_is_one_line(self, netlab, arguments, said):
        done = netlab("capture", *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert said in done.stderr.decode()
