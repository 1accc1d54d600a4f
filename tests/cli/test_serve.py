"""`netlab serve` and `netlab stats`."""

from __future__ import annotations

import json
import signal
import socket

import msgspec
import pytest

from netlab.chat.limits import ChatLimits
from netlab.cli import limit_options
from netlab.packets.limits import ReassemblyLimits


def test_json_is_one_line_when_ready(server):
    assert list(server.told) == ["listening"]
    assert [url.rsplit(":", 1)[0] for url in server.urls] == [
        f"{scheme}://127.0.0.1" for scheme in ("tcp", "udp", "rudp", "ws", "sio")
    ]
    server.process.send_signal(signal.SIGTERM)
    out, err = server.process.communicate()
    assert (server.process.returncode, out, err) == (0, b"", b"")


def test_ctrl_c_ends_it_with_130(server):
    server.process.send_signal(signal.SIGINT)
    out, err = server.process.communicate()
    assert (server.process.returncode, out, err) == (130, b"", b"")


def test_people_are_told_where_it_listens(start):
    process = start("serve", "--tcp", "127.0.0.1:0", "--tcp", "localhost:0", "--udp", "[::1]:0")
    lines = [process.stdout.readline().decode() for _ in range(3)]
    assert lines[0].startswith("listening at tcp://127.0.0.1:")
    assert lines[1].startswith("listening at tcp://")
    assert lines[2].startswith("listening at udp://[::1]:")
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[1] == b"Ctrl-C ends it\n"
    assert process.returncode == 0


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_port_that_is_taken(netlab, kind):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind == "tcp":
            holder.listen()
        port = holder.getsockname()[1]
        for arguments in (["serve", f"--{kind}", str(port)], [f"{kind}-chat", "serve", "--port", str(port)]):
            done = netlab(*arguments)
            assert done.returncode == 1
            said = f"netlab: error: cannot listen at {kind}://127.0.0.1:{port}: the port is taken: choose another"
            assert done.stderr.decode().startswith(said)
            assert f"netlab {kind}-chat join" in done.stderr.decode()
            assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.7", "128.0.0.1", "example.org"])
def test_listening_where_others_reach_it_needs_a_word(netlab, host):
    for arguments in (
        ["serve", "--tcp", f"{host}:0"],
        ["tcp-chat", "serve", "--port", "0", "--host", host.strip("[]")],
    ):
        done = netlab(*arguments)
        assert done.returncode == 2
        assert b"--token auto" in done.stderr
        assert b"--insecure" in done.stderr


@pytest.mark.parametrize("token", ["short", "x" * 21, "0" * 31, "fifteen bytes!!"])
def test_a_weak_token_is_refused(netlab, token):
    done = netlab("serve", "--token", token)
    assert done.returncode == 2
    assert b"needs 128" in done.stderr


@pytest.mark.slow
def test_a_token_lets_in_who_has_it(serve, netlab):
    server = serve("--tcp", "0.0.0.0", "--udp", "0.0.0.0", "--token", "auto")
    token = server.told["token"]
    assert len(token) == 32
    for scheme in ("tcp", "udp"):
        url = f"{scheme}://127.0.0.1:{server.port(scheme)}"
        without = netlab("stats", url)
        assert (without.returncode, without.stderr.count(b"\n")) == (1, 1)
        assert b"bad_token" in without.stderr
        assert b"--token" in without.stderr
        assert netlab("stats", url, "--token", "x" * 32).returncode == 1
        assert netlab("stats", url, "--token", token).returncode == 0
        assert netlab("stats", url, NETLAB_TOKEN=token).returncode == 0
        assert netlab(*server.reach(scheme), "--token", token, stdin=b"hello\n").returncode == 0
        assert netlab(*server.reach(scheme), stdin=b"hello\n").returncode == 1


def test_a_token_is_not_repeated_where_it_was_given(serve):
    server = serve("--token", "x" * 32)
    assert "token" not in server.told


def test_insecure_is_enough(serve):
    assert len(serve("--tcp", "0.0.0.0", "--insecure").urls) == 1


@pytest.mark.slow
def test_stats_count_what_happened(server, netlab):
    assert netlab(*server.reach("tcp"), "--name", "ann", stdin=b"one\ntwo\n").returncode == 0
    assert netlab(*server.reach("udp"), "--name", "bob", stdin=b"three\n/msg nobody hi\n").returncode == 1
    with socket.create_connection(("127.0.0.1", int(server.port("tcp")))) as noise:
        noise.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while noise.recv(4096):
            pass
    for scheme in ("tcp", "udp"):
        url = f"{scheme}://127.0.0.1:{server.port(scheme)}"
        done = netlab("stats", url, "--json")
        assert (done.returncode, done.stderr, done.stdout.count(b"\n")) == (0, b"", 1)
        counters = json.loads(done.stdout)
        assert counters["sessions"] == 0
        assert counters["rooms"] == 0
        assert counters["hub"]["no_such_name"] == 1
        assert set(counters["transports"]) == set(server.urls)
        tcp, udp, *_ = (counters["transports"][url] for url in server.urls)
        assert tcp["malformed"] == 1
        assert tcp["packets_in"] > 0
        assert tcp["packets_out"] > 0
        assert udp["datagrams_in"] > 0
        if "kernel_drops" in udp:  # Linux tells
            assert udp["kernel_drops"] == 0
        table = netlab("stats", url).stdout.decode().splitlines()
        assert table[0] == "server"
        assert "hub" in table
        assert server.urls[1] in table
        rows = [line for line in table if line.startswith("  ")]
        assert len({len(line) for line in rows}) == 1  # aligned
        assert any(line.split() == ["no_such_name", "1"] for line in rows)


def test_stats_of_nobody(netlab):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        done = netlab("stats", f"tcp://127.0.0.1:{port}")
    assert done.returncode == 1
    assert (
        done.stderr.decode()
        == f"netlab: error: nobody listens at tcp://127.0.0.1:{port}: netlab serve starts a server\n"
    )


@pytest.mark.parametrize(
    ("struct", "fields", "apart"),
    [(ChatLimits, limit_options.CHAT, set()), (ReassemblyLimits, limit_options.REASSEMBLY, {"max_message"})],
)
def test_every_limit_is_an_option(struct, fields, apart):
    assert set(fields) | apart == set(struct.__struct_fields__)


def test_the_help_shows_every_limit_and_its_default(netlab):
    text = " ".join(netlab("serve", "--help").stdout.decode().split())
    for prefix, struct, fields in (
        ("limit", ChatLimits, limit_options.CHAT),
        ("reassembly", ReassemblyLimits, limit_options.REASSEMBLY),
    ):
        defaults = {field.name: field.default for field in msgspec.structs.fields(struct)}
        for name, (kind, help) in fields.items():
            shown = limit_options.show(kind, defaults[name])
            assert f"--{prefix}-{name.replace('_', '-')} {kind.upper()} {help} [{shown}]" in text
            assert limit_options.Quantity(kind, least=0, most=None).convert(shown, None, None) == defaults[name]


@pytest.mark.slow
def test_a_limit_is_obeyed(serve, netlab):
    server = serve("--limit-message", "100B", "--limit-rooms-per-client", "2")
    text = b"x" * 100
    done = netlab(*server.reach("tcp"), stdin=text + b"\n" + text + b"y\n/join two\n/join three\nlast\n")
    assert done.returncode == 1
    assert text + b"\n" in done.stdout
    assert b"line 2: failed: too_big" in done.stderr
    assert b"line 4: failed: too_many_rooms" in done.stderr
    assert b"message two 2 tester last\n" in done.stdout


@pytest.mark.slow
def test_no_rate_limit(serve, netlab):
    many = b"".join(b"%d\n" % number for number in range(1000))
    done = netlab(*serve("--no-rate-limit").reach("tcp"), stdin=many)
    assert done.returncode == 0
    assert done.stdout.count(b"message lobby") == 1000


@pytest.mark.slow
def test_open_files_are_raised(start):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    process = start("serve", "--port", "0", "--json")
    assert process.stdout.readline()
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (hard, hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
