"""People who talk in a room of a chat."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal

import msgspec

from netlab.chat.messages import Message
from netlab.errors import NetlabError
from netlab.protocols.congestion import named
from netlab.protocols.tcp import PROFILES
from netlab.scenarios.flows.flow import Flow, Place, Summary, Tally
from netlab.scenarios.quantities import BadScenario, quantity
from netlab.transports import Chat, HubShell, connect, serve
from netlab.transports.alarm import now_ns
from netlab.transports.url import parse_url
from netlab.units import Ns, S, parse_size

PORT = 9001

CHAT_OVER_TCP = msgspec.structs.replace(PROFILES["linux"], user_timeout=30 * S)
"""Who chats does not wait as long as Linux would before a connection is given up."""

QUIET: Ns = 5 * S
"""People leave when the link is empty and nothing new was heard for so long."""


class ChatOfPeople(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="chat"):
    """People join one room of a chat on the server, and each says so many messages, one after the other.

    Attributes:
        over: the transport.
        size: of each text.
    """

    people: int = 3
    messages: int = 20
    size: str = "100B"
    over: Literal["udp", "tcp", "rudp"] = "udp"

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 200:
            raise BadScenario(f"people = {self.people} is not from 1 to 200: write people = 5")
        if not 1 <= self.messages <= 10_000:
            raise BadScenario(f"messages = {self.messages} is not from 1 to 10000: write messages = 20")
        if not 32 <= self.bytes <= 200_000:
            raise BadScenario(f'size = "{self.size}" is not from 32 B to 200 kB: write size = "100B"')

    @property
    def bytes(self) -> int:
        return quantity("size", parse_size, self.size)

    @property
    def clients(self) -> int:
        return self.people

    def flow(self, place: Place) -> Flow:
        """The flow in its world."""
        return _Chatting(self, place)


class _Chatting:
    def __init__(self, config: ChatOfPeople, place: Place) -> None:
        self._config = config
        self._place = place
        self._tally = Tally(f"chat of {config.people} over {config.over}", config.bytes)
        self._said_at: dict[str, Ns] = {}
        self._in_the_room = 0
        self._all_in = asyncio.Event()

    def summary(self) -> Summary:
        return self._tally.summary()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._config.over == "tcp":
            self._place.use_tcp(PORT, CHAT_OVER_TCP, named("cubic"))
        listening: asyncio.Future[tuple[str, int]] = self._loop.create_future()
        over = asyncio.Event()
        serving = self._place.on_server(self._serve(listening, over))
        server = self._place.across(await listening, self._config.over)
        people = [self._place.on_client(name, self._person(name, server)) for name in self._place.clients]
        await asyncio.gather(*people)
        over.set()
        await serving

    async def _serve(self, listening: asyncio.Future[tuple[str, int]], over: asyncio.Event) -> None:
        hub = HubShell(entropy=self._place.entropy("hub"), wall_clock=self._place.wall_clock)
        host, port = self._place.listen(PORT)
        async with serve(f"{self._config.over}://{host}:{port}", hub=hub) as server:
            address = parse_url(server.url)
            listening.set_result((address.host, address.port))
            await over.wait()

    async def _person(self, name: str, server: tuple[str, int]) -> None:
        url = f"{self._config.over}://{server[0]}:{server[1]}"
        try:
            async with connect(url, name=name, entropy=self._place.entropy(name)) as chat:
                seen: Counter[str] = Counter()

                def hear(text: str, message: Message) -> None:
                    self._tally.arrive(now_ns(self._loop), self._said_at[text], again=text in seen)
                    seen[text] += 1

                chat.on("say")(hear)
                await chat.join("lobby")
                await self._wait_for_all()
                await self._speak(chat, name)
                await self._wait_for_silence()
        except NetlabError:  # the link was too bad to come in, or broke
            self._tally.unknown += 1
            await self._wait_for_all()

    async def _wait_for_all(self) -> None:
        self._in_the_room += 1
        if self._in_the_room >= self._config.people:
            self._all_in.set()
        await self._all_in.wait()

    async def _speak(self, chat: Chat, name: str) -> None:
        for number in range(self._config.messages):
            text = f"{number} of {name} ".ljust(self._config.bytes, "x")
            self._said_at[text] = now_ns(self._loop)
            self._tally.send(self._said_at[text], self._config.people)
            outcome = await chat.emit("say", text, to="lobby")
            self._tally.unknown += outcome.status != "ok"

    async def _wait_for_silence(self) -> None:
        await self._place.settled()
        left = QUIET
        while left > 0:  # what comes meanwhile makes it longer
            await asyncio.sleep(left / S)
            left = self._tally.last + QUIET - now_ns(self._loop)
