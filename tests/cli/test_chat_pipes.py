"""The chat through pipes: lines in, lines out, and how it ends."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

BOTH = pytest.mark.parametrize("scheme", ["tcp", "udp"])


def free_port(kind=socket.SOCK_STREAM):
    """A port that nobody listens at just now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def read_until(process, wanted):
    """Lines of stdout up to the first that begins with `wanted`."""
    lines = []
    while True:
        line = process.stdout.readline().decode()
        assert line, (lines, process.stderr.read())
        lines.append(line.rstrip("\n"))
        if lines[-1].startswith(wanted):
            return lines


def say(process, *lines):
    process.stdin.write("".join(f"{line}\n" for line in lines).encode())
    process.stdin.flush()


@BOTH
def test_plain_lines(server, netlab, scheme):
    done = netlab(*server.reach(scheme), "--name", "ann", stdin=b"hello  there\n//slash\n\nlast")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().splitlines() == [
        f"status open {scheme}://127.0.0.1:{server.port(scheme)} ann lobby",
        "joined lobby 1 ann",
        "message lobby 2 ann hello  there",
        "message lobby 3 ann /slash",
        "message lobby 4 ann ",
        "message lobby 5 ann last",
        "status ended left",
    ]


@BOTH
def test_json_lines(server, netlab, scheme):
    lines = b"hello\n/who\n/rooms\n/join den\n/leave den\n/stats\n/help\n/msg ann psst\n/jion\n"
    done = netlab(*server.reach(scheme), "--name", "ann", "--json", stdin=lines)
    assert done.returncode == 1  # /jion
    assert done.stdout.isascii()
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert (told[0]["type"], told[0]["status"], told[0]["name"], told[0]["room"]) == ("status", "open", "ann", "lobby")
    outcomes = {entry["line"]: entry for entry in told if entry["type"] == "outcome"}
    assert set(outcomes) == set(range(1, 10))
    assert [outcomes[line]["status"] for line in sorted(outcomes)] == ["ok"] * 8 + ["failed"]
    assert outcomes[1]["rooms"] == {"lobby": 2}
    assert outcomes[9]["code"] == "bad_command"
    kinds = {}
    for entry in told:
        kinds.setdefault(entry["type"], []).append(entry)
    assert [entry["text"] for entry in kinds["message"]] == ["hello", "psst"]
    assert [entry["private"] for entry in kinds["message"]] == [False, True]
    assert kinds["who"][0]["members"] == [{"name": "ann", "sid": told[0]["sid"], "here": True}]
    assert kinds["rooms"][0]["rooms"] == [{"room": "lobby", "members": 1, "in": True}]
    assert kinds["stats"][0]["server"]["sessions"] == 1
    assert kinds["help"][0]["commands"][0]["usage"] == "/join ROOM"
    assert (told[-1]["status"], told[-1]["detail"]) == ("ended", "left")


def test_order_is_kept_between_texts_and_commands(server, netlab):
    done = netlab(*server.reach("tcp"), "--name", "ann", stdin=b"one\n/join den\ntwo\n/leave\nthree\n/who den\n")
    lines = done.stdout.decode().splitlines()
    assert [line for line in lines if line.startswith("message")] == [
        "message lobby 2 ann one",
        "message den 2 ann two",
        "message lobby 3 ann three",
    ]
    assert done.stderr.decode().startswith("line 6: failed: not_in_room")
    assert done.returncode == 1


@pytest.mark.slow
@BOTH
def test_two_people_meet(server, start, scheme):
    ann = start(*server.reach(scheme), "--name", "ann")
    read_until(ann, "joined lobby 1 ann")
    bob = start(*server.reach("tcp"), "--name", "bob")
    read_until(bob, "joined lobby 2 bob")
    read_until(ann, "joined lobby 2 bob")
    say(ann, "hello bob")
    assert read_until(bob, "message") == ["message lobby 3 ann hello bob"]
    say(bob, "/msg ann psst")
    assert read_until(ann, "private") == ["message lobby 3 ann hello bob", "private bob psst"]
    ann.stdin.close()
    assert ann.wait() == 0
    assert read_until(bob, "left") == ["left lobby 4 ann quit"]
    say(bob, "/quit", "never said")
    assert bob.wait() == 0
    assert read_until(bob, "status ended") == ["status ended left"]


@pytest.mark.slow
@BOTH
def test_host_where_nobody_does_and_tell_all_at_the_end(start, scheme):
    port = free_port(socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM)
    host = start(f"{scheme}-chat", "--port", port, "--name", "host")
    read_until(host, "joined lobby 1 host")
    guest = start(f"{scheme}-chat", "--port", port, "--name", "guest")
    read_until(guest, "joined lobby 2 guest")
    say(host, "farewell", "/quit")
    assert host.wait() == 0
    said = f"netlab {scheme}-chat: nobody listens at {scheme}://127.0.0.1:{port}: hosting the chat there"
    assert host.stderr.readline().decode().startswith(said)
    lines = read_until(guest, "status ended")
    assert lines[-1] == "status ended server_closed: the server is closing"
    assert "message lobby 3 host farewell" in lines
    assert guest.wait() == 1
    assert guest.stderr.read() == (
        f"netlab {scheme}-chat: error: the chat has ended: server_closed: the server is closing\n".encode()
    )


@pytest.mark.slow
@BOTH
def test_join_alone_does_not_host(netlab, scheme):
    port = free_port(socket.SOCK_STREAM if scheme == "tcp" else socket.SOCK_DGRAM)
    done = netlab(f"{scheme}-chat", "join", "--port", port)
    assert (done.returncode, done.stdout) == (1, b"")
    text = done.stderr.decode()
    assert f"{scheme}://127.0.0.1:{port}" in text
    assert "nobody listens" in text
    assert f"netlab {scheme}-chat serve hosts a chat" in text
    assert text.count("\n") == 1


def test_serve_alone_does_not_join(start, netlab):
    process = start("udp-chat", "serve", "--port", "0", "--json")
    (entry,) = json.loads(process.stdout.readline())["listening"]
    counters = json.loads(netlab("stats", entry["url"], "--json").stdout)
    assert counters["sessions"] == 0


@pytest.mark.slow
def test_names(server, start, netlab):
    first = start(*server.reach("tcp"))
    assert read_until(first, "joined")[-1] == "joined lobby 1 tester"
    second = start(*server.reach("udp"))
    assert read_until(second, "joined")[-1] == "joined lobby 2 tester2"
    third = netlab(*server.reach("tcp"), "--name", "tester")
    assert (third.returncode, third.stdout) == (1, b"")
    assert third.stderr.startswith(b"netlab: error: name_taken: ")
    assert third.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_many_lines_are_paced_and_none_is_lost(server, netlab):
    many = b"".join(b"%d\n" % number for number in range(120))  # the burst is 100
    done = netlab(*server.reach("tcp"), stdin=many)
    assert (done.returncode, done.stderr) == (0, b"")
    said = [line.split()[-1] for line in done.stdout.decode().splitlines() if line.startswith("message")]
    assert said == [str(number) for number in range(120)]


@pytest.mark.slow
@BOTH
def test_large_lines(server, netlab, scheme):
    most = 256 * 1024
    lines = [b"x" * most, b"y" * (most + 1), b"z" * (3 * most), b'"' * (most // 2), b"last"]
    done = netlab(*server.reach(scheme), "--name", "ann", stdin=b"\n".join(lines))
    assert done.returncode == 1
    said = [line.split(b" ", 4)[4] for line in done.stdout.splitlines() if line.startswith(b"message")]
    assert said == [lines[0], lines[3], lines[4]]
    errors = done.stderr.decode().splitlines()
    assert errors[0].startswith("line 2: failed: too_big: ")
    assert errors[1].startswith("line 3: failed: too_big: ")
    assert errors[2:] == [f"netlab {scheme}-chat: of 5 lines 2 failed"]


def test_bytes_that_are_no_text(server, netlab):
    done = netlab(*server.reach("tcp"), stdin=b"good\nbad \xff\xfe\nfine \xc3\xa9\r\n")
    assert done.returncode == 1
    assert "line 2: failed: malformed: not UTF-8: byte 0xff at offset 4 of the line\n" in done.stderr.decode()
    said = [line.split(" ", 4)[4] for line in done.stdout.decode().splitlines() if line.startswith("message")]
    assert said == ["good", "fine é"]


def test_from_a_file_and_from_nothing(server, tmp_path):
    path = tmp_path / "lines"
    path.write_text("one\ntwo\n")
    command = [sys.executable, "-m", "netlab", *server.reach("tcp")]
    with path.open() as file:
        done = subprocess.run(command, stdin=file, capture_output=True, timeout=30)
    assert done.returncode == 0
    assert done.stdout.count(b"\nmessage ") == 2
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_leave_in_order(server, start, scheme, number, status):
    bob = start(*server.reach("tcp"), "--name", "bob")
    read_until(bob, "joined lobby 1 bob")
    ann = start(*server.reach(scheme), "--name", "ann")
    read_until(ann, "joined lobby 2 ann")
    read_until(bob, "joined lobby 2 ann")
    ann.send_signal(number)
    assert read_until(bob, "left") == ["left lobby 3 ann quit"]
    out, err = ann.communicate()
    assert (ann.returncode, out, err) == (status, b"status ended left\n", b"")


@pytest.mark.slow
def test_a_port_that_something_else_has(start):
    """Over udp nobody says no: the hello is repeated for 15 s."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        process = start("udp-chat", "--port", str(port))
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    assert f"udp://127.0.0.1:{port}: no answer within 15 s, and something else has the port".encode() in err
    assert err.count(b"\n") == 1


def test_a_signal_while_nobody_answers(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        process = start("udp-chat", "join", "--port", str(silent.getsockname()[1]))
        assert silent.recv(2000)  # its hello
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_goes_away(server, start):
    process = start(*server.reach("tcp"))
    read_until(process, "joined")
    process.stdout.close()
    say(process, "nobody reads this")
    assert process.wait() == 141
    assert process.stderr.read() == b""


def test_a_full_disk(server):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "netlab", *server.reach("tcp")],
            input=b"hello\n",
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (1, b"netlab: error: No space left on device\n")


@pytest.mark.slow
def test_what_was_under_way_when_the_server_died_is_not_ok(start, serve):
    """The server is stopped (it answers nothing), then killed, and nobody listens any more: no redial can help."""
    server = serve()
    ann = start(*server.reach("tcp"), "--name", "ann")
    read_until(ann, "joined lobby 1 ann")
    server.process.send_signal(signal.SIGSTOP)
    say(ann, "one")
    server.process.kill()
    assert read_until(ann, "status reconnecting")
    ann.send_signal(signal.SIGTERM)
    _, err = ann.communicate()
    assert ann.returncode == 143
    # sent before the cut or not: a busy machine decides
    assert err.decode().startswith(("line 1: unknown: ", "line 1: failed: not sent: "))


@pytest.mark.slow
def test_over_udp_what_nobody_answered_is_unknown_and_counted(start, serve):
    server = serve()
    ann = start(*server.reach("udp"), "--name", "ann")
    read_until(ann, "joined lobby 1 ann")
    server.process.send_signal(signal.SIGSTOP)
    say(ann, "one", "two")
    ann.stdin.close()
    err = ann.stderr.read().decode()  # ends when ann does
    server.process.send_signal(signal.SIGCONT)
    assert ann.wait() == 0
    assert [line for line in err.splitlines() if line.startswith("line ")] == [
        "line 1: unknown: no answer in time",
        "line 2: unknown: no answer in time",
    ]
    assert "of 2 lines 2 are unknown" in err


class Cutter:
    """A relay to a TCP server, whose connections can be cut as a broken line does: without a word."""

    def __init__(self, port):
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = str(self._listener.getsockname()[1])
        self._pairs = []
        self._threads = []
        self._begin(self._accept)

    def _begin(self, target, *arguments):
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                here, _ = self._listener.accept()
            except OSError:
                return
            there = socket.create_connection(self._to)
            self._pairs.append((here, there))
            for source, target in ((here, there), (there, here)):
                self._begin(self._pass_on, source, target)

    @staticmethod
    def _pass_on(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def cut(self):
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        for thread in self._threads:
            thread.join(30)
        for end in itertools.chain([self._listener], *self._pairs):
            end.close()


@pytest.fixture
def cutter(server_kept_short):
    """A line that can be cut, to `server_kept_short`."""
    cutter = Cutter(int(server_kept_short.port("tcp")))
    yield cutter
    cutter.close()


@pytest.fixture
def server_kept_short(serve):
    """A server that keeps one message for those who come back."""
    return serve("--limit-history", "1")


@pytest.mark.slow
def test_a_cut_is_resumed_and_nothing_is_lost(server_kept_short, cutter, start):
    ann = start("tcp-chat", "join", "--port", cutter.port, "--name", "ann")
    read_until(ann, "joined lobby 1 ann")
    bob = start(*server_kept_short.reach("tcp"), "--name", "bob")
    read_until(ann, "joined lobby 2 bob")
    read_until(bob, "joined lobby 2 bob")
    cutter.cut()
    assert read_until(ann, "status reconnecting")
    say(bob, "while you were away")
    say(ann, "said while cut off")
    lines = read_until(ann, "message lobby 4")
    assert lines[0] == "status resumed"
    assert set(lines[1:]) == {"message lobby 3 bob while you were away", "message lobby 4 ann said while cut off"}
    ann.stdin.close()
    assert ann.wait() == 0


@pytest.mark.slow
def test_what_was_missed_is_told_in_numbers(server_kept_short, cutter, start):
    ann = start("tcp-chat", "join", "--port", cutter.port, "--name", "ann")
    read_until(ann, "joined lobby 1 ann")
    bob = start(*server_kept_short.reach("tcp"), "--name", "bob")
    read_until(ann, "joined lobby 2 bob")
    cutter.cut()
    say(bob, "one", "two", "three")
    read_until(bob, "message lobby 5")
    lines = read_until(ann, "message lobby 5")
    assert lines == [lines[0], "status resumed", "gap lobby 3 4", "message lobby 5 bob three"]


@pytest.mark.slow
def test_after_a_cut_the_other_server_is_tried(serve, start):
    """Here they share no rooms, and so the session begins anew."""
    first, second = serve(), serve()
    ann = start(*first.reach("tcp"), "--name", "ann", "--also", second.port("tcp"))
    read_until(ann, "joined lobby 1 ann")
    first.process.kill()
    read_until(ann, "status restarted")
    say(ann, "here")
    assert read_until(ann, "message lobby")[-1].endswith(" ann here")


@pytest.mark.slow
def test_tls(serve, start, netlab, tmp_path):
    certificate, key = make_certificate(tmp_path)
    server = serve("--tls-cert", certificate, "--tls-key", key)
    assert [url.split(":")[0] for url in server.urls] == ["tls", "udp", "rudp", "wss", "sio"]
    for scheme, chat in (("wss", "ws-chat"), ("tls", "tcp-chat")):
        port = server.port(scheme)
        done = netlab(chat, "join", "--port", port, "--tls-ca", certificate, stdin=b"secret\n")
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(f"status open {scheme}://127.0.0.1".encode())
    stranger = netlab("tcp-chat", "join", "--port", port, "--tls", stdin=b"secret\n")
    assert stranger.returncode == 1
    assert b"no TLS with" in stranger.stderr
    assert stranger.stderr.count(b"\n") == 1
    for url in (server.urls[0], server.urls[3]):
        assert netlab("stats", url, "--tls-ca", certificate).returncode == 0
    assert netlab("stats", server.urls[0]).returncode == 1
    wrong = netlab("serve", "--port", "0", "--tls-cert", key, "--tls-key", key)
    assert (wrong.returncode, wrong.stderr.count(b"\n")) == (1, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("through", ["--link=delay=1ms", "--capture=x.pcapng"])
def test_tls_through_a_relay_is_the_servers_own(serve, netlab, tmp_path, monkeypatch, through):
    monkeypatch.chdir(tmp_path)
    certificate, key = make_certificate(tmp_path, "localhost")
    server = serve("--tls-cert", certificate, "--tls-key", key)
    reach = ["tcp-chat", "join", "--port", server.port("tls"), "--tls-ca", certificate, through]
    done = netlab(*reach, "--host", "localhost", stdin=b"secret\n")
    assert done.returncode == 0, done.stderr
    assert b" secret\n" in done.stdout
    other = netlab(*reach, "--host", "127.0.0.1", stdin=b"secret\n")  # which is not what it is certified for
    assert other.returncode == 1


def make_certificate(folder, host="127.0.0.1"):
    """A certificate for an address or a name that signs itself, and its key."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    certified = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "netlab test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([certified]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return os.fspath(folder / "cert.pem"), os.fspath(folder / "key.pem")
