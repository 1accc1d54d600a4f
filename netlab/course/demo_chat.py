"""The demo's chat, played over one transport: three people, two rooms, a private message and a long one.

    python -m netlab.course.demo_chat tcp

plays it over kernel sockets on loopback and prints what happened as one line of JSON. It runs by itself, without
anybody typing, so that it can be captured; and it says the same over every transport, so that the captures can be
compared.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

import msgspec

from netlab.chat.messages import Message
from netlab.packets.endpoint import DEFAULT_PORTS
from netlab.transports import CannotListen, Chat, HubShell, connect, serve
from netlab.transports.endpoints import Server

PEOPLE = ("ann", "bob", "cem")
GREETING = "Hello! Can everybody hear me?"
LONG_TEXT = "\n".join(f"Line {number:4} of a message that is too long for one packet." for number in range(1, 1201))
HEARD_WITHIN_S = 3.0


class Line(msgspec.Struct, frozen=True):
    """One thing that was said: where (a room, or a person's name), by whom, and who heard it."""

    to: str
    speaker: str
    text: str
    private: bool
    heard_by: list[str]


class Played(msgspec.Struct, frozen=True):
    """The chat as it went. The byte counts are the server's, of its sockets: what it received and what it sent."""

    scheme: str
    url: str
    lines: list[Line]
    bytes_in: int
    bytes_out: int


class _Listener:
    """One person, and what that person hears."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        chat.on("say")(self._hear)

    def _hear(self, text: str, message: Message) -> None:
        self.heard.put_nowait(message)

    async def hears(self, text: str) -> bool:
        """Wait for the text: over UDP it may never come."""
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                while (await self.heard.get()).args != [text]:
                    pass
        except TimeoutError:
            return False
        return True


async def play(scheme: str) -> Played:
    """Play the chat over `tcp` or `udp` on loopback: on the default port if it is free, otherwise on any."""
    lines: list[Line] = []
    hub = HubShell()
    async with AsyncExitStack() as stack:
        server = await _serve(stack, scheme, hub)
        async with AsyncExitStack() as guests:
            people = [await _guest(guests, server.url, name) for name in PEOPLE]
            ann, bob, cem = people
            for person in people:
                await person.chat.join("lobby")
            lines.append(await _say(ann, GREETING, "lobby", [bob, cem]))
            lines.append(await _say(bob, "Loud and clear.", "lobby", [ann, cem]))
            await ann.chat.join("physics")
            await cem.chat.join("physics")
            lines.append(await _say(cem, "Bob can't read this: he is not in the room.", "physics", [ann]))
            lines.append(await _whisper(bob, "A word for you alone.", ann))
            lines.append(await _say(ann, LONG_TEXT, "lobby", [bob, cem]))
        await hub.emptied()
    counters = server.counters
    return Played(scheme, server.url, lines, counters["bytes_in"], counters["bytes_out"])


async def _serve(stack: AsyncExitStack, scheme: str, hub: HubShell) -> Server:
    try:
        return await stack.enter_async_context(serve(f"{scheme}://127.0.0.1:{DEFAULT_PORTS[scheme]}", hub=hub))
    except CannotListen:
        return await stack.enter_async_context(serve(f"{scheme}://127.0.0.1:0", hub=hub))


async def _guest(stack: AsyncExitStack, url: str, name: str) -> _Listener:
    return _Listener(await stack.enter_async_context(connect(url, name=name)))


async def _say(speaker: _Listener, text: str, room: str, others: list[_Listener]) -> Line:
    await speaker.chat.emit("say", text, to=room, skip_self=True)
    heard = [other.chat.name for other in others if await other.hears(text)]
    return Line(room, speaker.chat.name, text, False, heard)


async def _whisper(speaker: _Listener, text: str, other: _Listener) -> Line:
    await speaker.chat.emit("say", text, to=await speaker.chat.find(other.chat.name))
    heard = [other.chat.name] if await other.hears(text) else []
    return Line(other.chat.name, speaker.chat.name, text, True, heard)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(asyncio.run(play(sys.argv[1]))).decode() + "\n")
