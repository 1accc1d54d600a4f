"""What a transport is to the client's shell, and the shell to it: one attempt to connect."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from netlab.chat.client_events import Event
from netlab.transports.url import Address


class Callbacks(Protocol):
    """What a transport's client end calls."""

    counters: Counter[str]
    entropy: Callable[[int], bytes]

    def step(self, event: Event) -> None:
        """Something happened to the connection."""

    def received(self, message: bytes) -> None:
        """A whole message came."""

    def disconnected(self) -> None:
        """The socket is closed."""


class ClientEnd(Protocol):
    """What a transport gives the client shell, for one attempt to connect."""

    async def connect(self, address: Address, tls: ssl.SSLContext | None) -> None:
        """Make the connection, and step `Connected`."""

    def say(self, message: bytes, *, hello: bool) -> None:
        """Send a message."""

    def hang_up(self, *, said: bool) -> None:
        """Close."""

    @property
    def figures(self) -> dict[str, int]:
        """What the transport's own sender has found out about its path; empty where it has none."""
