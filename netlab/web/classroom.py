"""A class: everybody's datagrams cross a relay on the teacher's machine, where the teacher has a hand on them.

    terminals --- udp, rudp --->  relay [ a `Hand` each way for each host ]  --->  the hub, on 127.0.0.1
    browsers  -- a client each -->

They are real datagrams: terminals join with `netlab udp-chat --host TEACHER`; for each browser this server runs a
client of its own, which sends its datagrams through the relay too, so that the teacher's hand is the same for all. The
relay looks into packets only to show them; the cookie of the handshake goes all the way, so an address is proved to be
whose it says.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Literal

import msgspec

from netlab.errors import NetlabError
from netlab.network.hand import Decision
from netlab.network.link import REASONS, Delivered, Output
from netlab.network.link_options import parse_link
from netlab.packets.endpoint import DEFAULT_PORTS, format_host_port
from netlab.packets.text import printable
from netlab.transports import CannotListen, HubShell, serve
from netlab.transports.alarm import now_ns
from netlab.transports.url import Address, parse_url
from netlab.units import MS
from netlab.web import limits
from netlab.web.class_hosts import Datagram, Door, Host, Upstream, Way
from netlab.web.datagrams import HEADERS, damaged, name_in, says
from netlab.web.rooms import reached

_CARRIERS = ("udp", "rudp")
_LAST_WORDS_S = 0.05
"""How long the relay goes on after the hub has said goodbye: on one machine it takes well under a millisecond."""

_COUNTS_EVERY_S = 0.25

_SAID = {"fate": "dropped by hand", "queue_full": "queue full", "loss": "lost"}

Tell = Callable[[dict[str, Any]], None]
"""Takes what happens in the class, as JSON can say it."""


class BadOrder(NetlabError, ValueError):
    """The teacher asked for what can't be; the message says what to ask."""


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the teacher asks for.

    Attributes:
        do: `hold` and `release` a host; `link` gives its line options; the others decide about one packet that waits,
            or where `packet` is 0, about all that wait of that host.
        host: its id; "" for all hosts.
        link: as everywhere: `loss=20% delay=50ms`; empty for none.
        by_ms: for `delay`.
    """

    do: Literal["hold", "release", "link", "pass", "drop", "corrupt", "delay"]
    host: str = ""
    packet: int = 0
    link: str = ""
    by_ms: int = 1000


class Classroom:
    """The relay and all that is known of it.

    Attributes:
        token: what students present; secret: what the teacher's page does.
        urls: where terminals come in.
    """

    def __init__(self, token: str, secret: str) -> None:
        self.token = token
        self.secret = secret
        self.urls: list[str] = []
        self.hosts: OrderedDict[tuple[str, Any], Host] = OrderedDict()  # the longest idle first
        self.listeners: set[Tell] = set()
        self._latest: deque[dict[str, Any]] = deque(maxlen=limits.SHOWN)
        self._numbers, self._host_numbers = itertools.count(1), itertools.count(1)
        self._begun: set[asyncio.Task[None]] = set()
        self._doors: list[asyncio.DatagramTransport] = []
        self._changed: dict[str, Host] = {}  # whose counts are told soon
        self._telling: asyncio.TimerHandle | None = None

    # Where one comes in

    def urls_for(self, host: str) -> dict[str, str]:
        """Where terminals come in, for who reached this machine under this name."""
        return {(url := reached(parse_url(text), host)).scheme: str(url) for text in self.urls}

    def local_url(self, scheme: str) -> str:
        """Where the clients come in that this server runs for browsers."""
        return self.urls_for("127.0.0.1")[scheme]

    async def open_door(self, scheme: str, host: str, port: int, hub: Address) -> None:
        """Listen for one transport.

        Raises:
            CannotListen: the address is taken, or is not one of this machine's.
        """
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: Door(self, scheme, hub), local_addr=(host, port))
        except OSError as error:
            where = f"{scheme}://{format_host_port(host, port)}"
            taken = error.errno == errno.EADDRINUSE
            raise CannotListen(f"cannot listen at {where}: {error.strerror or error}", taken=taken) from None
        self._doors.append(transport)
        self.urls.append(f"{scheme}://{format_host_port(*transport.get_extra_info('sockname')[:2])}")

    def close(self) -> None:
        """Listen no more, and forget everybody."""
        if self._telling is not None:
            self._telling.cancel()
        for door in self._doors:
            door.close()
        for host in list(self.hosts.values()):
            self._forget(host)

    # Datagrams

    def came_in(self, door: Door, data: bytes, address: tuple[Any, ...]) -> None:
        """A host says something."""
        key = (door.scheme, address)
        host = self.hosts.get(key)
        if host is None:
            if len(self.hosts) >= limits.HOSTS:
                self._forget(next(iter(self.hosts.values())))
            host = self.hosts[key] = Host(self, door, address, next(self._host_numbers))
            self._hold_like_the_others(host)
            task = asyncio.get_running_loop().create_task(self._open_upstream(host))
            self._begun.add(task)
            task.add_done_callback(self._begun.discard)
        self.hosts.move_to_end(key)
        name = name_in(data)
        if name and name != host.name:
            host.name = printable(name)
            self._tell_of(host)
        self.arrived(host, "there", data)

    def _hold_like_the_others(self, host: Host) -> None:
        """Who comes to a class that is held as a whole is held too."""
        others = [other for other in self.hosts.values() if other is not host]
        held = bool(others) and all(other.hands["there"].is_held for other in others)
        for hand in host.hands.values():
            hand.is_held = held
        self._tell_of(host)

    async def _open_upstream(self, host: Host) -> None:
        loop, hub = asyncio.get_running_loop(), host.door.hub
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: Upstream(host), remote_addr=(hub.host, hub.port))
        except OSError:  # no socket is left: what it says is lost, as on a link
            return
        if self.hosts.get((host.door.scheme, host.address)) is not host:
            transport.close()
            return
        host.upstream = transport
        for data in host.early:
            transport.sendto(data)
        host.early.clear()

    def _forget(self, host: Host) -> None:
        self.hosts.pop((host.door.scheme, host.address), None)
        host.alarm.set(None)
        if host.upstream is not None:
            host.upstream.close()
        self._tell({"type": "gone", "host": host.id})

    def arrived(self, host: Host, way: Way, data: bytes) -> None:
        """A datagram comes to a host's line."""
        datagram = Datagram(next(self._numbers), data)
        hand, number = host.hands[way], datagram.number
        shown: dict[str, Any] = {
            "type": "packet",
            "id": number,
            "host": host.id,
            "way": way,
            "at": time.time(),
            "bytes": len(data) + HEADERS,
            "says": says(data),
            "state": "waiting" if hand.is_held else "on its way",
        }
        self._latest.append(shown)
        self._tell(shown)
        self._tell_soon(host)
        if hand.is_held and self._waiting() >= limits.WAITING:
            self._told_fate(number, _SAID["queue_full"])
            return
        self._carry_out(host, way, hand.arrive(number, datagram, len(data) + HEADERS, self._now()))

    def _waiting(self) -> int:
        return sum(len(hand.waiting) for host in self.hosts.values() for hand in host.hands.values())

    def fire(self, host: Host) -> None:
        """Something of a host's line is due."""
        for way, hand in host.hands.items():
            self._carry_out(host, way, hand.fire(self._now()))

    def _carry_out(self, host: Host, way: Way, outputs: list[Output[Datagram]]) -> None:
        for output in outputs:
            datagram = output.packet
            if not isinstance(output, Delivered):
                self._told_fate(datagram.number, _SAID.get(output.reason, REASONS[output.reason]))
                continue
            data, fate = datagram.data, "delivered"
            if output.corruption is not None:
                data, fate = damaged(data, output.corruption), "corrupted"
            host.passed[way] += 1
            self._tell_soon(host)
            self._told_fate(datagram.number, fate)
            if way == "back":
                host.door.transport.sendto(data, host.address)
            elif host.upstream is not None:
                host.upstream.sendto(data)
            elif len(host.early) < limits.WAITING_OF_ONE:
                host.early.append(data)
        deadlines = [hand.deadline for hand in host.hands.values() if hand.deadline is not None]
        host.alarm.set(min(deadlines, default=None))

    @staticmethod
    def _now() -> int:
        return now_ns(asyncio.get_running_loop())

    # The teacher

    def welcome(self, host: str) -> dict[str, Any]:
        """What a teacher's page is told first that reached this machine under the name `host`."""
        return {
            "type": "class",
            "token": self.token,
            "join": list(self.urls_for(host).values()),
            "hosts": [host.told for host in self.hosts.values()],
            "packets": list(self._latest),
        }

    def order(self, order: Order) -> None:
        """Do what the teacher asks for.

        Raises:
            BadOrder: there is no such host, packet or link.
        """
        hosts = [host for host in self.hosts.values() if order.host in ("", host.id)]
        if order.host and not hosts:
            raise BadOrder(f"host {order.host!r} is not in the class")
        match order.do:
            case "hold" | "release":
                for host in hosts:
                    for hand in host.hands.values():
                        hand.is_held = order.do == "hold"
                    self._tell_of(host)
            case "link":
                self._link(hosts, order.link)
            case "pass" | "drop" | "corrupt" | "delay":
                self._decide(hosts, order, order.do)

    def let_go(self) -> None:
        """The class ends: nobody is held, what waits passes, and every line is perfect."""
        for order in (Order("release"), Order("link"), Order("pass")):
            self.order(order)

    def _link(self, hosts: list[Host], text: str) -> None:
        try:
            config = parse_link(text)
        except NetlabError as error:
            raise BadOrder(f"link: {error}") from None
        for host in hosts:
            host.link = text
            for way, hand in host.hands.items():
                self._carry_out(host, way, hand.configure(config, self._now()))
            self._tell_of(host)

    def _decide(self, hosts: list[Host], order: Order, what: Decision) -> None:
        if not 0 <= order.by_ms <= limits.LONGEST_DELAY_S * 1000:
            raise BadOrder(f"delay: {order.by_ms} ms is not from 0 to {limits.LONGEST_DELAY_S} s")
        decided = 0
        for host in hosts:
            for way, hand in host.hands.items():
                for number in hand.waiting:
                    if order.packet in (0, number):
                        decided += 1
                        outputs = hand.decide(number, what, self._now(), order.by_ms * MS)
                        if what == "delay":
                            self._told_fate(number, "delayed by hand")
                        self._carry_out(host, way, outputs)
            self._tell_of(host)
        if order.packet and not decided:
            raise BadOrder(f"packet {order.packet} does not wait any more")

    def _tell_soon(self, host: Host) -> None:
        """Its counts change with each packet; pages are told now and then."""
        self._changed[host.id] = host
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_COUNTS_EVERY_S, self._tell_counts)

    def _tell_counts(self) -> None:
        changed, self._changed, self._telling = self._changed, {}, None
        for host in changed.values():
            self._tell_of(host)

    def _tell_of(self, host: Host) -> None:
        if self.hosts.get((host.door.scheme, host.address)) is host:
            self._tell({"type": "host", "host": host.told})

    def _told_fate(self, number: int, state: str) -> None:
        for shown in reversed(self._latest):
            if shown["id"] == number:
                shown["state"] = state
                break
        self._tell({"type": "fate", "id": number, "state": state, "at": time.time()})

    def _tell(self, what: dict[str, Any]) -> None:
        for tell in list(self.listeners):
            tell(what)


@asynccontextmanager
async def in_class(
    host: str, *, token: str, secret: str, ports: dict[str, int] | None = None
) -> AsyncIterator[Classroom]:
    """A hub behind a relay, for udp and rudp.

    Args:
        host: where terminals come in.
        ports: of each transport; by default its own. Where one is taken, a free one.

    Raises:
        CannotListen: the address is not one of this machine's.
    """
    room = Classroom(token, secret)
    hub = HubShell(token=token)
    async with AsyncExitStack() as stack:
        stack.callback(room.close)
        for scheme in _CARRIERS:
            server = await stack.enter_async_context(serve(f"{scheme}://127.0.0.1:0", hub=hub))
            port = DEFAULT_PORTS[scheme] if ports is None else ports[scheme]
            hub_at = parse_url(server.url)
            try:
                await room.open_door(scheme, host, port, hub_at)
            except CannotListen as error:
                if not error.taken:
                    raise
                await room.open_door(scheme, host, 0, hub_at)
        try:
            yield room
        finally:
            await hub.close()
            await asyncio.sleep(_LAST_WORDS_S)
