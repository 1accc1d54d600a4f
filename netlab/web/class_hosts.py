"""Those who take part in a class: each with a hand on its line and a socket of its own to the hub; and where they come
in."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, Protocol, TypeAlias, cast

import msgspec

from netlab.network.hand import Hand
from netlab.network.seeds import seeded_streams
from netlab.packets.endpoint import format_host_port
from netlab.transports.alarm import Alarm
from netlab.transports.url import Address
from netlab.web import limits

Way: TypeAlias = Literal["there", "back"]
"""Towards the hub, and from it."""


class Relay(Protocol):
    """Who is told what comes."""

    def came_in(self, door: Door, data: bytes, address: tuple[Any, ...]) -> None:
        """Somebody sent something to a door."""

    def arrived(self, host: Host, way: Way, data: bytes) -> None:
        """A datagram comes to a host's line."""

    def fire(self, host: Host) -> None:
        """Something of a host's line is due."""


class Datagram(msgspec.Struct, frozen=True):
    """One on its way, with what its fate is told by."""

    number: int
    data: bytes


class Host:
    """One address that takes part, with a hand on each direction of its line, and a socket of its own to the hub."""

    def __init__(self, room: Relay, door: Door, address: tuple[Any, ...], number: int) -> None:
        self.id = str(number)
        self.name = ""
        self.address = address
        self.door = door
        self.link = ""
        self.passed = {"there": 0, "back": 0}
        self.hands: dict[Way, Hand[Datagram]] = {
            way: Hand(seeded_streams(f"class/{number}"), name=way, most=limits.WAITING_OF_ONE)
            for way in ("there", "back")
        }
        self.upstream: asyncio.DatagramTransport | None = None
        self.early: list[bytes] = []  # what came out of the line before the socket stood
        self._room = room
        self.alarm = Alarm(asyncio.get_running_loop(), lambda: room.fire(self))

    @property
    def told(self) -> dict[str, Any]:
        """As a teacher's page is told of it."""
        return {
            "id": self.id,
            "name": self.name,
            "address": format_host_port(str(self.address[0]), int(self.address[1])),
            "over": self.door.scheme,
            "held": self.hands["there"].is_held,
            "link": self.link,
            "waiting": sum(len(hand.waiting) for hand in self.hands.values()),
            "there": self.passed["there"],
            "back": self.passed["back"],
        }

    def datagram_received(self, data: bytes) -> None:
        """The hub answers."""
        self._room.arrived(self, "back", data)


class Upstream(asyncio.DatagramProtocol):
    def __init__(self, host: Host) -> None:
        self._host = host

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._host.datagram_received(data)


class Door(asyncio.DatagramProtocol):
    """Where hosts send to, for one transport."""

    transport: asyncio.DatagramTransport

    def __init__(self, room: Relay, scheme: str, hub: Address) -> None:
        self.scheme = scheme
        self.hub = hub
        self._room = room

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._room.came_in(self, data, addr)
