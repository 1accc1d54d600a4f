"""A chat of five over udp on the virtual clock, through links that misbehave; what was said and who heard what.

    python tests/network/simulated_chat.py SEED [FILE]

runs one seed and prints its result as JSON; with a file the capture is written too. Not a test: `test_simulated_chat`
runs it, and so may who wants many seeds.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import sys
from collections import Counter
from pathlib import Path

import msgspec

from netlab.chat.messages import Join, Joined, Left, Message
from netlab.network import parse_link
from netlab.network.recording import Recording
from netlab.network.seeds import seeded_entropy, seeded_simulation
from netlab.network.simulator import Simulation
from netlab.network.virtual_loop import run, virtual_loop
from netlab.transports import Chat, HubShell, connect, serve
from netlab.units import S

PEOPLE = ("ann", "bob", "cem", "dan", "eve")
MESSAGES = 50
LINK = "loss=5% delay=20ms jitter=10ms duplicate=5% reorder=5% corrupt=2%"
EPOCH = 1_700_000_000 * S


class Heard(msgspec.Struct):
    """What one person saw of the room, by the numbers that the hub gave."""

    joined_at: int = 0
    numbers: Counter[int] = msgspec.field(default_factory=Counter)
    texts: Counter[str] = msgspec.field(default_factory=Counter)
    wrong: int = 0
    missing: int = 0
    last: int = 0
    duplicates: int = 0
    members: list[str] = []
    after_leaving: list[str] = []


class Chatted(msgspec.Struct):
    """One run: `sent` is the texts by outcome; `last` the room's last number at the hub when everybody had been silent
    for a while; `left_behind` the connections that the hub still had at the end."""

    seed: int
    seconds: float
    events: int
    sent: dict[str, list[str]]
    heard: dict[str, Heard]
    last: int
    left_behind: int
    sha256: str = ""


def text_of(name: str, number: int, rng: random.Random) -> str:
    """A text that carries its own check; number 25 takes many fragments."""
    body = f"{name} {number} " + "".join(rng.choices("abcdefgh ", k=12_000 if number == 25 else rng.randrange(80)))
    return f"{hashlib.sha256(body.encode()).hexdigest()[:16]} {body}"


def is_intact(text: str) -> bool:
    digest, _, body = text.partition(" ")
    return digest == hashlib.sha256(body.encode()).hexdigest()[:16]


class _Run:
    def __init__(self, seed: int, link: str, simulation: Simulation) -> None:
        self.seed = seed
        self.simulation = simulation
        self.server = simulation.host("server")
        self.hosts = [simulation.host(name) for name in PEOPLE]
        for host in self.hosts:
            simulation.connect(host, self.server, parse_link(link))
        self.sent: dict[str, list[str]] = {"ok": [], "unknown": [], "failed": []}
        self.heard = {name: Heard() for name in PEOPLE}
        self.left_behind = -1
        self.last = 0

    async def serve(self, over: asyncio.Event) -> None:
        hub = HubShell(entropy=seeded_entropy(self.seed, "hub"), wall_clock=lambda: EPOCH)
        async with serve("udp://0.0.0.0:9001", hub=hub):
            await over.wait()
            await asyncio.sleep(60)  # a goodbye that was lost: the silence tells
            self.left_behind = len(hub._ports)

    async def chat(self, name: str, all_in: asyncio.Barrier, all_silent: asyncio.Barrier) -> None:
        heard, rng = self.heard[name], random.Random(f"{self.seed}/{name}/texts")
        async with connect("udp://server:9001", name=name, entropy=seeded_entropy(self.seed, name)) as chat:
            listening = asyncio.create_task(self.listen(chat, heard))
            await asyncio.sleep(rng.random())
            heard.joined_at = await self.join(chat)
            if name == "eve":  # one who comes and goes while others speak
                await chat.leave("lobby")
                await asyncio.sleep(1)
                heard.joined_at = await self.join(chat)
            await all_in.wait()
            heard.members = sorted(member["name"] for member in await chat.who("lobby"))
            for number in range(MESSAGES):
                text = text_of(name, number, rng)
                outcome = await chat.emit("say", text, to="lobby")
                self.sent[outcome.status].append(text)
            await asyncio.sleep(10)
            await all_silent.wait()
            view = chat._machine.rooms["lobby"]
            heard.missing, heard.last, heard.duplicates = len(view.missing), view.last, chat.counters["duplicates"]
            self.last = max(self.last, view.last)
            await all_silent.wait()
            await chat.leave("lobby")
            await asyncio.sleep(5)
            heard.after_leaving = chat.rooms
        await listening

    async def join(self, chat: Chat) -> int:
        """The number that the join has in the room."""
        outcome = await chat.ask(Join(0, "lobby"))
        assert outcome.status == "ok"
        return outcome.rooms["lobby"]

    async def listen(self, chat: Chat, heard: Heard) -> None:
        async for event in chat.events():
            if isinstance(event, Message | Joined | Left) and "lobby" in event.rooms:
                heard.numbers[event.rooms["lobby"]] += 1
                if isinstance(event, Message):
                    (text,) = event.args
                    heard.texts[text] += 1
                    heard.wrong += not is_intact(text)

    async def main(self) -> None:
        loop = virtual_loop()
        over, all_in, all_silent = asyncio.Event(), asyncio.Barrier(len(PEOPLE)), asyncio.Barrier(len(PEOPLE))
        serving = loop.spawn(self.server, self.serve(over))
        async with asyncio.TaskGroup() as group:
            for host in self.hosts:
                with loop.on(host):
                    group.create_task(self.chat(host.name, all_in, all_silent), name=host.name)
        over.set()
        await serving


def chat_of_five(seed: int, *, link: str = LINK, capture: Recording | None = None) -> Chatted:
    """One chat from one seed."""
    simulation = seeded_simulation(seed)
    going = _Run(seed, link, simulation)
    if capture is not None:
        for point in [*simulation.hosts, *simulation.channels]:
            simulation.tap(point, capture)
    run(simulation, going.main(), until=1000 * S)
    chatted = Chatted(
        seed, simulation.now / S, simulation.events, going.sent, going.heard, going.last, going.left_behind
    )
    if capture is not None:
        chatted.sha256 = hashlib.sha256(capture.pcapng()).hexdigest()
    return chatted


if __name__ == "__main__":
    recording = Recording(epoch=EPOCH)
    result = chat_of_five(int(sys.argv[1]), capture=recording)
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_bytes(recording.pcapng())
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
