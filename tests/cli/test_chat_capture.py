"""The chat with `--capture`: the leg of one's own, live, from whichever end."""

from __future__ import annotations

import json
import os
import signal
import socket

import pytest

from netlab.capture.live import Unavailable, capture_command

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _can_capture(tmp_path_factory):
    """Skip where this machine lets nobody capture."""
    try:
        capture_command(["true"], tmp_path_factory.mktemp("probe") / "probe.pcapng")
    except Unavailable as unavailable:
        pytest.skip(str(unavailable))


def free_port(scheme):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_client_is_captured(server, netlab, tmp_path, scheme):
    path = tmp_path / "chat.pcapng"
    done = netlab(*server.reach(scheme), "--name", "ann", "--capture", str(path), stdin=b"find this text\n/jion\n")
    assert done.returncode == 1  # /jion: the child's status is passed on
    assert b"message lobby 2 ann find this text\n" in done.stdout
    said = done.stderr.decode().splitlines()
    assert (
        said[0]
        == f"netlab {scheme}-chat: capturing the leg between this client and the relay to the server into {path}"
    )
    assert said[-1].endswith(f" packets -> {path}")
    data = path.read_bytes()
    assert data.count(b"find this text") >= 2  # said, and come back
    assert os.stat(path).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_where_nobody_listens_it_is_hosted_outside(start, netlab, tmp_path, scheme):
    path, port = tmp_path / "chat.pcapng", free_port(scheme)
    host = start(f"{scheme}-chat", "--port", port, "--name", "ann", "--capture", str(path))
    while not host.stdout.readline().startswith(b"joined"):
        pass
    done = netlab(f"{scheme}-chat", "join", "--port", port, "--name", "bob", stdin=b"from outside\n")
    assert done.returncode == 0
    out, err = host.communicate(b"", timeout=30)
    assert host.returncode == 0
    assert b"from outside" in out
    assert b"hosting the chat there" in err
    assert b"from outside" in path.read_bytes()


@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_a_server_is_captured(start, netlab, tmp_path, scheme):
    path = tmp_path / "server.pcapng"
    server = start(f"{scheme}-chat", "serve", "--port", "0", "--json", "--capture", str(path))
    (entry,) = json.loads(server.stdout.readline())["listening"]
    port = entry["url"].rsplit(":", 1)[1]
    done = netlab(f"{scheme}-chat", "join", "--port", port, stdin=b"through the relay\n")
    assert (done.returncode, done.stderr) == (0, b"")
    server.send_signal(signal.SIGTERM)
    _, err = server.communicate(timeout=30)
    assert server.returncode == 0
    assert b"capturing the leg between this server and the relay before it" in err
    assert path.read_bytes().count(b"through the relay") >= 2


def test_a_token_reaches_the_child_unseen(serve, netlab, tmp_path):
    server = serve("--token", "x" * 22)
    path = tmp_path / "chat.pcapng"
    done = netlab(*server.reach("tcp"), "--token", "x" * 22, "--capture", str(path), stdin=b"/stats\n")
    assert done.returncode == 0


def test_a_signal_leaves_in_order(server, start, tmp_path):
    path = tmp_path / "chat.pcapng"
    ann = start(*server.reach("tcp"), "--name", "ann", "--capture", str(path))
    while not ann.stdout.readline().startswith(b"joined"):
        pass
    ann.send_signal(signal.SIGTERM)
    assert ann.wait(30) == 143  # before its input ends, which would end it too
    assert ann.stdout.read() == b"status ended left\n"
    assert path.stat().st_size > 1000


def test_a_file_that_is_there_stays(server, netlab, tmp_path):
    path = tmp_path / "chat.pcapng"
    path.write_bytes(b"precious")
    for arguments in (server.reach("tcp"), ["tcp-chat", "--port", free_port("tcp")]):  # the latter would host first
        done = netlab(*arguments, "--capture", str(path), stdin=b"hello\n")
        assert done.returncode == 1
        assert b"is there already: name another, or remove it" in done.stderr
        assert done.stderr.count(b"\n") == 1
        assert path.read_bytes() == b"precious"


def test_in_a_terminal(server, terminal, tmp_path):
    child = terminal(*server.reach("tcp"), "--name", "ann", "--capture", str(tmp_path / "chat.pcapng"))
    child.expect_exact("capturing the leg")
    child.expect("lobby.*>")
    child.sendline("hello")
    child.expect_exact("#2")
    child.send("\x03")
    child.expect(r"\d+ packets -> ")
    child.wait()
    assert child.exitstatus == 130
