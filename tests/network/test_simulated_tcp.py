"""The chat over tcp, unchanged, over our own TCP between simulated hosts; and the stream transport it stands on."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from netlab.chat.client_events import Changed
from netlab.chat.messages import Message
from netlab.network import parse_link
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Simulation
from netlab.network.virtual_loop import run, virtual_loop
from netlab.network.virtual_stream import SEND_BUFFER
from netlab.protocols.tcp import LINUX, State
from netlab.transports import HubShell, connect, serve
from netlab.units import S

ROUGH = "loss=30% duplicate=10% reorder=20% corrupt=1% delay=20ms"
MESSAGES = 1000
CHAT = msgspec.structs.replace(LINUX, user_timeout=30 * S)
"""LIMITS: over TCP a chat gives up after 30 s without any acknowledgement."""

# ---- the chat --------------------------------------------------------------------------------------------------------


class Chatted:
    """Two people who say `MESSAGES` each, what each of them heard, and how their connections fared."""

    def __init__(self, seed: int, link: str, *, pause: float = 0) -> None:
        self.seed = seed
        self.pause = pause
        self.heard: dict[str, list[str]] = {"ann": [], "bob": []}
        self.outcomes: Counter[str] = Counter()
        self.changes: list[tuple[float, str, Changed]] = []
        self.simulation = seeded_simulation(seed)
        self.server = self.simulation.host("server")
        self.hosts = [self.simulation.host(name) for name in self.heard]
        for host in self.hosts:
            self.simulation.connect(host, self.server, parse_link(link))
        for host in self.simulation.hosts.values():
            host.tcp.config = CHAT

    def run(self, *, meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None) -> Chatted:
        run(self.simulation, self._main(meanwhile), until=3600 * S)
        return self

    def configure(self, link: str) -> None:
        """From now on all links are like this."""
        for channel in self.simulation.channels.values():
            channel.configure(parse_link(link))

    async def _main(self, meanwhile: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
        loop, over, together = virtual_loop(), asyncio.Event(), asyncio.Barrier(len(self.hosts))
        serving = loop.spawn(self.server, self._serve(over))
        async with asyncio.TaskGroup() as group:
            for host in self.hosts:
                with loop.on(host):
                    group.create_task(self._chat(host.name, together))
            if meanwhile is not None:
                group.create_task(meanwhile())
        over.set()
        await serving

    async def _serve(self, over: asyncio.Event) -> None:
        hub = HubShell(entropy=seeded_entropy(self.seed, "hub"), wall_clock=lambda: 10**18)
        async with serve("tcp://0.0.0.0:9000", hub=hub):
            await over.wait()

    async def _chat(self, name: str, together: asyncio.Barrier) -> None:
        async with connect("tcp://server:9000", name=name, entropy=seeded_entropy(self.seed, name)) as chat:

            async def listen() -> None:
                async for event in chat.events():
                    if isinstance(event, Message):
                        self.heard[name].append(event.args[0])
                    elif isinstance(event, Changed):
                        self.changes.append((virtual_loop().time(), name, event))

            async def say(number: int) -> None:
                self.outcomes[(await chat.emit("say", f"{name} {number}", to="lobby")).status] += 1

            await chat.join("lobby")
            listening = asyncio.create_task(listen())
            await together.wait()
            for first in range(0, MESSAGES, 20):
                async with asyncio.TaskGroup() as group:
                    for number in range(first, first + 20):
                        group.create_task(say(number))
                await asyncio.sleep(self.pause)
            await together.wait()
            await asyncio.sleep(40)
        await listening

    def check(self) -> None:
        """Nothing lost, nothing doubled, each one's messages in order, and one order for all."""
        assert self.outcomes == {"ok": 2 * MESSAGES}
        for texts in self.heard.values():
            for name in self.heard:
                mine = [text for text in texts if text.startswith(name)]
                assert mine == [f"{name} {number}" for number in range(MESSAGES)]
        assert self.heard["ann"] == self.heard["bob"]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_thousand_messages_over_a_rough_network(seed: int) -> None:
    chatted = Chatted(seed, ROUGH).run()
    chatted.check()
    accounts = [channel.link.account for channel in chatted.simulation.channels.values()]
    assert min(account.dropped["loss"] / account.arrived for account in accounts) > 0.2
    assert min(account.duplicated for account in accounts) > 0


def test_one_seed_is_one_run() -> None:
    one, other = Chatted(4, ROUGH).run(), Chatted(4, ROUGH).run()
    assert (one.heard, one.simulation.now, one.simulation.events) == (
        other.heard,
        other.simulation.now,
        other.simulation.events,
    )


def test_a_blackout_of_five_seconds_is_survived_without_a_new_connection() -> None:
    chatted = Chatted(5, "delay=20ms", pause=0.5)

    async def blackout() -> None:
        await asyncio.sleep(10)
        chatted.configure("loss=100% delay=20ms")
        await asyncio.sleep(5)
        chatted.configure("delay=20ms")

    chatted.run(meanwhile=blackout).check()
    assert [change.status for _, _, change in chatted.changes] == ["ended", "ended"]


def test_a_blackout_for_ever_is_noticed_within_35_seconds() -> None:
    chatted = Chatted(6, "delay=20ms", pause=0.5)

    async def blackout() -> None:
        await asyncio.sleep(10)
        chatted.configure("loss=100% delay=20ms")
        await asyncio.sleep(100)
        chatted.configure("delay=20ms")

    chatted.run(meanwhile=blackout).check()
    for name in chatted.heard:
        noticed = [at for at, who, change in chatted.changes if who == name and change.status == "reconnecting"]
        assert noticed[0] - 10 < 35


# ---- the stream transport --------------------------------------------------------------------------------------------


class Network:
    """A client and a server host joined by one link."""

    def __init__(self, link: str = "delay=20ms", seed: int = 1) -> None:
        self.simulation: Simulation = seeded_simulation(seed)
        self.client, self.server = self.simulation.host("client"), self.simulation.host("server")
        self.there, self.back = self.simulation.connect(self.client, self.server, parse_link(link))

    def run(
        self,
        client: Callable[[], Coroutine[Any, Any, None]],
        factory: Callable[[], asyncio.Protocol] | None = None,
        **options: Any,
    ) -> None:
        async def main() -> None:
            loop = virtual_loop()
            if factory is not None:
                with loop.on(self.server):
                    await loop.create_server(factory, "0.0.0.0", 7000, **options)
            await loop.spawn(self.client, client())

        run(self.simulation, main(), until=3600 * S)


class Recorder(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self, *, stays_open: bool = False) -> None:
        self.told: list[Any] = []
        self.received = bytearray()
        self.stays_open = stays_open
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.told.append("eof")
        return self.stays_open

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.told.append("lost" if exc is None else exc)
        self.lost.set_result(exc)


def remembering(made: list[Recorder], **options: Any) -> Callable[[], asyncio.Protocol]:
    def factory() -> asyncio.Protocol:
        made.append(Recorder(**options))
        return made[-1]

    return factory


def test_a_writer_that_is_faster_than_the_link_is_paused_and_loses_nothing() -> None:
    network, servers = Network("delay=20ms rate=10mbit loss=1%"), list[Recorder]()
    data = bytes(i % 251 for i in range(2_000_000))

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        protocol.transport.write(data)
        assert protocol.told[-1] == "pause"
        assert protocol.transport.get_write_buffer_size() == len(data) - SEND_BUFFER
        protocol.transport.close()
        await protocol.lost
        assert protocol.told == ["made", "pause", "resume", "lost"]
        await servers[0].lost

    network.run(client, remembering(servers))
    assert bytes(servers[0].received) == data
    assert servers[0].told == ["made", "eof", "lost"]


def test_a_reader_that_pauses_holds_the_writer_back() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        await asyncio.sleep(1)
        servers[0].transport.pause_reading()
        protocol.transport.write(bytes(3_000_000))
        await asyncio.sleep(100)
        assert servers[0].received == b""
        (connection,) = network.server.tcp.connections
        assert 0 <= connection.waiting - LINUX.receive_buffer < 32  # the window is told in units of 32 bytes
        ours = 3_000_000 - connection.waiting - protocol.transport.get_write_buffer_size()
        assert SEND_BUFFER * 3 // 4 <= ours <= SEND_BUFFER
        servers[0].transport.resume_reading()
        protocol.transport.write_eof()
        await servers[0].lost

    network.run(client, remembering(servers))
    assert len(servers[0].received) == 3_000_000


def test_a_half_closed_connection_still_carries_the_other_direction() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(lambda: Recorder(stays_open=True), "server", 7000)
        assert isinstance(protocol, Recorder)
        protocol.transport.write(b"question")
        protocol.transport.write_eof()
        with pytest.raises(RuntimeError):
            protocol.transport.write(b"more")
        await asyncio.sleep(1)
        assert (servers[0].told, bytes(servers[0].received)) == (["made", "eof"], b"question")
        servers[0].transport.write(b"answer")
        await asyncio.sleep(1)
        assert bytes(protocol.received) == b"answer"
        servers[0].transport.close()
        await asyncio.sleep(1)
        assert protocol.told == ["made", "eof"]
        protocol.transport.close()
        assert await protocol.lost is None
        assert [connection.state for connection in network.client.tcp.connections] == [State.TIME_WAIT]
        await asyncio.sleep(2 * LINUX.msl / S)
        assert network.client.tcp.connections == network.server.tcp.connections == []

    network.run(client, remembering(servers, stays_open=True))


def test_an_abort_resets_the_peer() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        await asyncio.sleep(1)
        protocol.transport.abort()
        assert await protocol.lost is None
        assert isinstance(await servers[0].lost, ConnectionResetError)
        assert network.client.tcp.connections == network.server.tcp.connections == []

    network.run(client, remembering(servers))


def test_data_to_one_who_closed_is_answered_with_a_reset() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        await asyncio.sleep(1)
        servers[0].transport.write(b"x" * 100)
        protocol.transport.close()
        assert isinstance(await servers[0].lost, ConnectionResetError)

    network.run(client, remembering(servers, stays_open=True))


def test_nobody_listens() -> None:
    network = Network()

    async def client() -> None:
        with pytest.raises(ConnectionRefusedError, match="nobody listens"):
            await virtual_loop().create_connection(Recorder, "server", 7000)
        assert virtual_loop().time() == pytest.approx(0.04)
        with pytest.raises(OSError, match="not the address of one host"):
            await virtual_loop().create_connection(Recorder, "224.0.0.1", 7000)

    network.run(client)


def test_nobody_answers() -> None:
    network = Network("loss=100%")

    async def client() -> None:
        with pytest.raises(TimeoutError, match=r"no answer to the SYN within 180s \(sent \d+ times\)"):
            await virtual_loop().create_connection(Recorder, "server", 7000)
        assert virtual_loop().time() == pytest.approx(180)

    network.run(client)


def test_an_attempt_that_is_cancelled_leaves_nothing() -> None:
    network = Network("loss=100%")

    async def client() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await virtual_loop().create_connection(Recorder, "server", 7000)
        assert network.client.tcp.connections == []

    network.run(client)


def test_what_is_unacknowledged_is_named_when_the_network_is_gone() -> None:
    network, servers = Network(), list[Recorder]()
    network.client.tcp.config = CHAT

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        protocol.transport.write(b"a" * 5000)
        await asyncio.sleep(1)
        network.there.configure(parse_link("loss=100% delay=20ms"))
        protocol.transport.write(b"b" * 1234)
        began = virtual_loop().time()
        error = await protocol.lost
        assert isinstance(error, TimeoutError)
        assert "no acknowledgement within 30s of 1234 B from byte 5000 of the stream on" in str(error)
        assert virtual_loop().time() - began < 35

    network.run(client, remembering(servers))


def test_a_flood_of_syns_is_bounded_and_an_honest_client_gets_in() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        loop = virtual_loop()
        network.back.configure(parse_link("loss=100%"))  # no SYN,ACK arrives: all stay half open
        attempts = [asyncio.create_task(loop.create_connection(Recorder, "server", 7000)) for _ in range(20)]
        await asyncio.sleep(0.5)
        assert len(network.server.tcp.connections) == 8
        network.back.configure(parse_link("delay=20ms"))
        await asyncio.gather(*attempts)
        await asyncio.sleep(1)
        assert len(servers) == 20

    network.run(client, remembering(servers), backlog=8)


def test_names_of_both_ends() -> None:
    network, servers = Network(), list[Recorder]()

    async def client() -> None:
        _, protocol = await virtual_loop().create_connection(Recorder, "server", 7000)
        assert isinstance(protocol, Recorder)
        await asyncio.sleep(1)
        here, there = protocol.transport, servers[0].transport
        assert here.get_extra_info("peername") == there.get_extra_info("sockname") == ("10.0.0.2", 7000)
        assert here.get_extra_info("sockname") == there.get_extra_info("peername")
        assert here.get_extra_info("socket") is None
        with virtual_loop().on(network.server), pytest.raises(OSError, match="taken"):
            await virtual_loop().create_server(Recorder, "0.0.0.0", 7000)
        with virtual_loop().on(network.server), pytest.raises(OSError, match="not an address"):
            await virtual_loop().create_server(Recorder, "10.0.0.9", 7000)

    network.run(client, remembering(servers))
