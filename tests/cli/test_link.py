"""`netlab link`: what it says, and what it refuses."""

from __future__ import annotations

import json
import signal
import socket

import pytest


def test_it_forwards_and_tells_what_it_did(start):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        to = f"127.0.0.1:{server.getsockname()[1]}"
        process = start("link", "--udp", "0", "--to", to, "--drop", "2", "--delay=1ms", "--seed", "7", "--json")
        told = json.loads(process.stdout.readline())
        assert (told["listening"]["to"], told["link"], told["seed"]) == (to, "drop=2 delay=1ms", 7)
        host, _, port = told["listening"]["listen"].rpartition(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            for text in (b"one", b"two", b"three"):
                client.sendto(text, (host, int(port)))
            assert server.recv(10) == b"one"
            text, sender = server.recvfrom(10)
            assert text == b"three"
            server.sendto(b"four", sender)
            assert client.recv(10) == b"four"
        process.send_signal(signal.SIGINT)
        last = json.loads(process.stdout.readline())
        assert process.wait(10) == 0
        there = last["directions"]["client>server"]
        assert (there["arrived"], there["delivered"], there["dropped"]) == (3, 2, {"loss": 1})
        assert last["directions"]["server>client"]["delivered"] == 1
        assert last["ends"]["clients"] == 1


def test_for_people_it_is_a_table(start):
    process = start("link", "--udp", "127.0.0.1:0", "--to", "9", "--link", "loss=1% delay=20ms")
    said = process.stderr.readline().decode()
    assert "-> 127.0.0.1:9: loss=1% delay=20ms; seed " in said
    process.send_signal(signal.SIGTERM)
    assert process.stdout.read().decode().splitlines() == [
        "           client>server  server>client",
        "arrived                0              0",
        "delivered              0              0",
    ]
    assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--tcp", "9000", "--to", "9"], 2, "so neither end would ever see a segment lost: netlab testbed runs"),
        (["--udp", "9101"], 2, "--udp 9101 --to 127.0.0.1:9001"),
        (["--udp", "9101", "--to", "0"], 2, "name the server's port"),
        (["--udp", "x:y", "--to", "9"], 2, "--udp 'x:y' is no address: write such as 9101"),
        (["--udp", "0", "--to", "9", "--loss", "1"], 2, "write loss=1% or loss=1%,25%"),
        (["--udp", "0", "--to", "9", "--loss", "1%", "--link", "loss=2%"], 2, "loss stands there twice"),
        (["--udp", "0", "--to", "9", "--link", "los=2%"], 2, "'los' is not an option of a link"),
        (["--udp", "0", "--to", "9", "--loss-trace", "no such file"], 2, "no such file: No such file or directory"),
        (["--udp", "0", "--to", "no-such.invalid:9"], 1, "no-such.invalid"),
    ],
)
def test_what_cannot_be_is_one_line_that_says_what_can(netlab, arguments, status, said):
    done = netlab("link", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr.decode()


def test_every_option_of_a_link_is_one_here(netlab):
    from netlab.network.link_options import OPTIONS

    text = netlab("link", "--help").stdout.decode()
    assert all(f"--{key.replace('_', '-')} " in text for key in OPTIONS)
