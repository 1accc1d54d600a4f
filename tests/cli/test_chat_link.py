"""udp-chat --link: the chat crosses the link, which is changed from within, and says what it did."""

from __future__ import annotations

import json

import pytest

from netlab.capture.live import Way, find_way


def lines(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.splitlines()]


def of(kind: str, told: list[dict]) -> list[dict]:
    return [one for one in told if one["type"] == kind]


def test_the_link_is_changed_while_it_runs_and_tells_what_it_did(netlab, server):
    asked = b"/link\nfirst\n/link loss=100%\n/link loss=bad\n/link none delay=1ms\nsecond\n/stats\n"
    done = netlab(*server.reach("udp"), "--name", "ann", "--link", "delay=5ms", "--seed", "7", "--json", stdin=asked)
    told = lines(done.stdout)
    assert [one["link"] for one in of("link", told)] == ["delay=5ms", "delay=5ms loss=100%", "delay=1ms"]
    refused = [one for one in of("outcome", told) if one["status"] == "failed"]
    assert [(one["line"], one["code"]) for one in refused] == [(4, "bad_link")]
    assert "write loss=1%" in refused[0]["detail"]
    (stats,) = of("stats", told)
    assert stats["link"]["options"] == "delay=1ms"
    there = stats["link"]["client>server"]
    assert there["arrived"] > 3
    assert there["arrived"] + there["duplicated"] == there["delivered"] + there.get("dropped_loss", 0) + there["held"]
    assert of("status", told)[0]["url"] == f"udp://127.0.0.1:{server.port('udp')}"  # the server's, not the proxy's
    assert b"through a link, each way: delay=5ms; seed 7" in done.stderr
    assert done.returncode == 1  # for the line that was refused


def test_a_link_that_loses_half_is_entered_all_the_same(netlab, server):
    """Joining and leaving are repeated until they are acknowledged."""
    done = netlab(*server.reach("udp"), "--link", "loss=50%", "--seed", "7", "--json", stdin=b"/stats\n")
    told = lines(done.stdout)
    assert of("status", told)[0]["status"] == "open"
    (stats,) = of("stats", told)
    assert stats["link"]["client>server"]["dropped_loss"] >= 1


def test_it_hosts_beyond_the_link_where_nobody_listens(netlab, server):
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = netlab("udp-chat", "--port", str(port), "--name", "ann", "--link", "delay=1ms", stdin=b"hello\n/stats\n")
    assert done.returncode == 0
    assert b"hosting the chat there" in done.stderr
    said = done.stdout.decode().splitlines()
    assert any(line.startswith("message lobby ") and line.endswith(" ann hello") for line in said)
    assert "stats link options delay=1ms" in said
    assert any(line.startswith("stats client>server delivered ") for line in said)


@pytest.mark.skipif(find_way() not in (Way.USER_NAMESPACE, Way.NETWORK_NAMESPACE), reason="no namespaces here")
def test_captured_both_sides_of_the_link_are_seen(netlab, server, tmp_path):
    file = tmp_path / "link.pcapng"
    done = netlab(*server.reach("udp"), "--link", "delay=2ms", "--capture", str(file), stdin=b"hello\n")
    assert done.returncode == 0
    assert b"through a link, each way: delay=2ms" in done.stderr
    assert file.read_bytes().count(b'"hello"') >= 4  # there and back, before the proxy and behind it


def test_without_a_link_there_is_none_to_change(netlab, server):
    done = netlab(*server.reach("udp"), stdin=b"/link loss=5%\n")
    assert b"no_link: this chat goes through no link" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["udp-chat", "--link", "loss=5"], "write loss=1%"),
        (["udp-chat", "serve", "--link", "loss=5%"], "--link is for who joins"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_done(netlab, arguments, said):
    done = netlab(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr.decode()
