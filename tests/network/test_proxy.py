"""The proxy: the same link in real time, one datagram staying one, each client told what is its own."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from collections.abc import Iterator

import pytest

from netlab.network.link import Arrived, Dropped, Link, TimerFired
from netlab.network.link_options import parse_link
from netlab.network.proxy import TO_CLIENT, TO_SERVER, CannotProxy, UdpProxy
from netlab.network.seeds import seeded_streams
from netlab.units import MS

HERE = "127.0.0.1"


@contextlib.contextmanager
def echo_server(family: int = socket.AF_INET) -> Iterator[tuple[str, int]]:
    """Sends back what comes, with the port it came from before it; until an empty datagram comes."""
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((HERE if family == socket.AF_INET else "::1", 0))

    def serve() -> None:
        while True:
            data, sender = server.recvfrom(65_535)
            if data == b"end":
                return
            server.sendto(data, sender)

    thread = threading.Thread(target=serve)
    thread.start()
    address = server.getsockname()[:2]
    try:
        yield address
    finally:
        with socket.socket(family, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", address)
        thread.join()
        server.close()


@contextlib.contextmanager
def client(proxy: UdpProxy) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in proxy.address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.settimeout(5)
        own.connect(proxy.address)
        yield own


def perfect(to: tuple[str, int], there: str = "", back: str = "", seed: int = 7) -> UdpProxy:
    streams = seeded_streams(seed)
    return UdpProxy((HERE, 0), to, streams, to_server=parse_link(there), to_client=parse_link(back))


def test_one_datagram_stays_one_and_each_client_gets_its_own() -> None:
    with echo_server() as to, perfect(to) as proxy, client(proxy) as ann, client(proxy) as bob:
        for size in (0, 1, 1200, 65_507):
            ann.send(b"a" * size)
            bob.send(b"b" * size)
            assert ann.recv(70_000) == b"a" * size
            assert bob.recv(70_000) == b"b" * size
        there, back = proxy.accounts[TO_SERVER], proxy.accounts[TO_CLIENT]
        assert (there.arrived, there.delivered, back.arrived, back.delivered) == (8, 8, 8, 8)
        assert there.bytes_arrived == 2 * (0 + 1 + 1200 + 65_507) + 8 * 28  # with the headers of IPv4 and UDP
        assert proxy.ends.clients == 2


def test_ipv6() -> None:
    with contextlib.ExitStack() as stack:
        try:
            to = stack.enter_context(echo_server(socket.AF_INET6))
        except OSError:
            pytest.skip("no IPv6 here")
        proxy = stack.enter_context(UdpProxy(("::1", 0), to, seeded_streams(7), to_server=parse_link("")))
        own = stack.enter_context(client(proxy))
        own.send(b"six")
        assert own.recv(10) == b"six"
        assert proxy.accounts[TO_SERVER].bytes_arrived == 3 + 48


def test_it_loses_what_the_link_object_loses() -> None:
    """The same dice, name and seed: the same packets."""
    alone = Link[int](parse_link("loss=20%"), seeded_streams(7), name=TO_SERVER)
    expected = [n for n in range(100) if not any(isinstance(o, Dropped) for o in alone.handle(Arrived(n, 29), 0))]
    alone.handle(TimerFired(), 0)
    with echo_server() as to, perfect(to, "loss=20%") as proxy, client(proxy) as own:
        for n in range(100):
            own.send(bytes([n]))
        assert [own.recv(10)[0] for _ in expected] == expected
        assert proxy.accounts[TO_SERVER].dropped == {"loss": 100 - len(expected)}


def test_it_is_changed_while_it_runs() -> None:
    with echo_server() as to, perfect(to, "loss=100%") as proxy, client(proxy) as own:
        own.send(b"lost")
        while proxy.accounts[TO_SERVER].arrived == 0:
            time.sleep(0.001)
        proxy.configure(parse_link("duplicate=100%"), TO_SERVER)
        own.send(b"twice")
        assert [own.recv(10), own.recv(10)] == [b"twice", b"twice"]
        assert proxy.configs[TO_CLIENT] == parse_link("")
        account = proxy.accounts[TO_SERVER]
        assert (account.arrived, account.delivered, account.duplicated, account.dropped) == (2, 2, 1, {"loss": 1})


def test_damage_is_found_by_checksums_unless_they_are_mended() -> None:
    with echo_server() as to, perfect(to, "corrupt=100%") as proxy, client(proxy) as own:
        own.send(bytes(1000))
        proxy_has_seen(proxy, 1)
        assert proxy.ends.checksum == 1
        assert proxy.accounts[TO_CLIENT].arrived == 0
    with echo_server() as to, perfect(to, "corrupt=100% corrupt_checksum=fix") as proxy, client(proxy) as own:
        own.send(bytes(20_000))
        data = own.recv(70_000)
        assert len(data) == 20_000
        assert bin(int.from_bytes(data, "big")).count("1") == 1


def proxy_has_seen(proxy: UdpProxy, datagrams: int) -> None:
    while proxy.accounts[TO_SERVER].arrived < datagrams:
        time.sleep(0.001)


def test_where_nobody_listens_is_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HERE, 0))
        nobody = taken.getsockname()
    with perfect(nobody) as proxy, client(proxy) as own:
        for n in range(1, 4):
            own.send(b"x")
            proxy_has_seen(proxy, n)
        assert proxy.ends.refused >= 1


def test_what_cannot_be() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HERE, 0))
        with pytest.raises(CannotProxy, match="in use"):
            UdpProxy(taken.getsockname(), (HERE, 9), seeded_streams(7), to_server=parse_link(""))
    with pytest.raises(CannotProxy, match=r"no-such\.invalid"):
        UdpProxy((HERE, 0), ("no-such.invalid", 9), seeded_streams(7), to_server=parse_link(""))


def test_closing_ends_the_thread_and_the_sockets() -> None:
    proxy = perfect((HERE, 9), "delay=1s")
    with client(proxy) as own:
        own.send(b"x")
        proxy_has_seen(proxy, 1)
        proxy.close()
        proxy.close()
        assert proxy.accounts[TO_SERVER].held == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "netlab proxy"]


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 5, 20])
def test_the_delay_is_the_one_asked_for(delay: int) -> None:
    """Never shorter. How much longer depends on what else the machine does: so the bound is wide."""
    with echo_server() as to, perfect(to, f"delay={delay}ms", f"delay={delay}ms") as proxy, client(proxy) as own:
        trips = []
        for _ in range(100):
            began = time.monotonic_ns()
            own.send(b"x")
            own.recv(10)
            trips.append(time.monotonic_ns() - began)
            time.sleep(0.001)
    over = [trip - 2 * delay * MS for trip in trips]
    assert min(over) >= 0
    assert statistics.median(over) < 30 * MS  # gross faults only: the machine may be busy
