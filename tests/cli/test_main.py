"""The command as a whole: what it costs to start, and how it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import netlab
from netlab.cli.commands import COMMANDS, suggestion


def test_help_shows_one_line_for_each_command(netlab):
    done = netlab("--help")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in text
        assert entry.help.split()[0] in text


def test_nothing_said_shows_the_help(netlab):
    assert netlab().stdout == netlab("--help").stdout


def test_version(netlab):
    from netlab import __version__

    assert netlab("--version").stdout.decode() == f"netlab {__version__}\n"


def test_help_imports_nothing_heavy():
    code = (
        "import sys, netlab.cli\n"
        "try: netlab.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    loaded = set(eval(done.stderr))
    assert not loaded & {"scapy", "numpy", "matplotlib", "rich", "prompt_toolkit", "msgspec", "asyncio", "ssl"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(netlab, command):
    done = netlab(command, "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith(f"Usage: netlab {command} ")
    assert max(len(line) for line in lines) <= 80
    assert "<=" not in done.stdout.decode()  # ranges are told in words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tcp-cat"], "there is no command 'tcp-cat': did you mean tcp-chat?"),
        (["zzzzzz"], "there is no command 'zzzzzz' ("),
        (["--hlep"], "'--hlep'"),
        (["serve", "--tpc", "x"], "'--tpc'"),
        (["serve", "--tcp", "127.0.0.1:http"], "is not a URL"),
        (["tcp-chat", "--nane", "x"], "Did you mean '--name'?"),
        (["tcp-chat", "sevre"], "did you mean serve?"),
        (["tcp-chat", "zzz"], "write serve or join"),
        (["tcp-chat", "--port", "70000"], "'70000' is no port: write a whole number, 0 to 65535"),
        (["serve", "--port", "http"], "'http' is no port"),
        (["layers", "x.pcap", "--packet", "0"], "'0' is no packet number: write a whole number, 1 or more"),
        (["layers", ""], "the name is empty"),
        (["capture", "-o", "", "true"], "the name is empty"),
        (["tcp-chat", "--capture", ""], "the name is empty"),
        (["demo", "--out", ""], "the name is empty"),
        (["tcp-chat", "--name", "two words"], "letters, digits"),
        (["tcp-chat", "--host", "127.0.0.1:9000"], "the port goes into --port"),
        (["tcp-chat", "--host", ""], "is no name or address"),
        (["tcp-chat", "--room", ""], "letters, digits"),
        (["tcp-chat", "join", "--token", "auto"], "when hosting"),
        (["tcp-chat", "join", "--port", "0"], "for serve"),
        (["tcp-chat", "join", "--tls-cert", "x"], "for serve"),
        (["tcp-chat", "serve", "--tls"], "for joining"),
        (["tcp-chat", "--token", ""], "empty"),
        (["udp-chat", "--tls"], "--tls"),
        (["ws-chat", "serve", "--tls"], "for joining"),
        (["ws-chat", "serve", "--also", "9003"], "not with serve"),
        (["tcp-chat", "--also", "127.0.0.1:port"], "as --also 127.0.0.1:9000"),
        (["stats"], "URL"),
        (["stats", "9000"], "such as tcp://127.0.0.1:9000"),
        (["stats", "http://127.0.0.1"], "does not begin with one of"),
        (["serve", "--limit-message", "5"], "'5' is not a size"),
        (["serve", "--limit-message", "1MiB"], "the most that a message may have"),
        (["serve", "--limit-rooms", "many"], "whole number"),
        (["serve", "--limit-connections", "0"], "let nothing through"),
        (["serve", "--limit-resume-window", "120"], "20ms"),
        (["serve", "--limit-byte-rate", "1KiB"], "--limit-message"),
        (["serve", "--limit-dead-after", "10s"], "dead_after 10s is not over the 15s between two pings"),
        (["serve", "--tls-cert", "only.pem"], "go together"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(netlab, arguments, said):
    done = netlab(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    text = done.stderr.decode()
    assert text.startswith("netlab")
    assert ": error: " in text
    assert said in text
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["stats", "udp://127.0.0.1:1"], "udp://127.0.0.1:1: nobody listens there"),
        (["serve", "--tls-cert", "/nowhere.pem", "--tls-key", __file__], "netlab: error: /nowhere.pem: No such file"),
        (["serve", "--tls-cert", __file__, "--tls-key", __file__], "are no PEM certificate and its key\n"),
        (["serve", "--tcp", "tcp://192.0.2.1:0", "--insecure"], "Cannot assign requested address"),
        (["demo", "--out", "/proc/netlab"], "/proc/netlab: No such file or directory: name another with --out FOLDER"),
        (["layers", "/dev/zero"], "/dev/zero is a device, and no capture file"),
        (["tcp-chat", "join", "--tls-ca", "/nowhere.pem"], "/nowhere.pem: No such file"),
        (["serve", "--tls-cert", "/nowhere.pem", "--tls-key", "/nowhere.pem"], "/nowhere.pem"),
        (["serve", "--tcp", "192.0.2.1:0", "--insecure"], "Cannot assign requested address"),
        (["tcp-chat", "join", "--host", "nobody.invalid"], "nobody.invalid"),
    ],
)
def test_a_failure_is_told_in_one_line(netlab, arguments, said):
    done = netlab(*arguments)
    assert (done.returncode, done.stdout) == (1, b"")
    text = done.stderr.decode()
    assert text.startswith("netlab: error: ")
    assert said in text
    assert text.count("\n") == 1


def test_an_error_of_the_parser_names_the_command(netlab):
    done = netlab("tcp-chat", "--name")
    assert done.returncode == 2
    assert done.stderr.startswith(
        b"netlab tcp-chat: error: option '--name' requires an argument (netlab tcp-chat --help"
    )


def test_an_error_does_not_repeat_a_very_long_word(netlab):
    done = netlab("tcp-chat", "join", "--name", "x" * 100_000)
    assert done.returncode == 2
    assert len(done.stderr) < 1000
    assert b"letters, digits" in done.stderr


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize(("arguments", "status"), [(["--help"], 0), (["tcp-chat", "join", "--port", "1"], 1)])
def test_started_with_closed_streams(closed, arguments, status):
    redirections = " ".join(f"{number}>&-" for number in closed)
    command = ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "netlab", *arguments]
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == status
    assert b"fault" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_what_an_error_quotes_is_escaped(netlab):
    done = netlab("\x1b[2Jx\u202e")
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert "\u202e".encode() not in done.stderr


def test_arguments_that_are_not_utf8(netlab):
    for arguments in (["tcp-chat", "--token", "\udcff"], ["tcp-chat", "--name", "\udcff"], ["\udcff"]):
        done = netlab(*arguments)
        assert done.returncode == 2
        assert done.stderr.count(b"\n") == 1
        assert b"\xff" not in done.stderr


def test_a_full_disk_is_an_error_and_no_traceback():
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sys.executable, "-m", "netlab", "--help"], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == b"netlab: error: No space left on device\n"


def test_a_reader_that_goes_away_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "netlab", "--help"], stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_fault_of_ours_is_one_line_too():
    code = (
        "import netlab.cli, netlab.cli.commands as c\n"
        "def broken(*a, **k): raise KeyError('\\x1b[2J')\n"
        "c.netlab.invoke = broken\n"
        "netlab.cli.main([])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 1
    assert done.stderr.startswith(b"netlab: error: a fault of netlab: KeyError: ")
    assert done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr


def test_suggestion():
    assert suggestion("sevre", ["serve", "stats"]) == ": did you mean serve?"
    assert suggestion("qqq", ["serve", "stats"]) == ""


def test_the_package_knows_its_version():
    assert netlab.__version__.count(".") == 2
