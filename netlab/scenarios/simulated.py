"""A scenario on the virtual clock: what is sent, by whom, and what came of it.

client1 --+                                        perfect links on the clients' side, so that all
client2 --+-- gateway ======= link ======= server  share the one link of the scenario
client3 --+
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import msgspec

from netlab.chat.messages import Message
from netlab.errors import NetlabError
from netlab.network.hosts import Host, UdpPort
from netlab.network.link import Account
from netlab.network.link_config import LinkConfig
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Simulation, Tap
from netlab.network.virtual_loop import VirtualLoop, virtual_loop
from netlab.network.virtual_loop import run as run_loop
from netlab.scenarios.scenario import NUMBER, ChatOfPeople, Datagrams, Scenario
from netlab.transports import Chat, HubShell, connect, serve
from netlab.units import MS, Ns, S

CHAT_PORT = 9001
FIRST_PORT = 7000
"""The server's port for the first flow of datagrams; the next has the next."""

EPOCH: Ns = 1_700_000_000 * S
"""Wall clock of a simulated hub when the virtual clock is 0, ns."""

SETTLE: Ns = 30 * S
"""After the last text was said: for what is still on its way, ns."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow. In a chat each text has as many receivers as people: each of them counts.

    Attributes:
        what: the flow in words.
        sent, delivered, doubled: datagrams or texts; `delivered` counts each once.
        lost: `sent - delivered`.
        unknown: texts that nobody knows the end of, and people who never came in.
        p50_ms, p99_ms: delay one way, ms; None where nothing came.
        goodput_bit_s: payload delivered, over the time from the first sending to the last arrival.
    """

    what: str
    sent: int
    delivered: int
    doubled: int
    lost: int
    unknown: int
    p50_ms: float | None
    p99_ms: float | None
    goodput_bit_s: int


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a scenario. The same seed gives the same, byte for byte as JSON."""

    seed: int
    scenario: Scenario
    seconds: float
    flows: list[Summary]
    links: dict[str, Account]


class _Tally:
    """What one flow counts while it runs."""

    def __init__(self, what: str, size: int) -> None:
        self.what = what
        self.size = size
        self.sent = 0
        self.unknown = 0
        self.arrivals = 0
        self.delays: list[Ns] = []
        self._first: Ns | None = None
        self._last: Ns = 0

    def send(self, now: Ns, receivers: int = 1) -> None:
        self._first = now if self._first is None else self._first
        self.sent += receivers

    def arrive(self, now: Ns, sent_at: Ns, *, again: bool) -> None:
        self.arrivals += 1
        if not again:
            self.delays.append(now - sent_at)
            self._last = now

    def summary(self) -> Summary:
        delivered = len(self.delays)
        took = self._last - (self._first or 0)
        return Summary(
            what=self.what,
            sent=self.sent,
            delivered=delivered,
            doubled=self.arrivals - delivered,
            lost=self.sent - delivered,
            unknown=self.unknown,
            p50_ms=_quantile(self.delays, 0.5),
            p99_ms=_quantile(self.delays, 0.99),
            goodput_bit_s=delivered * self.size * 8 * S // took if took > 0 else 0,
        )


def _quantile(delays: Sequence[Ns], share: float) -> float | None:
    """The smallest delay that so many are not above, ms."""
    return sorted(delays)[max(0, -int(-share * len(delays) // 1) - 1)] / MS if delays else None


def run(scenario: Scenario, *, seed: int, tap: Tap | None = None, points: Sequence[str] = ("gateway", "server")) -> Ran:
    """Run a scenario from a seed.

    Args:
        tap: sees the frames at these points: hosts (`client1`, `gateway`, `server`), or directions of the link
            (`gateway>server`).
    """
    simulation = seeded_simulation(seed)
    server, gateway = simulation.host("server"), simulation.host("gateway")
    simulation.connect(gateway, server, *scenario.directions)
    going: list[_Datagrams | _ChatOfPeople] = []
    clients = 0
    for number, flow in enumerate(scenario.flows):
        wanted = flow.people if isinstance(flow, ChatOfPeople) else 1
        hosts = [simulation.host(f"client{clients + k + 1}") for k in range(wanted)]
        clients += wanted
        for host in hosts:
            simulation.connect(host, gateway, LinkConfig())
        if isinstance(flow, Datagrams):
            going.append(_Datagrams(flow, simulation, hosts[0], server, f"{seed}/flow{number}", FIRST_PORT + number))
        else:
            going.append(_ChatOfPeople(flow, simulation, hosts, server, f"{seed}/flow{number}", CHAT_PORT + number))
    if tap is not None:
        for point in points:
            simulation.tap(point, tap)
    run_loop(simulation, _all(going))
    simulation.run()
    links = {name: simulation.channels[name].link.account for name in ("gateway>server", "server>gateway")}
    return Ran(
        seed=seed,
        scenario=scenario,
        seconds=simulation.now / S,
        flows=[flow.tally.summary() for flow in going],
        links=links,
    )


async def _all(flows: list[_Datagrams | _ChatOfPeople]) -> None:
    loop = virtual_loop()
    async with asyncio.TaskGroup() as group:
        for flow in flows:
            group.create_task(flow.run(loop))


class _Datagrams:
    def __init__(
        self, flow: Datagrams, simulation: Simulation, client: Host, server: Host, seed: str, port: int
    ) -> None:
        self.tally = _Tally(f"datagrams at {flow.rate}, {flow.direction}", flow.bytes)
        self._flow = flow
        self._simulation = simulation
        self._rng = random.Random(f"{seed}/spacing")
        sender, receiver = (client, server) if flow.direction == "there" else (server, client)
        self._seen: set[int] = set()
        self._to = receiver.address, receiver.bind(port, self._receive).port
        self._port: UdpPort = sender.bind(0, lambda payload, address, port: None)
        self._padding = bytes(flow.bytes - NUMBER)

    async def run(self, loop: VirtualLoop) -> None:
        flow, simulation = self._flow, self._simulation
        gap, end = flow.bytes * 8 * S / flow.bit_s, flow.start + flow.duration
        number, at = 0, float(flow.start)
        while at < end:
            await asyncio.sleep(max(0, at - simulation.now) / S)
            stamp = number.to_bytes(8, "big") + simulation.now.to_bytes(8, "big")
            self.tally.send(simulation.now)
            self._port.sendto(stamp + self._padding, *self._to)
            number += 1
            at += gap if flow.spacing == "even" else self._rng.expovariate(1 / gap)

    def _receive(self, payload: bytes, address: int, port: int) -> None:
        number = int.from_bytes(payload[:8], "big")
        self.tally.arrive(self._simulation.now, int.from_bytes(payload[8:16], "big"), again=number in self._seen)
        self._seen.add(number)


class _ChatOfPeople:
    def __init__(
        self, flow: ChatOfPeople, simulation: Simulation, clients: list[Host], server: Host, seed: str, port: int
    ) -> None:
        self.tally = _Tally(f"chat of {flow.people} over {flow.over}", flow.bytes)
        self._flow = flow
        self._simulation = simulation
        self._clients = clients
        self._server = server
        self._seed = seed
        self._port = port
        self._in_the_room = 0
        self._all_in = asyncio.Event()

    async def run(self, loop: VirtualLoop) -> None:
        over = asyncio.Event()
        serving = loop.spawn(self._server, self._serve(over))
        people = [loop.spawn(host, self._person(host.name)) for host in self._clients]
        await asyncio.gather(*people)
        over.set()
        await serving

    async def _serve(self, over: asyncio.Event) -> None:
        hub = HubShell(entropy=seeded_entropy(self._seed, "hub"), wall_clock=lambda: EPOCH)
        async with serve(f"{self._flow.over}://0.0.0.0:{self._port}", hub=hub):
            await over.wait()

    async def _person(self, name: str) -> None:
        url = f"{self._flow.over}://server:{self._port}"
        try:
            async with connect(url, name=name, entropy=seeded_entropy(self._seed, name)) as chat:
                seen: Counter[str] = Counter()

                def hear(text: str, message: Message) -> None:
                    key, _, at = text.rstrip("x").partition("@")
                    self.tally.arrive(self._simulation.now, int(at), again=key in seen)
                    seen[key] += 1

                chat.on("say")(hear)
                await chat.join("lobby")
                await self._wait_for_all()
                await self._speak(chat, name)
        except NetlabError:  # the link was too bad to come in, or broke
            self.tally.unknown += 1
            await self._wait_for_all()

    async def _wait_for_all(self) -> None:
        self._in_the_room += 1
        if self._in_the_room >= self._flow.people:
            self._all_in.set()
        await self._all_in.wait()

    async def _speak(self, chat: Chat, name: str) -> None:
        for number in range(self._flow.messages):
            now = self._simulation.now
            self.tally.send(now, self._flow.people)
            outcome = await chat.emit("say", f"{name}.{number}@{now}".ljust(self._flow.bytes, "x"), to="lobby")
            self.tally.unknown += outcome.status != "ok"
        await asyncio.sleep(SETTLE / S)
