"""What every kind of flow shares: what it finds in its world, and what it tells in the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from netlab.protocols.congestion.control import CongestionControl
from netlab.protocols.tcp import TcpConfig
from netlab.protocols.trace import Trace
from netlab.scenarios.quantities import BadScenario, quantity
from netlab.units import MS, Ns, S, parse_duration

_A_DAY: Ns = 86_400 * S


class Place(Protocol):
    """Where a flow runs. Its clients stand on one side of the scenario's link, the server on the other.

    The same flow runs in every world, so it asks nothing of one but this; time is the running loop's.
    """

    @property
    def clients(self) -> Sequence[str]:
        """A name for each."""

    def wall_clock(self) -> Ns:
        """Ns since 1970."""

    def on_server(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something on the server."""

    def on_client(self, client: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something on a client."""

    def listen(self, port: int) -> tuple[str, int]:
        """The address that the server of this flow listens at: at this port or, where others may be on the machine, at
        any (0)."""

    def across(self, address: tuple[str, int], transport: str) -> tuple[str, int]:
        """Where clients reach, across the link, what listens on the server at this address.

        Args:
            transport: `udp` or `tcp`.

        Raises:
            CannotRun: the link of this world can't carry that.
        """

    def use_tcp(self, port: int, config: TcpConfig, control: Callable[..., CongestionControl]) -> None:
        """Connections of this flow's clients, and those to this port of its server, are like that.

        Raises:
            CannotRun: TCP is not netlab's own in this world.
        """

    @property
    def trace(self) -> Trace | None:
        """Takes what this flow's senders decide, where somebody listens."""

    def dice(self, purpose: str) -> random.Random:
        """Dice of this flow's own, from the scenario's seed."""

    def entropy(self, who: str) -> Callable[[int], bytes]:
        """`entropy(n)` for a participant."""

    async def settled(self) -> None:
        """Wait until nothing is on the link any more."""


class Flow(Protocol):
    """A flow that runs."""

    async def run(self) -> None:
        """Send all there is to send, wait for what is on its way, and close what was opened."""

    def summary(self) -> Summary:
        """What came of it."""


class Lasting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of flow from one client that goes on for some time.

    Attributes:
        lasts: for how long.
        begins: when.
    """

    lasts: str = "10s"
    begins: str = "0s"

    def __post_init__(self) -> None:
        if not 0 < self.duration <= _A_DAY:
            raise BadScenario(f'lasts = "{self.lasts}" is 0 or more than a day: write lasts = "10s"')
        if not 0 <= self.start <= _A_DAY:
            raise BadScenario(f'begins = "{self.begins}" is more than a day: write begins = "5s"')

    @property
    def duration(self) -> Ns:
        return quantity("lasts", parse_duration, self.lasts)

    @property
    def start(self) -> Ns:
        return quantity("begins", parse_duration, self.begins)

    @property
    def clients(self) -> int:
        return 1


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one flow. In a chat each text has as many receivers as people: each of them counts.

    Attributes:
        what: the flow in words.
        sent, delivered, doubled: datagrams or texts, or bytes of a stream; `delivered` counts each once.
        lost: `sent - delivered`.
        unknown: texts that nobody knows the end of, people who never came in, and connections that broke.
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


class Tally:
    """What one flow counts while it runs.

    Attributes:
        last: when something came that had not come before, or was sent, ns.
    """

    def __init__(self, what: str, size: int) -> None:
        self.what = what
        self.size = size
        self.sent = 0
        self.unknown = 0
        self.arrivals = 0
        self.delays: list[Ns] = []
        self.last: Ns = 0
        self._first: Ns | None = None
        self._last_arrival: Ns = 0

    def send(self, now: Ns, receivers: int = 1) -> None:
        """Something was sent, to so many."""
        self._first = now if self._first is None else self._first
        self.sent += receivers
        self.last = now

    def arrive(self, now: Ns, sent_at: Ns, *, again: bool) -> None:
        """Something came to one of them; `again` where the same had come before."""
        self.arrivals += 1
        if not again:
            self.delays.append(now - sent_at)
            self.last = self._last_arrival = now

    def summary(self) -> Summary:
        """What it comes to."""
        delivered = len(self.delays)
        took = self._last_arrival - (self._first or 0)
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
