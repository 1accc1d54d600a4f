"""tcp-chat --link: the client runs in a testbed, its kernel's TCP crosses the link, and the server is anywhere."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket

import pytest

from netlab.packets.capture_file import read_records

pytestmark = pytest.mark.slow

NETLAB = "import sys; from netlab.cli import main; main(sys.argv[1:])"
TEXT = "find this text"


def lines(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.splitlines()]


def of(kind: str, told: list[dict]) -> list[dict]:
    return [one for one in told if one["type"] == kind]


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return str(probe.getsockname()[1])


@pytest.mark.usefixtures("live")
class TestThroughTheLink:
    def test_it_is_changed_while_it_runs_and_tells_what_it_did(self, netlab, server):
        asked = b"/link\nfirst\n/link loss=20%\n/link loss=bad\nsecond\n/link none\nthird\n/stats\n"
        link = ["--link", "delay=20ms", "--seed", "7", "--json"]
        done = netlab(*server.reach("tcp"), "--name", "ann", *link, stdin=asked)
        told = lines(done.stdout)
        assert [one["link"] for one in of("link", told)] == ["delay=20ms", "delay=20ms loss=20%", "none"]
        refused = [one for one in of("outcome", told) if one["status"] == "failed"]
        assert [(one["line"], one["code"]) for one in refused] == [(4, "bad_link")]
        assert [one["args"] for one in of("message", told)] == [["first"], ["second"], ["third"]]
        (stats,) = of("stats", told)
        assert stats["link"]["options"] == "none"
        for way in ("client>server", "server>client"):
            one = stats["link"][way]
            lost = sum(count for key, count in one.items() if key.startswith("dropped_"))
            assert one["arrived"] > 5
            assert one["arrived"] + one["duplicated"] == one["delivered"] + lost + one["held"]
        assert of("status", told)[0]["url"] == f"tcp://127.0.0.1:{server.port('tcp')}"  # the server's, not the relay's
        assert b"through a link, each way: delay=20ms; seed 7" in done.stderr
        assert done.returncode == 1  # for the line that was refused

    def test_who_leaves_says_so_across_the_delay(self, netlab, server, start):
        bob = start(*server.reach("tcp"), "--name", "bob", "--json")
        done = netlab(*server.reach("tcp"), "--name", "ann", "--link", "delay=300ms", stdin=b"hello\n")
        assert done.returncode == 0
        heard = []
        while not of("left", heard):
            heard.append(json.loads(bob.stdout.readline()))
        assert [one["reason"] for one in of("left", heard)] == ["quit"]  # and not "lost"

    def test_it_hosts_beyond_the_link_where_nobody_listens(self, netlab, start):
        port = free_port()
        ann = start("tcp-chat", "--port", port, "--name", "ann", "--link", "delay=1ms")
        while not ann.stdout.readline().startswith(b"joined"):
            pass
        done = netlab("tcp-chat", "join", "--port", port, "--name", "bob", stdin=b"from outside\n")
        assert done.returncode == 0
        out, err = ann.communicate(b"", timeout=30)
        assert ann.returncode == 0
        assert b"from outside" in out
        assert b"hosting the chat there" in err

    def test_where_nobody_listens_and_it_may_not_host(self, netlab):
        port = free_port()
        done = netlab("tcp-chat", "join", "--port", port, "--link", "delay=1ms")
        assert done.returncode == 1
        said = done.stderr.decode().splitlines()
        assert said == [f"netlab: error: nobody listens at tcp://127.0.0.1:{port}: netlab tcp-chat serve hosts a chat"]

    def test_the_capture_shows_the_leg_through_the_link(self, netlab, server, tmp_path):
        file = tmp_path / "leg.pcapng"
        link = ["--link", "drop=4,5", "--capture", str(file)]  # after the handshake and the hello
        done = netlab(*server.reach("tcp"), "--name", "ann", *link, stdin=TEXT.encode() + b"\n")
        assert done.returncode == 0
        said = done.stderr.decode()
        assert f"capturing the leg between this client and the relay at the link's far end into {file}" in said
        records = list(read_records(file.read_bytes()))
        assert f"{len(records)} records -> {file}" in said
        assert {record.interface.name for record in records} == {"A", "A>B", "B>A", "B"}
        dropped = [record for record in records if record.comment]
        assert {record.comment for record in dropped} == {"dropped: lost on the way (loss)"}
        assert len(dropped) == 4
        assert file.stat().st_mode & 0o777 == 0o600
        again = netlab(*server.reach("tcp"), *link, stdin=b"hello\n")
        assert again.returncode == 1
        assert b"is there already" in again.stderr

    def test_a_token_reaches_the_client_unseen(self, serve, netlab):
        server = serve("--token", "x" * 22)
        done = netlab(*server.reach("tcp"), "--token", "x" * 22, "--link", "delay=1ms", stdin=b"/who\n")
        assert done.returncode == 0
        wrong = netlab(*server.reach("tcp"), "--token", "y" * 22, "--link", "delay=1ms", stdin=b"/who\n")
        assert wrong.returncode == 1
        assert b"bad_token" in wrong.stderr

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
    def test_a_signal_leaves_in_order(self, server, start, number, status):
        ann = start(*server.reach("tcp"), "--name", "ann", "--link", "delay=5ms")
        while not ann.stdout.readline().startswith(b"joined"):
            pass
        ann.send_signal(number)
        assert ann.wait(30) == status
        assert ann.stdout.read() == b"status ended left\n"

    @pytest.mark.parametrize(("key", "status"), [("\x04", 0), ("\x03", 130)])
    def test_in_a_terminal(self, server, terminal, key, status):
        child = terminal(*server.reach("tcp"), "--name", "ann", "--link", "delay=5ms")
        child.expect_exact("through a link")
        child.expect("lobby.*>")
        child.sendline("hello")
        child.expect_exact("#2")
        child.send("/lin\t")
        child.expect_exact("/link")
        child.sendline("loss=1%")
        child.expect_exact("the link, each way: delay=5ms loss=1%")
        child.sendline("/stats")
        child.expect("client>server")
        child.send(key)
        child.wait()
        assert child.exitstatus == status

    def test_as_anybody(self, user):
        command = ["tcp-chat", "--port", free_port(), "--name", "ann", "--link", "delay=5ms loss=5%", "--seed=3"]
        process = user.start(NETLAB, *command, stdin=-1, stdout=-1, stderr=-1)
        out, err = process.communicate("hello\n/link loss=10%\n/stats\n", timeout=60)
        assert process.returncode == 0, err
        assert "message lobby 2 ann hello" in out
        assert "stats link options delay=5ms loss=10%" in out


@contextlib.contextmanager
def without_namespaces(user, *words: str):
    """netlab where the kernel gives no namespaces."""
    without_rights = "setpriv --bounding-set=-all --inh-caps=-all"
    script = f'echo 0 > /proc/sys/user/max_user_namespaces && exec {without_rights} "$0" "$@"'
    command = ["unshare", "-Ur", "sh", "-c", script, user.python, "-c", NETLAB, *words]
    with user.popen(command, stdin=-3, stdout=-1, stderr=-1) as process:
        yield process, *process.communicate(timeout=30)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux's unshare is not installed")
@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["tcp-chat", "--port", "1", "--link", "delay=1ms"], "udp-chat --link and netlab simulate need none"),
        (["testbed", "--capture", "x.pcapng", "--", "true"], "netlab simulate and, for UDP programs, netlab link"),
    ],
)
def test_where_namespaces_are_refused_one_sentence_says_what_is_missing(user, words, instead):
    with without_namespaces(user, *words) as (process, out, err):
        assert (process.returncode, out) == (1, "")
        assert len(err.splitlines()) == 1
        assert "no testbed can be built" in err
        assert "user.max_user_namespaces is 0" in err
        assert "sysctl -w user.max_user_namespaces=" in err
        assert instead in err
        assert not (user.home / "x.pcapng").exists()


def test_a_filter_that_forbids_unshare_is_no_traceback(user):
    """As container engines do it: seccomp(2) answers EPERM."""
    forbid = """
import ctypes, struct, sys
from netlab.cli import main
# BPF: load the number of the call; where it is unshare(2) (272 on x86-64, 97 on arm64) answer EPERM, else allow
steps = [(0x20, 0, 0, 0), (0x15, 1, 0, 272), (0x15, 0, 1, 97), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(program), 0, 0) == 0
main(sys.argv[1:])
"""
    process = user.start(forbid, "testbed", "--", "true", stdin=-3, stdout=-1, stderr=-1)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, len(err.splitlines())) == (1, "", 1)
    assert "no testbed can be built" in err
    assert "unshare: Operation not permitted" in err


def test_a_server_goes_through_no_link(netlab):
    done = netlab("tcp-chat", "serve", "--link", "loss=5%")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert b"--link is for who joins" in done.stderr
