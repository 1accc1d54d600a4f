"""asyncio on the virtual clock: no time passes but the simulation's, and what cannot happen is told."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from netlab.errors import DeadlineExpired
from netlab.network.link_options import parse_link
from netlab.network.seeds import seeded_simulation
from netlab.network.simulator import Simulation
from netlab.network.virtual_loop import Deadlock, run, virtual_loop
from netlab.units import MS, S


def network(options: str = "delay=10ms") -> Simulation:
    simulation = seeded_simulation(1)
    server = simulation.host("server")
    for name in ("ann", "bob"):
        simulation.connect(simulation.host(name), server, parse_link(options))
    return simulation


class Protocol(asyncio.DatagramProtocol):
    def __init__(self, *, echo: bool = False) -> None:
        self.echo = echo
        self.log: list[Any] = []
        self.heard: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.log.append("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait((data, addr))
        if self.echo:
            self.transport.sendto(data.upper(), addr)

    def error_received(self, exc: Exception) -> None:
        self.log.append(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append("lost")


def test_sleeping_takes_no_time() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        marks = [loop.time()]
        for delay in (0, 0.1, 3600):
            await asyncio.sleep(delay)
            marks.append(loop.time())
        return marks

    before = time.monotonic()
    assert run(network(), main()) == [0, 0, 0.1, 3600.1]
    assert time.monotonic() - before < 5


def test_timers_fire_in_the_order_of_their_times_and_then_of_their_making() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        order: list[int] = []
        loop.call_later(0.2, order.append, 3)
        loop.call_at(0.1, order.append, 1)
        loop.call_later(0.1, order.append, 2)
        loop.call_later(0.15, order.append, 9).cancel()
        loop.call_soon(order.append, 0)
        loop.call_soon(order.append, 9).cancel()
        await asyncio.sleep(1)
        return order

    assert run(network(), main()) == [0, 1, 2, 3]


def test_exact_nanoseconds_survive_the_loops_floats() -> None:
    simulation = network()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for at in (1, 123_456_789_123, 7_200 * S + 1):
            done = asyncio.Event()
            loop.call_at(at / 1e9, done.set)
            await done.wait()
            assert simulation.now == at == round(loop.time() * 1e9)

    run(simulation, main())


def test_what_asyncio_offers_works() -> None:
    async def slow(answer: int) -> int:
        await asyncio.sleep(answer)
        return answer

    async def main() -> None:
        assert await asyncio.gather(slow(3), slow(1)) == [3, 1]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await slow(2)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(2), 1)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(slow(n)) for n in (2, 1)]
        assert [task.result() for task in tasks] == [2, 1]
        done, pending = await asyncio.wait([asyncio.create_task(slow(n)) for n in (5, 1)], timeout=2)
        assert (len(done), len(pending)) == (1, 1)
        lock = asyncio.Lock()
        async with lock:
            pass

    run(network(), main())


def test_datagrams_between_hosts() -> None:
    simulation = network()
    hosts = simulation.hosts

    async def serve() -> None:
        _, protocol = await virtual_loop().create_datagram_endpoint(
            lambda: Protocol(echo=True), local_addr=("0.0.0.0", 9001)
        )
        await asyncio.sleep(1)
        protocol.transport.close()

    async def ask() -> tuple[bytes, Any]:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(Protocol, remote_addr=("server", 9001))
        assert transport.get_extra_info("peername") == ("10.0.0.1", 9001)
        assert transport.get_extra_info("sockname")[0] == "10.0.0.2"
        assert transport.get_extra_info("socket") is None
        transport.sendto(b"hello")
        heard = await protocol.heard.get()
        assert loop.time() == 0.02
        transport.close()
        assert transport.is_closing()
        transport.sendto(b"too late")
        await asyncio.sleep(0)
        assert protocol.log == ["made", "lost"]
        return heard

    async def main() -> tuple[bytes, Any]:
        loop = virtual_loop()
        serving = loop.spawn(hosts["server"], serve())
        heard = await loop.spawn(hosts["ann"], ask())
        await serving
        return heard

    assert run(simulation, main()) == (b"HELLO", ("10.0.0.1", 9001))
    assert simulation.channels["ann>server"].link.account.arrived == 1


def test_a_connected_socket_hears_its_peer_alone() -> None:
    simulation = network()

    async def main() -> None:
        loop = virtual_loop()
        with loop.on(simulation.hosts["ann"]):
            a, ann = await loop.create_datagram_endpoint(Protocol, ("10.0.0.2", 5), ("server", 9001))
        with loop.on(simulation.hosts["bob"]):
            b, _ = await loop.create_datagram_endpoint(Protocol, local_addr=("bob", 5))
        b.sendto(b"not for you", ("ann", 5))
        await asyncio.sleep(1)
        assert ann.heard.empty()
        with pytest.raises(ValueError, match="connected"):
            a.sendto(b"x", ("bob", 5))
        a.sendto(bytes(65_508))
        a.sendto(bytes(65_507))
        await asyncio.sleep(1)
        assert [type(entry) for entry in ann.log[1:]] == [OSError]

    run(simulation, main())


def test_addresses_that_cannot_be() -> None:
    simulation = network()

    async def main() -> None:
        loop = virtual_loop()
        with pytest.raises(RuntimeError, match="on which host"):
            await loop.create_datagram_endpoint(Protocol, local_addr=("0.0.0.0", 1))
        with loop.on(simulation.hosts["ann"]):
            await loop.create_datagram_endpoint(Protocol, local_addr=("0.0.0.0", 1))
            with pytest.raises(OSError, match="taken"):
                await loop.create_datagram_endpoint(Protocol, local_addr=("0.0.0.0", 1))
            with pytest.raises(OSError, match="not an address"):
                await loop.create_datagram_endpoint(Protocol, local_addr=("10.0.0.1", 1))
        with pytest.raises(OSError, match="nobody"):
            await loop.getaddrinfo("nobody", 1)
        assert (await loop.getaddrinfo("bob", 7))[0][4] == ("10.0.0.3", 7)

    run(simulation, main())


def test_a_deadlock_is_told_with_who_waits_where() -> None:
    simulation = network()

    async def wait_for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        waiting = virtual_loop().spawn(simulation.hosts["ann"], wait_for_ever(), name="ann's wait")
        await asyncio.sleep(2.5)
        await waiting

    with pytest.raises(Deadlock, match=r"at 2\.5s while these wait: .*ann's wait at .*wait_for_ever line"):
        run(simulation, main())


def test_a_run_ends_when_it_is_told_to() -> None:
    simulation = network()

    async def for_ever() -> None:
        for _ in itertools.count():
            await asyncio.sleep(1)

    with pytest.raises(DeadlineExpired):
        run(simulation, for_ever(), until=10 * S)
    assert simulation.now == 10 * S


def test_what_is_left_is_cancelled_and_cleaned_up() -> None:
    log: list[str] = []

    async def left() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            log.append("cleaned up")

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")

    async def main() -> int:
        generator = numbers()
        await anext(generator)
        kept = asyncio.create_task(left())
        await asyncio.sleep(1)
        log.append(str(kept.done()))
        return 7

    assert run(network(), main()) == 7
    assert log[0] == "False"
    assert sorted(log[1:]) == ["cleaned up", "closed"]


def test_an_exception_in_a_callback_ends_the_run() -> None:
    class Breaks(Protocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            raise ZeroDivisionError

    simulation = network()

    async def main() -> None:
        loop = virtual_loop()
        with loop.on(simulation.hosts["server"]):
            await loop.create_datagram_endpoint(Breaks, local_addr=("0.0.0.0", 1))
        with loop.on(simulation.hosts["ann"]):
            transport, _ = await loop.create_datagram_endpoint(Protocol, remote_addr=("server", 1))
        transport.sendto(b"")
        await asyncio.sleep(10)

    with pytest.raises(ZeroDivisionError):
        run(simulation, main())
    assert simulation.now == 10 * MS


def test_exceptions_of_the_main_task_come_out() -> None:
    async def main() -> None:
        await asyncio.sleep(1)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run(network(), main())


def test_it_runs_within_another_loop_as_in_a_notebook() -> None:
    async def simulated() -> float:
        await asyncio.sleep(3600)
        async with asyncio.timeout(5):
            await asyncio.sleep(1)
        assert asyncio.current_task() is not None
        return asyncio.get_running_loop().time()

    async def notebook() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert run(network(), simulated()) == 3601
        assert asyncio.get_running_loop() is loop
        assert asyncio.current_task() is task
        await asyncio.sleep(0.001)
        assert run(network(), simulated()) == 3601

    asyncio.run(notebook())


def test_there_are_no_threads() -> None:
    async def main() -> None:
        with pytest.raises(NotImplementedError, match="no threads"):
            await asyncio.to_thread(print)

    run(network(), main())
