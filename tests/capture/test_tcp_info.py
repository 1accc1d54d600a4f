"""The kernel's TCP, asked: what it tells agrees with what this test knows of the connection, and becomes a trace."""

from __future__ import annotations

import asyncio
import socket
import sys

import pytest

from netlab.capture.tcp_info import CONGESTION, NoTcpInfo, TcpInfo, ask, decision, parse, watch
from netlab.units import MS

linux = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is laid out as Linux does it")


def connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return client, listener.accept()[0]


@linux
def test_a_connection_as_this_test_knows_it() -> None:
    client, server = connected()
    with client, server:
        client.sendall(b"x" * 50_000)
        got = 0
        while got < 50_000:
            got += len(server.recv(65_536))
        server.sendall(b"y")
        assert client.recv(1) == b"y"  # its ACK came before, on loopback
        info = ask(client)
        assert info.state == "ESTABLISHED"
        assert info.congestion == "open"
        assert info.mss == client.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
        assert info.ssthresh is None
        assert info.cwnd >= 10 * info.mss  # Linux begins with 10 segments (RFC 6928)
        assert info.unacked == 0
        assert 0 < info.srtt < 5_000 * MS
        assert info.rto >= 200 * MS
        assert info.bytes_acked in (50_000, 50_001, None)  # Linux counts the SYN too
        server.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        assert ask(client).state == "CLOSE-WAIT"


@linux
def test_what_is_no_tcp_is_told_so() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, pytest.raises(NoTcpInfo, match="tells nothing"):
        ask(datagrams)


@pytest.mark.parametrize("size", [0, 50, 103])
def test_what_is_too_short_is_refused(size: int) -> None:
    with pytest.raises(NoTcpInfo, match="no struct tcp_info"):
        parse(bytes(size))


def test_an_old_kernel_does_not_tell_what_came_later() -> None:
    info = parse(bytes(104))
    assert (info.pacing_bit_s, info.bytes_acked, info.window) == (None, None, None)


def info(congestion: str, **fields: int | None) -> TcpInfo:
    usual = {"cwnd": 14_480, "ssthresh": None, "unacked": 0, "retransmits": 0, "total_retransmits": 0}
    kernel = {"rto": 200 * MS, "mss": 1448, "srtt": 1, "rttvar": 1, "pacing_bit_s": 1, "bytes_acked": 0, "window": 1}
    return TcpInfo(state="ESTABLISHED", congestion=congestion, **{**usual, **kernel, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "now", "cause"),
    [
        (None, "open", "poll"),
        ("open", "open", "poll"),
        ("open", "disorder", "poll"),
        ("disorder", "recovery", "loss"),
        ("open", "cwr", "loss"),
        ("recovery", "loss", "rto"),
        ("recovery", "open", "recovered"),
        ("loss", "open", "recovered"),
    ],
)
def test_a_cause_is_what_has_changed(before: str | None, now: str, cause: str) -> None:
    assert now in CONGESTION
    made = decision(info(now), 5, who="k", before=None if before is None else info(before))
    assert (made.cause, made.at, made.who) == (cause, 5, "k")


def test_the_phase_is_read_off_cwnd_and_ssthresh() -> None:
    assert decision(info("open"), 0, who="").phase == "slow start"
    assert decision(info("open", cwnd=1448, ssthresh=2896), 0, who="").phase == "slow start"
    assert decision(info("open", cwnd=2896, ssthresh=2896), 0, who="").phase == "congestion avoidance"
    assert decision(info("recovery", cwnd=2896, ssthresh=2896), 0, who="").phase == "recovery"


@linux
def test_watching_ends_with_the_connection() -> None:
    async def main() -> list[str | None]:
        client, server = connected()
        states = []
        async for one in watch(client, every=1 * MS):
            states.append(one.state)
            if len(states) == 3:
                server.close()
                client.close()
        return states

    assert asyncio.run(main()) == ["ESTABLISHED"] * 3
