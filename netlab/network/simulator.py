"""The network on a virtual clock: hosts, links between them, and what happens next.

Everything that is to happen stands in one heap, keyed (time, insertion order): so what happens at the same time happens
in the order in which it was asked for, and a run repeats exactly. Between two events no time passes; computing takes
none. Nothing here waits: `step` does the next thing and the clock jumps there.

    ann ---- link ann>r ----> r ---- link r>bob ----> bob       each direction is a `Link` of its own
        <--- link r>ann -----   <--- link bob>r -----

Read `hosts` for what a host does, `link` for what happens between them. A tap sees frames at a point: at a host, what
it sends and receives; at a direction of a link, what comes out of it or is lost in it. A watcher is told what became of
each packet of a direction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from ipaddress import IPv4Address
from typing import Any, Protocol, TypeAlias

import msgspec

from netlab.errors import NetlabError
from netlab.network import ip_packet
from netlab.network.hosts import Host
from netlab.network.impairments import Corruption, Stream
from netlab.network.ip_packet import Packet
from netlab.network.link import REASONS, Configure, Delivered, Link, Output
from netlab.network.link_config import LinkConfig
from netlab.packets import ethernet
from netlab.packets.ethernet import EthernetFrame, EtherType
from netlab.protocols.trace import Trace
from netlab.units import Ns

FIRST_ADDRESS = IPv4Address("10.0.0.1")
"""Of the first host that is given none; the next gets the next."""


class BadNetwork(NetlabError, ValueError):
    """A host or link cannot be made like that."""


class Tap(Protocol):
    """What looks at frames."""

    def seen(self, point: str, at: Ns, frame: bytes, comment: str | None, *, outbound: bool | None) -> None:
        """A frame passed a point, at this time.

        Args:
            comment: what happened to it there: why it was dropped, or where it was damaged.
            outbound: at a host: whether the host sent it.
        """


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a packet on one direction of a link. A packet that is duplicated has two.

    Attributes:
        direction: its name.
        number: of the packet, counted from 1 as packets come to this direction: what a `Fate` names.
        packet: as it came.
        came: when, ns.
        left: when it came out, or was dropped, ns.
        reason: why it was dropped, one of `link.REASONS`; None where it came out.
        corruption: how it was damaged.
    """

    direction: str
    number: int
    packet: Packet
    came: Ns
    left: Ns
    reason: str | None = None
    corruption: Corruption | None = None


Watcher: TypeAlias = Callable[[Passage], None]


class _Numbered(msgspec.Struct, frozen=True, gc=False):
    """A packet on a link that is watched."""

    packet: Packet
    number: int
    came: Ns


class Channel:
    """One direction of a link between two hosts: the link object, and its timer in the simulation's heap."""

    __slots__ = (
        "_armed",
        "_awake",
        "_came",
        "_is_observed",
        "_simulation",
        "_watchers",
        "link",
        "receiver",
        "sender",
    )

    def __init__(self, simulation: Simulation, link: Link[Packet | _Numbered], sender: Host, receiver: Host) -> None:
        self._simulation = simulation
        self._is_observed = False
        self._watchers: list[Watcher] = []
        self._came = 0
        self._armed: Ns | None = None
        self._awake: Callable[[Any], None] = self._wake  # bound once
        self.link = link
        self.sender = sender
        self.receiver = receiver

    def send(self, packet: Packet) -> None:
        """The sender hands the link a packet."""
        simulation = self._simulation
        link = self.link
        if self._is_observed:
            self._show(self.sender.name, simulation.now, packet, None, outbound=True)
            self._came += 1
            numbered = _Numbered(packet, self._came, simulation.now)
            outputs = link.arrive(numbered, packet.size, simulation.now)
        else:
            outputs = link.arrive(packet, packet.size, simulation.now)
        if outputs:  # now, but not within the sender's own turn
            simulation.call_at(simulation.now, self._carry_out, outputs)
        deadline, armed = link.deadline, self._armed
        if deadline is not None and (armed is None or deadline < armed):
            self._armed = deadline
            simulation.call_at(deadline, self._awake, None)

    def configure(self, config: LinkConfig) -> None:
        """From now on the link is like this."""
        self._carry_out(self.link.handle(Configure(config), self._simulation.now))
        self._arm()

    def _arm(self) -> None:
        deadline = self.link.deadline
        if deadline is not None and (self._armed is None or deadline < self._armed):
            self._armed = deadline
            self._simulation.call_at(deadline, self._awake, None)

    def _wake(self, _: None) -> None:
        simulation, link = self._simulation, self.link
        now = simulation.now
        if self._armed != now:
            return  # an earlier one was set meanwhile
        outputs = link.fire(now)
        self._armed = deadline = link.deadline
        if deadline is not None:  # as call_at does, for every packet on every link
            simulation._inserted = number = simulation._inserted + 1
            heappush(simulation._heap, (deadline, number, self._awake, None))
        self._carry_out(outputs)

    def _carry_out(self, outputs: list[Output[Packet | _Numbered]]) -> None:
        for output in outputs:
            packet = output.packet
            if isinstance(packet, _Numbered):
                self._tell(packet, output)
                packet = packet.packet
            if isinstance(output, Delivered):
                corruption = output.corruption
                self.receiver.arrive(packet if corruption is None else ip_packet.corrupt(packet, corruption))

    def watch(self, watcher: Watcher) -> None:
        """Tell what becomes of each packet, when it leaves."""
        self._watchers.append(watcher)
        self.observe()

    def observe(self) -> None:
        """From now on somebody looks; where nobody does, nothing is done for them."""
        if not self._is_observed:
            self._is_observed = True
            self._came = self.link.account.arrived

    def _tell(self, numbered: _Numbered, output: Output[Packet | _Numbered]) -> None:
        """Whoever looks."""
        packet, reason, corruption = numbered.packet, None, None
        if isinstance(output, Delivered):
            corruption = output.corruption
            comment = None
            if corruption is not None:
                packet = ip_packet.corrupt(packet, corruption)
                comment = f"damaged: byte {corruption.at} by {corruption.mask:#04x}"
            self._show(self.link.name, output.at, packet, comment)
            self._show(self.receiver.name, output.at, packet, None, outbound=False)
        else:
            reason = output.reason
            self._show(self.link.name, output.at, packet, f"dropped: {REASONS[reason]} ({reason})")
        if self._watchers:
            passage = Passage(
                direction=self.link.name,
                number=numbered.number,
                packet=numbered.packet,
                came=numbered.came,
                left=output.at,
                reason=reason,
                corruption=corruption,
            )
            for watcher in self._watchers:
                watcher(passage)

    def _show(self, point: str, at: Ns, packet: Packet, comment: str | None, *, outbound: bool | None = None) -> None:
        taps = self._simulation.taps.get(point)
        if taps:
            data = ip_packet.encode(packet)
            frame = EthernetFrame(self.receiver.hardware, self.sender.hardware, EtherType.IPV4, data)
            encoded = ethernet.encode(frame)
            for tap in taps:
                tap.seen(point, at, encoded, comment, outbound=outbound)


class Simulation:
    """Hosts and links on a virtual clock that starts at 0.

    Args:
        stream: `stream(name)` gives dice: see `seeds.seeded_streams`.
        entropy: `entropy(host)(n)` gives the host n bytes, for its ports.
    """

    def __init__(self, *, stream: Stream, entropy: Callable[[str], Callable[[int], bytes]]) -> None:
        self.now: Ns = 0
        self.entropy = entropy
        self.hosts: dict[str, Host] = {}
        self.channels: dict[str, Channel] = {}
        """Each direction of each link by its name, such as `ann>server`."""
        self.taps: dict[str, list[Tap]] = {}
        self.trace: Trace | None = None
        """Takes what the TCP of hosts decides, from when they first use it."""
        self._stream = stream
        self._by_address: dict[int, Host] = {}
        self._heap: list[tuple[Ns, int, Callable[[Any], None], Any]] = []
        self._inserted = 0

    # What there is

    def host(self, name: str, address: str | None = None) -> Host:
        """Add a host; without an address it gets the next of 10.0.0.1, 10.0.0.2, ...

        Raises:
            BadNetwork: the name or the address is taken, or is none.
        """
        if name in self.hosts or not name or ">" in name:
            raise BadNetwork(f"a host cannot be called {name!r}: the name is taken, empty or has a >")
        number = len(self.hosts)
        try:
            its_address = FIRST_ADDRESS + number if address is None else IPv4Address(address)
        except ValueError as error:
            raise BadNetwork(f"{error}: write an address such as 10.0.0.1") from None
        if int(its_address) in self._by_address or its_address.is_loopback or its_address.is_unspecified:
            raise BadNetwork(f"{its_address} is taken, or no host's")
        host = Host(self, name, its_address, number + 1)
        self.hosts[name] = self._by_address[host.address] = host
        return host

    def connect(
        self, one: Host, other: Host, there: LinkConfig, back: LinkConfig | None = None
    ) -> tuple[Channel, Channel]:
        """Join two hosts by a link; `back` is like `there` where it is not given."""
        if f"{one.name}>{other.name}" in self.channels or one is other:
            raise BadNetwork(f"{one.name} and {other.name} are joined already, or the same")
        pair = self._channel(one, other, there), self._channel(other, one, back or there)
        for host in self.hosts.values():
            host.forget_routes()
        return pair

    def _channel(self, sender: Host, receiver: Host, config: LinkConfig) -> Channel:
        name = f"{sender.name}>{receiver.name}"
        link: Link[Packet | _Numbered] = Link(config, self._stream, name=name)
        self.channels[name] = channel = Channel(self, link, sender, receiver)
        if not self.taps.keys().isdisjoint((name, sender.name, receiver.name)):
            channel.observe()
        return channel

    def first_hop(self, host: Host, destination: int) -> Channel | None:
        """Where a packet leaves `host` on the way with the fewest links; of several, the one that was made first."""
        seen: set[int] = {host.address}
        waiting: deque[tuple[Host, Channel | None]] = deque([(host, None)])
        while waiting:
            at, first = waiting.popleft()
            if at.address == destination:
                return first
            for channel in self.channels.values():
                if channel.sender is at and channel.receiver.address not in seen:
                    seen.add(channel.receiver.address)
                    waiting.append((channel.receiver, first or channel))
        return None

    def resolve(self, name: str) -> int | None:
        """The address of a host by its name, or None."""
        host = self.hosts.get(name)
        return None if host is None else host.address

    def tap(self, point: str, tap: Tap) -> None:
        """Show a tap what passes a host or a direction of a link.

        Raises:
            BadNetwork: there is no such point.
        """
        if point not in self.hosts and point not in self.channels:
            raise BadNetwork(f"{point!r} is no host and no direction of a link: they are {self._points()}")
        self.taps.setdefault(point, []).append(tap)
        for name, channel in self.channels.items():
            if point in (name, channel.sender.name, channel.receiver.name):
                channel.observe()

    def watch(self, direction: str, watcher: Watcher) -> None:
        """Tell what becomes of the packets of one direction of a link.

        Raises:
            BadNetwork: there is no such direction.
        """
        if direction not in self.channels:
            raise BadNetwork(f"{direction!r} is no direction of a link: they are {', '.join(self.channels)}")
        self.channels[direction].watch(watcher)

    def _points(self) -> str:
        return ", ".join([*self.hosts, *self.channels])

    # What happens

    @property
    def events(self) -> int:
        """Events that have happened."""
        return self._inserted - len(self._heap)

    def call_at(self, at: Ns, callback: Callable[[Any], None], argument: Any) -> None:
        """Have `callback(argument)` happen at a time; what lies in the past happens now, after what is due already."""
        self._inserted += 1
        heappush(self._heap, (at if at > self.now else self.now, self._inserted, callback, argument))

    @property
    def deadline(self) -> Ns | None:
        """When the next event is due, ns; None where nothing is left to happen."""
        return self._heap[0][0] if self._heap else None

    def step(self) -> bool:
        """Let the next event happen, and the clock be there. False where nothing is left to happen."""
        if not self._heap:
            return False
        self.now, _, callback, argument = heappop(self._heap)
        callback(argument)
        return True

    def run(self, until: Ns | None = None) -> None:
        """Let everything happen, or everything up to `until`, where the clock then stands."""
        heap = self._heap
        while heap and (until is None or heap[0][0] <= until):
            self.now, _, callback, argument = heappop(heap)
            callback(argument)
        if until is not None and until > self.now:
            self.now = until
